"""People as arguments: records, or the files and objects that they are read from."""

from __future__ import annotations

from typing import Any

from ..formats.estimates_in.read import read_estimates
from ..formats.keypoints_in.read import read_keypoints
from ..formats.people import PeopleEstimates, PeopleKeypoints


def people_of(estimates: Any, **options: Any) -> PeopleEstimates:
    """Return estimates, read with the options of :func:`read_estimates` if they are not yet."""
    return estimates if isinstance(estimates, PeopleEstimates) else read_estimates(estimates, **options)


def keypoints_of(keypoints: Any, layout: str | None = None, **options: Any) -> PeopleKeypoints:
    """Return keypoints, read with the options of :func:`read_keypoints` if they are not yet."""
    if isinstance(keypoints, PeopleKeypoints):
        return keypoints
    return read_keypoints(keypoints, layout, **options)
