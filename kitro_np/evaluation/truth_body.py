"""Truth's body: the body that a file's truth is on, as the file names it or as its keypoints tell."""

from __future__ import annotations

import numpy as np

from ..body import BodyModel, load_body
from ..body.families import FAMILIES
from ..body.names import other_body
from ..formats.estimates import EstimateFile, TrueBodies
from .evaluate import errors_on_image

CLEARLY = 4
"""A body is told by keypoints only if they are this many times nearer to it than to the one in use."""

SAMPLE = 64
"""Bodies that are looked at."""


def truth_on_another_body(file: EstimateFile, truth: TrueBodies, used: BodyModel, lead: tuple[int, ...]) -> str:
    """Return a sentence if a file's truth is on another body than the one in use, else "".

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
    name = file.body_name or _seen_in_the_image(file, truth, used, lead)
    return other_body(f"{file.path}'s truth", name, "measured", used.name)


def _seen_in_the_image(file: EstimateFile, truth: TrueBodies, used: BodyModel, lead: tuple[int, ...]) -> str:
    """Name of the embedded body whose true joints are far nearer to the keypoints; "" if there is none."""
    keypoints, transl, camera = (file.optional(key) for key in ("keypoints_2d", "GT_cam", "intrinsics"))
    if keypoints is None or transl is None or camera is None:
        return ""
    if (
        keypoints.shape not in [(*lead, used.num_joints, width) for width in (2, 3)]
        or transl.shape != (*lead, 3)
        or camera.shape not in ((3, 3), (*lead, 3, 3))
    ):
        return ""
    count = int(np.prod(lead))
    some = np.unique(np.linspace(0, count - 1, min(count, SAMPLE)).astype(int))
    cameras = np.broadcast_to(camera, (*lead, 3, 3)).reshape(count, 3, 3)[some].astype(np.float64)
    focal = file.optional("GT_focal")
    if focal is not None and focal.shape in ((), lead):
        cameras[:, 0, 0] = cameras[:, 1, 1] = np.broadcast_to(focal, lead).reshape(count)[some]
    pose = truth.pose.reshape(count, *truth.pose.shape[len(lead) :])[some].astype(np.float64)
    betas, places = truth.betas.reshape(count, -1)[some], transl.reshape(count, 3)[some]
    points = keypoints[..., :2].reshape(count, -1, 2)[some].astype(np.float64)

    def distance(body: BodyModel) -> float:
        errors = errors_on_image(body, (pose, betas, places), points, cameras).mean(axis=1)
        errors = errors[np.isfinite(errors)]  # bodies without NaN in truth or keypoints
        return float(np.median(errors)) if len(errors) else np.inf

    others = [
        load_body(name)
        for name, family in FAMILIES.items()
        if name == family.name and family.embedded and family.parents == used.skeleton.parents
    ]
    distances = {body.name: distance(body) for body in others if body.num_betas >= betas.shape[1]}
    nearest = min(distances, key=distances.__getitem__, default="")
    return nearest if nearest and CLEARLY * distances[nearest] < distance(used) else ""
