"""Feet: points of them, when they are in contact with the ground, and how far they slide then."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..body import BodyModel
from ..body.families import BODY_JOINTS, has_body_joints
from ..keypoints.landmarks import mesh_vertices
from .evaluate import MILLIMETRES
from .runs import FrameRuns, step_lengths

CONTACT_SPEED = 0.3
"""Speed in m/s below which a foot is in contact with the ground: 1 cm a frame at 30 fps."""

FOOT_POINTS = ("left_big_toe", "left_heel", "right_big_toe", "right_heel")
"""Points whose sliding is measured: on SMPL's mesh vertices 3216, 3387, 6617 and 6787, as in WHAM."""

FOOT_JOINTS = tuple(
    BODY_JOINTS.index(name) for name in ("left_foot", "left_ankle", "right_foot", "right_ankle")
)
"""What takes the place of FOOT_POINTS on a mesh whose vertices are not known."""


def foot_points(body: BodyModel, pose: Any, betas: Any, transl: Any = None) -> np.ndarray | None:
    """Points of the feet: on a known mesh the vertices of FOOT_POINTS, else joints of feet and ankles.

    Meshes are known of the open body, SMPL, SMPL-H and SMPL-X.

    Parameters
    ----------
    body : BodyModel
    pose, betas, transl
        As in :meth:`kitro_np.BodyModel.forward`, of N bodies.

    Returns
    -------
    (N, 4, 3) array or None
        In metres; None for a body without feet.
    """
    if not has_body_joints(body.skeleton.parents):
        return None
    vertices = mesh_vertices(body)
    if vertices is None:
        return np.asarray(body.joints(pose, betas, transl)[:, list(FOOT_JOINTS)])
    return np.asarray(
        _only(body, tuple(vertices[name] for name in FOOT_POINTS)).forward(pose, betas, transl)[1]
    )


def foot_contact(points: np.ndarray, fps: float, runs: FrameRuns | None = None) -> np.ndarray:
    """Whether each foot has moved from the frame before less than 1 cm, at 30 fps: fps |D X| < CONTACT_SPEED.

    Parameters
    ----------
    points : (N, F, 3) array
        In metres: the truth's, or where there is none, the refined motion's own.
    fps : float
        Frames per second.
    runs : FrameRuns, optional
        By default the rows are consecutive frames of one track.

    Returns
    -------
    (N, F) array of bool
        False for the first frame of each run.
    """
    with np.errstate(invalid="ignore"):
        found: np.ndarray = fps * step_lengths(points, runs, 1) < CONTACT_SPEED
    return found


def foot_sliding(points: np.ndarray, contact: np.ndarray, runs: FrameRuns | None = None) -> np.ndarray:
    """How far feet in contact with the ground have moved from the frame before, in mm: |D X|.

    The camera must stand still, or the points be in world space.

    Parameters
    ----------
    points : (N, F, 3) array
        In metres.
    contact : (N, F) array of bool
        See :func:`foot_contact`. If it is of the same points, no foot slides further than the contact allows:
        compare motions by the contact of one of them.
    runs : FrameRuns, optional
        By default the rows are consecutive frames of one track.

    Returns
    -------
    (N, F) array
        NaN where there is no contact.

    References
    ----------
    Shin et al. WHAM. CVPR 2024, lib/eval/eval_utils.py.
    """
    return np.where(contact, MILLIMETRES * step_lengths(points, runs, 1), math.nan)


@lru_cache(maxsize=16)
def _only(body: BodyModel, vertices: tuple[int, ...]) -> BodyModel:
    """Return a body with the skeleton of another, and only some of its vertices."""
    rows = list(vertices)
    return BodyModel(
        body.name,
        np.asarray(body.v_template)[rows],
        np.asarray(body.shapedirs)[rows],
        None if body.posedirs is None else np.asarray(body.posedirs)[rows],
        np.asarray(body.J_regressor)[:, rows],
        np.asarray(body.weights)[rows],
        np.zeros((0, 3), np.int64),
        body.skeleton.host,
    )
