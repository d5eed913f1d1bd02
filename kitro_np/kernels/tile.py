"""Tile: all that the kernels know of a handful of bodies in lockstep, and of their common tree.

Row j of a tile holds one number of joint j for every body: a vector of joint j lies in rows 3 j to
3 j + 2, a matrix in rows 9 j to 9 j + 8.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..body.skeleton import Skeleton
from .lanes import LANE_BYTES, lane_count


class Tree(NamedTuple):
    """The kinematic tree, common to all bodies.

    Hypothesis h of joint c is node ``2 * first_pair[c] + h``; the children of its parent's hypothesis
    h are the pair ``first_pair[c] + h``.
    """

    parents: np.ndarray  # (J,)
    depths: np.ndarray  # (J,)
    limb_counts: np.ndarray  # (J,)
    first_pair: np.ndarray  # (J,)
    first_child: np.ndarray  # (J + 1,) into children
    children: np.ndarray  # (J - 1,)
    template: np.ndarray  # (J, 3) bone from the parent to the joint at betas = 0; the root's place
    shapedirs: np.ndarray  # (J, S, 3) the same per unit of each beta


class Tile(NamedTuple):
    """Working memory of one tile; every member has shape (rows, lanes)."""

    # What comes in
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
    target_length: np.ndarray  # J bones in the image
    projected: np.ndarray  # 2 J projected joints
    pull: np.ndarray  # 2 J gradient by projected joint
    force: np.ndarray  # 3 J gradient by joint, summed over what hangs on it
    gradient: np.ndarray  # S
    mean: np.ndarray  # S Adam's first moment
    square: np.ndarray  # S Adam's second moment
    # Tree
    foot: np.ndarray  # 3 J towards the nearest point of the child's ray, per unit of distance
    ray: np.ndarray  # 3 J direction of the child's ray
    sine: np.ndarray  # J of the angle between the rays of parent and child
    bone_squared: np.ndarray  # J
    path_swing: np.ndarray  # 4 a node
    path_distance: np.ndarray  # 1 a node
    edge_score: np.ndarray  # 1 a node
    below: np.ndarray  # 1 a node: best product below it
    takes_second: np.ndarray  # 1 a pair
    path_score: np.ndarray  # 1
    # The chosen path
    hypothesis: np.ndarray  # J
    selection: np.ndarray  # J branches
    taken_distance: np.ndarray  # J distance of the parent from the camera along the path
    taken_score: np.ndarray  # J edge score of the chosen branch
    left_score: np.ndarray  # J edge score of the other branch
    # What goes out besides
    error: np.ndarray  # 1 mean reprojection error
    status: np.ndarray  # 1


def make_tree(skeleton: Skeleton, dtype: Any) -> Tree:
    """Lay out a skeleton for the kernels."""
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
    """How many rows each member of a tile has."""
    joints, betas = tree.shapedirs.shape[:2]
    pairs = int(tree.first_pair[-1] + 2 ** (tree.depths[-1] - 1)) if joints > 1 else 1
    return {
        "initial_pose": 9 * joints, "pose": 9 * joints, "betas": betas, "transl": 3,
        "keypoints": 2 * joints, "camera": 4,
        "rotations": 9 * joints, "initial_rotations": 9 * joints, "offsets": 3 * joints, "joints": 3 * joints,
        "target_length": joints, "projected": 2 * joints, "pull": 2 * joints, "force": 3 * joints,
        "gradient": betas, "mean": betas, "square": betas,
        "foot": 3 * joints, "ray": 3 * joints, "sine": joints, "bone_squared": joints,
        "path_swing": 8 * pairs, "path_distance": 2 * pairs, "edge_score": 2 * pairs, "below": 2 * pairs,
        "takes_second": pairs, "path_score": 1,
        "hypothesis": joints, "selection": joints, "taken_distance": joints, "taken_score": joints,
        "left_score": joints, "error": 1, "status": 1,
    }  # fmt: skip


def make_tile(tree: Tree, dtype: Any) -> Tile:
    """Allocate a tile for a tree, every row on a cache line of its own."""
    rows = tile_rows(tree)
    return Tile(**{name: aligned_rows(count, dtype) for name, count in rows.items()})


def aligned_rows(rows: int, dtype: Any) -> np.ndarray:
    """Zeros of shape (rows, lanes) that start on a cache line."""
    lanes = lane_count(dtype)
    buffer = np.zeros((rows + 1) * LANE_BYTES, dtype=np.uint8)
    start = -buffer.ctypes.data % LANE_BYTES
    return buffer[start : start + rows * LANE_BYTES].view(dtype).reshape(rows, lanes)
