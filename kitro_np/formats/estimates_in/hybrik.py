"""HybrIK's res.pk: one dict of stacked arrays; the focal length follows the box and differs by frame.

`transl` is where the root joint is in the camera: the program's bodies have it at their origin.
"""

from __future__ import annotations

import numpy as np

from ..people import PeopleEstimates, PeopleKeypoints
from .records import (
    Entry,
    EstimateReader,
    Options,
    base_names,
    centred,
    image_frames,
    make,
    one_size,
    root_joints,
    rotations,
    top,
)
from .source import Source

_FOCAL, _CROP = 1000.0, 256.0


def _read(source: Source, options: Options) -> PeopleEstimates:
    record = Entry(source.name, source.tree)
    array = record.numbers("pred_thetas")
    pose = rotations(
        f"{source.name}: pred_thetas", array.reshape(len(array), -1) if array.ndim else array, 24
    )
    count = len(pose)
    betas = record.numbers("pred_betas", (count, None))
    root = record.numbers("transl", (count, 3), (count, 1, 3)).reshape(count, 3)
    box = record.numbers("bbox", (count, 4))
    size = np.stack(
        [record.numbers(key, (count,), (count, 1)).ravel() for key in ("width", "height")], axis=1
    )
    names = record.texts("img_path")
    frame = np.arange(count) if names is None else _frames(names)
    return make(
        source,
        "HybrIK",
        options,
        pose=pose,
        betas=betas,
        transl=root - root_joints(betas, options),
        frame=frame,
        intrinsics=centred(_FOCAL / _CROP * (box[:, 2] - box[:, 0]), size, count),
        camera="focal length 1000 / 256 of the box's width, which differs by frame, centre of the image",
        image_size=one_size(size),
        image_name=names,
        joints_2d=_joints(record, box, frame),
    )


def _joints(record: Entry, box: np.ndarray, frame: np.ndarray) -> PeopleKeypoints | None:
    """Return the network's own joints in the image, which are in its box, from -0.5 to 0.5."""
    count = len(box)
    array = record.array("pred_uvd") if "pred_uvd" in record else np.zeros(0)
    if array.dtype.kind != "f" or array.size % (3 * count) or array.size < 72 * count:
        return None
    within = array.reshape(count, -1, 3)[:, :24, :2].astype(np.float64)
    centre, side = (box[:, :2] + box[:, 2:]) / 2, (box[:, 2] - box[:, 0])[:, None, None]
    return PeopleKeypoints(
        points=within * side + centre[:, None],
        confidence=np.ones((count, 24)),
        layout="smpl24",
        frame=frame,
        source="HybrIK",
    )


def _frames(names: np.ndarray) -> np.ndarray:
    """Frames without a person are left out: the number in the name tells, if every name has its own."""
    stems = [name.partition(".")[0] for name in base_names(names).tolist()]
    digits = [stem[len(stem.rstrip("0123456789")) :][-18:] for stem in stems]
    if not all(digits) or len({*digits}) < len({*names.tolist()}):
        return image_frames(names)
    numbers = np.array([int(text) for text in digits], np.int64)
    return numbers - int(numbers.min() > 0)  # ffmpeg counts images from 1


READER = EstimateReader(
    "HybrIK", ("pred_thetas", "pred_betas", "transl", "bbox", "height", "width"), top, _read
)
