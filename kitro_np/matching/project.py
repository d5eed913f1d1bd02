"""Where a detector would see estimated bodies: its points on each of them, projected."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ..body import BodyModel
from ..errors import InputError
from ..formats.people import PeopleEstimates
from ..keypoints.layouts import find_layout
from .known_body import known_body

MOST_POINTS = 26
"""Points of a body that are compared; those after them are of fingers or of the face."""

BLOCK = 4096
"""Bodies that are posed at a time."""

LEAST_DEPTH = 1e-3
"""Of a point that is in front of the camera, in metres."""


class Projected(NamedTuple):
    """Points of bodies in the image.

    Attributes
    ----------
    points : (N, K, 2) array
        In pixels; NaN for a point behind the camera, or that the body lacks.
    height : (N,) array
        Of the person, standing where the body is, in pixels.
    chosen : (K,) array of int
        Index of each point in the layout.
    mirror : (K,) array of int
        Index here of each point's left-right counterpart.
    note : str
        A sentence if another body takes the place of the estimates'; empty if not.
    """

    points: np.ndarray
    height: np.ndarray
    chosen: np.ndarray
    mirror: np.ndarray
    note: str = ""


def project_people(estimates: PeopleEstimates, layout: str, body: BodyModel | str | None = None) -> Projected:
    """Project the points of a layout.

    Without the file of the estimates' body, the open body takes its place: good enough to tell people apart.

    Raises
    ------
    InputError
        If the camera is not known, or the body does not take the layout.
    """
    if estimates.intrinsics is None:
        needed = f" ({estimates.camera})" if estimates.camera else ""
        raise InputError(f"estimates: expected a camera with intrinsics, got none{needed}.")
    own = known_body(estimates, body)
    model = own.model
    points, chosen, mirror = _points_model(model, layout)
    joints, more = model.num_joints, points.num_joints - model.num_joints
    found = np.empty((len(estimates), len(chosen), 3))
    for start in range(0, len(estimates), BLOCK):
        rows = slice(start, start + BLOCK)
        pose, betas, transl = own.place(estimates.take(rows))
        still = np.broadcast_to(np.eye(3), (len(pose), more, 3, 3))
        found[rows] = points.joints(np.concatenate([pose, still], axis=1), betas, transl)[:, joints:]
    depth = np.where(found[..., 2] > LEAST_DEPTH, found[..., 2], np.nan)
    camera = estimates.intrinsics
    focal = camera[:, None, [0, 1], [0, 1]]
    image = focal * found[..., :2] / depth[..., None] + camera[:, None, :2, 2]
    rest = model.skeleton.host.joint_template[:, 1]
    with np.errstate(all="ignore"):
        height = camera[:, 1, 1] * np.ptp(np.asarray(rest)) / _middle(depth)
    return Projected(image, height, chosen, mirror, own.note)


@lru_cache(maxsize=8)
def _points_model(body: BodyModel, layout: str) -> tuple[BodyModel, np.ndarray, np.ndarray]:
    """Return the body with the layout's points as joints at the ends of its tree, which kernels pose fast."""
    found = find_layout(layout, body)
    chosen = np.flatnonzero(np.array(found.joints) >= 0)[:MOST_POINTS]
    place = {int(point): index for index, point in enumerate(chosen)}
    mirror = np.array([place.get(found.mirror[point], index) for point, index in place.items()])
    anchors = np.array(found.joints)[chosen]
    skeleton = body.skeleton.host
    template = np.asarray(skeleton.joint_template, np.float64)
    shapes = np.asarray(skeleton.joint_shapedirs, np.float64)
    rest = np.concatenate([template, template[anchors] + found.offsets[chosen]])
    change = np.concatenate([shapes, shapes[anchors] + found.by_betas[chosen]])
    count = len(rest)
    model = BodyModel.from_arrays(
        f"{body.name} with {layout}",
        rest,
        change,
        None,
        np.eye(count),
        np.eye(count),
        np.zeros((0, 3), np.int64),
        [*skeleton.parents, *anchors.tolist()],
    )
    return model, chosen, mirror


def _middle(depth: np.ndarray) -> np.ndarray:
    """Mean depth of each body's points that are in front of the camera; NaN if none is."""
    seen = np.isfinite(depth)
    return np.where(seen, depth, 0).sum(axis=1) / seen.sum(axis=1)
