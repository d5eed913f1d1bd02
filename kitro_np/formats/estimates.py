"""Read estimates, keypoints and ground truth from an .npz file, or from a .pt file as the KITRO authors'."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arrays.poses import pose_tail
from ..body.model import BodyModel
from ..errors import InputError
from ..safe_io.npz import NpzArrays
from ..safe_io.torch_zip import TorchArrays, is_torch_file

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

    def lead(self, num_joints: int) -> tuple[int, ...]:
        """Leading shape: () for a single body of so many joints, (N,) for a clip."""
        tail = pose_tail(self.pose.shape, num_joints)
        return self.pose.shape[: self.pose.ndim - len(tail)]


class Truth(NamedTuple):
    """True pose, as rotation matrices or axis-angle vectors, and true betas."""

    pose: np.ndarray
    betas: np.ndarray


class EstimateFile:
    """A file of estimates, .npz or torch's .pt; arrays are read when asked for, and objects never.

    Parameters
    ----------
    path : path

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is neither an .npz file nor one that torch.save wrote.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise FileNotFoundError(f"{path}: expected an .npz or .pt file, there is none.")
        # A clip may be of any length.
        self._arrays: Mapping[str, Any] = (
            TorchArrays(self.path) if is_torch_file(self.path) else NpzArrays(self.path, max_elements=None)
        )

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

    def optional(self, name: str) -> Any:
        """Read an array of numbers, or a mask as 1 and 0; None where there is none of that name."""
        return self.needed(name) if name in self._arrays else None

    def needed(self, name: str) -> Any:
        """Read an array of numbers, or a mask as 1 and 0; InputError says what there is if it is missing."""
        if name not in self._arrays:
            has = ", ".join(self._arrays) or "none"
            raise InputError(f"{self.path}: expected the key {name}, got {has}.")
        mask = self._arrays[name]
        return mask.astype(np.float32) if mask.dtype == bool else self._read(name)

    def truth(self, body: BodyModel, lead: tuple[int, ...]) -> Truth:
        """Read the ground truth, GT_theta or GT_pose and GT_beta, in the estimates' leading shape."""
        name = self._first(("GT_theta", "GT_pose"))
        if name is None or "GT_beta" not in self._arrays:
            has = ", ".join(self._arrays) or "none"
            raise InputError(
                f"{self.path}: expected ground truth GT_theta or GT_pose, and GT_beta, got {has}."
            )
        pose, betas = self._read(name), self._read("GT_beta")
        joints = body.num_joints
        forms = ((*lead, joints, 3, 3), (*lead, joints, 3), (*lead, 3 * joints))
        if pose.shape not in forms:
            raise InputError(
                f"{self.path}: {name}: expected shape {' or '.join(map(str, forms))}, got {pose.shape}."
            )
        if betas.shape[:-1] != lead or not betas.ndim or betas.shape[-1] > body.num_betas:
            raise InputError(
                f"{self.path}: GT_beta: expected shape {(*lead, body.num_betas)}, got {betas.shape}."
            )
        return Truth(pose, betas)

    def sequences(self, lead: tuple[int, ...]) -> np.ndarray:
        """Read the name of each body's sequence, flat, where the estimates' leading shape is `lead`.

        It is in the key sequence or clip, or it is the folder of imagename or imgname.
        """
        keys = ("sequence", "clip", "imagename", "imgname")
        name = self._first(keys)
        if name is None:
            has = ", ".join(self._arrays) or "none"
            raise InputError(f"{self.path}: expected one of the keys {', '.join(keys)}, got {has}.")
        texts = self._arrays[name]
        if texts.shape != lead:
            raise InputError(f"{self.path}: {name}: expected shape {lead}, got {texts.shape}.")
        texts = texts.astype(str).ravel()
        return texts if name in keys[:2] else np.array([text.rpartition("/")[0] for text in texts.tolist()])

    def numbers(self, name: str) -> np.ndarray | None:
        """Read whole numbers, such as the frame of each body, flat; None where the file has none."""
        if name not in self._arrays:
            return None
        array = self._read(name)
        if array.dtype.kind not in "iu":
            raise InputError(f"{self.path}: {name}: expected whole numbers, got dtype {array.dtype}.")
        return array.ravel()

    def _first(self, names: tuple[str, ...]) -> str | None:
        return next((name for name in names if name in self._arrays), None)

    def _read(self, name: str) -> Any:
        array = self._arrays[name]
        if array.dtype.kind not in "fiu":
            raise InputError(f"{self.path}: {name}: expected an array of numbers, got dtype {array.dtype}.")
        return array
