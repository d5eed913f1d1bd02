"""Rotations in three dimensions: formulas shared by all stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args, overload

import numpy as np
from array_api_compat import array_namespace, device

from ..errors import InputError, one_of
from ..typing import ArrayT, Nested
from .arguments import real_array

Convention6D = Literal["columns", "interleaved", "rows"]
CONVENTIONS_6D: tuple[Convention6D, ...] = get_args(Convention6D)
"""Layouts of two vectors in six numbers, see :func:`matrix_from_6d`."""

QuaternionOrder = Literal["wxyz", "xyzw"]
QUATERNION_ORDERS: tuple[QuaternionOrder, ...] = get_args(QuaternionOrder)
"""Orders of a quaternion's components: real part first or last."""

PARALLEL = 8
"""Rounding errors (eps) that the component of b across a has at most where both are parallel unit vectors."""

NEWTON_STEPS = 2
"""Steps of :func:`nearest_rotation`: each squares the deviation, so two take 1e-2 to rounding in float32."""


def dot(a: Any, b: Any) -> Any:
    """Dot product over the last axis, kept as an axis of length 1."""
    xp = array_namespace(a, b)
    return xp.sum(a * b, axis=-1, keepdims=True)


def norm(a: Any) -> Any:
    """Euclidean length over the last axis, kept as an axis of length 1."""
    xp = array_namespace(a)
    return xp.sqrt(dot(a, a))


def unit(a: Any) -> Any:
    """Direction a / |a|; the zero vector stays zero."""
    xp = array_namespace(a)
    return a / xp.maximum(
        norm(a), xp.asarray(xp.finfo(a.dtype).smallest_normal, dtype=a.dtype, device=device(a))
    )


def cross(a: Any, b: Any) -> Any:
    """Cross product over the last axis."""
    xp = array_namespace(a, b)
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return xp.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


def rotate(rotation: Any, vector: Any) -> Any:
    """Apply rotation matrices (..., 3, 3) to column vectors (..., 3)."""
    xp = array_namespace(rotation, vector)
    return xp.matmul(rotation, vector[..., None])[..., 0]


def matrix_from_rows(rows: list[list[Any]]) -> Any:
    """Matrices (..., 3, 3) from nine arrays (...)."""
    xp = array_namespace(rows[0][0])
    return xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)


def half_turn(axis: Any) -> Any:
    """Rotation by 180 degrees about the unit `axis`: 2 n n^T - I."""
    xp = array_namespace(axis)
    return 2 * axis[..., :, None] * axis[..., None, :] - xp.eye(3, dtype=axis.dtype, device=device(axis))


def swing(start: Any, end: Any) -> Any:
    """Shortest rotation that takes direction `start` to direction `end` (Eq. 18).

    Parameters
    ----------
    start, end : (..., 3) array
        Vectors of any positive length.

    Returns
    -------
    (..., 3, 3) array
        Rotation matrices R with R start / |start| = end / |end|.

    Notes
    -----
    The product of two half-turns is the rotation by twice the angle between their axes: here the first
    is about `start`, the second about the bisector. If the directions are opposite to half of the
    digits, the bisector is rounding error; then a half-turn about a perpendicular of `start` takes it to
    -start, and one about end - start takes that to `end`. The paper and the authors' code use
    Rodrigues' formula, which divides by 1 + cos.
    """
    xp = array_namespace(start, end)
    a, b = unit(start), unit(end)
    bisector = a + b
    opposite = dot(bisector, bisector) < xp.finfo(a.dtype).eps
    first = xp.where(opposite, unit(_perpendicular(a)), a)
    second = xp.where(opposite, b - a, bisector)
    return xp.matmul(half_turn(unit(second)), half_turn(first))


def _perpendicular(a: Any) -> Any:
    xp = array_namespace(a)
    x, y, z = a[..., 0], a[..., 1], a[..., 2]
    zero = xp.zeros_like(x)
    about_z = xp.stack([y, -x, zero], axis=-1)
    about_x = xp.stack([zero, z, -y], axis=-1)
    return xp.where((xp.abs(z) < 0.5)[..., None], about_z, about_x)


def align(current: Any, target: Any) -> Any:
    """Rotation R that minimises sum |R current - target|^2 over K pairs (Kabsch).

    Parameters
    ----------
    current, target : (..., K, 3) array

    Returns
    -------
    (..., 3, 3) array
    """
    xp = array_namespace(current, target)
    covariance = xp.matmul(xp.matrix_transpose(target), current)
    # An SVD of NaN would fail for the whole batch; a body with NaN here has NaN in `current`, too.
    finite = xp.all(xp.isfinite(covariance), axis=(-2, -1), keepdims=True)
    covariance = xp.where(finite, covariance, xp.eye(3, dtype=covariance.dtype, device=device(covariance)))
    left, _, right = xp.linalg.svd(covariance)
    mirrored = xp.linalg.det(xp.matmul(left, right)) < 0
    ones = xp.ones_like(covariance[..., 0, 0])
    last = xp.where(mirrored, -ones, ones)
    return xp.matmul(left * xp.stack([ones, ones, last], axis=-1)[..., None, :], right)


def orthonormalise(matrix: Any) -> Any:
    """Gram-Schmidt on the columns of (..., 3, 3) matrices, first column first."""
    xp = array_namespace(matrix)
    x = unit(matrix[..., :, 0])
    y = matrix[..., :, 1]
    y = unit(y - dot(y, x) * x)
    z = matrix[..., :, 2]
    z = unit(z - dot(z, x) * x - dot(z, y) * y)
    return xp.stack([x, y, z], axis=-1)


def matrix_from_axis_angle(axis_angle: Any) -> Any:
    """Rotation matrices (..., 3, 3) of axis-angle vectors (..., 3) in radians (Rodrigues)."""
    xp = array_namespace(axis_angle)
    angle = norm(axis_angle)
    small = angle < xp.finfo(axis_angle.dtype).eps ** 0.25
    safe = xp.where(small, xp.ones_like(angle), angle)
    squared = angle * angle
    # Below the threshold the next term of the series is under the rounding error.
    sine = xp.where(small, 1 - squared / 6, xp.sin(safe) / safe)[..., None]
    versine = xp.where(small, 0.5 - squared / 24, (1 - xp.cos(safe)) / (safe * safe))[..., None]
    skew = cross_matrix(axis_angle)
    return (
        xp.eye(3, dtype=axis_angle.dtype, device=device(axis_angle))
        + sine * skew
        + versine * xp.matmul(skew, skew)
    )


def cross_matrix(a: Any) -> Any:
    """Matrix [a]x of the cross product with a, [a]x b = a x b: (..., 3, 3) of (..., 3)."""
    xp = array_namespace(a)
    x, y, z = a[..., 0], a[..., 1], a[..., 2]
    zero = xp.zeros_like(x)
    return matrix_from_rows([[zero, -z, y], [z, zero, -x], [-y, x, zero]])


def cayley(vector: Any) -> Any:
    """Rotation by 2 atan(|w| / 2) about w, from the normalised quaternion (1, w / 2): (..., 3, 3).

    To second order the rotation by |w| (Cayley transform); it needs no sine, and its angle is below pi.
    """
    xp = array_namespace(vector)
    half = vector / 2
    skew = cross_matrix(half)
    factor = (2 / (1 + dot(half, half)))[..., None]
    return xp.eye(3, dtype=vector.dtype, device=device(vector)) + factor * (skew + xp.matmul(skew, skew))


def chord(rotation: Any) -> tuple[Any, Any]:
    """Chord 2 sin(angle / 2) axis, (..., 3), and cos(angle / 2), (..., 1), of rotations (..., 3, 3).

    The chord is as smooth as axis-angle near the identity, and bounded near an angle of pi.
    """
    quaternion = quaternion_from_matrix(rotation)
    return 2 * quaternion[..., 1:], quaternion[..., :1]


def axis_angle_from_matrix(rotation: Any) -> Any:
    """Axis-angle vectors (..., 3) in radians, angle in [0, pi], of rotation matrices (..., 3, 3)."""
    xp = array_namespace(rotation)
    quaternion = quaternion_from_matrix(rotation)
    vector = quaternion[..., 1:]
    length = norm(vector)
    angle = 2 * xp.atan2(length, quaternion[..., :1])
    positive = length > 0
    return vector * xp.where(
        positive, angle / xp.where(positive, length, xp.ones_like(length)), 2 * xp.ones_like(length)
    )


def quaternion_from_matrix(rotation: Any) -> Any:
    """Return unit quaternions (w, x, y, z), w >= 0, of rotation matrices: (..., 4) from (..., 3, 3)."""
    xp = array_namespace(rotation)
    r = [[rotation[..., i, j] for j in range(3)] for i in range(3)]
    trace = r[0][0] + r[1][1] + r[2][2]
    # 4 q_k q for each component k as the pivot; the row of the largest pivot is the most exact.
    w = [1 + trace, r[2][1] - r[1][2], r[0][2] - r[2][0], r[1][0] - r[0][1]]
    x = [w[1], 1 + 2 * r[0][0] - trace, r[0][1] + r[1][0], r[0][2] + r[2][0]]
    y = [w[2], x[2], 1 + 2 * r[1][1] - trace, r[1][2] + r[2][1]]
    z = [w[3], x[3], y[3], 1 + 2 * r[2][2] - trace]
    candidates = xp.stack([xp.stack(row, axis=-1) for row in (w, x, y, z)], axis=-2)
    pivots = xp.stack([w[0], x[1], y[2], z[3]], axis=-1)
    largest = pivots == xp.max(pivots, axis=-1, keepdims=True)
    weight = xp.astype(largest, rotation.dtype)[..., None]
    # Rows of equal pivots can differ in sign: flip each term to agree with the sum so far.
    quaternion = xp.zeros_like(candidates[..., 0, :])
    for k in range(4):
        term = candidates[..., k, :] * weight[..., k, :]
        flipped = dot(quaternion, term) < 0
        quaternion = quaternion + xp.where(flipped, -term, term)
    return unit(xp.where(quaternion[..., :1] < 0, -quaternion, quaternion))


def nearest_rotation(matrix: Any) -> Any:
    """Nearest rotation to a nearly orthogonal matrix (..., 3, 3): Newton's R <- R (3 I - R^T R) / 2."""
    xp = array_namespace(matrix)
    eye = xp.eye(3, dtype=matrix.dtype, device=device(matrix))
    for _ in range(NEWTON_STEPS):
        matrix = xp.matmul(matrix, 1.5 * eye - 0.5 * xp.matmul(xp.matrix_transpose(matrix), matrix))
    return matrix


@overload
def matrix_from_6d(values: ArrayT, convention: Convention6D = "columns") -> ArrayT: ...


@overload
def matrix_from_6d(values: Sequence[Nested], convention: Convention6D = "columns") -> np.ndarray: ...


def matrix_from_6d(values: Any, convention: str = "columns") -> Any:
    """Rotation matrices from two vectors a, b each (Gram-Schmidt): x ~ a, y ~ b - (x b) x, z = x x y.

    Parameters
    ----------
    values : (..., 6) array_like
        Such as (N, 24, 6); reshape a network's flat (N, 144) first.
    convention : {"columns", "interleaved", "rows"}
        ``columns``: (a, b), the first two columns one after the other, as in the code of Zhou et al.,
        4D-Humans (HMR2) and TRAM. ``interleaved``: (a1, b1, a2, b2, a3, b3), the first two columns read row
        by row, as in SPIN and VIBE. ``rows``: (a, b), the first two rows, as in PyTorch3D.

    Returns
    -------
    (..., 3, 3) array
        Of the kind of `values`, in float32 if they are float32 or half precision, else in float64. NaN
        where the two vectors are parallel or zero: such a body is not refined.

    Raises
    ------
    InputError
        If the shape is wrong or the convention unknown.

    References
    ----------
    Zhou et al. On the Continuity of Rotation Representations in Neural Networks. CVPR 2019, appendix B.
    """
    convention = one_of("convention", convention, CONVENTIONS_6D)
    values = _floating("values", values, 6)
    xp = array_namespace(values)
    interleaved = convention == "interleaved"
    a, b = (values[..., 0::2], values[..., 1::2]) if interleaved else (values[..., :3], values[..., 3:])
    x, b = _direction(a), _direction(b)
    y = b - dot(b, x) * x
    # For parallel vectors y is only rounding error.
    independent = norm(y) > PARALLEL * xp.finfo(y.dtype).eps
    x = xp.where(independent, x, xp.full_like(x, xp.nan))
    # Orthogonalise twice: for nearly parallel vectors, rounding leaves a component along x.
    y = _direction(y)
    y = _direction(y - dot(y, x) * x)
    return xp.stack([x, y, cross(x, y)], axis=-2 if convention == "rows" else -1)


@overload
def matrix_from_quaternion(quaternion: ArrayT, order: QuaternionOrder = "wxyz") -> ArrayT: ...


@overload
def matrix_from_quaternion(quaternion: Sequence[Nested], order: QuaternionOrder = "wxyz") -> np.ndarray: ...


def matrix_from_quaternion(quaternion: Any, order: str = "wxyz") -> Any:
    """Rotation matrices from quaternions of any length: R = I + 2 w [v]x + 2 [v]x^2 for the unit (w, v).

    Parameters
    ----------
    quaternion : (..., 4) array_like
    order : {"wxyz", "xyzw"}
        Real part first, as in PyTorch3D and Blender, or last, as in SciPy and ROS.

    Returns
    -------
    (..., 3, 3) array
        Of the kind of `quaternion`, in float32 if it is float32 or half precision, else in float64. NaN for
        the zero quaternion: such a body is not refined.

    Raises
    ------
    InputError
        If the shape is wrong or the order unknown.
    """
    order = one_of("order", order, QUATERNION_ORDERS)
    quaternion = _direction(_floating("quaternion", quaternion, 4))
    real_first = order == "wxyz"
    w = quaternion[..., :1] if real_first else quaternion[..., 3:]
    v = quaternion[..., 1:] if real_first else quaternion[..., :3]
    xp = array_namespace(v)
    skew = cross_matrix(v)
    return xp.eye(3, dtype=v.dtype, device=device(v)) + 2 * (w[..., None] * skew + xp.matmul(skew, skew))


def _floating(name: str, value: Any, width: int) -> Any:
    """Check an array (..., width); integers become float64, half precision float32."""
    value = real_array(name, value)
    if tuple(value.shape[-1:]) != (width,):
        raise InputError(f"{name}: expected shape (..., {width}), got {tuple(value.shape)}.")
    xp = array_namespace(value)
    if value.dtype in (xp.float32, xp.float64):
        return value
    return xp.astype(value, xp.float32 if xp.isdtype(value.dtype, "real floating") else xp.float64)


def _direction(a: Any) -> Any:
    """Direction a / |a| without overflow or underflow; NaN for vectors that are zero or not finite."""
    xp = array_namespace(a)
    nan = xp.asarray(xp.nan, dtype=a.dtype, device=device(a))
    largest = xp.max(xp.abs(a), axis=-1, keepdims=True)
    # Scaled to a largest component of 1, squares neither overflow nor underflow.
    a = a / xp.where((largest > 0) & (largest < xp.inf), largest, nan)
    return a / norm(a)
