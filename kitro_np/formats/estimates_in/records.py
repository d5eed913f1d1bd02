"""What readers share: arrays of records with a message where they are wrong, poses, cameras, roots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...arrays.rotations import matrix_from_axis_angle
from ...body.families import FAMILIES
from ...body.load import default_body, load_body
from ...body.model import BodyModel
from ...errors import InputError, printable
from ...safe_io.pickle_arrays import RefusedError
from ...safe_io.pickle_tree import as_array
from ...safe_io.stored import stack_stored
from ..people import PeopleEstimates
from .source import Source

__all__ = [
    "Entry",
    "EstimateReader",
    "MissingBodyError",
    "Options",
    "base_names",
    "camera_of_points",
    "centred",
    "focal_of_diagonal",
    "image_frames",
    "items",
    "make",
    "root_joints",
    "rotations",
    "smplx_body",
    "top",
    "values",
]


@dataclass(frozen=True)
class Options:
    """What the caller knows beside the file."""

    image_size: tuple[float, float] | None = None
    body: Any = None
    refined: bool = False


@dataclass(frozen=True)
class EstimateReader:
    """A reader of one program's estimates.

    Attributes
    ----------
    name : str
        What the format is called, in messages and as the argument `format`.
    keys : tuple of str
        Keys that a record of it has.
    records : callable
        From a file's content to some of its records: `top`, `values` or `items`.
    read : callable
    """

    name: str
    keys: tuple[str, ...]
    records: Callable[[Any], list[Mapping[Any, Any]]]
    read: Callable[[Source, Options], PeopleEstimates]

    def found(self, tree: Any) -> tuple[str, ...]:
        """Return which of the keys the records have: all, if the file is of this format."""
        best: tuple[str, ...] = ()
        for record in self.records(tree):
            here = tuple(key for key in self.keys if key in record)
            best = max(best, here, key=len)
        return best

    def recognises(self, tree: Any) -> bool:
        """Whether the file is of this format, by its keys."""
        return len(self.found(tree)) == len(self.keys)


_MANY = 2**20
"""Numbers of axis-angle vectors from which on a kernel converts them: to load Numba takes a while."""

_LOOKED_AT = 5
"""Records that are looked at to recognise a file."""


def top(tree: Any) -> list[Mapping[Any, Any]]:
    """Return the file's dict."""
    return [tree] if isinstance(tree, Mapping) else []


def values(tree: Any) -> list[Mapping[Any, Any]]:
    """Return the first dicts in the file's dict."""
    if not isinstance(tree, Mapping):
        return []
    found = []
    for key in list(tree)[:_LOOKED_AT]:
        try:
            value = tree[key]
        except InputError:  # a member that no reader needs
            continue
        if isinstance(value, Mapping):
            found.append(value)
    return found


def items(tree: Any) -> list[Mapping[Any, Any]]:
    """Return the first dicts in the file's list, or in the lists of its dict."""
    lists = [tree] if isinstance(tree, list) else []
    if isinstance(tree, Mapping):
        lists = [tree[key] for key in list(tree)[:_LOOKED_AT] if isinstance(_quiet(tree, key), list)]
    return [item for part in lists for item in part[:_LOOKED_AT] if isinstance(item, Mapping)]


def _quiet(tree: Mapping[Any, Any], key: Any) -> Any:
    try:
        return tree[key]
    except InputError:
        return None


class Entry:
    """A dict of a file; its arrays are read with their shapes checked.

    Parameters
    ----------
    name : str
        What messages call it: the file, and where in it.
    content : mapping
    """

    def __init__(self, name: str, content: Any) -> None:
        if not isinstance(content, Mapping):
            raise InputError(f"{name}: expected a dict, got {type(content).__name__}.")
        self.name = name
        self.content = content

    def __contains__(self, key: object) -> bool:
        return key in self.content

    def inner(self, key: str) -> Entry:
        """Return the dict under a key."""
        return Entry(f"{self.name}: {key}", self.get(key))

    def get(self, key: str) -> Any:
        """Return what is under a key as it is."""
        if key not in self.content:
            known = ", ".join(repr(printable(name, 40)) for name in list(self.content)[:20]) or "none"
            raise InputError(f"{self.name}: expected the key {key}, got {known}.")
        return self.content[key]

    def array(self, key: str) -> np.ndarray:
        """Return an array of anything."""
        return read_array(f"{self.name}: {key}", self.get(key))

    def numbers(self, key: str, *shapes: tuple[int | None, ...]) -> np.ndarray:
        """Return an array of numbers as float64, of one of the shapes; None matches any size."""
        return checked(f"{self.name}: {key}", self.array(key), shapes)

    def integers(self, key: str, count: int | None = None) -> np.ndarray:
        """Return integers, flattened."""
        array = self.numbers(key)
        flat = array.ravel()
        if (count is not None and len(flat) != count) or not np.array_equal(flat, np.round(flat)):
            wanted = "integers" if count is None else f"{count} integers"
            raise InputError(f"{self.name}: {key}: expected {wanted}, got shape {array.shape}.")
        return flat.astype(np.int64)

    def texts(self, key: str) -> np.ndarray | None:
        """Return texts, flattened; None if there are none."""
        if key not in self.content:
            return None
        array = self.array(key).ravel()
        if array.dtype.kind == "S":
            array = np.char.decode(array, "utf-8", "replace")
        return array if array.dtype.kind == "U" else None


def read_array(name: str, value: Any) -> np.ndarray:
    """Return a leaf as an array: of a file, or of another library."""
    for step in ("detach", "cpu", "numpy"):  # as torch's tensors need
        method = getattr(value, step, None)
        value = method() if callable(method) else value
    if isinstance(value, np.ndarray) and value.dtype == object:
        value = value.tolist()
    if isinstance(value, list) and value and not isinstance(value[0], (int, float, str)):
        return stacked(name, value)
    if isinstance(value, np.generic):
        return np.asarray(value)
    try:
        return as_array(value)
    except RefusedError as reason:
        raise InputError(f"{name}: expected {reason.expected}, got {reason.got}.") from None


def stacked(name: str, parts: Sequence[Any]) -> np.ndarray:
    """Stack arrays of one shape along a new first axis; those of a file at once."""
    quick = stack_stored(parts) if parts else None
    if quick is not None:
        return quick
    try:
        return np.stack([read_array(name, part) for part in parts]) if parts else np.zeros(0)
    except InputError:
        raise
    except (ValueError, RecursionError):
        raise InputError(f"{name}: expected arrays of one shape, got several or endless lists.") from None


def checked(name: str, array: np.ndarray, shapes: Sequence[tuple[int | None, ...]] = ()) -> np.ndarray:
    """Return an array of numbers as float64 if it has one of the shapes."""
    return shaped(name, array, shapes).astype(np.float64)


def shaped(name: str, array: np.ndarray, shapes: Sequence[tuple[int | None, ...]] = ()) -> np.ndarray:
    """Return an array of numbers if it has one of the shapes."""
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name}: expected numbers, got dtype {array.dtype}.")
    fits = not shapes or any(
        len(shape) == array.ndim and all(a in (None, b) for a, b in zip(shape, array.shape, strict=True))
        for shape in shapes
    )
    if not fits:
        wanted = " or ".join(
            "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")" for shape in shapes
        )
        raise InputError(f"{name}: expected shape {wanted}, got {array.shape}.")
    return array


def rotations(name: str, array: np.ndarray, joints: int | None = None) -> np.ndarray:
    """Return local rotations (N, J, 3, 3) of axis-angle vectors or of matrices, flat or not."""
    array = shaped(name, array)
    count = len(array) if array.ndim else 0
    size = array[0].size if count else 3 * (joints or 1)
    matrices = array.shape[-2:] == (3, 3) or (joints is not None and size == 9 * joints)
    matrices &= not (joints == 3 and array.ndim == 3)  # as many vectors as a matrix has rows
    width = 9 if matrices else 3
    found = size // width
    if array.ndim < 2 or size % width or (joints is not None and found != joints):
        wanted = f" of {joints} joints" if joints else ""
        raise InputError(f"{name}: expected rotations{wanted}, got shape {array.shape}.")
    if matrices:
        return array.reshape(count, found, 3, 3).astype(np.float64)
    if array.size < _MANY:
        return matrix_from_axis_angle(array.reshape(count, found, 3).astype(np.float64))
    from ...kernels.rotations import matrices_from_axis_angle

    return matrices_from_axis_angle(array.reshape(count, found, 3))


def centred(focal: Any, image_size: Any, count: int) -> np.ndarray:
    """Return cameras (N, 3, 3) whose centre is the image's: focal lengths and sizes of all, or of each."""
    size = np.broadcast_to(np.asarray(image_size, dtype=np.float64), (count, 2))
    matrix = np.zeros((count, 3, 3))
    matrix[:, 0, 0] = matrix[:, 1, 1] = focal
    matrix[:, :2, 2] = size / 2
    matrix[:, 2, 2] = 1
    return matrix


def camera_of_points(points_2d: np.ndarray, points_3d: np.ndarray) -> np.ndarray:
    """Return the camera (3, 3) that projects points to pixels, by least squares: u Z = f X + c Z."""
    x, y, z = points_3d.T
    zero = np.zeros_like(z)
    left = np.concatenate([np.stack([x, z, zero], 1), np.stack([y, zero, z], 1)])
    focal, across, down = np.linalg.lstsq(
        left, np.concatenate([points_2d[:, 0] * z, points_2d[:, 1] * z]), rcond=None
    )[0]
    return np.array([[focal, 0, across], [0, focal, down], [0, 0, 1.0]])


def focal_of_diagonal(image_size: Any) -> np.ndarray:
    """Return the focal length that is assumed where none is known: the image's diagonal."""
    return np.hypot(*np.moveaxis(np.asarray(image_size, dtype=np.float64), -1, 0))


def image_frames(names: np.ndarray) -> np.ndarray:
    """Return the index of each row's image: names in their order, equal names share one."""
    _, first, inverse = np.unique(names, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    return order[inverse.ravel()].astype(np.int64)


def base_names(names: Any) -> np.ndarray:
    """Return the last part of paths, as they are written on Windows or elsewhere."""
    return np.array([str(name).replace("\\", "/").rpartition("/")[2] for name in names], dtype=str)


def one_size(sizes: np.ndarray) -> tuple[float, float] | None:
    """Return the size that all images share, else None."""
    if not len(sizes) or np.any(sizes != sizes[0]):
        return None
    return float(sizes[0, 0]), float(sizes[0, 1])


def root_joints(
    betas: np.ndarray, options: Options, family: str = "smpl", gender: str = "neutral"
) -> np.ndarray:
    """Return where the body's root rests (N, 3), about which it turns: of the body given, found, or open."""
    skeleton = find_body(options, family, gender).skeleton
    width = min(betas.shape[-1], skeleton.num_betas)
    padded = np.zeros((len(betas), skeleton.num_betas))
    padded[:, :width] = betas[:, :width]
    return skeleton.rest_joints(padded)[:, 0]


def find_body(options: Options, family: str = "smpl", gender: str = "neutral") -> BodyModel:
    """Return the body that the caller gives, else the licensed one that is found, else the open one."""
    body = options.body
    if isinstance(body, Mapping):
        body = body.get(gender, next(iter(body.values()), None))
    if isinstance(body, str):
        body = load_body(body, gender=gender)
    if isinstance(body, BodyModel):
        return body
    try:
        return load_body(family, gender=gender)
    except FileNotFoundError:
        return default_body()


class MissingBodyError(InputError):
    """There is no file of the body that estimates are on."""


def smplx_body(source: Source, system: str, options: Options) -> BodyModel:
    """Return the SMPL-X body that estimates are on; InputError if there is none."""
    joints = len(FAMILIES["smplx"].parents)
    body = options.body
    if isinstance(body, str) or body is None:
        try:
            body = load_body("smplx" if body is None else body)
        except FileNotFoundError:
            body = None
    if not isinstance(body, BodyModel) or body.num_joints != joints:
        raise MissingBodyError(
            f"{source.name}: expected a SMPL-X body for {system}'s estimates (body=, or its file in "
            f"models/), got {'none' if body is None else 'another'}: their betas mean other shapes on SMPL."
        )
    return body


def make(
    source: Source,
    system: str,
    options: Options,
    *,
    pose: np.ndarray,
    betas: np.ndarray,
    transl: np.ndarray,
    frame: np.ndarray | None = None,
    person: np.ndarray | None = None,
    **others: Any,
) -> PeopleEstimates:
    """Put a record together: betas of a clip are repeated, single people are person 0."""
    count = len(pose)
    if betas.ndim == 1 or (len(betas) == 1 and count != 1):
        betas = np.broadcast_to(np.atleast_2d(betas), (count, betas.shape[-1]))
    lengths = {"betas": len(betas), "translations": len(transl)}
    lengths.update({"frames": len(frame)} if frame is not None else {})
    for name, length in lengths.items():
        if length != count:
            raise InputError(f"{source.name}: expected {count} {name}, one for each pose, got {length}.")
    others.setdefault("image_size", options.image_size)
    return PeopleEstimates(
        pose=np.ascontiguousarray(pose, dtype=np.float64),
        betas=np.array(betas, dtype=np.float64),
        transl=np.array(transl, dtype=np.float64),
        frame=np.arange(count) if frame is None else np.asarray(frame, dtype=np.int64),
        person=np.zeros(count, np.int64) if person is None else np.asarray(person, dtype=np.int64),
        source=system,
        path=source.path,
        **others,
    )
