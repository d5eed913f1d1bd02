"""Figures of each body: how far it moved, how well it fits its keypoints, how far it is from the truth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...evaluation.evaluate import MILLIMETRES
from ...evaluation.metrics import mpjpe
from ...evaluation.protocols import Protocol, usual_protocol
from ...keypoints.layouts import KeypointLayout
from ..shown import Shown

STAGES_OF_FIT = ("before", "after")
"""Stages that are compared with keypoints and truth."""


class PageFigures(NamedTuple):
    """Figures of N bodies; None where they are not known, NaN where a body has none.

    Attributes
    ----------
    change : (N,) array or None
        Mean distance of the joints about the root before and after, in mm.
    pixels : dict of str to (N,) array
        Mean distance of visible keypoints from the body's, by stage.
    error : dict of str to (N,) array
        MPJPE in mm, by stage, as ``kitro-np eval`` measures it.
    protocol : Protocol
        Joints of these errors, and their root.
    points : dict of str to (N, K, 2) array
        The body's points in the image, by stage.
    keypoints : (N, K, 2) array or None
        Visible keypoints; of a body that was fitted with left and right exchanged, put right.
    """

    change: np.ndarray | None
    pixels: dict[str, np.ndarray]
    error: dict[str, np.ndarray]
    protocol: Protocol
    points: dict[str, np.ndarray]
    keypoints: np.ndarray | None


def figures_of(shown: Shown) -> PageFigures:
    """Return the figures of all bodies."""
    stages = {name: shown.stage(name) for name in (*STAGES_OF_FIT, "truth")}
    joints = {name: shown.joints(one) for name, one in stages.items() if one is not None}
    change = _distance(joints["before"], joints["after"]) if "before" in joints else None
    protocol = usual_protocol(shown.body)
    error = {
        name: MILLIMETRES * mpjpe(joints[name], joints["truth"], protocol)
        for name in STAGES_OF_FIT
        if "truth" in joints and name in joints
    }
    points: dict[str, np.ndarray] = {}
    pixels: dict[str, np.ndarray] = {}
    keypoints = shown.keypoints_2d
    if shown.layout is not None and keypoints is not None:
        for name in STAGES_OF_FIT:
            bodies = stages[name]
            if bodies is not None:
                points[name] = shown.keypoints_of(bodies)
        keypoints = _put_right(shown, points["after"], keypoints, shown.layout)
        for name, projected in points.items():
            pixels[name] = _mean(np.linalg.norm(projected - keypoints, axis=-1))
    return PageFigures(change, pixels, error, protocol, points, keypoints)


def _distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mean distance of joints (N, J, 3) about the root in mm, (N,)."""
    apart = (first - first[:, :1]) - (second - second[:, :1])
    distance: np.ndarray = MILLIMETRES * np.linalg.norm(apart, axis=-1).mean(axis=1)
    return distance


def _put_right(
    shown: Shown, projected: np.ndarray, keypoints: np.ndarray, layout: KeypointLayout
) -> np.ndarray:
    """Exchange left and right of a swapped body's pairs of keypoints where the body fits the others better.

    A result says that there was an exchange, not of which limbs.
    """
    swapped, mirror = shown.result.swapped, np.asarray(layout.mirror)
    if swapped is None or not np.any(swapped == 1):
        return keypoints
    mirrored = keypoints[:, mirror]
    own = np.linalg.norm(projected - keypoints, axis=-1)
    other = np.linalg.norm(projected - mirrored, axis=-1)
    pairs = own + own[:, mirror] > other + other[:, mirror]
    chosen: np.ndarray = np.where((pairs & (swapped == 1)[:, None])[..., None], mirrored, keypoints)
    return chosen


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean of the finite values of each row; NaN if it has none."""
    finite = np.isfinite(values)
    total = np.where(finite, values, 0).sum(axis=1)
    mean: np.ndarray = np.where(finite.any(axis=1), total / np.maximum(finite.sum(axis=1), 1), np.nan)
    return mean
