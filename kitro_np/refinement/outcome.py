"""Outcome: results of a method, with one leading axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..arrays.select import where_bodies

if TYPE_CHECKING:
    from .tracks import VideoTracks


class Refined(NamedTuple):
    """A refined batch; see :class:`kitro_np.RefineResult`."""

    pose: Any
    betas: Any
    transl: Any
    selection: Any
    path_score: Any
    reprojection_error: Any
    status: Any


class Diagnostics(NamedTuple):
    """Diagnostics of each body's posterior; see :class:`kitro_np.RefineResult`."""

    quality: Any
    swapped: Any
    turned: Any
    noise: Any
    evidence: Any
    joint_spread: Any


class Hypotheses(NamedTuple):
    """Probable bodies, H of each, the most probable first: usually the refined one, sometimes another.

    Attributes
    ----------
    pose : (..., H, J, 3, 3) array
        Local rotations.
    betas : (..., H, S) array
    transl : (..., H, 3) array
        In metres.
    probability : (..., H) array
        Of each relative to these H; 0 where there are fewer, and the most probable one is repeated.
    """

    pose: Any
    betas: Any
    transl: Any
    probability: Any


class Outcome(NamedTuple):
    """All results of a method; None where it has none."""

    refined: Refined
    diagnostics: Diagnostics | None = None
    hypotheses: Hypotheses | None = None
    tracks: VideoTracks | None = None


def where_outcomes(mask: Any, chosen: Outcome, other: Outcome) -> Outcome:
    """Select each body from `chosen` where mask (N,) holds, else from `other`, whose tracks are kept."""

    def where(part: Any, otherwise: Any) -> Any:
        if otherwise is None:
            return None
        parts = zip(part, otherwise, strict=True)
        return type(otherwise)(*(None if b is None else where_bodies(mask, a, b) for a, b in parts))

    return Outcome(
        where(chosen.refined, other.refined),
        where(chosen.diagnostics, other.diagnostics),
        where(chosen.hypotheses, other.hypotheses),
        other.tracks,
    )
