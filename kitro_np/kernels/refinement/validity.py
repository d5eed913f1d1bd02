"""Validity of a tile: which bodies can be refined."""

from __future__ import annotations

from ...refinement.validity import (
    LARGEST_NUMBER,
    ROTATION_TOLERANCE,
    SMALLEST_EXTENT,
    SMALLEST_FOCAL,
    Status,
)
from ..camera import in_camera
from ..jit import kernel
from ..lanes import absolute, full, load, store, where
from ..vector_math import dot, load9

# Plain integers: Numba compiles members of an IntEnum more slowly.
NOT_FINITE = int(Status.NOT_FINITE)
NOT_A_ROTATION = int(Status.NOT_A_ROTATION)
BAD_INTRINSICS = int(Status.BAD_INTRINSICS)
BEHIND_CAMERA = int(Status.BEHIND_CAMERA)
KEYPOINTS_IN_ONE_POINT = int(Status.KEYPOINTS_IN_ONE_POINT)
DIVERGED = int(Status.DIVERGED)
TOO_FEW_KEYPOINTS = int(Status.TOO_FEW_KEYPOINTS)
UNLIKELY = int(Status.UNLIKELY)
SWAPPED = int(Status.SWAPPED)


@kernel
def estimate_status(tree, tile):
    """Fused twin of kitro_np.refinement.validity.estimate_status, after forward kinematics.

    Entries of the intrinsics that a tile does not hold are checked by
    :func:`kitro_np.kernels.refinement.chunks.check_intrinsics`.
    """
    estimate_status_by(_nearest_depth(tree, tile), tree, tile)


@kernel
def estimate_status_by(nearest_depth, tree, tile):
    """Do as :func:`estimate_status`, for a body whose depth that must be positive is given."""
    status = where(
        _keypoint_extent(tree, tile) > SMALLEST_EXTENT * load(tile.camera, 0),
        0.0,
        KEYPOINTS_IN_ONE_POINT,
    )
    status = where(nearest_depth > 0.0, status, BEHIND_CAMERA)
    status = where(_rotation_error(tree, tile) > ROTATION_TOLERANCE, NOT_A_ROTATION, status)
    usable = where(load(tile.camera, 0) > SMALLEST_FOCAL, load(tile.camera, 1), 0.0)
    status = where(usable > SMALLEST_FOCAL, status, BAD_INTRINSICS)
    largest = _larger(_largest(tile.betas), _largest(tile.transl))
    largest = _larger(largest, _larger(_largest(tile.keypoints), _largest(tile.camera)))
    status = where(largest < LARGEST_NUMBER, status, NOT_FINITE)
    store(tile.status, 0, where(absolute(_finite(tile.pose)) < 1.0, status, NOT_FINITE))


@kernel
def outcome_status(tree, tile):
    """Fused twin of kitro_np.refinement.validity.outcome_status, after their error, for valid bodies."""
    outcome_status_by(_nearest_depth(tree, tile), tile)


@kernel
def outcome_status_by(nearest_depth, tile):
    """Do as :func:`outcome_status`, for a body whose depth that must be positive is given."""
    status = load(tile.status, 0)
    finite = _finite(tile.pose) + _finite(tile.betas) + _finite(tile.transl) + _finite(tile.error)
    fine = where(nearest_depth > 0.0, absolute(finite), 1.0)
    diverged = where(fine < 1.0, status, DIVERGED)
    store(tile.status, 0, where(status > 0.0, status, diverged))


@kernel
def _finite(rows):
    """Return 0 where all rows are finite, else NaN."""
    total = full(rows, 0.0)
    for row in range(rows.shape[0]):
        total = total + 0.0 * load(rows, row)
    return total


@kernel
def _largest(rows):
    """Return the largest |x| of the rows, but LARGEST_NUMBER for any that is not below it, and NaN."""
    largest = full(rows, 0.0)
    for row in range(rows.shape[0]):
        number = absolute(load(rows, row))
        largest = _larger(where(number < LARGEST_NUMBER, number, LARGEST_NUMBER), largest)
    return largest


@kernel
def _rotation_error(tree, tile):
    """Largest entry of R^T R - I over the joints; 1 where a determinant is not positive."""
    worst = full(tile.status, 0.0)
    for j in range(tree.parents.size):
        m = load9(tile.pose, j)
        x, y, z = (m[0], m[3], m[6]), (m[1], m[4], m[7]), (m[2], m[5], m[8])
        worst = _larger(worst, _larger(absolute(dot(x, x) - 1.0), absolute(dot(y, y) - 1.0)))
        worst = _larger(worst, _larger(absolute(dot(z, z) - 1.0), absolute(dot(x, y))))
        worst = _larger(worst, _larger(absolute(dot(y, z)), absolute(dot(x, z))))
        determinant = (
            x[0] * (y[1] * z[2] - y[2] * z[1])
            + x[1] * (y[2] * z[0] - y[0] * z[2])
            + x[2] * (y[0] * z[1] - y[1] * z[0])
        )
        worst = where(determinant > 0.0, worst, 1.0)
    return worst


@kernel
def _nearest_depth(tree, tile):
    nearest = in_camera(tile, 0)[2]
    for j in range(1, tree.parents.size):
        nearest = -_larger(-nearest, -in_camera(tile, j)[2])
    return nearest


@kernel
def _keypoint_extent(tree, tile):
    extent = full(tile.status, 0.0)
    for row in range(2, tile.keypoints.shape[0]):
        extent = _larger(extent, absolute(load(tile.keypoints, row) - load(tile.keypoints, row % 2)))
    return extent


@kernel
def _larger(a, b):
    return where(a > b, a, b)
