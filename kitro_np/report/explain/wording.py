"""Wording: names, numbers and bars as explanations write them in text and pictures."""

from __future__ import annotations

import math

WIDTH = 80
"""Columns of a terminal."""


def shortened(name: str, letters: int) -> str:
    """Return a name of at most so many letters."""
    return name if len(name) <= letters else f"{name[: letters - 1]}\N{HORIZONTAL ELLIPSIS}"


def odds_in_words(log_odds: float) -> str:
    """Return the probability that belongs to log odds, as a percentage."""
    probability = 1 / (1 + math.exp(-max(min(log_odds, 700), -700)))
    return f"{probability:.1%}" if not 0.05 < probability < 0.95 else f"{probability:.0%}"


def bar(share: float, letters: int) -> str:
    """Return a bar of text for a share from 0 to 1."""
    full = round(max(0.0, min(share, 1.0)) * letters)
    return "#" * full + "." * (letters - full)


def fitted(lines: list[str]) -> list[str]:
    """Return lines cut to the width of a terminal, without spaces at their ends."""
    return [shortened(line.rstrip(), WIDTH) for line in lines]
