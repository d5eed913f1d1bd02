"""Truth's body: the body that a file's truth is on, as the file names it or as its keypoints tell."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..body import BodyModel, load_body
from ..body.families import FAMILIES
from ..body.names import other_body
from ..errors import InputError
from ..formats.estimates import EstimateFile, TrueBodies
from .evaluate import errors_on_image

CLEARLY = 4
"""A body is told by keypoints only if they are this many times nearer to it than to the one in use."""

SAMPLE = 64
"""Bodies that are looked at."""


def truth_on_another_body(
    file: EstimateFile, truth: TrueBodies, used: BodyModel, lead: tuple[int, ...]
) -> str:
    """Return a sentence if a file's truth is on another body than the one in use, else "".

    Parameters are those of :func:`body_of_truth`.
    """
    name = body_of_truth(file, truth, used, lead)
    return other_body(f"{file.path}'s truth", name, "measured", used.name)


def body_of_truth(file: EstimateFile, truth: TrueBodies, used: BodyModel, lead: tuple[int, ...]) -> str:
    """Return the name of the body that a file's truth is on; "" if neither tells.

    The file names its body. Of one that names none, an embedded body is told where the true joints on it
    project onto the file's keypoints, and those on the body in use do not.

    Parameters
    ----------
    file : EstimateFile
    truth : TrueBodies
        The file's.
    used : BodyModel
    lead : tuple of int
        Leading shape of the truth.
    """
    return file.body_name or _seen_in_the_image(file, truth, used, lead)


def _seen_in_the_image(file: EstimateFile, truth: TrueBodies, used: BodyModel, lead: tuple[int, ...]) -> str:
    """Name of the embedded body whose true joints are far nearer to the keypoints; "" if there is none."""
    count, joints = math.prod(lead), used.num_joints
    keypoints = _numbers(file, "keypoints_2d", [(*lead, joints, 2), (*lead, joints, 3)])
    transl = _numbers(file, "GT_cam", [(*lead, 3)])
    camera = _numbers(file, "intrinsics", [(3, 3), (*lead, 3, 3)])
    if keypoints is None or transl is None or camera is None or not count:
        return ""
    some = np.linspace(0, count - 1, min(count, SAMPLE)).astype(int)

    def rows(array: np.ndarray) -> np.ndarray:
        return array.reshape(count, *array.shape[len(lead) :])[some].astype(np.float64)

    cameras = rows(np.broadcast_to(camera, (*lead, 3, 3)))
    focal = _numbers(file, "GT_focal", [(), lead])
    if focal is not None:
        cameras[:, [0, 1], [0, 1]] = rows(np.broadcast_to(focal, lead))[:, None]
    bodies = rows(truth.pose), rows(truth.betas), rows(transl)

    def distance(body: BodyModel) -> float:
        errors = errors_on_image(body, bodies, rows(keypoints)[..., :2], cameras).mean(axis=1)
        errors = errors[np.isfinite(errors)]  # of bodies without NaN in truth and keypoints
        return float(np.median(errors)) if len(errors) else math.inf

    others = [
        load_body(name)
        for name, family in FAMILIES.items()
        if name == family.name and family.embedded and family.parents == used.skeleton.parents
    ]
    distances = {body.name: distance(body) for body in others if bodies[1].shape[1] <= body.num_betas}
    nearest = min(distances, key=distances.__getitem__, default="")
    return nearest if nearest and CLEARLY * distances[nearest] < distance(used) else ""


def _numbers(file: EstimateFile, key: str, shapes: Sequence[tuple[int, ...]]) -> np.ndarray | None:
    """Read an array of one of the shapes; None if the file has no such array."""
    try:
        array = file.optional(key)
    except InputError:  # nothing but this look needs it
        return None
    return array if array is not None and array.shape in shapes else None
