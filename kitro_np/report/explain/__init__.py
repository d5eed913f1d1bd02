"""Explain: why one body was refined as it was, from the stages of its method."""

from .kitro_tree import KitroExplanation, explain_kitro
from .map_fit import MapExplanation, explain_map

__all__ = ["KitroExplanation", "MapExplanation", "explain_kitro", "explain_map"]
