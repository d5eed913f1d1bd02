"""Tracker: a person in a live video, refined frame by frame."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from ..api import read_body
from ..arrays.arguments import check_integer, real_array
from ..arrays.interchange import as_numpy
from ..body.load import default_body
from ..body.model import BodyModel
from ..body.skeleton import Skeleton
from ..errors import InputError
from ..keypoints.layouts import KeypointLayout, find_layout
from ..keypoints.visibility import image_bounds
from ..posterior.facing import reflected
from ..posterior.model import PosteriorModel, model_of
from ..posterior.priors import cmu_motion_prior, size_of
from ..posterior.video.plan import FITTED, PLACED
from ..posterior.video.spreads import FILL_SECONDS
from ..refinement.request import Arguments, Request, read_request, skeleton_of
from ..refinement.tracks import USUAL_FPS, check_fps, check_rigid
from ..refinement.validity import Status
from ..result import RefineResult
from .window import BEHIND, Window

MOST_LAG = 10
"""Most frames that a result may come late."""

LAST_FRAME = 2**53
"""Largest number of a frame: exact in float64."""


class Tracker:
    """Refine one person of a live video: one frame in, one frame out.

    The frame is fitted on its own; then what the last frames say of its shape and motion is added, as
    :func:`kitro_np.refine` does for whole videos. It is causal, or comes a few frames late, which is nearly
    as good as that. A bad frame raises nothing: its status says what is wrong. The state, memory of a fixed
    size, can be pickled.

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
        self.body = read_body(body)
        self._skeleton = skeleton_of(self.body)
        self.fps = check_fps(fps)
        self.lag = check_integer("lag", lag, least=0)
        if self.lag > MOST_LAG:
            raise InputError(f"lag: expected at most {MOST_LAG} frames, got {lag}.")
        if dtype not in ("float32", "float64"):
            raise InputError(f"dtype: expected float32 or float64, got {dtype!r}.")
        self._dtype = np.dtype(dtype)
        self.keypoint_layout = find_layout(keypoint_layout, self.body)
        self.reset()

    def reset(self) -> None:
        """Forget all frames: the next one is of another person, or after a cut."""
        self._window: Window | None = None
        self._one: Any = None
        self._place: np.ndarray | None = None
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
            From world to camera coordinates, in every frame or in none; the last ones hold where they are
            not finite.

        Raises
        ------
        InputError
            If an argument is invalid: nothing has changed then, and the next frame can follow.
        """
        request = self._read(pose, betas, transl, keypoints_2d, intrinsics, confidence, image_size)
        number = self._last_frame + 1 if frame is None else check_integer("frame", frame, 0, LAST_FRAME)
        if number <= self._last_frame:
            raise InputError(f"frame: expected a number above {self._last_frame}, got {frame}.")
        place = self._camera_of(extrinsics)
        model = model_of(request.skeleton, request.layout, cmu_motion_prior(request.skeleton.host))
        alone, scale, gains = self._fit_alone(model, request)
        self._last_frame, self._place = number, place
        if self._window is None:
            moving = place is not None
            self._window = Window(model, self.fps, self._dtype, BEHIND + self.lag, moving=moving)
        used = int(alone["status"]) == Status.REFINED
        if used:
            self._last_used = number
        near = self._last_used is not None and number - self._last_used <= FILL_SECONDS * self.fps
        joined = int(alone["status"]) in PLACED and near
        self._pending.append((number if joined else None, alone))
        if joined:
            if not self._window.seen:
                self._window.shape[:] = alone["betas"]
            self._window.append(self._row(request, alone, number, scale, gains, used=used))
            self._window.refresh(model, self.lag + 1)
            if not self._window.is_fine():
                self._start_anew()
        return self._result() if len(self._pending) > self.lag else None

    def flush(self) -> list[RefineResult[np.ndarray]]:
        """Return the results that are still to come, and :meth:`reset`."""
        results = []
        while self._pending:
            results.append(self._result())
        self.reset()
        return results

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: without the default body and working memory."""
        state = {**self.__dict__, "_one": None}
        if self.body is default_body():
            state |= {"body": None, "_skeleton": None}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if state["body"] is None:
            self.body = default_body()
            self._skeleton = skeleton_of(self.body)

    def _read(self, *given: Any) -> Request:
        """Check a frame; one that is refused changes nothing."""
        names = ("pose", "betas", "transl", "keypoints_2d", "intrinsics", "confidence")
        *arrays, image_size = given
        numbers = {name: self._numbers(name, part) for name, part in zip(names, arrays, strict=True)}
        arguments = Arguments(**numbers, image_size=image_size)
        request = read_request(arguments, self.body, self.keypoint_layout, own_camera=True)
        if request.lead:
            raise InputError(f"pose: expected a single body, got bodies of shape {request.lead}.")
        found = request.skeleton.num_betas
        if self._window is not None and found != len(self._window.shape):
            raise InputError(f"betas: expected {len(self._window.shape)} as in the first frame, got {found}.")
        return request

    def _numbers(self, name: str, value: Any) -> np.ndarray | None:
        if value is None:
            return None
        return np.asarray(as_numpy(real_array(name, value)), self._dtype)

    def _camera_of(self, extrinsics: Any) -> np.ndarray | None:
        """Return checked extrinsics (12,); None where the camera rests."""
        if self._window is not None and self._window.moving != (extrinsics is not None):
            first = "with" if self._window.moving else "without"
            raise InputError(
                f"extrinsics: expected a frame {first} them, as the first one, got the opposite."
            )
        array = self._numbers("extrinsics", extrinsics)
        if array is None:
            return None
        if array.shape not in ((4, 4), (3, 4)):
            raise InputError(f"extrinsics: expected shape (4, 4) or (3, 4), got {array.shape}.")
        if np.isfinite(array).all():
            check_rigid(array)
            return array[:3].ravel()
        return np.eye(3, 4, dtype=self._dtype).ravel() if self._place is None else self._place

    def _fit_alone(self, model: PosteriorModel, request: Request) -> tuple[dict[str, Any], float, np.ndarray]:
        """Fit a frame on its own: its result, the scale of the estimate's error, and what exchanges gain."""
        if self._one is None:
            from ..kernels.posterior.run import OneBody

            self._one = OneBody(model, request, self._dtype)
        refined, found = self._one.fit(request)
        alone = {
            "pose": refined.pose[0].reshape(-1, 3, 3).copy(), "betas": refined.betas[0].copy(),
            "transl": refined.transl[0].copy(), "reprojection_error": refined.reprojection_error[0],
            "status": refined.status[0], "quality": found.quality[0], "swapped": found.swapped[0],
            "turned": found.turned[0], "noise": found.noise[0], "evidence": found.evidence[0],
        }  # fmt: skip
        return alone, float(found.scale[0]), found.gains[0]

    def _row(
        self,
        request: Request,
        alone: dict[str, Any],
        number: int,
        scale: float,
        gains: np.ndarray,
        *,
        used: bool,
    ) -> dict[str, Any]:
        """Return a frame as a row of the window."""
        turned = bool(alone["turned"])
        pose, transl = request.pose, request.transl
        start = alone["pose"] if used else pose[0]
        if not used and turned:
            start = reflected(request.skeleton.host, pose, transl)[0]
        intrinsics = request.intrinsics[0]
        pixels_per_metre = intrinsics[0, 0] / transl[0, 2] * size_of(request.skeleton.host)
        fitted = int(alone["status"]) in FITTED
        swapped = used and int(alone["swapped"]) == 1 and len(gains)
        return {
            "pose": pose.ravel(), "betas": request.betas[0], "transl": transl[0],
            "keypoints_2d": request.keypoints_2d.ravel(), "intrinsics": intrinsics.ravel(),
            "confidence": 1.0 if request.confidence is None else request.confidence[0],
            "bounds": image_bounds(request.image_size, request.betas)[0],
            "now_pose": start.ravel(), "now_transl": alone["transl"] if used else transl[0],
            "extrinsics": 0 if self._place is None else self._place,
            "noise": alone["noise"] / pixels_per_metre if fitted else 1.0,
            "scale": scale if fitted else 1.0,
            "side": int(np.argmax(gains)) if swapped else -1,
            "frame": number, "used": used, "turned": turned,
        }  # fmt: skip

    def _start_anew(self) -> None:
        """Leave a window that diverged: its frames come as they are alone, the next one is a first one."""
        self._window, self._last_used = None, None
        self._pending = deque((None, alone) for _, alone in self._pending)

    def _result(self) -> RefineResult[np.ndarray]:
        """Return the oldest result that is to come."""
        number, arrays = self._pending.popleft()
        if number is not None and self._window is not None:
            arrays = self._window.body_of(number, arrays)
        parts: dict[str, Any] = {name: np.asarray(part) for name, part in arrays.items()}
        return RefineResult(
            **parts, selection=None, path_score=None, method="map", options={}, body=self.body
        )
