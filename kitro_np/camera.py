"""Camera: intrinsics and pinhole projection, and the chain rule back through it."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj

from .arrays.arguments import real_array
from .arrays.rotations import dot, matrix_from_rows, norm
from .errors import InputError


def default_intrinsics(image_size: Any, focal_length: Any = None) -> Any:
    """Intrinsics K = [[f, 0, W/2], [0, f, H/2], [0, 0, 1]]; of an unknown camera f = sqrt(H^2 + W^2) (Eq. 4).

    Parameters
    ----------
    image_size : (2,) or (..., 2) array_like of float
        Width and height of the image in pixels, of all bodies or of each.
    focal_length : float or (...) array_like, optional
        In pixels, where it is known: of all bodies or of each.

    Returns
    -------
    (..., 3, 3) array
        Intrinsic matrix K in pixels, of the kind of the arrays given, or NumPy's: float32 if they are, else
        float64. A size or focal length of a body that is not positive gives it NaN.

    Raises
    ------
    InputError
        If a shape is wrong, or the size or focal length of all bodies is not positive.
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


def keypoint_errors(joints: Any, keypoints_2d: Any, intrinsics: Any) -> Any:
    """Distance between each projected joint and its keypoint, in pixels: (N, J).

    Parameters
    ----------
    joints : (N, J, 3) array
        In camera space, in metres.
    keypoints_2d : (N, J, 2) array
    intrinsics : (N, 3, 3) array
    """
    return norm(project(joints, intrinsics) - keypoints_2d)[..., 0]


def reprojection_error(joints: Any, keypoints_2d: Any, intrinsics: Any) -> Any:
    """Mean of :func:`keypoint_errors` over the joints, in pixels: (N,)."""
    errors = keypoint_errors(joints, keypoints_2d, intrinsics)
    return array_namespace(errors).mean(errors, axis=-1)


def gradient_by_points(by_pixel: Any, points: Any, intrinsics: Any) -> Any:
    """Chain rule of :func:`project`: gradient (N, J, 3) by points from that by projections (N, J, 2).

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


class CameraEstimate(NamedTuple):
    """A camera in pixels and where it sees the body, as :func:`kitro_np.refine` takes them.

    Attributes
    ----------
    intrinsics : (..., 3, 3) array
        Camera matrix K in pixels.
    transl : (..., 3) array
        Camera translation in metres.
    """

    intrinsics: Any
    transl: Any


def with_focal_length(intrinsics: Any, transl: Any, focal_length: Any) -> CameraEstimate:
    """Change the focal length and keep the body's size in the image: fx' = f, fy' = f fy / fx, z' = z f / fx.

    Parameters
    ----------
    intrinsics : (3, 3) or (..., 3, 3) array_like
        Camera matrix K in pixels, of all bodies or of each.
    transl : (..., 3) array_like
        Camera translation in metres.
    focal_length : float or (...) array_like
        New fx in pixels, of all bodies or of each.

    Returns
    -------
    CameraEstimate
        Arrays of the kind given: float32 if they all are, else float64. K is (3, 3) where one camera and one
        focal length serve all bodies. A body whose camera has no positive focal length, or that is given
        none, gets NaN.

    Raises
    ------
    InputError
        If a shape is wrong, or the focal length of all bodies is not positive.

    Notes
    -----
    The principal point, x and y stay as they are. Whatever lies at the depth of `transl` is seen where it
    was; what lies before or behind it moves, as perspective has become weaker or stronger.
    """
    camera, place, focal = _alike(intrinsics=intrinsics, transl=transl, focal_length=focal_length)
    xp = array_namespace(camera)
    lead = _lead("transl", place)
    _expect_shape("intrinsics", camera, (3, 3), (*lead, 3, 3))
    focal = _positive(focal, lead)
    own = lead if focal.ndim or camera.ndim > 2 else ()
    camera = xp.broadcast_to(camera, (*own, 3, 3))
    fx, fy = camera[..., 0, 0], camera[..., 1, 1]
    usable = (fx > 0) & (fx < math.inf) & (fy > 0) & (fy < math.inf)
    focal = xp.where(usable, focal, xp.full_like(focal, math.nan))
    with np.errstate(all="ignore"):
        # First the ratio: fx / fx is exactly 1.
        lens = camera[..., :2, :2] / fx[..., None, None] * focal[..., None, None]
        depth = place[..., 2:] * (focal / fx)[..., None]
    camera = xp.concat([xp.concat([lens, camera[..., :2, 2:]], axis=-1), camera[..., 2:, :]], axis=-2)
    return CameraEstimate(camera, xp.concat([place[..., :2], depth], axis=-1))


def crop_to_full_image(
    crop_camera: Any, box: Any, image_size: Any, focal_length: Any = None
) -> CameraEstimate:
    """Full camera of a crop's: t = (tx + 2 (cx - W/2) / (s b), ty + 2 (cy - H/2) / (s b), 2 f / (s b)).

    Parameters
    ----------
    crop_camera : (..., 3) array_like
        Weak-perspective camera (s, tx, ty) of a square crop, whose sides are -1 and 1: x is seen at
        s (x + tx).
    box : (..., 3) array_like
        The crop (cx, cy, b) in pixels of the full image: its centre and its side. Of a bounding box
        (x, y, w, h) that is x + w / 2, y + h / 2 and the side that the network was given: max(w, h) times its
        margin. Of SPIN's `center` and `scale` b = 200 scale.
    image_size : (2,) or (..., 2) array_like
        Width and height of the full image in pixels, of all bodies or of each.
    focal_length : float or (...) array_like, optional
        Of the full image in pixels, of all bodies or of each; sqrt(W^2 + H^2) by default (Eq. 4). The demo of
        HMR2 takes 5000 / 256 max(W, H).

    Returns
    -------
    CameraEstimate
        K = [[f, 0, W/2], [0, f, H/2], [0, 0, 1]] of each body (..., 3, 3), and t in metres (..., 3). Arrays
        of the kind given: float32 if they all are, else float64. A body whose s or b is 0 gets no finite
        depth.

    Raises
    ------
    InputError
        If a shape is wrong, or the size or focal length of all bodies is not positive.

    Notes
    -----
    Exact for points at the depth of the body's origin; at z from it the two differ by a share z / t_z of the
    distance from the image's centre.

    EFT's cameras are s x + t: give (s, tx / s, ty / s).

    References
    ----------
    Li et al. CLIFF: Carrying Location Information in Full Frames into Human Pose and Shape Estimation. ECCV
    2022. As ``cam_crop_to_full`` in the code of 4D-Humans and ``get_trans`` in that of TRAM.
    """
    given = {"crop_camera": crop_camera, "box": box, "image_size": image_size}
    if focal_length is not None:
        given["focal_length"] = focal_length
    weak, crop, size, *focal = _alike(**given)
    xp = array_namespace(weak)
    lead = _lead("crop_camera", weak)
    _expect_shape("box", crop, (*lead, 3))
    camera = _pinhole(size, focal[0] if focal else None, lead)
    with np.errstate(all="ignore"):
        half = weak[..., :1] * crop[..., 2:] / 2
        place = weak[..., 1:] + (crop[..., :2] - camera[..., :2, 2]) / half
        depth = camera[..., 0, :1] / half
    return CameraEstimate(camera, xp.concat([place, depth], axis=-1))


def _pinhole(size: Any, focal: Any, lead: tuple[int, ...]) -> Any:
    """Camera matrices of images: a wrong size of all bodies is an error, a body's own gives it NaN."""
    xp = array_namespace(size)
    _expect_shape("image_size", size, (2,), (*lead, 2))
    usable = (size > 0) & (size < math.inf)
    if size.ndim == 1 and not bool(xp.all(usable)):
        sides = [float(side) for side in size]
        raise InputError(f"image_size: expected a positive width and height in pixels, got {sides}.")
    size = xp.where(usable, size, xp.full_like(size, math.nan))
    focal = xp.hypot(size[..., 0], size[..., 1]) if focal is None else _positive(focal, lead)
    focal, size = xp.broadcast_to(focal, lead), xp.broadcast_to(size, (*lead, 2))
    zero = xp.zeros_like(focal)
    return matrix_from_rows(
        [[focal, zero, size[..., 0] / 2], [zero, focal, size[..., 1] / 2], [zero, zero, zero + 1]]
    )


def _positive(focal: Any, lead: tuple[int, ...]) -> Any:
    """Check focal lengths: a wrong one of all bodies is an error, a body's own becomes NaN."""
    if tuple(focal.shape) not in ((), lead):
        expected = f"a number of pixels, or shape {lead}" if lead else "a number of pixels"
        raise InputError(f"focal_length: expected {expected}, got shape {tuple(focal.shape)}.")
    usable = (focal > 0) & (focal < math.inf)
    if focal.ndim == 0 and not bool(usable):
        raise InputError(f"focal_length: expected a positive number of pixels, got {float(focal)}.")
    xp = array_namespace(focal)
    return xp.where(usable, focal, xp.full_like(focal, math.nan))


def _alike(**given: Any) -> list[Any]:
    """Check arguments, and make them floating arrays of one kind: numbers and sequences follow the arrays."""
    read = {name: real_array(name, value) for name, value in given.items()}
    arrays = [
        name for name, value in given.items() if is_array_api_obj(value) and not isinstance(value, np.generic)
    ]
    first = arrays[0] if arrays else next(iter(given))
    xp, place = array_namespace(read[first]), device(read[first])
    for name in arrays:
        other, there = array_namespace(read[name]), device(read[name])
        if other is not xp:
            kinds = [str(one.__name__).removeprefix("array_api_compat.") for one in (xp, other)]
            raise InputError(
                f"{name}: expected an array of the same kind as {first}, {kinds[0]}, got {kinds[1]}."
            )
        if there != place:
            raise InputError(f"{name}: expected an array on the device of {first}, {place}, got {there}.")
    floats = [read[name].dtype for name in arrays if xp.isdtype(read[name].dtype, "real floating")]
    dtype = xp.float64 if not floats or xp.float64 in floats else xp.float32
    return [
        xp.astype(value, dtype, copy=False)
        if name in arrays
        else xp.asarray(value.tolist(), dtype=dtype, device=place)
        for name, value in read.items()
    ]


def _lead(name: str, value: Any) -> tuple[int, ...]:
    """Leading axes of an argument of three numbers a body."""
    shape = tuple(value.shape)
    if shape[-1:] != (3,):
        raise InputError(f"{name}: expected shape (..., 3), got {shape}.")
    return shape[:-1]


def _expect_shape(name: str, value: Any, *shapes: tuple[int, ...]) -> None:
    """Check that an argument has one of some shapes."""
    if tuple(value.shape) not in shapes:
        expected = " or ".join(dict.fromkeys(map(str, shapes)))
        raise InputError(f"{name}: expected shape {expected}, got {tuple(value.shape)}.")
