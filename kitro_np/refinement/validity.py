"""Validity: which bodies of a batch can be refined, and why the others cannot."""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any

from array_api_compat import array_namespace, device

from ..body.kinematics import forward_kinematics
from ..body.skeleton import Skeleton

ROTATION_TOLERANCE = 1e-2
"""Largest entry of |R^T R - I| of a rotation: room for matrices in half precision."""

LARGEST_NUMBER = 1e9
"""Bound on betas, metres and pixels: in single precision the fourth power of a number below it is finite."""

SMALLEST_FOCAL = 1e-9
"""Smallest focal length, in pixels, for the same reason."""

SMALLEST_EXTENT = 1e-6
"""Smallest distance of some keypoint from the first, per focal length: a person 1,000 km away."""


class Status(IntEnum):
    """Outcome of a body; all but refined and filled ones come back as their estimates."""

    REFINED = 0
    NOT_FINITE = 1
    BAD_INTRINSICS = 2
    NOT_A_ROTATION = 3
    BEHIND_CAMERA = 4
    KEYPOINTS_IN_ONE_POINT = 5
    DIVERGED = 6
    TOO_FEW_KEYPOINTS = 7
    UNLIKELY = 8
    SWAPPED = 9
    FILLED = 10

    @property
    def reason(self) -> str:
        """Short description."""
        return _REASONS[self]


_REASONS = {
    Status.REFINED: "refined",
    Status.NOT_FINITE: "NaN, infinity or a number beyond 1e9 in its input",
    Status.BAD_INTRINSICS: "intrinsics are not [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] with fx, fy > 0",
    Status.NOT_A_ROTATION: "a matrix of its pose is not a rotation",
    Status.BEHIND_CAMERA: "joints behind the camera",
    Status.KEYPOINTS_IN_ONE_POINT: "all keypoints in one point",
    Status.DIVERGED: "no finite body in front of the camera fits its keypoints",
    Status.TOO_FEW_KEYPOINTS: "too few of its keypoints are visible",
    Status.UNLIKELY: "its keypoints do not fit it well enough",
    Status.SWAPPED: "its keypoints do not fit it, not even with left and right exchanged",
    Status.FILLED: "filled from its neighbours, without usable keypoints of its own",
}


def was_fitted(status: Any) -> Any:
    """Whether bodies were refined or filled, and do not come back as their estimates."""
    return (status == int(Status.REFINED)) | (status == int(Status.FILLED))


def estimate_status(
    skeleton: Skeleton,
    pose: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    intrinsics: Any,
    front: Any = None,
) -> Any:
    """First reason why each body cannot be refined, or REFINED: (N,) of :class:`Status` as floats.

    Parameters
    ----------
    skeleton : Skeleton
    pose : (N, J, 3, 3) array
    betas : (N, S) array
    transl : (N, 3) array
    keypoints_2d : (N, J, 2) array
    intrinsics : (N, 3, 3) array
    front : (N,) array of bool, optional
        Whether what matters of a body is in front of the camera; by default all its joints.
    """
    xp = array_namespace(pose, betas)
    if front is None:
        front = in_front(forward_kinematics(skeleton, pose, betas).joints, transl)
    pairs = (
        (Status.NOT_FINITE, ~(_finite(pose) & _bounded(betas, transl, keypoints_2d, intrinsics))),
        (Status.BAD_INTRINSICS, ~usable_intrinsics(intrinsics)),
        (Status.NOT_A_ROTATION, ~_rotations(pose)),
        (Status.BEHIND_CAMERA, ~front),
        (Status.KEYPOINTS_IN_ONE_POINT, _in_one_point(keypoints_2d, intrinsics)),
    )
    status = xp.zeros_like(transl[:, 0])
    for reason, applies in reversed(pairs):
        status = xp.where(applies, xp.full_like(status, float(reason)), status)
    return status


def outcome_status(
    skeleton: Skeleton, pose: Any, betas: Any, transl: Any, error: Any, front: Any = None
) -> Any:
    """Status of refined bodies, DIVERGED if not finite or behind the camera, else REFINED: (N,) as floats.

    The reprojection error `error`, (N,), must be finite too. `front` is that of :func:`estimate_status`.
    """
    xp = array_namespace(pose, betas)
    if front is None:
        front = in_front(forward_kinematics(skeleton, pose, betas).joints, transl)
    fine = _finite(pose, betas, transl, error) & front
    status = xp.zeros_like(transl[:, 0])
    return xp.where(fine, status, xp.full_like(status, float(Status.DIVERGED)))


def stand_in_body(pose: Any, betas: Any, transl: Any, intrinsics: Any) -> list[Any]:
    """Return valid bodies in the shapes given: the rest pose, 10 m in front of a camera with K = I."""
    xp = array_namespace(pose, betas)
    eye = xp.eye(3, dtype=pose.dtype, device=device(pose))
    away = xp.asarray([0.0, 0.0, 10.0], dtype=transl.dtype, device=device(transl))
    zeros = [xp.zeros_like(part) for part in (pose, betas, transl, intrinsics)]
    return [zeros[0] + eye, zeros[1], zeros[2] + away, zeros[3] + eye]


def usable_intrinsics(intrinsics: Any) -> Any:
    """Whether each K is [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], bounded, with positive focal lengths: (N,)."""
    k = intrinsics
    zeros = (k[:, 0, 1] == 0) & (k[:, 1, 0] == 0) & (k[:, 2, 0] == 0) & (k[:, 2, 1] == 0)
    focal = (k[:, 0, 0] > SMALLEST_FOCAL) & (k[:, 1, 1] > SMALLEST_FOCAL)
    return zeros & (k[:, 2, 2] == 1) & focal & _bounded(k)


def in_front(joints: Any, transl: Any) -> Any:
    """Whether all joints of each body lie in front of the camera: (N,)."""
    xp = array_namespace(joints, transl)
    return xp.all(joints[..., 2] + transl[:, None, 2] > 0, axis=1)


def _finite(*arrays: Any) -> Any:
    return _all_of_each([array_namespace(array).isfinite(array) for array in arrays])


def all_within(largest: float, *arrays: Any) -> Any:
    """Whether no number of each body is larger than `largest`, nor NaN: (N,)."""
    return _all_of_each([array_namespace(array).abs(array) <= largest for array in arrays])


def _bounded(*arrays: Any) -> Any:
    return _all_of_each([array_namespace(array).abs(array) < LARGEST_NUMBER for array in arrays])


def _all_of_each(masks: list[Any]) -> Any:
    """Whether all entries of masks (N, ...) hold for each body: (N,)."""
    xp = array_namespace(*masks)
    fine = xp.ones(masks[0].shape[0], dtype=xp.bool, device=device(masks[0]))
    for mask in masks:
        fine = fine & xp.all(xp.reshape(mask, (mask.shape[0], math.prod(mask.shape[1:]))), axis=1)
    return fine


def _rotations(pose: Any) -> Any:
    xp = array_namespace(pose)
    gram = xp.matmul(xp.matrix_transpose(pose), pose)
    eye = xp.eye(3, dtype=pose.dtype, device=device(pose))
    square = xp.max(xp.abs(gram - eye), axis=(1, 2, 3)) <= ROTATION_TOLERANCE
    return square & xp.all(xp.linalg.det(pose) > 0, axis=1)


def _in_one_point(keypoints_2d: Any, intrinsics: Any) -> Any:
    xp = array_namespace(keypoints_2d)
    reach = xp.max(xp.abs(keypoints_2d - keypoints_2d[:, :1, :]), axis=(1, 2))
    return ~(reach > SMALLEST_EXTENT * intrinsics[:, 0, 0])
