"""The fit of ``map`` to one body: what each keypoint weighs and pulls, and why it was accepted or not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...camera import project
from ...errors import InputError
from ...keypoints.layouts import KeypointLayout
from ...posterior.algorithm import fit_arguments
from ...posterior.fit import Converged, assess, converge
from ...posterior.gauss_newton import stacked_jacobian
from ...posterior.method import Map
from ...posterior.most_probable import confidence_of
from ...posterior.priors import KEYPOINT_DOF, TYPICAL_NOISE
from ...posterior.projection import place_points, point_jacobians
from ...posterior.swaps import SWAP_MARGIN
from ...refinement.method import resolve_method
from ...refinement.validity import Status
from .reasons import VerdictShares, verdict_shares
from .row import body_of_row, names_of

OUTLIER = 0.5
"""Probability of being no outlier below which a keypoint counts as one."""


SMALL = 0.05
"""Degrees below which a pull is left out of lists."""


@dataclass(frozen=True, eq=False)
class MapExplanation:
    """Why ``map`` refined one body as it did: K keypoints, J joints.

    What is refused is described as it would have been refined.

    Attributes
    ----------
    row : int
        Of the body, through all leading axes.
    method : Map
        Each frame alone.
    status : Status
    quality : float
        Log odds that the body is better than its estimate: it is accepted if they are positive.
    verdict : VerdictShares
        The log odds, taken apart.
    too_few_inliers : bool
        Whether nearly all keypoints are outliers, which alone decides then.
    noise, typical_noise : float
        Standard deviation of the keypoints in pixels, as found and as detectors usually have.
    pose_scale : float
        Factor on the standard deviations of the estimate's pose, as found.
    swapped, turned : bool
        See :class:`kitro_np.RefineResult`.
    swap_gain, swap_margin : float
        Largest decrease of the squared distance by an exchange of left and right, NaN if there is none,
        and the one from which on sides are exchanged.
    point_names, joint_names : tuple of str
    parents : tuple of int
    keypoints_2d : (K, 2) array
        In pixels, with left and right put right; NaN where not visible.
    projected_before, projected_after : (K, 2) array
        The body's points in the image, of the estimate and refined.
    joints_before, joints_after : (J, 2) array
        In the image.
    residual_before, residual_after : (K,) array
        Distance from the keypoints in pixels; NaN where they are not visible.
    inverse_spread : (K,) array
        Inverse standard deviation of each keypoint in the last step, per pixel.
    weight : (K,) array
        That as a share of the precision of the best keypoint that agrees with the body: from 0 to 1.
    inlier : (K,) array
        Probability of being no outlier.
    rotations : (J, 3) array
        How far each joint is bent from its estimate, about the camera's axes, in radians.
    pulls : (K, J, 3) array
        The part of it that each keypoint's evidence makes.
    prior_pulls : (J, 3) array
        The part that the motion prior makes: with the keypoints' parts it adds up to `rotations`.
    evidence_share : (J,) array
        Share of the posterior precision of each joint that comes from the keypoints, 1 - tr(C L) / 3.
    moving : (J,) array of bool
        Whether a joint moves a visible keypoint: others keep the estimate's rotation.
    """

    row: int
    method: Map
    status: Status
    quality: float
    verdict: VerdictShares
    too_few_inliers: bool
    noise: float
    typical_noise: float
    pose_scale: float
    swapped: bool
    turned: bool
    swap_gain: float
    swap_margin: float
    point_names: tuple[str, ...]
    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    keypoints_2d: np.ndarray
    projected_before: np.ndarray
    projected_after: np.ndarray
    joints_before: np.ndarray
    joints_after: np.ndarray
    residual_before: np.ndarray
    residual_after: np.ndarray
    inverse_spread: np.ndarray
    weight: np.ndarray
    inlier: np.ndarray
    rotations: np.ndarray
    pulls: np.ndarray
    prior_pulls: np.ndarray
    evidence_share: np.ndarray
    moving: np.ndarray

    @property
    def accepted(self) -> bool:
        """Whether the refined body is returned, and not the estimate."""
        return self.status == Status.REFINED

    @property
    def visible(self) -> np.ndarray:
        """Which keypoints are visible: (K,) of bool."""
        return np.asarray(np.isfinite(self.residual_before))

    @property
    def outlier(self) -> np.ndarray:
        """Which visible keypoints count as outliers: (K,) of bool."""
        return np.asarray(self.visible & (self.inlier < OUTLIER))

    @property
    def pull_angles(self) -> np.ndarray:
        """How far each keypoint bends each joint, in degrees: (K, J)."""
        return np.asarray(np.rad2deg(np.linalg.norm(self.pulls, axis=-1)))

    @property
    def bend_parts(self) -> np.ndarray:
        """What each keypoint, and last the motion prior, adds to each joint's angle, in degrees: (K + 1, J).

        That is the component along the joint's bend, negative where it is bent against the keypoint: they
        add up to :attr:`angles`.
        """
        length = np.linalg.norm(self.rotations, axis=-1, keepdims=True)
        axis = self.rotations / np.where(length > 0, length, 1)
        parts = np.concatenate([self.pulls, self.prior_pulls[None]])
        return np.asarray(np.rad2deg(np.sum(parts * axis, axis=-1)))

    @property
    def angles(self) -> np.ndarray:
        """How far each joint is bent from its estimate, in degrees: (J,)."""
        return np.asarray(np.rad2deg(np.linalg.norm(self.rotations, axis=-1)))

    def as_dict(self) -> dict[str, Any]:
        """Return numbers, names and lists, as JSON has them."""
        angles, bends, parts = self.pull_angles, self.angles, self.bend_parts
        points = [
            {
                "point": self.point_names[k],
                "weight": float(self.weight[k]),
                "inlier": float(self.inlier[k]),
                "outlier": bool(self.outlier[k]),
                "residual_before": float(self.residual_before[k]),
                "residual_after": float(self.residual_after[k]),
                "pulls_degrees": {
                    self.joint_names[j]: float(angles[k, j]) for j in np.flatnonzero(angles[k] >= SMALL)
                },
            }
            for k in np.flatnonzero(self.visible)
        ]
        joints = [
            {
                "joint": name,
                "moved": bool(self.moving[j]),
                "evidence_share": float(self.evidence_share[j]),
                "bend_degrees": float(bends[j]),
                "bent_by_motion_prior": float(parts[-1, j]),
                "bent_by": {
                    self.point_names[k]: float(parts[k, j])
                    for k in np.flatnonzero(self.visible)
                    if abs(parts[k, j]) >= SMALL
                },
            }
            for j, name in enumerate(self.joint_names)
        ]
        return {
            "method": "map",
            "row": self.row,
            "accepted": self.accepted,
            "status": self.status.reason,
            "quality": self.quality,
            "too_few_inliers": self.too_few_inliers,
            "noise_pixels": self.noise,
            "typical_noise_pixels": self.typical_noise,
            "pose_scale": self.pose_scale,
            "swapped": self.swapped,
            "turned": self.turned,
            "keypoints": points,
            "joints": joints,
            "verdict": {
                "usual": self.verdict.usual,
                "log_odds": self.verdict.log_odds,
                "features": [
                    {**vars(share), "contribution": share.contribution} for share in self.verdict.features
                ],
                "reasons": [
                    {"words": reason.words, "contribution": reason.contribution}
                    for reason in self.verdict.reasons
                ],
            },
        }


def explain_map(
    pose: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    intrinsics: Any = None,
    *,
    row: int = 0,
    method: Map | None = None,
    body: Any = None,
    confidence: Any = None,
    keypoint_layout: str | KeypointLayout = "smpl24",
    image_size: Any = None,
    focal_length: Any = None,
) -> MapExplanation:
    """Explain what ``map`` makes of one body: what each keypoint weighs and pulls, and the verdict.

    Parameters
    ----------
    pose, betas, transl, keypoints_2d, intrinsics, body, confidence, keypoint_layout, image_size, focal_length
        As of :func:`kitro_np.refine`. A frame of a video is explained as if it were alone.
    row : int
        Which body, counted through all leading axes.
    method : Map, optional
        With its options; hypotheses and video are left out.

    Returns
    -------
    MapExplanation

    Raises
    ------
    InputError
        If an argument is invalid, there is no such row, or that body cannot be fitted.

    Notes
    -----
    With the deviation d from the estimate, about the body before the last step x, the body after it is at
    d + x = C (sum_k w_k^2 J_k^T (r_k + J_k d) + p + L d), with the posterior covariance C = (J^T J + L)^-1:
    a sum over the keypoints and what the motion prior adds.
    """
    found = Map() if method is None else resolve_method(method, {})
    if not isinstance(found, Map):
        raise InputError(f"method: expected a Map, got {type(found).__name__}.")
    alone = replace(found, video=False, hypotheses=0)
    given = {
        "pose": pose, "betas": betas, "transl": transl, "keypoints_2d": keypoints_2d,
        "intrinsics": intrinsics, "confidence": confidence, "image_size": image_size,
        "focal_length": focal_length,
    }  # fmt: skip
    one = body_of_row(alone, given, row, body, keypoint_layout)
    request, motion, landmarks = alone.asked(one.request)
    skeleton, layout = one.skeleton, request.layout
    start, keypoints, camera = one.arrays[:3], one.arrays[3], one.arrays[4]
    with np.errstate(all="ignore"):
        seen = fit_arguments(
            skeleton, layout, start[0], start[1], start[2], keypoints, camera,
            confidence_of(request, keypoints),
            image_size=request.image_sizes(slice(0, 1)), safe=alone.safe,
        )  # fmt: skip
        fit = converge(
            skeleton, layout, seen.pose, seen.betas, seen.transl, seen.keypoints_2d, seen.confidence,
            seen.intrinsics, motion, landmarks=landmarks,
        )  # fmt: skip
        fitted = assess(fit)
        before, after = (
            [
                np.asarray(project(places, seen.intrinsics)[0], np.float64)
                for places in (posed.points, posed.joints)
            ]
            for posed in (
                place_points(skeleton, seen.points, seen.pose, seen.betas, seen.transl),
                place_points(skeleton, seen.points, fit.pose, fit.betas, fit.transl),
            )
        )
        pulls, prior_pulls, share = _pulls(fit, skeleton.num_joints)
    verdict = verdict_shares(np.asarray(fitted.features[0], np.float64), skeleton)
    quality, gains = float(fitted.quality[0]), np.asarray(fit.gains[0])
    visible = np.asarray(seen.visible[0])[:, None]
    right_sides = np.where(visible, np.asarray(fit.given.keypoints_2d[0], np.float64), np.nan)
    # The best keypoint is at its prediction, of full confidence, and surely no outlier.
    best = np.sqrt(float(fit.given.information[0]) * (KEYPOINT_DOF + 2) / KEYPOINT_DOF)
    inverse_spread = np.asarray(fit.last.weights[0], np.float64)
    return MapExplanation(
        row=one.row,
        method=alone,
        status=one.status,
        quality=quality,
        verdict=verdict,
        too_few_inliers=abs(quality - verdict.log_odds) > 1e-3 * (1 + abs(quality)),
        noise=float(fitted.noise[0]),
        typical_noise=TYPICAL_NOISE * float(fit.given.pixels_per_metre[0]),
        pose_scale=float(fitted.pose_scale[0]),
        swapped=bool(fit.swapped[0]),
        turned=bool(fit.turned[0]),
        swap_gain=float(gains.max()) if gains.size else np.nan,
        swap_margin=SWAP_MARGIN,
        point_names=tuple(layout.names),
        joint_names=names_of(skeleton),
        parents=tuple(skeleton.parents),
        keypoints_2d=right_sides,
        projected_before=before[0],
        projected_after=after[0],
        joints_before=before[1],
        joints_after=after[1],
        residual_before=np.linalg.norm(right_sides - before[0], axis=1),
        residual_after=np.linalg.norm(right_sides - after[0], axis=1),
        inverse_spread=inverse_spread,
        weight=(inverse_spread * float(fit.last_scales.noise[0]) / best) ** 2,
        inlier=np.asarray(fit.last.inlier[0], np.float64),
        rotations=np.asarray(fit.last.step.deviation[0] * fit.moving[0][:, None], np.float64),
        pulls=pulls,
        prior_pulls=prior_pulls,
        evidence_share=share,
        moving=np.asarray(fit.moving[0] > 0),
    )


def _pulls(fit: Converged, joints: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what keypoints and the motion prior add to the joints' bends, and shares of precision."""
    last, given = fit.last, fit.given
    prior, covariance = last.linear_prior, last.step.covariance[0]
    jacobian = stacked_jacobian(point_jacobians(last.posed, given.points.moved, given.intrinsics))[0]
    deviation = np.concatenate(
        [
            prior.deviation[0].reshape(-1),
            (last.betas - fit.prior.betas)[0],
            (last.transl - fit.prior.transl)[0],
        ]
    )
    weights = np.repeat(last.weights[0], 2) ** 2
    evidence = weights * (last.residual[0].reshape(-1) + jacobian @ deviation)
    by_row = (covariance @ jacobian.T)[: 3 * joints] * evidence
    pulls = by_row.reshape(joints, 3, -1, 2).sum(axis=-1)
    rest = covariance @ (prior.right_side[0] + prior.precision[0] @ deviation)
    kept = np.sum(covariance * prior.precision[0], axis=1)[: 3 * joints].reshape(joints, 3)
    moving = fit.moving[0][:, None]
    return (
        np.asarray(np.moveaxis(pulls, 2, 0) * moving, np.float64),
        np.asarray(rest[: 3 * joints].reshape(joints, 3) * moving, np.float64),
        np.asarray(1 - np.mean(kept, axis=1), np.float64),
    )
