"""Method "map": the most probable body given its estimate, its keypoints and a motion prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict, get_args

from ..arrays.engines import ENGINES
from ..body.families import has_body_joints
from ..body.skeleton import Skeleton
from ..errors import InputError
from ..refinement.method import Execution, Method, option
from ..refinement.outcome import Outcome
from ..refinement.request import Request
from ..refinement.tracks import read_tracks
from .hypotheses import find_hypotheses, with_turned
from .most_probable import most_probable, with_min_confidence
from .priors import MotionPrior, cmu_motion_prior, flat_motion_prior
from .video.algorithm import refine_videos

MOST_HYPOTHESES = 64
"""Most hypotheses of a body: more than there are bones to flip."""

EstimateKind = Literal["auto", "network", "landmarks"]
"""What an estimate comes from."""

ContactKind = Literal["none", "feet"]
"""What stays put where it rests."""

ESTIMATES: tuple[EstimateKind, ...] = get_args(EstimateKind)
CONTACTS: tuple[ContactKind, ...] = get_args(ContactKind)


class MapOptions(TypedDict, total=False):
    """Options of :class:`Map`, by name."""

    motion_prior: bool
    safe: bool
    uncertainty: bool
    hypotheses: int
    min_confidence: float
    estimate: EstimateKind
    video: bool
    contacts: ContactKind


@dataclass(frozen=True)
class Map(Method, name="map"):
    """The most probable body (maximum a posteriori) given its estimate, its keypoints and a motion prior.

    Parameters
    ----------
    motion_prior : bool
        Use the prior of human poses from CMU mocap; hands have none.
    safe : bool
        Return a body as its estimate where it is not likely to be better: with another person's keypoints,
        keypoints that fit badly, or fewer than 4.
    uncertainty : bool
        Also return the standard deviation of the joints: ``joint_spread`` of the result.
    hypotheses : int
        Also return this many probable bodies of each, with probabilities: ``hypotheses`` of the result.
    min_confidence : float
        Keypoints whose confidence, as it is given, is below are not visible.
    estimate : {"auto", "network", "landmarks"}
        Where the estimate comes from: a network that regresses pose and shape, or a fit to a network's 3D
        landmarks, such as MediaPipe's. Those agree with the image but are turned and flattened as a whole:
        keypoints then count less, and spreads along the view are larger. By default landmarks for people
        whose betas are all 0.
    video : bool
        The bodies are successive frames of one person, or of one for each entry of further leading axes: as
        with ``tracks`` of :func:`kitro_np.refine`.
    contacts : {"none", "feet"}
        In a video, feet that rest stay put: in the world if ``extrinsics`` are given, else in front of the
        camera. For single frames, and bodies without feet, this changes nothing.
    """

    engines = ENGINES
    takes_detections = True
    takes_videos = True

    motion_prior: bool = option(True, "use no prior of human poses", flag="--no-motion-prior")
    safe: bool = option(True, "keep bodies that are probably no better than estimated", flag="--unsafe")
    uncertainty: bool = option(False, "also return the joints' standard deviation")
    hypotheses: int = option(
        0, "also return this many probable bodies of each", least=0, most=MOST_HYPOTHESES
    )
    min_confidence: float = option(0.0, "keypoints with less confidence are not visible", least=0)
    estimate: Literal["auto", "network", "landmarks"] = option(
        "auto", "what the estimate comes from", choices=ESTIMATES
    )
    video: bool = option(False, "all bodies are successive frames of one person")
    contacts: Literal["none", "feet"] = option(
        "none", "in a video, what stays put where it rests", choices=CONTACTS
    )

    @classmethod
    def kernel_variants(cls) -> tuple[Method, ...]:
        """Return the default, uncertainty and video, which have kernels of their own."""
        return (cls(), cls(uncertainty=True), cls(video=True, uncertainty=True))

    def asked(self, request: Request) -> tuple[Request, MotionPrior, bool | None]:
        """Return what the options make of a request: its keypoints, the motion prior, if of landmarks."""
        motion = (cmu_motion_prior if self.motion_prior else flat_motion_prior)(request.skeleton.host)
        if self.min_confidence > 0:
            request = with_min_confidence(request, self.min_confidence)
        return request, motion, self._landmarks(request.skeleton)

    def run(self, request: Request, execution: Execution) -> Outcome:
        """Find the most probable bodies and, on request, further hypotheses."""
        request, motion, landmarks = self.asked(request)
        tracks = request.tracks if request.tracks or not self.video else read_tracks(request.lead)
        if tracks is not None:
            if self.hypotheses:
                raise InputError(f"hypotheses: expected 0 for a video, got {self.hypotheses}.")
            return Outcome(
                *refine_videos(
                    request, tracks, execution, motion,
                    safe=self.safe, uncertainty=self.uncertainty, landmarks=landmarks,
                    contacts=self.contacts == "feet",
                ),
                tracks=tracks,
            )  # fmt: skip
        refined, diagnostics = most_probable(
            request, execution, motion, safe=self.safe, uncertainty=self.uncertainty, landmarks=landmarks
        )
        others = None
        if self.hypotheses:
            given = with_turned(request, diagnostics.turned)
            others = find_hypotheses(given, refined, execution, self.hypotheses, motion, landmarks)
        return Outcome(refined, diagnostics, others)

    def _landmarks(self, skeleton: Skeleton) -> bool | None:
        """Whether estimates are of landmarks; None if each body's betas tell."""
        if self.estimate == "auto":
            return None if has_body_joints(skeleton.parents) else False
        return self.estimate == "landmarks"
