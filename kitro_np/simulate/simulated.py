"""Simulated: what a simulation gives, under this package's names and under those of the authors' files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..formats.estimates import Estimates, TrueBodies


@dataclass(frozen=True, eq=False)
class Simulated:
    """True bodies, what a camera sees of them, and estimates; the leading axis is the body.

    Parameters
    ----------
    pose, betas, transl : (N, J, 3, 3), (N, S) and (N, 3) array, float32
        The estimate.
    intrinsics : (N, 3, 3) array
        The camera that the estimate assumes, with the image's diagonal as its focal length; a hand's is the
        true one.
    keypoints_2d, keypoints_2d_noisy : (N, J, 2) array
        Projections of the true joints through the true camera, exact and as a detector finds them.
    true_pose, true_betas, true_transl : array, float32
    true_focal : (N,) array
        Focal length of the true camera, in pixels; its centre is that of `intrinsics`.
    clip, category : (N,) array of str
        Where the pose is from; for a hand, how far it is closed.
    notice : str
        Terms of the recordings.
    """

    pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray
    intrinsics: np.ndarray
    keypoints_2d: np.ndarray
    keypoints_2d_noisy: np.ndarray
    true_pose: np.ndarray
    true_betas: np.ndarray
    true_transl: np.ndarray
    true_focal: np.ndarray
    clip: np.ndarray
    category: np.ndarray
    notice: str = ""

    @property
    def estimates(self) -> Estimates:
        """Arguments of :func:`kitro_np.refine`, with exact keypoints."""
        return Estimates(self.pose, self.betas, self.transl, self.keypoints_2d, self.intrinsics)

    @property
    def truth(self) -> TrueBodies:
        """True pose and betas."""
        return TrueBodies(self.true_pose, self.true_betas)

    def arrays(self) -> dict[str, Any]:
        """Arrays under the names of the KITRO authors' data, which ``kitro-np refine`` and ``eval`` read."""
        named = {
            "pred_theta": self.pose,
            "pred_beta": self.betas,
            "pred_cam": self.transl,
            "intrinsics": self.intrinsics,
            "keypoints_2d": self.keypoints_2d,
            "keypoints_2d_noisy": self.keypoints_2d_noisy,
            "GT_theta": self.true_pose,
            "GT_beta": self.true_betas,
            "GT_cam": self.true_transl,
            "GT_focal": self.true_focal,
            "clip": self.clip,
            "category": self.category,
        }
        return {**named, "LICENSE": np.array(self.notice)} if self.notice else named
