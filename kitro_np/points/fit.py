"""Fit bodies to 3D points."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays.arguments import check_bool, check_integer, check_number, real_array
from ..arrays.engines import CPU_ENGINES
from ..body import BodyModel, Skeleton
from ..body.load import default_body
from ..errors import InputError, one_of
from ..keypoints.layouts import KeypointLayout, find_layout
from ..refinement.method import Execution
from ..refinement.request import skeleton_of
from .gauss_newton import Evidence, PlacedState, State, evidence_of, minimise
from .in_image import translation_in_image
from .problem import PointsProblem
from .size import scale_of_points
from .swings import first_pose

SPREAD = 0.02
"""Spread of a point whose confidence is 1, in metres on the body, times the layout's own: at first."""

LEAST_SPREAD, LARGEST_SPREAD = 2e-5, 0.06
"""Bounds of the spread that is found."""

WITNESSES = 10
"""Frames that tell of the shape as independent ones would: errors of more are alike."""

SAMPLE = 32
"""Bodies that tell what all share: scale, spread and betas."""

ROUNDS, ROUND_STEPS = 8, 2
"""Of fitting these bodies and finding what they share, at most; and steps of a fit."""

STEADY, STEADY_SCALE, STEADY_BETAS = 0.1, 1e-3, 0.03
"""Changes that end the rounds: of the spread and the scale as shares, and of betas."""

FEWEST_POINTS = 4
"""Points of a body that is fitted; others get NaN."""

CHUNK = 256
"""Bodies that the stages fit at a time."""


@dataclass(frozen=True, eq=False)
class PointsFit:
    """Bodies fitted to 3D points.

    Attributes
    ----------
    pose : (N, J, 3, 3) array of float64
        Local rotations; NaN for a body with fewer than four points.
    betas : (N, S) array of float64
        The same for all bodies.
    transl : (N, 3) array of float64
        Translation in metres on the body: points are at `scale` (X + transl).
    scale : float
        Length of the points' units on the body, one number for all: 1000 for millimetres.
    distance : (N, K) array of float64
        Of the body's points from the given ones, in metres on the body; NaN where a point is missing.
    body : BodyModel or Skeleton
    layout : KeypointLayout
    """

    pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray
    scale: float
    distance: np.ndarray
    body: BodyModel | Skeleton
    layout: KeypointLayout

    def __len__(self) -> int:
        return len(self.pose)

    def transl_in_image(self, keypoints_2d: Any, intrinsics: Any, confidence: Any = None) -> np.ndarray:
        """Find each body's translation in the camera from its keypoints, by linear least squares: (N, 3).

        For points that have the camera's axes but no place in front of it, such as MediaPipe's world
        landmarks: with pose, betas and this translation, the fit is an estimate for :func:`kitro_np.refine`.

        Parameters
        ----------
        keypoints_2d : (N, K, 2) array
            In pixels, of the same layout. Those that are not finite are missing.
        intrinsics : (3, 3) or (N, 3, 3) array
        confidence : (N, K) array, optional

        Raises
        ------
        InputError
            If an argument has the wrong shape.
        """
        count, points = self.distance.shape
        seen = _array("keypoints_2d", keypoints_2d, (count, points, 2))
        given = np.asarray(real_array("intrinsics", intrinsics), dtype=np.float64)
        cameras = np.broadcast_to(given, (count, 3, 3)) if given.shape == (3, 3) else given
        cameras = _array("intrinsics", cameras, (count, 3, 3))
        weights = np.isfinite(seen).all(axis=-1) & (np.array(self.layout.joints) >= 0)
        weights = weights.astype(np.float64)
        if confidence is not None:
            given = _array("confidence", confidence, (count, points))
            weights *= np.where(np.isfinite(given), np.maximum(given, 0), 0)
        problem = PointsProblem(skeleton_of(self.body).host, self.layout, self.distance, weights)
        placed = problem.place(self.pose, self.betas).points
        return translation_in_image(placed, seen, cameras, weights)

    def __repr__(self) -> str:
        return (
            f"PointsFit({len(self)} bodies, points {1e3 * np.nanmean(self.distance):.0f} mm off, "
            f"scale {self.scale:.4g})"
        )


def fit_points(
    points_3d: Any,
    layout: str | KeypointLayout = "smpl24",
    confidence: Any = None,
    body: BodyModel | Skeleton | None = None,
    *,
    betas: bool = False,
    scale: bool | float | None = None,
    engine: str | None = None,
    threads: int | None = None,
) -> PointsFit:
    """Fit bodies to 3D points, such as landmarks, lifted joints or triangulated keypoints, of one person.

    A closed-form start turns each joint towards the points beyond it; Gauss-Newton then minimises the points'
    distances, as Student's t, with the motion prior of ``method="map"``: where points are few or noisy, poses
    stay human.

    Parameters
    ----------
    points_3d : (N, K, 3) or (K, 3) array
        In any units and axes, a row for each frame. Points that are not finite are missing.
    layout : str or KeypointLayout
        Which points they are; see :func:`kitro_np.find_layout`.
    confidence : (N, K) array, optional
        0 for a missing point. A point of confidence 0.25 has twice the spread of one of 1.
    body : BodyModel or Skeleton, optional
        The open body by default.
    betas : bool
        Whether to fit one shape to all frames.
    scale : bool or float, optional
        Length of the points' units on the body: fitted, one number for all frames (True, the default unless
        betas are fitted), 1 (False), or given.
    engine : {"numba", "array"}, optional
        Kernels, the default, or array stages; both give the same.
    threads : int, optional
        All cores by default.

    Returns
    -------
    PointsFit

    Raises
    ------
    InputError
        If an argument has the wrong shape, or no body has four points.
    """
    body = default_body() if body is None else body
    skeleton = skeleton_of(body).host
    found = find_layout(layout, body)
    points, weights = _read(points_3d, confidence, found)
    scale = (not check_bool("betas", betas)) if scale is None else scale
    factor = 1.0 if isinstance(scale, bool) else check_number("scale", scale, least=0)
    if factor == 0:
        raise InputError("scale: expected a number above 0, got 0.")
    fitted = weights > 0
    usable = fitted.sum(axis=1) >= FEWEST_POINTS
    if not usable.any():
        raise InputError(f"points_3d: expected at least {FEWEST_POINTS} points of a body, got fewer of all.")
    weights = weights / np.square(SPREAD * found.spread)
    given = PointsProblem(skeleton, found, points[usable], weights[usable])
    execution = Execution(
        "numba" if engine is None else one_of("engine", engine, CPU_ENGINES),
        None if threads is None else check_integer("threads", threads, least=1),
    )
    state, factor = _fit(given, factor, scale is True, betas, execution)
    return _result(body, found, points, fitted, usable, state, factor)


def _fit(
    given: PointsProblem, factor: float, scale: bool, betas: bool, execution: Execution
) -> tuple[PlacedState, float]:
    """Fit the bodies, after what they share: scale, betas, and spread over the one assumed.

    That is found from some of them, which are fitted and weighed up in turn: the scale at first by lengths
    that no pose changes, the spread by the start.
    """
    count = len(given.points)
    few = given
    if count > SAMPLE:
        few = given.take(np.linspace(0, count - 1, SAMPLE).astype(int))
    certain = max(1.0, len(few.points) / WITNESSES)
    seen = 3 * np.count_nonzero(few.weights)
    factor = scale_of_points(few) if scale else factor
    noise, shape, state = 1.0, np.zeros(given.skeleton.num_betas), None
    for number in range(ROUNDS):
        now = few.scaled(factor).with_noise(noise)
        state, facts = weigh_up(now, shape, state, ROUND_STEPS if number else 0, betas, execution)
        change = math.sqrt(facts.squares / max(facts.left, 1e-3 * seen))
        before, noise = noise, min(max(noise * change, LEAST_SPREAD / SPREAD), LARGEST_SPREAD / SPREAD)
        steady = abs(noise - before) < STEADY * noise
        if scale:
            factor *= facts.across / facts.size
            steady &= abs(facts.across / facts.size - 1) < STEADY_SCALE
        if betas:
            whole = facts.whole + certain * np.eye(len(shape))
            step = np.linalg.solve(whole, facts.right + certain * shape)
            shape = shape - step
            steady &= bool(np.abs(step).max() < STEADY_BETAS)
        if steady and number:
            break
    return fit_alone(given.scaled(factor).with_noise(noise), shape, execution), factor


def fit_alone(problem: PointsProblem, betas: np.ndarray, execution: Execution) -> PlacedState:
    """Fit each body, with given betas (S,), by the kernel or by the stages."""
    if execution.engine == "numba":
        from ..kernels.points.run import fit

        return fit(problem, betas, None, execution.threads)
    parts = []
    for first in range(0, len(problem.points), CHUNK):
        part = problem.take(slice(first, first + CHUNK))
        state = minimise(part, first_state(part, betas))
        placed = part.place(state.pose, np.tile(betas, (len(state.pose), 1))).points
        parts.append(PlacedState(*state, placed))
    pose, _, transl, placed = map(np.concatenate, zip(*parts, strict=True))
    return PlacedState(pose, betas, transl, placed)


def weigh_up(
    problem: PointsProblem,
    betas: np.ndarray,
    start: State | None,
    steps: int,
    of_betas: bool,
    execution: Execution,
) -> tuple[State, Evidence]:
    """Fit bodies with given betas (S,) for some steps, from a start or from none, and weigh them up."""
    if execution.engine == "numba":
        from ..kernels.points.run import weigh_up as fused

        return fused(problem, betas, start, steps, of_betas)
    first = first_state(problem, betas) if start is None else start._replace(betas=betas)
    state = minimise(problem, first, steps)
    return state, evidence_of(problem, state, of_betas)


def first_state(problem: PointsProblem, betas: np.ndarray) -> State:
    """Start of the bodies: pose, and the translation that brings the points to each other."""
    pose = first_pose(problem, betas)
    placed = problem.place(pose, np.tile(betas, (len(pose), 1)))
    _, transl = problem.centred(problem.points - placed.points, problem.weights)
    return State(pose, betas, transl[:, 0])


def _result(
    body: BodyModel | Skeleton,
    layout: KeypointLayout,
    points: np.ndarray,
    fitted: np.ndarray,
    usable: np.ndarray,
    state: PlacedState,
    factor: float,
) -> PointsFit:
    count, skeleton = len(points), skeleton_of(body).host
    pose = np.full((count, skeleton.num_joints, 3, 3), np.nan)
    transl = np.full((count, 3), np.nan)
    pose[usable], transl[usable] = state.pose, state.transl
    distance = np.full(fitted.shape, np.nan)
    away = state.placed + state.transl[:, None] - points[usable] / factor
    distance[usable] = np.sqrt(np.einsum("nkc,nkc->nk", away, away))
    distance[~fitted] = np.nan
    return PointsFit(pose, np.tile(state.betas, (count, 1)), transl, factor, distance, body, layout)


def _array(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(real_array(name, value), dtype=np.float64)
    if array.shape != shape:
        raise InputError(f"{name}: expected shape {shape}, got {array.shape}.")
    return array


def _read(points_3d: Any, confidence: Any, layout: KeypointLayout) -> tuple[np.ndarray, np.ndarray]:
    """Points (N, K, 3), 0 where missing, and confidences (N, K), 0 where missing."""
    points = np.asarray(real_array("points_3d", points_3d), dtype=np.float64)
    if points.ndim == 2:
        points = points[None]
    if points.ndim != 3 or points.shape[1:] != (layout.num_points, 3):
        expected = f"(N, {layout.num_points}, 3)"
        raise InputError(f"points_3d: expected shape {expected}, as {layout.name} has, got {points.shape}.")
    seen = np.isfinite(points).all(axis=-1) & (np.array(layout.joints) >= 0)
    weights = seen.astype(np.float64)
    if confidence is not None:
        given = np.asarray(real_array("confidence", confidence), dtype=np.float64)
        given = given[None] if given.ndim == 1 else given
        if given.shape != points.shape[:2]:
            raise InputError(f"confidence: expected shape {points.shape[:2]}, got {given.shape}.")
        weights = weights * np.where(np.isfinite(given) & (given > 0), np.minimum(given, 1), 0)
    return np.where(weights[..., None] > 0, points, 0), weights
