"""Start and Gauss-Newton of bodies with given betas, each alone.

The normal equations have no entries between joints of different limbs, so eliminating each joint before its
parent fills nothing in: a step costs as much as a joint has ancestors, not as the body has joints.
"""

from __future__ import annotations

import math

from ...points.gauss_newton import (
    DAMPING,
    DOF,
    ENOUGH,
    FLAT,
    LARGEST_ROTATION,
    LESS,
    MORE,
    MOST_DAMPING,
    STEPS,
)
from ...points.swings import HOLD
from ..jit import entry, kernel

SQUARES = 20
"""Of Davenport's matrix: eigenvalues whose ratio is 0.99998 are told apart."""


@entry
def fit_bodies(pose, transl, points, weights, tree, skin, motion, memory, start):
    """Fused twin of kitro_np.points.gauss_newton.minimise; with `start` of first_pose before it."""
    for n in range(pose.shape[0]):
        if start:
            _first_pose(pose[n], points[n], weights[n], tree, skin, memory)
            _first_transl(pose[n], transl[n], points[n], weights[n], tree, skin, memory)
        _minimise(pose[n], transl[n], points[n], weights[n], tree, skin, motion, memory)


@kernel
def _pose_joints(pose, tree, memory):
    """Global rotations and joints, without translation."""
    parents, rest = tree[0], tree[1]
    turned, joints = memory[0], memory[1]
    for j in range(parents.shape[0]):
        parent = parents[j]
        if parent < 0:
            for a in range(3):
                joints[j, a] = rest[j, a]
                for b in range(3):
                    turned[j, a, b] = pose[j, a, b]
            continue
        for a in range(3):
            place = joints[parent, a]
            for b in range(3):
                place += turned[parent, a, b] * (rest[j, b] - rest[parent, b])
                value = 0.0
                for c in range(3):
                    value += turned[parent, a, c] * pose[j, c, b]
                turned[j, a, b] = value
            joints[j, a] = place


@kernel
def _place_points(skin, memory):
    """Points, without translation."""
    anchors, offsets = skin[0], skin[1]
    turned, joints, placed = memory[0], memory[1], memory[2]
    for k in range(anchors.shape[0]):
        joint = anchors[k]
        for a in range(3):
            value = joints[joint, a]
            for b in range(3):
                value += turned[joint, a, b] * offsets[k, b]
            placed[k, a] = value


@kernel
def _first_transl(pose, transl, points, weights, tree, skin, memory):
    _pose_joints(pose, tree, memory)
    _place_points(skin, memory)
    placed = memory[2]
    total = 1e-12
    for a in range(3):
        transl[a] = 0.0
    for k in range(weights.shape[0]):
        total += weights[k]
        for a in range(3):
            transl[a] += weights[k] * (points[k, a] - placed[k, a])
    for a in range(3):
        transl[a] /= total


@kernel
def _first_pose(pose, points, weights, tree, skin, memory):
    """Fused twin of kitro_np.points.swings.first_pose, for one body."""
    parents = tree[0]
    aims, starts, still = skin[3], skin[4], skin[5]
    turned, joints, placed, moment, turn = memory[0], memory[1], memory[2], memory[8], memory[9]
    for j in range(parents.shape[0]):
        for a in range(3):
            for b in range(3):
                pose[j, a, b] = 1.0 if a == b else 0.0
    for j in range(parents.shape[0]):
        if starts[j] == starts[j + 1]:
            continue
        _pose_joints(pose, tree, memory)
        _place_points(skin, memory)
        total = 1e-12
        shift_x, shift_y, shift_z = 0.0, 0.0, 0.0
        middle_x, middle_y, middle_z = joints[j, 0], joints[j, 1], joints[j, 2]
        if j > 0:
            for k in range(weights.shape[0]):
                weight = weights[k] if still[j, k] else 0.0
                total += weight
                shift_x += weight * (points[k, 0] - placed[k, 0])
                shift_y += weight * (points[k, 1] - placed[k, 1])
                shift_z += weight * (points[k, 2] - placed[k, 2])
        else:
            middle_x, middle_y, middle_z = 0.0, 0.0, 0.0
            for i in range(starts[j], starts[j + 1]):
                k = aims[i]
                total += weights[k]
                middle_x += weights[k] * placed[k, 0]
                middle_y += weights[k] * placed[k, 1]
                middle_z += weights[k] * placed[k, 2]
                shift_x += weights[k] * (points[k, 0] - placed[k, 0])
                shift_y += weights[k] * (points[k, 1] - placed[k, 1])
                shift_z += weights[k] * (points[k, 2] - placed[k, 2])
            middle_x, middle_y, middle_z = middle_x / total, middle_y / total, middle_z / total
        shift_x, shift_y, shift_z = shift_x / total, shift_y / total, shift_z / total
        size = 0.0
        for a in range(3):
            for b in range(3):
                moment[a, b] = 0.0
        for i in range(starts[j], starts[j + 1]):
            k = aims[i]
            hx, hy, hz = placed[k, 0] - middle_x, placed[k, 1] - middle_y, placed[k, 2] - middle_z
            wx = points[k, 0] - shift_x - middle_x
            wy = points[k, 1] - shift_y - middle_y
            wz = points[k, 2] - shift_z - middle_z
            w = weights[k]
            size += w * (hx * hx + hy * hy + hz * hz)
            moment[0, 0] += w * wx * hx
            moment[0, 1] += w * wx * hy
            moment[0, 2] += w * wx * hz
            moment[1, 0] += w * wy * hx
            moment[1, 1] += w * wy * hy
            moment[1, 2] += w * wy * hz
            moment[2, 0] += w * wz * hx
            moment[2, 1] += w * wz * hy
            moment[2, 2] += w * wz * hz
        hold = 1e-9 + (HOLD * size if j > 0 else 0.0)
        for a in range(3):
            moment[a, a] += hold
        _nearest_rotation(moment, turn, memory[12], memory[13])
        _turn_joint(pose, j, turn, parents[j], turned)


@kernel
def _turn_joint(pose, j, turn, parent, turned):
    """Turn a joint about the world's axes before its own rotation: R <- G_p^T turn G_p R, in place."""
    # First G_p R column by column, then turn, then G_p^T.
    for c in range(3):
        x, y, z = pose[j, 0, c], pose[j, 1, c], pose[j, 2, c]
        if parent >= 0:
            g = turned[parent]
            x, y, z = (
                g[0, 0] * x + g[0, 1] * y + g[0, 2] * z,
                g[1, 0] * x + g[1, 1] * y + g[1, 2] * z,
                g[2, 0] * x + g[2, 1] * y + g[2, 2] * z,
            )
        x, y, z = (
            turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z,
            turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z,
            turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] * z,
        )
        if parent >= 0:
            g = turned[parent]
            x, y, z = (
                g[0, 0] * x + g[1, 0] * y + g[2, 0] * z,
                g[0, 1] * x + g[1, 1] * y + g[2, 1] * z,
                g[0, 2] * x + g[1, 2] * y + g[2, 2] * z,
            )
        pose[j, 0, c], pose[j, 1, c], pose[j, 2, c] = x, y, z


@kernel
def _nearest_rotation(m, turn, power, square):
    """Fused twin of kitro_np.points.swings.nearest_rotation: the largest eigenvector of Davenport's matrix.

    Repeated squares of the matrix, made positive, leave the eigenvector, a quaternion.
    """
    trace = m[0, 0] + m[1, 1] + m[2, 2]
    size = 0.0
    for a in range(3):
        for b in range(3):
            size += m[a, b] * m[a, b]
            power[a + 1, b + 1] = m[a, b] + m[b, a]
    lift = 1.75 * math.sqrt(size) + 1e-30
    power[0, 0] = trace + lift
    power[0, 1] = power[1, 0] = m[2, 1] - m[1, 2]
    power[0, 2] = power[2, 0] = m[0, 2] - m[2, 0]
    power[0, 3] = power[3, 0] = m[1, 0] - m[0, 1]
    for a in range(3):
        power[a + 1, a + 1] += lift - trace
    for _ in range(SQUARES):
        inverse = 1.0 / (power[0, 0] + power[1, 1] + power[2, 2] + power[3, 3])
        for a in range(4):
            for b in range(4):
                value = 0.0
                for c in range(4):
                    value += power[a, c] * power[c, b]
                square[a, b] = value * inverse * inverse
        for a in range(4):
            for b in range(4):
                power[a, b] = square[a, b]
    best = 0
    for a in range(1, 4):
        if power[a, a] > power[best, best]:
            best = a
    w, x, y, z = power[best, 0], power[best, 1], power[best, 2], power[best, 3]
    length = 1.0 / math.sqrt(w * w + x * x + y * y + z * z)
    _from_quaternion(w * length, x * length, y * length, z * length, turn)


@kernel
def _from_quaternion(w, x, y, z, turn):
    turn[0, 0] = 1 - 2 * (y * y + z * z)
    turn[0, 1] = 2 * (x * y - w * z)
    turn[0, 2] = 2 * (x * z + w * y)
    turn[1, 0] = 2 * (x * y + w * z)
    turn[1, 1] = 1 - 2 * (x * x + z * z)
    turn[1, 2] = 2 * (y * z - w * x)
    turn[2, 0] = 2 * (x * z - w * y)
    turn[2, 1] = 2 * (y * z + w * x)
    turn[2, 2] = 1 - 2 * (x * x + y * y)


@kernel
def _chord(rotation):
    """Chord 2 sin(angle / 2) axis of a rotation, and q = cos(angle / 2)."""
    trace = rotation[0, 0] + rotation[1, 1] + rotation[2, 2]
    sx = rotation[2, 1] - rotation[1, 2]
    sy = rotation[0, 2] - rotation[2, 0]
    sz = rotation[1, 0] - rotation[0, 1]
    if trace > 0.0:
        q = 0.5 * math.sqrt(1.0 + trace)
        f = 1.0 / (2.0 * q)
        return sx * f, sy * f, sz * f, q
    # Near half a turn: the largest component first.
    xx, yy, zz = rotation[0, 0], rotation[1, 1], rotation[2, 2]
    xy = rotation[0, 1] + rotation[1, 0]
    xz = rotation[0, 2] + rotation[2, 0]
    yz = rotation[1, 2] + rotation[2, 1]
    if xx >= yy and xx >= zz:
        x = 0.5 * math.sqrt(max(1.0 + xx - yy - zz, 0.0))
        f = 0.25 / x
        w, y, z = sx * f, xy * f, xz * f
    elif yy >= zz:
        y = 0.5 * math.sqrt(max(1.0 + yy - xx - zz, 0.0))
        f = 0.25 / y
        w, x, z = sy * f, xy * f, yz * f
    else:
        z = 0.5 * math.sqrt(max(1.0 + zz - xx - yy, 0.0))
        f = 0.25 / z
        w, x, y = sz * f, xz * f, yz * f
    sign = 2.0 if w >= 0.0 else -2.0
    return sign * x, sign * y, sign * z, abs(w)


@kernel
def _cost(pose, transl, points, weights, tree, skin, motion, memory):
    """Pose the body; return the cost of points and motion."""
    _pose_joints(pose, tree, memory)
    _place_points(skin, memory)
    placed, squared = memory[2], memory[3]
    cost = 0.0
    for k in range(weights.shape[0]):
        x = placed[k, 0] + transl[0] - points[k, 0]
        y = placed[k, 1] + transl[1] - points[k, 1]
        z = placed[k, 2] + transl[2] - points[k, 2]
        squared[k] = weights[k] * (x * x + y * y + z * z)
        cost += 0.5 * (DOF + 3.0) * math.log1p(squared[k] / DOF)
    mean, precision = motion[0], motion[1]
    for j in range(pose.shape[0]):
        cx, cy, cz, _ = _chord(pose[j])
        x, y, z = cx - mean[j, 0], cy - mean[j, 1], cz - mean[j, 2]
        p = precision[j]
        cost += 0.5 * (
            x * (p[0, 0] * x + p[0, 1] * y + p[0, 2] * z)
            + y * (p[1, 0] * x + p[1, 1] * y + p[1, 2] * z)
            + z * (p[2, 0] * x + p[2, 1] * y + p[2, 2] * z)
        )
    return cost


@kernel
def _minimise(pose, transl, points, weights, tree, skin, motion, memory):
    joints = pose.shape[0]
    kept, kept_transl = memory[6], memory[7]
    step, turned, turn = memory[5], memory[0], memory[9]
    cost = _cost(pose, transl, points, weights, tree, skin, motion, memory)
    damping = DAMPING
    for _ in range(STEPS):
        _equations(pose, transl, points, weights, tree, skin, motion, memory)
        _solve(tree, memory, damping)
        largest = 0.0
        for j in range(joints):
            largest = max(largest, step[j, 0] ** 2 + step[j, 1] ** 2 + step[j, 2] ** 2)
        share = min(1.0, LARGEST_ROTATION / max(math.sqrt(largest), 1e-9))
        for j in range(joints):
            for a in range(3):
                for b in range(3):
                    kept[j, a, b] = pose[j, a, b]
        for a in range(3):
            kept_transl[a] = transl[a]
            transl[a] += step[joints, a]
        for j in range(joints):
            x, y, z = share * step[j, 0], share * step[j, 1], share * step[j, 2]
            angle = math.sqrt(x * x + y * y + z * z)
            if angle > 1e-12:
                f = math.sin(0.5 * angle) / angle
                _from_quaternion(math.cos(0.5 * angle), x * f, y * f, z * f, turn)
                _turn_joint(pose, j, turn, tree[0][j], turned)
        found = _cost(pose, transl, points, weights, tree, skin, motion, memory)
        if found < cost:
            done = cost - found <= ENOUGH * cost
            cost = found
            damping *= LESS
            if done:
                break
        else:
            for j in range(joints):
                for a in range(3):
                    for b in range(3):
                        pose[j, a, b] = kept[j, a, b]
            for a in range(3):
                transl[a] = kept_transl[a]
            damping *= MORE
            _pose_joints(pose, tree, memory)
            _place_points(skin, memory)
            if damping > MOST_DAMPING:
                break


@kernel
def _equations(pose, transl, points, weights, tree, skin, motion, memory):
    """Set up the normal equations, blocks of 3 x 3 for a joint and an ancestor or itself; the last is transl.

    A point at the arm r from a joint changes by -[r]x w. So blocks of two joints that move it are
    (r_a . r_b) I - r_b r_a^T, of a joint and the translation [r]x, and the gradient is r x residual.
    """
    parents = tree[0]
    anchors = skin[0]
    turned, joints, placed, matrix, step = memory[0], memory[1], memory[2], memory[4], memory[5]
    count = parents.shape[0]
    for j in range(count + 1):
        for a in range(3):
            step[j, a] = 0.0
            for b in range(3):
                matrix[j, count, a, b] = 0.0
        i = j if j < count else -1
        while i >= 0:
            for a in range(3):
                for b in range(3):
                    matrix[i, j, a, b] = 0.0
            i = parents[i]
    for k in range(anchors.shape[0]):
        if weights[k] == 0.0:
            continue
        w = weights[k] * (DOF + 3.0) / (DOF + _squared_now(k, transl, points, weights, placed))
        ex = placed[k, 0] + transl[0] - points[k, 0]
        ey = placed[k, 1] + transl[1] - points[k, 1]
        ez = placed[k, 2] + transl[2] - points[k, 2]
        for a in range(3):
            matrix[count, count, a, a] += w
        step[count, 0] -= w * ex
        step[count, 1] -= w * ey
        step[count, 2] -= w * ez
        j = anchors[k]
        while j >= 0:
            x, y, z = placed[k, 0] - joints[j, 0], placed[k, 1] - joints[j, 1], placed[k, 2] - joints[j, 2]
            step[j, 0] -= w * (y * ez - z * ey)
            step[j, 1] -= w * (z * ex - x * ez)
            step[j, 2] -= w * (x * ey - y * ex)
            m = matrix[j, count]
            m[0, 1] -= w * z
            m[0, 2] += w * y
            m[1, 0] += w * z
            m[1, 2] -= w * x
            m[2, 0] -= w * y
            m[2, 1] += w * x
            i = j
            while i >= 0:
                u, v, t = (
                    placed[k, 0] - joints[i, 0],
                    placed[k, 1] - joints[i, 1],
                    placed[k, 2] - joints[i, 2],
                )
                # Ancestor i with the arm (u, v, t), joint j with (x, y, z): (r_i . r_j) I - r_j r_i^T.
                inner = u * x + v * y + t * z
                m = matrix[i, j]
                m[0, 0] += w * (inner - x * u)
                m[0, 1] -= w * x * v
                m[0, 2] -= w * x * t
                m[1, 0] -= w * y * u
                m[1, 1] += w * (inner - y * v)
                m[1, 2] -= w * y * t
                m[2, 0] -= w * z * u
                m[2, 1] -= w * z * v
                m[2, 2] += w * (inner - z * t)
                i = parents[i]
            j = parents[j]
    mean, precision = motion[0], motion[1]
    for j in range(count):
        _motion_block(pose[j], turned[j], mean[j], precision[j], matrix[j, j], step[j])


@kernel
def _squared_now(k, transl, points, weights, placed):
    x = placed[k, 0] + transl[0] - points[k, 0]
    y = placed[k, 1] + transl[1] - points[k, 1]
    z = placed[k, 2] + transl[2] - points[k, 2]
    return weights[k] * (x * x + y * y + z * z)


@kernel
def _motion_block(rotation, turned, mean, precision, block, right):
    """Add the motion prior of a joint: D^T P D with D = (q I + [c / 2]x) G^T, and D^T P (mean - c)."""
    cx, cy, cz, q = _chord(rotation)
    hx, hy, hz = 0.5 * cx, 0.5 * cy, 0.5 * cz
    for a in range(3):
        # Column a of D: (q I + [h]x) times row a of G.
        gx, gy, gz = turned[a, 0], turned[a, 1], turned[a, 2]
        dx = q * gx + hy * gz - hz * gy
        dy = q * gy + hz * gx - hx * gz
        dz = q * gz + hx * gy - hy * gx
        px = precision[0, 0] * dx + precision[0, 1] * dy + precision[0, 2] * dz
        py = precision[1, 0] * dx + precision[1, 1] * dy + precision[1, 2] * dz
        pz = precision[2, 0] * dx + precision[2, 1] * dy + precision[2, 2] * dz
        right[a] += px * (mean[0] - cx) + py * (mean[1] - cy) + pz * (mean[2] - cz)
        for b in range(3):
            ux, uy, uz = turned[b, 0], turned[b, 1], turned[b, 2]
            block[a, b] += (
                px * (q * ux + hy * uz - hz * uy)
                + py * (q * uy + hz * ux - hx * uz)
                + pz * (q * uz + hx * uy - hy * ux)
            )
        block[a, a] += FLAT


@kernel
def _solve(tree, memory, damping):
    """Solve the damped equations: joints from the last on, each before its parent, then the translation."""
    parents = tree[0]
    matrix, step, inverse, factor = memory[4], memory[5], memory[10], memory[11]
    count = parents.shape[0]
    for j in range(count + 1):
        for a in range(3):
            matrix[j, j, a, a] *= 1.0 + damping
            matrix[j, j, a, a] += 1e-9
    for j in range(count - 1, -1, -1):
        _invert(matrix[j, j], inverse[j])
        i = count
        while i >= 0:  # translation first, then the ancestors from the parent up
            _factor(matrix, i, j, count, inverse[j], factor)
            for a in range(3):
                step[i, a] -= (
                    factor[a, 0] * step[j, 0] + factor[a, 1] * step[j, 1] + factor[a, 2] * step[j, 2]
                )
            h = i
            while h >= 0:
                _subtract(matrix, h, i, j, count, factor)
                h = parents[j] if h == count else parents[h]
            i = parents[j] if i == count else parents[i]
    _invert(matrix[count, count], inverse[count])
    _apply(inverse[count], step, count)
    for j in range(count):
        i = count
        while i >= 0:
            for a in range(3):
                value = 0.0
                for b in range(3):
                    value += _entry(matrix, i, j, count, b, a) * step[i, b]
                step[j, a] -= value
            i = parents[j] if i == count else parents[i]
        _apply(inverse[j], step, j)


@kernel
def _entry(matrix, i, j, count, a, b):
    """Entry (a, b) of the block of unknowns i and j, whichever of them is stored first."""
    if i == count:
        return matrix[j, count, b, a] if j < count else matrix[count, count, a, b]
    return matrix[i, j, a, b]


@kernel
def _factor(matrix, i, j, count, inverse, factor):
    for a in range(3):
        for b in range(3):
            value = 0.0
            for c in range(3):
                value += _entry(matrix, i, j, count, a, c) * inverse[c, b]
            factor[a, b] = value


@kernel
def _subtract(matrix, h, i, j, count, factor):
    """Block (i, h) less factor (of i and j) times block (j, h)."""
    for a in range(3):
        for b in range(3):
            value = 0.0
            for c in range(3):
                value += factor[a, c] * _entry(matrix, h, j, count, b, c)
            # Stored are (ancestor, joint) and (joint, transl), in rows of the first.
            if i == count:
                if h == count:
                    matrix[count, count, a, b] -= value
                else:
                    matrix[h, count, b, a] -= value
            else:
                matrix[h, i, b, a] -= value


@kernel
def _apply(inverse, step, j):
    x, y, z = step[j, 0], step[j, 1], step[j, 2]
    for a in range(3):
        step[j, a] = inverse[a, 0] * x + inverse[a, 1] * y + inverse[a, 2] * z


@kernel
def _invert(m, inverse):
    """Inverse of a symmetric positive 3 x 3 matrix."""
    a, b, c = m[0, 0], m[0, 1], m[0, 2]
    d, e, f = m[1, 1], m[1, 2], m[2, 2]
    x, y, z = d * f - e * e, c * e - b * f, b * e - c * d
    scale = 1.0 / (a * x + b * y + c * z)
    inverse[0, 0], inverse[0, 1], inverse[0, 2] = x * scale, y * scale, z * scale
    inverse[1, 0], inverse[1, 1], inverse[1, 2] = y * scale, (a * f - c * c) * scale, (b * c - a * e) * scale
    inverse[2, 0], inverse[2, 1] = z * scale, (b * c - a * e) * scale
    inverse[2, 2] = (a * d - b * b) * scale
