"""Likeliest course of states over tracks."""

from __future__ import annotations

from ...jit import entry


@entry
def follow_states(scores, starts, cost, states, total, came):
    """Fused twin of kitro_np.posterior.video.sequence.likeliest_states: fills states, and scratch."""
    number = scores.shape[1]
    for track in range(starts.size - 1):
        first, last = starts[track], starts[track + 1]
        for t in range(first, last):
            best = 0
            for a in range(number):
                best = a if total[a] > total[best] else best
            highest = total[best] - cost
            for a in range(number):
                stays = t > first and total[a] >= highest
                came[t, a] = a if stays else best
                before = total[a] if stays else highest
                total[a] = (0.0 if t == first else before) + scores[t, a]
        state = 0
        for a in range(number):
            state = a if total[a] > total[state] else state
        for t in range(last - 1, first - 1, -1):
            states[t] = state
            state = came[t, state]
