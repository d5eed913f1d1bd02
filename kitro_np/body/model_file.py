"""Read the arrays of an SMPL-family model file (.pkl or .npz) and check that they form a body."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..safe_io.npz import NpzArrays
from ..safe_io.pickle_arrays import Array
from ..safe_io.pickle_stream import read_pickle
from .correctives import unpack_correctives
from .families import FAMILIES

__all__ = ["DEFAULT_BETAS", "SUFFIXES", "ModelArrays", "read_model_file"]

SUFFIXES = (".pkl", ".npz")
"""Suffixes of model files."""

DEFAULT_BETAS = 10
"""Shape coefficients kept by default: as many as most networks predict and the first SMPL release has."""

_SMPLX_JOINTS = len(FAMILIES["smplx"].parents)

_SMPLX_SHAPE_WIDTHS = {20: 10, 400: 300}
"""Shape columns of SMPL-X's shapedirs by its number of columns; the others are facial expressions."""

_WEIGHT_TOLERANCE = 1e-3
"""Largest deviation of a sum of skinning weights from one: releases are within 1e-6, wrong arrays far off."""

_EXACT_INTEGERS = 2**53
"""Bound below which float64 holds every integer exactly."""

_SURROGATES = (0xD800, 0xDFFF)
"""Code points that are no characters (Unicode, D71 and D73)."""

_END_OF_UNICODE = 0x110000
"""First number after the last code point."""


@dataclass(frozen=True, eq=False)
class ModelArrays:
    """The arrays of a body model; V vertices, J joints, S shape and P pose coefficients, F faces.

    Floats are all float32 if the file holds no other floats, otherwise all float64. Every array is
    C-contiguous, owns its memory, and is read-only.

    Attributes
    ----------
    v_template : (V, 3) array
        Rest vertices of the mean shape, in metres.
    shapedirs : (V, 3, S) array
        Vertex offset per unit of beta, in metres.
    posedirs : (V, 3, P) array or None
        Vertex offset per entry of R - I of all joints but the root, P = 9 (J - 1), in metres; None for a
        model without pose blend shapes.
    J_regressor : (J, V) array
        Joints as weighted sums of vertices, dense.
    weights : (V, J) array
        Skinning weights; rows sum to one.
    faces : (F, 3) array of int32
        Triangles.
    parents : (J,) array of int64
        Parent of each joint, ``parents[j] < j``; -1 for the root, joint 0.
    joint_names : tuple of str or None
        Names of the joints; None if the file has none.
    """

    v_template: Array
    shapedirs: Array
    posedirs: Array | None
    J_regressor: Array
    weights: Array
    faces: npt.NDArray[np.int32]
    parents: npt.NDArray[np.int64]
    joint_names: tuple[str, ...] | None


def read_model_file(
    path: str | os.PathLike[str], num_betas: int | None = DEFAULT_BETAS, correctives: bool | None = None
) -> ModelArrays:
    """Read an SMPL, SMPL-H, SMPL-X or MANO file, or any other file with the same keys.

    Parameters
    ----------
    path : path
        A ``.pkl`` (with or without chumpy objects; nothing in it is executed) or an ``.npz`` file.
    num_betas : int or None
        Number of shape coefficients to keep, at least 1; None keeps all. Facial expressions (SMPL-X) are
        never kept.
    correctives : bool or None
        Whether to keep pose blend shapes. None keeps ``posedirs``, and leaves out the open body's packed
        correctives; True demands that there are some.

    Returns
    -------
    ModelArrays
        The arrays, checked against each other.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If the file cannot be read, lacks a key, has fewer betas than requested or no pose blend shapes though
        they are demanded, or its arrays do not form a body: inconsistent shapes, NaN or infinity, parents
        that are no tree, weights that do not sum to one, faces out of range. The message names the file and
        the key.
    """
    file = _ModelFile(Path(path))
    parents = file.parents()
    joints = len(parents)
    v_template = file.floats("v_template", (None, 3))
    count = len(v_template)
    shapedirs = file.floats("shapedirs", (count, 3, None))
    shapedirs = shapedirs[:, :, : file.shape_width(shapedirs.shape[2], joints, num_betas)]
    posedirs = file.posedirs(count, joints, correctives)
    J_regressor = file.floats("J_regressor", (joints, count))  # noqa: N806 (the name of the key)
    weights = file.floats("weights", (count, joints))
    with np.errstate(over="ignore"):
        uneven = np.abs(weights.sum(axis=1, dtype=np.float64) - 1.0) > _WEIGHT_TOLERANCE
    file.expect(not uneven.any(), "weights", "rows that sum to one", f"{np.sum(uneven)} rows that do not")

    arrays = [v_template, shapedirs, J_regressor, weights] + ([] if posedirs is None else [posedirs])
    dtype = np.result_type(*arrays)
    return ModelArrays(
        v_template=_owned(v_template, dtype),
        shapedirs=_owned(shapedirs, dtype),
        posedirs=None if posedirs is None else _owned(posedirs, dtype),
        J_regressor=_owned(J_regressor, dtype),
        weights=_owned(weights, dtype),
        faces=file.faces(count),
        parents=_owned(parents, np.int64),
        joint_names=file.joint_names(joints),
    )


def _owned(array: Array, dtype: npt.DTypeLike) -> Array:
    """Return a read-only copy, which a BodyModel uses without copying it again."""
    array = np.array(array, dtype, order="C")
    array.setflags(write=False)
    return array


class _ModelFile:
    """The arrays of a model file, checked on access; every error names the file and the key."""

    def __init__(self, path: Path) -> None:
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise InputError(f"{path}: expected a .pkl or .npz file, got {suffix or 'no suffix'}.")
        self._path = path
        self._members: Mapping[str, Array] = (
            read_pickle(path) if suffix == ".pkl" else NpzArrays(path, kind="model")
        )

    def expect(self, condition: object, key: str, expected: str, got: object) -> None:
        if not condition:
            raise InputError(f"{self._path}: {key}: expected {expected}, got {got}.")

    def has(self, key: str) -> bool:
        return key in self._members

    def member(self, key: str) -> Array:
        if key not in self._members:
            raise InputError(f"{self._path}: expected the key {key}, got a file without it.")
        return self._members[key]

    def floats(self, key: str, shape: tuple[int | None, ...]) -> Array:
        """Read finite numbers of a shape; None in it matches any size but zero."""
        array = self.member(key)
        self.expect(array.dtype.kind in "fiu", key, "numbers", array.dtype)
        if array.ndim == 1 and len(shape) == 3:  # MANO stores its bases flat
            known = prod(size or 1 for size in shape)
            if array.size and array.size % known == 0:
                array = array.reshape([size or array.size // known for size in shape])
        fits = array.ndim == len(shape) and all(
            size == expected if expected is not None else size > 0
            for size, expected in zip(array.shape, shape, strict=True)
        )
        text = str(shape).replace("None", "any")
        self.expect(fits, key, f"shape {text}", array.shape)
        single = array.dtype.kind == "f" and array.dtype.itemsize == 4  # float32 of either byte order
        array = array.astype(np.float32 if single else np.float64)
        self.expect(np.isfinite(array).all(), key, "finite numbers", "NaN or infinity")
        return array

    def integers(self, key: str) -> npt.NDArray[np.int64]:
        """Read a table of integers, which some tools store as floats."""
        array = self.member(key)
        integral = array.dtype.kind in "iu" or (
            array.dtype.kind == "f"
            and np.all(np.abs(array) < _EXACT_INTEGERS)
            and np.all(np.rint(array) == array)
        )
        self.expect(integral and array.ndim == 2, key, "a table of integers", _kind(array))
        return array.astype(np.int64)

    def shape_width(self, width: int, joints: int, num_betas: int | None) -> int:
        """Return the number of columns of shapedirs to keep."""
        available = _SMPLX_SHAPE_WIDTHS.get(width, width) if joints == _SMPLX_JOINTS else width
        if num_betas is None:
            return available
        self.expect(num_betas <= available, "shapedirs", f"at least {num_betas} betas (num_betas)", available)
        return num_betas

    def posedirs(self, count: int, joints: int, wanted: bool | None) -> Array | None:
        """Read the pose blend shapes, which open bodies have packed."""
        if wanted is not False and self.has("posedirs"):
            return self.floats("posedirs", (count, 3, 9 * (joints - 1)))
        if not wanted:
            return None
        self.expect(self.has("correctives"), "correctives", "pose blend shapes", "a file without any")
        of = self.integers("correctives_of")
        lowest, highest = np.array([1, 0]), np.array([joints - 1, count - 1])
        inside = of.shape[1] == 2 and bool(np.all((of >= lowest) & (of <= highest)))
        expected = f"joints 1 to {joints - 1} and vertices 0 to {count - 1}"
        self.expect(inside, "correctives_of", expected, "others")
        values = self.floats("correctives", (len(of), 3, 9))
        return unpack_correctives(values, of, self.floats("correctives_step", (joints - 1, 3, 9)), count)

    def parents(self) -> npt.NDArray[np.int64]:
        """Read the kinematic tree; the parent of the root, 4294967295 in some releases, becomes -1."""
        table = self.integers("kintree_table")
        joints = table.shape[1]
        numbered = table.shape[0] == 2 and joints > 0 and np.array_equal(table[1], np.arange(joints))
        self.expect(numbered, "kintree_table", "parents of the joints 0, 1, ...", _kind(table))
        parents = np.array(table[0])
        if not 0 < parents[0] < joints:
            parents[0] = -1
        invalid = np.flatnonzero((parents >= np.arange(joints)) | (parents < [-1] + [0] * (joints - 1)))
        if invalid.size:
            expected = "joint 0 as the only root and parents before their children"
            got = f"joint {invalid[0]} with the parent {parents[invalid[0]]}"
            self.expect(False, "kintree_table", expected, got)
        return parents

    def faces(self, count: int) -> npt.NDArray[np.int32]:
        """Read the triangles of a mesh with `count` vertices."""
        faces = self.integers("f")
        self.expect(faces.shape[1] == 3 and faces.size, "f", "shape (any, 3)", faces.shape)
        lowest, highest = int(faces.min()), int(faces.max())
        inside = lowest >= 0 and highest < count
        self.expect(inside, "f", f"vertices 0 to {count - 1}", f"{lowest} to {highest}")
        return _owned(faces, np.int32)

    def joint_names(self, joints: int) -> tuple[str, ...] | None:
        """Read the names of the joints, which only some files have."""
        if not self.has("joint_names"):
            return None
        names = self.member("joint_names")
        fits = names.dtype.kind == "U" and names.dtype.itemsize > 0 and names.shape == (joints,)
        self.expect(fits, "joint_names", f"{joints} texts", _kind(names))
        # NumPy does not check characters, and Python raises SystemError for numbers that are no code points.
        codes = np.array(names, names.dtype.newbyteorder("=")).view(np.uint32)
        low, high = _SURROGATES
        valid = (codes < low) | ((codes > high) & (codes < _END_OF_UNICODE))
        self.expect(valid.all(), "joint_names", "text", "numbers that are no Unicode characters")
        return tuple(str(name) for name in names)


def _kind(array: Array) -> str:
    return f"{array.dtype} of shape {array.shape}"
