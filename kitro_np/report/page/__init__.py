"""The page of refined people: one HTML file that opens without a network."""

from .write import write_report

__all__ = ["write_report"]
