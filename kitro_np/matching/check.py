"""Check that estimates and keypoints belong to one camera, and find the likely cause if they do not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..body import BodyModel
from ..formats.people import PeopleEstimates, PeopleKeypoints
from .images import shared_frames
from .pairs import medians, pair_distances, pairs_of_frames, seen_points
from .project import Projected, project_people
from .read import keypoints_of, people_of

TOLERATED = 0.12
"""Largest median distance of estimates to their keypoints, in heights: networks have a third of it."""

BETTER, BETTER_BY_FITTING = 0.55, 0.4
"""Share of the distance that a cause leaves which explains it: without unknowns, and with some."""

SUSPICIOUS, MUCH_BETTER = 0.008, 0.3
"""Distance that is looked into although it is tolerated, and the share of it that a cause must leave then."""

SIMPLER = 2.0
"""How many times farther a cause with fewer unknowns may leave the points, and still be the likely one."""

LEAST_LEFT = 0.01
"""In heights: causes that leave less are equally good."""

USUAL_SIZES = (0.25, 1 / 3, 0.5, 2 / 3, 0.75, 4 / 3, 1.5, 2.0, 3.0, 4.0)
"""Factors that images are resized by: where people are near one another, no pairs of them tell it."""

LEAST_FACTOR = 0.01
"""Of a focal length or an image's size; the inverse is the largest."""

MOST_ROWS = 2000
"""Estimates that are looked at, evenly over all."""


@dataclass(frozen=True)
class ProjectionCheck:
    """Whether estimates and keypoints can belong to one camera.

    Attributes
    ----------
    pixels, heights : float
        Median distance of projected points and keypoints, in pixels and in heights of the person.
    fits : bool
        Whether it is small, and nothing explains it by far better.
    cause : str
        The likely cause if it does not fit; empty if none is found.
    """

    pixels: float
    heights: float
    fits: bool
    cause: str = ""

    def __str__(self) -> str:
        if self.fits:
            return ""
        cause = f"likely cause: {self.cause}" if self.cause else "no usual cause explains it"
        return (
            "Estimates and keypoints do not belong together as they are: their median distance is "
            f"{self.pixels:.3g} px, {self.heights:.2g} heights of the person; {cause}."
        )


class _Cause(NamedTuple):
    """A cause, the distance in heights that it leaves, and its number of unknowns."""

    sentence: str
    left: float
    unknowns: int


def check_projection(
    estimates: PeopleEstimates | Any,
    keypoints: PeopleKeypoints | Any | None = None,
    body: BodyModel | str | None = None,
) -> ProjectionCheck:
    """Compare projected estimates with keypoints of the same images.

    Parameters
    ----------
    estimates : PeopleEstimates, path or object
    keypoints : PeopleKeypoints, path or object, optional
        By default the program's own 2D joints, `estimates.joints_2d`.
    body : BodyModel or str, optional
        As in :func:`match_people`.

    Returns
    -------
    ProjectionCheck
        As text a sentence, empty if all is well. It fits if there is nothing to compare.

    Raises
    ------
    InputError
        If the estimates' camera is not known.
    """
    estimates = people_of(estimates, body=body)
    points = estimates.joints_2d if keypoints is None else keypoints_of(keypoints)
    if points is None or not len(points) or not len(estimates):
        return ProjectionCheck(float("nan"), float("nan"), True)
    by_rows = points is estimates.joints_2d
    every = -(-len(estimates) // MOST_ROWS)
    sample = estimates.take(slice(None, None, every))
    projected = project_people(sample, points.layout, body)
    if by_rows:
        # Each row is its own frame: a neighbour in the image cannot be taken for it.
        frame_1, frame_2 = np.arange(len(estimates))[::every], np.arange(len(estimates))
    else:
        frame_1, frame_2, _ = shared_frames(sample, points)
    return _Comparison(sample, projected, points, frame_1, frame_2, by_rows).result()


def check_own_joints(estimates: PeopleEstimates, body: BodyModel) -> str:
    """Return a sentence if the program's own 2D joints are not where its camera sees the bodies."""
    check = check_projection(estimates, body=body)
    return "" if check.fits else f"{estimates.source}'s own 2D joints: {check}"


class _Comparison:
    """Estimates, their projections, and the keypoints of the same frames."""

    def __init__(
        self,
        estimates: PeopleEstimates,
        projected: Projected,
        keypoints: PeopleKeypoints,
        frame_1: np.ndarray,
        frame_2: np.ndarray,
        by_rows: bool,
    ) -> None:
        self.estimates, self.projected = estimates, projected
        self.seen = seen_points(
            keypoints.points[:, projected.chosen], keypoints.confidence[:, projected.chosen]
        )
        self.image_size = keypoints.image_size or estimates.image_size
        self.frame_1, self.frame_2, self.by_rows = frame_1, frame_2, by_rows
        self.pairs = pairs_of_frames(frame_1, frame_2)
        assert estimates.intrinsics is not None
        self.centre = estimates.intrinsics[:, None, :2, 2]

    def result(self) -> ProjectionCheck:
        pixels = self.distance(self.projected.points, self.seen, in_pixels=True)
        heights = self.distance(self.projected.points, self.seen)
        if not np.isfinite(heights):
            return ProjectionCheck(float("nan"), float("nan"), True)
        fits = heights <= TOLERATED
        if fits and heights < SUSPICIOUS:
            return ProjectionCheck(pixels, heights, True)
        causes = self.causes(few=fits)
        best = min(causes, key=lambda cause: cause.left)
        enough = max(SIMPLER * best.left, LEAST_LEFT)
        likely = min(
            (cause for cause in causes if cause.left <= enough),
            key=lambda cause: (cause.unknowns, cause.left),
        )
        share = BETTER_BY_FITTING if likely.unknowns else BETTER
        if likely.left <= (MUCH_BETTER if fits else share) * heights:
            return ProjectionCheck(pixels, heights, False, likely.sentence)
        return ProjectionCheck(pixels, heights, fits)

    def distance(
        self,
        points: np.ndarray,
        seen: np.ndarray,
        pairs: tuple[np.ndarray, np.ndarray] | None = None,
        scale: np.ndarray | float = 1.0,
        *,
        in_pixels: bool = False,
    ) -> float:
        """Median over the estimates of the distance to the nearest person in the frame.

        `scale` is how many pixels of the keypoints are one of the estimates' image.
        """
        one, two = self.pairs if pairs is None else pairs
        found = pair_distances(points, seen, (one, two))
        if not in_pixels:
            with np.errstate(all="ignore"):
                found = found / (self.projected.height * scale)[one]
        nearest = np.full(len(points), np.inf)
        np.fmin.at(nearest, one, found)
        compared = nearest[np.isin(self.frame_1, self.frame_2)]
        compared = compared[np.isfinite(compared)]
        return float(np.median(compared)) if len(compared) else float("inf")

    def causes(self, *, few: bool) -> list[_Cause]:
        """Try all causes; `few` only those that leave points near."""
        points, seen = self.projected.points, self.seen
        found = [
            _Cause(
                "left and right of the keypoints are exchanged",
                self.distance(points, seen[:, self.projected.mirror]),
                0,
            )
        ]
        if not self.by_rows:
            for step in (1, -1):
                pairs = pairs_of_frames(self.frame_1, self.frame_2 + step)
                labels = (0, 1) if step > 0 else (1, 0)
                found.append(
                    _Cause(
                        "frames are shifted by one: keypoints of frame "
                        f"{labels[0]} belong to estimates of frame {labels[1]}",
                        self.distance(points, seen, pairs),
                        0,
                    )
                )
        if few:
            return found
        found.append(
            _Cause("x and y of the keypoints are exchanged", self.distance(points, seen[..., ::-1]), 0)
        )
        found += self._normalised() + self._turned_size() + self._similar()
        return found

    def _normalised(self) -> list[_Cause]:
        """Keypoints in units of the image, whose size follows from the principal point if it is not known."""
        if not np.nanmax(np.abs(self.seen)) <= 2:
            return []
        size = 2 * np.median(self.centre, axis=0)[0] if self.image_size is None else self.image_size
        units = (self.seen * size, (self.seen + 1) / 2 * size)
        left = min(self.distance(self.projected.points, seen) for seen in units)
        return [_Cause("keypoints are in units of the image's width and height, not in pixels", left, 0)]

    def _turned_size(self) -> list[_Cause]:
        """Principal point of an image whose height was taken for its width."""
        turned = self.projected.points - self.centre + self.centre[..., ::-1]
        sentence = "width and height of the image are exchanged in the estimates' camera"
        return [_Cause(sentence, self.distance(turned, self.seen), 0)]

    def _similar(self) -> list[_Cause]:
        """Causes that keep the shape in the image: scaled or moved, all people alike or each on its own."""
        points, seen = self.projected.points, self.seen
        one, two = self.pairs
        scale, shift, left = _similarities(points[one], seen[two])
        with np.errstate(all="ignore"):
            left = left / (self.projected.height[one] * np.abs(scale))
        order = np.lexsort((left, one))
        best = order[np.r_[True, one[order][1:] != one[order][:-1]]]
        best = best[np.isfinite(left[best]) & (scale[best] > 0)]
        if not len(best):
            return []
        each = _Cause(
            "the estimates' camera is that of a crop, not of the full image",
            float(np.median(left[best])),
            3,
        )
        ends = points[one[best]], seen[two[best]]
        centre = self.centre[one[best]]
        zoom, factor = _factor(ends[0] - centre, ends[1] - centre), _factor(*ends)
        focal = (points - self.centre) * zoom + self.centre
        if not (min(zoom, factor) > LEAST_FACTOR and max(zoom, factor) < 1 / LEAST_FACTOR):
            return [each]
        factors = {size: self.distance(points * size, seen, scale=size) for size in (factor, *USUAL_SIZES)}
        factor = min(factors, key=lambda size: factors[size])
        moved = points + np.median(shift[best] + (scale[best, None] - 1) * _means(points[one[best]]), axis=0)
        return [
            _Cause(
                f"the focal length is wrong: {zoom:.3g} times it would fit",
                self.distance(focal, seen, scale=zoom),
                1,
            ),
            _Cause(
                f"the image was resized: the keypoints' is {factor:.3g} times as large as the camera's",
                factors[factor],
                1,
            ),
            _Cause(
                "the principal point is wrong, or the image was padded or cut",
                self.distance(moved, seen),
                2,
            ),
            each,
        ]


def _means(points: np.ndarray) -> np.ndarray:
    seen = np.isfinite(points)
    with np.errstate(all="ignore"):
        return np.where(seen, points, 0).sum(axis=1) / seen.sum(axis=1)


def _factor(first: np.ndarray, second: np.ndarray) -> float:
    """Median over people of the factor that maps the first points best to the second."""
    both = np.isfinite(first) & np.isfinite(second)
    with np.errstate(all="ignore"):
        each = np.where(both, first * second, 0).sum(axis=(1, 2)) / np.where(both, first**2, 0).sum(
            axis=(1, 2)
        )
    return float(np.median(each[np.isfinite(each)])) if np.isfinite(each).any() else 1.0


def _similarities(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scale and shift of each pair that map the first points to the second, and the median distance left."""
    both = np.isfinite(first) & np.isfinite(second)
    first, second = np.where(both, first, np.nan), np.where(both, second, np.nan)
    mean_1, mean_2 = _means(first), _means(second)
    flat_1, flat_2 = (
        np.where(both, points - mean[:, None], 0) for points, mean in ((first, mean_1), (second, mean_2))
    )
    with np.errstate(all="ignore"):
        scale = (flat_1 * flat_2).sum(axis=(1, 2)) / (flat_1**2).sum(axis=(1, 2))
    shift = mean_2 - scale[:, None] * mean_1
    gap = first * scale[:, None, None] + shift[:, None] - second
    return scale, shift, medians(np.hypot(gap[..., 0], gap[..., 1]))
