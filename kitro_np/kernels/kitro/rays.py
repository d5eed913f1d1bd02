"""Rays of a tile (Eq. 11-13)."""

from __future__ import annotations

from ..camera import backproject, project
from ..jit import kernel
from ..lanes import sqrt, where
from ..vector_math import cross, dot, load2, scale, subtract, unit


@kernel
def bone_rays(tile, parent_joint, p, c, shift):
    """Fused twin of kitro_np.kitro.rays.bone_rays, for the bone from joint p to joint c."""
    parent_u, parent_v = load2(tile.keypoints, p)
    u, v = load2(tile.keypoints, c)
    if shift:
        projected_u, projected_v = project(parent_joint, tile)
        u, v = u + (projected_u - parent_u), v + (projected_v - parent_v)
        parent_u, parent_v = projected_u, projected_v
    a = unit(backproject(parent_u, parent_v, tile))
    b = unit(backproject(u, v, tile))
    crossed = cross(a, b)
    return a, b, dot(a, b), sqrt(dot(crossed, crossed))


@kernel
def perpendicular_to_ray(a, b, cosine):
    """Return cos b - a: the perpendicular from the parent to the child's ray, per unit of L."""
    return subtract(scale(cosine, b), a)


@kernel
def half_chord(parent_distance, sine, bone_squared):
    """Fused twin of kitro_np.kitro.rays.intersect: s, and the length of both solutions.

    The perpendicular is orthogonal to the ray, so |solution|^2 = (L sin)^2 + s^2 = max(bone^2, (L sin)^2).
    """
    squared = parent_distance * sine
    squared = squared * squared
    intersects = squared < bone_squared
    return sqrt(where(intersects, bone_squared - squared, 0.0)), sqrt(
        where(intersects, bone_squared, squared)
    )


@kernel
def signed_distance(point):
    """Fused twin of kitro_np.kitro.rays.signed_distance."""
    length = sqrt(dot(point, point))
    return where(point[2] < 0.0, -length, length)
