"""Tracker: a person in a live video, refined frame by frame."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from ..arrays.arguments import check_integer, check_number
from ..body.load import default_body, load_body
from ..body.model import BodyModel
from ..body.skeleton import Skeleton
from ..errors import InputError
from ..keypoints.layouts import KeypointLayout
from ..posterior.facing import reflected
from ..posterior.model import model_of
from ..posterior.most_probable import most_probable_frames
from ..posterior.priors import cmu_motion_prior, size_of
from ..posterior.video.plan import FITTED, PLACED
from ..posterior.video.spreads import FILL_SECONDS
from ..refinement.method import Execution
from ..refinement.request import Arguments, read_request, skeleton_of
from ..refinement.tracks import USUAL_FPS
from ..refinement.validity import Status
from ..result import RefineResult
from .window import BEHIND, Window

MOST_LAG = 10
"""Most frames that a result may come late."""

EXECUTION = Execution("numba", threads=1)


class Tracker:
    """Refine one person of a live video: one frame in, one frame out.

    The frame is fitted on its own; then what the last frames say of its shape and motion is added, as
    :func:`kitro_np.refine` does for whole videos. It is causal, or comes a few frames late, which is nearly
    as good as that. Its state, memory of a fixed size, can be pickled.

    Parameters
    ----------
    body : BodyModel, Skeleton, str or path, optional
        As of :func:`kitro_np.refine`.
    fps : float
        Frames per second.
    lag : int
        Frames that the results come late, 0 to 10.
    keypoint_layout : str or KeypointLayout
        As of :func:`kitro_np.refine`.
    dtype : {"float32", "float64"}

    Raises
    ------
    InputError
        If an argument is invalid.
    """

    def __init__(
        self,
        body: BodyModel | Skeleton | str | None = None,
        fps: float = USUAL_FPS,
        lag: int = 0,
        *,
        keypoint_layout: str | KeypointLayout = "smpl24",
        dtype: str = "float32",
    ) -> None:
        if body is None:
            body = default_body()
        self.body = load_body(body) if isinstance(body, str) else body
        self._skeleton = skeleton_of(self.body)
        self.fps = check_number("fps", fps, 0)
        if not 0 < self.fps < np.inf:
            raise InputError(f"fps: expected a positive number of frames per second, got {fps!r}.")
        self.lag = check_integer("lag", lag, least=0)
        if self.lag > MOST_LAG:
            raise InputError(f"lag: expected at most {MOST_LAG} frames, got {lag}.")
        if dtype not in ("float32", "float64"):
            raise InputError(f"dtype: expected float32 or float64, got {dtype!r}.")
        self._dtype = np.dtype(dtype)
        self.keypoint_layout = keypoint_layout
        self.reset()

    def reset(self) -> None:
        """Forget all frames: the next one is of another person, or after a cut."""
        self._window: Window | None = None
        self._pending: deque[tuple[int | None, dict[str, Any]]] = deque()
        self._last_frame = -1
        self._last_used: int | None = None

    def update(
        self,
        pose: Any,
        betas: Any,
        transl: Any,
        keypoints_2d: Any,
        intrinsics: Any = None,
        *,
        confidence: Any = None,
        image_size: Any = None,
        frame: int | None = None,
        extrinsics: Any = None,
    ) -> RefineResult[np.ndarray] | None:
        """Take the next frame; return that of `lag` frames ago, None if there is none yet.

        Parameters
        ----------
        pose, betas, transl, keypoints_2d, intrinsics, confidence, image_size
            Of a single body, as of :func:`kitro_np.refine`.
        frame : int, optional
            Number of the frame, larger than the last one's; by default the next.
        extrinsics : (4, 4) or (3, 4) array, optional
            From world to camera coordinates.

        Raises
        ------
        InputError
            If an argument is invalid. A body that cannot be refined is no error: its status says so.
        """
        arrays = [np.asarray(part, self._dtype) for part in (pose, betas, transl, keypoints_2d)]
        camera = None if intrinsics is None else np.asarray(intrinsics, self._dtype)
        scores = None if confidence is None else np.asarray(confidence, self._dtype)
        given = Arguments(arrays[0], arrays[1], arrays[2], arrays[3], camera, scores, image_size)
        request = read_request(given, self.body, self.keypoint_layout)
        if request.lead:
            raise InputError(f"pose: expected a single body, got bodies of shape {request.lead}.")
        number = self._last_frame + 1 if frame is None else check_integer("frame", frame, least=0)
        if number <= self._last_frame:
            raise InputError(f"frame: expected a number above {self._last_frame}, got {frame}.")
        place = self._camera_of(extrinsics)
        self._last_frame = number
        model = model_of(request.skeleton, request.layout, cmu_motion_prior(request.skeleton.host))
        refined, diagnostics, scale, gains = most_probable_frames(request, EXECUTION, model.motion, safe=True)
        status = int(refined.status[0])
        alone = {
            "pose": refined.pose[0], "betas": refined.betas[0], "transl": refined.transl[0],
            "reprojection_error": refined.reprojection_error[0], "status": refined.status[0],
            "quality": diagnostics.quality[0], "swapped": diagnostics.swapped[0],
            "turned": diagnostics.turned[0], "noise": diagnostics.noise[0],
            "evidence": diagnostics.evidence[0],
        }  # fmt: skip
        used = status == int(Status.REFINED)
        if used:
            self._last_used = number
        near = self._last_used is not None and number - self._last_used <= FILL_SECONDS * self.fps
        if status in PLACED and near:
            self._append(request, model, alone, number, float(scale[0]), gains[0], place, used=used)
            self._pending.append((number, alone))
        else:
            self._pending.append((None, alone))
        return self._result() if len(self._pending) > self.lag else None

    def flush(self) -> list[RefineResult[np.ndarray]]:
        """Return the results that are still to come, and :meth:`reset`."""
        results = []
        while self._pending:
            results.append(self._result())
        self.reset()
        return results

    def _append(
        self,
        request: Any,
        model: Any,
        alone: dict[str, Any],
        number: int,
        scale: float,
        gains: np.ndarray,
        place: np.ndarray | None,
        *,
        used: bool,
    ) -> None:
        """Put a frame into the window, and refresh it."""
        if self._window is None:
            self._window = Window(model, self.fps, self._dtype, BEHIND + self.lag)
            self._window.shape[:] = alone["betas"]
        window = self._window
        turned = bool(alone["turned"])
        pose, transl = request.pose.astype(self._dtype), request.transl.astype(self._dtype)
        start = alone["pose"] if used else pose[0]
        if not used and turned:
            start = reflected(request.skeleton.host, pose, transl)[0]
        intrinsics = np.asarray(request.intrinsics[0], self._dtype)
        pixels_per_metre = intrinsics[0, 0] / transl[0, 2] * size_of(request.skeleton.host)
        fitted = int(alone["status"]) in FITTED
        swapped = used and int(alone["swapped"]) == 1 and len(gains)
        confidence = 1.0 if request.confidence is None else request.confidence[0]
        window.image_size = request.image_size
        window.moving = place is not None
        window.append(
            {
                "pose": pose.ravel(), "betas": request.betas[0], "transl": transl[0],
                "keypoints_2d": request.keypoints_2d[0].ravel(), "intrinsics": intrinsics.ravel(),
                "confidence": confidence, "now_pose": start.ravel(),
                "now_transl": alone["transl"] if used else transl[0],
                "extrinsics": 0 if place is None else place,
                "noise": alone["noise"] / pixels_per_metre if fitted else 1.0,
                "scale": scale if fitted else 1.0,
                "side": int(np.argmax(gains)) if swapped else -1,
                "frame": number, "used": used, "turned": turned,
            }
        )  # fmt: skip
        window.refresh(model, landmarks=None)

    def _camera_of(self, extrinsics: Any) -> np.ndarray | None:
        if extrinsics is None:
            return None
        array = np.asarray(extrinsics, self._dtype)
        if array.shape not in ((4, 4), (3, 4)):
            raise InputError(f"extrinsics: expected shape (4, 4) or (3, 4), got {array.shape}.")
        return array[:3].ravel()

    def _result(self) -> RefineResult[np.ndarray]:
        """Return the oldest result that is to come."""
        number, arrays = self._pending.popleft()
        arrays = dict(arrays)
        window = self._window
        if number is not None and window is not None:
            row = int(np.searchsorted(window.rows["frame"][: window.count], number))
            pose, transl = window.rows["now_pose"][row].copy(), window.rows["now_transl"][row].copy()
            if np.isfinite(pose).all() and np.isfinite(transl).all() and transl[2] > 0:
                arrays |= {"pose": pose.reshape(-1, 3, 3), "transl": transl}
                arrays["betas"] = window.shape.astype(self._dtype)
                filled = window.rows["used"][row] == 0
                arrays["status"] = np.int8(Status.FILLED if filled else Status.REFINED)
        parts: dict[str, Any] = {name: np.asarray(part) for name, part in arrays.items()}
        return RefineResult(
            **parts, selection=None, path_score=None, method="map", options={}, body=self.body
        )
