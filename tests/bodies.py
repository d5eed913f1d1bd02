"""Skeletons and batches of bodies to refine, drawn from a seed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from kitro_np import Skeleton
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.camera import project

SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)

TREES = {
    "smpl": SMPL_PARENTS,
    "hand": (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14),
    "two_children": (-1, 0, 0, 1, 2),
    "nested": (-1, 0, 1, 1, 2, 2, 3, 3, 5, 0),
    "chain": (-1, 0, 1, 2, 3, 4),
}
"""Parents of SMPL's body, of a hand with five fingers, and of trees that are neither."""


class Batch(NamedTuple):
    """Arguments of :func:`kitro_np.refine`, in its order."""

    pose: np.ndarray  # (N, J, 3, 3)
    betas: np.ndarray  # (N, S)
    transl: np.ndarray  # (N, 3)
    keypoints_2d: np.ndarray  # (N, J, 2)
    intrinsics: np.ndarray  # (N, 3, 3)

    def astype(self, dtype) -> Batch:
        return Batch(*(part.astype(dtype) for part in self))

    def some(self, which) -> Batch:
        """Some of the bodies."""
        return Batch(*(part[which] for part in self))


def make_skeleton(name: str, num_betas: int = 4) -> Skeleton:
    """Draw bones of 5 to 40 cm for one of TREES."""
    parents = TREES[name]
    random = np.random.default_rng(sorted(TREES).index(name))
    template = random.normal(0, 0.1, (len(parents), 3))
    for child, parent in enumerate(parents[1:], start=1):
        direction = random.normal(0, 1, 3)
        bone = random.uniform(0.05, 0.4) * direction / np.linalg.norm(direction)
        template[child] = template[parent] + bone
    return Skeleton(parents, template, random.normal(0, 0.01, (len(parents), 3, num_betas)))


def make_batch(skeleton: Skeleton, count: int, seed: int = 0) -> Batch:
    """Draw true bodies, their keypoints, and estimates that are off by some ten degrees."""
    random = np.random.default_rng(seed)
    joints, betas = skeleton.num_joints, skeleton.num_betas

    def rotations(spread):
        return Rotation.from_rotvec(random.normal(0, spread, (count * joints, 3))).as_matrix()

    estimate = rotations(0.4)
    estimate[::joints] = Rotation.from_quat(random.normal(0, 1, (count, 4))).as_matrix()
    truth = (estimate @ rotations(0.15)).reshape(count, joints, 3, 3)
    true_betas = random.normal(0, 1, (count, betas))
    true_transl = random.uniform((-0.5, -0.5, 4), (0.5, 0.5, 8), (count, 3))
    intrinsics = np.zeros((count, 3, 3))
    intrinsics[:, 0, 0], intrinsics[:, 1, 1] = random.uniform(900, 2000, (2, count))
    intrinsics[:, :2, 2] = random.uniform(300, 900, (count, 2))
    intrinsics[:, 2, 2] = 1
    there = forward_kinematics(skeleton, truth, true_betas).joints + true_transl[:, None, :]
    return Batch(
        estimate.reshape(truth.shape),
        true_betas + random.normal(0, 0.5, (count, betas)),
        true_transl * random.uniform(0.9, 1.1, (count, 1)),
        project(there, intrinsics) + random.normal(0, 1, (count, joints, 2)),
        intrinsics,
    )
