"""Start of the fit: joints from the root on, each turned in closed form towards the points beyond it."""

from __future__ import annotations

import numpy as np

from .problem import PointsProblem

HOLD = 0.05
"""Weight of staying with the parent's frame over that of the points: decides the twist about a bone."""

AT_JOINT = 1e-9
"""Largest offset of a point that lies at its joint, in metres."""


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
        if fixed[joint]:
            return fixed[joint]
        return own[joint] + [point for child in children[joint] for point in beyond(child)]

    limbs = [[point for child in below for point in beyond(child)] for below in children]
    return [np.array(mine + limb, dtype=np.int64) for mine, limb in zip(own, limbs, strict=True)]


def first_pose(problem: PointsProblem, betas: np.ndarray) -> np.ndarray:
    """Local rotations (N, J, 3, 3), joint by joint: each is the rotation that aligns the points it aims at.

    The root aligns all it sees about their mean (Kabsch). Another joint is where the points that it does not
    move tell, and holds to its parent's frame as far as its points do not say otherwise.
    """
    joints = problem.skeleton.num_joints
    pose = np.broadcast_to(np.eye(3), (len(problem.points), joints, 3, 3)).copy()
    at_joint = np.linalg.norm(problem.layout.offsets, axis=1) < AT_JOINT
    for joint, aims in enumerate(nearest_points(problem)):
        if not len(aims):
            continue
        placed = problem.place(pose, betas)
        weights = problem.weights[:, aims]
        have, want = placed.points[:, aims], problem.points[:, aims]
        if joint == 0:
            have, want = (problem.centred(part, weights)[0] for part in (have, want))
            pose[:, 0] = nearest_rotation(_moment(want, have, weights) + 1e-9 * np.eye(3)) @ pose[:, 0]
            continue
        still = ~problem.below[:, joint] | (at_joint & (problem.anchors == joint))
        _, shift = problem.centred(problem.points - placed.points, problem.weights * still)
        middle = placed.joints[:, joint : joint + 1]
        have, want = have - middle, want - shift - middle
        seen = (weights * np.square(have).sum(-1)).sum(axis=1)[:, None, None]
        moment = _moment(want, have, weights) + HOLD * seen * np.eye(3)
        turn = nearest_rotation(moment + 1e-9 * np.eye(3))
        above = placed.rotations[:, problem.skeleton.parents[joint]]
        pose[:, joint] = np.swapaxes(above, -1, -2) @ turn @ above @ pose[:, joint]
    return pose


def _moment(want: np.ndarray, have: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.einsum("nk,nka,nkb->nab", weights, want, have)


def nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """Rotation R that maximises tr(R^T M), by singular values: (N, 3, 3)."""
    left, _, right = np.linalg.svd(matrix)
    sign = np.linalg.det(left @ right)
    left[:, :, 2] *= sign[:, None]
    return left @ right
