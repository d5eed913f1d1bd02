"""Evidence of joints that rest, in the normal equations of a tile."""

from __future__ import annotations

from ....posterior.video.contacts import CONTACT_JOINTS, REST_ACROSS, REST_ALONG
from ...camera import in_camera
from ...jit import kernel
from ...lanes import load, own_lanes, sqrt, store
from ...vector_math import add, add_outer, cross, dot, load3, load9, rows3, scale, store_all, subtract

ACROSS, LESS = 1.0 / REST_ACROSS, 1.0 / REST_ALONG - 1.0 / REST_ACROSS


@kernel
def add_rests(chains, tile, memory, own, frames, start, last):
    """Fused twin of kitro_np.posterior.video.contacts.rest_evidence, with scratch in `own.along`."""
    if frames.rests.shape[0] == 0:
        return
    for f in range(4):
        heaviest = 0.0
        for lane in own_lanes(tile.status, tile.status.shape[1]):
            frame = min(start + lane, last - 1)
            for k in range(4):
                own.along[k, lane] = frames.rests[frame, 4 * f + k]
            heaviest = max(heaviest, own.along[3, lane])
        if heaviest > 0.0:
            _add_rest(chains, tile, memory, own, CONTACT_JOINTS[f])


@kernel
def _add_rest(chains, tile, memory, own, c):
    """Add one joint's rows; each row of the precision's root is their slope by the translation."""
    place, joint = load3(own.along, 0), in_camera(tile, c)
    away, weight = subtract(place, joint), sqrt(load(own.along, 3))
    store_all(own.along, 0, scale(1.0 / sqrt(dot(place, place)), place))
    border = memory.border_step.shape[0]
    first = border - 3
    for k in range(3):
        row = scale(weight * LESS * load(own.along, k), load3(own.along, 0))
        store_all(own.along, 3, row)
        store(own.along, 3 + k, load(own.along, 3 + k) + weight * ACROSS)
        row = load3(own.along, 1)
        residual = dot(row, away)
        for d in range(chains.depth[c]):
            i = chains.chain[c, d]
            moved = cross(subtract(joint, in_camera(tile, i)), row)
            store_all(memory.joint_jacobian_u, 3 * d, moved)
            store_all(memory.joint_step, 3 * i, add(load3(memory.joint_step, i), scale(residual, moved)))
            for e in range(d + 1):
                block = chains.first_block[i] + e
                other = load3(memory.joint_jacobian_u, e)
                store_all(memory.block, 9 * block, add_outer(load9(memory.block, block), other, moved))
            for s in range(3):
                column = 3 * (border * i + first + s)
                old = rows3(memory.border, column)
                store_all(memory.border, column, add(old, scale(load(own.along, 3 + s), moved)))
        for s in range(3):
            slope = load(own.along, 3 + s)
            store(memory.border_step, first + s, load(memory.border_step, first + s) + residual * slope)
            for r in range(3):
                entry = border * (first + s) + first + r
                store(memory.corner, entry, load(memory.corner, entry) + slope * load(own.along, 3 + r))
