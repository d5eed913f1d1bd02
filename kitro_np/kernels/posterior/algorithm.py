"""Method "map", tile by tile."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...posterior.verdict import FEWEST_KEYPOINTS
from ..jit import entry, kernel
from ..keypoints.visibility import visible_confidence
from ..lanes import absolute, full, load, own_lanes, own_tiles, sqrt, store, where
from ..refinement.chunks import (
    NAN,
    check_intrinsics,
    read_tile,
    without_branches,
    write_initial_error,
    write_tile,
)
from ..refinement.validity import (
    DIVERGED,
    KEYPOINTS_IN_ONE_POINT,
    SWAPPED,
    TOO_FEW_KEYPOINTS,
    UNLIKELY,
    estimate_status_by,
    outcome_status_by,
)
from .fit import fit_tile, fit_tile_with_spread
from .projection import place_points
from .scalars import EVIDENCE, NOISE, NUM_VISIBLE, POSE_SCALE, QUALITY, SWAP, TURNED


class FitRows(NamedTuple):
    """What a fit writes beside the refined bodies, one row a body."""

    quality: Any  # (N,)
    swapped: Any  # (N,)
    turned: Any  # (N,)
    noise: Any  # (N,)
    evidence: Any  # (N,)
    joint_spread: Any  # (N, J)
    scale: Any  # (N,) of the estimate's error
    gains: Any  # (N, A) of each exchange of left and right


class PosteriorRows(NamedTuple):
    """A batch as the kernel reads it: C-ordered, one row a body."""

    pose: Any  # (N, 9 J)
    betas: Any  # (N, S)
    transl: Any  # (N, 3)
    keypoints_2d: Any  # (N, 2 K)
    intrinsics: Any  # (N or 1, 9)
    confidence: Any  # (N or 1, K)
    bounds: Any  # (N or 1, 4) of the image: left, top, right, bottom
    start_pose: Any  # (N, 9 J) initial value of the steps: the estimate's pose, or a hypothesis


@entry
def fit_bodies(
    tree, chains, tile, memory, bodies, refined, diagnostics, steps, safe, sized, kind, first, last
):
    """Fused twin of kitro_np.posterior.algorithm.refine_arrays, for bodies `first` to `last` - 1."""
    for start in own_tiles(tile.status, first, last):
        _begin_tile(tree, chains, tile, memory, bodies, refined, safe, sized, start, last)
        fit_tile(tree, chains, tile, memory, steps, kind)
        _end_tile(tree, chains, tile, memory, bodies, refined, diagnostics, safe, start, last)


@entry
def fit_bodies_with_spread(
    tree, chains, tile, memory, bodies, refined, diagnostics, steps, safe, sized, kind, first, last
):
    """Do as :func:`fit_bodies`, and compute joint_spread: an entry of its own, compiled at first use only."""
    for start in own_tiles(tile.status, first, last):
        _begin_tile(tree, chains, tile, memory, bodies, refined, safe, sized, start, last)
        fit_tile_with_spread(tree, chains, tile, memory, steps, kind)
        _end_tile(tree, chains, tile, memory, bodies, refined, diagnostics, safe, start, last)
        _write_spread(tile, memory, diagnostics, start, last)


@kernel
def _begin_tile(tree, chains, tile, memory, bodies, refined, safe, sized, start, last):
    """Read a tile, check its bodies, and write their initial reprojection errors."""
    read_tile(tile, bodies, start, last)
    visible_confidence(chains, tile, memory, bodies, sized, start, last)
    place_points(tree, chains, tile, memory)
    estimate_status_by(nearest_visible(chains, tile, memory), tree, tile)
    check_intrinsics(tile, bodies, start, last)
    _count_visible(chains, tile, memory, safe)
    visible_error(chains, tile, memory)
    write_initial_error(tile, refined, start, last)
    _start_from(tile, bodies, start, last)


@kernel
def _end_tile(tree, chains, tile, memory, bodies, refined, diagnostics, safe, start, last):
    """Set the status of a tile's bodies, and write results."""
    visible_error(chains, tile, memory)
    outcome_status_by(nearest_visible(chains, tile, memory), tile)
    _decide_status(tile, memory, safe)
    without_branches(tree, tile)
    write_tile(tile, bodies, refined, start, last)
    _write_diagnostics(tile, memory, diagnostics, start, last)


@kernel
def nearest_visible(chains, tile, memory):
    """Smallest depth of what must lie in front of the camera: the body's place and its visible points."""
    nearest = load(tile.transl, 2)
    for k in range(chains.point_joint.size):
        # place_points puts the points of keypoints that are not visible in front.
        depth = load(memory.point, 3 * k + 2)
        nearest = where(depth > nearest, nearest, depth)
    return nearest


@kernel
def _count_visible(chains, tile, memory, safe):
    """Count visible keypoints; here all of them may be in one point, but not too few."""
    count = full(tile.betas, 0.0)
    for k in range(chains.point_joint.size):
        count = count + where(load(memory.confidence, k) > 0.0, 1.0, 0.0)
    store(memory.scalars, NUM_VISIBLE, count)
    status = load(tile.status, 0)
    status = where(absolute(status - KEYPOINTS_IN_ONE_POINT) < 0.5, 0.0, status)
    needed = FEWEST_KEYPOINTS - 0.5 if safe else 0.5
    too_few = where(count > needed, status, TOO_FEW_KEYPOINTS)
    store(tile.status, 0, where(status > 0.5, status, too_few))


@kernel
def visible_error(chains, tile, memory):
    """Mean reprojection error over the visible keypoints, in pixels; after place_points."""
    total, count = full(tile.betas, 0.0), full(tile.betas, 0.0)
    for k in range(chains.point_joint.size):
        visible = load(memory.confidence, k) > 0.0
        u, v = load(memory.residual, 2 * k), load(memory.residual, 2 * k + 1)
        total = total + where(visible, sqrt(u * u + v * v), 0.0)
        count = count + where(visible, 1.0, 0.0)
    store(tile.error, 0, total / where(count > 0.5, count, 1.0))


@kernel
def _start_from(tile, bodies, start, last):
    for lane in own_lanes(tile.status, tile.status.shape[1]):
        body = min(start + lane, last - 1)
        for row in range(tile.pose.shape[0]):
            tile.pose[row, lane] = bodies.start_pose[body, row]


@kernel
def _decide_status(tile, memory, safe):
    """Refuse bodies whose keypoints are not accepted; no odds are infinite but those of numbers that are."""
    status, quality = load(tile.status, 0), load(memory.scalars, QUALITY)
    status = where(status > 0.5, status, where(absolute(0.0 * quality) < 1.0, status, DIVERGED))
    store(tile.status, 0, status)
    if safe:
        refused = where(load(memory.scalars, SWAP) > -0.5, SWAPPED, UNLIKELY)
        reason = where(quality > 0.0, 0.0, refused)
        store(tile.status, 0, where(status > 0.5, status, reason))


@kernel
def _write_diagnostics(tile, memory, diagnostics, start, last):
    for lane in own_lanes(tile.status, last - start):
        body = start + lane
        # Only bodies that were fitted have diagnostics.
        status = tile.status[0, lane]
        assessed = status == 0 or status in (UNLIKELY, SWAPPED)
        diagnostics.quality[body] = memory.scalars[QUALITY, lane] if assessed else NAN
        diagnostics.noise[body] = memory.scalars[NOISE, lane] if assessed else NAN
        diagnostics.evidence[body] = memory.scalars[EVIDENCE, lane] if assessed else NAN
        diagnostics.scale[body] = memory.scalars[POSE_SCALE, lane]
        for a in range(memory.gains.shape[0]):
            diagnostics.gains[body, a] = memory.gains[a, lane]
        diagnostics.swapped[body] = 1 if assessed and memory.scalars[SWAP, lane] >= 0.0 else 0
        diagnostics.turned[body] = 1 if assessed and memory.scalars[TURNED, lane] > 0.0 else 0


@kernel
def _write_spread(tile, memory, diagnostics, start, last):
    for lane in own_lanes(tile.status, last - start):
        good = tile.status[0, lane] == 0
        for row in range(memory.joint_spread.shape[0]):
            diagnostics.joint_spread[start + lane, row] = memory.joint_spread[row, lane] if good else NAN
