"""Smoothing of a track: lanes are coordinates.

Of the factor only SEGMENT frames are kept: on the way forwards the state at each segment's begin is stored,
and on the way back each segment is factored again from there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ...jit import entry, kernel
from ...lanes import full, load, own_lanes, store, where

SEGMENT = 64
"""Frames of a segment."""


class ChainRows(NamedTuple):
    """A track of T frames, each of R rows of lanes, and scratch."""

    precision: Any  # T R what the frames say; then what their neighbours say
    right_side: Any  # T R
    motion_precision: Any  # T R of accelerations
    motion_weighted: Any  # T R
    begins: Any  # 5 R for each segment: state of the factorisation at its begin
    state: Any  # 5 R
    pivot: Any  # SEGMENT R
    one: Any  # SEGMENT R
    two: Any  # SEGMENT R
    solved: Any  # SEGMENT R
    carried: Any  # 8 R of the frames after: see _backwards
    squares: Any  # R


class ChainSpacing(NamedTuple):
    """Weights of the frames before, at and after each frame in its acceleration, and a result."""

    before: Any  # (T,)
    here: Any
    after: Any
    squares: Any  # (C',) of float64: sum of q E[acceleration^2] of each coordinate


@entry
def smooth_track(chain, spacing, rows):
    """Fused twin of kitro_np.posterior.video.chain.smooth; leaves the sums that scales are found from."""
    count = spacing.here.size
    zero = full(chain.state, 0.0)
    for row in range(5 * rows):
        store(chain.state, row, zero)
    for row in range(8 * rows):
        store(chain.carried, row, zero)
    for c in range(spacing.squares.size):
        spacing.squares[c] = 0.0
    segments = (count + SEGMENT - 1) // SEGMENT
    for segment in range(segments):
        for row in range(5 * rows):
            store(chain.begins, 5 * rows * segment + row, load(chain.state, row))
        for t in range(SEGMENT * segment, min(SEGMENT * (segment + 1), count)):
            _forwards(chain, spacing, rows, t, 0)
    for segment in range(segments - 1, -1, -1):
        for row in range(5 * rows):
            store(chain.state, row, load(chain.begins, 5 * rows * segment + row))
        first, last = SEGMENT * segment, min(SEGMENT * (segment + 1), count)
        for t in range(first, last):
            _forwards(chain, spacing, rows, t, t - first)
        for row in range(rows):
            store(chain.squares, row, zero)
        for t in range(last - 1, first - 1, -1):
            _backwards(chain, spacing, rows, t, t - first)
        lanes = chain.squares.shape[1]
        for row in range(rows):
            for lane in own_lanes(chain.squares, lanes):
                spacing.squares[lanes * row + lane] += chain.squares[row, lane]


@kernel
def _forwards(chain, spacing, rows, t, place):
    """Factor one frame. The state holds two pivots, two solved right sides and a subdiagonal entry."""
    count = spacing.here.size
    here = spacing.here[t]
    earlier, later = t > 0, t + 1 < count
    after_1 = spacing.after[t - 1] if earlier else 0.0
    here_1 = spacing.here[t - 1] if earlier else 0.0
    before_1 = spacing.before[t - 1] if earlier else 0.0
    before_next = spacing.before[t + 1] if later else 0.0
    own_before = spacing.before[t]
    previous, following = (t - 1 if earlier else t), (t + 1 if later else t)
    for row in range(rows):
        q, weighted = (
            load(chain.motion_precision, rows * t + row),
            load(chain.motion_weighted, rows * t + row),
        )
        q_1 = load(chain.motion_precision, rows * previous + row)
        weighted_1 = load(chain.motion_weighted, rows * previous + row)
        q_next = load(chain.motion_precision, rows * following + row)
        weighted_next = load(chain.motion_weighted, rows * following + row)
        diagonal = load(chain.precision, rows * t + row) + q * (here * here)
        diagonal = diagonal + q_1 * (after_1 * after_1) + q_next * (before_next * before_next)
        first = q * (own_before * here) + q_1 * (here_1 * after_1)
        second = q_1 * (before_1 * after_1)
        right_side = load(chain.right_side, rows * t + row) - here * weighted
        right_side = right_side - after_1 * weighted_1 - before_next * weighted_next
        pivot_1, pivot_2 = load(chain.state, row), load(chain.state, rows + row)
        solved_1, solved_2 = load(chain.state, 2 * rows + row), load(chain.state, 3 * rows + row)
        one_before = load(chain.state, 4 * rows + row)
        two = second / where(pivot_2 > 0.0, pivot_2, 1.0)
        one = (first - second * one_before) / where(pivot_1 > 0.0, pivot_1, 1.0)
        pivot = diagonal - one * one * pivot_1 - two * two * pivot_2
        solved = right_side - one * solved_1 - two * solved_2
        store(chain.state, row, pivot)
        store(chain.state, rows + row, pivot_1)
        store(chain.state, 2 * rows + row, solved)
        store(chain.state, 3 * rows + row, solved_1)
        store(chain.state, 4 * rows + row, one)
        store(chain.pivot, rows * place + row, pivot)
        store(chain.one, rows * place + row, one)
        store(chain.two, rows * place + row, two)
        store(chain.solved, rows * place + row, solved)


@kernel
def _backwards(chain, spacing, rows, t, place):
    """Mean and variance of one frame, and what its neighbours say of it.

    Carried from the frames after: means, variances, and entries of the factor of the next two, and the
    covariance between them.
    """
    count = spacing.here.size
    inner = t + 2 < count
    b = spacing.before[t + 1] if inner else 0.0
    h = spacing.here[t + 1] if inner else 0.0
    f = spacing.after[t + 1] if inner else 0.0
    following = t + 1 if inner else t
    for row in range(rows):
        mean_1, mean_2 = load(chain.carried, row), load(chain.carried, rows + row)
        variance_1, variance_2 = load(chain.carried, 2 * rows + row), load(chain.carried, 3 * rows + row)
        between = load(chain.carried, 4 * rows + row)
        one, two = load(chain.carried, 5 * rows + row), load(chain.carried, 7 * rows + row)
        inverse = 1.0 / load(chain.pivot, rows * place + row)
        mean = load(chain.solved, rows * place + row) * inverse - one * mean_1 - two * mean_2
        with_2 = -one * between - two * variance_2
        with_1 = -one * variance_1 - two * between
        variance = inverse - one * with_1 - two * with_2
        q, weighted = (
            load(chain.motion_precision, rows * following + row),
            load(chain.motion_weighted, rows * following + row),
        )
        change = b * mean + h * mean_1 + f * mean_2
        spread = (b * b) * variance + (h * h) * variance_1 + (f * f) * variance_2
        spread = spread + 2.0 * ((b * h) * with_1 + (b * f) * with_2 + (h * f) * between)
        squared = where(q > 0.0, weighted * weighted / where(q > 0.0, q, 1.0), 0.0)
        squared = squared + 2.0 * weighted * change + q * (change * change + spread)
        store(chain.squares, row, load(chain.squares, row) + (squared if inner else 0.0 * squared))
        store(chain.carried, rows + row, mean_1)
        store(chain.carried, row, mean)
        store(chain.carried, 3 * rows + row, variance_1)
        store(chain.carried, 2 * rows + row, variance)
        store(chain.carried, 4 * rows + row, with_1)
        # Entries of the factor: of this frame for the one before, and that of the next frame with two before.
        store(chain.carried, 7 * rows + row, load(chain.carried, 6 * rows + row))
        store(chain.carried, 5 * rows + row, load(chain.one, rows * place + row))
        store(chain.carried, 6 * rows + row, load(chain.two, rows * place + row))
        own, right_side = load(chain.precision, rows * t + row), load(chain.right_side, rows * t + row)
        neighbours = 1.0 / variance - own
        store(chain.precision, rows * t + row, where(neighbours > 0.0, neighbours, 0.0 * neighbours))
        store(chain.right_side, rows * t + row, mean / variance - right_side)
