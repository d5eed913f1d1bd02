"""What is fitted: points of a layout on bodies, their weights, and what is known of human motion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arrays.forks import cached_property
from ..body.kinematics import forward_kinematics
from ..body.skeleton import Skeleton
from ..keypoints.layouts import KeypointLayout
from ..posterior.priors import MotionPrior, cmu_motion_prior


@dataclass(frozen=True, eq=False)
class PointsProblem:
    """Points of N bodies in units of the body, about any origin.

    Attributes
    ----------
    skeleton : Skeleton
    layout : KeypointLayout
    points : (N, K, 3) array
        0 where a point is missing.
    weights : (N, K) array
        Confidence over squared spread, 0 where a point is missing.
    """

    skeleton: Skeleton
    layout: KeypointLayout
    points: np.ndarray
    weights: np.ndarray

    @classmethod
    def without_bodies(cls, skeleton: Skeleton, layout: KeypointLayout) -> PointsProblem:
        """Return the problem of no bodies: a skeleton and its points."""
        nothing = np.zeros((0, layout.num_points))
        return cls(skeleton, layout, nothing[..., None], nothing)

    def take(self, rows: Any) -> PointsProblem:
        """Return the bodies with these indices, or of a slice."""
        return replace(self, points=self.points[rows], weights=self.weights[rows])

    def scaled(self, factor: float) -> PointsProblem:
        """Return it in units that are larger by a factor."""
        return replace(self, points=self.points / factor)

    def with_noise(self, factor: float) -> PointsProblem:
        """Return it with spreads that are larger by a factor."""
        return replace(self, weights=self.weights / factor**2)

    @cached_property
    def anchors(self) -> np.ndarray:
        """Joint that moves each point: (K,); 0 for a point that the body lacks, whose weight is 0."""
        return np.maximum(self.layout.joints, 0)

    @cached_property
    def below(self) -> np.ndarray:
        """Whether a point moves when a joint turns: (K, J)."""
        joints = self.skeleton.num_joints
        moves = np.eye(joints, dtype=bool)
        for joint, parent in enumerate(self.skeleton.parents):
            if parent >= 0:
                moves[joint] |= moves[parent]
        return moves[self.anchors]

    @cached_property
    def motion(self) -> MotionPrior:
        """Prior of local rotations."""
        return cmu_motion_prior(self.skeleton)

    def offsets(self, betas: np.ndarray) -> np.ndarray:
        """Offsets (N, K, 3) of the points in their joints' frames."""
        return self.layout.offsets + np.einsum("kcs,ns->nkc", self.layout.by_betas, betas)

    def place(self, pose: np.ndarray, betas: np.ndarray) -> PlacedPoints:
        """Pose the bodies and place their points."""
        posed = forward_kinematics(self.skeleton, pose, betas)
        rotations = posed.global_rotations
        turned = np.matmul(rotations[:, self.anchors], self.offsets(betas)[..., None])[..., 0]
        return PlacedPoints(posed.joints, rotations, posed.joints[:, self.anchors] + turned)

    def centred(self, vectors: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vectors (N, K, 3) about their weighted mean, and that mean (N, 1, 3)."""
        total = np.maximum(weights.sum(axis=1), 1e-12)[:, None, None]
        middle = np.einsum("nk,nkc->nc", weights, vectors)[:, None] / total
        return vectors - middle, middle


@dataclass(frozen=True, eq=False)
class PlacedPoints:
    """Posed joints (N, J, 3), global rotations (N, J, 3, 3) and points (N, K, 3), without translation."""

    joints: np.ndarray
    rotations: np.ndarray
    points: np.ndarray
