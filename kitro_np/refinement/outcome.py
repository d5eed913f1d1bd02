"""Outcome: what a method finds, with one leading axis."""

from __future__ import annotations

from typing import Any, NamedTuple


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
    """What a posterior says of each body; see :class:`kitro_np.RefineResult`."""

    quality: Any
    swapped: Any
    noise: Any
    evidence: Any
    joint_spread: Any


class Hypotheses(NamedTuple):
    """Probable bodies, H of each, the most probable first: the refined one or, now and then, another.

    Attributes
    ----------
    pose : (..., H, J, 3, 3) array
        Local rotations.
    betas : (..., H, S) array
    transl : (..., H, 3) array
    probability : (..., H) array
        Of each among these; 0 where there are no more, and the most probable one is repeated.
    """

    pose: Any
    betas: Any
    transl: Any
    probability: Any


class Outcome(NamedTuple):
    """All that a method gives; what it does not give is None."""

    refined: Refined
    diagnostics: Diagnostics | None = None
    hypotheses: Hypotheses | None = None
