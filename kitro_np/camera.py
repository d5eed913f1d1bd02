"""Camera: intrinsics, pinhole projection and its derivative, and conversions of camera estimates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, overload

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj

from .arrays.arguments import library_name, real_array
from .arrays.rotations import dot, matrix_from_rows, norm
from .errors import InputError
from .typing import ArrayLike, ArrayT, Nested, ScalarLike

if TYPE_CHECKING:
    from typing_extensions import Self


@overload
def default_intrinsics(image_size: ArrayT, focal_length: ArrayLike | ScalarLike | None = None) -> ArrayT: ...


@overload
def default_intrinsics(
    image_size: Sequence[Nested], focal_length: Sequence[Nested] | ScalarLike | None = None
) -> np.ndarray: ...


@overload
def default_intrinsics(image_size: Sequence[Nested], focal_length: ArrayT) -> ArrayT: ...


def default_intrinsics(image_size: Any, focal_length: Any = None) -> Any:
    """Intrinsics K = [[f, 0, W/2], [0, f, H/2], [0, 0, 1]], by default with f = sqrt(W^2 + H^2), as in Eq. 4.

    Parameters
    ----------
    image_size : (2,) or (..., 2) array_like of float
        Width W and height H of the image in pixels, for all bodies or for each.
    focal_length : float or (...) array_like, optional
        Focal length f in pixels, for all bodies or for each.

    Returns
    -------
    (..., 3, 3) array
        Camera matrix K in pixels. The kind of the arrays given, else NumPy; float32 if they are, else
        float64. NaN for a body whose size or focal length is not positive.

    Raises
    ------
    InputError
        If a shape is wrong, or a size or focal length for all bodies is not positive.
    """
    if focal_length is None:
        (size,), focal = _alike(image_size=image_size), None
    else:
        size, focal = _alike(image_size=image_size, focal_length=focal_length)
    lead = tuple(size.shape[:-1])
    if not lead and focal is not None:
        lead = tuple(focal.shape)
    return _pinhole(size, focal, lead)


def project(points: Any, intrinsics: Any) -> Any:
    """Pinhole projection u = f X / Z + c.

    Parameters
    ----------
    points : (N, J, 3) array
        In camera space, in metres; the camera looks along +z, y points down.
    intrinsics : (N, 3, 3) array
        Camera matrices in pixels.

    Returns
    -------
    (N, J, 2) array
        In pixels.
    """
    focal, centre = focal_and_centre(intrinsics)
    return focal * points[..., :2] / points[..., 2:] + centre


def backproject(keypoints_2d: Any, intrinsics: Any) -> Any:
    """Ray K^-1 (u, v, 1) through each keypoint, at depth 1: (N, J, 3)."""
    xp = array_namespace(keypoints_2d, intrinsics)
    focal, centre = focal_and_centre(intrinsics)
    plane = (keypoints_2d - centre) / focal
    return xp.concat([plane, xp.ones_like(plane[..., :1])], axis=-1)


def keypoint_errors(joints: ArrayT, keypoints_2d: ArrayT, intrinsics: ArrayT) -> ArrayT:
    """Distance between each projected joint and its keypoint, in pixels: (N, J).

    Parameters
    ----------
    joints : (N, J, 3) array
        In camera space, in metres.
    keypoints_2d : (N, J, 2) array
    intrinsics : (N, 3, 3) array
    """
    return norm(project(joints, intrinsics) - keypoints_2d)[..., 0]


def reprojection_error(joints: ArrayT, keypoints_2d: ArrayT, intrinsics: ArrayT) -> ArrayT:
    """Mean of :func:`keypoint_errors` over the joints, in pixels: (N,)."""
    errors = keypoint_errors(joints, keypoints_2d, intrinsics)
    return array_namespace(errors).mean(errors, axis=-1)


def gradient_by_points(by_pixel: Any, points: Any, intrinsics: Any) -> Any:
    """Chain rule of :func:`project`: gradient (N, J, 3) by points, from that by projections (N, J, 2).

    With u = fx X / Z + cx, dL/dX = fx dL/du / Z and dL/dZ = -(fx dL/du X + fy dL/dv Y) / Z^2.
    """
    xp = array_namespace(by_pixel, points)
    focal, _ = focal_and_centre(intrinsics)
    by_plane = by_pixel * focal
    depth = points[..., 2:]
    return xp.concat([by_plane, -dot(by_plane, points[..., :2]) / depth], axis=-1) / depth


def focal_and_centre(intrinsics: Any) -> tuple[Any, Any]:
    """Focal lengths and principal points, (N, 1, 2) each, in pixels."""
    xp = array_namespace(intrinsics)
    focal = xp.stack([intrinsics[:, 0, 0], intrinsics[:, 1, 1]], axis=-1)
    return focal[:, None, :], intrinsics[:, None, :2, 2]


class _Camera(NamedTuple):
    intrinsics: Any
    transl: Any


class CameraEstimate(_Camera, Generic[ArrayT]):
    """Camera matrix and camera translation, as :func:`kitro_np.refine` takes them.

    Attributes
    ----------
    intrinsics : (..., 3, 3) array
        Camera matrix K in pixels.
    transl : (..., 3) array
        Camera translation in metres.
    """

    __slots__ = ()  # a named tuple needs no instance dict; Python 3.10 has no generic NamedTuple

    if TYPE_CHECKING:
        intrinsics: ArrayT
        transl: ArrayT

        def __new__(cls, intrinsics: ArrayT, transl: ArrayT) -> Self: ...  # noqa: D102


@overload
def with_focal_length(
    intrinsics: ArrayT, transl: ArrayLike, focal_length: ArrayLike | ScalarLike
) -> CameraEstimate[ArrayT]: ...


@overload
def with_focal_length(
    intrinsics: Sequence[Nested], transl: ArrayT, focal_length: ArrayLike | ScalarLike
) -> CameraEstimate[ArrayT]: ...


@overload
def with_focal_length(
    intrinsics: Sequence[Nested], transl: Sequence[Nested], focal_length: Sequence[Nested] | ScalarLike
) -> CameraEstimate[np.ndarray]: ...


@overload
def with_focal_length(
    intrinsics: Sequence[Nested], transl: Sequence[Nested], focal_length: ArrayT
) -> CameraEstimate[ArrayT]: ...


def with_focal_length(intrinsics: Any, transl: Any, focal_length: Any) -> CameraEstimate[Any]:
    """Change the focal length and keep the body's size in the image: fx' = f, fy' = f fy / fx, z' = z f / fx.

    Parameters
    ----------
    intrinsics : (3, 3) or (..., 3, 3) array_like
        Camera matrix K in pixels, for all bodies or for each.
    transl : (..., 3) array_like
        Camera translation in metres.
    focal_length : float or (...) array_like
        New focal length f in pixels, for all bodies or for each.

    Returns
    -------
    CameraEstimate
        Arrays of the kind given; float32 if all are, else float64. K is (3, 3) if camera and focal length
        are the same for all bodies. NaN for a body whose old or new focal length is not positive.

    Raises
    ------
    InputError
        If a shape is wrong, or a focal length for all bodies is not positive.

    Notes
    -----
    The principal point and the x and y of the translation do not change. Points at the depth of `transl` keep
    their projection; points nearer or farther move, because the perspective becomes weaker or stronger.
    """
    camera, translation, focal = _alike(intrinsics=intrinsics, transl=transl, focal_length=focal_length)
    xp = array_namespace(camera)
    lead = _lead("transl", translation)
    _expect_shape("intrinsics", camera, (3, 3), (*lead, 3, 3))
    focal = _positive(focal, lead)
    camera_lead = lead if focal.ndim or camera.ndim > 2 else ()
    camera = xp.broadcast_to(camera, (*camera_lead, 3, 3))
    fx, fy = camera[..., 0, 0], camera[..., 1, 1]
    valid = (fx > 0) & (fx < math.inf) & (fy > 0) & (fy < math.inf)
    focal = xp.where(valid, focal, xp.full_like(focal, math.nan))
    with np.errstate(all="ignore"):
        # Divide first: fx / fx is exactly 1.
        lens = camera[..., :2, :2] / fx[..., None, None] * focal[..., None, None]
        depth = translation[..., 2:] * (focal / fx)[..., None]
    camera = xp.concat([xp.concat([lens, camera[..., :2, 2:]], axis=-1), camera[..., 2:, :]], axis=-2)
    return CameraEstimate(camera, xp.concat([translation[..., :2], depth], axis=-1))


@overload
def crop_to_full_image(
    crop_camera: ArrayT,
    box: ArrayLike,
    image_size: ArrayLike,
    focal_length: ArrayLike | ScalarLike | None = None,
) -> CameraEstimate[ArrayT]: ...


@overload
def crop_to_full_image(
    crop_camera: Sequence[Nested],
    box: ArrayT,
    image_size: ArrayLike,
    focal_length: ArrayLike | ScalarLike | None = None,
) -> CameraEstimate[ArrayT]: ...


@overload
def crop_to_full_image(
    crop_camera: Sequence[Nested],
    box: Sequence[Nested],
    image_size: ArrayT,
    focal_length: ArrayLike | ScalarLike | None = None,
) -> CameraEstimate[ArrayT]: ...


@overload
def crop_to_full_image(
    crop_camera: Sequence[Nested],
    box: Sequence[Nested],
    image_size: Sequence[Nested],
    focal_length: Sequence[Nested] | ScalarLike | None = None,
) -> CameraEstimate[np.ndarray]: ...


@overload
def crop_to_full_image(
    crop_camera: Sequence[Nested], box: Sequence[Nested], image_size: Sequence[Nested], focal_length: ArrayT
) -> CameraEstimate[ArrayT]: ...


def crop_to_full_image(
    crop_camera: Any, box: Any, image_size: Any, focal_length: Any = None
) -> CameraEstimate[Any]:
    """Full-image camera of a crop: t = (tx + 2 (cx - W/2) / (s b), ty + 2 (cy - H/2) / (s b), 2 f / (s b)).

    Parameters
    ----------
    crop_camera : (..., 3) array_like
        Weak-perspective camera (s, tx, ty) of a square crop with coordinates from -1 to 1: x is projected to
        s (x + tx).
    box : (..., 3) array_like
        Centre and side (cx, cy, b) of the crop in pixels of the full image. For a bounding box (x, y, w, h)
        the centre is (x + w / 2, y + h / 2), and b the side of the network's crop: max(w, h) times its
        margin. For SPIN's `center` and `scale`, b = 200 scale.
    image_size : (2,) or (..., 2) array_like
        Width W and height H of the full image in pixels, for all bodies or for each.
    focal_length : float or (...) array_like, optional
        Focal length f of the full image in pixels, for all bodies or for each; by default
        sqrt(W^2 + H^2) (Eq. 4). The demo of HMR2 uses 5000 / 256 max(W, H).

    Returns
    -------
    CameraEstimate
        K = [[f, 0, W/2], [0, f, H/2], [0, 0, 1]] for each body, (..., 3, 3), and t in metres, (..., 3).
        Arrays of the kind given; float32 if all are, else float64. The depth is not finite if s or b is 0.

    Raises
    ------
    InputError
        If a shape is wrong, or a size or focal length for all bodies is not positive.

    Notes
    -----
    Exact for points at the depth of the body's origin. For a point at the depth z relative to it, the two
    projections differ by the fraction z / t_z of its distance from the image's centre.

    EFT's cameras are s x + t: pass (s, tx / s, ty / s).

    References
    ----------
    Li et al. CLIFF: Carrying Location Information in Full Frames into Human Pose and Shape Estimation. ECCV
    2022. As ``cam_crop_to_full`` in the code of 4D-Humans and ``get_trans`` in that of TRAM.
    """
    arguments = {"crop_camera": crop_camera, "box": box, "image_size": image_size}
    if focal_length is not None:
        arguments["focal_length"] = focal_length
    weak, crop, size, *focal = _alike(**arguments)
    xp = array_namespace(weak)
    lead = _lead("crop_camera", weak)
    _expect_shape("box", crop, (*lead, 3))
    camera = _pinhole(size, focal[0] if focal else None, lead)
    with np.errstate(all="ignore"):
        half = weak[..., :1] * crop[..., 2:] / 2
        translation = weak[..., 1:] + (crop[..., :2] - camera[..., :2, 2]) / half
        depth = camera[..., 0, :1] / half
    return CameraEstimate(camera, xp.concat([translation, depth], axis=-1))


def _pinhole(size: Any, focal: Any, lead: tuple[int, ...]) -> Any:
    """Camera matrices of images; an invalid size for all bodies is an error, for one body NaN."""
    xp = array_namespace(size)
    _expect_shape("image_size", size, (2,), (*lead, 2))
    valid = (size > 0) & (size < math.inf)
    if size.ndim == 1 and not bool(xp.all(valid)):
        sides = [float(side) for side in size]
        raise InputError(f"image_size: expected a positive width and height in pixels, got {sides}.")
    size = xp.where(valid, size, xp.full_like(size, math.nan))
    focal = xp.hypot(size[..., 0], size[..., 1]) if focal is None else _positive(focal, lead)
    focal, size = xp.broadcast_to(focal, lead), xp.broadcast_to(size, (*lead, 2))
    zero = xp.zeros_like(focal)
    return matrix_from_rows(
        [[focal, zero, size[..., 0] / 2], [zero, focal, size[..., 1] / 2], [zero, zero, zero + 1]]
    )


def _positive(focal: Any, lead: tuple[int, ...]) -> Any:
    """Check focal lengths; an invalid one for all bodies is an error, for one body NaN."""
    if tuple(focal.shape) not in ((), lead):
        expected = f"a number of pixels, or shape {lead}" if lead else "a number of pixels"
        raise InputError(f"focal_length: expected {expected}, got shape {tuple(focal.shape)}.")
    valid = (focal > 0) & (focal < math.inf)
    if focal.ndim == 0 and not bool(valid):
        raise InputError(f"focal_length: expected a positive number of pixels, got {float(focal)}.")
    xp = array_namespace(focal)
    return xp.where(valid, focal, xp.full_like(focal, math.nan))


def _alike(**arguments: Any) -> list[Any]:
    """Check arguments and convert them to floats of one library and device: that of the first array."""
    checked = {name: real_array(name, value) for name, value in arguments.items()}
    arrays = [
        name
        for name, value in arguments.items()
        if is_array_api_obj(value) and not isinstance(value, np.generic)
    ]
    first = arrays[0] if arrays else next(iter(arguments))
    xp, first_device = array_namespace(checked[first]), device(checked[first])
    for name in arrays:
        other_xp, other_device = array_namespace(checked[name]), device(checked[name])
        if other_xp is not xp:
            raise InputError(
                f"{name}: expected an array of the same kind as {first}, {library_name(xp)}, "
                f"got {library_name(other_xp)}."
            )
        if other_device != first_device:
            raise InputError(
                f"{name}: expected an array on the device of {first}, {first_device}, got {other_device}."
            )
    floats = [checked[name].dtype for name in arrays if xp.isdtype(checked[name].dtype, "real floating")]
    dtype = xp.float64 if not floats or xp.float64 in floats else xp.float32
    return [
        xp.astype(value, dtype, copy=False)
        if name in arrays
        else xp.asarray(value.tolist(), dtype=dtype, device=first_device)
        for name, value in checked.items()
    ]


def _lead(name: str, value: Any) -> tuple[int, ...]:
    """Leading shape of an argument (..., 3)."""
    shape = tuple(value.shape)
    if shape[-1:] != (3,):
        raise InputError(f"{name}: expected shape (..., 3), got {shape}.")
    return shape[:-1]


def _expect_shape(name: str, value: Any, *shapes: tuple[int, ...]) -> None:
    """Check that an argument has one of the given shapes."""
    if tuple(value.shape) not in shapes:
        expected = " or ".join(dict.fromkeys(map(str, shapes)))
        raise InputError(f"{name}: expected shape {expected}, got {tuple(value.shape)}.")
