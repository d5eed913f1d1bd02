"""Chain: smooth a track, each coordinate on its own, by what each frame says and the spread of accelerations.

The precision matrix of a coordinate has five diagonals. Its Cholesky factor L D L^T gives the most probable
path, and the recursion of Takahashi, Fagan and Chen (1973) the variances. Each frame's own message is then
taken out again, which leaves what its neighbours say: a Gaussian with precision s and mean z of the change.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from array_api_compat import array_namespace

from .accelerations import Accelerations, Spacing
from .spreads import USUAL_FRAMES


class Messages(NamedTuple):
    """Gaussians of each coordinate of each frame, of its change from the current body.

    Attributes
    ----------
    precision : (T, C) array
    right_side : (T, C) array
        Precision times mean.
    """

    precision: Any
    right_side: Any


def smooth(messages: Messages, moving: Accelerations, spacing: Spacing, scales: Any) -> tuple[Messages, Any]:
    """Return what its neighbours say of each frame, and the scales of the accelerations found anew.

    Parameters
    ----------
    messages : Messages
        From the frames.
    moving : Accelerations
        Of the current bodies.
    spacing : Spacing
        In arrays like the messages.
    scales : (J + 1,) array
        That the precisions of `moving` were computed with.

    Notes
    -----
    Minimises sum_t d_t x_t^2 - 2 m_t x_t + q_t (a_t + b_t x_(t-1) + h_t x_t + f_t x_(t+1))^2. A squared scale
    is the mean of the expected (...)^2 in units of its variance, with USUAL_FRAMES of 1.
    """
    xp = array_namespace(messages.precision)
    own, right = messages
    count = own.shape[0]
    q, qa = moving.precision, moving.precision * moving.value
    before, here, after = (part[:, None] for part in spacing[:3])
    zero = xp.zeros_like(own[:1, :])

    def earlier(part: Any, steps: int = 1) -> Any:
        return xp.concat([*[zero] * min(steps, count), part[: max(count - steps, 0), :]], axis=0)

    def later(part: Any) -> Any:
        return xp.concat([part[1:, :], zero], axis=0)

    diagonal = own + q * here**2 + earlier(q * after**2) + later(q * before**2)
    first = q * before * here + earlier(q * here * after)  # with the frame before
    second = earlier(q * before * after)  # with the one before that
    right_side = right - here * qa - earlier(after * qa) - later(before * qa)
    pivots, ones, twos, solved = [zero[0, :]] * 2, [], [], [zero[0, :]] * 2
    one_before = zero[0, :]
    unit = xp.ones_like(zero[0, :])
    for t in range(count):
        two = second[t, :] / (pivots[-2] if t > 1 else unit)
        one = (first[t, :] - second[t, :] * one_before) / (pivots[-1] if t > 0 else unit)
        pivot = diagonal[t, :] - one * one * pivots[-1] - two * two * pivots[-2]
        solved.append(right_side[t, :] - one * solved[-1] - two * solved[-2])
        pivots.append(pivot)
        ones.append(one)
        twos.append(two)
        one_before = one
    mean, variance, squares = _backwards(pivots[2:], ones, twos, solved[2:], moving, spacing)
    neighbours = 1 / variance - own
    neighbours = xp.where(neighbours > 0, neighbours, xp.zeros_like(neighbours))
    others = Messages(neighbours, mean / variance - right)
    inner = xp.sum(xp.astype(spacing.precision > 0, own.dtype))
    squares = xp.mean(xp.reshape(squares, (-1, 3)), axis=-1) * scales
    return others, (squares + USUAL_FRAMES) / (inner + USUAL_FRAMES)


def _backwards(
    pivots: list[Any],
    ones: list[Any],
    twos: list[Any],
    solved: list[Any],
    moving: Accelerations,
    spacing: Spacing,
) -> tuple[Any, Any, Any]:
    """Mean and variance of every frame, (T, C), and the sum of q E[acceleration^2], (C,)."""
    xp = array_namespace(pivots[0])
    zero = xp.zeros_like(pivots[0])
    count = len(pivots)
    ones, twos = [*ones, zero, zero], [*twos, zero, zero]
    # Of the next two frames: mean, variance; covariance of frame t + 1 with t + 2.
    mean_1 = mean_2 = variance_1 = variance_2 = between = squares = zero
    means, variances = [], []
    for t in range(count - 1, -1, -1):
        one, two = ones[t + 1], twos[t + 2]
        mean = solved[t] / pivots[t] - one * mean_1 - two * mean_2
        with_2 = -one * between - two * variance_2
        with_1 = -one * variance_1 - two * between
        variance = 1 / pivots[t] - one * with_1 - two * with_2
        if t + 2 < count:
            b, h, f = spacing.before[t + 1], spacing.here[t + 1], spacing.after[t + 1]
            change = moving.value[t + 1, :] + b * mean + h * mean_1 + f * mean_2
            spread = b * b * variance + h * h * variance_1 + f * f * variance_2
            spread = spread + 2 * (b * h * with_1 + b * f * with_2 + h * f * between)
            squares = squares + moving.precision[t + 1, :] * (change * change + spread)
        means.append(mean)
        variances.append(variance)
        mean_1, mean_2, variance_1, variance_2, between = mean, mean_1, variance, variance_1, with_1
    return xp.stack(means[::-1], axis=0), xp.stack(variances[::-1], axis=0), squares
