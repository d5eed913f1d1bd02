"""Estimates on SMPL-X: GVHMR and GEM, PromptHMR, Multi-HMR, SMPLest-X; they need the user's SMPL-X body.

Bodies of SAM 3D Body and HSMR are no bodies of this package: they are refused with a hint.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    rotations,
    smplx_body,
    stacked,
    top,
)
from .source import Source

_JOINTS = 55


def _identity(count: int, joints: int) -> np.ndarray:
    return np.tile(np.eye(3), (count, joints, 1, 1))


def _read_gvhmr(source: Source, options: Options) -> PeopleEstimates:
    smplx_body(source, "GVHMR", options)
    record = Entry(source.name, source.tree)
    inner = record.inner("smpl_params_incam" if "smpl_params_incam" in record else "body_params_incam")
    root = inner.numbers("global_orient", (None, 3))
    count = len(root)
    body = inner.numbers("body_pose", (count, 63))
    vectors = np.concatenate([root, body], axis=1).reshape(count, 22, 3)
    matrix = record.numbers("K_fullimg", (count, 3, 3), (3, 3))
    intrinsics = np.array(np.broadcast_to(matrix, (count, 3, 3)))
    image_size = options.image_size or (2 * float(intrinsics[0, 0, 2]), 2 * float(intrinsics[0, 1, 2]))
    return make(
        source,
        "GVHMR",
        options,
        pose=np.concatenate([matrix_from_axis_angle(vectors), _identity(count, _JOINTS - 22)], axis=1),
        betas=inner.numbers("betas", (count, None), (None,)),
        transl=inner.numbers("transl", (count, 3)),
        intrinsics=intrinsics,
        camera="K_fullimg of the file",
        body="smplx",
        image_size=image_size,
        keypoints=_detected(source, count, image_size),
        notes=("Hands are flat: the file has no pose of them.",),
    )


def _detected(source: Source, count: int, image_size: tuple[float, float]) -> PeopleKeypoints | None:
    """Return the keypoints that the estimates are made from, which the demo leaves beside them."""
    beside = source.beside("preprocess/vitpose.pt")
    points = None if beside is None else beside.tree
    if not isinstance(points, np.ndarray) or points.shape != (count, 17, 3) or points.dtype.kind != "f":
        return None
    seen = (points[..., 2] > 0) & np.isfinite(points).all(axis=-1)
    return PeopleKeypoints(
        points=np.where(seen[..., None], points[..., :2], np.nan).astype(np.float64),
        confidence=np.where(seen, points[..., 2], 0).astype(np.float64),
        layout="coco17",
        frame=np.arange(count),
        person=np.zeros(count, np.int64),
        image_size=image_size,
        source="GVHMR",
    )


def _read_prompthmr(source: Source, options: Options) -> PeopleEstimates:
    smplx_body(source, "PromptHMR", options)
    record = Entry(source.name, source.tree)
    camera = record.inner("camera")
    parts, points = [], []
    for number, (track, content) in enumerate(record.inner("people").content.items()):
        person = Entry(f"{source.name}: people: {track}", content)
        inner = person.inner("smplx_cam")
        pose = rotations(f"{inner.name}: rotmat", inner.array("rotmat"), _JOINTS)
        count = len(pose)
        parts.append(
            {
                "pose": pose,
                "betas": inner.numbers("shape", (count, None)),
                "transl": inner.numbers("trans", (count, 3), (count, 1, 3)).reshape(count, 3),
                "frame": person.integers("frames", count),
                "person": np.full(count, int(track) if str(track).isdecimal() else number),
            }
        )
        if "keypoints_2d" in person:
            points.append(person.numbers("keypoints_2d", (count, None, 3))[:, :25])
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    count = len(joined["pose"])
    matrix = np.eye(3)
    matrix[0, 0] = matrix[1, 1] = camera.numbers("img_focal").ravel()[0]
    matrix[:2, 2] = camera.numbers("img_center", (2,), (1, 2)).ravel()
    keypoints = None
    if len(points) == len(parts):
        array = np.concatenate(points)
        seen = array[..., 2] > 0
        keypoints = PeopleKeypoints(
            points=np.where(seen[..., None], array[..., :2], np.nan),
            confidence=np.where(seen, array[..., 2], 0),
            layout="body25",
            frame=joined["frame"],
            person=joined["person"],
            source="PromptHMR",
        )
    return make(
        source,
        "PromptHMR",
        options,
        **joined,
        intrinsics=np.tile(matrix, (count, 1, 1)),
        camera="img_focal and img_center of the file: of the video as it was resized, to 896 rows at most",
        body="smplx",
        image_size=(2 * float(matrix[0, 2]), 2 * float(matrix[1, 2])),
        keypoints=keypoints,
        notes=("Pixels are those of the resized video, of at most 896 rows and 60 frames a second.",),
    )


def _read_multihmr(source: Source, options: Options) -> PeopleEstimates:
    body = smplx_body(source, "Multi-HMR", options)
    rows = [Entry(source.name, row) for row in source.tree]
    betas, vectors, pelvis = (
        stacked(source.name, [row.numbers(key) for row in rows])
        for key in ("shape", "rotvec", "transl_pelvis")
    )
    count = len(rows)
    if vectors.shape[1:] not in ((53, 3), (55, 3)):
        raise InputError(f"{source.name}: rotvec: expected 53 joints, got shape {vectors.shape[1:]}.")
    pose = matrix_from_axis_angle(vectors)
    if vectors.shape[1] == 53:  # root, body and hands, then the jaw; eyes are left out
        pose = np.concatenate([pose[:, :22], pose[:, 52:], _identity(count, 2), pose[:, 22:52]], axis=1)
    padded = np.zeros((count, body.num_betas))
    width = min(betas.shape[1], body.num_betas)
    padded[:, :width] = betas[:, :width]
    size = options.image_size
    focal = None if size is None else max(size) / (2 * np.tan(np.radians(60) / 2))
    return make(
        source,
        "Multi-HMR",
        options,
        pose=pose,
        betas=betas,
        transl=pelvis.reshape(count, 3) - body.skeleton.rest_joints(padded)[:, 0],
        frame=np.zeros(count, np.int64),
        person=np.arange(count),
        intrinsics=None if size is None else centred(focal, size, count),
        camera="60 degrees over the longer side, centre of the image" + ("" if size else ": give image_size"),
        body="smplx",
    )


def _read_smplestx(source: Source, options: Options) -> PeopleEstimates:
    smplx_body(source, "SMPLest-X", options)
    record = Entry(source.name, source.tree)
    root = record.numbers("smplx_root_pose", (None, 3), (3,)).reshape(-1, 3)
    count = len(root)

    def joints(key: str, number: int) -> np.ndarray:
        return record.numbers(key, (count, 3 * number), (count, number, 3), (3 * number,)).reshape(
            count, number, 3
        )

    eyes = np.zeros((count, 2, 3))
    vectors = np.concatenate(
        [
            root[:, None],
            joints("smplx_body_pose", 21),
            joints("smplx_jaw_pose", 1),
            eyes,
            joints("smplx_lhand_pose", 15),
            joints("smplx_rhand_pose", 15),
        ],
        axis=1,
    )
    intrinsics = None
    if "bbox" in record:
        left, top_, width, height = record.numbers("bbox", (count, 4), (4,)).reshape(count, 4).T
        intrinsics = centred(0, (0, 0), count)
        intrinsics[:, 0, 0], intrinsics[:, 1, 1] = 5000 / 192 * width, 5000 / 256 * height
        intrinsics[:, 0, 2], intrinsics[:, 1, 2] = left + width / 2, top_ + height / 2
    return make(
        source,
        "SMPLest-X",
        options,
        pose=matrix_from_axis_angle(vectors),
        betas=record.numbers("smplx_shape", (count, None), (None,)).reshape(count, -1),
        transl=record.numbers("cam_trans", (count, 3), (3,)).reshape(count, 3),
        frame=np.zeros(count, np.int64),
        person=np.arange(count),
        intrinsics=intrinsics,
        camera="the box that the network saw"
        if intrinsics is not None
        else "the file lacks the key bbox (x, y, w, h)",
        body="smplx",
    )


def _read_sam(source: Source, options: Options) -> PeopleEstimates:
    record = Entry(source.name, (items(source.tree) + top(source.tree))[0])
    points = record.numbers("pred_keypoints_3d").reshape(-1, 3)[:70]
    matrix = camera_of_points(
        record.numbers("pred_keypoints_2d").reshape(-1, 2)[:70],
        points + record.numbers("pred_cam_t").ravel()[:3],
    )
    raise InputError(
        f"{source.name}: expected SMPL's body, got SAM 3D Body's own (MHR); its 70 keypoints can be "
        f"used: read them with read_keypoints, layout mhr70 (their camera: focal length {matrix[0, 0]:.2f}, "
        f"centre {matrix[0, 2]:.2f}, {matrix[1, 2]:.2f})."
    )


def _read_hsmr(source: Source, options: Options) -> PeopleEstimates:
    raise InputError(
        f"{source.name}: expected a body of SMPL's family, got HSMR's SKEL, whose 46 angles are not SMPL's."
    )


def _either(tree: Any) -> list[Mapping[Any, Any]]:
    return items(tree) + top(tree)


READERS = [
    EstimateReader("GVHMR", ("smpl_params_incam", "K_fullimg"), top, _read_gvhmr),
    EstimateReader("GEM", ("body_params_incam", "K_fullimg"), top, _read_gvhmr),
    EstimateReader("PromptHMR", ("camera", "people"), top, _read_prompthmr),
    EstimateReader("Multi-HMR", ("transl_pelvis", "rotvec", "shape"), items, _read_multihmr),
    EstimateReader(
        "SMPLest-X", ("smplx_root_pose", "smplx_body_pose", "smplx_shape", "cam_trans"), top, _read_smplestx
    ),
    EstimateReader(
        "SAM 3D Body", ("pred_keypoints_3d", "pred_keypoints_2d", "pred_cam_t"), _either, _read_sam
    ),
    EstimateReader("HSMR", ("poses", "betas", "patch_cam_t", "full_cam_t"), _either, _read_hsmr),
]
