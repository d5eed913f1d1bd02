"""Motions in the world: AMASS-style .npz, smplcodec's .smpl, SLAHMR, EasyMocap; and CoMotion's tracks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ...arrays.rotations import matrix_from_axis_angle
from ...errors import InputError
from ..people import PeopleEstimates, PeopleKeypoints
from .records import (
    Entry,
    EstimateReader,
    Options,
    camera_of_points,
    centred,
    items,
    make,
    root_joints,
    rotations,
    stacked,
    top,
)
from .source import Source

_BODIES = {24: "smpl", 52: "smplh", 55: "smplx"}
_WORLD = "none: the motion is in the world, not in a camera"


def _read_amass(source: Source, options: Options) -> PeopleEstimates:
    record = Entry(source.name, source.tree)
    pose = rotations(f"{source.name}: poses", record.array("poses"))
    rate = next((key for key in ("mocap_framerate", "mocap_frame_rate") if key in record), None)
    return make(
        source,
        "AMASS",
        options,
        pose=pose,
        betas=record.numbers("betas", (None,), (1, None), (len(pose), None)),
        transl=record.numbers("trans", (len(pose), 3)),
        camera=_WORLD,
        up="z",
        body=_BODIES.get(pose.shape[1], ""),
        fps=None if rate is None else float(record.numbers(rate).ravel()[0]),
    )


def _read_smpl_codec(source: Source, options: Options) -> PeopleEstimates:
    record = Entry(source.name, source.tree)
    version = int(record.integers("smplVersion")[0])
    body = {0: "smpl", 1: "smplh", 2: "smplx"}.get(version, "")
    if not body:
        name = {3: "SUPR", 4: "SMPL++", 5: "SKEL"}.get(version, "another body")
        raise InputError(
            f"{source.name}: smplVersion: expected 0 to 2 (SMPL, SMPL-H or SMPL-X), got {version} ({name})."
        )
    if "bodyPose" not in record:
        raise InputError(f"{source.name}: expected poses (the key bodyPose), got a shape without any.")
    pose = rotations(f"{source.name}: bodyPose", record.array("bodyPose"))
    count = len(pose)
    joints = next(number for number, name in _BODIES.items() if name == body)
    rest = {"headPose": 3, "leftHandPose": 15, "rightHandPose": 15} if body == "smplx" else {}
    if body == "smplh":
        rest = {"leftHandPose": 15, "rightHandPose": 15}
    extra = [
        rotations(f"{source.name}: {key}", record.array(key), size)
        if key in record and np.size(record.array(key))
        else np.tile(np.eye(3), (count, size, 1, 1))
        for key, size in rest.items()
    ]
    pose = np.concatenate([pose, *extra], axis=1)
    missing = joints - pose.shape[1]
    if missing > 0:
        pose = np.concatenate([pose, np.tile(np.eye(3), (count, missing, 1, 1))], axis=1)
    return make(
        source,
        "smplcodec",
        options,
        pose=pose,
        betas=record.numbers("shapeParameters", (None,)) if "shapeParameters" in record else np.zeros(10),
        transl=record.numbers("bodyTranslation", (count, 3))
        if "bodyTranslation" in record
        else np.zeros((count, 3)),  # both are optional in the format
        camera=_WORLD,
        up="y",
        body=body,
        fps=float(record.numbers("frameRate").ravel()[0]) if "frameRate" in record else None,
    )


def _read_slahmr(source: Source, options: Options) -> PeopleEstimates:
    """Read a clip of several people, and place them in the camera."""
    record = Entry(source.name, source.tree)
    trans = record.numbers("trans", (None, None, 3))
    people, frames = trans.shape[:2]
    count = people * frames
    vectors = np.zeros((count, 24, 3))
    vectors[:, 0] = record.numbers("root_orient", (people, frames, 3)).reshape(count, 3)
    vectors[:, 1:22] = record.numbers("pose_body", (people, frames, 63), (people, frames, 21, 3)).reshape(
        count, 21, 3
    )
    betas = record.numbers("betas", (people, None), (people, frames, None))
    betas = np.repeat(betas, frames, axis=0) if betas.ndim == 2 else betas.reshape(count, -1)
    rotation = record.numbers("cam_R", (people, frames, 3, 3), (frames, 3, 3))
    shift = record.numbers("cam_t", (people, frames, 3), (frames, 3))
    extrinsics = np.tile(np.eye(4), (people, frames, 1, 1))
    extrinsics[..., :3, :3], extrinsics[..., :3, 3] = rotation, shift
    extrinsics = extrinsics.reshape(count, 4, 4)
    pose, transl = into_camera(
        matrix_from_axis_angle(vectors), trans.reshape(count, 3), root_joints(betas, options), extrinsics
    )
    focal = (
        np.broadcast_to(record.numbers("intrins", (None, 4), (4,)).reshape(-1, 4), (frames, 4))
        if "intrins" in record
        else None
    )
    intrinsics = None
    if focal is not None:
        intrinsics = np.zeros((frames, 3, 3))
        intrinsics[:, 0, 0], intrinsics[:, 1, 1] = focal[:, 0], focal[:, 1]
        intrinsics[:, :2, 2], intrinsics[:, 2, 2] = focal[:, 2:], 1
        intrinsics = np.tile(intrinsics, (people, 1, 1))
    estimates = make(
        source,
        "SLAHMR",
        options,
        pose=pose,
        betas=betas,
        transl=transl,
        frame=np.tile(np.arange(frames), people),
        person=np.repeat(np.arange(people), frames),
        intrinsics=intrinsics,
        camera="intrins of the file",
        extrinsics=extrinsics,
        notes=("Hands are flat: the file's SMPL-H body has 21 joints.",),
    )
    return _seen(source, estimates)


def _seen(source: Source, estimates: PeopleEstimates) -> PeopleEstimates:
    """Leave out extrapolated frames, which track_info.json beside the file lists, and number the others.

    Masks are of all images from the first of `data_interval` on, the file's frames are those of
    `seq_interval` among them.
    """
    info = source.beside("track_info.json", "../track_info.json")
    tree = info.tree if info is not None and isinstance(info.tree, dict) else {}
    tracks = tree.get("tracks")
    if not isinstance(tracks, dict):
        return estimates
    meta = tree.get("meta")
    first, start = (_start(meta, key) for key in ("seq_interval", "data_interval"))
    estimates = replace(estimates, frame=estimates.frame + first + start)
    keep = np.ones(len(estimates), bool)
    for track in tracks.values():
        mask = (
            np.asarray(track.get("vis_mask", []), dtype=bool).ravel()[first:]
            if isinstance(track, dict)
            else np.zeros(0)
        )
        rows = (
            np.flatnonzero(estimates.person == track.get("index"))
            if isinstance(track, dict)
            else np.zeros(0, np.int64)
        )
        if len(mask) >= len(rows):
            keep[rows] = mask[: len(rows)]
    return estimates if keep.all() else estimates.take(np.flatnonzero(keep))


def _start(meta: Any, key: str) -> int:
    """Return the first of an interval of images; 0 if there is none."""
    value = meta.get(key) if isinstance(meta, dict) else None
    start = value[0] if isinstance(value, list) and value else 0
    return start if type(start) is int and 0 <= start < 2**31 else 0


def into_camera(
    pose: np.ndarray, transl: np.ndarray, root: np.ndarray, extrinsics: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Move bodies from the world to the camera: they turn about their root joint, not about the origin."""
    rotation, shift = extrinsics[:, :3, :3], extrinsics[:, :3, 3]
    turned = pose.copy()
    turned[:, 0] = rotation @ pose[:, 0]
    moved = (rotation @ (transl + root)[..., None])[..., 0] + shift - root
    return turned, moved


def _easymocap_items(tree: Any) -> list[Mapping[Any, Any]]:
    found = items(tree)
    if not found and isinstance(tree, Mapping):
        for key in list(tree)[:5]:
            found += items(tree[key])
    return found


def _read_easymocap(source: Source, options: Options) -> PeopleEstimates:
    """Read a frame, or a folder of one file for each; bodies turn about the origin."""
    tree = source.tree
    files = (
        tree
        if isinstance(tree, Mapping) and source.path is not None and source.path.is_dir()
        else {"0.json": tree}
    )
    rows: list[Entry] = []
    frames: list[int] = []
    for position, (name, content) in enumerate(files.items()):
        people = content.get("annots", []) if isinstance(content, Mapping) else content
        stem = name.rpartition(".")[0]
        rows += [Entry(f"{source.name}: {name}", person) for person in people]
        frames += [int(stem) if stem.isdecimal() else position] * len(people)
    root, transl, betas = (
        stacked(source.name, [row.numbers(key, (1, None), (None,)).ravel() for row in rows])
        for key in ("Rh", "Th", "shapes")
    )
    poses = stacked(source.name, [row.numbers("poses", (1, None), (None,)).ravel() for row in rows])
    if poses.shape[1] not in (69, 72):
        raise InputError(f"{source.name}: poses: expected SMPL's 72 numbers or 69, got {poses.shape[1]}.")
    pose = matrix_from_axis_angle(poses[:, -69:].reshape(-1, 23, 3))
    turn = matrix_from_axis_angle(root)
    joint = root_joints(betas, options)
    # R x + T about the origin is R (x - J) + J + T + (R - 1) J about the root joint J.
    transl = transl + (turn @ joint[..., None])[..., 0] - joint
    return make(
        source,
        "EasyMocap",
        options,
        pose=np.concatenate([turn[:, None], pose], axis=1),
        betas=betas,
        transl=transl,
        frame=np.array(frames),
        person=np.array([int(row.integers("id")[0]) if "id" in row else 0 for row in rows]),
        camera=_WORLD + " (its cameras are in intri.yml and extri.yml)",
    )


def _read_comotion(source: Source, options: Options) -> PeopleEstimates:
    record = Entry(source.name, source.tree)
    pose = rotations(f"{source.name}: pose", record.array("pose"), 24)
    count = len(pose)
    size = options.image_size
    return make(
        source,
        "CoMotion",
        options,
        pose=pose,
        betas=record.numbers("betas", (count, None)),
        transl=record.numbers("trans", (count, 3)),
        frame=record.integers("frame_idx", count),
        person=record.integers("id", count),
        intrinsics=None if size is None else centred(2 * max(size), size, count),
        camera="focal length 2 max(W, H), centre of the image" + ("" if size else ": give image_size"),
    )


def _read_comotion_image(source: Source, options: Options) -> PeopleEstimates:
    """Read the people of one image; their joints in space and in the image tell the camera."""
    record = Entry(source.name, source.tree)
    pose = rotations(f"{source.name}: pose", record.array("pose"), 24)
    count = len(pose)
    in_space = record.numbers("pred_3d", (count, None, 3))
    in_image = record.numbers("pred_2d", (count, len(in_space[0]) if count else None, 2))
    matrix = camera_of_points(in_image.reshape(-1, 2), in_space.reshape(-1, 3))
    width, height = np.round(2 * matrix[:2, 2])
    frame = np.zeros(count, np.int64)
    joints = None
    if in_image.shape[1] >= 24:
        joints = PeopleKeypoints(
            points=in_image[:, :24],
            confidence=np.ones((count, 24)),
            layout="smpl24",
            frame=frame,
            source="CoMotion",
        )
    return make(
        source,
        "CoMotion",
        options,
        pose=pose,
        betas=record.numbers("betas", (count, None)),
        transl=record.numbers("trans", (count, 3)),
        frame=frame,
        person=np.arange(count),
        intrinsics=np.tile(matrix, (count, 1, 1)),
        camera="what the file's joints in space and in the image tell",
        image_size=options.image_size or (float(width), float(height)),
        joints_2d=joints,
    )


READERS = [
    EstimateReader("AMASS", ("poses", "betas", "trans"), top, _read_amass),
    EstimateReader("smplcodec", ("smplVersion", "gender"), top, _read_smpl_codec),
    EstimateReader(
        "SLAHMR", ("trans", "root_orient", "pose_body", "betas", "cam_R", "cam_t"), top, _read_slahmr
    ),
    EstimateReader("EasyMocap", ("Rh", "Th", "poses", "shapes"), _easymocap_items, _read_easymocap),
    EstimateReader("CoMotion", ("id", "frame_idx", "pose", "trans", "betas"), top, _read_comotion),
    EstimateReader(
        "CoMotion's image", ("pred_3d", "pred_2d", "pose", "trans", "betas"), top, _read_comotion_image
    ),
]
