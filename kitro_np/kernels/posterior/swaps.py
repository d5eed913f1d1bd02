"""Swaps on a tile: whether left and right of the keypoints are exchanged, and putting them right."""

from __future__ import annotations

from ...posterior.facing import AWAY, DIFFERENT, HEAD, HIDDEN, SEEN
from ...posterior.swaps import SWAP_MARGIN
from ..jit import kernel
from ..lanes import full, load, own_lanes, store, where
from ..vector_math import (
    add,
    dot,
    load2,
    load3,
    load9,
    rows3,
    scale,
    store_all,
    subtract,
    transform,
    transpose,
)
from .gauss_newton import forwards
from .projection import point_jacobians
from .scalars import SWAP, TURNED


@kernel
def best_swap(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.swaps.best_swap, by the first step's factor: fills SWAP."""
    best, highest = full(tile.betas, -1.0), full(tile.betas, SWAP_MARGIN)
    own = full(tile.betas, 0.0)
    if chains.swaps.shape[0] > 0:
        # -1 is the given assignment: a separate call would be inlined, and compiled, a second time.
        for a in range(-1, chains.swaps.shape[0]):
            distance = _assignment_mahalanobis(tree, chains, tile, memory, a)
            own = distance if a < 0 else own
            gain = own - distance
            if a >= 0:
                store(memory.gains, a, gain)
            best = where(gain > highest, 1.0 * a, best)
            highest = where(gain > highest, gain, highest)
    store(memory.scalars, SWAP, best)


@kernel
def _assignment_mahalanobis(tree, chains, tile, memory, a):
    """Squared Mahalanobis distance of assignment `a`, -1 as given, up to a constant that all share."""
    border = memory.border_step.shape[0]
    zero = full(tile.betas, 0.0)
    for s in range(border):
        store(memory.other_border_side, s, zero)
    for m in range(chains.moving.size):
        j = chains.moving[m]
        store_all(memory.other_joint_side, 3 * j, load3(memory.prior_right_side, j))
    total = zero
    for k in range(chains.point_joint.size):
        weight = load(memory.weight, k)
        u, v = load(memory.residual, 2 * k), load(memory.residual, 2 * k + 1)
        if a >= 0:
            twin = chains.swaps[a, k]
            both = load(memory.confidence, k) * load(memory.confidence, twin) > 0.0
            own_u, own_v = load2(tile.keypoints, k)
            twin_u, twin_v = load2(tile.keypoints, twin)
            u, v = u + where(both, twin_u - own_u, 0.0), v + where(both, twin_v - own_v, 0.0)
        u, v = weight * u, weight * v
        point_jacobians(tree, chains, tile, memory, k, weight)
        for d in range(chains.point_above[k]):
            j = chains.chain[chains.point_joint[k], d]
            right_side = add(
                scale(u, load3(memory.joint_jacobian_u, d)), scale(v, load3(memory.joint_jacobian_v, d))
            )
            store_all(memory.other_joint_side, 3 * j, add(load3(memory.other_joint_side, j), right_side))
        for s in range(border):
            right_side = u * load(memory.border_jacobian_u, s) + v * load(memory.border_jacobian_v, s)
            store(memory.other_border_side, s, load(memory.other_border_side, s) + right_side)
        total = total + (u * u + v * v)
    return total - _solved_norm(chains, memory)


@kernel
def _solved_norm(chains, memory):
    """Squared norm of C^-1 b, with an assignment's right side b and the normal matrix's Cholesky factor C."""
    border = memory.border_step.shape[0]
    total = full(memory.border_step, 0.0)
    for m in range(chains.moving.size - 1, -1, -1):
        j = chains.moving[m]
        depth, first = chains.depth[j], chains.first_block[j]
        right_side = forwards(load9(memory.block, first + depth), load3(memory.other_joint_side, j))
        total = total + dot(right_side, right_side)
        for d in range(depth):
            i = chains.chain[j, d]
            update = transform(transpose(load9(memory.block, first + d)), right_side)
            store_all(memory.other_joint_side, 3 * i, subtract(load3(memory.other_joint_side, i), update))
        for s in range(border):
            update = dot(rows3(memory.border, 3 * (border * j + s)), right_side)
            store(memory.other_border_side, s, load(memory.other_border_side, s) - update)
    for s in range(border):
        remainder = load(memory.other_border_side, s)
        for r in range(s):
            remainder = remainder - load(memory.corner, border * s + r) * load(memory.other_border_side, r)
        remainder = remainder * load(memory.corner, (border + 1) * s)
        store(memory.other_border_side, s, remainder)
        total = total + remainder * remainder
    return total


@kernel
def put_sides_right(chains, tile, memory):
    """Fused twin of kitro_np.posterior.fit._put_sides_right; tells whether any body has changed."""
    changed = False
    for lane in own_lanes(tile.status, tile.status.shape[1]):
        a = int(memory.scalars[SWAP, lane])
        if a < 0:
            continue
        changed = True
        if a == 0 and chains.face.size > 0 and _faces_wrong_way(chains, tile, memory, lane):
            memory.scalars[SWAP, lane] = -1.0
            memory.scalars[TURNED, lane] = 1.0
            reflect(chains, tile.pose, tile, lane)
            reflect(chains, tile.initial_pose, tile, lane)
        else:
            exchange(chains, tile, memory, a, lane)
    return changed


@kernel
def exchange(chains, tile, memory, a, lane):
    """Exchange the keypoints of both sides where both are visible."""
    for k in range(chains.point_joint.size):
        twin = chains.swaps[a, k]
        if twin > k and memory.confidence[k, lane] * memory.confidence[twin, lane] > 0.0:
            for axis in range(2):
                kept = tile.keypoints[2 * k + axis, lane]
                tile.keypoints[2 * k + axis, lane] = tile.keypoints[2 * twin + axis, lane]
                tile.keypoints[2 * twin + axis, lane] = kept


@kernel
def _faces_wrong_way(chains, tile, memory, lane):
    """Fused twin of kitro_np.posterior.facing.faces_wrong_way, of one body."""
    smallest, largest = 2.0, 0.0
    for k in range(chains.point_joint.size):
        confidence = _confidence(chains, memory, k, lane)
        largest = max(largest, confidence)
        if confidence > 0.0:
            smallest = min(smallest, confidence)
    total, number = 0.0, 0
    for m in range(chains.limbs.size):
        confidence = _confidence(chains, memory, chains.limbs[m], lane)
        total += confidence
        number += 1 if confidence > 0.0 else 0
    if number == 0 or not largest > DIFFERENT * smallest:
        return False
    usual = total / number
    least, most, ears = 2.0, 0.0, 0.0
    for m in range(chains.face.size):
        confidence = _confidence(chains, memory, chains.face[m], lane)
        least, most = min(least, confidence), max(most, confidence)
    for m in range(chains.ears.size):
        ears = max(ears, _confidence(chains, memory, chains.ears[m], lane))
    towards = -tile.rotations[9 * HEAD + 8, lane]
    seen = least > SEEN * usual
    hidden = most < HIDDEN * usual and ears > HIDDEN * usual
    return (seen and towards < -AWAY) or (hidden and towards > AWAY)


@kernel
def _confidence(chains, memory, k, lane):
    """Confidence of a keypoint, without the precision of its point."""
    precision = chains.point_precision[k]
    return memory.confidence[k, lane] / precision if precision > 0.0 else 0.0


@kernel
def reflect(chains, pose, tile, lane):
    """Fused twin of kitro_np.posterior.facing.reflected, of one body's pose; in place."""
    x, y, z = tile.transl[0, lane], tile.transl[1, lane], tile.transl[2, lane]
    squared = x * x + y * y + z * z
    for column in range(3):
        along = x * pose[column, lane] + y * pose[3 + column, lane] + z * pose[6 + column, lane]
        sign = -1.0 if column == 0 else 1.0
        for row in range(3):
            ray = x if row == 0 else (y if row == 1 else z)
            pose[3 * row + column, lane] = sign * (pose[3 * row + column, lane] - 2.0 * ray * along / squared)
    for j in range(1, chains.joint_mirror.size):
        twin = chains.joint_mirror[j]
        if twin < j:
            continue
        for row in range(3):
            for column in range(3):
                sign = -1.0 if (row == 0) != (column == 0) else 1.0
                entry = 3 * row + column
                kept = pose[9 * j + entry, lane]
                pose[9 * j + entry, lane] = sign * pose[9 * twin + entry, lane]
                if twin != j:
                    pose[9 * twin + entry, lane] = sign * kept
