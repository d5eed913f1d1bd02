"""Live use: one frame in, one frame out."""

from .tracker import Tracker

__all__ = ["Tracker"]
