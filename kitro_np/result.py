"""Result: refined bodies and what is known about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from array_api_compat import array_namespace

from .refinement.validity import Status


class Refined(NamedTuple):
    """A refined batch as the engines return it, with one leading axis; see :class:`RefineResult`."""

    pose: Any
    betas: Any
    transl: Any
    selection: Any
    path_score: Any
    reprojection_error: Any
    status: Any


class Judged(NamedTuple):
    """What the most probable bodies are known by, with one leading axis; see :class:`RefineResult`."""

    quality: Any
    swapped: Any
    noise: Any
    evidence: Any
    joint_spread: Any


class Hypotheses(NamedTuple):
    """Likely bodies, H of each, the likeliest first: the refined one or, now and then, a likelier one.

    Attributes
    ----------
    pose : (..., H, J, 3, 3) array
        Local rotations.
    betas : (..., H, S) array
    transl : (..., H, 3) array
    probability : (..., H) array
        Of each among these; 0 where there are no more, and the likeliest is repeated.
    """

    pose: Any
    betas: Any
    transl: Any
    probability: Any


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
    quality : (...) array or None
        Of ``method="map"``: how likely the keypoints are the body's, as a logarithm a number; one that is
        not positive is not accepted.
    swapped : (...) array of int8 or None
        1 where the keypoints fit better with left and right the other way round.
    noise : (...) array or None
        Spread of the keypoints about the body, in pixels.
    evidence : (...) array or None
        Logarithm of how probable the keypoints are, given the estimate; of one body under several
        hypotheses, say.
    joint_spread : (..., J) array or None
        Spread of each joint about the root, in metres, if it was asked for.
    hypotheses : Hypotheses or None
        Likely bodies, if they were asked for.
    """

    pose: Any
    betas: Any
    transl: Any
    selection: Any
    path_score: Any
    reprojection_error: Any
    status: Any
    quality: Any = None
    swapped: Any = None
    noise: Any = None
    evidence: Any = None
    joint_spread: Any = None
    hypotheses: Hypotheses | None = None

    @property
    def accepted(self) -> Any:
        """Whether each body was refined; else it came back as its estimate."""
        return self.status == 0

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
