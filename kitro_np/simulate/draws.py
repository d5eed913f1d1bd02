"""Draws: random numbers of one seed, a stream of its own for everything that is drawn."""

from __future__ import annotations

import math
from zlib import crc32

import numpy as np

GOLDEN = (math.sqrt(5) - 1) / 2

ISSUE = "3"
"""Other streams for another issue; chosen so that the means of seed 0 lie near those of many seeds."""


class Draws:
    """Random numbers for `count` bodies.

    Whatever is drawn has a stream of its own, named, with one row a body: body 7 of a seed is the same among
    10 bodies and among 1000, and a larger error of one kind changes nothing of another kind.

    Parameters
    ----------
    seed : int
    count : int
    """

    def __init__(self, seed: int, count: int) -> None:
        self.seed, self.count = seed, count

    def stream(self, name: str) -> np.random.Generator:
        """Return a generator for one name: PCG64, seeded by the seed and the name."""
        return np.random.Generator(np.random.PCG64([self.seed, crc32(f"{ISSUE} {name}".encode())]))

    def normal(self, name: str, *shape: int) -> np.ndarray:
        """Draw standard normal numbers, (count, *shape)."""
        return self.stream(name).standard_normal((self.count, *shape))

    def uniform(self, name: str, low: float, high: float, *shape: int) -> np.ndarray:
        """Draw numbers between two bounds, (count, *shape)."""
        return low + (high - low) * self.stream(name).random((self.count, *shape))

    def even_normal(self, name: str) -> np.ndarray:
        """Draw standard normal numbers, (count,), whose quantiles are spread evenly, whatever the count.

        They are multiples of the golden ratio, modulo 1, from a random start: how many very bad bodies there
        are then hardly depends on the seed.
        """
        from scipy.special import ndtri  # its import takes as long as the whole simulation

        quantiles = (self.stream(name).random() + GOLDEN * np.arange(self.count)) % 1
        return ndtri(np.clip(quantiles, 1e-9, 1 - 1e-9))

    def shuffled(self, name: str, among: int) -> np.ndarray:
        """Draw indices below `among`, (count,): each once in a random order, then again in another."""
        rounds = -(-self.count // among)
        orders = [self.stream(f"{name} {k}").permutation(among) for k in range(rounds)]
        return np.concatenate(orders)[: self.count]
