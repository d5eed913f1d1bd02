"""Method "map": the most probable body, given estimate, keypoints and human motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..refinement.method import Execution, Method, option
from ..refinement.outcome import Outcome
from ..refinement.request import Request
from .hypotheses import find_hypotheses
from .most_probable import most_probable
from .priors import no_motion, usual_motion

if TYPE_CHECKING:
    from typing_extensions import TypedDict

    class MapOptions(TypedDict, total=False):
        """Options of :class:`Map`, by name."""

        motion_prior: bool
        safe: bool
        uncertainty: bool
        hypotheses: int


@dataclass(frozen=True)
class Map(Method, name="map"):
    """The most probable body (maximum a posteriori) given estimate, keypoints and human motion.

    Parameters
    ----------
    motion_prior : bool
        Count on people holding their joints as people do; never of hands.
    safe : bool
        Return a body as its estimate where its keypoints are unlikely to improve it: another person's, with
        left and right swapped, or fewer than 4.
    uncertainty : bool
        Find the spread of the joints, too: ``joint_spread`` of the result.
    hypotheses : int
        Find so many probable bodies of each, with their probabilities: ``hypotheses`` of the result.
    """

    takes_detections = True

    motion_prior: bool = option(True, "count on no usual poses", flag="--no-motion-prior")
    safe: bool = option(True, "keep bodies that their keypoints are unlikely to improve", flag="--unsafe")
    uncertainty: bool = option(False, "find the joints' spread, too")
    hypotheses: int = option(0, "find so many probable bodies of each, too", least=0)

    def run(self, request: Request, execution: Execution) -> Outcome:
        """Find the most probable bodies and, if asked for, others."""
        motion = (usual_motion if self.motion_prior else no_motion)(request.skeleton.host)
        refined, diagnostics = most_probable(
            request, execution, motion, safe=self.safe, uncertainty=self.uncertainty
        )
        others = None
        if self.hypotheses:
            others = find_hypotheses(request, refined, execution, self.hypotheses, motion)
        return Outcome(refined, diagnostics, others)
