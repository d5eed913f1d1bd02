"""Read estimates of any program: find the reader by the file's keys."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from ...arrays.arguments import check_bool
from ...errors import InputError, one_of, printable
from ...safe_io.memory import budget_of_file, memory_limit
from ...safe_io.pickle_arrays import RefusedError
from ...safe_io.pickle_tree import paused_collection
from ..people import PeopleEstimates
from ..refined import ESTIMATE
from .kitro import READERS as OWN_READERS
from .records import EstimateReader, Options
from .source import Source, open_source

__all__ = ["find_reader", "known_readers", "read_estimates", "reads_own"]


@cache
def known_readers() -> tuple[EstimateReader, ...]:
    """Return the READER or READERS of every module of this folder; those with more keys come first."""
    package = import_module(__package__)
    found: list[EstimateReader] = []
    for name in sorted(module.name for module in pkgutil.iter_modules(package.__path__)):
        module = import_module(f"{__package__}.{name}")
        found += [module.READER] if hasattr(module, "READER") else getattr(module, "READERS", [])
    return tuple(sorted(found, key=lambda reader: -len(reader.keys)))


def read_estimates(
    source: Any,
    *,
    format: str | None = None,
    image_size: Sequence[float] | None = None,
    body: Any = None,
    refined: bool = False,
    max_memory: int | str | None = None,
) -> PeopleEstimates:
    """Read the estimates of bodies that another program wrote, with the camera that belongs to them.

    Nothing in a file is executed.

    Parameters
    ----------
    source : path or object
        A file, a folder of numbered ones, or what the program returned.
    format : str, optional
        Name of the program, where the file's keys do not tell.
    image_size : (width, height), optional
        In pixels, for files whose camera depends on it.
    body : BodyModel or str, optional
        The body that will be refined. Files that place the body by its root joint, or in the world, need it;
        by default a licensed body is searched for.
    refined : bool
        Of a complete result of this package, read the refined bodies, not what they were refined from.
    max_memory : int or str, optional
        Most memory that the file's contents may take, in bytes or as "16GB"; see :func:`memory_limit`.

    Returns
    -------
    PeopleEstimates

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is of no known program, damaged, or on a body that cannot be read.
    """
    size = None if image_size is None else read_size(image_size)
    with paused_collection(), memory_limit(max_memory), budget_of_file("estimates"):
        opened = open_source(source)
        return _read(_reader(opened, format), opened, Options(size, body, check_bool("refined", refined)))


def find_reader(source: Any) -> EstimateReader | None:
    """Return the reader that recognises a file; None if none does, or it is damaged.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    try:
        with paused_collection(), budget_of_file("estimates"):
            return _reader(open_source(source), None)
    except InputError:
        return None


def reads_own(reader: EstimateReader) -> bool:
    """Whether a reader's files hold arrays with a row for each body, as arguments of refine."""
    return reader in OWN_READERS


def holds_people(source: Any) -> bool:
    """Whether a file that :func:`reads_own` recognises is a complete result of people, with identities."""
    tree = open_source(source).tree
    return f"{ESTIMATE}pose" in tree and "person" in tree and "frame" in tree


def _reader(opened: Source, format: str | None) -> EstimateReader:
    """Return the reader of that name, or the first that recognises the file."""
    if format is not None:
        names = {reader.name: reader for reader in known_readers()}
        named = names[one_of("format", format, names)]
        if not named.recognises(opened.tree):
            raise _lacking(named, opened)
        return named
    for reader in known_readers():
        if reader.recognises(opened.tree):
            return reader
    raise _unknown(opened)


def _read(reader: EstimateReader, source: Source, options: Options) -> PeopleEstimates:
    try:
        with np.errstate(all="ignore"):  # what overflows is refused later, as not finite
            return reader.read(source, options)
    except InputError:
        raise
    except (
        ArithmeticError, AttributeError, LookupError, RecursionError, RefusedError, TypeError, ValueError
    ) as error:  # fmt: skip
        kind = type(error).__name__
        raise InputError(
            f"{source.name}: expected {reader.name}'s layout, got one that is damaged or new ({kind})."
        ) from error


def read_size(value: Sequence[float]) -> tuple[float, float]:
    """Return an image's width and height, checked."""
    try:
        width, height = (float(number) for number in value)
    except (TypeError, ValueError):
        width = height = 0.0
    if not (width > 0 and height > 0):
        raise InputError(f"image_size: expected width and height in pixels, got {value!r}.")
    return width, height


def _lacking(reader: EstimateReader, source: Source) -> InputError:
    found = reader.found(source.tree)
    keys, missing = (", ".join(part) for part in (reader.keys, [k for k in reader.keys if k not in found]))
    return InputError(f"{source.name}: expected {reader.name}'s keys {keys}, got a file without {missing}.")


def _unknown(source: Source) -> InputError:
    """Say what was recognised, what is missing, and what the file looks most like."""
    tree = source.tree
    names = ", ".join(sorted({reader.name for reader in known_readers()}))
    if isinstance(tree, Mapping):
        keys = [printable(key, 30) for key in list(tree)[:8]]
        what = (
            f"a dict of {', '.join(keys)}" + (", ..." if len(tree) > len(keys) else "")
            if keys
            else "an empty dict"
        )
    elif isinstance(tree, (list, tuple)):
        what = f"a list of {len(tree)}"
    else:
        shape = getattr(tree, "shape", None)
        what = f"an array of shape {shape}" if shape is not None else f"a {type(tree).__name__}"
    likely = max(known_readers(), key=lambda reader: len(reader.found(tree)) / len(reader.keys))
    found = likely.found(tree)
    hint = ""
    if found:
        missing = [key for key in likely.keys if key not in found]
        hint = f"; it looks most like {likely.name}, with {', '.join(found)} but without {', '.join(missing)}"
    return InputError(f"{source.name}: expected estimates of {names}, got {what}{hint}.")
