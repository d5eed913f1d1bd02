"""PHALP's track file, refined: the file that was read, with other bodies in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..camera import CameraEstimate, project, with_focal_length
from ..errors import InputError
from ..formats.estimates_in.phalp import READER
from ..formats.estimates_in.read import read_estimates
from ..formats.estimates_in.source import Source, open_source
from ..formats.people import PeopleEstimates
from ..keypoints.layouts import KeypointLayout, find_layout
from ..matching.refine import RefinedPeople
from ..posterior.projection import place_points, points_on
from ..safe_io.atomic_write import check_output
from ..safe_io.pickle_arrays import RefusedError
from ..safe_io.pickle_tree import as_array
from ..safe_io.pickle_write import write_tree
from .bodies import Bodies, skeleton_of
from .registry import Export

SAME_CENTRE = 0.5
"""Largest difference between principal points that are the same, in pixels."""

Camera: TypeAlias = "CameraEstimate[np.ndarray]"

OWN_POINTS = 44
"""Joints of PHALP that have a place in SPIN's layout: OpenPose's 25 and 19 of data sets."""


def write_phalp(path: Path, bodies: Bodies, force: bool) -> list[Path]:
    """Write the track file that the bodies were read from, with theirs in place of its own."""
    target = check_output(path, force=force)
    given = bodies.given
    if not isinstance(given, RefinedPeople):
        raise InputError(f"bodies: expected what refine_people returns, got {type(given).__name__}.")
    check_original(given.estimates, given.estimates.stands_in)
    original = bodies.options.get("original", given.estimates.path)
    if original is None:
        raise InputError("original: expected PHALP's file that the estimates were read from, got none.")
    source = open_source(original)
    if not READER.recognises(source.tree):
        raise InputError(f"{source.name}: expected PHALP's track file, got another.")
    try:
        write_tree(target, _replaced(source, given))
    except (KeyError, TypeError, IndexError, RefusedError) as error:
        kind = type(error).__name__
        raise InputError(f"{source.name}: expected the file that was read, got another ({kind}).") from error
    bodies.tell("Masks, boxes, appearance and what else PHALP predicts stay as they were.")
    return [target]


def check_original(estimates: PeopleEstimates, stands_in: bool) -> None:
    """Check that estimates can go back to PHALP's file, before they are refined.

    Raises
    ------
    InputError
        If they are of another program, or another body takes the place of SMPL.
    """
    if estimates.row is None:
        got = f"those of {estimates.source}" if estimates.source else "others"
        raise InputError(f"estimates: expected those of PHALP, whose file is written, got {got}.")
    if stands_in:
        raise InputError(
            "body: expected SMPL, which PHALP's bodies are on, got another in its place: there is no file of "
            "SMPL (models/README.md says where it goes)."
        )


def _replaced(source: Source, people: RefinedPeople) -> dict[str, Any]:
    """Return the file's tree with the refined bodies; nothing in the given one is changed."""
    assert people.estimates.row is not None
    tree: Mapping[str, Any] = source.tree
    at = {row: place for place, row in enumerate(people.estimates.row.tolist())}
    own, found = _in_phalps_camera(source, people)
    moved, in_image = _changes(people, own, found)
    pose, betas = people.result.pose, people.result.betas
    image = {**tree}
    row = 0
    for name, frame in tree.items():
        if not isinstance(frame, Mapping):
            continue
        new = {key: [*value] if isinstance(value, list) else value for key, value in frame.items()}
        for number in range(len(frame.get("tid", ()))):
            place = at.get(row)
            row += 1
            if place is None:
                continue
            smpl = {**frame["smpl"][number]}
            smpl["global_orient"] = _like(smpl["global_orient"], pose[place, :1])
            smpl["body_pose"] = _like(smpl["body_pose"], pose[place, 1:])
            smpl["betas"] = _like(smpl["betas"], betas[place])
            new["smpl"][number] = smpl
            new["camera"][number] = _like(frame["camera"][number], found.transl[place])
            for key, change in (("3d_joints", moved), ("2d_joints", in_image)):
                if len(joints := frame.get(key, ())) == len(frame["tid"]):
                    new[key][number] = _shifted(joints[number], change[place])
        image[name] = new
    return image


def _in_phalps_camera(source: Source, people: RefinedPeople) -> tuple[Camera, Camera]:
    """Return estimates and refined bodies in the camera of PHALP's file, which it does not hold."""
    read = read_estimates(source)
    place = {row: index for index, row in enumerate(read.row.tolist())}  # type: ignore[union-attr]
    assert people.estimates.row is not None
    assert read.intrinsics is not None
    own = np.asarray(people.estimates.intrinsics, dtype=np.float64)
    theirs = read.intrinsics[[place[row] for row in people.estimates.row.tolist()]]
    if np.abs(own[:, :2, 2] - theirs[:, :2, 2]).max(initial=0) > SAME_CENTRE:
        raise InputError(
            "intrinsics: expected PHALP's principal point, the centre of the image, got another, which its "
            "file cannot hold."
        )
    focal = theirs[:, 0, 0]
    return (
        with_focal_length(own, np.asarray(people.estimates.transl, dtype=np.float64), focal),
        with_focal_length(own, np.asarray(people.result.transl, dtype=np.float64), focal),
    )


def _changes(people: RefinedPeople, own: Camera, found: Camera) -> tuple[np.ndarray, np.ndarray]:
    """How far points of SPIN's layout are from where they were: about the body, and in PHALP's square."""
    estimates, result = people.estimates, people.result
    skeleton = skeleton_of(result.body)  # type: ignore[arg-type] # refine_people has one
    layout = find_layout("spin49", result.body)  # type: ignore[arg-type]
    before = _points(skeleton, layout, estimates.pose, estimates.betas)
    after = _points(skeleton, layout, result.pose, result.betas)
    ends = [
        project(_in_front(points + np.asarray(camera.transl)[:, None]), camera.intrinsics)
        for points, camera in ((before, own), (after, found))
    ]
    # The principal point is the centre: the longer side of the image, which the square has, is twice it.
    square = 2 * np.asarray(own.intrinsics)[:, :2, 2].max(axis=1)
    return after - before, (ends[1] - ends[0]) / square[:, None, None]


def _points(skeleton: Any, layout: KeypointLayout, pose: np.ndarray, betas: np.ndarray) -> np.ndarray:
    still = np.zeros((len(pose), 3))
    placed = place_points(skeleton, points_on(skeleton, layout, pose), pose, betas, still).points
    return np.asarray(placed)[:, :OWN_POINTS]


def _in_front(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points[..., :2], np.maximum(points[..., 2:], 1e-3)], axis=-1)


def _like(old: Any, new: np.ndarray) -> np.ndarray:
    """Return numbers in the type, and where they are as many in the shape, of those that they replace."""
    array = as_array(old)
    flat = np.zeros(array.size)
    flat[: min(array.size, new.size)] = new.ravel()[: array.size]
    return flat.reshape(array.shape).astype(array.dtype if array.dtype.kind == "f" else np.float32)


def _shifted(old: Any, change: np.ndarray) -> np.ndarray:
    """Return joints moved by as much as their points on our body; others by as much as the pelvis."""
    array = as_array(old)
    points = array.astype(np.float64).reshape(-1, change.shape[-1])
    moved = np.broadcast_to(change[8], points.shape).copy()
    known = min(len(points), len(change))
    moved[:known] = np.where(np.isfinite(change[:known]), change[:known], moved[:known])
    return (points + moved).reshape(array.shape).astype(array.dtype)


EXPORT = Export(
    "phalp", ".pkl", "PHALP's track file, refined", write_phalp, ("original",), timed=False, of_refined=True
)
