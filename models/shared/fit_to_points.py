"""Fit a body to 3D points of one person: one shape, and a free pose for each frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from kitro_np import KeypointLayout, Skeleton
from kitro_np.arrays.rotations import cross_matrix
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.points.gauss_newton import by_betas
from kitro_np.points.problem import PointsProblem

ROUNDS = 100
"""Of Levenberg and Marquardt's method; a fit converges in 10 to 40."""

DAMPING, MORE, LESS, MOST = 1e-3, 8.0, 0.3, 1e6
"""Added to the diagonal of the normal equations, relative to it: at first, its change after a step that made
the fit worse and after one that made it better, and where the fit ends."""


@dataclass
class PointFit:
    """A fitted person."""

    pose: np.ndarray  # (F, 24, 3, 3) local rotations
    betas: np.ndarray  # (S,)
    transl: np.ndarray  # (F, 3)
    points: np.ndarray  # (F, K, 3) of the layout
    distance: np.ndarray  # (F, K) from the given points, NaN where these are missing


def posed_points(
    skeleton: Skeleton, layout: KeypointLayout, pose: np.ndarray, betas: np.ndarray, transl: np.ndarray
) -> np.ndarray:
    """Points (F, K, 3) of a layout on posed bodies; those that the body lacks are NaN."""
    posed = forward_kinematics(skeleton, pose, np.broadcast_to(betas, (len(pose), len(betas))))
    joints = np.array(layout.joints)
    frames = posed.global_rotations[:, joints]
    offsets = layout.offsets + layout.by_betas @ betas
    points = posed.joints[:, joints] + np.einsum("fkab,kb->fka", frames, offsets) + transl[:, None]
    return np.where((joints >= 0)[:, None], points, np.nan)


def fit_to_points(
    skeleton: Skeleton,
    layout: KeypointLayout,
    points: np.ndarray,
    pose: np.ndarray,
    *,
    spread: float = 0.05,
    pose_spread: float = 10.0,
    beta_spread: float = 1.0,
) -> PointFit:
    """Fit pose, betas and translation to points (F, K, 3) in metres, NaN where missing, from a first pose.

    What is minimised are squares of distances over `spread`, in metres, of turns away from the first pose
    over `pose_spread`, in radians, and of betas over `beta_spread`.
    """
    problem = _Problem(skeleton, layout, points, pose, spread, pose_spread, beta_spread)
    now = (pose, np.zeros(skeleton.num_betas), problem.translation(pose))
    best, cost, damping = now, np.inf, DAMPING
    for _ in range(ROUNDS):
        found = problem.cost(*now)
        if found > cost:
            damping *= MORE
        elif found > cost * (1 - 1e-6):
            break
        else:
            best, cost, damping = now, found, damping * LESS
        if damping > MOST:
            break
        now = problem.step(*best, damping)
    placed = posed_points(skeleton, layout, *best)
    return PointFit(*best, placed, np.linalg.norm(placed - points, axis=-1))


class _Problem:
    """What a fit minimises, and a damped step of it; arguments are those of :func:`fit_to_points`."""

    def __init__(
        self,
        skeleton: Skeleton,
        layout: KeypointLayout,
        points: np.ndarray,
        first: np.ndarray,
        spread: float,
        pose_spread: float,
        beta_spread: float,
    ) -> None:
        self.skeleton, self.layout, self.first = skeleton, layout, first
        self.spread, self.pose_spread, self.beta_spread = spread, pose_spread, beta_spread
        self.seen = np.isfinite(points).all(-1) & (np.array(layout.joints) >= 0)
        self.target = np.where(self.seen[..., None], points, 0)
        self.problem = PointsProblem(skeleton, layout, self.target, self.seen / spread**2)

    def translation(self, pose: np.ndarray) -> np.ndarray:
        """Return the translation (F, 3) that brings the mean shape's points to the given ones on average."""
        at_origin = np.zeros((len(pose), 3))
        start = posed_points(self.skeleton, self.layout, pose, np.zeros(self.skeleton.num_betas), at_origin)
        return np.nanmean(np.where(self.seen[..., None], self.target - start, np.nan), axis=1)

    def cost(self, pose: np.ndarray, betas: np.ndarray, transl: np.ndarray) -> float:
        """Return what is minimised."""
        error, turns = self._errors(pose, betas, transl)
        priors = (turns**2).sum() / self.pose_spread**2 + (betas**2).sum() / self.beta_spread**2
        return float((error**2).sum() + priors)

    def step(
        self, pose: np.ndarray, betas: np.ndarray, transl: np.ndarray, damping: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Take a step: the frames' own unknowns are eliminated, then the shared betas are solved for."""
        frames, (error, turns) = len(pose), self._errors(pose, betas, transl)
        own, shared = self._jacobians(pose, betas)
        flat = error.reshape(frames, -1)
        diagonal = np.full(own.shape[2], 1 / self.pose_spread**2)
        diagonal[:3], diagonal[-3:] = 0, 0
        pull = np.concatenate([turns.reshape(frames, -1) / self.pose_spread**2, np.zeros((frames, 3))], 1)
        normal = np.einsum("fra,frb->fab", own, own) + np.diag(diagonal)
        normal += np.einsum(
            "fa,ab->fab", np.einsum("faa->fa", normal) * damping + 1e-9, np.eye(len(diagonal))
        )
        right = np.einsum("fra,fr->fa", own, flat) + pull
        cross = np.einsum("fra,frs->fas", own, shared)
        solved = np.linalg.solve(normal, np.concatenate([right[..., None], cross], -1))
        whole = np.einsum("frs,frt->st", shared, shared) + np.eye(len(betas)) / self.beta_spread**2
        gradient = np.einsum("frs,fr->s", shared, flat) + betas / self.beta_spread**2
        whole -= np.einsum("fas,fat->st", cross, solved[..., 1:])
        gradient -= np.einsum("fas,fa->s", cross, solved[..., 0])
        whole += damping * np.diag(np.diag(whole))
        step_betas = -np.linalg.solve(whole, gradient)
        step = -(solved[..., 0] + solved[..., 1:] @ step_betas)
        turned = Rotation.from_rotvec(step[:, :-3].reshape(-1, 3)).as_matrix().reshape(pose.shape)
        return turned @ pose, betas + step_betas, transl + step[:, -3:]

    def _errors(
        self, pose: np.ndarray, betas: np.ndarray, transl: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Errors of points (F, K, 3) over their spread, and turns (F, 24, 3) away from the first pose."""
        placed = posed_points(self.skeleton, self.layout, pose, betas, transl)
        error = np.where(self.seen[..., None], np.nan_to_num(placed) - self.target, 0) / self.spread
        turns = _turns(pose @ np.swapaxes(self.first, -1, -2))
        turns[:, 0] = 0  # the root is free
        return error, turns

    def _jacobians(self, pose: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Change of the errors per turn of each joint and shift, (F, 3K, 75), and per beta, (F, 3K, S)."""
        frames = len(pose)
        posed = forward_kinematics(self.skeleton, pose, np.broadcast_to(betas, (frames, len(betas))))
        above = posed.global_rotations[:, np.maximum(self.skeleton.parents, 0)].copy()
        above[:, 0] = np.eye(3)
        placed = posed_points(self.skeleton, self.layout, pose, betas, np.zeros((frames, 3)))
        arm = np.nan_to_num(placed)[:, :, None] - posed.joints[:, None]  # (F, K, 24, 3)
        by_turn = -cross_matrix(arm * self.problem.below[None, :, :, None])  # in the world
        by_turn = np.einsum("fkjab,fjbc->fkajc", by_turn, above)  # in the parent's
        by_shift = np.broadcast_to(np.eye(3), (*placed.shape[:2], 3, 3))
        own = np.concatenate([by_turn.reshape(*placed.shape, -1), by_shift], axis=-1) / self.spread
        own = np.where(self.seen[..., None, None], own, 0).reshape(frames, -1, own.shape[-1])
        shared = by_betas(self.problem, posed.global_rotations) / self.spread
        shared = np.where(self.seen[..., None, None], shared, 0).reshape(frames, -1, len(betas))
        return own, shared


def _turns(rotations: np.ndarray) -> np.ndarray:
    """Rotation vectors (..., 3) of matrices (..., 3, 3)."""
    vectors = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_rotvec()
    return vectors.reshape(rotations.shape[:-1])
