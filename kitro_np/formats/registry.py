"""Registry of file formats: every module of this folder that defines FORMAT is registered."""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from ..errors import InputError
from ..safe_io.kinds import kind_of
from ..safe_io.pickle_arrays import Array

__all__ = ["Format", "Writer", "find_format", "known_formats", "read_arrays", "write_arrays"]


class Writer(Protocol):
    """Function that writes arrays to a file atomically."""

    def __call__(self, path: Path, arrays: Mapping[str, Array], *, force: bool = False) -> Path:
        """Write arrays by name; `force` overwrites an existing file."""


@dataclass(frozen=True)
class Format:
    """A file format.

    Parameters
    ----------
    name : str
        Name for error messages.
    suffixes : tuple of str
        In lower case, with the dot.
    recognise : callable
        From a path to bool: whether the file has this format, by its content.
    read : callable
        From a path to the file's arrays by name; nothing in the file is executed.
    write : callable, optional
        Writes arrays by name, see :class:`Writer`.
    generic : bool
        Whether it also matches files of more specific formats: it is tried after them.
    """

    name: str
    suffixes: tuple[str, ...]
    recognise: Callable[[Path], bool]
    read: Callable[[Path], Mapping[str, Array]]
    write: Writer | None = None
    generic: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({', '.join(self.suffixes)})"


def known_formats() -> list[Format]:
    """Return the FORMAT of every module of this folder that defines one, generic formats last."""
    package = import_module(__package__)
    modules = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    attributes = [getattr(import_module(f"{__package__}.{name}"), "FORMAT", None) for name in modules]
    formats = [attribute for attribute in attributes if isinstance(attribute, Format)]
    return sorted(formats, key=lambda form: form.generic)


def find_format(path: str | os.PathLike[str]) -> Format:
    """Find the format of a file by its content, else by its suffix, so that its reader reports what is wrong.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is no regular file, or has no known format.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a file, got none.")
    if not path.is_file():
        raise InputError(f"{path}: expected a file, got a folder, a device or a pipe.")
    formats = known_formats()
    matching = [form for form in formats if form.recognise(path)]
    matching += [form for form in formats if path.suffix.lower() in form.suffixes]
    if not matching:
        names = ", ".join(map(str, formats))
        with open(path, "rb") as file:
            found = kind_of(file.read(64))
        raise InputError(f"{path}: expected a file in one of the formats {names}, got {found}.")
    return matching[0]


def read_arrays(path: str | os.PathLike[str]) -> Mapping[str, Array]:
    """Read a file of any known format; errors are those of :func:`find_format` and of the format."""
    return find_format(path).read(Path(path))


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Array], *, force: bool = False) -> Path:
    """Write arrays in the format of the path's suffix; for other suffixes in the generic format, .npz.

    Raises
    ------
    InputError
        If the file exists and `force` is not set, or it cannot be written.
    """
    path = Path(path)
    formats = known_formats()
    suffix = path.suffix.lower()
    writers = [form.write for form in formats if suffix in form.suffixes and form.write is not None]
    writers += [form.write for form in formats if form.generic and form.write is not None]
    return writers[0](path, arrays, force=force)
