"""Labels of data sets, a row for each person: CLIFF's, CameraHMR's and BEDLAM's."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..people import PeopleEstimates, PeopleKeypoints
from .records import Entry, EstimateReader, Options, centred, image_frames, make, rotations, top
from .source import Source


def _people(record: Entry, count: int) -> dict[str, Any]:
    """Image names, and the image and number of each row in it."""
    names = record.texts("imgname")
    if names is None or len(names) != count:
        return {"frame": np.arange(count)}
    frame = image_frames(names)
    return {"frame": frame, "person": _numbers(frame), "image_name": names}


def _numbers(frame: np.ndarray) -> np.ndarray:
    """Give the rows of each frame numbers from 0 on."""
    order = np.argsort(frame, kind="stable")
    ordered = frame[order]
    person = np.empty(len(frame), np.int64)
    person[order] = np.arange(len(frame)) - np.searchsorted(ordered, ordered)
    return person


def _detected(record: Entry, count: int) -> dict[str, Any]:
    """Images and people of CLIFF's demo, by its detections: a row is frame, box, scores and identity.

    imgname is then of all images, not of the rows.
    """
    if "detection_all" not in record:
        return _people(record, count)
    rows = record.numbers("detection_all", (count, None))
    frame, identity = rows[:, 0], rows[:, -1]
    whole = np.array_equal(frame, np.round(frame)) and np.array_equal(identity, np.round(identity))
    if not (rows.shape[1] >= 8 and whole and frame.min(initial=0) >= 0):
        return _people(record, count)
    frame, identity = frame.astype(np.int64), identity.astype(np.int64)
    alone = len(np.unique(np.stack([frame, identity], axis=1), axis=0)) == count
    people = {"frame": frame, "person": identity if alone else _numbers(frame)}
    names = record.texts("imgname")
    if names is not None and len(names) > frame.max(initial=-1):
        people["image_name"] = names[frame]
    return people


def _read_cliff(source: Source, options: Options) -> PeopleEstimates:
    record = Entry(source.name, source.tree)
    pose = rotations(f"{source.name}: pose", record.array("pose"), 24)
    count = len(pose)
    focal = record.numbers("focal_l", (count,), (count, 1), ()).ravel()
    size = options.image_size
    return make(
        source,
        "CLIFF",
        options,
        pose=pose,
        betas=record.numbers("shape", (count, None)),
        transl=record.numbers("global_t", (count, 3), (count, 1, 3)).reshape(count, 3),
        intrinsics=None if size is None else centred(focal, size, count),
        camera="focal length of the file, centre of the image" + ("" if size else ": give image_size"),
        **_detected(record, count),
    )


def _read_camerahmr(source: Source, options: Options) -> PeopleEstimates:
    record = Entry(source.name, source.tree)
    pose = rotations(f"{source.name}: pose", record.array("pose"), 24)
    count = len(pose)
    people = _people(record, count)
    return make(
        source,
        "CameraHMR",
        options,
        pose=pose,
        betas=record.numbers("shape", (count, None)),
        transl=record.numbers("cam_t", (count, 3), (count, 1, 3)).reshape(count, 3),
        intrinsics=_cameras(record, count),
        camera="cam_int of the file",
        keypoints=_openpose(record, "gt_keypoints", people),
        **people,
    )


def _cameras(record: Entry, count: int) -> np.ndarray:
    return np.array(np.broadcast_to(record.numbers("cam_int", (count, 3, 3), (3, 3)), (count, 3, 3)))


def _openpose(record: Entry, key: str, people: dict[str, Any]) -> PeopleKeypoints | None:
    """Keypoints whose first 25 are OpenPose's, if the file has them."""
    if key not in record:
        return None
    array = record.numbers(key)
    if array.ndim != 3 or len(array) != len(people["frame"]) or array.shape[1] < 25 or array.shape[2] != 3:
        return None
    points, confidence = array[:, :25, :2], array[:, :25, 2]
    seen = (confidence > 0) & np.isfinite(points).all(axis=-1)
    return PeopleKeypoints(
        points=np.where(seen[..., None], points, np.nan),
        confidence=np.where(seen, confidence, 0),
        layout="body25",
        frame=people["frame"],
        person=people.get("person"),
        image_name=people.get("image_name"),
        source="with the estimates",
    )


def _read_bedlam(source: Source, options: Options) -> PeopleEstimates:
    record = Entry(source.name, source.tree)
    pose = rotations(f"{source.name}: pose_cam", record.array("pose_cam"))
    count = len(pose)
    extrinsics = record.numbers("cam_ext", (count, 4, 4))
    return make(
        source,
        "BEDLAM",
        options,
        pose=pose,
        betas=record.numbers("shape", (count, None)),
        transl=record.numbers("trans_cam", (count, 3)) + extrinsics[:, :3, 3],
        intrinsics=_cameras(record, count),
        camera="cam_int of the file",
        body={24: "smpl", 52: "smplh", 55: "smplx"}.get(pose.shape[1], ""),
        extrinsics=extrinsics,
        **_people(record, count),
    )


READERS = [
    EstimateReader("CLIFF", ("pose", "shape", "global_t", "focal_l"), top, _read_cliff),
    EstimateReader("CameraHMR", ("pose", "shape", "cam_t", "cam_int"), top, _read_camerahmr),
    EstimateReader("BEDLAM", ("pose_cam", "shape", "trans_cam", "cam_int", "cam_ext"), top, _read_bedlam),
]
