"""Detections in a file: keypoints, their layout, and the detector's confidence."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..body.model import BodyModel
from ..errors import InputError
from ..keypoints.layouts import KeypointLayout, find_layout
from .estimates import EstimateFile, Estimates


class Detections(NamedTuple):
    """Arguments of :func:`kitro_np.refine` that describe detections."""

    keypoints_2d: np.ndarray
    keypoint_layout: KeypointLayout
    confidence: np.ndarray | None


def read_detections(
    file: EstimateFile,
    estimates: Estimates,
    body: BodyModel,
    keypoint_layout: str | KeypointLayout = "smpl24",
    confidence_key: str | None = None,
) -> Detections:
    """Read a file's detections.

    Keypoints of all the body's joints can simulate a detector's: joints that are not in its layout are then
    not visible.

    Parameters
    ----------
    file : EstimateFile
    estimates : Estimates
        Estimates of that file.
    body : BodyModel
    keypoint_layout : str or KeypointLayout
    confidence_key : str, optional
        Key of the confidences; by default the scores of keypoints (x, y, score), or the key "confidence" if
        the file has it.

    Returns
    -------
    Detections

    Raises
    ------
    InputError
        If the file lacks the key, has both confidences and scores, or its number of keypoints is neither the
        layout's nor the body's number of joints.
    """
    keypoints_2d = estimates.keypoints_2d
    confidence = file.optional("confidence") if confidence_key is None else file.required(confidence_key)
    name = f"{file.path}: {confidence_key or 'confidence'}"
    if keypoints_2d.ndim > 1 and keypoints_2d.shape[-1] == 3:
        if confidence is not None:
            raise InputError(f"{name}: expected no such key with keypoints (x, y, score), got both.")
        keypoints_2d, confidence = keypoints_2d[..., :2], keypoints_2d[..., 2]
    layout = find_layout(keypoint_layout, body)
    count = keypoints_2d.shape[-2] if keypoints_2d.ndim > 1 else 0
    if count == layout.num_points:
        return Detections(keypoints_2d, layout, confidence)
    if count != body.num_joints:
        raise InputError(
            f"{file.path}: keypoints_2d: expected {layout.num_points} points, as {layout.name} has, or the "
            f"body's {body.num_joints} joints, got {count}."
        )
    visible = np.array([joint in layout.names for joint in body.skeleton.joint_names], np.float64)
    weights = np.broadcast_to(visible, keypoints_2d.shape[:-1])
    if confidence is not None:
        if confidence.shape != weights.shape:
            raise InputError(
                f"{name}: expected shape {weights.shape}, one for each keypoint, got {confidence.shape}."
            )
        weights = weights * confidence
    return Detections(keypoints_2d, find_layout("smpl24", body), weights)
