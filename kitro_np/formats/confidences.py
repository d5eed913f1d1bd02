"""Read which points a file's keypoints are, and how sure the detector was of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..body.model import BodyModel
from ..errors import InputError
from ..keypoints.layouts import KeypointLayout, find_layout
from .estimates import EstimateFile, Estimates


def read_seen(
    file: EstimateFile, estimates: Estimates, body: BodyModel, layout: str, confidence_key: str | None
) -> tuple[KeypointLayout, Any]:
    """Return a file's layout and confidences, None where it has none.

    Keypoints of the body's own joints can stand for a detector's: those that it does not give are not seen.

    Parameters
    ----------
    file : EstimateFile
    estimates : Estimates
        Of that file.
    body : BodyModel
    layout : str
    confidence_key : str, optional
        By default "confidence", if the file has it.

    Raises
    ------
    InputError
        If the file lacks the key, or has as many keypoints as neither the layout nor the body has.
    """
    confidence = file.optional("confidence") if confidence_key is None else file.needed(confidence_key)
    found = find_layout(layout, body)
    count = estimates.keypoints_2d.shape[-2] if estimates.keypoints_2d.ndim > 1 else 0
    if count == found.num_points:
        return found, confidence
    names = body.skeleton.joint_names
    if count != body.num_joints:
        raise InputError(
            f"{file.path}: keypoints_2d: expected {found.num_points} points, as {layout} has, or the body's "
            f"{body.num_joints} joints, got {count}."
        )
    given = np.array([name in found.names for name in names], np.float64)
    seen = np.broadcast_to(given, estimates.keypoints_2d.shape[:-1])
    if confidence is not None:
        if confidence.shape != seen.shape:
            raise InputError(
                f"{file.path}: {confidence_key or 'confidence'}: expected shape {seen.shape}, one for each "
                f"keypoint, got {confidence.shape}."
            )
        seen = seen * confidence
    return find_layout("smpl24", body), seen
