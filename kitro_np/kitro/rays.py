"""Rays: the two solutions for a child joint on its keypoint's ray (Eq. 11-13)."""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace

from ..arrays.rotations import cross, dot, norm, unit
from ..camera import backproject, project

AWAY, TOWARDS = 0, 1
"""Branch 0 points away from the camera, branch 1 towards it."""


class BoneRays(NamedTuple):
    """Rays and length of a bone: all that its two solutions depend on but the parent's distance.

    Attributes
    ----------
    parent_ray, child_ray : (..., 3) array
        Unit vectors a and b from the camera towards the parent and the child.
    cosine, sine : (..., 1) array
        Of the angle between them.
    bone_length : (..., 1) array
        In metres.
    """

    parent_ray: Any
    child_ray: Any
    cosine: Any
    sine: Any
    bone_length: Any


def signed_distance(points: Any) -> Any:
    """Distance from the camera in metres with the sign of the depth, negative behind it: (..., 1)."""
    xp = array_namespace(points)
    return xp.sign(points[..., 2:]) * norm(points)


def bone_rays(
    parent_joints: Any,
    bone_length: Any,
    parent_keypoints: Any,
    child_keypoints: Any,
    intrinsics: Any,
    *,
    shift: bool = True,
) -> BoneRays:
    """Rays through both ends of a bone, a = unit(K^-1 j_p) and b = unit(K^-1 j_c) (Eq. 11).

    Parameters
    ----------
    parent_joints : (N, K, 3) array
        Parents Y_p of K bones in camera space, in metres.
    bone_length : (N, K, 1) array
        In metres.
    parent_keypoints, child_keypoints : (N, K, 2) array
        In pixels.
    intrinsics : (N, 3, 3) array
    shift : bool
        Move both keypoints so that the parent's lies on the parent's projection,
        j_c + (pi(Y_p) - j_p); then a is the direction of the parent itself. The authors' code does this;
        the paper does not mention it.

    Returns
    -------
    BoneRays
    """
    if shift:
        projected = project(parent_joints, intrinsics)
        child_keypoints = child_keypoints + (projected - parent_keypoints)
        parent_keypoints = projected
    a = unit(backproject(parent_keypoints, intrinsics))
    b = unit(backproject(child_keypoints, intrinsics))
    return BoneRays(a, b, dot(a, b), norm(cross(a, b)), bone_length)


def intersect(rays: BoneRays, parent_distance: Any) -> tuple[Any, Any]:
    """Intersect the child's ray with the sphere of the bone about the parent (Eq. 12-13).

    Parameters
    ----------
    rays : BoneRays
        With leading axes that broadcast against `parent_distance`.
    parent_distance : (..., 1) array
        L, the parent's distance from the camera in metres.

    Returns
    -------
    solutions : (..., 2, 3) array
        Vectors from the parent to the child, L (cos b - a) +- s b with
        s = sqrt(max(bone_length^2 - L^2 sin^2, 0)): away from the camera first.
    child_distance : (..., 2, 1) array
        L cos +- s.

    Notes
    -----
    Where the ray misses the sphere, s = 0 and both solutions are the ray's nearest point.
    """
    xp = array_namespace(parent_distance)
    ray_distance = parent_distance * rays.sine
    half_chord = xp.sqrt(xp.clip(rays.bone_length * rays.bone_length - ray_distance * ray_distance, min=0.0))
    perpendicular = parent_distance * (rays.cosine * rays.child_ray - rays.parent_ray)
    middle = parent_distance * rays.cosine
    step = half_chord * rays.child_ray
    solutions = xp.stack([perpendicular + step, perpendicular - step], axis=-2)
    child_distance = xp.stack([middle + half_chord, middle - half_chord], axis=-2)
    return solutions, child_distance
