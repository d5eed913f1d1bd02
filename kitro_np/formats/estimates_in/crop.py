"""Weak-perspective cameras (s, tx, ty) of square crops: VIBE and PARE, PyMAF-X, EFT, SPIN, HMR2's outputs.

PARE writes VIBE's dict for a video, and one file of other keys for each image.

A point x of the body is at s (x + t) in a crop from -1 to 1. VIBE and PARE hold the image's, too,
(sx, sy, tx, ty), from which the image's size follows: sx = s b / W for a box of side b.
"""

from __future__ import annotations

import numpy as np

from ...camera import crop_to_full_image
from ...errors import InputError
from ..people import PeopleEstimates, PeopleKeypoints
from .records import (
    Entry,
    EstimateReader,
    Options,
    centred,
    image_frames,
    items,
    make,
    one_size,
    rotations,
    top,
    values,
)
from .source import Source

_FOCAL, _CROP = 5000.0, 224.0
"""Focal length of the networks, in pixels of their crops of this side."""


def _read_vibe(source: Source, options: Options) -> PeopleEstimates:
    parts: list[dict[str, np.ndarray]] = []
    for track, content in source.tree.items():
        record = Entry(f"{source.name}: {track}", content)
        pose = rotations(f"{record.name}: pose", record.array("pose"), 24)
        count = len(pose)
        number = int(track) if isinstance(track, int) or str(track).isdecimal() else len(parts)
        parts.append(
            {
                "pose": pose,
                "betas": record.numbers("betas", (count, None)),
                "frame": record.integers("frame_ids", count),
                "person": np.full(count, number),
                **_in_image(record, count, ("joints2d_img_coord", "smpl_joints2d")),
            }
        )
    return _from_image(source, "VIBE", options, parts)


def _read_pare(source: Source, options: Options) -> PeopleEstimates:
    """Read PARE's file of one image."""
    record = Entry(source.name, source.tree)
    pose = rotations(f"{source.name}: pred_pose", record.array("pred_pose"), 24)
    count = len(pose)
    part = {
        "pose": pose,
        "betas": record.numbers("pred_shape", (count, None)),
        "frame": np.zeros(count, np.int64),
        "person": np.arange(count),
        **_in_image(record, count, ("smpl_joints2d",)),
    }
    return _from_image(source, "PARE", options, [part])


def _in_image(record: Entry, count: int, joints: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Cameras of the image, its size by each row's box, and the program's own joints in it, if there are."""
    camera = record.numbers("orig_cam", (count, 4))
    crop = record.numbers("pred_cam", (count, 3))
    box = record.numbers("bboxes", (count, 4), (count, 3))
    points = next((record.array(key) for key in joints if key in record), np.zeros(0))
    own = points.shape == (count, 49, 2) and points.dtype.kind == "f"
    return {
        "camera": camera,
        "sizes": (crop[:, :1] * box[:, 2:3]) / camera[:, :2],
        "joints": points.astype(np.float64) if own else np.full((count, 49, 2), np.nan),
    }


def _from_image(
    source: Source, system: str, options: Options, parts: list[dict[str, np.ndarray]]
) -> PeopleEstimates:
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    camera, sizes, joints = (joined.pop(key) for key in ("camera", "sizes", "joints"))
    width, height = np.round(np.median(sizes, axis=0))
    if not (np.all(np.abs(sizes - (width, height)) < 1) and width > 0 and height > 0):
        if options.image_size is None:
            raise InputError(
                f"{source.name}: expected boxes that tell the image's size, got others; give image_size."
            )
        width, height = options.image_size
    size = (float(width), float(height))
    depth = 2 * _FOCAL / (camera[:, 0] * width)
    seen = np.isfinite(joints).all(axis=-1)
    return make(
        source,
        system,
        options,
        transl=np.stack([camera[:, 2], camera[:, 3], depth], axis=1),
        intrinsics=centred(_FOCAL, size, len(camera)),
        camera="focal length 5000, centre of the image; the program's own projection is orthographic",
        image_size=size,
        joints_2d=PeopleKeypoints(
            points=joints,
            confidence=seen.astype(np.float64),
            layout="spin49",
            frame=joined["frame"],
            source=system,
        )
        if seen.all()
        else None,
        **joined,
    )


def _read_pymafx(source: Source, options: Options) -> PeopleEstimates:
    record = Entry(source.name, source.tree)
    pose = rotations(f"{source.name}: pose", record.array("pose"))
    if pose.shape[1] != 24:
        raise InputError(
            f"{source.name}: pose: expected SMPL's 24 joints, got {pose.shape[1]}: they are SMPL-X's."
        )
    count = len(pose)
    size = options.image_size
    return make(
        source,
        "PyMAF-X",
        options,
        pose=pose,
        betas=record.numbers("betas", (count, None)),
        transl=record.numbers("orig_cam_t", (count, 3)),
        frame=record.integers("frame_ids", count),
        person=record.integers("person_ids", count),
        intrinsics=None if size is None else centred(_FOCAL, size, count),
        camera="focal length 5000, centre of the image" + ("" if size else ": give image_size"),
    )


def _read_eft(source: Source, options: Options) -> PeopleEstimates:
    rows = source.tree if isinstance(source.tree, list) else source.tree["data"]
    records = [Entry(f"{source.name}: item {number}", row) for number, row in enumerate(rows)]
    pose = np.stack([record.numbers("parm_pose", (24, 3, 3)) for record in records])
    camera = np.stack([record.numbers("parm_cam", (3,)) for record in records])
    places = [_place(record) for record in records]
    centre, side = np.stack([place for place, _ in places]), np.array([side for _, side in places])
    camera = np.concatenate([camera[:, :1], camera[:, 1:] / camera[:, :1]], axis=1)  # EFT projects to s x + t
    names = np.array([str(record.content.get("imageName", number)) for number, record in enumerate(records)])
    return _from_crop(
        source,
        "EFT",
        options,
        pose,
        np.stack([r.numbers("parm_shape", (None,)) for r in records]),
        camera,
        centre,
        side,
        names,
    )


def _place(record: Entry) -> tuple[np.ndarray, float]:
    """Return a box's centre and side: of EFT's fits, or of its demo, which says how crops are scaled."""
    if "bbox_scale_o2n" in record:
        side = _CROP / float(record.numbers("bbox_scale_o2n").ravel()[0])
        return record.numbers("bbox_topLeft", (2,)) + side / 2, side
    return record.numbers("bbox_center", (2,)), 200 * float(record.numbers("bbox_scale").ravel()[0])


def _read_spin(source: Source, options: Options) -> PeopleEstimates:
    record = Entry(source.name, source.tree)
    key = "pred_rotmat" if "pred_rotmat" in record else "pose"
    pose = rotations(f"{source.name}: {key}", record.array(key), 24)
    count = len(pose)
    shape = "pred_betas" if "pred_betas" in record else "betas"
    side = 200 * record.numbers("scale", (count,), (count, 1)).reshape(count)
    return _from_crop(
        source,
        "SPIN",
        options,
        pose,
        record.numbers(shape, (count, None)),
        record.numbers("pred_camera", (count, 3)),
        record.numbers("center", (count, 2)),
        side,
        record.texts("imgname"),
    )


def _read_spin_evaluation(source: Source, options: Options) -> PeopleEstimates:
    """Read what SPIN's evaluation saves: cameras of crops, without their places in the images."""
    record = Entry(source.name, source.tree)
    pose = rotations(f"{source.name}: pose", record.array("pose"), 24)
    count = len(pose)
    camera = record.numbers("camera", (count, 3))
    return make(
        source,
        "SPIN",
        options,
        pose=pose,
        betas=record.numbers("betas", (count, None)),
        transl=np.stack([camera[:, 1], camera[:, 2], 2 * _FOCAL / (_CROP * camera[:, 0])], axis=1),
        intrinsics=centred(_FOCAL, (_CROP, _CROP), count),
        camera="focal length 5000, of crops of 224 pixels: the file does not say where they are in images",
        image_size=(_CROP, _CROP),
        notes=("Keypoints must be those of crops of 224 pixels, as the camera is.",),
    )


def _from_crop(
    source: Source,
    system: str,
    options: Options,
    pose: np.ndarray,
    betas: np.ndarray,
    camera: np.ndarray,
    centre: np.ndarray,
    side: np.ndarray,
    names: np.ndarray | None,
) -> PeopleEstimates:
    """Bodies in their crops: with an image's size in the image, without one in a camera about the crop."""
    count = len(pose)
    if options.image_size is None:
        intrinsics = centred(_FOCAL / _CROP * side, 2 * centre, count)
        transl = np.stack([camera[:, 1], camera[:, 2], 2 * _FOCAL / (_CROP * camera[:, 0])], axis=1)
        words = (
            "focal length 5000 for a crop of 224 pixels, about its centre; image_size puts it in the image"
        )
    else:
        box = np.concatenate([centre, side[:, None]], axis=1)
        intrinsics, transl = crop_to_full_image(camera, box, np.array(options.image_size))
        words = "focal length sqrt(W^2 + H^2), centre of the image"
    return make(
        source,
        system,
        options,
        pose=pose,
        betas=betas,
        transl=transl,
        intrinsics=intrinsics,
        camera=words,
        frame=None if names is None else image_frames(names),
        image_name=names,
    )


def _read_hmr2(source: Source, options: Options) -> PeopleEstimates:
    """Read what HMR2's network returns, with its batch's boxes: box_center, box_size and img_size (W, H)."""
    record = Entry(source.name, source.tree)
    smpl = record.inner("pred_smpl_params")
    root = smpl.numbers("global_orient", (None, 1, 3, 3))
    count = len(root)
    size = record.numbers("img_size", (count, 2), (2,))
    sizes = np.array(np.broadcast_to(size, (count, 2)))
    side = record.numbers("box_size", (count,))
    box = np.concatenate([record.numbers("box_center", (count, 2)), side[:, None]], axis=1)
    focal = _FOCAL / 256 * sizes.max(axis=1)
    intrinsics, transl = crop_to_full_image(record.numbers("pred_cam", (count, 3)), box, sizes, focal)
    return make(
        source,
        "HMR2",
        options,
        pose=np.concatenate([root, smpl.numbers("body_pose", (count, 23, 3, 3))], axis=1),
        betas=smpl.numbers("betas", (count, None)),
        transl=transl,
        frame=np.zeros(count, np.int64),
        person=np.arange(count),
        intrinsics=intrinsics,
        camera="focal length 5000 max(W, H) / 256, centre of the image",
        image_size=one_size(sizes),
    )


READERS = [
    EstimateReader(
        "VIBE", ("pred_cam", "orig_cam", "pose", "betas", "bboxes", "frame_ids"), values, _read_vibe
    ),
    EstimateReader("PyMAF-X", ("person_ids", "frame_ids", "orig_cam_t", "pose", "betas"), top, _read_pymafx),
    EstimateReader(
        "EFT", ("parm_pose", "parm_shape", "parm_cam", "bbox_scale", "bbox_center"), items, _read_eft
    ),
    EstimateReader(
        "EFT's demo",
        ("parm_pose", "parm_shape", "parm_cam", "bbox_scale_o2n", "bbox_topLeft"),
        items,
        _read_eft,
    ),
    EstimateReader("PARE", ("pred_cam", "orig_cam", "pred_pose", "pred_shape", "bboxes"), top, _read_pare),
    EstimateReader("SPIN", ("pred_camera", "center", "scale"), top, _read_spin),
    EstimateReader(
        "SPIN's evaluation", ("pred_joints", "pose", "betas", "camera"), top, _read_spin_evaluation
    ),
    EstimateReader(
        "HMR2", ("pred_smpl_params", "pred_cam", "box_center", "box_size", "img_size"), top, _read_hmr2
    ),
]
