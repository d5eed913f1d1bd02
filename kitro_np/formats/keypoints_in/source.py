"""What is to be read: a file, a folder with one file for each image, or an object, in pieces."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from ...errors import InputError, printable
from ...safe_io.inflate import read_inflated
from ...safe_io.json_data import parse_json, split_lines
from ...safe_io.kinds import kind_of
from ...safe_io.memory import RAISED_BY, limit_of, open_budget, shown_size
from ...safe_io.npz import NpzArrays
from ...safe_io.pickle_arrays import Node, RefusedError
from ...safe_io.pickle_tree import as_array, parse_tree
from ...safe_io.stored import StoredArray
from ...safe_io.torch_zip import is_torch_file, torch_tree

SUFFIXES = (".json", ".txt")
"""Files of a folder that are read: those with the first of these suffixes that it has."""

PICKLES = (".pkl", ".pickle", ".pk", ".pth", ".pt")
"""Files that are read as pickles, if they begin neither as text nor as an archive."""

_ZIP, _NPY = b"PK\x03\x04", b"\x93NUMPY"

_MAX_DEPTH = 16
"""Deepest dict or list of a pickle."""

_PER_NUMBER = 8
"""Bytes of a number as readers convert it."""


@dataclass(frozen=True)
class Text:
    """Lines of a text file."""

    lines: tuple[str, ...]


@dataclass
class KeypointsSource:
    """Pieces to read, each a file's name without suffix and its content.

    Attributes
    ----------
    name : str
        For messages: the path, or the argument.
    paths : list of Path
        Files, in the order of their names; none for an object.
    value : object
        The object given instead of files, or what the only file holds.
    layout : str or None
        Layout that the caller names.
    image_size : (width, height) or None
    annotations : mapping or None
        Content of the annotation file of COCO results.
    notes : list of str
        Sentences for people to read.
    """

    name: str
    paths: list[Path] = field(default_factory=list)
    value: Any = None
    layout: str | None = None
    image_size: tuple[float, float] | None = None
    annotations: Mapping[str, Any] | None = None
    is_folder: bool = False
    notes: list[str] = field(default_factory=list)

    def pieces(self) -> Iterator[tuple[str, Any]]:
        """Yield the name and the content of each piece; that of an object has no name."""
        if len(self.paths) == 1 and self.value is None:
            self.value = read_content(self.paths[0])  # kept: it is recognised first, then read
        if len(self.paths) < 2:
            yield (self.paths[0].stem if self.paths else ""), self.value
            return
        for path in self.paths:
            yield path.stem, read_content(path)

    def single(self, form: str) -> Any:
        """Return the content of the only file: this format has all frames in one."""
        if len(self.paths) > 1:
            raise InputError(
                f"{self.name}: expected one file, as {form} writes for all frames, "
                f"got a folder of {len(self.paths)}."
            )
        return next(self.pieces())[1]


def open_source(value: Any) -> KeypointsSource:
    """Return the source of a path or of an object.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If a folder has no files to read, or there is too much.
    """
    if not isinstance(value, (str, os.PathLike)):
        return KeypointsSource("keypoints", value=value)
    path = Path(value)
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a file or folder of keypoints, got none.")
    if not path.is_dir():
        return KeypointsSource(str(path), [path])
    sizes: dict[str, dict[Path, int]] = {suffix: {} for suffix in SUFFIXES}
    with os.scandir(path) as entries:
        for entry in entries:
            suffix = os.path.splitext(entry.name)[1].lower()
            if suffix in sizes and entry.is_file() and not entry.name.startswith("."):
                sizes[suffix][Path(entry.path)] = entry.stat().st_size
    files = next((found for found in sizes.values() if found), {})
    if not files:
        raise InputError(f"{path}: expected a folder of .json or .txt files of keypoints, got none of these.")
    _check_bytes(str(path), sum(files.values()))
    return KeypointsSource(str(path), sorted(files), is_folder=True)


def read_content(path: Path) -> Any:
    """Return what a file holds: JSON, arrays by name, or lines of text; nothing in it is executed.

    Raises
    ------
    InputError
        If it is too large, or none of these.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a file, got a device or a pipe.")
    with open(path, "rb") as file:
        _check_bytes(str(path), os.fstat(file.fileno()).st_size)
        head = file.read(64)
        if head.startswith(_ZIP) and is_torch_file(path):
            return _checked_tree(path, torch_tree(path))
        if head.startswith(_ZIP):
            arrays = NpzArrays(path, max_elements=None, kind="keypoints")
            if len(arrays):
                return arrays
            raise InputError(
                f"{path}: expected JSON, text or an .npz file of keypoints, got another zip archive."
            )
        if head.startswith(_NPY):
            raise InputError(
                f"{path}: expected JSON, text or an .npz file of keypoints, got a bare array; "
                "give the array itself."
            )
        data = head + file.read()
    if path.suffix.lower() in PICKLES and data[:1] not in (b"[", b"{"):
        return _pickled(path)
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    try:
        if start in (b"[", b"{"):
            return parse_json(data, "keypoints")
        lines = split_lines(data, "keypoints")
    except RefusedError as reason:
        raise InputError(f"{path}: expected {reason.expected}, got {reason.got}.") from None
    except (ValueError, RecursionError) as error:
        if start in (b"[", b"{"):
            raise InputError(
                f"{path}: expected JSON, got a file that is damaged ({type(error).__name__})."
            ) from None
        raise InputError(
            f"{path}: expected JSON, text or an .npz file of keypoints, got {kind_of(head)}."
        ) from None
    return Text(tuple(line for line in lines if line.strip()))


def _pickled(path: Path) -> Any:
    """Return the dicts, lists and arrays of a pickle, also of joblib."""
    try:
        tree = parse_tree(read_inflated(path, "keypoints"))[0]
    except RefusedError as reason:
        raise InputError(f"{path}: expected {reason.expected}, got {reason.got}.") from None
    return _checked_tree(path, tree)


def _checked_tree(path: Path, value: Any) -> Any:
    """Evaluate a tree, if there is memory for it."""
    tree = _evaluated(path, value)
    try:
        open_budget("keypoints").take(_numbers_in(tree, {}), _PER_NUMBER)
    except RefusedError as reason:
        raise InputError(f"{path}: expected {reason.expected}, got {reason.got}.") from None
    return tree


def _evaluated(path: Path, value: Any, depth: int = 0, done: dict[int, Any] | None = None) -> Any:
    """Return a tree with arrays in place of their records; what is there several times is made once."""
    if depth > _MAX_DEPTH:
        raise InputError(f"{path}: expected dicts at most {_MAX_DEPTH} deep, got deeper ones.")
    if not isinstance(value, (dict, list, tuple, Node, StoredArray)):
        return value
    done = {} if done is None else done
    if id(value) not in done:
        if isinstance(value, (Node, StoredArray)):
            try:
                made: Any = as_array(value)
            except RefusedError:  # of no use for keypoints
                made = None
        elif isinstance(value, dict):
            made = {key: _evaluated(path, item, depth + 1, done) for key, item in value.items()}
        else:
            made = [_evaluated(path, item, depth + 1, done) for item in value]
        done[id(value)] = made
    return done[id(value)]


def _numbers_in(tree: Any, done: dict[int, int]) -> int:
    """Count the numbers of a tree, each as often as it refers to it: small pickles may repeat large lists."""
    if isinstance(tree, Mapping):
        parts = tree.values()
    elif isinstance(tree, (list, tuple)):
        parts = tree  # type: ignore[assignment]
    else:
        return getattr(tree, "size", 1)
    if id(tree) not in done:
        done[id(tree)] = 1 + sum(_numbers_in(part, done) for part in parts)
    return done[id(tree)]


def number_frames(names: Sequence[str]) -> tuple[list[int], str]:
    """Return the frames of image names: by the last number in each, else in the names' order.

    Parameters
    ----------
    names : sequence of str
        With or without suffix; a name may occur several times.

    Returns
    -------
    frames : list of int
    note : str
        A sentence if the names tell no numbers.
    """
    distinct = dict.fromkeys(names)
    numbers = {name: _last_number(name) for name in distinct}
    ordered = sorted(distinct, key=_natural)
    found = [number for name in ordered if (number := numbers[name]) is not None]
    # Fractions of a second are no numbers of frames: those follow the order of the names.
    if len(found) == len(distinct) and all(one < two for one, two in pairwise(found)):
        return [numbers[name] for name in names], ""  # type: ignore[misc]
    order = {name: index for index, name in enumerate(ordered)}
    note = "Names do not number the images: frames are counted in the order of the names, from 0."
    return [order[name] for name in names], note if len(distinct) > 1 else ""


def describe(content: Any) -> str:
    """Say what a content is, for a message."""
    if isinstance(content, Text):
        return f"text of {len(content.lines)} lines"
    if isinstance(content, Mapping):
        return f"an object with the keys {_listed(content)}" if len(content) else "an empty object"
    if isinstance(content, (list, tuple)):
        if not content:
            return "an empty list"
        first = next((part for part in content if not isinstance(part, list) or part), content[0])
        return f"a list of {len(content)}, of {describe(first)}"
    shape = getattr(content, "shape", None)
    return f"an array of shape {tuple(shape)}" if shape is not None else f"a {type(content).__name__}"


def keys_in(content: Any, depth: int = 4) -> set[str]:
    """Keys in a content and in the first parts of its lists, down to some depth."""
    if not depth:
        return set()
    if isinstance(content, Mapping):
        keys = {str(key) for key in content}
        return keys.union(*(keys_in(content[key], depth - 1) for key in list(content)[:20]))
    if isinstance(content, (list, tuple)):
        return set().union(*(keys_in(part, depth - 1) for part in content[:5]))
    return set()


def _listed(keys: Any, most: int = 8) -> str:
    names = [printable(key, 40) for key in list(keys)[: most + 1]]
    return ", ".join(names[:most]) + (" and more" if len(names) > most else "")


def _last_number(name: str) -> int | None:
    stem = re.sub(r"\.[A-Za-z]\w{1,4}$", "", name).removesuffix("_keypoints")
    found = re.findall(r"\d+", stem)
    return int(found[-1]) if found and len(found[-1]) <= 18 else None


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Key that sorts numbers in names by their value."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part]


def _check_bytes(name: str, count: int) -> None:
    most = limit_of("keypoints")
    if count > most:
        raise InputError(
            f"{name}: expected at most {shown_size(most)} ({RAISED_BY}), got {shown_size(count)}."
        )
