"""What a file holds, whatever its container: dicts, lists and arrays; nothing in it is executed."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError, listed, printable
from ...safe_io.archive import open_archive, read_member
from ...safe_io.inflate import inflate, read_inflated
from ...safe_io.json_data import parse_json
from ...safe_io.kinds import kind_of
from ...safe_io.memory import open_budget
from ...safe_io.npz import NpzArrays, read_npy_header
from ...safe_io.pickle_arrays import RefusedError
from ...safe_io.pickle_tree import parse_tree
from ...safe_io.torch_zip import is_torch_file, torch_tree

_NUMPY, _ZIP, _PICKLE, _STOP = b"\x93NUMPY", b"PK\3\4", b"\x80", b"."

ESTIMATES = "estimates (.npz, .npy, .pt, .pkl, .json)"

MAYBE_ESTIMATES = ("a zip archive", "a gzip archive", "an array of NumPy (.npy)", "text", "another file")
"""Kinds of files that may hold estimates: old pickles and JSON are text."""


@dataclass(frozen=True)
class Source:
    """A file's or object's content.

    Attributes
    ----------
    name : str
        Path, or "estimates" for an object; messages begin with it.
    tree : object
        Dicts, lists and arrays.
    path : Path or None
    """

    name: str
    tree: Any
    path: Path | None = None

    def beside(self, *names: str) -> Source | None:
        """Open the first file of these names that lies beside this one; None if there is none."""
        folder = None if self.path is None else self.path if self.path.is_dir() else self.path.parent
        paths = [] if folder is None else [folder / name for name in names]
        return next((open_source(path) for path in paths if path.is_file()), None)


def open_source(source: Any) -> Source:
    """Open a path, or take an object that was loaded already.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it has no container that is known, is damaged, or names anything but plain data.
    """
    if isinstance(source, Source):
        return source
    if not isinstance(source, (str, os.PathLike)):
        return Source("estimates", source)
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a file, got none.")
    if path.is_dir():
        return Source(str(path), _folder(path), path)
    if not path.is_file():
        raise InputError(f"{path}: expected a file or a folder, got a device or a pipe.")
    try:
        return Source(str(path), _read(path), path)
    except RefusedError as reason:
        raise InputError(f"{path}: expected {reason.expected}, got {reason.got}.") from None


def _read(path: Path) -> Any:
    with open(path, "rb") as file:
        start = file.read(64)
    if not start or (kind_of(start) not in MAYBE_ESTIMATES and not start.startswith(_PICKLE)):
        raise RefusedError(ESTIMATES, kind_of(start))
    if start.startswith(_ZIP):
        return torch_tree(path) if is_torch_file(path) else NpzTree(path)
    data = read_inflated(path)
    if data.startswith(_NUMPY):
        return read_npy(data)
    if data.lstrip()[:1] in (b"{", b"[") and path.suffix.lower() == ".json":
        return _json(data)
    try:
        tree, _ = parse_tree(data)
    except RefusedError:
        if kind_of(start) == "text" and not data.endswith(_STOP):  # pickles of protocol 0 are text, too
            raise RefusedError(ESTIMATES, "text") from None
        raise
    if tree == _LEGACY_MAGIC:
        raise RefusedError(
            "torch's zip format",
            "the format from before torch 1.6; convert it by torch.save(torch.load(old), new)",
        )
    return tree


_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C


def _json(data: bytes) -> Any:
    try:
        return parse_json(data, "estimates")
    except (ValueError, RecursionError):
        raise RefusedError("JSON", "text that is none or is damaged") from None


_MAX_FILES = 10**6

_TRACKS = "hps"
"""Folder of tracks in TRAM's folder of a video."""


def _folder(path: Path) -> Any:
    """Read a folder of numbered files: one for each frame (.json) or for each track (.npy)."""
    names = sorted(name for name in os.listdir(path)[:_MAX_FILES] if name.lower().endswith((".json", ".npy")))
    tracks = [name for name in names if name.startswith("hps_track_") and name.endswith(".npy")]
    if tracks:
        return {name: open_source(path / name).tree for name in tracks}
    frames = [name for name in names if name.lower().endswith(".json")]
    if not frames and (path / _TRACKS).is_dir():  # TRAM's folder of a video, with its camera's files
        return _folder(path / _TRACKS)
    if not frames:
        names = sorted(os.listdir(path))
        held = listed(names[:5]) if names else "nothing"
        raise InputError(
            f"{path}: expected a file of estimates, or a folder of EasyMocap's .json or TRAM's "
            f"hps_track_*.npy, got one that holds {held}."
        )
    return {name: open_source(path / name).tree for name in frames}


def read_npy(data: bytes | bytearray) -> Any:
    """Read an .npy file: an array of numbers or text, or the objects of an array of them."""
    stream = io.BytesIO(data)
    try:
        shape, fortran, dtype = read_npy_header(stream, objects=True)
    except RefusedError:
        raise
    except Exception as error:  # NumPy raises many types of errors for a forged header
        raise RefusedError("an array", f"one that is damaged ({type(error).__name__})") from None
    if dtype.hasobject:
        return parse_tree(bytes(data), stream.tell())[0]
    expected = prod(shape) * dtype.itemsize
    if len(data) - stream.tell() != expected:
        raise RefusedError(f"{expected} bytes", str(len(data) - stream.tell()))
    return np.ndarray(shape, dtype, data, stream.tell(), order="F" if fortran else "C")


class NpzTree(Mapping[str, Any]):
    """The members of an .npz file, each read on access; arrays of objects as dicts and lists."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._arrays = NpzArrays(path, max_elements=None)
        self._read: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        if key not in self._arrays:
            raise KeyError(key)
        if key not in self._read:
            self._read[key] = self._member(key)
        return self._read[key]

    def _member(self, key: str) -> Any:
        try:
            with (
                open(self._path, "rb") as file,
                open_archive(file) as archive,
                archive.open(key + ".npy") as member,
            ):
                start = member.read(1024)
                if b"'O'" not in start and b"'|O'" not in start:
                    return self._arrays[key]
                size = archive.getinfo(key + ".npy").file_size
                open_budget("estimates").take(size)
                return read_npy(start + read_member(member, size))
        except InputError:
            raise
        except RefusedError as reason:
            raise InputError(
                f"{self._path}: {printable(key)}: expected {reason.expected}, got {reason.got}."
            ) from None
        except Exception as error:  # zipfile raises many types of errors for forged archives
            kind = type(error).__name__
            raise InputError(
                f"{self._path}: {printable(key)}: expected an array, got one that is damaged ({kind})."
            ) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __contains__(self, key: object) -> bool:
        return key in self._arrays


__all__ = ["NpzTree", "Source", "inflate", "open_source", "read_npy"]
