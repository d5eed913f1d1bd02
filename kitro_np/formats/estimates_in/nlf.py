"""NLF's outputs: a list for each image; translations in metres, joints in millimetres."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import InputError
from ..people import PeopleEstimates, PeopleKeypoints
from .records import Entry, EstimateReader, Options, centred, make, read_array, root_joints, rotations, top
from .source import Source

_FIELD_OF_VIEW = 55.0
"""Degrees, over the longer side of the image, where the caller gave no camera."""

_MM = 1000.0


def _read(source: Source, options: Options) -> PeopleEstimates:
    record = Entry(source.name, source.tree)
    counts = [len(read_array(f"{source.name}: pose", part)) for part in _images(record, "pose")]
    pose = rotations(f"{source.name}: pose", _joined(record, "pose", counts))
    if pose.shape[1] != 24:
        raise InputError(
            f"{source.name}: pose: expected SMPL's 24 joints, got {pose.shape[1]}; use model_name='smpl'."
        )
    betas = _joined(record, "betas", counts).astype(np.float64)
    total = len(pose)
    if "joints3d" in record:
        # The joints are right in every release, the translation is not.
        joints = _joined(record, "joints3d", counts).astype(np.float64).reshape(total, -1, 3)
        transl = joints[:, 0] / _MM - root_joints(betas, options)
    else:
        transl = _joined(record, "trans", counts).astype(np.float64).reshape(total, 3)
    frame = np.repeat(np.arange(len(counts)), counts)
    person = np.concatenate([np.arange(count) for count in counts])
    size = options.image_size
    intrinsics = None
    words = "the camera that NLF was given; by default 55 degrees over the longer side: give image_size"
    if "intrinsic_matrix" in record:
        matrix = record.numbers("intrinsic_matrix", (None, 3, 3), (3, 3)).reshape(-1, 3, 3)
        intrinsics = np.array(
            np.broadcast_to(matrix[0], (total, 3, 3)) if len(matrix) == 1 else matrix[frame]
        )
        words = "intrinsic_matrix of the file"
    elif size is not None:
        focal = max(size) / (2 * np.tan(np.radians(_FIELD_OF_VIEW) / 2))
        intrinsics = centred(focal, size, total)
        words = "55 degrees over the longer side, centre of the image: NLF's default"
    points = _joined(record, "joints2d", counts).astype(np.float64).reshape(total, -1, 2)
    return make(
        source,
        "NLF",
        options,
        pose=pose,
        betas=betas,
        transl=transl,
        frame=frame,
        person=person,
        intrinsics=intrinsics,
        camera=words,
        joints_2d=PeopleKeypoints(
            points=points[:, :24], confidence=np.ones((total, 24)), layout="smpl24", frame=frame, source="NLF"
        )
        if points.shape[1] >= 24
        else None,
    )


def _images(record: Entry, key: str) -> list[Any]:
    value = record.get(key)
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _joined(record: Entry, key: str, counts: list[int]) -> np.ndarray:
    name = f"{record.name}: {key}"
    arrays = [read_array(name, part) for part in _images(record, key)]
    if [len(array) for array in arrays] != counts:
        raise InputError(f"{name}: expected {counts} people in the images, got {[len(a) for a in arrays]}.")
    if any(array.dtype.kind not in "fiu" for array in arrays):
        raise InputError(f"{name}: expected numbers, got others.")
    return np.concatenate(arrays)


READER = EstimateReader("NLF", ("pose", "betas", "trans", "joints3d", "joints2d"), top, _read)
