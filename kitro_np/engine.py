"""Engine: where the choice between kernels and array stages is made."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace, is_numpy_array

from .errors import InputError, one_of

ENGINES = ("numba", "array")
"""``numba``: fused kernels for NumPy arrays. ``array``: the stages as they stand, for any array."""


def choose_engine(engine: str | None, array: Any) -> str:
    """Return the engine to run: the one asked for, else kernels for NumPy arrays and stages for the rest.

    Parameters
    ----------
    engine : str or None
    array : array
        One of the arrays that the engine will be given.

    Raises
    ------
    InputError
        If the name is unknown, or the engine cannot take such arrays; there is no silent fallback.
    """
    if engine is None:
        return "numba" if is_numpy_array(array) else "array"
    if one_of("engine", engine, ENGINES) == "numba" and not is_numpy_array(array):
        kind = array_namespace(array).__name__.removeprefix("array_api_compat.")
        raise InputError(f"engine: expected NumPy arrays for 'numba', got {kind} arrays.")
    return engine
