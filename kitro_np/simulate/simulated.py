"""Simulated: the result of a simulation, under this package's names and those of the authors' files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays.rotations import axis_angle_from_matrix
from ..body.names import KEY
from ..formats.estimates import Estimates, TrueBodies


@dataclass(frozen=True, eq=False)
class Simulated:
    """True bodies, their keypoints, and estimates; the leading axis is the body.

    Parameters
    ----------
    pose, betas, transl : (N, J, 3, 3), (N, S) and (N, 3) array, float32
        Estimate.
    intrinsics : (N, 3, 3) array
        Camera that the estimate assumes, whose focal length is the image's diagonal; the true camera for a
        hand.
    keypoints_2d, keypoints_2d_noisy : (N, J, 2) array
        Projections of the true joints through the true camera in pixels, exact and with a detector's noise.
    true_pose, true_betas, true_transl : array, float32
        Ground truth, in the shapes of the estimate.
    true_focal : (N,) array
        Focal length of the true camera, in pixels; its principal point is that of `intrinsics`.
    clip, category : (N,) array of str
        Recording and activity of the pose; for a hand, its category is the grip.
    notice : str
        Licence notice of the recordings.
    body : str
        Name of the body.
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
    body: str = ""

    @property
    def estimates(self) -> Estimates:
        """Arguments of :func:`kitro_np.refine`, with exact keypoints."""
        return Estimates(self.pose, self.betas, self.transl, self.keypoints_2d, self.intrinsics)

    @property
    def truth(self) -> TrueBodies:
        """True pose and betas."""
        return TrueBodies(self.true_pose, self.true_betas)

    def arrays(self) -> dict[str, Any]:
        """Return the arrays under the names of the KITRO authors' data, which ``kitro-np eval`` reads."""
        arrays = {
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
            "person": np.arange(len(self.clip)),  # nobody is seen twice
        }
        texts = {"LICENSE": self.notice, KEY: self.body}
        return arrays | {key: np.array(text) for key, text in texts.items() if text}


@dataclass(frozen=True, eq=False, kw_only=True)
class SimulatedVideo(Simulated):
    """Tracks of people and their estimates; the leading axis is the frame, track after track.

    Parameters
    ----------
    confidence : (N, J) array, float32
        The detector's, of `keypoints_2d_noisy`; 0 where these are NaN, for there is no detection.
    track, frame : (N,) array of int
        Number of the track, and of the frame in it, from 0.
    fps : float
        Frames per second.
    extrinsics : (N, 4, 4) array
        From world to camera: a camera in the hand turns. The world is each track's own, y up.
    """

    confidence: np.ndarray
    track: np.ndarray
    frame: np.ndarray
    fps: float
    extrinsics: np.ndarray

    def arrays(self, *, extrinsics: bool = False) -> dict[str, Any]:
        """Return the arrays under the names of the KITRO authors' data; GT_pose (N, 3 J) is axis-angle.

        Parameters
        ----------
        extrinsics : bool
            Whether to return them, too: most programs do not know how their camera moved.
        """
        arrays = super().arrays()
        if extrinsics:
            arrays["extrinsics"] = self.extrinsics
        del arrays["person"]
        true_pose = axis_angle_from_matrix(arrays.pop("GT_theta").astype(np.float64))
        return arrays | {
            "GT_pose": true_pose.reshape(len(true_pose), -1).astype(np.float32),
            "confidence": self.confidence,
            "track": self.track,
            "frame": self.frame,
            "fps": np.array(self.fps),
        }
