"""Read a sequence of 3DPW's (.pkl): true bodies in camera space; nothing that the file names is run.

What the file holds, as its readme and SPIN's preprocessing have it: bodies in the world, for each person a
pose (T, 72), betas (10 or, all further ones zero, 300) and a translation (T, 3); for each frame the motion
from the world into the camera. Frames are those of the images, named by their index, at 30 Hz. Bodies are
SMPL's of their gender.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays.rotations import matrix_from_axis_angle, norm
from ..body import BodyModel
from ..body.families import SMPL
from ..errors import InputError
from ..safe_io.pickle_stream import PickledArrays, read_dict
from .registry import Format

__all__ = ["FORMAT", "SequenceTruth", "read_3dpw"]

GENDERS = {"f": "female", "m": "male"}

SMPL_JOINTS = len(SMPL.parents)

_KEYS_OF_A_PERSON = ("poses", "betas", "trans", "jointPositions", "poses2d", "campose_valid", "genders")
_KEYS_OF_ALL = ("sequence", "cam_poses", "cam_intrinsics")

_MAX_PEOPLE = 16  # 3DPW has one or two; a small forged file could repeat one a million times


@dataclass(frozen=True)
class SequenceTruth:
    """True bodies of a sequence in camera space: all frames of the first person, then of the next.

    Attributes
    ----------
    name : str
    genders : tuple of str
        "female" or "male", of each person.
    intrinsics : (3, 3) array
        In pixels.
    person, frame : (N,) array of int
        Of each body.
    valid : (N,) array of bool
        Whether the camera was aligned with the image there; elsewhere bodies may be anywhere.
    pose : (N, 24, 3, 3) array
        Local rotations; the root's is the camera's.
    betas : (N, S) array
        Of the body of the person's gender.
    transl : (N, 3) array
        In metres, for that body: what kitro_np and SMPL add to everything.
    joints : (N, 24, 3) array
        As the file has them, whatever the body: those of the right body come as near as its rounding.
    keypoints_2d : (N, 18, 2) array
        Detected, in OpenPose's order of 18: nose, neck, right arm, left arm, right leg, left leg, eyes, ears.
    confidence : (N, 18) array
        Of the keypoints: 0 where there is none.
    """

    name: str
    genders: tuple[str, ...]
    intrinsics: np.ndarray
    person: np.ndarray
    frame: np.ndarray
    valid: np.ndarray
    pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray
    joints: np.ndarray
    keypoints_2d: np.ndarray
    confidence: np.ndarray

    def __len__(self) -> int:
        return len(self.pose)

    @property
    def image_names(self) -> list[str]:
        """Name of each body's image below 3DPW's folder imageFiles."""
        return [f"{self.name}/image_{frame:05d}.jpg" for frame in self.frame.tolist()]

    def take(self, rows: Any) -> SequenceTruth:
        """Return the bodies of these rows: numbers, a slice or a mask."""
        shared = ("name", "genders", "intrinsics")
        own = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name not in shared}
        return replace(self, **own)

    def rows_of(self, count: int, person: Any = None, frame: Any = None) -> np.ndarray:
        """Find which bodies of a whole sequence so many estimates are of.

        Parameters
        ----------
        count : int
            How many estimates there are. If nothing else is known of them, they are all bodies or the valid
            ones, in order.
        person, frame : (N,) array of int, optional
            Of each estimate; the person may be left out if there is but one.

        Returns
        -------
        (N,) array of int

        Raises
        ------
        InputError
            If they cannot be of this sequence.
        """
        people, frames = len(self.genders), len(self) // len(self.genders)
        if frame is None:
            for rows in (np.flatnonzero(self.valid), np.arange(len(self))):
                if len(rows) == count:
                    return rows
            raise InputError(
                f"estimates: expected all {len(self)} bodies of {self.name}, the {int(self.valid.sum())} "
                f"valid ones, or the keys person and frame, got {count} bodies."
            )
        if person is None and people > 1:
            raise InputError(f"person: expected one for each estimate, {self.name} has {people}, got none.")
        person = np.zeros_like(frame) if person is None else person
        for name, numbers, limit in (("person", person, people), ("frame", frame, frames)):
            if len(numbers) != count or not np.all((numbers >= 0) & (numbers < limit)):
                raise InputError(
                    f"{name}: expected {count} numbers below {limit}, those that {self.name} has, "
                    f"got {len(numbers)} from {min(numbers, default=0)} to {max(numbers, default=0)}."
                )
        return person.astype(np.int64) * frames + frame.astype(np.int64)

    def farthest(self, bodies: Mapping[str, BodyModel]) -> float:
        """How far the bodies' joints are from the file's own at most, in metres, over valid bodies.

        It is far more than a file's rounding where these are not the bodies that the sequence was made with.
        """
        gap = 0.0
        for number, gender in enumerate(self.genders):
            own = self.take(self.valid & (self.person == number))
            joints = bodies[gender].joints(own.pose, own.betas, own.transl)
            gap = max(gap, float(np.max(norm(joints - own.joints), initial=0)))
        return gap


def read_3dpw(path: str | os.PathLike[str], body: BodyModel | Mapping[str, BodyModel]) -> SequenceTruth:
    """Read a sequence file of 3DPW's as bodies in camera space.

    Parameters
    ----------
    path : path
        A .pkl of sequenceFiles.
    body : BodyModel, or dict of str to BodyModel
        SMPL's bodies under "female" and "male"; a single one stands for both. As many betas are kept as it
        has, and its root joint is what bodies turn about.

    Returns
    -------
    SequenceTruth

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is no such file, lacks something, its arrays do not fit one another, or there is no body for a
        person's gender.

    Notes
    -----
    SMPL turns about its root joint J_0, not about the origin. With the camera at x' = R x + t_cam, a body
    with root rotation R_0 and translation t becomes one with R R_0 and t' = R (t + J_0) + t_cam - J_0.
    """
    file = _SequenceFile(Path(path))
    cameras = file.array("cam_poses", (None, 4, 4))
    frames = len(cameras)
    people = [_person(file, number, cameras, body) for number in range(file.people)]
    joined = {name: np.concatenate([one[name] for one in people]) for name in people[0] if name != "gender"}
    return SequenceTruth(
        name=file.text("sequence"),
        genders=tuple(one["gender"] for one in people),
        intrinsics=file.array("cam_intrinsics", (3, 3)),
        person=np.repeat(np.arange(file.people), frames),
        frame=np.tile(np.arange(frames), file.people),
        **joined,
    )


def _person(
    file: _SequenceFile, number: int, cameras: np.ndarray, body: BodyModel | Mapping[str, BodyModel]
) -> dict[str, Any]:
    """Read one person, moved into the camera."""
    frames = len(cameras)
    letter = file.text(f"genders[{number}]")
    gender = GENDERS.get(letter)
    if gender is None:
        raise InputError(f"{file.path}: genders[{number}]: expected 'f' or 'm', got {letter[:20]!a}.")
    if not isinstance(body, BodyModel):
        if gender not in body:
            raise InputError(f"body: expected one for {gender!r}, got {', '.join(body) or 'none'}.")
        body = body[gender]
    if body.num_joints != SMPL_JOINTS:
        raise InputError(f"body: expected SMPL's {SMPL_JOINTS} joints, got {body.num_joints}.")
    vectors, positions = (
        file.array(f"{key}[{number}]", (frames, 3 * SMPL_JOINTS)).reshape(frames, SMPL_JOINTS, 3)
        for key in ("poses", "jointPositions")
    )
    rotation, shift = cameras[:, :3, :3], cameras[:, None, :3, 3]
    pose = matrix_from_axis_angle(vectors)
    pose[:, 0] = rotation @ pose[:, 0]
    betas = file.array(f"betas[{number}]", (None,))[: body.num_betas]
    betas = np.pad(betas, (0, body.num_betas - len(betas)))
    root = body.skeleton.rest_joints(betas[None])[:, :1]
    start = file.array(f"trans[{number}]", (frames, 3))[:, None] + root
    detected = file.array(f"poses2d[{number}]", (frames, 3, 18))
    return {
        "gender": gender,
        "pose": pose,
        "betas": np.tile(betas, (frames, 1)),
        "transl": (start @ rotation.swapaxes(1, 2) + shift - root)[:, 0],
        "joints": positions @ rotation.swapaxes(1, 2) + shift,
        "keypoints_2d": detected[:, :2].swapaxes(1, 2),
        "confidence": detected[:, 2],
        "valid": file.array(f"campose_valid[{number}]", (frames,)) != 0,
    }


class _SequenceFile:
    """The pickled dict, where poses[1] names what it has of the second person."""

    def __init__(self, path: Path) -> None:
        self.path = path
        top = read_dict(path, "3DPW sequence")
        missing = [key for key in (*_KEYS_OF_A_PERSON, *_KEYS_OF_ALL) if key not in top]
        if missing:
            raise InputError(
                f"{path}: expected the keys {', '.join(missing)} of a 3DPW sequence, "
                f"got {', '.join(ascii(key[:40]) for key in top) or 'none'}."
            )
        values = {key: top[key] for key in _KEYS_OF_ALL}
        self.people = len(poses) if isinstance(poses := top["poses"], list) else 0
        for key in _KEYS_OF_A_PERSON:
            items = top[key]
            if not isinstance(items, list) or not items or len(items) != self.people:
                got = f"{len(items)}" if isinstance(items, list) else "no list"
                raise InputError(f"{path}: {key}: expected a list, one for each person in poses, got {got}.")
            values.update((f"{key}[{number}]", item) for number, item in enumerate(items))
        if self.people > _MAX_PEOPLE:
            raise InputError(f"{path}: expected at most {_MAX_PEOPLE} people, got {self.people}.")
        self.arrays = PickledArrays(path, values)

    def array(self, key: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """Read an array of numbers as float64; None in the shape stands for any length."""
        array = self.arrays[key]
        if array.dtype.kind not in "fiub":
            raise InputError(f"{self.path}: {key}: expected numbers, got dtype {array.dtype}.")
        if len(array.shape) != len(shape) or any(
            want not in (None, got) for want, got in zip(shape, array.shape, strict=True)
        ):
            expected = ", ".join("any" if size is None else str(size) for size in shape)
            raise InputError(f"{self.path}: {key}: expected shape ({expected}), got {array.shape}.")
        return array.astype(np.float64)

    def text(self, key: str) -> str:
        """Read a text."""
        text = self.arrays[key]
        if text.shape or text.dtype.kind not in "SU":
            raise InputError(f"{self.path}: {key}: expected a text, got an array of {text.dtype}.")
        return str(text.astype(str))


def is_3dpw(path: Path) -> bool:
    """Whether a file is a pickle that names what only 3DPW's sequences have; it is not parsed for that."""
    with open(path, "rb") as file:
        if file.read(1) not in (b"\x80", b"("):
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return all(content.find(key) >= 0 for key in (b"campose_valid", b"cam_poses"))


def _read_arrays(path: Path) -> PickledArrays:
    return _SequenceFile(path).arrays


FORMAT = Format("3DPW", (".pkl",), is_3dpw, _read_arrays)
