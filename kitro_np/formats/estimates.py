"""Read estimates, keypoints and ground truth from an .npz file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..body.archives import NpzArrays
from ..errors import InputError
from ..geometry import matrix_from_axis_angle

KEYS = {
    "pose": ("pose", "pred_theta"),
    "betas": ("betas", "pred_beta"),
    "transl": ("transl", "pred_cam"),
    "keypoints_2d": ("keypoints_2d",),
    "intrinsics": ("intrinsics",),
}
"""Names of each array: this package's, then that of the KITRO authors' data."""


class Estimates(NamedTuple):
    """Arguments of :func:`kitro_np.refine`, as they are in the file; intrinsics may be missing."""

    pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray
    keypoints_2d: np.ndarray
    intrinsics: np.ndarray | None


class Truth(NamedTuple):
    """True pose as rotation matrices (N, J, 3, 3), and true betas (N, S)."""

    pose: np.ndarray
    betas: np.ndarray


class EstimateFile:
    """An .npz file of estimates; arrays are read when asked for, and objects never.

    Parameters
    ----------
    path : path

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is no .npz file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise FileNotFoundError(f"{path}: expected an .npz file, there is none.")
        # A clip may be of any length.
        self._arrays = NpzArrays(self.path, max_elements=None)

    def estimates(self, keypoints_key: str = "keypoints_2d", *, need_intrinsics: bool = True) -> Estimates:
        """Read what :func:`kitro_np.refine` needs; InputError names the keys that are missing."""
        names = {**KEYS, "keypoints_2d": (keypoints_key,)}
        found: dict[str, Any] = {key: self._first(choices) for key, choices in names.items()}
        missing = [" or ".join(names[k]) for k, name in found.items() if name is None]
        if not need_intrinsics and found["intrinsics"] is None:
            missing.remove("intrinsics")
        if missing:
            has = ", ".join(self._arrays) or "none"
            raise InputError(f"{self.path}: expected the keys {', '.join(missing)}, got {has}.")
        arrays: dict[str, Any] = {k: None if name is None else self._read(name) for k, name in found.items()}
        return Estimates(**arrays)

    def truth(self) -> Truth:
        """Read the ground truth: GT_theta or GT_pose, and GT_beta."""
        name = self._first(("GT_theta", "GT_pose"))
        if name is None or "GT_beta" not in self._arrays:
            has = ", ".join(self._arrays) or "none"
            raise InputError(
                f"{self.path}: expected ground truth GT_theta or GT_pose, and GT_beta, got {has}."
            )
        pose = self._read(name)
        if pose.shape[-2:] != (3, 3) or pose.ndim != 4:
            if pose.ndim < 2 or pose.size % 3:
                raise InputError(
                    f"{self.path}: {name}: expected shape (N, 24, 3, 3) or (N, 72), got {pose.shape}."
                )
            pose = matrix_from_axis_angle(pose.reshape(len(pose), -1, 3))
        return Truth(pose, self._read("GT_beta"))

    def _first(self, names: tuple[str, ...]) -> str | None:
        return next((name for name in names if name in self._arrays), None)

    def _read(self, name: str) -> Any:
        array = self._arrays[name]
        if array.dtype.kind not in "fiu":
            raise InputError(f"{self.path}: {name}: expected an array of numbers, got dtype {array.dtype}.")
        return array
