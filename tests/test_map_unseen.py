"""Joints of which no keypoint says anything, in hypotheses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from recorded import refine

EXCERPT = Path(__file__).parent / "data" / "sim3dpw_excerpt.npz"
KEYS = ("pred_theta", "pred_beta", "pred_cam", "keypoints_2d", "intrinsics")
SEEN = [1, 2, 4, 5, 7, 8, 16, 17, 18, 19, 20, 21]
RESTING = [7, 8, 10, 11, 12, 15, 20, 21, 22, 23]
"""Joints that move none of those: from the ankles, wrists and neck on."""


@pytest.mark.parametrize("how", ["confidence", "NaN"])
def test_hypotheses_leave_joints_of_unseen_keypoints_alone(how, engine):
    """A hand that no keypoint shows may point anywhere: that makes no other hypothesis."""
    with np.load(EXCERPT) as file:
        estimate = [file[key][:8].astype(np.float64) for key in KEYS]
    confidence = np.zeros((8, 24))
    confidence[:, SEEN] = 1
    if how == "NaN":
        estimate[3][confidence == 0] = np.nan
        confidence[:] = 1
    result = refine(*estimate, confidence=confidence, hypotheses=4, engine=engine)
    assert result.accepted.all()
    found = result.hypotheses
    assert np.array_equal(found.pose[:, :, RESTING], np.repeat(estimate[0][:, None, RESTING], 4, axis=1))
    assert np.all(found.pose[:, 0, 18] != estimate[0][:, 18])
