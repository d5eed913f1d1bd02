"""Video evaluation: measures of motion before and after refinement."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..body import BodyModel
from ..formats.estimates import Tracks
from ..refinement.tracks import USUAL_FPS
from .evaluate import FAR, flat_rows
from .motion import (
    FrameRuns,
    acceleration_error,
    bone_length_change,
    find_runs,
    foot_contact,
    foot_points,
    foot_sliding,
    jitter,
    mean_of,
    mpjae,
    mpjve,
    root_acceleration_error,
    root_trajectory_error,
    scale_depth,
    shape_error,
    to_world,
    w_mpjpe,
    wa_mpjpe,
)

VIDEO_TITLES = {
    "accel": "acceleration, mm/frame^2",
    "root_accel": "root's acceleration, mm/frame^2",
    "mpjve": "MPJVE, m/s",
    "mpjae": "MPJAE, m/s^2",
    "jitter": "jitter, 10 m/s^3",
    "sliding": "sliding of feet, mm",
    "shape": "shape, mm",
    "bone_change": "change of bones' lengths, mm",
    "wa_mpjpe": "WA-MPJPE100, mm",
    "w_mpjpe": "W-MPJPE100, mm",
    "rte": "RTE, %",
}
"""Measures of files with tracks, and their titles in tables; see :mod:`kitro_np.evaluation.motion`."""

RESIDUAL = "residual"
"""Measure of files without ground truth, see :mod:`kitro_np.evaluation.alone`."""

_ALL_TITLES = {**VIDEO_TITLES, RESIDUAL: "distance from keypoints, px"}

OF_PLACES = ("root_accel", "sliding", "wa_mpjpe", "w_mpjpe", "rte")
"""Measures that need the true translation."""

TITLE_WIDTH = 36


class MovingBodies(NamedTuple):
    """Bodies of a video.

    Attributes
    ----------
    pose, betas : array
        As in :func:`kitro_np.evaluation.evaluate.evaluate`, of N bodies.
    transl : (..., 3) array or None
        In metres; None if it is not known.
    """

    pose: Any
    betas: Any
    transl: Any


class PlacedBodies(NamedTuple):
    """Bodies of a video, placed.

    Attributes
    ----------
    joints : (N, J, 3) array
        In camera or world space, in metres.
    feet : (N, 4, 3) array or None
        In the same space; None for a body without feet.
    betas : (N, S) array
    """

    joints: np.ndarray
    feet: np.ndarray | None
    betas: np.ndarray

    def only(self, kept: np.ndarray) -> PlacedBodies:
        """Return these with NaN for all rows but those `kept`."""
        return PlacedBodies(
            np.where(kept[:, None, None], self.joints, math.nan),
            None if self.feet is None else np.where(kept[:, None, None], self.feet, math.nan),
            np.where(kept[:, None], self.betas, math.nan),
        )

    def in_world(self, extrinsics: np.ndarray | None) -> PlacedBodies:
        """Return these, which are in camera space, in world space; unchanged for a camera at rest."""
        if extrinsics is None:
            return self
        feet = None if self.feet is None else to_world(self.feet, extrinsics)
        return PlacedBodies(to_world(self.joints, extrinsics), feet, self.betas)


@dataclass(frozen=True)
class VideoEvaluation:
    """Means of measures of motion before and after refinement.

    Parameters
    ----------
    before, after : dict
        By measure, over bodies that are finite in estimate, result and truth; NaN if there are none.
    tracks, frames : int
        Number of tracks, and of bodies in all of them.
    fps : float
        Frames per second.
    fps_known : bool
        Whether the file says so; else it is USUAL_FPS.
    world : bool
        Whether motion is measured in world space, by extrinsics; else the camera is taken to rest.
    """

    before: dict[str, float]
    after: dict[str, float]
    tracks: int
    frames: int
    fps: float
    fps_known: bool
    world: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the means as a dict for JSON: None where there is none."""
        sides = (
            {name: mean if math.isfinite(mean) else None for name, mean in side.items()}
            for side in (self.before, self.after)
        )
        known = {"tracks": self.tracks, "frames": self.frames, "fps": self.fps, "world": self.world}
        units = {name: _ALL_TITLES[name].rpartition(", ")[2] for name in self.before}
        return {**known, "units": units, **dict(zip(("before", "after"), sides, strict=True))}

    def table(self) -> str:
        """Format the means as text."""
        lines = [f"{'video':<{TITLE_WIDTH}}{'before':>9}{'after':>9}"]
        lines += [
            f"{_ALL_TITLES[name]:<{TITLE_WIDTH}}{_format(before)}{_format(self.after[name])}"
            for name, before in self.before.items()
        ]
        tracks = "1 track" if self.tracks == 1 else f"{self.tracks} tracks"
        known = "" if self.fps_known else ", which the file does not say"
        world = ", in world space by the extrinsics" if self.world else ""
        lines.append(f"{tracks}, {self.frames} frames at {self.fps:g} fps{known}{world}")
        return "\n".join(lines)


def measurable(located: bool) -> tuple[str, ...]:
    """Return the measures that a truth allows, with or without the true translation."""
    return tuple(name for name in VIDEO_TITLES if located or name not in OF_PLACES)


def evaluate_video(
    body: BodyModel,
    estimate: MovingBodies,
    refined: MovingBodies,
    truth: MovingBodies,
    tracks: Tracks,
    *,
    depth_factor: np.ndarray | float = 1.0,
    metrics: Sequence[str] | None = None,
) -> VideoEvaluation:
    """Measure the motion of estimates and refined bodies.

    Parameters
    ----------
    body : BodyModel
        Of estimates and truth.
    estimate, refined, truth : MovingBodies
        N bodies each. Only the truth may be without translation.
    tracks : Tracks
        With extrinsics of a camera that moves: all are measured in world space.
    depth_factor : (N,) array or float
        True over assumed focal length; see :func:`kitro_np.evaluation.motion.scale_depth`.
    metrics : sequence of str, optional
        Of :func:`measurable`; by default all.
    """
    located = truth.transl is not None
    names = measurable(located) if metrics is None else tuple(metrics)
    fps = USUAL_FPS if tracks.fps is None else tracks.fps
    runs = find_runs(tracks.track, tracks.frame)
    with np.errstate(invalid="ignore", over="ignore"):
        placed = [
            place_bodies(body, truth),
            *(place_bodies(body, bodies, depth_factor) for bodies in (estimate, refined)),
        ]
        measured = np.all([np.all(np.abs(part.joints) < FAR, axis=(1, 2)) for part in placed], axis=0)
        true, *both = (part.only(measured).in_world(tracks.extrinsics) for part in placed)
        before, after = (
            {name: mean_of(rows) for name, rows in _measure(body, part, true, runs, fps, names).items()}
            for part in both
        )
    count = len(np.unique(tracks.track))
    return VideoEvaluation(
        before,
        after,
        count,
        len(tracks.track),
        fps,
        tracks.fps is not None,
        tracks.extrinsics is not None,
    )


def place_bodies(
    body: BodyModel, bodies: MovingBodies, depth_factor: np.ndarray | float = 1.0
) -> PlacedBodies:
    """Pose bodies in camera space, in float64; the factor moves their roots in depth."""
    pose, betas = flat_rows(body, bodies.pose, bodies.betas)
    joints = np.asarray(body.joints(pose, betas), np.float64)
    feet = foot_points(body, pose, betas)
    if bodies.transl is None:
        return PlacedBodies(joints, feet, betas)
    transl = np.asarray(bodies.transl, np.float64).reshape(-1, 3)
    roots = joints[:, 0] + transl
    moves = (transl + scale_depth(roots, depth_factor) - roots)[:, None]
    return PlacedBodies(joints + moves, None if feet is None else feet + moves, betas)


def _measure(
    body: BodyModel,
    points: PlacedBodies,
    truth: PlacedBodies,
    runs: FrameRuns,
    fps: float,
    names: Sequence[str],
) -> dict[str, np.ndarray]:
    """Measures of rows by name."""
    joints, true = points.joints, truth.joints

    functions: dict[str, Callable[[], np.ndarray]] = {
        "accel": lambda: acceleration_error(joints, true, runs),
        "root_accel": lambda: root_acceleration_error(joints[:, 0], true[:, 0], runs),
        "mpjve": lambda: mpjve(joints, true, fps, runs),
        "mpjae": lambda: mpjae(joints, true, fps, runs),
        "shape": lambda: shape_error(body.skeleton, points.betas, truth.betas),
        "wa_mpjpe": lambda: wa_mpjpe(joints, true, runs),
        "w_mpjpe": lambda: w_mpjpe(joints, true, runs),
        "rte": lambda: root_trajectory_error(joints[:, 0], true[:, 0], runs),
    }
    alone = without_truth(
        body, points, truth.feet, runs, fps, [name for name in names if name not in functions]
    )
    return {name: functions[name]() if name in functions else alone[name] for name in names}


def without_truth(
    body: BodyModel,
    points: PlacedBodies,
    standing: np.ndarray | None,
    runs: FrameRuns,
    fps: float,
    names: Sequence[str],
) -> dict[str, np.ndarray]:
    """Measures of rows by name, of those that need no truth but feet that are in contact with the ground.

    Parameters
    ----------
    body : BodyModel
    points : PlacedBodies
    standing : (N, 4, 3) array or None
        Feet whose contact counts: the truth's, or the refined motion's own.
    runs : FrameRuns
    fps : float
    names : sequence of str
        Of jitter, sliding and bone_change.
    """

    def sliding() -> np.ndarray:
        if points.feet is None or standing is None:
            return np.full(len(points.joints), math.nan)
        return foot_sliding(points.feet, foot_contact(standing, fps, runs), runs)

    functions: dict[str, Callable[[], np.ndarray]] = {
        "jitter": lambda: jitter(points.joints, fps, runs),
        "sliding": sliding,
        "bone_change": lambda: bone_length_change(points.joints, body.skeleton.parents, runs),
    }
    return {name: functions[name]() for name in names}


def _format(mean: float) -> str:
    return f"{mean:>9.2f}" if math.isfinite(mean) else f"{'-':>9}"
