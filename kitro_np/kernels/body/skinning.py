"""Joints and skinned vertices of tiles.

The blend shapes are one product of a wide matrix, the basis (template, shape and pose directions), with the
coefficients (1, betas, R - I) of each body. SMPL's basis is 18 MB: it is read once per batch of tiles, four
vertices at a time, and the blended vertices are skinned while in registers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..jit import entry, kernel
from ..lanes import full, load, store
from ..tile import aligned_rows
from ..vector_math import (
    add,
    from_axis_angle,
    load3,
    load9,
    rows3,
    rows9,
    scale,
    store_all,
    subtract,
    transform,
)
from .kinematics import forward_kinematics

BLOCK_VERTICES = 4
"""Vertices blended at once: twelve independent multiply-adds, which hide their latency."""

BATCH_TILES = 16
"""Tiles per pass over the basis: their coefficients and transforms, 0.5 MB, stay in cache."""


class Skin(NamedTuple):
    """A body's surface as the kernel reads it, padded to a multiple of BLOCK_VERTICES."""

    basis: np.ndarray  # (blocks, 1 + S + 9 (J - 1), 12) template, shape and pose directions
    joint_count: np.ndarray  # (V,) how many joints move a vertex
    joint: np.ndarray  # (V, K) which joints
    weight: np.ndarray  # (V, K)


class Bones(NamedTuple):
    """Members of kitro_np.kernels.tile.Tree that forward kinematics needs."""

    parents: np.ndarray  # (J,)
    template: np.ndarray  # (J, 3)
    shapedirs: np.ndarray  # (J, S, 3)


class BodyTile(NamedTuple):
    """Working memory of one tile; every member has shape (rows, lanes)."""

    pose: np.ndarray  # 9 J
    rotations: np.ndarray  # 9 J
    offsets: np.ndarray  # 3 J
    joints: np.ndarray  # 3 J
    rest: np.ndarray  # 3 J
    betas: np.ndarray  # S
    transl: np.ndarray  # 3
    block: np.ndarray  # 12 coordinates of a block of vertices


def basis_columns(v_template: Any, shapedirs: Any, posedirs: Any) -> np.ndarray:
    """Template, shape and pose directions side by side: (3 V, 1 + S + 9 (J - 1))."""
    flat = 3 * len(v_template)
    parts = [np.reshape(v_template, (flat, 1)), np.reshape(shapedirs, (flat, shapedirs.shape[2]))]
    if posedirs is not None:
        parts.append(np.reshape(posedirs, (flat, posedirs.shape[2])))
    return np.concatenate(parts, axis=1)


def make_skin(v_template: Any, shapedirs: Any, posedirs: Any, weights: Any, dtype: Any) -> Skin:
    """Return a body's surface arrays for the kernel."""
    vertices = len(v_template)
    columns = basis_columns(v_template, shapedirs, posedirs)
    blocks = -(-vertices // BLOCK_VERTICES)
    rows = 3 * BLOCK_VERTICES
    basis = np.zeros((blocks, columns.shape[1], rows), dtype)
    for block in range(blocks):
        own = columns[block * rows : (block + 1) * rows]
        basis[block, :, : len(own)] = own.T
    weights = np.asarray(weights)
    count = np.maximum((weights != 0).sum(axis=1), 1)
    # A stable sort puts joints without weight last, beyond the count.
    joint = np.argsort(weights == 0, axis=1, kind="stable")[:, : count.max()]
    return Skin(
        basis,
        count.astype(np.int64),
        np.ascontiguousarray(joint, dtype=np.int64),
        np.ascontiguousarray(np.take_along_axis(weights, joint, axis=1), dtype=dtype),
    )


def make_rows(bones: Bones, dtype: Any) -> np.ndarray:
    """Allocate the rows of one tile: one array is passed to a kernel much faster than eight."""
    joints, betas = bones.shapedirs.shape[0], bones.shapedirs.shape[1]
    return aligned_rows(27 * joints + betas + 3 + 3 * BLOCK_VERTICES, dtype)


@kernel
def tile_of(bones, rows):
    """Cut the rows of :func:`make_rows` into a tile."""
    joints, betas = bones.parents.size, bones.shapedirs.shape[1]
    k = 27 * joints
    return BodyTile(
        rows[: 9 * joints],
        rows[9 * joints : 18 * joints],
        rows[18 * joints : 21 * joints],
        rows[21 * joints : 24 * joints],
        rows[24 * joints : k],
        rows[k : k + betas],
        rows[k + betas : k + betas + 3],
        rows[k + betas + 3 :],
    )


@entry
def pose_joints(parents, template, shapedirs, rows, pose, betas, transl, joints):
    """Fused twin of kitro_np.BodyModel.joints: joints (N, J, 3).

    Here and below pose is (N, J, 3, 3), or (N, J, 3, 1) for axis-angle vectors.
    """
    bones = Bones(parents, template, shapedirs)
    tile = tile_of(bones, rows)
    for start in range(0, len(pose), rows.shape[1]):
        place_body(bones, tile, pose, betas, transl, start)
        write_joints(bones, tile, joints, start)


@entry
def forward_body(bones, skin, rows, coefficients, transforms, pose, betas, transl, joints, vertices):
    """Fused twin of kitro_np.body.skinning.forward_body, translation added: vertices (N, V, 3).

    Coefficients and transforms are working memory of BATCH_TILES tiles.
    """
    tile = tile_of(bones, rows)
    lanes, width, per_tile = rows.shape[1], skin.basis.shape[1], 3 + 12 * bones.parents.size
    batch = BATCH_TILES * lanes
    coordinates = vertices.reshape((len(vertices), 3 * vertices.shape[1]))
    for first in range(0, len(pose), batch):
        tiles = (min(batch, len(pose) - first) + lanes - 1) // lanes
        for t in range(tiles):
            place_body(bones, tile, pose, betas, transl, first + t * lanes)
            pose_coefficients(tile, coefficients, t * width, width)
            joint_transforms(bones, tile, transforms, t * per_tile)
            write_joints(bones, tile, joints, first + t * lanes)
        for block in range(skin.basis.shape[0]):
            corner = 3 * BLOCK_VERTICES * block
            rows_left = min(3 * BLOCK_VERTICES, coordinates.shape[1] - corner)
            for t in range(tiles):
                store_all(tile.block, 0, _blend_block(skin.basis, block, coefficients, t * width))
                for k in range(rows_left // 3):
                    _skin_vertex(skin, tile, transforms, BLOCK_VERTICES * block + k, k, t * per_tile)
                _write_rows(tile.block, coordinates, first + t * lanes, corner, rows_left)


@kernel
def place_body(bones, tile, pose, betas, transl, start):
    """Read bodies into a tile and pose their joints, without translation; some lanes may stay unused."""
    entries = tile.pose.shape[0] if pose.shape[3] == 3 else tile.pose.shape[0] // 3
    flat = pose.reshape((len(pose), entries))
    for lane in range(min(tile.joints.shape[1], len(pose) - start)):
        for row in range(entries):
            tile.pose[row, lane] = flat[start + lane, row]
        for row in range(tile.betas.shape[0]):
            tile.betas[row, lane] = betas[start + lane, row]
        for row in range(3):
            tile.transl[row, lane] = transl[start + lane, row]
    if pose.shape[3] == 1:
        # In place from the last joint: a matrix takes nine rows, its axis-angle vector three.
        for j in range(bones.parents.size - 1, -1, -1):
            store_all(tile.pose, 9 * j, from_axis_angle(load3(tile.pose, j)))
    forward_kinematics(bones, tile)


@kernel
def pose_coefficients(tile, coefficients, first, width):
    """Fill in 1, betas and, if the basis has pose directions, R - I of all joints but the root."""
    store(coefficients, first, 1.0)
    for s in range(tile.betas.shape[0]):
        store(coefficients, first + 1 + s, load(tile.betas, s))
    first = first + 1 + tile.betas.shape[0]
    for row in range(9, 9 + width - 1 - tile.betas.shape[0]):
        diagonal = 1.0 if (row % 9) % 4 == 0 else 0.0
        store(coefficients, first + row - 9, load(tile.pose, row) - diagonal)


@kernel
def joint_transforms(bones, tile, transforms, first):
    """Fused twin of kitro_np.body.skinning.joint_transforms: translation, then rotations and shifts."""
    store_all(transforms, first, load3(tile.transl, 0))
    for j in range(bones.parents.size):
        rest = load3(tile.offsets, j)
        if j > 0:
            rest = add(rest, load3(tile.rest, bones.parents[j]))
        store_all(tile.rest, 3 * j, rest)
        rotations = load9(tile.rotations, j)
        store_all(transforms, first + 3 + 12 * j, rotations)
        shift = subtract(load3(tile.joints, j), transform(rotations, rest))
        store_all(transforms, first + 12 + 12 * j, shift)


@kernel
def _blend_block(basis, block, coefficients, first):
    """Coordinates of four blended vertices in the rest pose: twelve sums over the basis, in registers."""
    c = load(coefficients, first)
    a, b, d = basis[block, 0, 0] * c, basis[block, 0, 1] * c, basis[block, 0, 2] * c
    e, f, g = basis[block, 0, 3] * c, basis[block, 0, 4] * c, basis[block, 0, 5] * c
    h, i, j = basis[block, 0, 6] * c, basis[block, 0, 7] * c, basis[block, 0, 8] * c
    k, m, n = basis[block, 0, 9] * c, basis[block, 0, 10] * c, basis[block, 0, 11] * c
    for p in range(1, basis.shape[1]):
        c = load(coefficients, first + p)
        a, b, d = a + basis[block, p, 0] * c, b + basis[block, p, 1] * c, d + basis[block, p, 2] * c
        e, f, g = e + basis[block, p, 3] * c, f + basis[block, p, 4] * c, g + basis[block, p, 5] * c
        h, i, j = h + basis[block, p, 6] * c, i + basis[block, p, 7] * c, j + basis[block, p, 8] * c
        k, m, n = k + basis[block, p, 9] * c, m + basis[block, p, 10] * c, n + basis[block, p, 11] * c
    return a, b, d, e, f, g, h, i, j, k, m, n


@kernel
def _skin_vertex(skin, tile, transforms, vertex, k, first):
    """Fused twin of kitro_np.body.skinning.skin, for vertex k of the block."""
    zero = full(transforms, 0.0)
    rotations, shift = (zero, zero, zero, zero, zero, zero, zero, zero, zero), (zero, zero, zero)
    for n in range(skin.joint_count[vertex]):
        row = first + 3 + 12 * skin.joint[vertex, n]
        weight = skin.weight[vertex, n]
        rotations = _add_scaled9(rotations, weight, rows9(transforms, row))
        shift = add(shift, scale(weight, rows3(transforms, row + 9)))
    place = add(transform(rotations, load3(tile.block, k)), shift)
    store_all(tile.block, 3 * k, add(place, rows3(transforms, first)))


@kernel
def _add_scaled9(m, weight, n):
    return (
        m[0] + weight * n[0], m[1] + weight * n[1], m[2] + weight * n[2],
        m[3] + weight * n[3], m[4] + weight * n[4], m[5] + weight * n[5],
        m[6] + weight * n[6], m[7] + weight * n[7], m[8] + weight * n[8],
    )  # fmt: skip


@kernel
def write_joints(bones, tile, joints, start):
    """Add the translation to a tile's joints and write them out."""
    moved = load3(tile.transl, 0)
    for j in range(bones.parents.size):
        store_all(tile.joints, 3 * j, add(load3(tile.joints, j), moved))
    coordinates = joints.reshape((len(joints), tile.joints.shape[0]))
    _write_rows(tile.joints, coordinates, start, 0, tile.joints.shape[0])


@kernel
def _write_rows(tile, out, start, first, rows):
    """Transpose lanes to rows of bodies: rows of `tile` to the columns of `out` from `first` on."""
    for lane in range(min(tile.shape[1], len(out) - start)):
        for row in range(rows):
            out[start + lane, first + row] = tile[row, lane]
