"""Vectors, matrices and quaternions as tuples of lanes.

Matrices are nine lanes row by row; quaternions are (w, x, y, z). Every function here is inlined by LLVM.
"""

from __future__ import annotations

from .jit import kernel
from .lanes import absolute, cos, epsilon, load, sin, sqrt, store, where

TINY = 1e-30
"""Added under square roots and to divisors, so that zero vectors stay finite; a normal number in float32."""


@kernel
def load2(tile, j):
    """Two lanes of joint j."""
    return load(tile, 2 * j), load(tile, 2 * j + 1)


@kernel
def load3(tile, j):
    """Vector of joint j."""
    return rows3(tile, 3 * j)


@kernel
def rows3(tile, row):
    """Three rows from `row` on, as a vector."""
    return load(tile, row), load(tile, row + 1), load(tile, row + 2)


@kernel
def load4(tile, j):
    """Quaternion of node j."""
    return load(tile, 4 * j), load(tile, 4 * j + 1), load(tile, 4 * j + 2), load(tile, 4 * j + 3)


@kernel
def load9(tile, j):
    """Matrix of joint j."""
    return rows9(tile, 9 * j)


@kernel
def rows9(tile, k):
    """Nine rows from `k` on, as a matrix."""
    return (
        load(tile, k), load(tile, k + 1), load(tile, k + 2),
        load(tile, k + 3), load(tile, k + 4), load(tile, k + 5),
        load(tile, k + 6), load(tile, k + 7), load(tile, k + 8),
    )  # fmt: skip


@kernel
def store_all(tile, first, values):
    """Write a tuple of lanes to the rows from `first` on."""
    for k in range(len(values)):
        store(tile, first + k, values[k])


@kernel
def add(a, b):
    """Vector a + b."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


@kernel
def subtract(a, b):
    """Vector a - b."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


@kernel
def scale(factor, a):
    """Vector factor * a."""
    return factor * a[0], factor * a[1], factor * a[2]


@kernel
def dot(a, b):
    """Dot product of vectors."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@kernel
def cross(a, b):
    """Cross product of vectors."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@kernel
def unit(a):
    """Direction of a vector; the zero vector stays zero."""
    return scale(1.0 / sqrt(dot(a, a) + TINY), a)


@kernel
def where3(mask, a, b):
    """Vector a where the mask is true, else b."""
    return where(mask, a[0], b[0]), where(mask, a[1], b[1]), where(mask, a[2], b[2])


@kernel
def transform(m, v):
    """Matrix times vector."""
    return (
        m[0] * v[0] + m[1] * v[1] + m[2] * v[2],
        m[3] * v[0] + m[4] * v[1] + m[5] * v[2],
        m[6] * v[0] + m[7] * v[1] + m[8] * v[2],
    )


@kernel
def multiply(a, b):
    """Matrix product a b."""
    return (
        a[0] * b[0] + a[1] * b[3] + a[2] * b[6],
        a[0] * b[1] + a[1] * b[4] + a[2] * b[7],
        a[0] * b[2] + a[1] * b[5] + a[2] * b[8],
        a[3] * b[0] + a[4] * b[3] + a[5] * b[6],
        a[3] * b[1] + a[4] * b[4] + a[5] * b[7],
        a[3] * b[2] + a[4] * b[5] + a[5] * b[8],
        a[6] * b[0] + a[7] * b[3] + a[8] * b[6],
        a[6] * b[1] + a[7] * b[4] + a[8] * b[7],
        a[6] * b[2] + a[7] * b[5] + a[8] * b[8],
    )


@kernel
def transpose(m):
    """Matrix transposed."""
    return m[0], m[3], m[6], m[1], m[4], m[7], m[2], m[5], m[8]


@kernel
def orthonormalise(m):
    """Fused twin of kitro_np.arrays.rotations.orthonormalise, for matrices of positive determinant."""
    x = unit((m[0], m[3], m[6]))
    y = (m[1], m[4], m[7])
    y = unit(subtract(y, scale(dot(y, x), x)))
    z = cross(x, y)
    return x[0], y[0], z[0], x[1], y[1], z[1], x[2], y[2], z[2]


@kernel
def perpendicular(a):
    """Return a vector orthogonal to the unit vector a."""
    zero = a[0] - a[0]
    return where3(absolute(a[2]) < 0.5, (a[1], -a[0], zero), (zero, a[2], -a[1]))


@kernel
def swing(a, b):
    """Fused twin of kitro_np.arrays.rotations.swing, as a quaternion between unit vectors."""
    bisector = add(a, b)
    squared = dot(bisector, bisector)
    opposite = squared < epsilon(squared)
    first = where3(opposite, unit(perpendicular(a)), a)
    second = unit(where3(opposite, subtract(b, a), bisector))
    axis = cross(first, second)
    return dot(first, second), axis[0], axis[1], axis[2]


@kernel
def compose(p, q):
    """Quaternion product p q: first q, then p."""
    return (
        p[0] * q[0] - p[1] * q[1] - p[2] * q[2] - p[3] * q[3],
        p[0] * q[1] + p[1] * q[0] + p[2] * q[3] - p[3] * q[2],
        p[0] * q[2] + p[2] * q[0] + p[3] * q[1] - p[1] * q[3],
        p[0] * q[3] + p[3] * q[0] + p[1] * q[2] - p[2] * q[1],
    )


@kernel
def rotate(q, v):
    """Rotate a vector by a unit quaternion."""
    axis = (q[1], q[2], q[3])
    twice = cross(axis, v)
    twice = add(twice, twice)
    return add(v, add(scale(q[0], twice), cross(axis, twice)))


@kernel
def matrix(q):
    """Rotation matrix of a unit quaternion."""
    w, x, y, z = q
    return (
        1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y),
        2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x),
        2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y),
    )  # fmt: skip


@kernel
def add_outer(m, a, b):
    """Matrix m + b a^T, the sum over pairs (a current, b target) that :func:`align` takes."""
    return (
        m[0] + b[0] * a[0], m[1] + b[0] * a[1], m[2] + b[0] * a[2],
        m[3] + b[1] * a[0], m[4] + b[1] * a[1], m[5] + b[1] * a[2],
        m[6] + b[2] * a[0], m[7] + b[2] * a[1], m[8] + b[2] * a[2],
    )  # fmt: skip


@kernel
def align(covariance):
    """Fused twin of kitro_np.arrays.rotations.align, from sum target current^T, as a quaternion.

    It is the dominant eigenvector of Horn's symmetric 4x4 matrix (Horn 1987). The matrix is shifted to be
    positive semi-definite, and each squaring squares the ratios of its eigenvalues: after SQUARINGS steps
    only the projector onto the dominant eigenvector is left, without branches or LAPACK.
    """
    xx, yx, zx, xy, yy, zy, xz, yz, zz = covariance
    size = sqrt(
        xx * xx + xy * xy + xz * xz + yx * yx + yy * yy + yz * yz + zx * zx + zy * zy + zz * zz + TINY
    )
    shift = ROOT_3 * size
    p = (
        shift + (xx + yy + zz), yz - zy, zx - xz, xy - yx,
        shift + (xx - yy - zz), xy + yx, zx + xz,
        shift + (yy - xx - zz), yz + zy,
        shift + (zz - xx - yy),
    )  # fmt: skip
    for _ in range(SQUARINGS // 3):
        # At trace 1 the largest eigenvalue is 1/4 or more: three squarings leave it far from underflow.
        p = _squared(_squared(_squared(_at_trace_one(p))))
    a, b, c, d, e, f, g, h, i, j = p
    # Every column of the projector q q^T is a multiple of q; the longest is the most accurate.
    best = where(e > a, e, a)
    q = _where4(e > a, (b, e, f, g), (a, b, c, d))
    q = _where4(h > best, (c, f, h, i), q)
    best = where(h > best, h, best)
    q = _where4(j > best, (d, g, i, j), q)
    inverse = 1.0 / sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    return q[0] * inverse, q[1] * inverse, q[2] * inverse, q[3] * inverse


ROOT_3 = 1.7320508
"""Square root of 3: the eigenvalues of Horn's traceless matrix are at most sqrt(3) |M|_F in magnitude."""

SQUARINGS = 24
"""Leaves (lambda_2 / lambda_1)**(2**24) of the second eigenvector: 0 for a relative gap of 1e-5 or more."""


@kernel
def _squared(p):
    """Square of a symmetric 4x4 matrix, upper triangle row by row."""
    a, b, c, d, e, f, g, h, i, j = p
    return (
        a * a + b * b + c * c + d * d,
        a * b + b * e + c * f + d * g,
        a * c + b * f + c * h + d * i,
        a * d + b * g + c * i + d * j,
        b * b + e * e + f * f + g * g,
        b * c + e * f + f * h + g * i,
        b * d + e * g + f * i + g * j,
        c * c + f * f + h * h + i * i,
        c * d + f * g + h * i + i * j,
        d * d + g * g + i * i + j * j,
    )


@kernel
def _at_trace_one(p):
    a, b, c, d, e, f, g, h, i, j = p
    s = 1.0 / (a + e + h + j)
    return s * a, s * b, s * c, s * d, s * e, s * f, s * g, s * h, s * i, s * j


@kernel
def _where4(mask, p, q):
    return where(mask, p[0], q[0]), where(mask, p[1], q[1]), where(mask, p[2], q[2]), where(mask, p[3], q[3])


@kernel
def cayley(w):
    """Fused twin of kitro_np.arrays.rotations.cayley."""
    v = scale(0.5, w)
    share = 1.0 / sqrt(1.0 + dot(v, v))
    return matrix((share, share * v[0], share * v[1], share * v[2]))


@kernel
def chord(m):
    """Fused twin of kitro_np.arrays.rotations.chord: twice a quaternion's vector, its scalar not negative."""
    trace = m[0] + m[4] + m[8]
    w = (1.0 + trace, m[7] - m[5], m[2] - m[6], m[3] - m[1])
    x = (w[1], 1.0 + 2.0 * m[0] - trace, m[1] + m[3], m[2] + m[6])
    y = (w[2], x[2], 1.0 + 2.0 * m[4] - trace, m[5] + m[7])
    z = (w[3], x[3], y[3], 1.0 + 2.0 * m[8] - trace)
    # The row with the largest diagonal entry is the most accurate.
    best, q = w[0], w
    q = _where4(x[1] > best, x, q)
    best = where(x[1] > best, x[1], best)
    q = _where4(y[2] > best, y, q)
    best = where(y[2] > best, y[2], best)
    q = _where4(z[3] > best, z, q)
    inverse = 1.0 / sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    inverse = where(q[0] < 0.0, -inverse, inverse)
    twice = inverse + inverse
    return (twice * q[1], twice * q[2], twice * q[3]), inverse * q[0]


@kernel
def from_axis_angle(v):
    """Fused twin of kitro_np.arrays.rotations.matrix_from_axis_angle."""
    squared = dot(v, v)
    small = squared < TWO_TERM_SERIES
    safe = where(small, 1.0, squared)
    angle = sqrt(safe)
    sine = where(small, 1.0 - squared / 6.0, sin(angle) / angle)
    versine = where(small, 0.5 - squared / 24.0, (1.0 - cos(angle)) / safe)
    x, y, z = v
    diagonal = 1.0 - versine * squared
    xy, xz, yz = versine * x * y, versine * x * z, versine * y * z
    return (
        diagonal + versine * x * x, xy - sine * z, xz + sine * y,
        xy + sine * z, diagonal + versine * y * y, yz - sine * x,
        xz - sine * y, yz + sine * x, diagonal + versine * z * z,
    )  # fmt: skip


TWO_TERM_SERIES = 1e-7
"""Squared angle t^2 below which two terms of the series of sin(t) / t and (1 - cos(t)) / t^2 are exact to
rounding in float64: the next ones are below t^4 / 120, 1e-16."""


@kernel
def exp_of_few(x):
    """Exponential for |x| <= 2, such as differences of cosines: eighth power of the series of exp(x / 8).

    LLVM has no vector exponential and would call the scalar function lane by lane.
    """
    x = 0.125 * x
    value = 1.0 + x * (1.0 / 11.0)
    for k in range(10, 0, -1):
        value = 1.0 + x * value * INVERSES[k]
    value = value * value
    value = value * value
    return value * value


INVERSES = (0.0, *(1.0 / k for k in range(1, 11)))
"""1 / k for k > 0: ratios of neighbouring terms of the series."""
