"""Weak-perspective cameras (s, tx, ty) of square crops: VIBE and PARE, PyMAF-X, EFT, SPIN, HMR2's outputs.

A point x of the body is at s (x + t) in a crop from -1 to 1. VIBE and PARE hold the image's, too,
(sx, sy, tx, ty), from which the image's size follows: sx = s b / W for a box of side b.
"""

from __future__ import annotations

import numpy as np

from ...camera import crop_to_full_image
from ...errors import InputError
from ..people import PeopleEstimates
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
        camera = record.numbers("orig_cam", (count, 4))
        number = int(track) if isinstance(track, int) or str(track).isdecimal() else len(parts)
        crop = record.numbers("pred_cam", (count, 3))
        box = record.numbers("bboxes", (count, 4))
        parts.append(
            {
                "pose": pose,
                "betas": record.numbers("betas", (count, None)),
                "frame": record.integers("frame_ids", count),
                "person": np.full(count, number),
                "camera": camera,
                "sizes": (crop[:, :1] * box[:, 2:3]) / camera[:, :2],
            }
        )
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    camera, sizes = joined.pop("camera"), joined.pop("sizes")
    width, height = np.round(np.median(sizes, axis=0))
    if not (np.all(np.abs(sizes - (width, height)) < 1) and width > 0 and height > 0):
        if options.image_size is None:
            raise InputError(
                f"{source.name}: expected boxes that tell the image's size, got others; give image_size."
            )
        width, height = options.image_size
    size = (float(width), float(height))
    depth = 2 * _FOCAL / (camera[:, 0] * width)
    return make(
        source,
        "VIBE",
        options,
        transl=np.stack([camera[:, 2], camera[:, 3], depth], axis=1),
        intrinsics=centred(_FOCAL, size, len(camera)),
        camera="focal length 5000, centre of the image; the program's own projection is orthographic",
        image_size=size,
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
    centre = np.stack([record.numbers("bbox_center", (2,)) for record in records])
    side = 200 * np.array([float(record.numbers("bbox_scale").ravel()[0]) for record in records])
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
    EstimateReader("SPIN", ("pred_camera", "center", "scale"), top, _read_spin),
    EstimateReader(
        "HMR2", ("pred_smpl_params", "pred_cam", "box_center", "box_size", "img_size"), top, _read_hmr2
    ),
]
