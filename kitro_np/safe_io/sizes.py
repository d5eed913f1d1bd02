"""Shapes that a file claims: bounded before anything is computed from them."""

from typing import Any

from .refused import RefusedError

__all__ = ["MAX_AXES", "checked_sizes", "is_size"]

MAX_AXES = 16
"""Most axes of an array: what readers take has five at most."""

_END = 2**63
"""First integer that is no size: a product of a few smaller ones is quickly made and printed."""


def is_size(value: object) -> bool:
    """Whether a value is an integer that may be a size or an offset."""
    return type(value) is int and 0 <= value < _END


def checked_sizes(sizes: Any, most_axes: int = MAX_AXES) -> tuple[int, ...]:
    """Return sizes or strides as a tuple; RefusedError if they are too many, too large or no integers."""
    if not isinstance(sizes, (tuple, list)) or len(sizes) > most_axes or not all(map(is_size, sizes)):
        raise RefusedError(f"a shape of at most {most_axes} integers of at least 0", "another shape")
    return tuple(sizes)
