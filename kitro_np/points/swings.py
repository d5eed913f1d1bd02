"""Start of the fit: joints from the root on, each turned in closed form towards the points beyond it."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..arrays.rotations import matrix_from_quaternion, swing
from ..body.skeleton import Skeleton
from ..keypoints.layouts import KeypointLayout
from ..posterior.priors import cmu_motion_prior, size_of
from .problem import PointsProblem

HOLD = 0.01
"""Weight of staying with the parent's frame over that of the points: decides the twist about a bone."""

LEAST_MOMENT = 1e-9
"""Added to it, so that joints without points stay as they are."""

AT_JOINT = 1e-9
"""Largest offset of a point that lies at its joint, in metres."""

NEAR_JOINT = 0.05
"""Largest distance of a point from a joint, in metres on a person, at which it tells where the joint is, and
nothing of its rotation."""


LOOSE = 0.1
"""Turn of the joints between, in radians, that halves what a point tells of the rotation of a joint."""


class Aims(NamedTuple):
    """What turns each joint in the start.

    Attributes
    ----------
    first : (J + 1,) array
        Of each joint's entries in the next two.
    points : (A,) array
        That its rotation aims at.
    shares : (A,) array
        Of these points' weights: 1, and less the more freely joints turn that lie between.
    places : (J,) array
        Point that tells where a joint is, -1 if there is none.
    """

    first: np.ndarray
    points: np.ndarray
    shares: np.ndarray
    places: np.ndarray


def nearest_points(problem: PointsProblem) -> list[np.ndarray]:
    """For each joint the points that its rotation should aim at: the nearest below it, along each limb.

    A point in a joint's own frame counts unless it lies at the joint. Points beyond others do not: they
    depend on the joints between.
    """
    parents, anchors = problem.skeleton.parents, problem.anchors
    at_joint = np.linalg.norm(problem.layout.offsets, axis=1) < AT_JOINT
    known = np.array(problem.layout.joints) >= 0
    own: list[list[int]] = [[] for _ in parents]
    fixed: list[list[int]] = [[] for _ in parents]
    for point in np.flatnonzero(known).tolist():
        (fixed if at_joint[point] else own)[anchors[point]].append(point)
    children: list[list[int]] = [[] for _ in parents]
    for joint, parent in enumerate(parents):
        if parent >= 0:
            children[parent].append(joint)

    def beyond(joint: int) -> list[int]:
        """Nearest points of the limb that begins at a joint."""
        if fixed[joint] or own[joint]:
            return fixed[joint] or own[joint]
        return [point for child in children[joint] for point in beyond(child)]

    limbs = [[point for child in below for point in beyond(child)] for below in children]
    return [np.array(mine + limb, dtype=np.int64) for mine, limb in zip(own, limbs, strict=True)]


@lru_cache(maxsize=16)
def aims_of(skeleton: Skeleton, layout: KeypointLayout) -> Aims:
    """Return what each joint aims at.

    At a single point that its parent aims at, too, a joint does not aim where no point tells where it is: the
    parent has turned the bent limb there, and left the joint anywhere.
    """
    problem = PointsProblem.without_bodies(skeleton, layout)
    parents, anchors = np.array(skeleton.parents), problem.anchors
    near = NEAR_JOINT * size_of(skeleton)
    rest = np.asarray(skeleton.joint_template, dtype=np.float64)
    placed = rest[anchors] + layout.offsets
    at_joint = np.linalg.norm(layout.offsets, axis=1) < AT_JOINT
    freedom = _freedom(problem)
    points: list[np.ndarray] = []
    shares, places = [], []
    for joint, own in enumerate(nearest_points(problem)):
        away = np.linalg.norm(placed - rest[joint], axis=1)
        own = own[away[own] > near]
        rigid = (anchors == joint) | (anchors == parents[joint])
        away[~rigid | (np.array(layout.joints) < 0)] = np.inf
        places.append(int(np.argmin(away)) if away.min() < near else -1)
        if len(own) == 1 and places[joint] < 0 and joint and own[0] in points[parents[joint]]:
            own = own[:0]
        points.append(own)
        for point in own.tolist():
            between = parents[anchors[point]] if at_joint[point] else anchors[point]
            total = 0.0
            while between != joint:
                total += freedom[between]
                between = parents[between]
            shares.append(1 / (1 + total / LOOSE**2))
    first = np.cumsum([0, *map(len, points)])
    return Aims(first, np.concatenate(points), np.array(shares), np.array(places))


@lru_cache(maxsize=16)
def mean_pose(skeleton: Skeleton) -> np.ndarray:
    """Local rotations (J, 3, 3) in the middle of human motion; the root's is none."""
    half = cmu_motion_prior(skeleton).mean / 2
    scalar = np.sqrt(1 - np.square(half).sum(axis=1, keepdims=True))
    rotations = matrix_from_quaternion(np.concatenate([scalar, half], axis=1), "wxyz")
    rotations[0] = np.eye(3)
    return rotations


def arms_of(problem: PointsProblem, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From joints to what they aim at (A, 3), and to the points that tell where they are (J, 3).

    In their parents' frames, in the mean pose, with betas (S,); the second is of no meaning where there is no
    such point.
    """
    aims, parents = aims_of(problem.skeleton, problem.layout), np.array(problem.skeleton.parents)
    placed = problem.place(mean_pose(problem.skeleton)[None], betas[None])
    points, joints = placed.points[0], placed.joints[0]
    frames = placed.rotations[0, np.maximum(parents, 0)]
    frames[parents < 0] = np.eye(3)
    owners = np.repeat(np.arange(len(parents)), np.diff(aims.first))
    arms = np.einsum("aji,aj->ai", frames[owners], points[aims.points] - joints[owners])
    return arms, np.einsum("jba,jb->ja", frames, points[aims.places] - joints)


def _freedom(problem: PointsProblem) -> np.ndarray:
    """Variance of each joint's rotation in human motion, in rad^2: (J,); 1 where nothing is known."""
    precision = problem.motion.precision
    known = np.linalg.det(precision) > 0
    covariance = np.linalg.inv(np.where(known[:, None, None], precision, np.eye(3)))
    return np.where(known, np.trace(covariance, axis1=1, axis2=2), 1.0)


def first_pose(problem: PointsProblem, betas: np.ndarray) -> np.ndarray:
    """Local rotations (N, J, 3, 3), joint by joint: each is the rotation that aligns the points it aims at.

    The root aligns all it sees about their mean (Kabsch). Another joint is where its own point tells, else
    where its parent's shift takes it; it turns on the shortest way from the mean pose to a single point, and
    holds to that as far as several do not say otherwise. Betas (S,) are those of all bodies.
    """
    count, parents = len(problem.points), problem.skeleton.parents
    aims, means = aims_of(problem.skeleton, problem.layout), mean_pose(problem.skeleton)
    all_arms, beside = arms_of(problem, betas)
    rest = np.asarray(problem.skeleton.rest_joints(betas[None])[0], dtype=np.float64)
    pose, turned = np.empty((count, len(parents), 3, 3)), np.empty((count, len(parents), 3, 3))
    joints, shifts = np.empty((count, len(parents), 3)), np.empty((count, len(parents), 3))
    for joint, parent in enumerate(parents):
        part = slice(aims.first[joint], aims.first[joint + 1])
        own, arms = aims.points[part], np.broadcast_to(all_arms[part], (count, len(all_arms[part]), 3))
        weights, want = problem.weights[:, own] * aims.shares[part], problem.points[:, own]
        if parent < 0:
            joints[:, joint] = rest[joint]
            have, middle = problem.centred(arms, weights)
            want, there = problem.centred(want, weights)
            turned[:, joint] = pose[:, joint] = nearest_rotation(_moment(want, have, weights, 0.0))
            across = np.matmul(turned[:, joint], middle[:, 0, :, None])[..., 0]
            shifts[:, joint] = there[:, 0] - across - joints[:, joint]
            continue
        above = turned[:, parent]
        joints[:, joint] = joints[:, parent] + above @ (rest[joint] - rest[parent])
        shifts[:, joint] = shifts[:, parent]
        known = np.ones(count, dtype=bool)
        place = aims.places[joint]
        if place >= 0:
            found = problem.points[:, place] - joints[:, joint] - above @ beside[joint]
            known = problem.weights[:, place] > 0
            shifts[:, joint] = np.where(known[:, None], found, shifts[:, joint])
        want = want - (shifts[:, joint] + joints[:, joint])[:, None]
        want = np.matmul(np.swapaxes(above, -1, -2)[:, None], want[..., None])[..., 0]
        turn = np.eye(3)
        if len(own) == 1:
            known &= weights[:, 0] > 0
            turn = np.where(known[:, None, None], swing(arms[:, 0], want[:, 0]), turn)
        elif len(own):
            turn = nearest_rotation(_moment(want, arms, weights, HOLD))
        pose[:, joint] = turn @ means[joint]
        turned[:, joint] = above @ pose[:, joint]
    return pose


def _moment(want: np.ndarray, have: np.ndarray, weights: np.ndarray, hold: float) -> np.ndarray:
    """Sum of want have^T, and a share of its size on the diagonal: turns it by nothing where that is all."""
    size = hold * (weights * np.square(have).sum(-1)).sum(axis=1) + LEAST_MOMENT
    return np.einsum("nk,nka,nkb->nab", weights, want, have) + size[:, None, None] * np.eye(3)


def nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """Rotation R that maximises tr(R^T M), by singular values: (N, 3, 3)."""
    left, _, right = np.linalg.svd(matrix)
    sign = np.linalg.det(left @ right)
    left[:, :, 2] *= sign[:, None]
    return left @ right
