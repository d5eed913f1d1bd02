"""Visibility of a tile's keypoints: fused twin of kitro_np.keypoints.visibility."""

from __future__ import annotations

from ...keypoints.visibility import (
    CONFIDENCE_RATIO,
    CREDIBLE_RATIO,
    FAR,
    FEWEST_ON_EDGE,
    LARGEST_CONFIDENCE,
    USUAL_RANK,
)
from ..jit import kernel
from ..lanes import absolute, full, load, own_lanes, store, where

FLAG = 0
"""Row of Memory.weight, which is still unused, that marks the bodies that a rare case applies to."""


@kernel
def visible_confidence(chains, tile, memory, bodies, sized, start, last):
    """Fused twin of kitro_np.keypoints.visibility.visible_confidence; zeroes keypoints that are not visible.

    The confidences are multiplied by the precision of the points.
    """
    points = chains.point_joint.size
    _read_confidence(chains, tile, memory, bodies, start, last)
    if sized:
        _leave_out_border(points, tile, bodies, start, last)
    most = full(tile.betas, 0.0)
    for k in range(points):
        confidence = load(memory.confidence, k)
        most = where(confidence > most, confidence, most)
    most = where(most > 0.0, most, 1.0)
    for k in range(points):
        u, v = absolute(load(tile.keypoints, 2 * k)), absolute(load(tile.keypoints, 2 * k + 1))
        confidence = load(memory.confidence, k) / most
        near = where(u < FAR, where(v < FAR, confidence, 0.0), 0.0)
        store(memory.confidence, k, where(u + v > 0.0, near, 0.0))
    if not sized:
        _leave_out_flat_edges(points, tile, memory)
    for k in range(points):
        confidence = load(memory.confidence, k)
        visible = confidence > 0.0
        store(tile.keypoints, 2 * k, where(visible, load(tile.keypoints, 2 * k), 0.0))
        store(tile.keypoints, 2 * k + 1, where(visible, load(tile.keypoints, 2 * k + 1), 0.0))
        store(memory.confidence, k, confidence * chains.point_precision[k])


@kernel
def _read_confidence(chains, tile, memory, bodies, start, last):
    """Read confidences of points on the body, and limit those that are far from the body's usual one."""
    points = chains.point_joint.size
    for lane in own_lanes(tile.status, tile.status.shape[1]):
        row = min(start + lane, last - 1, bodies.confidence.shape[0] - 1)
        for k in range(points):
            on_body = chains.point_precision[k] > 0.0
            memory.confidence[k, lane] = bodies.confidence[row, k] if on_body else 0.0
    least, most = full(tile.betas, LARGEST_CONFIDENCE), full(tile.betas, 0.0)
    for k in range(points):
        confidence = load(memory.confidence, k)
        confidence = where(confidence > 0.0, where(confidence < LARGEST_CONFIDENCE, confidence, 0.0), 0.0)
        most = where(confidence > most, confidence, most)
        least = where(confidence > 0.0, where(confidence < least, confidence, least), least)
        store(memory.confidence, k, confidence)
    # None is far from the usual one if the largest is near the smallest.
    store(memory.weight, FLAG, where(most > CREDIBLE_RATIO * least, 1.0, 0.0))
    for lane in own_lanes(tile.status, tile.status.shape[1]):
        if memory.weight[FLAG, lane] > 0.0:
            _limit_confidence(points, memory, lane)


@kernel
def _limit_confidence(points, memory, lane):
    """Fused twin of kitro_np.keypoints.visibility._limited, of one body."""
    positive = 0
    for k in range(points):
        if memory.confidence[k, lane] > 0.0:
            positive += 1
    rank = min(positive, USUAL_RANK)
    usual = memory.confidence[0, lane]
    for k in range(points):
        above, not_below = 0, 0
        for other in range(points):
            if memory.confidence[other, lane] >= memory.confidence[k, lane]:
                not_below += 1
                if memory.confidence[other, lane] > memory.confidence[k, lane]:
                    above += 1
        if above < rank <= not_below:
            usual = memory.confidence[k, lane]
    for k in range(points):
        if CONFIDENCE_RATIO * memory.confidence[k, lane] < usual:
            memory.confidence[k, lane] = 0.0
        elif memory.confidence[k, lane] > CREDIBLE_RATIO * usual:
            memory.confidence[k, lane] = CREDIBLE_RATIO * usual


@kernel
def _leave_out_border(points, tile, bodies, start, last):
    """Move keypoints that do not lie inside the image away: FAR is not visible."""
    for lane in own_lanes(tile.status, tile.status.shape[1]):
        bounds = bodies.bounds[min(start + lane, last - 1, bodies.bounds.shape[0] - 1)]
        for k in range(points):
            u, v = tile.keypoints[2 * k, lane], tile.keypoints[2 * k + 1, lane]
            if not (bounds[0] < u < bounds[2] and bounds[1] < v < bounds[3]):
                tile.keypoints[2 * k, lane] = FAR


@kernel
def _leave_out_flat_edges(points, tile, memory):
    """Look for extreme coordinates that enough keypoints share, in lanes; then decide body by body."""
    flag = full(tile.betas, 0.0)
    for axis in range(2):
        low, high = full(tile.betas, FAR), full(tile.betas, -FAR)
        for k in range(points):
            x, visible = load(tile.keypoints, 2 * k + axis), load(memory.confidence, k) > 0.0
            low = where(visible, where(x < low, x, low), low)
            high = where(visible, where(x > high, x, high), high)
        on_low, on_high = full(tile.betas, 0.0), full(tile.betas, 0.0)
        for k in range(points):
            x, visible = load(tile.keypoints, 2 * k + axis), load(memory.confidence, k) > 0.0
            on_low = on_low + where(visible, where(x > low, 0.0, 1.0), 0.0)
            on_high = on_high + where(visible, where(x < high, 0.0, 1.0), 0.0)
        flag = where(on_low > FEWEST_ON_EDGE - 0.5, 1.0, where(on_high > FEWEST_ON_EDGE - 0.5, 1.0, flag))
    store(memory.weight, FLAG, flag)
    for lane in own_lanes(tile.status, tile.status.shape[1]):
        if memory.weight[FLAG, lane] > 0.0:
            _leave_out_flat_edges_of(points, tile, memory, lane)


@kernel
def _leave_out_flat_edges_of(points, tile, memory, lane):
    for k in range(points):
        memory.weight[k, lane] = 0.0
    for axis in range(2):
        low, high = FAR, -FAR
        for k in range(points):
            if memory.confidence[k, lane] > 0.0:
                low = min(low, tile.keypoints[2 * k + axis, lane])
                high = max(high, tile.keypoints[2 * k + axis, lane])
        on_low, on_high, ties = 0, 0, 0
        for k in range(points):
            if memory.confidence[k, lane] > 0.0:
                x = tile.keypoints[2 * k + axis, lane]
                on_low += 1 if x == low else 0
                on_high += 1 if x == high else 0
                tied = 0
                for other in range(k):
                    if memory.confidence[other, lane] > 0.0 and tile.keypoints[2 * other + axis, lane] == x:
                        tied = 1
                ties += tied
        elsewhere = ties - (on_low - 1) - (on_high - 1)
        flat_low = on_low >= FEWEST_ON_EDGE and on_low - 1 > elsewhere
        flat_high = on_high >= FEWEST_ON_EDGE and on_high - 1 > elsewhere
        for k in range(points):
            x = tile.keypoints[2 * k + axis, lane]
            if (flat_low and x == low) or (flat_high and x == high):
                memory.weight[k, lane] = 1.0
    visible, flat = 0, 0
    for k in range(points):
        if memory.confidence[k, lane] > 0.0:
            visible += 1
            flat += 1 if memory.weight[k, lane] > 0.0 else 0
    if 2 * flat <= visible:
        for k in range(points):
            if memory.weight[k, lane] > 0.0:
                memory.confidence[k, lane] = 0.0
