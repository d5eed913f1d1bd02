"""Measures of motion: errors of a video's bodies against the truth that single frames do not show.

Each function returns numbers of single rows, NaN where there are none, of which :func:`mean_of` is the mean.
Rows may come in any order: :func:`find_runs` tells from tracks and frames which are consecutive. Differences
are taken between consecutive frames of one track only. Joints are in metres, those of a camera that moves in
world space, see :func:`to_world`. Measures that need no truth are
in :mod:`kitro_np.evaluation.smoothness`, those of the way through the scene in
:mod:`kitro_np.evaluation.trajectory`; all can be imported from here.
"""

from __future__ import annotations

import numpy as np

from ..body import Skeleton
from .evaluate import MILLIMETRES
from .feet import CONTACT_SPEED, FOOT_POINTS, foot_contact, foot_points, foot_sliding
from .runs import FrameRuns, find_runs, lengths_of, mean_of, one_run, step_lengths
from .smoothness import bone_length_change, jitter, keypoint_residual
from .trajectory import root_trajectory_error, w_mpjpe, wa_mpjpe

__all__ = [
    "CONTACT_SPEED",
    "FOOT_POINTS",
    "FrameRuns",
    "acceleration_error",
    "bone_length_change",
    "find_runs",
    "foot_contact",
    "foot_points",
    "foot_sliding",
    "jitter",
    "keypoint_residual",
    "mean_of",
    "mpjae",
    "mpjve",
    "one_run",
    "root_acceleration_error",
    "root_trajectory_error",
    "scale_depth",
    "shape_error",
    "to_world",
    "w_mpjpe",
    "wa_mpjpe",
]


def acceleration_error(
    joints: np.ndarray, truth: np.ndarray, runs: FrameRuns | None = None, root: int | None = 0
) -> np.ndarray:
    """Acceleration error in mm/frame^2: mean over joints of |D^2 X - D^2 X'|, X relative to the root.

    D^2 X_t = X_(t-1) - 2 X_t + X_(t+1). :func:`mpjae` is the same in m/s^2.

    Parameters
    ----------
    joints, truth : (N, K, 3) array
        In metres.
    runs : FrameRuns, optional
        By default the rows are consecutive frames of one track.
    root : int or None
        Joint that is subtracted; None: none is.

    Returns
    -------
    (N,) array
        NaN for the first and the last frame of each run.

    References
    ----------
    Kanazawa et al. Learning 3D Human Dynamics from Video. CVPR 2019. Also in WHAM, lib/eval/eval_utils.py.
    """
    return MILLIMETRES * step_lengths(_difference(joints, truth, root), runs, 2).mean(axis=1)


def mpjae(
    joints: np.ndarray, truth: np.ndarray, fps: float, runs: FrameRuns | None = None, root: int | None = 0
) -> np.ndarray:
    """Acceleration error in m/s^2: fps^2 |D^2 X - D^2 X'|, else as :func:`acceleration_error`.

    Parameters
    ----------
    fps : float
        Frames per second. The field's code has 30 for every video.
    """
    return fps**2 / MILLIMETRES * acceleration_error(joints, truth, runs, root)


def mpjve(
    joints: np.ndarray, truth: np.ndarray, fps: float, runs: FrameRuns | None = None, root: int | None = 0
) -> np.ndarray:
    """Velocity error in m/s: mean over joints of fps |D X - D X'| with D X_t = X_t - X_(t-1).

    Parameters
    ----------
    joints, truth : (N, K, 3) array
        In metres.
    fps : float
        Frames per second.
    runs : FrameRuns, optional
        By default the rows are consecutive frames of one track.
    root : int or None
        Joint that is subtracted; None: none is.

    Returns
    -------
    (N,) array
        NaN for the first frame of each run.

    References
    ----------
    Pavllo et al. 3D human pose estimation in video with temporal convolutions. CVPR 2019, there in mm/frame.
    """
    return fps * step_lengths(_difference(joints, truth, root), runs, 1).mean(axis=1)


def root_acceleration_error(
    roots: np.ndarray,
    truth: np.ndarray,
    runs: FrameRuns | None = None,
    depth_factor: np.ndarray | float | None = None,
) -> np.ndarray:
    """Acceleration error of the root, in mm/frame^2: |D^2 X - D^2 X'|.

    Parameters
    ----------
    roots, truth : (N, 3) array
        In metres; in world space, or of a camera that stands still.
    runs : FrameRuns, optional
        By default the rows are consecutive frames of one track.
    depth_factor : (N,) array or float, optional
        See :func:`scale_depth`; only for roots in camera space.

    Returns
    -------
    (N,) array
        NaN for the first and the last frame of each run. Times fps^2 / 1000 it is in m/s^2.
    """
    roots = roots if depth_factor is None else scale_depth(roots, depth_factor)
    return acceleration_error(roots[:, None], truth[:, None], runs, root=None)


def scale_depth(roots: np.ndarray, factor: np.ndarray | float) -> np.ndarray:
    """Multiply depths: what was estimated for one focal length is compared with the truth of another.

    Parameters
    ----------
    roots : (N, 3) array
        In camera space.
    factor : (N,) array or float
        True over assumed focal length: a person of one size looks as large f times as far away.
    """
    scaled = np.array(roots, np.float64)
    scaled[:, 2] *= factor
    return scaled


def to_world(points: np.ndarray, extrinsics: np.ndarray) -> np.ndarray:
    """Move points from camera to world space, R^T (X - t), so that the camera's own motion does not count.

    Parameters
    ----------
    points : (N, K, 3) array
        In camera space, in metres.
    extrinsics : (N, 4, 4) or (N, 3, 4) array
        [R t] of each row, from world to camera, in metres.
    """
    extrinsics = np.asarray(extrinsics, np.float64)
    moved: np.ndarray = np.matmul(points - extrinsics[:, None, :3, 3], extrinsics[:, :3, :3])
    return moved


def shape_error(skeleton: Skeleton, betas: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean distance of the rest pose's joints from the truth's, both relative to the root, in mm: (N,).

    Parameters
    ----------
    skeleton : Skeleton
    betas, truth : (N, S) array
    """
    rest, true = (_rest_joints(skeleton, shape) for shape in (betas, truth))
    return MILLIMETRES * lengths_of(_difference(rest, true, 0)).mean(axis=1)


def _rest_joints(skeleton: Skeleton, betas: np.ndarray) -> np.ndarray:
    host = skeleton.host.with_betas(betas.shape[-1])
    template, shapedirs = (
        np.asarray(part, np.float64) for part in (host.joint_template, host.joint_shapedirs)
    )
    changes = np.asarray(betas, np.float64) @ shapedirs.reshape(-1, betas.shape[-1]).T
    return template + changes.reshape(-1, *template.shape)


def _difference(joints: np.ndarray, truth: np.ndarray, root: int | None) -> np.ndarray:
    """Difference of joints from the truth, relative to the root; its derivatives are those of the errors."""
    with np.errstate(invalid="ignore"):
        difference = np.asarray(joints, np.float64) - truth
        return difference if root is None else difference - difference[:, root, None]
