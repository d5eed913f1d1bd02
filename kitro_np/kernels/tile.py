"""Tile: working memory of the kernels for a few bodies in SIMD lanes, and their kinematic tree.

A row of a tile holds one number for each body: a vector of joint j occupies rows 3 j to 3 j + 2, a matrix
rows 9 j to 9 j + 8.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..body.skeleton import Skeleton
from .lanes import LANE_BYTES, lane_count


class Tree(NamedTuple):
    """The kinematic tree of all bodies.

    Hypothesis h of joint c is node ``2 * first_pair[c] + h``; the two branches from hypothesis h of its
    parent are the pair ``first_pair[c] + h``.
    """

    parents: np.ndarray  # (J,)
    depths: np.ndarray  # (J,)
    limb_counts: np.ndarray  # (J,)
    first_pair: np.ndarray  # (J,)
    first_child: np.ndarray  # (J + 1,) into children
    children: np.ndarray  # (J - 1,)
    template: np.ndarray  # (J, 3) bone from the parent to the joint at betas = 0; the root's position
    shapedirs: np.ndarray  # (J, S, 3) the same per unit of each beta


class Tile(NamedTuple):
    """Working memory of one tile; every member has shape (rows, lanes)."""

    # Input
    initial_pose: np.ndarray  # 9 J local rotations of the estimate
    pose: np.ndarray  # 9 J local rotations
    betas: np.ndarray  # S
    transl: np.ndarray  # 3
    keypoints: np.ndarray  # 2 J
    camera: np.ndarray  # 4: fx, fy, cx, cy
    # Kinematics
    rotations: np.ndarray  # 9 J global rotations
    initial_rotations: np.ndarray  # 9 J global rotations of the estimate
    offsets: np.ndarray  # 3 J bones at rest
    joints: np.ndarray  # 3 J posed, without translation
    # Shape
    target_length: np.ndarray  # J lengths of the bones between keypoints, in pixels
    projected: np.ndarray  # 2 J projected joints
    pixel_gradient: np.ndarray  # 2 J gradient by each projected joint
    joint_gradient: np.ndarray  # 3 J gradient by each joint's position, summed over its descendants
    gradient: np.ndarray  # S
    mean: np.ndarray  # S Adam's first moment
    square: np.ndarray  # S Adam's second moment
    # Tree
    perpendicular: np.ndarray  # 3 J from the parent to the child's ray, per unit of the parent's distance
    ray: np.ndarray  # 3 J direction of the child's ray
    sine: np.ndarray  # J of the angle between the rays of parent and child
    bone_squared: np.ndarray  # J
    path_swing: np.ndarray  # 4 per node: quaternion
    path_distance: np.ndarray  # 1 per node: distance of the joint from the camera
    edge_score: np.ndarray  # 1 per node
    subtree_score: np.ndarray  # 1 per node: best product of the edge scores below it
    best_branch: np.ndarray  # 1 per pair: 0 or 1
    path_score: np.ndarray  # 1
    # The chosen path
    hypothesis: np.ndarray  # J
    selection: np.ndarray  # J branches
    chosen_distance: np.ndarray  # J distance of the parent from the camera along the path
    chosen_score: np.ndarray  # J edge score of the chosen branch
    other_score: np.ndarray  # J edge score of the other branch
    # Output
    error: np.ndarray  # 1 mean reprojection error
    status: np.ndarray  # 1


def make_tree(skeleton: Skeleton, dtype: Any) -> Tree:
    """Return a skeleton's arrays for the kernels."""
    skeleton = skeleton.host
    parents = np.array(skeleton.parents, dtype=np.int64)
    depths = np.array(skeleton.depths, dtype=np.int64)
    pairs = np.concatenate([[1], 2 ** depths[parents[1:]]])
    above = np.maximum(parents, 0)
    is_bone = parents >= 0
    template = np.asarray(skeleton.joint_template, dtype=np.float64)
    shapedirs = np.asarray(skeleton.joint_shapedirs, dtype=np.float64).transpose(0, 2, 1)
    return Tree(
        parents=parents,
        depths=depths,
        limb_counts=np.array(skeleton.limb_counts, dtype=np.int64),
        first_pair=np.concatenate([[0], np.cumsum(pairs)[:-1]]).astype(np.int64),
        first_child=np.cumsum([0, *map(len, skeleton.children)]).astype(np.int64),
        children=np.array([c for own in skeleton.children for c in own], dtype=np.int64),
        template=np.ascontiguousarray(template - is_bone[:, None] * template[above], dtype=dtype),
        shapedirs=np.ascontiguousarray(shapedirs - is_bone[:, None, None] * shapedirs[above], dtype=dtype),
    )


def tile_rows(tree: Tree) -> dict[str, int]:
    """Return the number of rows of each member of a tile."""
    joints, betas = tree.shapedirs.shape[:2]
    pairs = int(tree.first_pair[-1] + 2 ** (tree.depths[-1] - 1)) if joints > 1 else 1
    return {
        "initial_pose": 9 * joints, "pose": 9 * joints, "betas": betas, "transl": 3,
        "keypoints": 2 * joints, "camera": 4,
        "rotations": 9 * joints, "initial_rotations": 9 * joints, "offsets": 3 * joints, "joints": 3 * joints,
        "target_length": joints, "projected": 2 * joints,
        "pixel_gradient": 2 * joints, "joint_gradient": 3 * joints,
        "gradient": betas, "mean": betas, "square": betas,
        "perpendicular": 3 * joints, "ray": 3 * joints, "sine": joints, "bone_squared": joints,
        "path_swing": 8 * pairs, "path_distance": 2 * pairs, "edge_score": 2 * pairs,
        "subtree_score": 2 * pairs, "best_branch": pairs, "path_score": 1,
        "hypothesis": joints, "selection": joints, "chosen_distance": joints, "chosen_score": joints,
        "other_score": joints, "error": 1, "status": 1,
    }  # fmt: skip


def make_tile(tree: Tree, dtype: Any) -> Tile:
    """Allocate a tile for a tree; every row is one cache line."""
    rows = tile_rows(tree)
    return Tile(**{name: aligned_rows(count, dtype) for name, count in rows.items()})


def aligned_rows(rows: int, dtype: Any) -> np.ndarray:
    """Zeros of shape (rows, lanes), aligned to cache lines."""
    lanes = lane_count(dtype)
    buffer = np.zeros((rows + 1) * LANE_BYTES, dtype=np.uint8)
    start = -buffer.ctypes.data % LANE_BYTES
    return buffer[start : start + rows * LANE_BYTES].view(dtype).reshape(rows, lanes)
