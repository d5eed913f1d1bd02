"""One body or two: lanes are coordinates or vertices here, since so few bodies would not fill them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..jit import entry, kernel
from ..lanes import full, lane_count, load, store
from ..tile import aligned_rows
from ..vector_math import add, multiply, store_all, transform
from .skinning import (
    Bones,
    basis_columns,
    joint_transforms,
    place_body,
    pose_coefficients,
    tile_of,
    write_joints,
)


class VertexLanes(NamedTuple):
    """A body's surface in groups of vertices, one vertex per lane."""

    basis: np.ndarray  # (groups (1 + S + 9 (J - 1)) 3, lanes): read sequentially
    first: np.ndarray  # (groups + 1,) into joint and weights
    joint: np.ndarray  # joints that move any vertex of a group, group by group
    weights: np.ndarray  # (len(joint), lanes)


def make_vertex_lanes(
    v_template: Any, shapedirs: Any, posedirs: Any, weights: Any, dtype: Any
) -> VertexLanes:
    """Return a body's surface arrays for the kernel."""
    vertices, joints = weights.shape
    lanes = lane_count(dtype)
    groups = -(-vertices // lanes)
    columns = basis_columns(v_template, shapedirs, posedirs)
    padded = np.zeros((groups * lanes, 3, columns.shape[1]), dtype)
    padded[:vertices] = columns.reshape(vertices, 3, columns.shape[1])
    basis = aligned_rows(3 * groups * columns.shape[1], dtype)
    basis[:] = padded.reshape(groups, lanes, 3, -1).transpose(0, 3, 2, 1).reshape(basis.shape)
    padded_weights = np.zeros((groups * lanes, joints), dtype)
    padded_weights[:vertices] = weights
    by_group = padded_weights.reshape(groups, lanes, joints).transpose(0, 2, 1)
    moves = np.any(by_group != 0, axis=2)
    rows = aligned_rows(int(moves.sum()), dtype)
    rows[:] = by_group[moves]
    first = np.concatenate([[0], np.cumsum(moves.sum(axis=1))]).astype(np.int64)
    return VertexLanes(basis, first, np.nonzero(moves)[1].astype(np.int64), rows)


def make_bone_lanes(bones: Bones, dtype: Any) -> np.ndarray:
    """Return bones at rest, template and directions, for the kernel: (groups (1 + S), lanes).

    A group has one coordinate per lane: the template's, then those of each shape direction.
    """
    lanes, count = lane_count(dtype), 3 * len(bones.template)
    columns = np.concatenate([bones.template[:, None, :], bones.shapedirs], axis=1).transpose(1, 0, 2)
    groups = -(-count // lanes)
    padded = np.zeros((len(columns), groups * lanes), dtype)
    padded[:, :count] = columns.reshape(len(columns), count)
    rows = aligned_rows(groups * len(columns), dtype)
    rows[:] = padded.reshape(len(columns), groups, lanes).transpose(1, 0, 2).reshape(rows.shape)
    return rows


@entry
def pose_few_joints(parents, bone_lanes, rows, pose, betas, transl, joints):
    """Fused twin of kitro_np.BodyModel.joints for poses of matrices (N, J, 3, 3), one body at a time.

    Rows are working memory: bones at rest, then global rotations, as flat arrays.
    """
    flat, matrices = rows.reshape(rows.size), pose.reshape(pose.size)
    columns = 1 + betas.shape[1]
    groups = bone_lanes.shape[0] // columns
    start = groups * rows.shape[1]
    for body in range(len(pose)):
        for group in range(groups):
            offsets = load(bone_lanes, columns * group)
            for s in range(1, columns):
                offsets = offsets + betas[body, s - 1] * load(bone_lanes, columns * group + s)
            store(rows, group, offsets)
        for j in range(parents.size):
            place = (flat[3 * j], flat[3 * j + 1], flat[3 * j + 2])
            rotations = _nine(matrices, 9 * (body * parents.size + j))
            if j > 0:
                p = parents[j]
                above = _nine(flat, start + 9 * p)
                place = add(
                    (joints[body, p, 0], joints[body, p, 1], joints[body, p, 2]), transform(above, place)
                )
                rotations = multiply(above, rotations)
            for i in range(9):
                flat[start + 9 * j + i] = rotations[i]
            for i in range(3):
                joints[body, j, i] = place[i]
        for j in range(parents.size):
            for i in range(3):
                joints[body, j, i] += transl[body, i]


@kernel
def _nine(flat, k):
    """Matrix of nine numbers from `k` on."""
    return (
        flat[k], flat[k + 1], flat[k + 2],
        flat[k + 3], flat[k + 4], flat[k + 5],
        flat[k + 6], flat[k + 7], flat[k + 8],
    )  # fmt: skip


@entry
def forward_few(bones, skin, rows, coefficients, transforms, pose, betas, transl, joints, vertices):
    """Fused twin of kitro_np.body.skinning.forward_body, translation added: vertices (N, V, 3)."""
    tile = tile_of(bones, rows)
    lanes, groups = rows.shape[1], skin.first.size - 1
    width = skin.basis.shape[0] // (3 * groups)
    for first in range(0, len(pose), lanes):
        place_body(bones, tile, pose, betas, transl, first)
        pose_coefficients(tile, coefficients, 0, width)
        joint_transforms(bones, tile, transforms, 0)
        write_joints(bones, tile, joints, first)
        for lane in range(min(lanes, len(pose) - first)):
            for group in range(groups):
                place = _blend_group(skin.basis, 3 * width * group, width, coefficients, lane)
                place = _skin_group(skin, group, transforms, lane, place)
                store_all(tile.block, 0, place)
                start = lanes * group
                for k in range(min(lanes, vertices.shape[1] - start)):
                    for c in range(3):
                        vertices[first + lane, start + k, c] = tile.block[c, k]


@kernel
def _blend_group(basis, row, width, coefficients, lane):
    """Return a group's blended vertices at rest; separate sums of even and odd terms hide latency."""
    zero = full(basis, 0.0)
    x, y, z, odd_x, odd_y, odd_z = zero, zero, zero, zero, zero, zero
    for p in range(0, width - 1, 2):
        even, odd = coefficients[p, lane], coefficients[p + 1, lane]
        k = row + 3 * p
        x = x + even * load(basis, k)
        y = y + even * load(basis, k + 1)
        z = z + even * load(basis, k + 2)
        odd_x = odd_x + odd * load(basis, k + 3)
        odd_y = odd_y + odd * load(basis, k + 4)
        odd_z = odd_z + odd * load(basis, k + 5)
    if width % 2 == 1:
        last, k = coefficients[width - 1, lane], row + 3 * (width - 1)
        x = x + last * load(basis, k)
        y = y + last * load(basis, k + 1)
        z = z + last * load(basis, k + 2)
    return x + odd_x, y + odd_y, z + odd_z


@kernel
def _skin_group(skin, group, transforms, lane, place):
    """Fused twin of kitro_np.body.skinning.skin, for a group of vertices of one body."""
    x, y, z = place
    moved = (
        full(skin.weights, transforms[0, lane]),
        full(skin.weights, transforms[1, lane]),
        full(skin.weights, transforms[2, lane]),
    )
    for k in range(skin.first[group], skin.first[group + 1]):
        weight = load(skin.weights, k)
        t = 3 + 12 * skin.joint[k]
        moved = add(
            moved,
            (
                weight * (transforms[t, lane] * x + transforms[t + 1, lane] * y
                          + transforms[t + 2, lane] * z + transforms[t + 9, lane]),
                weight * (transforms[t + 3, lane] * x + transforms[t + 4, lane] * y
                          + transforms[t + 5, lane] * z + transforms[t + 10, lane]),
                weight * (transforms[t + 6, lane] * x + transforms[t + 7, lane] * y
                          + transforms[t + 8, lane] * z + transforms[t + 11, lane]),
            ),
        )  # fmt: skip
    return moved
