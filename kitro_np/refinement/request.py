"""Request: a caller's arguments, validated once; later code trusts its arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from ..arrays.arguments import like_pose, real_array
from ..arrays.poses import as_matrices, pose_tail
from ..body.model import BodyModel, with_betas
from ..body.skeleton import Skeleton
from ..camera import default_intrinsics
from ..errors import InputError
from ..keypoints.layouts import KeypointLayout, find_layout
from .tracks import VideoTracks, read_tracks
from .validity import usable_intrinsics

MAX_DEPTH = 16
"""Longest chain of bones: 2**16 hypotheses at its end. SMPL has 8 bones from the pelvis to a hand."""


@dataclass(frozen=True)
class Arguments:
    """Arrays as the caller gave them; see :func:`kitro_np.refine`."""

    pose: Any
    betas: Any
    transl: Any
    keypoints_2d: Any
    intrinsics: Any = None
    confidence: Any = None
    image_size: Any = None
    focal_length: Any = None
    tracks: Any = None
    frames: Any = None
    fps: Any = None
    extrinsics: Any = None


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
    keypoints_2d : (N, K, 2) array
    intrinsics : (N or 1, 3, 3) array
    dtype : dtype
        Of the computation: float32 or float64.
    lead : tuple of int
        Leading shape of the caller's arrays.
    given_pose : array
        The caller's pose, in its own form and shape.
    layout : KeypointLayout
        Of the keypoints on the body.
    confidence : (N, K) array or None
        0 or NaN where a keypoint is not visible.
    image_size : (N or 1, 2) array or None
        Width and height in pixels.
    tracks : VideoTracks or None
        Which bodies are one person in a video.
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
    image_size: Any = None
    tracks: VideoTracks | None = None

    @property
    def count(self) -> int:
        """Number of bodies N."""
        return int(self.pose.shape[0])

    def some(self, own: slice) -> Request:
        """Return the request for a slice of the bodies."""
        shared = self.intrinsics.shape[0] == 1
        return replace(
            self,
            pose=self.pose[own, ...],
            betas=self.betas[own, ...],
            transl=self.transl[own, ...],
            keypoints_2d=self.keypoints_2d[own, ...],
            intrinsics=self.intrinsics if shared else self.intrinsics[own, ...],
            confidence=None if self.confidence is None else self.confidence[own, ...],
            image_size=self.image_sizes(own),
        )

    def image_sizes(self, own: slice) -> Any:
        """Return the image sizes of a slice of the bodies, (M or 1, 2), or None."""
        shared = self.image_size is None or self.image_size.shape[0] == 1
        return self.image_size if shared else self.image_size[own, ...]


def skeleton_of(body: Any) -> Skeleton:
    """Return a body's skeleton; InputError if it cannot be refined."""
    skeleton = body.skeleton if isinstance(body, BodyModel) else body
    if not isinstance(skeleton, Skeleton):
        raise InputError(
            f"body: expected a BodyModel, a Skeleton or a body's name, got {type(body).__name__}."
        )
    if skeleton.num_joints < 2:
        raise InputError("body: expected a skeleton with at least one bone, got a single joint.")
    if max(skeleton.depths) > MAX_DEPTH:
        raise InputError(
            f"body: expected at most {MAX_DEPTH} bones from root to leaf, got {max(skeleton.depths)}."
        )
    return skeleton


def read_request(
    given: Arguments,
    body: BodyModel | Skeleton,
    keypoint_layout: Any = "smpl24",
    *,
    own_camera: bool = False,
) -> Request:
    """Check the arguments of :func:`kitro_np.refine`.

    Parameters
    ----------
    given : Arguments
        Arrays of one library on one device, or sequences of numbers.
    body : BodyModel or Skeleton
    keypoint_layout : str or KeypointLayout
    own_camera : bool
        Camera and image size are a single body's own: wrong ones set its status, and are no error.

    Raises
    ------
    InputError
        In one sentence that names the argument, what was expected and what was given.
    """
    skeleton = skeleton_of(body)
    joints = skeleton.num_joints
    layout = find_layout(keypoint_layout, body)
    pose = real_array("pose", given.pose)
    lead = tuple(pose.shape[: pose.ndim - len(pose_tail(tuple(pose.shape), joints))])
    count = math.prod(lead)
    dtype = _compute_dtype(pose)
    xp = array_namespace(pose)
    betas = _read_betas(like_pose(pose, "betas", given.betas), lead, skeleton.num_betas)
    transl = like_pose(pose, "transl", given.transl)
    if tuple(transl.shape) != (*lead, 3):
        _wrong_shape("transl", (*lead, 3), transl)
    keypoints_2d, confidence = _read_keypoints(pose, given, lead, layout.num_points)
    image_size = _read_image_size(pose, given, lead, dtype, own=own_camera)
    intrinsics = _read_intrinsics(pose, given, lead, dtype, own=own_camera)
    # Matrices are cast chunk by chunk, later; vectors are converted to matrices in the compute dtype.
    exact = pose.ndim == len(lead) + 3 and xp.isdtype(pose.dtype, "real floating")
    matrices, _ = as_matrices(pose if exact else xp.astype(pose, dtype, copy=False), joints)
    return Request(
        with_betas(skeleton, int(betas.shape[-1])),
        matrices,
        xp.reshape(betas, (count, betas.shape[-1])),
        xp.reshape(transl, (count, 3)),
        xp.reshape(keypoints_2d, (count, layout.num_points, 2)),
        xp.reshape(intrinsics, (math.prod(intrinsics.shape[:-2]), 3, 3)),
        dtype,
        lead,
        pose,
        layout,
        None if confidence is None else xp.reshape(confidence, (count, layout.num_points)),
        image_size,
        _read_tracks(pose, given, lead),
    )


def _read_tracks(pose: Any, given: Arguments, lead: tuple[int, ...]) -> VideoTracks | None:
    """Check what belongs to videos; None if nothing is given."""
    asked = (given.tracks, given.frames, given.fps, given.extrinsics)
    if all(part is None for part in asked):
        return None
    tracks = read_tracks(lead, *asked[:3])
    return tracks if given.extrinsics is None else tracks.with_extrinsics(pose, given.extrinsics, lead)


def _read_betas(betas: Any, lead: tuple[int, ...], most: int) -> Any:
    """Check betas; (S,) are shared by all bodies."""
    if betas.ndim == 1 and lead and betas.shape[0] <= most:
        return array_namespace(betas).broadcast_to(betas, (*lead, betas.shape[0]))
    if betas.ndim != len(lead) + 1 or tuple(betas.shape[:-1]) != lead or betas.shape[-1] > most:
        _wrong_shape("betas", (*lead, most), betas)
    return betas


def _read_keypoints(pose: Any, given: Arguments, lead: tuple[int, ...], points: int) -> tuple[Any, Any]:
    """Check keypoints (x, y) or (x, y, score), and confidences."""
    keypoints_2d = like_pose(pose, "keypoints_2d", given.keypoints_2d)
    confidence = given.confidence
    if tuple(keypoints_2d.shape) == (*lead, points, 3):
        if confidence is not None:
            raise InputError("confidence: expected None where keypoints_2d are (x, y, score), got both.")
        return keypoints_2d[..., :2], keypoints_2d[..., 2]
    if tuple(keypoints_2d.shape) != (*lead, points, 2):
        _wrong_shape("keypoints_2d", (*lead, points, 2), keypoints_2d)
    if confidence is not None:
        confidence = like_pose(pose, "confidence", confidence)
        if tuple(confidence.shape) != (*lead, points):
            _wrong_shape("confidence", (*lead, points), confidence)
    return keypoints_2d, confidence


def _read_intrinsics(pose: Any, given: Arguments, lead: tuple[int, ...], dtype: Any, *, own: bool) -> Any:
    """Check intrinsics, or make them from the image sizes, which have been checked."""
    if given.intrinsics is None:
        return _from_image_size(pose, given, lead, dtype)
    if given.focal_length is not None:
        raise InputError(
            "focal_length: expected None where intrinsics are given (kitro_np.with_focal_length changes an "
            "estimate's), got both."
        )
    intrinsics = like_pose(pose, "intrinsics", given.intrinsics)
    if tuple(intrinsics.shape) not in ((3, 3), (*lead, 3, 3)):
        expected = f"(3, 3) or {(*lead, 3, 3)}" if lead else "(3, 3)"
        raise InputError(f"intrinsics: expected shape {expected}, got {tuple(intrinsics.shape)}.")
    # Wrong intrinsics of a single body only set its status; shared ones are an error.
    if intrinsics.ndim == 2 and not own and not bool(usable_intrinsics(intrinsics[None, :, :])[0]):
        first = [[float(intrinsics[i, j]) for j in range(3)] for i in range(3)]
        raise InputError(
            "intrinsics: expected [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] with positive focal lengths, "
            f"got {first}."
        )
    return intrinsics


def _read_image_size(pose: Any, given: Arguments, lead: tuple[int, ...], dtype: Any, *, own: bool) -> Any:
    """Check image sizes; (2,) is that of all bodies: (N or 1, 2) or None."""
    if given.image_size is None:
        return None
    sizes = _host_numbers("image_size", given.image_size)
    if sizes.shape not in ((2,), (*lead, 2)):
        raise InputError(
            f"image_size: expected (width, height) in pixels, or one for each body, got {given.image_size!r}."
        )
    # Outside of an image whose size is not positive no keypoint is visible, which concerns that body alone.
    if sizes.ndim == 1 and not own and not (np.all(np.isfinite(sizes)) and np.all(sizes > 0)):
        raise InputError(f"image_size: expected a positive width and height in pixels, got {sizes.tolist()}.")
    return array_namespace(pose).asarray(sizes.reshape(-1, 2), dtype=dtype, device=device(pose))


def _from_image_size(pose: Any, given: Arguments, lead: tuple[int, ...], dtype: Any) -> Any:
    if given.image_size is None:
        raise InputError("intrinsics: expected a camera matrix, or image_size=(width, height), got neither.")
    focal = None
    if given.focal_length is not None:
        focal = _host_numbers("focal_length", given.focal_length)
        if focal.shape not in ((), lead):
            raise InputError(
                f"focal_length: expected a positive number of pixels, or one for each body, "
                f"got {given.focal_length!r}."
            )
    # A size or focal length of one body that is not positive gives NaN, which concerns that body alone.
    intrinsics = default_intrinsics(_host_numbers("image_size", given.image_size), focal)
    return array_namespace(pose).asarray(intrinsics, dtype=dtype, device=device(pose))


def _host_numbers(name: str, value: Any) -> np.ndarray:
    """Return numbers as a NumPy array in float64."""
    if isinstance(value, bool):
        raise InputError(f"{name}: expected numbers, got {value!r}.")
    try:
        return np.asarray(real_array(name, value), dtype=np.float64)
    except (TypeError, RuntimeError):  # an array that NumPy cannot reach
        raise InputError(f"{name}: expected numbers or a NumPy array, got {type(value).__name__}.") from None


def _compute_dtype(pose: Any) -> Any:
    """Return float64 for float64 and integer poses, else float32; the other arrays are cast to it."""
    xp = array_namespace(pose)
    floating = xp.isdtype(pose.dtype, "real floating")
    return xp.float32 if floating and pose.dtype != xp.float64 else xp.float64


def _wrong_shape(name: str, expected: tuple[int, ...], value: Any) -> None:
    raise InputError(f"{name}: expected shape {expected}, got {tuple(value.shape)}.")
