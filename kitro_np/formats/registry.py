"""Registry: the file formats that are known. A module of this folder that defines FORMAT is one of them."""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from ..errors import InputError
from ..safe_io.pickle_arrays import Array

__all__ = ["Format", "Writer", "find_format", "known_formats", "read_arrays", "write_arrays"]


class Writer(Protocol):
    """How arrays are written to a file, whole or not at all."""

    def __call__(self, path: Path, arrays: Mapping[str, Array], *, force: bool = False) -> Path:
        """Write arrays by name; with `force`, over an existing file."""


@dataclass(frozen=True)
class Format:
    """A file format.

    Parameters
    ----------
    name : str
        What error messages call it.
    suffixes : tuple of str
        In lower case, with their dot.
    recognise : callable
        Whether a file is of this format, by its content: a path to bool.
    read : callable
        A path to the file's arrays by name; it executes nothing that the file names.
    write : callable, optional
        Arrays by name to a path, see :class:`Writer`.
    generic : bool
        Whether it takes files of more special formats, too: it is asked after them.
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
    """Return the FORMAT of every module of this folder that defines one; generic ones come last."""
    package = import_module(__package__)
    modules = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    defined = [getattr(import_module(f"{__package__}.{name}"), "FORMAT", None) for name in modules]
    return sorted((one for one in defined if isinstance(one, Format)), key=lambda one: one.generic)


def find_format(path: str | os.PathLike[str]) -> Format:
    """Find the format of a file by its content, else by its suffix: then reading it says what is wrong.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is no file, or of no format that is known.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a file, got none.")
    if not path.is_file():
        raise InputError(f"{path}: expected a file, got a folder, a device or a pipe.")
    formats = known_formats()
    matching = [one for one in formats if one.recognise(path)]
    matching += [one for one in formats if path.suffix.lower() in one.suffixes]
    if not matching:
        names = ", ".join(map(str, formats))
        raise InputError(f"{path}: expected a file in one of the formats {names}, got another.")
    return matching[0]


def read_arrays(path: str | os.PathLike[str]) -> Mapping[str, Array]:
    """Read a file of any known format; raises what :func:`find_format` and the format do."""
    return find_format(path).read(Path(path))


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Array], *, force: bool = False) -> Path:
    """Write arrays in the format of the path's suffix, or in the generic one, .npz, for any other.

    Raises
    ------
    InputError
        If the file exists and `force` is not set, or it cannot be written.
    """
    path = Path(path)
    formats = known_formats()
    suffix = path.suffix.lower()
    writers = [one.write for one in formats if suffix in one.suffixes and one.write is not None]
    writers += [one.write for one in formats if one.generic and one.write is not None]
    return writers[0](path, arrays, force=force)
