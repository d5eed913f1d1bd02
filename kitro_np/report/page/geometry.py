"""Geometry of a page: one mesh with its skin, and for each body its shape and the places of its joints.

The page poses a body as :mod:`kitro_np.body.skinning` does, without pose blend shapes: vertices at rest are
template + basis shape; joint j takes them from its place at rest to its place in the pose, by its turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...arrays.rotations import quaternion_from_matrix
from ...body.kinematics import forward_kinematics
from ...body.model import BodyModel
from ..shown import PosedBodies
from .blob import Blob

HALF = 32767
"""Largest number of 16 bits."""

SHAPE_ERROR = 1e-4
"""Largest error in metres of a vertex at rest that the basis of shapes leaves."""

LARGEST_BETA, FARTHEST = 100.0, 1e5
"""Betas, and metres from the camera, beyond which a body is not shown: others would lose their digits."""

SKIN = 4
"""Joints that move a vertex, at most."""


class ShapeBasis(NamedTuple):
    """Shapes as few numbers: betas are about mean + coefficients directions.

    Attributes
    ----------
    mean : (S,) array
    directions : (R, S) array
    coefficients : dict of str to (..., R) array
        By the name of the bodies.
    """

    mean: np.ndarray
    directions: np.ndarray
    coefficients: dict[str, np.ndarray]


def add_geometry(blob: Blob, body: BodyModel, bodies: Mapping[str, PosedBodies]) -> None:
    """Add the mesh and all bodies, by their names, to the arrays of a page.

    A body that is not finite, or absurd, has a root at NaN.
    """
    betas = {name: _usable_betas(_padded(one.betas, body.num_betas)) for name, one in bodies.items()}
    shapes = shape_basis(body, betas)
    _add_mesh(blob, body, shapes)
    for name, one in bodies.items():
        known = np.isfinite(one.pose).all(axis=(1, 2, 3)) & np.isfinite(one.betas).all(axis=1)
        known &= (np.abs(one.betas) <= LARGEST_BETA).all(axis=1)
        _add_bodies(blob, name, body, one._replace(betas=betas[name]), shapes.coefficients[name], known)


def shape_basis(body: BodyModel, betas: Mapping[str, np.ndarray]) -> ShapeBasis:
    """Return the directions in which the shapes of bodies differ: none for a person of one shape."""
    rows = np.concatenate(list(betas.values()))
    mean = rows.mean(axis=0) if len(rows) else np.zeros(body.num_betas)
    shapedirs = np.asarray(body.shapedirs, np.float64)
    _, _, across = np.linalg.svd(rows - mean, full_matrices=False)
    coefficients = (rows - mean) @ across.T
    reach = np.linalg.norm(shapedirs @ across.T, axis=1).max(axis=0) * np.abs(coefficients).max(
        axis=0, initial=0
    )
    # What is left out adds up, in the worst case, to the sum of the reaches of later directions.
    left = np.cumsum(reach[::-1])[::-1]
    used = int((left > SHAPE_ERROR).sum())
    own = {name: (one - mean) @ across[:used].T for name, one in betas.items()}
    return ShapeBasis(mean, across[:used], own)


def _add_mesh(blob: Blob, body: BodyModel, shapes: ShapeBasis) -> None:
    shapedirs = np.asarray(body.shapedirs, np.float64)
    template = np.asarray(body.v_template, np.float64) + shapedirs @ shapes.mean
    basis = np.moveaxis(shapedirs @ shapes.directions.T, -1, 0)  # (R, V, 3)
    skeleton = body.skeleton.like(np.zeros(0))
    rest = skeleton.rest_joints(np.concatenate([shapes.mean[None], shapes.mean + shapes.directions]))
    few = body.num_vertices <= 2**16
    blob.add("faces", np.asarray(body.faces).astype(np.uint16 if few else np.uint32))
    _add_halves(blob, "template", template[None])
    _add_halves(blob, "basis", basis)
    blob.add("rest", np.concatenate([rest[:1], rest[1:] - rest[:1]]).astype(np.float32))
    joints, weights = _skin(np.asarray(body.weights, np.float64))
    blob.add("skinJoints", joints)
    blob.add("skinWeights", weights)


def _skin(full: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the joints (V, 4) of each vertex's largest weights, and these in 255ths, whose sum is 255."""
    most = min(SKIN, full.shape[1])
    joints = np.argsort(-full, axis=1, kind="stable")[:, :most]
    weights = np.take_along_axis(full, joints, axis=1)
    weights = 255 * weights / weights.sum(axis=1, keepdims=True)
    whole = np.floor(weights).astype(np.int64)
    # The largest remainders get what rounding down left over.
    order = np.argsort(whole - weights, axis=1, kind="stable")
    extra = np.arange(most) < (255 - whole.sum(axis=1))[:, None]
    np.put_along_axis(whole, order, np.take_along_axis(whole, order, axis=1) + extra, axis=1)
    pad = ((0, 0), (0, SKIN - most))
    return np.pad(joints, pad).astype(np.uint8), np.pad(whole, pad).astype(np.uint8)


def _add_bodies(
    blob: Blob, name: str, body: BodyModel, bodies: PosedBodies, shape: np.ndarray, known: np.ndarray
) -> None:
    skeleton = body.skeleton.like(bodies.pose)
    posed = forward_kinematics(skeleton, _finite(bodies.pose), bodies.betas)
    root = posed.joints[:, 0] + bodies.transl
    known = known & (np.abs(root) <= FARTHEST).all(axis=1)
    root = np.where(known[:, None], root, np.nan)
    turns = quaternion_from_matrix(posed.global_rotations)
    blob.add(f"{name}.root", root.astype(np.float32))
    turns = np.clip(_finite(turns), -1, 1)
    blob.add(f"{name}.turns", np.round(HALF * turns).astype(np.int16))
    joints = np.where(known[:, None, None], posed.joints - posed.joints[:, :1], 0)
    _add_halves(blob, f"{name}.joints", joints)
    blob.add(f"{name}.shape", shape.astype(np.float32))


def _add_halves(blob: Blob, name: str, array: np.ndarray) -> None:
    """Add an array as whole numbers of 16 bits, and their unit for each entry of its first axis."""
    reach = np.abs(array).max(axis=tuple(range(1, array.ndim)), initial=0)
    unit = np.maximum(reach, 1e-9) / HALF
    blob.add(name, np.round(array / unit.reshape(-1, *[1] * (array.ndim - 1))).astype(np.int16))
    blob.add(f"{name}.unit", unit.astype(np.float32))


def _padded(betas: np.ndarray, count: int) -> np.ndarray:
    return np.pad(betas[:, :count], ((0, 0), (0, count - min(count, betas.shape[1]))))


def _usable_betas(betas: np.ndarray) -> np.ndarray:
    usable = np.isfinite(betas) & (np.abs(betas) <= LARGEST_BETA)
    return np.where(usable.all(axis=1, keepdims=True), betas, 0)


def _finite(array: np.ndarray) -> np.ndarray:
    finite: np.ndarray = np.nan_to_num(array, nan=0, posinf=0, neginf=0)
    return finite
