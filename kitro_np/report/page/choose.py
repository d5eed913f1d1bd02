"""Which bodies a page holds: all of few, the most changed of many."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

PEOPLE = 50
"""People that a page holds, unless asked for more or fewer."""

MOST_BODIES = 600
"""Bodies that a page holds, of all people and frames: some 4 MB with hypotheses."""


class PageRows(NamedTuple):
    """Rows of a page, ordered by person and frame, and a sentence on what was left out, or ""."""

    rows: np.ndarray
    note: str


def choose_rows(frame: np.ndarray, person: np.ndarray, change: np.ndarray, people: int) -> PageRows:
    """Choose the most changed people, then of more than MOST_BODIES the most changed bodies.

    Parameters
    ----------
    frame, person : (N,) array of int
    change : (N,) array
        How much each body changed; one that is not finite counts as unchanged.
    people : int
        Most people.
    """
    change = np.where(np.isfinite(change), change, 0)
    rows = np.lexsort((frame, person))
    numbers, of_person = np.unique(person, return_inverse=True)
    notes = []
    if len(numbers) > people:
        mean = np.bincount(of_person, change) / np.bincount(of_person)
        kept = np.argsort(-mean, kind="stable")[:people]
        rows = rows[np.isin(of_person[rows], kept)]
        notes.append(f"the {people} most changed of {len(numbers)} people")
    if len(rows) > MOST_BODIES:
        order = np.argsort(-change[rows], kind="stable")[:MOST_BODIES]
        notes.append(f"the {MOST_BODIES} most changed of {'their ' if notes else ''}{len(rows)} bodies")
        rows = rows[np.sort(order)]
    return PageRows(rows, f"The page shows {', '.join(notes)}." if notes else "")
