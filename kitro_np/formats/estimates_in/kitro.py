"""Own .npz of this package, and the KITRO authors' .pt: arrays with a row for each body."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...body.names import name_in
from ...safe_io.pickle_arrays import RefusedError
from ...safe_io.pickle_tree import as_array
from ..estimates import numbered
from ..people import PeopleEstimates, PeopleKeypoints
from ..refined import ESTIMATE
from .records import Entry, EstimateReader, Options, image_frames, make, rotations, top
from .source import Source


def _read_own(source: Source, options: Options) -> PeopleEstimates:
    return _read(source, options, "kitro_np", ("pose", "betas", "transl"))


def _read_authors(source: Source, options: Options) -> PeopleEstimates:
    return _read(source, options, "KITRO", ("pred_theta", "pred_beta", "pred_cam"))


def _read(source: Source, options: Options, system: str, keys: tuple[str, str, str]) -> PeopleEstimates:
    record = Entry(source.name, source.tree)
    if f"{ESTIMATE}pose" in record and not options.refined:
        keys = (f"{ESTIMATE}pose", f"{ESTIMATE}betas", f"{ESTIMATE}transl")
    pose_key, betas_key, transl_key = keys
    array = record.array(pose_key)
    single = array.shape in ((72,), (24, 3), (24, 3, 3))
    pose = rotations(f"{source.name}: {pose_key}", array[None] if single else array)
    count = len(pose)
    images = next(
        (texts for key in ("image_name", "imagename", "imgname") if (texts := record.texts(key)) is not None),
        None,
    )
    images = None if images is None or len(images) != count else images
    frame = record.integers("frame", count) if "frame" in record else None
    if frame is None and images is not None:
        frame = image_frames(images)
    whose = next((key for key in ("track", "person") if key in record), None)
    person = None
    if whose is not None:
        names = record.texts(whose)
        person = record.integers(whose, count) if names is None or len(names) != count else numbered(names)
    others: dict[str, Any] = {}
    if "intrinsics" in record:
        intrinsics = record.numbers("intrinsics", (count, 3, 3), (3, 3))
        others = {
            "intrinsics": np.array(np.broadcast_to(intrinsics, (count, 3, 3))),
            "camera": "intrinsics of the file",
        }
    else:
        others["camera"] = "the file holds no intrinsics"
    if "image_size" in record:
        width, height = record.numbers("image_size", (2,)).tolist()
        others["image_size"] = (width, height)
    if "stands_in" in record:
        others["stands_in"] = bool(record.array("stands_in").any())
    if origin := _text(source.tree, "source"):
        others["notes"] = (f"Refined from {origin}.",)
    if "extrinsics" in record:
        others["extrinsics"] = record.numbers("extrinsics", (count, 4, 4))
    if "fps" in record:
        others["fps"] = float(record.numbers("fps").ravel()[0])
    return make(
        source,
        system,
        options,
        pose=pose,
        betas=record.numbers(betas_key, (count, None), (1, None), (None,)),
        transl=record.numbers(transl_key, (count, 3), *([(3,)] if single else [])).reshape(count, 3),
        frame=frame,
        person=person,
        body=_text(source.tree, "body") or ("smpl" if system == "KITRO" else "open"),
        image_name=images,
        keypoints=_keypoints(record, count, frame, images, person),
        **others,
    )


def _text(tree: Any, key: str) -> str:
    if key == "body":
        try:
            return name_in({key: as_array(tree[key])}) if key in tree else ""
        except RefusedError:
            return ""
    value = as_array(tree[key]) if key in tree else np.array("")
    return str(value) if value.dtype.kind == "U" and not value.shape else ""


def _keypoints(
    record: Entry, count: int, frame: np.ndarray | None, images: np.ndarray | None, person: np.ndarray | None
) -> PeopleKeypoints | None:
    if "keypoints_2d" not in record:
        return None
    array = record.numbers(
        "keypoints_2d", (count, None, 2), (count, None, 3), *([(None, 2)] if count == 1 else [])
    )
    array = array.reshape(count, -1, array.shape[-1])
    points = array[..., :2].copy()
    seen = np.isfinite(points).all(axis=-1)
    confidence = array[..., 2] if array.shape[-1] == 3 else seen.astype(np.float64)
    if "confidence" in record:
        confidence = record.numbers("confidence", (count, points.shape[1]), (points.shape[1],))
    confidence = np.where(seen, np.broadcast_to(confidence, seen.shape), 0)
    layout = _text(record.content, "layout") or ("smpl24" if points.shape[1] == 24 else "")
    return PeopleKeypoints(
        points=points,
        confidence=confidence,
        layout=layout,
        frame=np.arange(count) if frame is None else frame,
        person=person,
        image_name=images,
        source="the same file",
    )


READERS = [
    EstimateReader("kitro_np", ("pose", "betas", "transl"), top, _read_own),
    EstimateReader("KITRO", ("pred_theta", "pred_beta", "pred_cam"), top, _read_authors),
]
