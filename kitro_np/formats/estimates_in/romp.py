"""ROMP's and BEV's .npz: the dict `results`, of an image or, for a video, of images.

Their translation comes from a camera of 443.4 pixels on a square of 512; their own 2D joints are orthographic
and agree with it to some pixels only, which refining with keypoints repairs. It moves the body's origin or,
in BEV and with ROMP's --root_align, the middle of its hips: the file's own joints say where the body is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import InputError
from ..people import PeopleEstimates, PeopleKeypoints
from .records import Entry, EstimateReader, Options, base_names, centred, make, root_joints, rotations
from .source import Source

_FOCAL, _SQUARE = 443.4, 512.0

_BETAS = 10


def _frames(tree: Any) -> list[tuple[str, Mapping[Any, Any]]]:
    """Name and results of each image."""
    results = tree["results"] if isinstance(tree, Mapping) and "results" in tree else tree
    if not isinstance(results, Mapping):
        return []
    if "smpl_thetas" in results:
        return [("", results)]
    return [(str(name), value) for name, value in results.items() if isinstance(value, Mapping)]


def _records(tree: Any) -> list[Mapping[Any, Any]]:
    try:
        return [content for _, content in _frames(tree)[:5]]
    except InputError:
        return []


def _transl(record: Entry, count: int, options: Options) -> np.ndarray:
    """Return the translation of the body model: the first of the file's joints is SMPL's root."""
    transl = record.numbers("cam_trans", (count, 3))
    if "joints" not in record:
        return transl
    joints = record.numbers("joints", (count, None, 3))
    betas = record.numbers("smpl_betas", (count, None))[:, :_BETAS]
    return transl + joints[:, 0] - root_joints(betas, options)


def _read(source: Source, options: Options) -> PeopleEstimates:
    parts = []
    frames = _frames(source.tree)
    for number, (name, content) in enumerate(frames):
        if "smpl_thetas" not in content:  # nobody was found
            continue
        record = Entry(f"{source.name}: {name or 'results'}", content)
        pose = rotations(f"{record.name}: smpl_thetas", record.array("smpl_thetas"), 24)
        count = len(pose)
        part = {
            "pose": pose,
            "betas": record.numbers("smpl_betas", (count, None)),
            "transl": _transl(record, count, options),
            "frame": np.full(count, number),
            "person": record.integers("track_ids", count) if "track_ids" in record else np.arange(count),
            "image_name": np.repeat(base_names([name]), count),
        }
        if "pj2d_org" in record:
            part["joints"] = record.numbers("pj2d_org", (count, None, 2))[:, :24]
        parts.append(part)
    notes = ["Its own 2D joints are orthographic: they lie some pixels from those of its translation."]
    if any(np.any(part["betas"][:, _BETAS:]) for part in parts):
        notes.append("The eleventh beta, by which BEV makes children of adults, is left out.")
    for part in parts:
        part["betas"] = part["betas"][:, :_BETAS]
        if any("joints" not in other for other in parts):
            part.pop("joints", None)
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    count = len(joined["pose"])
    joints = joined.pop("joints", None)
    names = joined.pop("image_name")
    size = options.image_size
    return make(
        source,
        "ROMP",
        options,
        **joined,
        image_name=names if names[0] else None,
        intrinsics=None if size is None else centred(_FOCAL / _SQUARE * max(size), size, count),
        camera="focal length 443.4 / 512 of the longer side, centre of the image"
        + ("" if size else ": give image_size"),
        joints_2d=None
        if joints is None
        else PeopleKeypoints(
            points=joints,
            confidence=np.ones(joints.shape[:2]),
            layout="smpl24",
            frame=joined["frame"],
            source="ROMP",
        ),
        notes=tuple(notes),
    )


READER = EstimateReader("ROMP", ("smpl_thetas", "smpl_betas", "cam_trans"), _records, _read)
