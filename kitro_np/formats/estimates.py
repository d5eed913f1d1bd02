"""Estimates, keypoints and ground truth of a file of any format: arrays under the names of KEYS."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arrays.poses import pose_tail
from ..body.model import BodyModel
from ..body.names import name_in
from ..camera import default_intrinsics, with_focal_length
from ..errors import InputError, listed, printable
from ..keypoints.detectors import LAYOUTS
from .refined import ESTIMATE
from .registry import read_arrays

KEYS = {
    "pose": (f"{ESTIMATE}pose", "pose", "pred_theta"),
    "betas": (f"{ESTIMATE}betas", "betas", "pred_beta"),
    "transl": (f"{ESTIMATE}transl", "transl", "pred_cam"),
    "keypoints_2d": ("keypoints_2d",),
    "intrinsics": ("intrinsics",),
}
"""Keys of each array: of a complete result, of this package's files, then of the KITRO authors' data."""

TRUTH_KEYS = ("GT_theta", "GT_pose", "GT_beta", "GT_cam", "GT_focal")
"""Keys of the ground truth."""


def _own(keys: tuple[str, ...]) -> list[str]:
    """Return the keys that a message names: not those of complete results, which have all."""
    return [key for key in keys if not key.startswith(ESTIMATE)]


class Estimates(NamedTuple):
    """Arguments of :func:`kitro_np.refine`, unchanged from the file; intrinsics may be missing."""

    pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray
    keypoints_2d: np.ndarray
    intrinsics: np.ndarray | None

    def lead(self, num_joints: int) -> tuple[int, ...]:
        """Leading shape for a body of `num_joints` joints: () for a single body, (N,) for a clip."""
        tail = pose_tail(self.pose.shape, num_joints)
        return self.pose.shape[: self.pose.ndim - len(tail)]

    def with_camera(
        self, intrinsics: Any = None, image_size: Any = None, focal_length: Any = None
    ) -> Estimates:
        """Return these estimates with a camera that is given; the focal length alone converts their own."""
        own = self if intrinsics is None else self._replace(intrinsics=intrinsics)
        if intrinsics is None and image_size is not None:
            return own._replace(intrinsics=default_intrinsics(image_size, focal_length))
        if focal_length is None:
            return own
        assert own.intrinsics is not None  # they are needed where no other camera is given
        return own._replace(**with_focal_length(own.intrinsics, own.transl, focal_length)._asdict())


class TrueBodies(NamedTuple):
    """True pose, as rotation matrices or axis-angle vectors, and true betas."""

    pose: np.ndarray
    betas: np.ndarray


class Tracks(NamedTuple):
    """Which bodies are one person in consecutive frames of a video.

    Attributes
    ----------
    track : (N,) array of int64
        Track of each body, flattened from the leading shape; texts are numbered, see :func:`numbered`.
    frame : (N,) array of int64
        Frame of each body; where the file says none, its place in its track.
    fps : float or None
        Frames per second.
    extrinsics : (N, 3, 4) or (N, 4, 4) array or None
        From world to camera, in metres; None where the camera rests or is not known.
    """

    track: np.ndarray
    frame: np.ndarray
    fps: float | None
    extrinsics: np.ndarray | None = None


def numbered(labels: np.ndarray) -> np.ndarray:
    """Return integers as they are, in int64, and texts by their number in alphabetical order, from 1."""
    if labels.dtype.kind != "U":
        return labels.astype(np.int64)
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int64) + 1


class CameraTruth(NamedTuple):
    """True translation (..., 3) in metres, and the true focal length (...) in pixels, if it is known."""

    transl: np.ndarray
    focal_length: np.ndarray | None


class EstimateFile:
    """A file of estimates; arrays are read on access, pickled objects never.

    Parameters
    ----------
    path : path

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is damaged, or has no known format; see :mod:`kitro_np.formats.registry`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._arrays = read_arrays(self.path)

    @property
    def body_name(self) -> str:
        """Name of the body that estimates and truth are on, the key body; empty if the file says none."""
        return name_in(self._arrays)

    @property
    def layout(self) -> str:
        """Layout of the keypoints, the key layout; empty if the file says none that is known."""
        text = self.get("layout")
        name = "" if text is None or text.dtype.kind != "U" or text.shape else str(text)
        return name if name in LAYOUTS else ""

    def get(self, key: str) -> np.ndarray | None:
        """Read an array of any type; None if the file lacks the key."""
        return self._arrays.get(key)

    def estimates(self, keypoints_key: str = "keypoints_2d", *, need_intrinsics: bool = True) -> Estimates:
        """Read the arguments of :func:`kitro_np.refine`; InputError names the missing keys."""
        names = {**KEYS, "keypoints_2d": (keypoints_key,)}
        keys = {name: self._first(choices) for name, choices in names.items()}
        missing = [" or ".join(_own(names[name])) for name, key in keys.items() if key is None]
        if not need_intrinsics and keys["intrinsics"] is None:
            missing.remove("intrinsics")
        if missing:
            what = "key" if len(missing) == 1 else "keys"
            raise InputError(f"{self.path}: expected the {what} {', '.join(missing)}, got {self._keys()}.")
        arrays = {name: self._numbers(key) for name, key in keys.items() if key is not None}
        intrinsics = arrays.pop("intrinsics", None)
        return Estimates(**arrays, intrinsics=intrinsics)

    def optional(self, key: str) -> np.ndarray | None:
        """Read an array of numbers, or a mask as 1 and 0; None if the file lacks the key."""
        return self.required(key) if key in self._arrays else None

    def required(self, key: str) -> np.ndarray:
        """Read an array of numbers, or a mask as 1 and 0; InputError if the file lacks the key."""
        if key not in self._arrays:
            raise InputError(f"{self.path}: expected the key {key}, got {self._keys()}.")
        array = self._arrays[key]
        return array.astype(np.float32) if array.dtype == bool else self._numbers(key)

    def truth(self, body: BodyModel, lead: tuple[int, ...]) -> TrueBodies:
        """Read the ground truth, GT_theta or GT_pose and GT_beta, in the estimates' leading shape."""
        key = self._first(("GT_theta", "GT_pose"))
        if key is None or "GT_beta" not in self._arrays:
            raise InputError(
                f"{self.path}: expected ground truth GT_theta or GT_pose, and GT_beta, got {self._keys()}."
            )
        pose, betas = self._numbers(key), self._numbers("GT_beta")
        joints = body.num_joints
        forms = ((*lead, joints, 3, 3), (*lead, joints, 3), (*lead, 3 * joints))
        if pose.shape not in forms:
            raise InputError(
                f"{self.path}: {key}: expected shape {' or '.join(map(str, forms))}, got {pose.shape}."
            )
        if betas.shape[:-1] != lead or not betas.ndim or betas.shape[-1] > body.num_betas:
            raise InputError(
                f"{self.path}: GT_beta: expected shape {(*lead, body.num_betas)}, got {betas.shape}."
            )
        return TrueBodies(pose, betas)

    def camera_truth(self, lead: tuple[int, ...]) -> CameraTruth | None:
        """Read the true translation, GT_cam, and focal length, GT_focal, if any; None without GT_cam."""
        transl, focal = self.optional("GT_cam"), self.optional("GT_focal")
        if transl is None:
            return None
        if transl.shape != (*lead, 3):
            raise InputError(f"{self.path}: GT_cam: expected shape {(*lead, 3)}, got {transl.shape}.")
        if focal is not None and focal.shape not in ((), lead):
            raise InputError(f"{self.path}: GT_focal: expected shape () or {lead}, got {focal.shape}.")
        return CameraTruth(transl, None if focal is None else np.broadcast_to(focal, lead))

    def tracks(self, lead: tuple[int, ...]) -> Tracks | None:
        """Read the tracks of a video; None if the file has none.

        They are the keys track or person, and frame and fps, which may be missing.

        Parameters
        ----------
        lead : tuple of int
            Leading shape of the estimates.
        """
        key = self._first(("track", "person"))
        if key is None:
            return None
        track, frame = self.labels(key, lead), self.one_each("frame", lead)
        assert track is not None
        order = np.argsort(track, kind="stable") if frame is None else np.lexsort((frame, track))
        ordered = track[order]
        if frame is None:
            frame = np.empty_like(track)
            frame[order] = np.arange(len(track)) - np.searchsorted(ordered, ordered)
        same = (ordered[1:] == ordered[:-1]) & (frame[order][1:] == frame[order][:-1])
        if same.any():
            row = order[same.argmax()]
            whose = self._arrays[key].ravel()[row]
            raise InputError(
                f"{self.path}: frame: expected each frame once in a track, "
                f"got {frame[row]} twice in {key} {printable(whose)}."
            )
        return Tracks(track, frame, self.fps)

    def sequences(self, lead: tuple[int, ...]) -> np.ndarray:
        """Read the name of each body's sequence, flattened from the leading shape `lead`.

        It is the key sequence or clip, or the folder of the key imagename or imgname.
        """
        keys = ("sequence", "clip", "imagename", "imgname")
        key = self._first(keys)
        if key is None:
            raise InputError(f"{self.path}: expected one of the keys {', '.join(keys)}, got {self._keys()}.")
        names = self._arrays[key]
        if names.shape != lead:
            raise InputError(f"{self.path}: {key}: expected shape {lead}, got {names.shape}.")
        names = names.astype(str).ravel()
        return names if key in keys[:2] else np.array([name.rpartition("/")[0] for name in names.tolist()])

    def integers(self, key: str) -> np.ndarray | None:
        """Read integers, such as the frame of each body, flattened; None if the file lacks the key."""
        if key not in self._arrays:
            return None
        array = self._arrays[key]
        if array.dtype.kind not in "iu":
            raise InputError(f"{self.path}: {key}: expected integers, got dtype {array.dtype}.")
        return array.ravel()

    def one_each(self, key: str, lead: tuple[int, ...]) -> Any:
        """Read an integer for each body, flattened; None if the file lacks the key."""
        array = self.integers(key)
        if array is None:
            return None
        if (shape := self._arrays[key].shape) != lead:
            raise InputError(f"{self.path}: {key}: expected shape {lead}, got {shape}.")
        return array.astype(np.int64)

    def labels(self, key: str, lead: tuple[int, ...]) -> np.ndarray | None:
        """Read an integer or a text for each body, flattened and :func:`numbered`; None without the key."""
        array = self._arrays.get(key)
        if array is None:
            return None
        if array.dtype.kind not in "iuU":
            raise InputError(f"{self.path}: {key}: expected integers or texts, got dtype {array.dtype}.")
        if array.shape != lead:
            raise InputError(f"{self.path}: {key}: expected shape {lead}, got {array.shape}.")
        return numbered(array).ravel()

    @property
    def fps(self) -> float | None:
        """Frames per second, the key fps; None if the file does not say."""
        array = self.optional("fps")
        if array is None:
            return None
        if array.size != 1 or not 0 < array.item() < math.inf:
            got = f"{array.item():g}" if array.size == 1 else f"shape {array.shape}"
            raise InputError(f"{self.path}: fps: expected a positive number, got {got}.")
        return float(array.item())

    def _first(self, keys: tuple[str, ...]) -> str | None:
        return next((key for key in keys if key in self._arrays), None)

    def _keys(self) -> str:
        return listed(self._arrays)

    def _numbers(self, key: str) -> np.ndarray:
        array = self._arrays[key]
        if array.dtype.kind not in "fiu":
            raise InputError(f"{self.path}: {key}: expected an array of numbers, got dtype {array.dtype}.")
        return array
