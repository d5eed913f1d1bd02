"""Draws: random numbers from one seed, with an independent stream for each quantity."""

from __future__ import annotations

import math
from zlib import crc32

import numpy as np

GOLDEN = (math.sqrt(5) - 1) / 2
"""The golden ratio minus one: its multiples modulo 1 are the most evenly spread."""

SILVER = math.sqrt(2) - 1
"""Another such number, for quantities that must not be correlated with those of the golden ratio."""

ISSUE = "3"
"""Part of the seed of every stream; chosen so that the means of seed 0 lie near those of many seeds."""

TAIL = 1e-9
"""Smallest quantile: keeps normal numbers finite, within 6 standard deviations."""


class Draws:
    """Random numbers for `count` bodies.

    Each quantity has an independent stream with a name and one row for each body: body 7 of a seed is the
    same among 10 bodies and among 1000, and a larger error of one kind does not change the other kinds.

    Parameters
    ----------
    seed : int
    count : int
    """

    def __init__(self, seed: int, count: int) -> None:
        self.seed, self.count = seed, count

    def stream(self, name: str) -> np.random.Generator:
        """Return the generator of a stream: PCG64, seeded by the seed and the name."""
        return np.random.Generator(np.random.PCG64([self.seed, crc32(f"{ISSUE} {name}".encode())]))

    def normal(self, name: str, *shape: int) -> np.ndarray:
        """Draw standard normal numbers, (count, *shape)."""
        return self.stream(name).standard_normal((self.count, *shape))

    def uniform(self, name: str, low: float, high: float, *shape: int) -> np.ndarray:
        """Draw uniform numbers between two bounds, (count, *shape)."""
        return low + (high - low) * self.stream(name).random((self.count, *shape))

    def even_uniform(self, name: str, step: float) -> np.ndarray:
        """Draw uniform numbers in 0 to 1, (count,), evenly spread for every count.

        They are multiples of `step`, GOLDEN or SILVER, modulo 1 from a random start, so that how many are
        below a bound hardly depends on the seed.
        """
        return (self.stream(name).random() + step * np.arange(self.count)) % 1

    def even_normal(self, name: str) -> np.ndarray:
        """Draw standard normal numbers, (count,), with evenly spread quantiles for every count.

        So the number of bodies with very large errors hardly depends on the seed.
        """
        from scipy.special import ndtri  # its import takes as long as the simulation

        return ndtri(np.clip(self.even_uniform(name, GOLDEN), TAIL, 1 - TAIL))

    def shuffled(self, name: str, among: int) -> np.ndarray:
        """Draw indices below `among`, (count,): consecutive random permutations of all of them."""
        rounds = -(-self.count // among)
        permutations = [self.stream(f"{name} {k}").permutation(among) for k in range(rounds)]
        return np.concatenate(permutations)[: self.count]
