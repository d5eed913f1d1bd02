"""Skin of a person where skinning is linear: four weights a vertex, no pose blend shapes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..body.model import BodyModel
from .bodies import BLOCK, Person

WEIGHTS = 4
"""Joints that move a vertex, at most."""

MORPH_ERROR = 2e-4
"""Largest error in metres of a vertex that morph targets leave."""

MORPH_FRAMES = 256
"""Frames that morph targets are found from, evenly spaced: their number bounds the memory."""


class LinearSkin(NamedTuple):
    """A mesh at rest and what moves it.

    Attributes
    ----------
    vertices : (V, 3) array
        Rest pose of the mean betas, in metres.
    joints : (V, 4) array of int
        Joints that move each vertex; 0 where the weight is 0.
    weights : (V, 4) array of float32
        Their sum is 1.
    exact : bool
        Whether the skin is the body's in every frame.
    reasons : tuple of str
        Why it is not.
    """

    vertices: np.ndarray
    joints: np.ndarray
    weights: np.ndarray
    exact: bool
    reasons: tuple[str, ...]


class Morphs(NamedTuple):
    """Morph targets (K, V, 3) of a skin, and their weights in each frame (T, K)."""

    targets: np.ndarray
    weights: np.ndarray


def skin_of(person: Person, body: BodyModel) -> LinearSkin:
    """Return the skin of a person's mean shape."""
    shapedirs = np.asarray(body.shapedirs, np.float64)
    vertices = np.asarray(body.v_template, np.float64) + shapedirs @ person.mean_betas
    full = np.asarray(body.weights, np.float64)
    most = min(WEIGHTS, full.shape[1])
    joints = np.argsort(-full, axis=1, kind="stable")[:, :most]
    weights = np.take_along_axis(full, joints, axis=1)
    left_out = float((full.sum(axis=1) - weights.sum(axis=1)).max())
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    joints = np.where(weights > 0, joints, 0)
    pad = ((0, 0), (0, WEIGHTS - most))
    reasons = []
    if body.posedirs is not None:
        reasons.append("pose blend shapes are left out")
    if left_out > 1e-6:
        reasons.append(f"vertices keep the {WEIGHTS} largest weights")
    if not person.one_shape:
        reasons.append("the mesh has the mean of the betas")
    return LinearSkin(vertices, np.pad(joints, pad), np.pad(weights, pad), not reasons, tuple(reasons))


def largest_error(person: Person, body: BodyModel, skin: LinearSkin, most: int) -> float:
    """Return the largest distance between a vertex of the skin and of the body, in metres.

    It is that of any frame, or of `most` of them, evenly over all, if there are more.
    """
    chosen = np.unique(np.linspace(0, len(person.frame) - 1, most).round().astype(int))
    if len(chosen) < len(person.frame):
        person = person.take(chosen)
    rest = np.append(skin.vertices, np.ones((len(skin.vertices), 1)), axis=1)
    # Skinning a rest pose is one product: of all w_j (v, 1) with all transforms of joints.
    places = (_dense(skin, body.num_joints)[:, :, None] * rest[:, None, :]).reshape(len(rest), -1)
    places = places.astype(np.float32)
    worst = 0.0
    for rows in _blocks(len(person.frame)):
        transforms = _transforms(person, rows).astype(np.float32)  # (T, J, 3, 4)
        count, joints = transforms.shape[:2]
        stacked = transforms.transpose(1, 3, 0, 2).reshape(4 * joints, 3 * count)
        posed = (places @ stacked).reshape(len(rest), count, 3).transpose(1, 0, 2)
        worst = max(worst, float(_lengths(posed - _truth(person, body, rows)).max()))
    return worst


def morphs_of(person: Person, body: BodyModel, skin: LinearSkin) -> tuple[Morphs, float]:
    """Return morph targets that correct a skin, and the largest error in metres that they leave.

    A correction is what linear skinning must be given at rest to yield the body's vertices, whatever the
    cause of the difference. The targets are the principal components of the corrections, as many as bring
    every vertex to within `MORPH_ERROR` in up to `MORPH_FRAMES` frames.
    """
    count = len(person.frame)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MORPH_FRAMES)).round().astype(int))
    dense = _dense(skin, body.num_joints).astype(np.float32)
    sample = np.concatenate(
        [_corrections(person, body, skin, dense, chosen[rows]) for rows in _blocks(len(chosen))]
    )
    # The Gram matrix of the frames is small; its eigenvectors give the components.
    values, vectors = np.linalg.eigh((sample @ sample.T).astype(np.float64))
    order = np.argsort(values)[::-1]
    order = order[values[order] > 1e-7 * max(float(values.max()), 1e-12)]
    components = ((vectors[:, order] / np.sqrt(values[order])).T @ sample).astype(np.float32)
    kept = components[: _needed(sample, components)]
    weights = np.empty((count, len(kept)), np.float32)
    worst = 0.0
    for rows in _blocks(count):
        corrections = sample[rows]
        if len(sample) < count:
            corrections = _corrections(person, body, skin, dense, rows)
        weights[rows] = corrections @ kept.T
        # Skinning mixes rotations, which lengthen nothing: an error at rest is as large as posed, or larger.
        worst = max(worst, _residual(corrections, weights[rows], kept))
    # Components have length 1 over all vertices: targets of the size of a correction are easier to look at.
    size = np.maximum(np.abs(weights).max(axis=0), np.float32(1e-9))
    targets = (kept * size[:, None]).reshape(len(kept), -1, 3)
    return Morphs(targets, weights / size), worst


def _needed(sample: np.ndarray, components: np.ndarray) -> int:
    """Return how many components bring all vertices to within `MORPH_ERROR`, at least 1."""
    weights = sample @ components.T
    low, high = 1, len(components)
    while low < high:
        middle = (low + high) // 2
        if _residual(sample, weights[:, :middle], components[:middle]) <= MORPH_ERROR:
            high = middle
        else:
            low = middle + 1
    return low


def _residual(corrections: np.ndarray, weights: np.ndarray, components: np.ndarray) -> float:
    """Return the largest distance that components leave to the corrections of a vertex."""
    rest = corrections - weights @ components
    return float(_lengths(rest.reshape(len(rest), -1, 3)).max())


def _corrections(
    person: Person, body: BodyModel, skin: LinearSkin, dense: np.ndarray, rows: slice | np.ndarray
) -> np.ndarray:
    """Displacements of the rest pose with which skinning yields the body's vertices, (T, 3 V)."""
    transforms = _transforms(person, rows).astype(np.float32)
    count, joints = transforms.shape[:2]
    # Numbers of the linear part and the shift of each vertex, (3, 4, V, T), by one product.
    stacked = transforms.transpose(1, 2, 3, 0).reshape(joints, 12 * count)
    blended = (dense @ stacked).reshape(-1, 3, 4, count).transpose(1, 2, 0, 3)
    (a, b, c, x), (d, e, f, y), (g, h, i, z) = np.ascontiguousarray(blended)
    goal = np.ascontiguousarray(_truth(person, body, rows).transpose(2, 1, 0))
    goal -= np.stack([x, y, z])
    # Cramer's rule: calling a solver would take ten times longer.
    p, q, r = e * i - f * h, f * g - d * i, d * h - e * g
    volume = a * p + b * q + c * r
    rest = np.stack(
        [
            p * goal[0] + (c * h - b * i) * goal[1] + (b * f - c * e) * goal[2],
            q * goal[0] + (a * i - c * g) * goal[1] + (c * d - a * f) * goal[2],
            r * goal[0] + (b * g - a * h) * goal[1] + (a * e - b * d) * goal[2],
        ]
    )
    rest /= volume
    return np.ascontiguousarray(rest.transpose(2, 1, 0) - skin.vertices.astype(np.float32)).reshape(count, -1)


def _transforms(person: Person, rows: slice | np.ndarray) -> np.ndarray:
    """Return the transforms of the joints (T, J, 3, 4) from the rest pose of the mean betas."""
    joints, rotations = person.posed(rows)
    shift = joints - (rotations @ person.rest_joints[..., None])[..., 0]
    return np.concatenate([rotations, shift[..., None]], axis=-1)


def _dense(skin: LinearSkin, joints: int) -> np.ndarray:
    """Return the weights of all joints, (V, J)."""
    dense = np.zeros((len(skin.vertices), joints))
    np.add.at(dense, (np.arange(len(dense))[:, None], skin.joints), skin.weights.astype(np.float64))
    return dense


def _truth(person: Person, body: BodyModel, rows: slice | np.ndarray) -> np.ndarray:
    """Vertices of the body itself, in float32."""
    pose, betas, transl = (
        part[rows].astype(np.float32) for part in (person.pose, person.betas, person.transl)
    )
    vertices: np.ndarray = body.forward(pose, betas, transl).vertices
    return vertices


def _lengths(vectors: np.ndarray) -> np.ndarray:
    lengths: np.ndarray = np.sqrt(np.einsum("...k,...k->...", vectors, vectors))
    return lengths


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK))


def normals_of(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return unit normals of vertices (V, 3): of the triangles around each, weighted by their areas."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    of_faces = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], of_faces)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    up = np.array([0.0, 1.0, 0.0])
    # A vertex of no triangle has no normal; readers want one of length 1.
    normals = np.where(length > 1e-20, normals / np.maximum(length, 1e-20), up)
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)
