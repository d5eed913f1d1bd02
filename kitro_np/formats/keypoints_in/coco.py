"""COCO's lists of people: results, annotations, and AlphaPose's, which name images and track people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import InputError
from ..people import PeopleKeypoints
from .registry import KeypointFormat
from .rows import Rows
from .source import KeypointsSource, number_frames

ALPHAPOSE, RESULTS, ANNOTATIONS = "AlphaPose", "COCO results", "COCO annotations"


def _is_list(content: Any) -> bool:
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(one, Mapping) and {"image_id", "keypoints"} <= {*one} for one in content)
    )


def is_alphapose(content: Any) -> bool:
    """Whether people are listed with the names of their images."""
    return _is_list(content) and all(isinstance(one["image_id"], str) for one in content)


def is_results(content: Any) -> bool:
    """Whether people are listed with the numbers of their images."""
    return _is_list(content) and not isinstance(content[0]["image_id"], str)


def is_annotations(content: Any) -> bool:
    """Whether this is an annotation file with people's keypoints."""
    return (
        isinstance(content, Mapping)
        and isinstance(content.get("images"), list)
        and isinstance(content.get("annotations"), list)
        and any(isinstance(one, Mapping) and "keypoints" in one for one in content["annotations"])
    )


def read_alphapose(source: KeypointsSource) -> PeopleKeypoints:
    """Read AlphaPose's list; scores of its 17 points may reach 6."""
    rows = Rows(source, ALPHAPOSE)
    content = source.single(ALPHAPOSE)
    names = [one["image_id"] for one in content]
    frames, note = number_frames(names)
    if note:
        source.notes.append(note)
    for one, frame, name in zip(content, frames, names, strict=True):
        person = one.get("idx")
        while isinstance(person, list):  # some versions write [0.0]
            person = person[0] if person else None
        rows.add(frame, one["keypoints"], person=person, box=_box(one.get("box")), name=name)
    return rows.people(columns=3)


def read_results(source: KeypointsSource) -> PeopleKeypoints:
    """Read results, with the names of the annotation file if it is given."""
    rows = Rows(source, RESULTS)
    content = source.single(RESULTS)
    identifiers = [one["image_id"] for one in content]
    if source.annotations is None:
        frames, names = identifiers, [""] * len(identifiers)
        source.notes.append(
            "image_id numbers the frames: the names of the images are in the annotation file (annotations=)."
        )
    else:
        frames, names = _named(source, source.annotations, identifiers)
    for one, frame, name in zip(content, frames, names, strict=True):
        box = _box(one.get("bbox", one.get("box")))
        rows.add(frame, _points(one), person=one.get("track_id"), box=box, name=name)
    return rows.people(columns=3)


def read_annotations(source: KeypointsSource) -> PeopleKeypoints:
    """Read annotations: the third number of a point, 0, 1 or 2, says whether it is marked and seen."""
    rows = Rows(source, ANNOTATIONS)
    content = source.single(ANNOTATIONS)
    marked = [
        one
        for one in content["annotations"]
        if isinstance(one, Mapping) and isinstance(one.get("keypoints"), list) and any(one["keypoints"][2::3])
    ]
    frames, names = _named(source, content, [one.get("image_id") for one in marked])
    for one, frame, name in zip(marked, frames, names, strict=True):
        rows.add(frame, _points(one), person=one.get("track_id"), box=_box(one.get("bbox")), name=name)
    return rows.people(columns=3)


def _named(
    source: KeypointsSource, content: Mapping[str, Any], identifiers: list[Any]
) -> tuple[list[Any], list[str]]:
    """Frames and names of images, of an annotation file; all images count, those without people, too."""
    try:
        files = {image["id"]: str(image["file_name"]) for image in content["images"]}
        names = [files[identifier] for identifier in identifiers]
    except (KeyError, TypeError):
        raise InputError(
            f"{source.name}: image_id: expected images that the annotation file has with id and file_name, "
            "got others."
        ) from None
    if source.image_size is None:
        sizes = {(image.get("width"), image.get("height")) for image in content["images"]}
        if len(sizes) == 1 and all(isinstance(side, (int, float)) and side > 0 for side in (*sizes,)[0]):
            source.image_size = (*sizes,)[0]
    numbers, note = number_frames(list(files.values()))
    if note:
        source.notes.append(note)
    frames = dict(zip(files, numbers, strict=True))
    return [frames[identifier] for identifier in identifiers], names


PARTS = {"foot_kpts": 18, "face_kpts": 204, "lefthand_kpts": 63, "righthand_kpts": 63}
"""Numbers of points beside the body's, in COCO-WholeBody's files."""


def _points(one: Mapping[str, Any]) -> Any:
    """Return the points of a person, those of COCO-WholeBody's 133 if all parts are there."""
    points = one["keypoints"]
    parts = [one.get(key) for key in PARTS]
    whole = isinstance(points, list) and len(points) == 51
    whole &= all(
        isinstance(part, list) and len(part) == size for part, size in zip(parts, PARTS.values(), strict=True)
    )
    return points + [x for part in parts for x in part] if whole else points  # type: ignore[union-attr]


def _box(value: Any) -> list[Any] | None:
    return value if isinstance(value, list) and len(value) == 4 else None


FORMATS = (
    KeypointFormat(ALPHAPOSE, ("image_id", "keypoints", "score", "idx"), is_alphapose, read_alphapose),
    KeypointFormat(RESULTS, ("image_id", "category_id", "keypoints", "score"), is_results, read_results),
    KeypointFormat(ANNOTATIONS, ("images", "annotations", "keypoints"), is_annotations, read_annotations),
)
