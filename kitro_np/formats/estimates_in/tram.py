"""TRAM's and JOSH's tracks (hps_track_*.npy): dicts of torch tensors; the camera is in camera.npy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..people import PeopleEstimates
from .records import Entry, EstimateReader, Options, make, rotations, top, values
from .source import Source

_CAMERA = "camera.npy"


def _records(tree: Any) -> list[Mapping[Any, Any]]:
    """Return a track, or the tracks of a folder."""
    return top(tree) + values(tree)


def _read(source: Source, options: Options) -> PeopleEstimates:
    tracks = {"": source.tree} if "pred_rotmat" in source.tree else source.tree
    parts: list[dict[str, np.ndarray]] = []
    for name, content in tracks.items():
        record = Entry(f"{source.name}: {name}" if name else source.name, content)
        pose = rotations(f"{record.name}: pred_rotmat", record.array("pred_rotmat"), 24)
        count = len(pose)
        number = name or ("" if source.path is None else source.path.name)
        digits = "".join(letter for letter in number if letter.isdigit())[:18]
        parts.append(
            {
                "pose": pose,
                "betas": record.numbers("pred_shape", (count, None)),
                "transl": record.numbers("pred_trans", (count, 1, 3), (count, 3)).reshape(count, 3),
                "frame": record.integers("frame", count),
                "person": np.full(count, int(digits) if digits else len(parts)),
            }
        )
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    count = len(joined["pose"])
    beside = source.beside(_CAMERA, f"../{_CAMERA}")
    if beside is None:
        return make(
            source, "TRAM", options, **joined, camera="the file camera.npy beside the tracks is missing"
        )
    camera = Entry(beside.name, beside.tree)
    matrix = np.eye(3)
    matrix[0, 0] = matrix[1, 1] = camera.numbers("img_focal").ravel()[0]
    matrix[:2, 2] = camera.numbers("img_center", (2,), (1, 2)).ravel()
    return make(
        source,
        "TRAM",
        options,
        **joined,
        intrinsics=np.tile(matrix, (count, 1, 1)),
        camera="img_focal and img_center of camera.npy",
        image_size=options.image_size or (2 * float(matrix[0, 2]), 2 * float(matrix[1, 2])),
    )


READER = EstimateReader("TRAM", ("pred_rotmat", "pred_shape", "pred_trans", "frame"), _records, _read)
