"""Axis-angle vectors of a tile: from rotation matrices, and to them with terms of the left Jacobian."""

from __future__ import annotations

import math

from ...smplify.energy import LEFT_JACOBIAN_SERIES
from ..jit import kernel
from ..lanes import own_lanes, store, where
from ..vector_math import dot, load3, store_all


@kernel
def axis_angles(tree, pose, vectors):
    """Fused twin of kitro_np.arrays.rotations.axis_angle_from_matrix, lane by lane: it runs once per body."""
    for lane in own_lanes(pose, pose.shape[1]):
        for j in range(tree.parents.size):
            k = 9 * j
            m = (
                pose[k, lane], pose[k + 1, lane], pose[k + 2, lane],
                pose[k + 3, lane], pose[k + 4, lane], pose[k + 5, lane],
                pose[k + 6, lane], pose[k + 7, lane], pose[k + 8, lane],
            )  # fmt: skip
            # A positive multiple of the quaternion, computed from its largest component.
            trace = m[0] + m[4] + m[8]
            if trace >= m[0] and trace >= m[4] and trace >= m[8]:
                w, x, y, z = 1 + trace, m[7] - m[5], m[2] - m[6], m[3] - m[1]
            elif m[0] >= m[4] and m[0] >= m[8]:
                w, x, y, z = m[7] - m[5], 1 + 2 * m[0] - trace, m[1] + m[3], m[2] + m[6]
            elif m[4] >= m[8]:
                w, x, y, z = m[2] - m[6], m[1] + m[3], 1 + 2 * m[4] - trace, m[5] + m[7]
            else:
                w, x, y, z = m[3] - m[1], m[2] + m[6], m[5] + m[7], 1 + 2 * m[8] - trace
            if w < 0:
                w, x, y, z = -w, -x, -y, -z
            length = math.sqrt(x * x + y * y + z * z)
            ratio = 2 * math.atan2(length, w) / length if length > 0 else 0.0
            vectors[3 * j, lane] = ratio * x
            vectors[3 * j + 1, lane] = ratio * y
            vectors[3 * j + 2, lane] = ratio * z


@kernel
def exponentials(tree, vectors, pose, jacobian):
    """Fused twin of kitro_np.arrays.rotations.matrix_from_axis_angle, and terms of its left Jacobian."""
    for j in range(tree.parents.size):
        v = load3(vectors, j)
        squared = dot(v, v)
        sine, versine = sine_and_versine(squared)
        store(jacobian, 2 * j, versine)
        small = squared < LEFT_JACOBIAN_SERIES
        series = SIXTH - squared * (INVERSE_120 - squared * INVERSE_5040)
        store(jacobian, 2 * j + 1, where(small, series, (1.0 - sine) / where(small, 1.0, squared)))
        x, y, z = v
        diagonal = 1.0 - versine * squared
        xy, xz, yz = versine * x * y, versine * x * z, versine * y * z
        rotation = (
            diagonal + versine * x * x, xy - sine * z, xz + sine * y,
            xy + sine * z, diagonal + versine * y * y, yz - sine * x,
            xz - sine * y, yz + sine * x, diagonal + versine * z * z,
        )  # fmt: skip
        store_all(pose, 9 * j, rotation)


SIXTH, INVERSE_120, INVERSE_5040 = 1 / 6, 1 / 120, 1 / 5040
"""Coefficients 1 / 3!, 1 / 5! and 1 / 7! of the series of (1 - sin(t) / t) / t^2."""


@kernel
def sine_and_versine(squared):
    """Return sin(t) / t and (1 - cos(t)) / t^2 of t^2, for |t| up to 2 pi: series at t / 4, doubled twice.

    LLVM would call the scalar functions lane by lane.
    """
    x = 0.0625 * squared
    sine, cosine = 0.0 * x + 1.0, 0.0 * x + 1.0
    for k in range(10, 0, -1):
        cosine = 1.0 - x * cosine * (HALVES[k] * ODDS[k])
        sine = 1.0 - x * sine * (HALVES[k] * MORE_ODDS[k])
    half = sine * cosine
    half_cosine = 1.0 - 2.0 * x * sine * sine
    return half * half_cosine, 0.5 * half * half


HALVES = (0.0, *(0.5 / k for k in range(1, 11)))
ODDS = (0.0, *(1 / (2 * k - 1) for k in range(1, 11)))
MORE_ODDS = (0.0, *(1 / (2 * k + 1) for k in range(1, 11)))
"""1 / (2 k), 1 / (2 k - 1) and 1 / (2 k + 1): ratios of neighbouring terms of the two series."""
