"""Records of the kernels of kitro_np.points: a skeleton's limbs and points, working memory of a tile.

A joint's row of numbers is that of a rigid body about the body's origin, as in Featherstone's algorithm for
articulated bodies: a point of weight w at x moves by v + omega x x. So its share of the normal equations of
(omega, v) is the blocks A = w (|x|^2 I - x x^T), B = w [x]x and C = w I, and bodies that move together add.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ...body.skeleton import Skeleton
from ...keypoints.layouts import KeypointLayout
from ...points.problem import PointsProblem
from ...points.swings import aims_of, arms_of, mean_pose
from ..tile import aligned_rows


class Limbs(NamedTuple):
    """A skeleton with given betas, the points on it, and the start's aims; J joints, K points, S betas."""

    parents: np.ndarray  # (J,)
    bones: np.ndarray  # (J, 3) from the parent, at rest; the root's position
    anchors: np.ndarray  # (K,) joint that moves a point
    offsets: np.ndarray  # (K, 3)
    bones_by_betas: np.ndarray  # (J, S, 3)
    offsets_by_betas: np.ndarray  # (K, S, 3)
    motion_mean: np.ndarray  # (J, 3)
    motion_precision: np.ndarray  # (J, 3, 3)
    first_aim: np.ndarray  # (J + 1,) into aims
    aims: np.ndarray  # points
    arms: np.ndarray  # (A, 3) from the joint, in the mean pose
    shares: np.ndarray  # (A,)
    places: np.ndarray  # (J,) point that tells where a joint is, or -1
    beside: np.ndarray  # (J, 3) from the joint to that point, in the mean pose
    means: np.ndarray  # (J, 9) local rotations of the mean pose


class PointsTile(NamedTuple):
    """Working memory of a tile; every member has shape (rows, lanes)."""

    # Input and output
    pose: np.ndarray  # 9 J local rotations
    transl: np.ndarray  # 3
    points: np.ndarray  # 3 K given
    weights: np.ndarray  # K
    placed: np.ndarray  # 3 K points on the body, without translation
    # Kinematics
    rotations: np.ndarray  # 9 J global
    joints: np.ndarray  # 3 J without translation
    shifts: np.ndarray  # 3 J of the start: from a posed joint to where the points say that it is
    # Before a step
    kept_pose: np.ndarray  # 9 J
    kept_transl: np.ndarray  # 3
    cost: np.ndarray  # 1
    damping: np.ndarray  # 1
    active: np.ndarray  # 1
    failed: np.ndarray  # 1
    # Normal equations
    own: np.ndarray  # 10 J of a joint's own points: sum of w, w x, and A by its upper triangle
    limb: np.ndarray  # 10 J the same of all points that a joint moves
    articulated: np.ndarray  # 21 J A, B, C of what a joint moves, where joints beyond give way
    force: np.ndarray  # 6 J gradient by (omega, v)
    motion: np.ndarray  # 6 J precision of the motion, upper triangle
    pull: np.ndarray  # 3 J its gradient
    gain: np.ndarray  # 18 J of a joint's turn by its parent's (omega, v): by omega, by v
    inverse: np.ndarray  # 6 J covariance of a joint's turn, its parent held
    turn: np.ndarray  # 3 J of a joint, its parent held
    base: np.ndarray  # 6 covariance of the translation
    # The step
    step: np.ndarray  # 3 J turns about the world's axes
    velocity: np.ndarray  # 6 J
    # Evidence
    spread: np.ndarray  # 21 J covariance of (omega, v)
    by_betas: np.ndarray  # 3 S J change of the joints
    point_by_betas: np.ndarray  # 3 S of a point
    betas_force: np.ndarray  # 6 S J
    betas_base: np.ndarray  # 3 S
    joint_side: np.ndarray  # 3 S of a joint
    solved: np.ndarray  # 3 S
    sums: np.ndarray  # 4 + S^2 + S across, size, squares, left, whole, right


def make_limbs(problem: PointsProblem, betas: np.ndarray) -> Limbs:
    """Lay out a problem's skeleton with given betas (S,), and its points."""
    skeleton = problem.skeleton
    arms, beside = arms_of(problem, betas)
    return _mean_limbs(skeleton, problem.layout)._replace(
        bones=_from_parents(skeleton, np.asarray(skeleton.rest_joints(betas[None])[0])),
        offsets=_numbers(problem.offsets(betas[None])[0]),
        arms=_numbers(arms),
        beside=_numbers(beside),
    )


@lru_cache(maxsize=16)
def _mean_limbs(skeleton: Skeleton, layout: KeypointLayout) -> Limbs:
    shapes = np.asarray(skeleton.joint_shapedirs, dtype=np.float64).transpose(0, 2, 1)
    aims, motion = aims_of(skeleton, layout), PointsProblem.without_bodies(skeleton, layout).motion
    none = np.zeros((0, 3))
    return Limbs(
        parents=np.array(skeleton.parents, dtype=np.int64),
        bones=none,
        anchors=np.maximum(np.array(layout.joints, dtype=np.int64), 0),
        offsets=none,
        bones_by_betas=_from_parents(skeleton, shapes),
        offsets_by_betas=_numbers(np.asarray(layout.by_betas).transpose(0, 2, 1)),
        motion_mean=_numbers(motion.mean),
        motion_precision=_numbers(motion.precision),
        first_aim=aims.first.astype(np.int64),
        aims=aims.points.astype(np.int64),
        arms=none,
        shares=_numbers(aims.shares),
        places=aims.places.astype(np.int64),
        beside=none,
        means=_numbers(mean_pose(skeleton).reshape(-1, 9)),
    )


def _from_parents(skeleton: Skeleton, of_joints: np.ndarray) -> np.ndarray:
    """Rows of joints less those of their parents; the root's own."""
    parents = np.array(skeleton.parents)
    found = _numbers(of_joints)
    found[parents >= 0] -= of_joints[parents[parents >= 0]]
    return found


def _numbers(array: Any) -> np.ndarray:
    # Always a copy: Numba would compile once more for a read-only array.
    return np.array(array, dtype=np.float64, order="C")


def make_points_tile(joints: int, points: int, betas: int) -> PointsTile:
    """Allocate a tile in float64."""
    rows = {
        **dict.fromkeys(("pose", "rotations", "kept_pose"), 9 * joints),
        **dict.fromkeys(("joints", "shifts", "pull", "turn", "step"), 3 * joints),
        **dict.fromkeys(("points", "placed"), 3 * points),
        **dict.fromkeys(("transl", "kept_transl"), 3),
        **dict.fromkeys(("cost", "damping", "active", "failed"), 1),
        **dict.fromkeys(("own", "limb"), 10 * joints),
        **dict.fromkeys(("articulated", "spread"), 21 * joints),
        **dict.fromkeys(("force", "motion", "inverse", "velocity"), 6 * joints),
        **dict.fromkeys(("point_by_betas", "betas_base", "joint_side", "solved"), 3 * betas),
        "weights": points,
        "gain": 18 * joints,
        "base": 6,
        "by_betas": 3 * betas * joints,
        "betas_force": 6 * betas * joints,
        "sums": 4 + betas * betas + betas,
    }
    return PointsTile(**{name: aligned_rows(rows[name], np.float64) for name in PointsTile._fields})
