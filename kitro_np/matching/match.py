"""Match people: for each estimate the keypoints of the same person, over all frames of a track."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..body import BodyModel
from ..formats.people import PeopleEstimates, PeopleKeypoints
from .images import frames_apart, shared_frames
from .pairs import pair_distances, pairs_of_frames, seen_points
from .project import project_people
from .read import keypoints_of, people_of
from .tracks import known_tracks, link

LIMIT = 0.35
"""Farthest that a person's keypoints are, in heights of the person."""

BONUS = 0.04
"""How much farther, in heights, keypoints may be that belong to the person's track."""

BONUS_OF_IDENTITY = 0.02
"""The same for the identities that the detector's tracker gives."""

LIMIT_OF_OTHERS = 0.15
"""Farthest that keypoints are which belong to another person's track."""

RIVAL = 0.5
"""Share of its best match's gain that a track's match must have."""

LARGEST = 4_000_000
"""Entries of the matrix of persons and tracks; with more, the best match of each track is taken."""

OVERLAP = 0.1
"""Share of a track's frames in which its person may have another one."""


@dataclass(frozen=True, eq=False)
class Match:
    """Whose keypoints are whose.

    Attributes
    ----------
    row : (N,) array of int64
        For each estimate its row of the keypoints; -1 if it has none.
    distance : (N,) array of float64
        Median distance of the points, in heights of the person; NaN where there are no keypoints.
    unmatched : array of int64
        Rows of the keypoints that have no estimate.
    notes : tuple of str
        Sentences on what is left over.
    """

    row: np.ndarray
    distance: np.ndarray
    unmatched: np.ndarray
    notes: tuple[str, ...] = ()

    def keypoints(self, estimates: PeopleEstimates, keypoints: PeopleKeypoints) -> PeopleKeypoints:
        """Return keypoints with the rows of the estimates; those without any are not visible."""
        if not len(keypoints):
            count = (len(estimates), keypoints.points.shape[1])
            points, confidence, box = np.full((*count, 2), np.nan), np.zeros(count), None
        else:
            found = keypoints.take(self.row)
            missing = self.row < 0
            points = np.where(missing[:, None, None], np.nan, found.points)
            confidence = np.where(missing[:, None], 0.0, found.confidence)
            box = None if found.box is None else np.where(missing[:, None], np.nan, found.box)
        return replace(
            keypoints,
            points=points,
            confidence=confidence,
            frame=estimates.frame,
            person=estimates.person,
            image_name=estimates.image_name,
            box=box,
        )


def match_people(
    estimates: PeopleEstimates | Any, keypoints: PeopleKeypoints | Any, body: BodyModel | str | None = None
) -> Match:
    """Find the keypoints of each estimate: those nearest to its projection over all frames of a track.

    Rows of keypoints in successive frames that are one person beyond doubt are linked into tracks; identities
    that the detector's tracker gives count beside them.

    Parameters
    ----------
    estimates : PeopleEstimates, path or object
        A path or object is read by :func:`read_estimates`.
    keypoints : PeopleKeypoints, path or object
        Of the same images: with the same names if both have names, else with the same frames. A path or
        object is read by :func:`read_keypoints`.
    body : BodyModel or str, optional
        By default the estimates' own if there is a file of it, else the open body, which is near enough.

    Returns
    -------
    Match

    Raises
    ------
    InputError
        If the estimates' camera is not known.
    """
    estimates, keypoints = people_of(estimates, body=body), keypoints_of(keypoints)
    projected = project_people(estimates, keypoints.layout, body)
    seen = seen_points(keypoints.points[:, projected.chosen], keypoints.confidence[:, projected.chosen])
    frame_1, frame_2, note = shared_frames(estimates, keypoints)
    person = known_tracks(frame_1, estimates.person)
    if person is None:
        person = link(frame_1, projected.points)
    track = link(frame_2, seen)
    identity = known_tracks(frame_2, keypoints.person)
    if identity is not None:
        # Trackers exchange people who pass: what has one identity and moves on is one person.
        track = _both(identity, track)

    height = np.where(projected.height > 0, projected.height, np.nan)
    one, two = pairs_of_frames(frame_1, frame_2)
    with np.errstate(invalid="ignore"):
        distance = pair_distances(projected.points, seen, (one, two), LIMIT * height) / height[one]
        near = distance <= LIMIT
    passing = _passes_by(person[one], track[two], frame_1[one], near)
    if identity is not None:
        passing |= _passes_by(person[one], identity[two], frame_1[one], near)
    near &= ~passing
    one, two, distance = one[near], two[near], distance[near]

    own, foreign = _whose(person, track, one, two, distance)
    cost = distance + BONUS * foreign - BONUS * own
    if identity is not None:
        own_identity, other_identity = _whose(person, identity, one, two, distance)
        cost += BONUS_OF_IDENTITY * other_identity - BONUS_OF_IDENTITY * own_identity
    allowed = ~foreign | (distance <= LIMIT_OF_OTHERS)
    one, two, distance, cost = (part[allowed] for part in (one, two, distance, cost))
    chosen = _assign(frame_1[one], one, two, cost)

    row = np.full(len(estimates), -1)
    row[one[chosen]] = two[chosen]
    apart = np.full(len(estimates), np.nan)
    apart[one[chosen]] = distance[chosen]
    unmatched = np.setdiff1d(np.arange(len(keypoints)), two[chosen])
    notes = (
        note,
        projected.note,
        *frames_apart(frame_1, frame_2, note),
        *_left_over(row, unmatched, len(keypoints)),
    )
    return Match(row, apart, unmatched, tuple(sentence for sentence in notes if sentence))


def _both(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return a number for each pair of numbers, from 0."""
    keys = first * (np.int64(second.max(initial=0)) + 1) + second
    return np.unique(keys, return_inverse=True)[1].reshape(-1)


def _passes_by(first: np.ndarray, second: np.ndarray, frame: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Whether two tracks are near for a while only: far before and after, and in most frames.

    A tracker's exchange is not taken for that: they stay near then.
    """
    keys = _both(first, second)
    far = ~near
    count = int(keys.max(initial=-1)) + 1
    start, end = np.full(count, np.iinfo(np.int64).max), np.full(count, np.iinfo(np.int64).min)
    np.minimum.at(start, keys[far], frame[far])
    np.maximum.at(end, keys[far], frame[far])
    mostly = 2 * np.bincount(keys, far) > np.bincount(keys)
    return mostly[keys] & (start[keys] < frame) & (frame < end[keys])


def _whose(
    person: np.ndarray, track: np.ndarray, one: np.ndarray, two: np.ndarray, distance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Whether the keypoints of each pair are on a track of its person, and of another person."""
    owner = _owners(person, track, one, two, distance)[track[two]]
    own = owner == person[one]
    return own, ~own & (owner >= 0)


def _owners(
    person: np.ndarray, track: np.ndarray, one: np.ndarray, two: np.ndarray, distance: np.ndarray
) -> np.ndarray:
    """Return the person of each track of keypoints, -1 for none.

    The sum over frames of how much nearer than the limit they are is largest for one track of each person
    (Hungarian); tracks that are left, since a tracker lost the person and found it again, follow by that sum.
    """
    persons, tracks = int(person.max(initial=-1)) + 1, int(track.max(initial=-1)) + 1
    owner = np.full(tracks, -1)
    if not len(one):
        return owner
    keys, inverse = np.unique(person[one] * np.int64(tracks) + track[two], return_inverse=True)
    inverse = inverse.reshape(-1)
    gain = np.bincount(inverse, LIMIT - distance)
    whose, which = np.divmod(keys, tracks)
    best = np.zeros(tracks)
    np.maximum.at(best, which, gain)
    candidates = gain >= RIVAL * best[which]

    order = np.argsort(inverse, kind="stable")
    starts = np.searchsorted(inverse[order], np.arange(len(keys) + 1))
    taken = np.zeros(len(person), bool)

    def give(key: int) -> None:
        owner[which[key]] = whose[key]
        taken[one[order[starts[key] : starts[key + 1]]]] = True

    if persons * tracks <= LARGEST:
        from scipy.optimize import linear_sum_assignment  # its import takes long

        gains = np.zeros((persons, tracks))
        gains[whose[candidates], which[candidates]] = gain[candidates]
        number = np.full((persons, tracks), -1)
        number[whose[candidates], which[candidates]] = np.flatnonzero(candidates)
        for key in number[linear_sum_assignment(gains, maximize=True)]:
            if key >= 0:
                give(key)
    left = np.flatnonzero(candidates & (owner[which] < 0))
    for key in left[np.argsort(-gain[left], kind="stable")]:
        rows = one[order[starts[key] : starts[key + 1]]]
        if owner[which[key]] < 0 and taken[rows].mean() <= OVERLAP:
            give(key)
    return owner


def _assign(frame: np.ndarray, one: np.ndarray, two: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Return which pairs are the matches: in each frame those of the least total cost (Hungarian).

    Where everybody's nearest keypoints are different ones, these are it.
    """
    order = np.lexsort((cost, one))
    first = order[np.r_[True, one[order][1:] != one[order][:-1]]] if len(order) else order
    wanted = np.bincount(two[first], minlength=int(two.max(initial=-1)) + 1)
    doubtful = np.unique(frame[first[wanted[two[first]] > 1]])
    clear = first[~np.isin(frame[first], doubtful)]
    if not len(doubtful):
        return clear

    from scipy.optimize import linear_sum_assignment

    found = [clear]
    unclear = np.flatnonzero(np.isin(frame, doubtful))
    unclear = unclear[np.argsort(frame[unclear], kind="stable")]
    bounds = np.flatnonzero(np.diff(frame[unclear])) + 1
    for pairs in np.split(unclear, bounds):
        rows, row = np.unique(one[pairs], return_inverse=True)
        columns, column = np.unique(two[pairs], return_inverse=True)
        gains = np.zeros((len(rows), len(columns)))
        gains[row, column] = LIMIT + BONUS + BONUS_OF_IDENTITY - cost[pairs]
        number = np.full(gains.shape, -1)
        number[row, column] = pairs
        matched = number[linear_sum_assignment(gains, maximize=True)]
        found.append(matched[matched >= 0])
    return np.concatenate(found)


def _left_over(row: np.ndarray, unmatched: np.ndarray, count: int) -> list[str]:
    notes = []
    without = int((row < 0).sum())
    if without == len(row):
        notes.append("No estimate has keypoints near it.")
    elif without:
        notes.append(f"{without} of {len(row)} estimates have no keypoints near them.")
    if len(unmatched) and without < len(row):
        notes.append(f"{len(unmatched)} of {count} rows of keypoints have no estimate.")
    return notes
