"""Fit bodies to 3D points."""

from __future__ import annotations

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
from .gauss_newton import State, minimise, noise_of
from .problem import PointsProblem
from .size import scale_of_points
from .swings import first_pose

SPREAD = 0.02
"""Spread of a point whose confidence is 1, in metres on the body, times the layout's own: at first."""

LEAST_SPREAD, LARGEST_SPREAD = 0.002, 0.06
"""Bounds of the spread that is found."""

WITNESSES = 10
"""Frames that tell of the shape as independent ones would: errors of more are alike."""

ROUNDS, SAMPLE = 3, 64
"""Of fitting and finding scale and spread, and bodies that these are found from."""

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
        at = problem.place(self.pose, self.betas).points
        focal, centre = np.einsum("nii->ni", cameras)[:, None, :2], cameras[:, None, :2, 2]
        ray = (np.where(weights[..., None] > 0, seen, 0) - centre) / focal
        # Rows (1, 0, -x) and (0, 1, -y) of each point, for x Z - X and y Z - Y.
        rows = np.zeros((count, points, 2, 3))
        rows[..., 0, 0] = rows[..., 1, 1] = 1
        rows[..., 2] = -ray
        values = ray * at[..., 2:] - at[..., :2]
        weighted = rows * weights[..., None, None]
        normal = np.einsum("nkia,nkib->nab", weighted, rows) + 1e-12 * np.eye(3)
        return np.linalg.solve(normal, np.einsum("nkia,nki->na", weighted, values)[..., None])[..., 0]

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
    factor, noise = _scale_and_noise(given, factor, scale is True, execution)
    state = _fit(given.with_noise(noise), factor, betas, execution)
    return _result(body, found, points, fitted, usable, state, factor)


def _scale_and_noise(
    given: PointsProblem, factor: float, scale: bool, execution: Execution
) -> tuple[float, float]:
    """Find the scale and the spread over the one assumed, from some of the bodies.

    The scale at first by lengths that no pose changes, then by the fitted bodies.
    """
    some = np.unique(np.linspace(0, len(given.points) - 1, SAMPLE).astype(int))
    problem = given.take(some)
    factor = scale_of_points(problem) if scale else factor
    noise = 1.0
    for _ in range(ROUNDS):
        now = problem.with_noise(noise)
        state = _fit(now, factor, False, execution)
        factor *= _ratio(now, factor, state) if scale else 1.0
        noise *= noise_of(now.scaled(factor), state)
        noise = float(np.clip(noise, LEAST_SPREAD / SPREAD, LARGEST_SPREAD / SPREAD))
    return factor, noise


def _fit(given: PointsProblem, factor: float, betas: bool, execution: Execution) -> State:
    """Fit the bodies, with betas of 0 or one shape for all."""
    shape = np.zeros(given.skeleton.num_betas)
    problem = given.scaled(factor)
    state = fit_alone(problem, shape, execution)
    return minimise(problem, state, max(1.0, len(problem.points) / WITNESSES)) if betas else state


def fit_alone(problem: PointsProblem, betas: np.ndarray, execution: Execution) -> State:
    """Fit each body, with given betas (S,), by the kernel or by the stages."""
    if execution.engine == "numba":
        from ..kernels.points.run import fit

        return fit(problem, betas, None, execution.threads)
    parts = []
    for first in range(0, len(problem.points), CHUNK):
        part = problem.take(slice(first, first + CHUNK))
        shapes = np.tile(betas, (len(part.points), 1))
        pose = first_pose(part, shapes)
        _, transl = part.centred(part.points - part.place(pose, shapes).points, part.weights)
        parts.append(minimise(part, State(pose, betas, transl[:, 0]), None))
    return State(
        np.concatenate([part.pose for part in parts]), betas, np.concatenate([part.transl for part in parts])
    )


def _ratio(given: PointsProblem, factor: float, state: State) -> float:
    """Size of the points over that of the fitted bodies: their slope on the bodies, about the centres."""
    problem = given.scaled(factor)
    shapes = np.broadcast_to(state.betas, (len(state.pose), len(state.betas)))
    ours, _ = problem.centred(problem.place(state.pose, shapes).points, problem.weights)
    theirs, _ = problem.centred(problem.points, problem.weights)
    across = np.einsum("nk,nkc,nkc->", problem.weights, theirs, ours)
    return float(across / np.einsum("nk,nkc,nkc->", problem.weights, ours, ours))


def _result(
    body: BodyModel | Skeleton,
    layout: KeypointLayout,
    points: np.ndarray,
    fitted: np.ndarray,
    usable: np.ndarray,
    state: State,
    factor: float,
) -> PointsFit:
    count, skeleton = len(points), skeleton_of(body).host
    pose = np.full((count, skeleton.num_joints, 3, 3), np.nan)
    transl = np.full((count, 3), np.nan)
    pose[usable], transl[usable] = state.pose, state.transl
    shapes = np.tile(state.betas, (count, 1))
    problem = PointsProblem(skeleton, layout, points, fitted.astype(float))
    distance = np.full(fitted.shape, np.nan)
    placed = problem.place(state.pose, shapes[usable]).points + state.transl[:, None]
    distance[usable] = np.linalg.norm(placed - points[usable] / factor, axis=-1)
    distance[~fitted] = np.nan
    return PointsFit(pose, shapes, transl, factor, distance, body, layout)


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
