"""Accelerations of a track, frame by frame."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ....posterior.video.accelerations import SMALL_ANGLE
from ....posterior.video.spreads import ACCELERATION_DOF
from ...jit import entry, kernel


class MotionRows(NamedTuple):
    """A track's motion, of T frames; C' coordinates are padded to whole rows of lanes."""

    rows: Any  # (T,) of pose and transl
    pose: Any  # (N, 9 J)
    transl: Any  # (N, 3)
    extrinsics: Any  # (N, 12), or (0, 12) if the camera rests
    root: Any  # (3,) joint at rest
    before: Any  # (T,) spacing
    here: Any
    after: Any
    spacing_precision: Any
    spreads: Any  # (C,)
    scales: Any  # (J + 1,)
    precision: Any  # (T, C') written
    weighted: Any  # (T, C') written: precision times value
    rotations: Any  # (18 J + 6 J,) scratch: global rotations of two frames; steps of two


@entry
def accelerate(parents, motion, robust):
    """Fused twin of kitro_np.posterior.video.accelerations.accelerations: fills precision and weighted."""
    joints = parents.size
    count = motion.rows.size
    moving = motion.extrinsics.shape[0] > 0
    scratch = motion.rotations
    for t in range(count):
        now, old = 9 * joints * (t % 2), 9 * joints * ((t + 1) % 2)
        step, last_step = (
            18 * joints + 3 * (joints + 1) * (t % 2),
            18 * joints + 3 * (joints + 1) * ((t + 1) % 2),
        )
        place = 18 * joints + 6 * (joints + 1)
        row = motion.rows[t]
        _globals(parents, motion, row, now, moving)
        x = motion.transl[row, 0] + motion.root[0]
        y = motion.transl[row, 1] + motion.root[1]
        z = motion.transl[row, 2] + motion.root[2]
        if moving:
            e = motion.extrinsics
            x, y, z = x - e[row, 3], y - e[row, 7], z - e[row, 11]
            x, y, z = (
                e[row, 0] * x + e[row, 4] * y + e[row, 8] * z,
                e[row, 1] * x + e[row, 5] * y + e[row, 9] * z,
                e[row, 2] * x + e[row, 6] * y + e[row, 10] * z,
            )
        if t > 0:
            for j in range(joints):
                _rotation_step(scratch, now + 9 * j, old + 9 * j, step + 3 * j)
            scratch[step + 3 * joints] = x - scratch[place]
            scratch[step + 3 * joints + 1] = y - scratch[place + 1]
            scratch[step + 3 * joints + 2] = z - scratch[place + 2]
        scratch[place], scratch[place + 1], scratch[place + 2] = x, y, z
        for c in range(motion.precision.shape[1]):
            motion.precision[t, c] = 0.0
            motion.weighted[t, c] = 0.0
        if t > 1 and motion.spacing_precision[t - 1] > 0.0:
            _write(motion, joints, t - 1, step, last_step, moving, robust)


@kernel
def _globals(parents, motion, row, now, moving):
    """Global rotations of a frame, in the world if the camera moves."""
    scratch = motion.rotations
    for j in range(parents.size):
        if j == 0:
            if moving:
                e = motion.extrinsics
                for r in range(3):
                    for c in range(3):
                        total = e[row, r] * motion.pose[row, c] + e[row, 4 + r] * motion.pose[row, 3 + c]
                        scratch[now + 3 * r + c] = total + e[row, 8 + r] * motion.pose[row, 6 + c]
            else:
                for entry in range(9):
                    scratch[now + entry] = motion.pose[row, entry]
        else:
            above, own = now + 9 * parents[j], 9 * j
            for r in range(3):
                a, b, c = scratch[above + 3 * r], scratch[above + 3 * r + 1], scratch[above + 3 * r + 2]
                for k in range(3):
                    total = a * motion.pose[row, own + k] + b * motion.pose[row, own + 3 + k]
                    scratch[now + 9 * j + 3 * r + k] = total + c * motion.pose[row, own + 6 + k]


@kernel
def _rotation_step(scratch, a, b, target):
    """Fused twin of kitro_np.posterior.video.accelerations.rotation_vector, of A B^T."""
    x = _row_product(scratch, a + 6, b + 3) - _row_product(scratch, a + 3, b + 6)
    y = _row_product(scratch, a, b + 6) - _row_product(scratch, a + 6, b)
    z = _row_product(scratch, a + 3, b) - _row_product(scratch, a, b + 3)
    trace = (
        _row_product(scratch, a, b)
        + _row_product(scratch, a + 3, b + 3)
        + _row_product(scratch, a + 6, b + 6)
    )
    x, y, z = 0.5 * x, 0.5 * y, 0.5 * z
    squared = x * x + y * y + z * z
    if squared < SMALL_ANGLE:
        factor = 1.0 + squared / 6.0
    else:
        sine = math.sqrt(squared)
        factor = math.atan2(sine, 0.5 * (trace - 1.0)) / sine
    scratch[target], scratch[target + 1], scratch[target + 2] = factor * x, factor * y, factor * z


@kernel
def _row_product(scratch, a, b):
    return scratch[a] * scratch[b] + scratch[a + 1] * scratch[b + 1] + scratch[a + 2] * scratch[b + 2]


@kernel
def _write(motion, joints, t, step, last_step, moving, robust):
    """Write the acceleration of a frame from the steps after and before it, with Student's t weights."""
    scratch = motion.rotations
    row = motion.rows[t]
    after, before = motion.after[t], motion.before[t]
    for j in range(joints + 1):
        x = after * scratch[step + 3 * j] - before * scratch[last_step + 3 * j]
        y = after * scratch[step + 3 * j + 1] - before * scratch[last_step + 3 * j + 1]
        z = after * scratch[step + 3 * j + 2] - before * scratch[last_step + 3 * j + 2]
        if moving:
            e = motion.extrinsics
            x, y, z = (
                e[row, 0] * x + e[row, 1] * y + e[row, 2] * z,
                e[row, 4] * x + e[row, 5] * y + e[row, 6] * z,
                e[row, 8] * x + e[row, 9] * y + e[row, 10] * z,
            )
        spread = motion.spreads[3 * j]
        precision = motion.spacing_precision[t] / (motion.scales[j] * spread * spread)
        squared = (x * x + y * y + z * z) * precision
        if robust:
            precision = precision * ((ACCELERATION_DOF + 3.0) / (ACCELERATION_DOF + squared))
        motion.precision[t, 3 * j] = precision
        motion.precision[t, 3 * j + 1] = precision
        motion.precision[t, 3 * j + 2] = precision
        motion.weighted[t, 3 * j] = precision * x
        motion.weighted[t, 3 * j + 1] = precision * y
        motion.weighted[t, 3 * j + 2] = precision * z
