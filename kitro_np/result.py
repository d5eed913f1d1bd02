"""Result: refined bodies and what is known about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from .checks import Status


class Refined(NamedTuple):
    """A refined batch as the engines return it, with one leading axis; see :class:`RefineResult`."""

    pose: Any
    betas: Any
    transl: Any
    selection: Any
    path_score: Any
    reprojection_error: Any
    status: Any


@dataclass(frozen=True)
class RefineResult:
    """Refined bodies; arrays of the same kind, dtype and leading shape as the estimate's.

    Attributes
    ----------
    pose : (..., J, 3, 3) array, or axis-angle where the estimate's pose was
        Local rotations.
    betas : (..., S) array
    transl : (..., 3) array
        Camera translation in metres.
    selection : (..., J) array of int8
        Branch taken at each bone, named by its child, in the last iteration: 0 away from the
        camera, 1 towards it; -1 at the root and where nothing was refined.
    path_score : (...) array
        Product of the edge scores along the path, in [0, 1]; NaN where nothing was refined.
    reprojection_error : (...) array
        Mean distance between projected joints and keypoints, in pixels.
    status : (...) array of int8
        A :class:`kitro_np.Status`: 0 where the body was refined, else the reason why it came back
        as its estimate.
    """

    pose: Any
    betas: Any
    transl: Any
    selection: Any
    path_score: Any
    reprojection_error: Any
    status: Any

    def counts(self) -> dict[Status, int]:
        """How many bodies have each status that occurs."""
        xp = array_namespace(self.status)
        found = {s: int(xp.sum(xp.astype(self.status == int(s), xp.int64))) for s in Status}
        return {status: count for status, count in found.items() if count}

    def summary(self) -> str:
        """One line for a person: how many bodies were refined, and why others were not."""
        counts = self.counts()
        refined = counts.pop(Status.REFINED, 0)
        line = f"{refined} {'body' if refined == 1 else 'bodies'} refined"
        if counts:
            reasons = "; ".join(f"{count}: {status.reason}" for status, count in counts.items())
            others = sum(counts.values())
            line += f", {others} returned as {'it was' if others == 1 else 'they were'} ({reasons})"
        return line
