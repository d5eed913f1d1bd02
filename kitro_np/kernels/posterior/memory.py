"""Records of the kernels of the most probable body: a skeleton's chains and points, working memory of a tile.

The normal matrix of a step has a row of 3x3 blocks for every joint: one for the joint and one for each of its
ancestors, since a rotation moves the joint's descendants only. All other blocks are zero, and the Cholesky
factorisation from the leaves to the root fills none in. Betas and translation couple to all joints and come
last, as in an arrow matrix: the border of the joints' rows, and the corner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..tile import Tree, aligned_rows, tile_rows
from .scalars import COUNT

if TYPE_CHECKING:
    from ...posterior.model import PosteriorModel


class Chains(NamedTuple):
    """A skeleton with the points on it; J joints, K points, S betas, at most D joints in a chain.

    Lengths are in metres.
    """

    chain: np.ndarray  # (J, D) joints from the root to each joint
    depth: np.ndarray  # (J,) place of each joint in its chain
    first_block: np.ndarray  # (J,) index of the block of each joint with the root
    moving: np.ndarray  # joints that move a point, ascending
    unobserved: np.ndarray  # joints that move no point
    point_joint: np.ndarray  # (K,) joint that a point is fixed to
    point_above: np.ndarray  # (K,) how many joints of that joint's chain move the point
    point_offset: np.ndarray  # (K, 3)
    point_shapedirs: np.ndarray  # (K, S, 3)
    point_precision: np.ndarray  # (K,) 0 for points that are not on the body
    point_mirror: np.ndarray  # (K,) left-right counterpart of each point
    swaps: np.ndarray  # (A, K) orders of the points with left and right exchanged
    joint_mirror: np.ndarray  # (J,) left-right counterpart of each joint
    face: np.ndarray  # points that tell which way a person faces; none if they do not
    ears: np.ndarray
    limbs: np.ndarray
    size: np.ndarray  # (1,) of the body, 1 for a person
    verdict: np.ndarray  # (F + 1,) coefficients and constant
    pose_spread: np.ndarray  # (J, 3) standard deviations, in radians
    motion_mean: np.ndarray  # (J, 3)
    motion_precision: np.ndarray  # (J, 3, 3)


class FitTile(NamedTuple):
    """The members of kitro_np.kernels.tile.Tile that a fit needs: fewer arrays compile faster."""

    initial_pose: np.ndarray  # 9 J local rotations of the estimate
    pose: np.ndarray  # 9 J
    betas: np.ndarray  # S
    transl: np.ndarray  # 3
    keypoints: np.ndarray  # 2 K
    camera: np.ndarray  # 4 fx, fy, cx, cy
    rotations: np.ndarray  # 9 J global rotations
    offsets: np.ndarray  # 3 J bones at rest; the root's position
    joints: np.ndarray  # 3 J posed, without translation
    selection: np.ndarray  # J
    path_score: np.ndarray  # 1
    error: np.ndarray  # 1 mean reprojection error
    status: np.ndarray  # 1


class Memory(NamedTuple):
    """Working memory of a tile beside FitTile; every member has shape (rows, lanes)."""

    # Priors
    prior_betas: np.ndarray  # S
    prior_transl: np.ndarray  # 3
    transl_precision: np.ndarray  # 9
    transl_covariance: np.ndarray  # 9
    prior_block: np.ndarray  # 9 J the prior's precision of each joint's rotation
    prior_right_side: np.ndarray  # 3 J that precision times the prior mean of the rotation
    # The keypoints
    confidence: np.ndarray  # K relative precision; 0 where not visible
    odds: np.ndarray  # K prior odds of being an outlier
    inlier: np.ndarray  # K probability of being none
    weight: np.ndarray  # K inverse standard deviation, per pixel
    affine_weight: np.ndarray  # K of the affine fit
    moves: np.ndarray  # J 1 where a joint moves a visible keypoint
    gains: np.ndarray  # A decrease of the squared distance by each exchange of left and right
    # Scalars and results
    scalars: np.ndarray  # one number a body, see scalars.py
    joint_spread: np.ndarray  # J
    # The points, and the Jacobian of one of them
    by_betas: np.ndarray  # 3 S J derivatives of the joints by the betas
    point: np.ndarray  # 3 K in camera space
    residual: np.ndarray  # 2 K
    border_jacobian_u: np.ndarray  # S + 3 of a point's u, by betas and translation
    border_jacobian_v: np.ndarray  # S + 3
    joint_jacobian_u: np.ndarray  # 3 D of a point's u, by the rotations of its joint's chain
    joint_jacobian_v: np.ndarray  # 3 D
    # The step: normal matrix and right side, then Cholesky factor, then solution, in place
    deviation: np.ndarray  # 3 J rotation from the estimate
    block: np.ndarray  # 9 a block
    border: np.ndarray  # 3 (S + 3) a joint
    corner: np.ndarray  # (S + 3)^2
    joint_step: np.ndarray  # 3 J of the rotations
    border_step: np.ndarray  # S + 3 of betas and translation
    other_joint_side: np.ndarray  # 3 J right side with left and right exchanged
    other_border_side: np.ndarray  # S + 3
    # Covariance of the step, where the matrix has blocks
    covariance: np.ndarray  # 9 a block
    covariance_border: np.ndarray  # 3 (S + 3) a joint
    covariance_corner: np.ndarray  # (S + 3)^2


def make_chains(model: PosteriorModel, dtype: Any) -> Chains:
    """Lay out a model's skeleton and points for the kernels."""
    skeleton, layout, motion, moved = model.skeleton, model.layout, model.motion, model.moves
    joints = skeleton.num_joints
    depth = np.array(skeleton.depths)
    chain = np.zeros((joints, depth.max() + 1), np.int64)
    for joint, parent in enumerate(skeleton.parents):
        chain[joint] = chain[max(parent, 0)]
        chain[joint, depth[joint]] = joint
    own = np.maximum(np.array(layout.joints), 0)
    missing = np.array(layout.joints) < 0

    def of_dtype(array: Any) -> np.ndarray:
        # Always a copy: Numba would compile once more for a read-only array.
        return np.array(array, dtype=dtype, order="C")

    return Chains(
        chain=chain,
        depth=depth.astype(np.int64),
        first_block=np.concatenate([[0], np.cumsum(depth + 1)[:-1]]).astype(np.int64),
        moving=np.flatnonzero(moved.any(axis=0)).astype(np.int64),
        unobserved=np.flatnonzero(~moved.any(axis=0)).astype(np.int64),
        point_joint=own.astype(np.int64),
        point_above=moved.sum(axis=1).astype(np.int64),
        point_offset=of_dtype(layout.offsets),
        point_shapedirs=of_dtype(np.asarray(layout.by_betas)[..., : skeleton.num_betas].transpose(0, 2, 1)),
        point_precision=of_dtype(np.where(missing, 0.0, layout.spread**-2.0)),
        point_mirror=np.array(layout.mirror, np.int64),
        swaps=np.array(model.swaps),
        joint_mirror=np.array(model.mirror, np.int64),
        face=np.array(model.face.face, np.int64),
        ears=np.array(model.face.ears, np.int64),
        limbs=np.array(model.face.limbs, np.int64),
        size=of_dtype([model.size]),
        verdict=of_dtype(model.verdict),
        pose_spread=of_dtype(model.pose_spread),
        motion_mean=of_dtype(motion.mean),
        motion_precision=of_dtype(motion.precision),
    )


def memory_rows(chains: Chains) -> dict[str, int]:
    """Return the number of rows of each member of the memory."""
    points, shapes, _ = chains.point_shapedirs.shape
    joints, deepest = chains.chain.shape
    border = shapes + 3
    blocks = int(chains.first_block[-1] + chains.depth[-1] + 1)
    by_joint = ("prior_right_side", "deviation", "joint_step", "other_joint_side")
    return {
        "scalars": COUNT,
        "gains": len(chains.swaps),
        **dict.fromkeys(by_joint, 3 * joints),
        **dict.fromkeys(("confidence", "odds", "inlier", "weight", "affine_weight"), points),
        **dict.fromkeys(("moves", "joint_spread"), joints),
        **dict.fromkeys(("transl_precision", "transl_covariance"), 9),
        **dict.fromkeys(
            ("border_jacobian_u", "border_jacobian_v", "border_step", "other_border_side"), border
        ),
        **dict.fromkeys(("joint_jacobian_u", "joint_jacobian_v"), 3 * deepest),
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
    """Allocate a tile for the layout's number of keypoints."""
    return FitTile(**{n: aligned_rows(count, dtype) for n, count in fit_tile_rows(tree, chains).items()})


def fit_tile_rows(tree: Tree, chains: Chains) -> dict[str, int]:
    """Return the number of rows of each member of a tile."""
    rows = {**tile_rows(tree), "keypoints": 2 * chains.point_joint.size}
    return {name: rows[name] for name in FitTile._fields}


def make_memory(chains: Chains, dtype: Any) -> Memory:
    """Allocate the memory of a tile."""
    return Memory(**{name: aligned_rows(count, dtype) for name, count in memory_rows(chains).items()})
