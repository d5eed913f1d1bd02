"""Read the arrays of an SMPL-family model file (.pkl or .npz) and check that they make a body."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kitro_np.errors import InputError
from kitro_np.safe_io.npz import NpzArrays
from kitro_np.safe_io.pickle_arrays import Array
from kitro_np.safe_io.pickle_stream import read_pickle

__all__ = ["SUFFIXES", "ModelArrays", "read_model_file"]

SUFFIXES = (".pkl", ".npz")
"""Ends of the names of model files."""

_SMPLX_JOINTS = 55
_SMPLX_SHAPE_WIDTHS = {20: 10, 400: 300}  # the last columns of SMPL-X's shapedirs are facial expressions
_WEIGHT_TOLERANCE = 1e-3  # releases are good to 1e-6; a wrong array misses by far more


@dataclass(frozen=True, eq=False)
class ModelArrays:
    """The arrays of a body model; V vertices, J joints, S shape and P pose coefficients, F faces.

    Floats are all float32 when the file has nothing else, otherwise all float64. Every array is C-contiguous,
    owns its memory, and is read-only.

    Attributes
    ----------
    v_template
        Rest vertices of the mean shape, (V, 3), metres.
    shapedirs
        Vertex offset per unit of beta, (V, 3, S), metres.
    posedirs
        Vertex offset per entry of R - I of the joints but the root, (V, 3, P) with P = 9 (J - 1), metres; or
        None for a model without pose-dependent offsets.
    J_regressor
        Joints as sums of vertices, dense, (J, V).
    weights
        Skinning weights, (V, J), rows sum to one.
    faces
        Triangles, (F, 3), int32.
    parents
        Parent of every joint, (J,), int64; -1 for the root, which is joint 0, and ``parents[j] < j``.
    joint_names
        Names of the joints, or None where the file has none.
    """

    v_template: Array
    shapedirs: Array
    posedirs: Array | None
    J_regressor: Array
    weights: Array
    faces: npt.NDArray[np.int32]
    parents: npt.NDArray[np.int64]
    joint_names: tuple[str, ...] | None


def read_model_file(path: str | os.PathLike[str], num_betas: int | None = 10) -> ModelArrays:
    """Read an SMPL, SMPL-H, SMPL-X or MANO file, or any other file with the same keys.

    Parameters
    ----------
    path
        A ``.pkl`` (with or without chumpy objects; nothing in it is run) or an ``.npz`` file.
    num_betas
        How many shape coefficients to keep, at least 1; None keeps all of them. Columns for facial
        expressions (SMPL-X) are never kept.

    Returns
    -------
    ModelArrays
        The arrays, checked against one another.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    InputError
        When the file cannot be read, lacks a key, has fewer betas than asked for, or its arrays do not make
        a body: shapes that disagree, numbers that are not finite, parents that are no tree, weights that do
        not sum to one, faces out of range. The message names the file and the key.
    """
    file = _ModelFile(Path(path))
    parents = file.parents()
    joints = len(parents)
    v_template = file.floats("v_template", (None, 3))
    count = len(v_template)
    shapedirs = file.floats("shapedirs", (count, 3, None))
    shapedirs = shapedirs[:, :, : file.shape_width(shapedirs.shape[2], joints, num_betas)]
    posedirs = file.floats("posedirs", (count, 3, 9 * (joints - 1))) if file.has("posedirs") else None
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
    """Return a read-only copy, which a body takes over without another copy."""
    array = np.array(array, dtype, order="C")
    array.setflags(write=False)
    return array


class _ModelFile:
    """The members of a model file, checked one by one; every error names the file and the key."""

    def __init__(self, path: Path) -> None:
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise InputError(f"{path}: expected a file name in .pkl or .npz, got {suffix or 'no suffix'}.")
        self._path = path
        self._members: Mapping[str, Array] = read_pickle(path) if suffix == ".pkl" else NpzArrays(path)

    def expect(self, holds: object, key: str, expected: str, came: object) -> None:
        if not holds:
            raise InputError(f"{self._path}: {key}: expected {expected}, got {came}.")

    def has(self, key: str) -> bool:
        return key in self._members

    def member(self, key: str) -> Array:
        if key not in self._members:
            raise InputError(f"{self._path}: expected the key {key}, got a file without it.")
        return self._members[key]

    def floats(self, key: str, shape: tuple[int | None, ...]) -> Array:
        """Read finite numbers of a shape, where None stands for any size but zero."""
        array = self.member(key)
        self.expect(array.dtype.kind in "fiu", key, "numbers", array.dtype)
        if array.ndim == 1 and len(shape) == 3:  # MANO stores its bases flat
            cell = prod(size or 1 for size in shape)
            if array.size and array.size % cell == 0:
                array = array.reshape([size or array.size // cell for size in shape])
        fits = array.ndim == len(shape) and all(
            size == expected if expected is not None else size > 0
            for size, expected in zip(array.shape, shape, strict=True)
        )
        text = str(shape).replace("None", "any")
        self.expect(fits, key, f"shape {text}", array.shape)
        single = array.dtype.kind == "f" and array.dtype.itemsize == 4  # of either byte order
        array = array.astype(np.float32 if single else np.float64)
        self.expect(np.isfinite(array).all(), key, "finite numbers", "NaN or infinity")
        return array

    def integers(self, key: str) -> npt.NDArray[np.int64]:
        """Read a table of whole numbers, which some tools store as floats."""
        array = self.member(key)
        whole = array.dtype.kind in "iu" or (
            array.dtype.kind == "f" and np.all(np.abs(array) < 2**53) and np.all(np.rint(array) == array)
        )
        self.expect(whole and array.ndim == 2, key, "a table of whole numbers", _kind(array))
        return array.astype(np.int64)

    def shape_width(self, width: int, joints: int, num_betas: int | None) -> int:
        """Tell how many columns of shapedirs to keep."""
        shapes = _SMPLX_SHAPE_WIDTHS.get(width, width) if joints == _SMPLX_JOINTS else width
        if num_betas is None:
            return shapes
        self.expect(num_betas <= shapes, "shapedirs", f"{num_betas} betas (num_betas) or more", shapes)
        return num_betas

    def parents(self) -> npt.NDArray[np.int64]:
        """Read the kinematic tree; the root's own entry, often 4294967295, becomes -1."""
        table = self.integers("kintree_table")
        joints = table.shape[1]
        named = table.shape[0] == 2 and joints > 0 and np.array_equal(table[1], np.arange(joints))
        self.expect(named, "kintree_table", "parents of the joints 0, 1, ...", _kind(table))
        parents = np.array(table[0])
        if not 0 < parents[0] < joints:
            parents[0] = -1
        odd = np.flatnonzero((parents >= np.arange(joints)) | (parents < [-1] + [0] * (joints - 1)))
        if odd.size:
            expected = "joint 0 as the only root and parents before their children"
            came = f"joint {odd[0]} with the parent {parents[odd[0]]}"
            self.expect(False, "kintree_table", expected, came)
        return parents

    def faces(self, count: int) -> npt.NDArray[np.int32]:
        """Read the triangles over `count` vertices."""
        faces = self.integers("f")
        self.expect(faces.shape[1] == 3 and faces.size, "f", "shape (any, 3)", faces.shape)
        lowest, highest = int(faces.min()), int(faces.max())
        inside = lowest >= 0 and highest < count
        self.expect(inside, "f", f"vertices 0 to {count - 1}", f"{lowest} to {highest}")
        return _owned(faces, np.int32)

    def joint_names(self, joints: int) -> tuple[str, ...] | None:
        """Read the joints' names, which only some files have."""
        if not self.has("joint_names"):
            return None
        names = self.member("joint_names")
        fits = names.dtype.kind == "U" and names.dtype.itemsize > 0 and names.shape == (joints,)
        self.expect(fits, "joint_names", f"{joints} texts", _kind(names))
        # NumPy does not check the characters, and Python raises SystemError over those beyond Unicode.
        codes = np.array(names, names.dtype.newbyteorder("=")).view(np.uint32)
        sound = (codes < 0xD800) | ((codes > 0xDFFF) & (codes < 0x110000))
        self.expect(sound.all(), "joint_names", "text", "characters beyond Unicode")
        return tuple(str(name) for name in names)


def _kind(array: Array) -> str:
    return f"{array.dtype} of shape {array.shape}"
