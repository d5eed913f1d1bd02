"""Read a 3DPW sequence (.pkl): true bodies in camera space; nothing that the file names is executed.

Contents, according to the data set's readme and SPIN's preprocessing: bodies in world coordinates, for each
person poses (T, 72), betas (10, or 300 of which the others are zero) and translations (T, 3); for each frame
the transform from world to camera coordinates. Frames are those of the images, named by their index, at
30 Hz. Bodies are SMPL's of the person's gender.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays.rotations import matrix_from_axis_angle, norm
from ..body import BodyModel
from ..body.families import SMPL
from ..errors import InputError, listed, printable
from ..safe_io.memory import Budget
from ..safe_io.pickle_stream import PickledArrays, read_dict
from ..safe_io.refused import RefusedError
from .registry import Format

__all__ = ["FORMAT", "SequenceTruth", "read_3dpw"]

GENDERS = {"f": "female", "m": "male"}

SMPL_JOINTS = len(SMPL.parents)

_PERSON_KEYS = ("poses", "betas", "trans", "jointPositions", "poses2d", "campose_valid", "genders")
_SEQUENCE_KEYS = ("sequence", "cam_poses", "cam_intrinsics")
"""Keys with a list of one item for each person, and keys of the whole sequence."""

_KEYPOINTS = 18
"""Keypoints of OpenPose's COCO layout, in which 3DPW gives detections."""

_MAX_PEOPLE = 16
"""Most people in a sequence: 3DPW has one or two; a small forged file could repeat one a million times."""

_BYTES_PER_BODY = 6000
"""Bytes that a body of a sequence takes while it is read: two and a half times what it takes afterwards."""

_SEARCHED = 2**20
"""Bytes that are searched at once."""


@dataclass(frozen=True)
class SequenceTruth:
    """True bodies of a sequence in camera space: all frames of the first person, then of the next.

    Attributes
    ----------
    name : str
    genders : tuple of str
        "female" or "male", for each person.
    intrinsics : (3, 3) array
        Camera matrix in pixels.
    person, frame : (N,) array of int
        Index of the person and of the frame, for each body.
    valid : (N,) array of bool
        Whether the camera was aligned with the image; otherwise positions of bodies are meaningless.
    pose : (N, 24, 3, 3) array
        Local rotations; the root's is relative to the camera.
    betas : (N, S) array
        Shape coefficients of the body of the person's gender.
    transl : (N, 3) array
        Translation in metres for that body, which kitro_np and SMPL add to joints and vertices.
    joints : (N, 24, 3) array
        Joints stored in the file, in metres; the correct body reproduces them up to rounding.
    keypoints_2d : (N, 18, 2) array
        Detections in OpenPose's COCO order: nose, neck, right arm, left arm, right leg, left leg, eyes, ears.
    confidence : (N, 18) array
        Confidence of the detections; 0 if there is none.
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
        """Path of each body's image in 3DPW's folder imageFiles."""
        return [f"{self.name}/image_{frame:05d}.jpg" for frame in self.frame.tolist()]

    def take(self, rows: Any) -> SequenceTruth:
        """Return the bodies with these indices, or of a slice or mask."""
        shared = ("name", "genders", "intrinsics")
        parts = {f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name not in shared}
        return replace(self, **parts)

    def rows_of(self, count: int, person: Any = None, frame: Any = None) -> np.ndarray:
        """Return the index of the body in this sequence for each of `count` estimates.

        Parameters
        ----------
        count : int
            Number of estimates. Without `frame`, they must be all bodies or all valid ones, in order.
        person, frame : (N,) array of int, optional
            Person and frame of each estimate; a single person can be omitted.

        Returns
        -------
        (N,) array of int

        Raises
        ------
        InputError
            If the estimates do not match this sequence.
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
            raise InputError(
                f"person: expected the person of each estimate, since {self.name} has {people}, got none."
            )
        person = np.zeros_like(frame) if person is None else person
        for name, numbers, limit in (("person", person, people), ("frame", frame, frames)):
            if len(numbers) != count or not np.all((numbers >= 0) & (numbers < limit)):
                raise InputError(
                    f"{name}: expected {count} integers from 0 to {limit - 1}, as {self.name} has, "
                    f"got {len(numbers)} from {min(numbers, default=0)} to {max(numbers, default=0)}."
                )
        return person.astype(np.int64) * frames + frame.astype(np.int64)

    def largest_joint_error(self, bodies: Mapping[str, BodyModel]) -> float:
        """Largest distance of the bodies' joints from those in the file, in metres, over valid bodies.

        It exceeds rounding errors by far if the sequence was made with other bodies.
        """
        largest = 0.0
        for number, gender in enumerate(self.genders):
            truth = self.take(self.valid & (self.person == number))
            joints = bodies[gender].joints(truth.pose, truth.betas, truth.transl)
            largest = max(largest, float(np.max(norm(joints - truth.joints), initial=0)))
        return largest


def read_3dpw(path: str | os.PathLike[str], body: BodyModel | Mapping[str, BodyModel]) -> SequenceTruth:
    """Read a 3DPW sequence file as bodies in camera space.

    Parameters
    ----------
    path : path
        A .pkl of sequenceFiles.
    body : BodyModel, or dict of str to BodyModel
        SMPL bodies for "female" and "male", or one for both. It determines the number of betas, and the root
        joint about which bodies rotate.

    Returns
    -------
    SequenceTruth

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is no 3DPW sequence, lacks a key, its arrays have inconsistent shapes, or there is no body for a
        person's gender.

    Notes
    -----
    SMPL rotates about its root joint J_0, not about the origin. With the camera transform x' = R x + t_cam, a
    body with root rotation R_0 and translation t becomes one with R R_0 and t' = R (t + J_0) + t_cam - J_0.
    """
    file = _SequenceFile(Path(path))
    cameras = file.array("cam_poses", (None, 4, 4))
    frames = len(cameras)
    file.check_memory(frames * file.people)
    people = [_person(file, number, cameras, body) for number in range(file.people)]
    joined = {
        name: np.concatenate([person[name] for person in people]) for name in people[0] if name != "gender"
    }
    return SequenceTruth(
        name=file.text("sequence"),
        genders=tuple(person["gender"] for person in people),
        intrinsics=file.array("cam_intrinsics", (3, 3)),
        person=np.repeat(np.arange(file.people), frames),
        frame=np.tile(np.arange(frames), file.people),
        **joined,
    )


def _person(
    file: _SequenceFile, number: int, cameras: np.ndarray, body: BodyModel | Mapping[str, BodyModel]
) -> dict[str, Any]:
    """Read one person, in camera space."""
    frames = len(cameras)
    letter = file.text(f"genders[{number}]")
    gender = GENDERS.get(letter)
    if gender is None:
        raise InputError(f"{file.path}: genders[{number}]: expected 'f' or 'm', got {printable(letter)!r}.")
    if not isinstance(body, BodyModel):
        if gender not in body:
            raise InputError(f"body: expected a body for {gender!r}, got {', '.join(body) or 'none'}.")
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
    detections = file.array(f"poses2d[{number}]", (frames, 3, _KEYPOINTS))
    return {
        "gender": gender,
        "pose": pose,
        "betas": np.tile(betas, (frames, 1)),
        "transl": (start @ rotation.swapaxes(1, 2) + shift - root)[:, 0],
        "joints": positions @ rotation.swapaxes(1, 2) + shift,
        "keypoints_2d": detections[:, :2].swapaxes(1, 2),
        "confidence": detections[:, 2],
        "valid": file.array(f"campose_valid[{number}]", (frames,)) != 0,
    }


class _SequenceFile:
    """The pickled dict; its array poses[1], for example, is that of the second person."""

    def __init__(self, path: Path) -> None:
        self.path = path
        top = read_dict(path, "3DPW sequence")
        missing = [key for key in (*_PERSON_KEYS, *_SEQUENCE_KEYS) if key not in top]
        if missing:
            raise InputError(
                f"{path}: expected the keys {', '.join(missing)} of a 3DPW sequence, "
                f"got {listed(map(repr, top))}."
            )
        values = {key: top[key] for key in _SEQUENCE_KEYS}
        self.people = len(poses) if isinstance(poses := top["poses"], list) else 0
        for key in _PERSON_KEYS:
            items = top[key]
            if not isinstance(items, list) or not items or len(items) != self.people:
                got = f"{len(items)}" if isinstance(items, list) else "no list"
                raise InputError(
                    f"{path}: {key}: expected a list with an item for each person in poses, got {got}."
                )
            values.update((f"{key}[{number}]", item) for number, item in enumerate(items))
        if self.people > _MAX_PEOPLE:
            raise InputError(f"{path}: expected at most {_MAX_PEOPLE} people, got {self.people}.")
        self.arrays = PickledArrays(path, values, "sequence")

    def check_memory(self, count: int) -> None:
        """Raise InputError if there are too many bodies: a small file may claim millions."""
        try:
            Budget("sequence").take(count, _BYTES_PER_BODY)
        except RefusedError as reason:
            raise InputError(
                f"{self.path}: poses: expected {reason.expected}, got {reason.got} of {count} bodies."
            ) from None

    def array(self, key: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """Read an array of numbers as float64; None in the shape matches any size."""
        array = self.arrays[key]
        if array.dtype.kind not in "fiub":
            raise InputError(f"{self.path}: {key}: expected numbers, got dtype {array.dtype}.")
        if len(array.shape) != len(shape) or any(
            expected not in (None, size) for expected, size in zip(shape, array.shape, strict=True)
        ):
            sizes = ", ".join("any" if size is None else str(size) for size in shape)
            raise InputError(f"{self.path}: {key}: expected shape ({sizes}), got {array.shape}.")
        return array.astype(np.float64)

    def text(self, key: str) -> str:
        """Read a text."""
        text = self.arrays[key]
        if text.shape or text.dtype.kind not in "SU":
            raise InputError(f"{self.path}: {key}: expected a text, got an array of {text.dtype}.")
        return str(text.astype(str))


def is_3dpw(path: Path) -> bool:
    """Whether a file is a pickle with keys that only 3DPW sequences have; it is searched, not parsed."""
    with open(path, "rb") as file:
        block = file.read(_SEARCHED)
        if block[:1] not in (b"\x80", b"("):
            return False
        missing, end = {b"campose_valid", b"cam_poses"}, b""
        while missing and block:  # not mapped: another program may cut the file meanwhile
            text = end + block
            missing = {key for key in missing if key not in text}
            end = text[-20:]
            block = file.read(_SEARCHED)
        return not missing


def _read_arrays(path: Path) -> PickledArrays:
    return _SequenceFile(path).arrays


FORMAT = Format("3DPW", (".pkl",), is_3dpw, _read_arrays)
