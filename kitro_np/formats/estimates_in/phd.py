"""PHD's *_params.pkl or .npz: stacked arrays of one person, in the user's own camera, which is not in it."""

from __future__ import annotations

import numpy as np

from ..people import PeopleEstimates
from .records import Entry, EstimateReader, Options, make, rotations, top
from .source import Source


def _read(source: Source, options: Options) -> PeopleEstimates:
    record = Entry(source.name, source.tree)
    rest = rotations(f"{source.name}: body_pose", record.array("body_pose"), 23)
    count = len(rest)
    root = rotations(f"{source.name}: global_orient", record.array("global_orient"), 1)
    return make(
        source,
        "PHD",
        options,
        pose=np.concatenate([root, rest], axis=1),
        betas=record.numbers("betas", (count, None), (1, None), (None,)),
        transl=record.numbers("camera", (count, 3), (count, 1, 3)).reshape(count, 3),
        camera="the one that was given to the program; the file does not hold it: give intrinsics",
    )


READER = EstimateReader("PHD", ("global_orient", "body_pose", "camera", "betas"), top, _read)
