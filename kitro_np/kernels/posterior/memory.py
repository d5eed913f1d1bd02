"""What the kernels of the most probable body work on: chains and points of a skeleton, memory of a tile.

The matrix that a step solves has a row of 3x3 blocks for every joint: one for the joint and one for each
joint above it, since a turn moves nothing but what hangs on it. All else of it is zero, and stays so when it
is factored from the leaves to the root. Betas and translation touch everything and come last: the border of
the joints' rows, and the corner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..tile import Tree, aligned_rows, tile_rows
from .scalars import COUNT

if TYPE_CHECKING:
    from ...posterior.model import PosteriorModel


class Chains(NamedTuple):
    """A skeleton with the points on it; J joints, K points, S betas, at most D joints above one another.

    Lengths are in metres.
    """

    chain: np.ndarray  # (J, D) joints from the root to each joint
    depth: np.ndarray  # (J,) place of each joint in its chain
    first_block: np.ndarray  # (J,) number of the block of each joint and the root
    moving: np.ndarray  # joints that move a point, ascending
    resting: np.ndarray  # those that do not
    point_joint: np.ndarray  # (K,) joint that a point is fixed to
    point_above: np.ndarray  # (K,) how many joints of that one's chain move it
    point_offset: np.ndarray  # (K, 3)
    point_shapedirs: np.ndarray  # (K, S, 3)
    point_precision: np.ndarray  # (K,) 0 of those that are nowhere
    swaps: np.ndarray  # (A, K) other assignments of left and right
    size: np.ndarray  # (1,) of the body, 1 for a person
    allowance: np.ndarray  # (1,) of its verdict
    pose_spread: np.ndarray  # (J, 3)
    motion_mean: np.ndarray  # (J, 3)
    motion_precision: np.ndarray  # (J, 3, 3)


class FitTile(NamedTuple):
    """What of kitro_np.kernels.tile.Tile a fit needs: the fewer arrays, the faster kernels compile."""

    initial_pose: np.ndarray  # 9 J local rotations of the estimate
    pose: np.ndarray  # 9 J
    betas: np.ndarray  # S
    transl: np.ndarray  # 3
    keypoints: np.ndarray  # 2 K
    camera: np.ndarray  # 4 fx, fy, cx, cy
    rotations: np.ndarray  # 9 J global rotations
    offsets: np.ndarray  # 3 J bones at rest; the root's own place
    joints: np.ndarray  # 3 J posed, without translation
    selection: np.ndarray  # J
    path_score: np.ndarray  # 1
    error: np.ndarray  # 1 mean reprojection error
    status: np.ndarray  # 1


class Memory(NamedTuple):
    """Working memory of a tile beside FitTile; every member has shape (rows, lanes)."""

    # What is known beside the keypoints
    prior_betas: np.ndarray  # S
    prior_transl: np.ndarray  # 3
    transl_precision: np.ndarray  # 9
    transl_covariance: np.ndarray  # 9
    prior_block: np.ndarray  # 9 J precision of each joint's turn without keypoints
    prior_pull: np.ndarray  # 3 J that precision times the turn to expect
    # The keypoints
    confidence: np.ndarray  # K relative precision; 0 of those unseen
    weight: np.ndarray  # K inverse spread, per pixel
    moves: np.ndarray  # J 1 where a joint moves a keypoint that is seen
    # Numbers that a fit works with
    scalars: np.ndarray  # one number a body, see scalars.py
    joint_spread: np.ndarray  # J
    # The points, and what moves them
    by_betas: np.ndarray  # 3 S J joints by beta
    point: np.ndarray  # 3 K in camera space
    residual: np.ndarray  # 2 K
    slope_u: np.ndarray  # S + 3 of a point's projection, by betas and translation
    slope_v: np.ndarray  # S + 3
    lever_u: np.ndarray  # 3 D of a point's projection, by the turns of the joints above
    lever_v: np.ndarray  # 3 D
    # The step: matrix and right side, then its factor, then the step itself
    deviation: np.ndarray  # 3 J from the estimate
    block: np.ndarray  # 9 a block
    border: np.ndarray  # 3 (S + 3) a joint
    corner: np.ndarray  # (S + 3)^2
    turn: np.ndarray  # 3 J
    change: np.ndarray  # S + 3 of betas and translation
    other_turn: np.ndarray  # 3 J right side of another assignment of the keypoints
    other_change: np.ndarray  # S + 3
    # Its covariance, where the matrix has blocks
    covariance: np.ndarray  # 9 a block
    covariance_border: np.ndarray  # 3 (S + 3) a joint
    covariance_corner: np.ndarray  # (S + 3)^2


def make_chains(model: PosteriorModel, dtype: Any) -> Chains:
    """Lay out a skeleton and the points on it for the kernels."""
    skeleton, layout, motion, moved = model.skeleton, model.layout, model.motion, model.moves
    joints = skeleton.num_joints
    depth = np.array(skeleton.depths)
    chain = np.zeros((joints, depth.max() + 1), np.int64)
    for joint, parent in enumerate(skeleton.parents):
        chain[joint] = chain[max(parent, 0)]
        chain[joint, depth[joint]] = joint
    own = np.maximum(np.array(layout.joints), 0)
    nowhere = np.array(layout.joints) < 0

    def numbers(array: Any) -> np.ndarray:
        # A copy always: Numba would compile once more for one that cannot be written to.
        return np.array(array, dtype=dtype, order="C")

    return Chains(
        chain=chain,
        depth=depth.astype(np.int64),
        first_block=np.concatenate([[0], np.cumsum(depth + 1)[:-1]]).astype(np.int64),
        moving=np.flatnonzero(moved.any(axis=0)).astype(np.int64),
        resting=np.flatnonzero(~moved.any(axis=0)).astype(np.int64),
        point_joint=own.astype(np.int64),
        point_above=moved.sum(axis=1).astype(np.int64),
        point_offset=numbers(layout.offsets),
        point_shapedirs=numbers(np.asarray(layout.by_betas)[..., : skeleton.num_betas].transpose(0, 2, 1)),
        point_precision=numbers(np.where(nowhere, 0.0, layout.spread**-2.0)),
        swaps=np.array(model.swaps),
        size=numbers([model.size]),
        allowance=numbers([model.allowance]),
        pose_spread=numbers(model.pose_spread),
        motion_mean=numbers(motion.mean),
        motion_precision=numbers(motion.precision),
    )


def memory_rows(chains: Chains) -> dict[str, int]:
    """How many rows each member of the memory has."""
    points, shapes, _ = chains.point_shapedirs.shape
    joints, deepest = chains.chain.shape
    border = shapes + 3
    blocks = int(chains.first_block[-1] + chains.depth[-1] + 1)
    by_joint = ("prior_pull", "deviation", "turn", "other_turn")
    return {
        "scalars": COUNT,
        **dict.fromkeys(by_joint, 3 * joints),
        **dict.fromkeys(("confidence", "weight"), points),
        **dict.fromkeys(("moves", "joint_spread"), joints),
        **dict.fromkeys(("transl_precision", "transl_covariance"), 9),
        **dict.fromkeys(("slope_u", "slope_v", "change", "other_change"), border),
        **dict.fromkeys(("lever_u", "lever_v"), 3 * deepest),
        **dict.fromkeys(("block", "covariance"), 9 * blocks),
        **dict.fromkeys(("border", "covariance_border"), 3 * border * joints),
        **dict.fromkeys(("corner", "covariance_corner"), border * border),
        "prior_betas": shapes,
        "prior_transl": 3,
        "prior_block": 9 * joints,
        "by_betas": 3 * shapes * joints,
        "point": 3 * points,
        "residual": 2 * points,
    }


def make_fit_tile(tree: Tree, chains: Chains, dtype: Any) -> FitTile:
    """Allocate a tile for so many keypoints."""
    rows = {**tile_rows(tree), "keypoints": 2 * chains.point_joint.size}
    return FitTile(**{name: aligned_rows(rows[name], dtype) for name in FitTile._fields})


def make_memory(chains: Chains, dtype: Any) -> Memory:
    """Allocate the memory of a tile."""
    return Memory(**{name: aligned_rows(count, dtype) for name, count in memory_rows(chains).items()})
