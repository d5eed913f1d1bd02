"""HybrIK's res.pk: one dict of stacked arrays; the focal length follows the box and differs by frame."""

from __future__ import annotations

import numpy as np

from ..people import PeopleEstimates
from .records import Entry, EstimateReader, Options, centred, make, one_size, rotations, top
from .source import Source

_FOCAL, _CROP = 1000.0, 256.0


def _read(source: Source, options: Options) -> PeopleEstimates:
    record = Entry(source.name, source.tree)
    array = record.numbers("pred_thetas")
    pose = rotations(
        f"{source.name}: pred_thetas", array.reshape(len(array), -1) if array.ndim else array, 24
    )
    count = len(pose)
    box = record.numbers("bbox", (count, 4))
    size = np.stack(
        [record.numbers(key, (count,), (count, 1)).ravel() for key in ("width", "height")], axis=1
    )
    names = record.texts("img_path")
    return make(
        source,
        "HybrIK",
        options,
        pose=pose,
        betas=record.numbers("pred_betas", (count, None)),
        transl=record.numbers("transl", (count, 3), (count, 1, 3)).reshape(count, 3),
        frame=None if names is None else _frames(names),
        intrinsics=centred(_FOCAL / _CROP * (box[:, 2] - box[:, 0]), size, count),
        camera="focal length 1000 / 256 of the box's width, which differs by frame, centre of the image",
        image_size=one_size(size),
        image_name=names,
    )


def _frames(names: np.ndarray) -> np.ndarray:
    """Frames without a person are left out: the number in the name tells, if every name has one."""
    stems = [name.replace("\\", "/").rpartition("/")[2].partition(".")[0] for name in names.tolist()]
    digits = [stem[len(stem.rstrip("0123456789")) :][-18:] for stem in stems]
    if not all(digits):
        return np.arange(len(names))
    numbers = np.array([int(text) for text in digits], np.int64)
    return numbers - int(numbers.min() > 0)  # ffmpeg counts images from 1


READER = EstimateReader(
    "HybrIK", ("pred_thetas", "pred_betas", "transl", "bbox", "height", "width"), top, _read
)
