"""Door: where a caller's arguments are checked, once; behind it arrays are trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj

from ..arrays.arguments import beside, real_array
from ..arrays.poses import as_matrices, pose_tail
from ..body.model import BodyModel, with_betas
from ..body.skeleton import Skeleton
from ..camera import default_intrinsics
from ..errors import InputError
from ..keypoints.layouts import KeypointLayout, find_layout
from .validity import usable_intrinsics

MAX_DEPTH = 16
"""Longest chain: 2**16 hypotheses at its end. SMPL has 8 bones from the pelvis to a hand."""


@dataclass(frozen=True)
class Request:
    """Checked arguments of a refinement, with one leading axis.

    Attributes
    ----------
    skeleton : Skeleton
        With as many betas as were given.
    pose : (N, J, 3, 3) array
    betas : (N, S) array
    transl : (N, 3) array
    keypoints_2d : (N, J, 2) array
    intrinsics : (N or 1, 3, 3) array
    dtype : dtype
        In which to compute: float32 or float64.
    lead : tuple of int
        The leading shape that the caller gave.
    given_pose : array
        The caller's pose, in its own form and shape.
    layout : KeypointLayout
        Where the keypoints sit on the body.
    confidence : (N, K) array or None
        0 or NaN where a keypoint is not seen.
    """

    skeleton: Skeleton
    pose: Any
    betas: Any
    transl: Any
    keypoints_2d: Any
    intrinsics: Any
    dtype: Any
    lead: tuple[int, ...]
    given_pose: Any
    layout: KeypointLayout
    confidence: Any = None

    @property
    def count(self) -> int:
        """Number of bodies N."""
        return int(self.pose.shape[0])


def read_request(
    pose: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    intrinsics: Any,
    image_size: Any,
    body: Any,
    focal_length: Any = None,
    keypoint_layout: Any = "smpl24",
    confidence: Any = None,
) -> Request:
    """Check the arguments of :func:`kitro_np.refine`.

    Raises
    ------
    InputError
        In one sentence that names the argument, what was expected and what came.
    """
    skeleton = _skeleton(body)
    joints = skeleton.num_joints
    layout = find_layout(keypoint_layout, body)
    pose = real_array("pose", pose)
    lead = tuple(pose.shape[: pose.ndim - len(pose_tail(tuple(pose.shape), joints))])
    betas = beside(pose, "betas", betas)
    transl = beside(pose, "transl", transl)
    keypoints_2d = beside(pose, "keypoints_2d", keypoints_2d)
    if intrinsics is None:
        dtype = _compute_dtype(pose, betas, transl, keypoints_2d)
        intrinsics = _default_intrinsics(pose, image_size, lead, dtype)
    elif image_size is not None:
        raise InputError("image_size: expected None where intrinsics are given, got both.")
    intrinsics = _intrinsics(pose, intrinsics, lead)
    if betas.ndim != len(lead) + 1 or tuple(betas.shape[:-1]) != lead or betas.shape[-1] > skeleton.num_betas:
        _wrong_shape("betas", (*lead, skeleton.num_betas), betas)
    if tuple(transl.shape) != (*lead, 3):
        _wrong_shape("transl", (*lead, 3), transl)
    points = layout.num_points
    if tuple(keypoints_2d.shape) != (*lead, points, 2):
        _wrong_shape("keypoints_2d", (*lead, points, 2), keypoints_2d)
    if confidence is not None:
        confidence = beside(pose, "confidence", _numbers_of_mask(confidence))
        if tuple(confidence.shape) != (*lead, points):
            _wrong_shape("confidence", (*lead, points), confidence)
        confidence = array_namespace(pose).reshape(confidence, (math.prod(lead), points))
    dtype = _compute_dtype(pose, betas, transl, keypoints_2d, intrinsics)
    if focal_length is not None:
        intrinsics, transl = _with_focal_length(intrinsics, transl, focal_length, dtype)
    xp = array_namespace(pose)
    # Matrices are cast chunk by chunk, later; vectors are turned into matrices in the dtype that counts.
    exact = pose.ndim == len(lead) + 3 and xp.isdtype(pose.dtype, "real floating")
    matrices, _ = as_matrices(pose if exact else xp.astype(pose, dtype, copy=False), joints)
    count = matrices.shape[0]
    return Request(
        with_betas(skeleton, int(betas.shape[-1])),
        matrices,
        xp.reshape(betas, (count, betas.shape[-1])),
        xp.reshape(transl, (count, 3)),
        xp.reshape(keypoints_2d, (count, points, 2)),
        xp.reshape(intrinsics, (math.prod(intrinsics.shape[:-2]), 3, 3)),
        dtype,
        lead,
        pose,
        layout,
        confidence,
    )


def _numbers_of_mask(confidence: Any) -> Any:
    """Return a mask of what is seen as 1 and 0, and anything else as it is."""
    if not is_array_api_obj(confidence):
        return confidence
    xp = array_namespace(confidence)
    return xp.astype(confidence, xp.float32) if xp.isdtype(confidence.dtype, "bool") else confidence


def _skeleton(body: Any) -> Skeleton:
    skeleton = body.skeleton if isinstance(body, BodyModel) else body
    if not isinstance(skeleton, Skeleton):
        raise InputError(f"body: expected a BodyModel or a Skeleton, got {type(body).__name__}.")
    if skeleton.num_joints < 2:
        raise InputError("body: expected a skeleton with at least one bone, got a single joint.")
    if max(skeleton.depths) > MAX_DEPTH:
        raise InputError(
            f"body: expected at most {MAX_DEPTH} bones from root to leaf, got {max(skeleton.depths)}."
        )
    return skeleton


def _intrinsics(pose: Any, intrinsics: Any, lead: tuple[int, ...]) -> Any:
    intrinsics = beside(pose, "intrinsics", intrinsics)
    if tuple(intrinsics.shape) not in ((3, 3), (*lead, 3, 3)):
        wanted = f"(3, 3) or {(*lead, 3, 3)}" if lead else "(3, 3)"
        raise InputError(f"intrinsics: expected shape {wanted}, got {tuple(intrinsics.shape)}.")
    # A camera of its own that is wrong is a matter of that body alone.
    if intrinsics.ndim == 2 and not bool(usable_intrinsics(intrinsics[None, :, :])[0]):
        first = [[float(intrinsics[i, j]) for j in range(3)] for i in range(3)]
        raise InputError(
            "intrinsics: expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] with positive focal lengths, "
            f"got {first}."
        )
    return intrinsics


def _default_intrinsics(pose: Any, image_size: Any, lead: tuple[int, ...], dtype: Any) -> Any:
    if image_size is None:
        raise InputError("intrinsics: expected a camera matrix, or image_size=(width, height), got neither.")
    try:
        sizes = np.asarray(real_array("image_size", image_size), dtype=np.float64)
    except (TypeError, RuntimeError):  # an array that NumPy cannot reach
        raise InputError(
            f"image_size: expected numbers or a NumPy array, got {type(image_size).__name__}."
        ) from None
    if sizes.shape not in ((2,), (*lead, 2)) or not np.all(sizes > 0):
        raise InputError(
            f"image_size: expected (width, height) in pixels, or one for each body, got {image_size!r}."
        )
    intrinsics = default_intrinsics(sizes)
    return array_namespace(pose).asarray(intrinsics, dtype=dtype, device=device(pose))


def _with_focal_length(intrinsics: Any, transl: Any, focal_length: Any, dtype: Any) -> tuple[Any, Any]:
    """Put another focal length into cameras, and bodies where they keep their size in the image."""
    if isinstance(focal_length, bool) or not isinstance(focal_length, (int, float, np.number)):
        raise InputError(f"focal_length: expected a number of pixels, got {focal_length!r}.")
    if not 0 < focal_length < math.inf:
        raise InputError(f"focal_length: expected a positive number of pixels, got {focal_length}.")
    xp = array_namespace(intrinsics, transl)
    intrinsics, transl = xp.astype(intrinsics, dtype), xp.astype(transl, dtype)
    lens = xp.asarray([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=dtype, device=device(intrinsics))
    # A camera that has no focal length puts its body where no body can be, which is noticed there.
    with np.errstate(all="ignore"):
        depth = transl[..., 2:] * (float(focal_length) / intrinsics[..., :1, 0])
    transl = xp.concat([transl[..., :2], depth], axis=-1)
    return intrinsics * (1 - lens) + float(focal_length) * lens, transl


def _compute_dtype(*arrays: Any) -> Any:
    """Return float64 if any array is, else float32; whole numbers alone are computed in float64."""
    xp = array_namespace(arrays[0])
    floats = [a.dtype for a in arrays if xp.isdtype(a.dtype, "real floating")]
    return xp.float64 if not floats or xp.float64 in floats else xp.float32


def _wrong_shape(name: str, wanted: tuple[int, ...], value: Any) -> None:
    raise InputError(f"{name}: expected shape {wanted}, got {tuple(value.shape)}.")
