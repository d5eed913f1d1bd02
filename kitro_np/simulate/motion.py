"""Motion: real poses to sample from, or recordings to cut tracks from, embedded or from a file."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from ..arrays.arguments import real_array
from ..arrays.rotations import axis_angle_from_matrix, matrix_from_axis_angle
from ..errors import InputError, listed
from ..safe_io.npz import NpzArrays

AMASS_RATES = ("mocap_framerate", "mocap_frame_rate")
"""Keys of the frame rate in AMASS' files, of SMPL-H and of SMPL-X."""

RATES = (*AMASS_RATES, "fps")

Z_TO_Y = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""Rotation from z up to y up."""


@dataclass(frozen=True)
class Motion:
    """Poses of people in world coordinates with y up, as in mocap.

    Parameters
    ----------
    poses : (M, J, 3), (M, 3 J) or (M, J, 3, 3) array
        Axis-angle vectors in radians, or rotation matrices, of SMPL's joints.
    clips, categories : (M,) arrays of str, optional
        Recording of each pose, and the activity in it.
    notice : str
        Licence notice of the recordings, copied into files that contain these poses.
    fps : float, optional
        Frames per second where consecutive poses are consecutive frames; None for isolated poses.
    path : (M, 3) array, optional
        The pelvis in metres, for frames; by default it stays where it is.
    lengths : (R,) array of int, optional
        Frames of each recording; by default a recording ends where `clips` change.

    Raises
    ------
    InputError
        If `fps` is not positive, or `path` or `lengths` do not fit the poses.
    """

    poses: np.ndarray
    clips: np.ndarray | None = None
    categories: np.ndarray | None = None
    notice: str = ""
    fps: float | None = None
    path: np.ndarray | None = None
    lengths: np.ndarray | None = None

    def __post_init__(self) -> None:
        count = np.shape(self.poses)[0] if np.ndim(self.poses) else 0
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise InputError(f"fps: expected a positive number, got {self.fps:g}.")
        if self.path is not None and np.shape(self.path) != (count, 3):
            raise InputError(f"path: expected shape {(count, 3)}, got {np.shape(self.path)}.")
        if self.path is not None and not np.isfinite(self.path).all():
            raise InputError("path: expected finite numbers, got NaN or infinity.")
        if self.lengths is not None and (np.min(self.lengths) < 1 or np.sum(self.lengths) != count):
            raise InputError(f"lengths: expected {count} frames in all, got {np.sum(self.lengths)}.")

    def recordings(self) -> list[slice]:
        """Return the rows of each recording."""
        if self.lengths is not None:
            ends = np.cumsum(self.lengths)
        else:
            clips = self.labels(np.arange(len(self.poses)))[0]
            ends = np.append(np.flatnonzero(clips[1:] != clips[:-1]) + 1, len(clips))
        return [slice(start, end) for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)]

    def labels(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Clips and categories of the poses with these indices; empty text if unknown."""
        unknown = np.zeros(len(self.poses), dtype="U1")
        clips, categories = (
            unknown if labels is None else labels for labels in (self.clips, self.categories)
        )
        return clips[indices], categories[indices]


def cmu_poses() -> Motion:
    """Read the embedded poses: 989 from 29 clips (CMU mocap, accurate to 0.06 degrees)."""
    with as_file(files("kitro_np") / "data" / "cmu_poses.npz") as path:
        return read_motion(path)


def cmu_recordings() -> Motion:
    """Read the embedded recordings: 18 of 14 clips, 2069 frames (CMU mocap, accurate to 0.01 degrees)."""
    with as_file(files("kitro_np") / "data" / "cmu_motion.npz") as path:
        arrays = NpzArrays(path, max_elements=None)
    degrees, metres = arrays["units"].tolist()
    lengths = arrays["lengths"]
    ends = np.cumsum(lengths)[:-1]
    pose, place = (
        # Sums in 16 bits undo the wrap-around of the steps.
        np.concatenate([part.cumsum(axis=0, dtype=np.int16) for part in np.split(arrays[key], ends)])
        for key in ("pose_steps", "path_steps")
    )
    clips, categories = (np.repeat(arrays[key], lengths) for key in ("clips", "categories"))
    return Motion(
        np.radians(degrees * pose),
        clips,
        categories,
        str(arrays["LICENSE"]),
        fps=float(arrays["fps"]),
        path=metres * place,
        lengths=lengths,
    )


def read_motion(path: str | os.PathLike[str]) -> Motion:
    """Read an .npz file with the key ``poses``, and optionally ``clips``, ``categories`` and ``LICENSE``.

    With ``fps`` the poses are consecutive frames, unless the file has ``frames``, their numbers; ``trans`` is
    then the path. Files as in AMASS, which have the key ``mocap_framerate`` or ``mocap_frame_rate``, are
    turned from z up to y up.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is no .npz file, has no ``poses``, not one label for each pose, or no valid frame rate or path.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected an .npz file of poses, got none.")
    arrays = NpzArrays(path, max_elements=None)
    if "poses" not in arrays:
        raise InputError(f"{path}: expected the key poses, got {listed(arrays)}.")
    poses = real_array(f"{path}: poses", arrays["poses"])
    for name in ("clips", "categories"):
        if name in arrays and arrays[name].shape != poses.shape[:1]:
            raise InputError(f"{path}: {name}: expected shape {poses.shape[:1]}, got {arrays[name].shape}.")
    clips, categories = arrays.get("clips"), arrays.get("categories")
    notice = str(arrays["LICENSE"]) if "LICENSE" in arrays else ""
    rate = next((key for key in RATES if key in arrays), None)
    if rate is None or "frames" in arrays:
        return Motion(poses, clips, categories, notice)
    fps = real_array(f"{path}: {rate}", arrays[rate])
    if fps.size != 1:
        raise InputError(f"{path}: {rate}: expected one number, got shape {fps.shape}.")
    trans = real_array(f"{path}: trans", arrays["trans"]) if "trans" in arrays else None
    if rate in AMASS_RATES:
        poses, trans = _y_up(poses), None if trans is None else trans @ Z_TO_Y.T
    return Motion(poses, clips, categories, notice, fps=float(fps.item()), path=trans)


def _y_up(poses: np.ndarray) -> np.ndarray:
    """Turn the root of axis-angle vectors (M, 3 J) or (M, J, 3) from z up to y up; others are left."""
    if poses.ndim not in (2, 3) or not poses.size or poses.shape[-1] % 3:
        return poses
    turned = poses.reshape(len(poses), -1).astype(np.float64)
    turned[:, :3] = axis_angle_from_matrix(Z_TO_Y @ matrix_from_axis_angle(turned[:, :3]))
    return turned.reshape(poses.shape)
