"""True bodies of data sets as estimates: EMDB and 3DPW, moved from the world into the camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import InputError
from ..people import PeopleEstimates, PeopleKeypoints
from ..threedpw import GENDERS, read_3dpw
from .motions import into_camera
from .records import Entry, EstimateReader, Options, find_body, make, root_joints, rotations, top
from .source import Source


def _read_emdb(source: Source, options: Options) -> PeopleEstimates:
    record = Entry(source.name, source.tree)
    camera, smpl = record.inner("camera"), record.inner("smpl")
    root = rotations(f"{smpl.name}: poses_root", smpl.array("poses_root"), 1)
    count = len(root)
    rest = rotations(f"{smpl.name}: poses_body", smpl.array("poses_body"), 23)
    betas = smpl.numbers("betas", (None,), (1, None), (count, None))
    betas = np.array(np.broadcast_to(np.atleast_2d(betas), (count, betas.shape[-1])))
    extrinsics = camera.numbers("extrinsics", (count, 4, 4))
    gender = record.content.get("gender", "neutral")
    gender = gender if gender in ("female", "male") else "neutral"
    pose, transl = into_camera(
        np.concatenate([root, rest], axis=1),
        smpl.numbers("trans", (count, 3)),
        root_joints(betas, options, gender=gender),
        extrinsics,
    )
    points = record.numbers("kp2d", (count, 24, 2)) if "kp2d" in record else None
    joints = None
    if points is not None:
        joints = PeopleKeypoints(
            points=points,
            confidence=np.ones((count, 24)),
            layout="smpl24",
            frame=np.arange(count),
            source="EMDB",
        )
    estimates = make(
        source,
        "EMDB",
        options,
        pose=pose,
        betas=betas,
        transl=transl,
        intrinsics=np.tile(camera.numbers("intrinsics", (3, 3)), (count, 1, 1)),
        camera="intrinsics of the file",
        image_size=(float(camera.integers("width")[0]), float(camera.integers("height")[0])),
        extrinsics=extrinsics,
        fps=30.0,
        keypoints=joints,
        joints_2d=joints,
        notes=(f"Bodies are {gender}.",),
    )
    if "good_frames_mask" not in record:
        return estimates
    good = record.numbers("good_frames_mask", (count,)) != 0
    kept = estimates.take(np.flatnonzero(good))
    return kept if joints is None else replace(kept, keypoints=joints.take(np.flatnonzero(good)))


def _read_3dpw(source: Source, options: Options) -> PeopleEstimates:
    if source.path is None:
        raise InputError("estimates: expected the path of a 3DPW sequence, got an object.")
    bodies = {gender: find_body(options, gender=gender) for gender in GENDERS.values()}
    truth = read_3dpw(source.path, bodies)
    truth = truth.take(truth.valid)
    count = len(truth)
    names = np.array(truth.image_names)
    seen = truth.confidence > 0
    return make(
        source,
        "3DPW",
        options,
        pose=truth.pose,
        betas=truth.betas,
        transl=truth.transl,
        frame=truth.frame,
        person=truth.person,
        intrinsics=np.tile(truth.intrinsics, (count, 1, 1)),
        camera="cam_intrinsics of the file",
        image_name=names,
        image_size=(2 * float(truth.intrinsics[0, 2]), 2 * float(truth.intrinsics[1, 2])),
        fps=30.0,
        keypoints=PeopleKeypoints(
            points=np.where(seen[..., None], truth.keypoints_2d, np.nan),
            confidence=np.where(seen, truth.confidence, 0),
            layout="coco18",
            frame=truth.frame,
            person=truth.person,
            image_name=names,
            source="3DPW",
        ),
        notes=(f"Bodies are {' and '.join(truth.genders)}.",),
    )


READERS = [
    EstimateReader("EMDB", ("camera", "smpl", "gender"), top, _read_emdb),
    EstimateReader(
        "3DPW", ("campose_valid", "cam_poses", "poses", "betas", "trans", "genders"), top, _read_3dpw
    ),
]
