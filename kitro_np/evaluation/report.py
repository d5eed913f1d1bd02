"""Report: errors of estimates and of refined bodies, with the source of the ground truth."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..body import BodyModel
from ..errors import InputError, one_of
from ..formats.estimates import CameraTruth, EstimateFile, Estimates, Tracks
from ..formats.threedpw import read_3dpw
from ..formats.videos import tracks_of_file
from ..result import RefineResult
from .breakdown import Breakdown, breakdown_table, by_joint, by_sequence
from .evaluate import (
    MILLIMETRES,
    OF_JOINTS,
    ON_IMAGE,
    TITLES,
    USUAL,
    Evaluation,
    check_body,
    errors_on_image,
    evaluate,
)
from .predictions import BestOf, Spread, measure_best, measure_spread
from .protocols import Protocol, usual_protocol
from .truth_body import truth_on_another_body
from .video import VIDEO_TITLES, MovingBodies, VideoEvaluation, evaluate_video, measurable


class Sequence3DPW(NamedTuple):
    """Summary of a 3DPW sequence used as ground truth.

    Attributes
    ----------
    sequence : str
        Name of the sequence.
    bodies, valid : int
        Number of bodies, and of those with a valid camera.
    gap : float
        Largest distance of the loaded bodies' joints from those in the file, in millimetres.
    """

    sequence: str
    bodies: int
    valid: int
    gap: float

    def __str__(self) -> str:
        return (
            f"truth: {self.sequence}, camera valid for {self.valid} of {self.bodies} bodies, "
            f"joints within {self.gap:.2f} mm of the file's"
        )


@dataclass(frozen=True, eq=False)
class Truth:
    """Ground truth of the estimates.

    Parameters
    ----------
    pose, betas : array
        NaN for bodies without ground truth.
    bodies : sequence of BodyModel, optional
        The body model of each body, if it is not the estimates'.
    sequences : sequence of str, optional
        The sequence of each body.
    source : Sequence3DPW, optional
        Summary of the sequence file.
    warning : str
        A sentence if the truth is on another body than the estimates; else empty.
    tracks : Tracks, optional
        Of a file with tracks: measures of motion are taken, too.
    camera : CameraTruth, optional
        True translation, for those that need it.
    """

    pose: np.ndarray
    betas: np.ndarray
    bodies: Sequence[BodyModel] | None = None
    sequences: Sequence[str] | np.ndarray | None = None
    source: Sequence3DPW | None = None
    warning: str = ""
    tracks: Tracks | None = None
    camera: CameraTruth | None = None


def truth_of_file(
    file: EstimateFile, body: BodyModel, lead: tuple[int, ...], *, sequences: bool = False
) -> Truth:
    """Read the ground truth in the file of the estimates.

    Parameters
    ----------
    file : EstimateFile
    body : BodyModel
    lead : tuple of int
        Leading shape of the estimates.
    sequences : bool
        Whether to read the name of each body's sequence, too.
    """
    truth = file.truth(body, lead)
    # The key person is of files that may have no video's order, such as those of 3DPW.
    tracks = tracks_of_file(file, lead) if file.get("track") is not None else None
    return Truth(
        *truth,
        sequences=file.sequences(lead) if sequences else None,
        warning=truth_on_another_body(file, truth, body, lead),
        tracks=tracks,
        camera=None if tracks is None else file.camera_truth(lead),
    )


def truth_of_3dpw(
    path: str | os.PathLike[str], bodies: Mapping[str, BodyModel], file: EstimateFile, count: int
) -> Truth:
    """Read a 3DPW sequence, and select the true body of each estimate.

    Parameters
    ----------
    path : path
        A .pkl of sequenceFiles.
    bodies : dict of str to BodyModel
        Body models for "female" and "male".
    file : EstimateFile
        Its keys person and frame identify the body of each estimate.
    count : int
        Number of estimates in it.
    """
    sequence = read_3dpw(path, bodies)
    truth = sequence.take(sequence.rows_of(count, file.integers("person"), file.integers("frame")))
    people = truth.person.tolist()
    # The joints of another body, such as the open one, are far from those in the file.
    gap = MILLIMETRES * sequence.largest_joint_error(bodies)
    return Truth(
        np.where(truth.valid[:, None, None, None], truth.pose, np.nan),
        truth.betas,
        [bodies[sequence.genders[person]] for person in people],
        [f"{truth.name} {person}" for person in people],
        Sequence3DPW(truth.name, len(truth), int(truth.valid.sum()), gap),
    )


@dataclass(frozen=True)
class Report:
    """Result of an evaluation.

    Parameters
    ----------
    evaluation : Evaluation
        Errors before and after refinement.
    tables : dict of str to Breakdown
        Mean errors by "joint" or "sequence".
    source : Sequence3DPW, optional
        Summary of the ground truth's sequence.
    method : str
        Name of the refinement method.
    options : dict
        Options of the method.
    body : str
        Name of the body that is measured.
    warning : str
        A sentence if the truth is on another body; else empty.
    video : VideoEvaluation, optional
        Measures of motion, of a file with tracks.
    best : BestOf, optional
        Errors of the best hypotheses, if there are some.
    spread : Spread, optional
        Errors relative to the predicted spread, if there is one.
    """

    evaluation: Evaluation
    tables: dict[str, Breakdown] = field(default_factory=dict)
    source: Sequence3DPW | None = None
    method: str = ""
    options: dict[str, object] = field(default_factory=dict)
    body: str = ""
    warning: str = ""
    video: VideoEvaluation | None = None
    best: BestOf | None = None
    spread: Spread | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the report as a dict for JSON."""
        content: dict[str, object] = {"method": self.method, "options": self.options, "body": self.body}
        if self.warning:
            content["warning"] = self.warning
        content |= self.evaluation.as_dict()
        content |= {f"per_{rows}": table for rows, table in self.tables.items()}
        content |= {name: asdict(part) for name in ("best", "spread") if (part := getattr(self, name))}
        if self.video is not None:
            content["video"] = self.video.as_dict()
        return content if self.source is None else {**content, "truth": self.source._asdict()}

    def text(self, columns: int | None = None) -> str:
        """Format the report as text; tables of joints and sequences are at most `columns` wide."""
        tables = [breakdown_table(rows, table, columns) for rows, table in self.tables.items()]
        if self.video is not None:
            tables.insert(0, self.video.table())
        predicted = [str(part) for part in (self.best, self.spread) if part is not None]
        text = "\n\n".join(("\n".join([self.evaluation.table(), *predicted]), *tables))
        return "\n".join(str(part) for part in (self.warning, text, self.source) if part)


@dataclass(frozen=True)
class Measures:
    """Choice of metrics; by default the paper's three, of the 14 LSP-like joints or all joints of a hand.

    Parameters
    ----------
    metrics : sequence of str
        See :data:`kitro_np.evaluation.evaluate.TITLES`.
    protocol : Protocol, optional
        By default :func:`kitro_np.evaluation.protocols.usual_protocol`.
    per_joint, per_sequence : bool
        Whether to report each joint, or each sequence, too.
    video : sequence of str, optional
        Measures of motion, see :data:`kitro_np.evaluation.video.VIDEO_TITLES`; by default all that the truth
        of a file with tracks allows.

    Raises
    ------
    InputError
        If a metric is unknown, or `per_joint` is set and no metric is defined for single joints.
    """

    metrics: Sequence[str] = USUAL
    protocol: Protocol | None = None
    per_joint: bool = False
    per_sequence: bool = False
    video: Sequence[str] | None = None

    def __post_init__(self) -> None:
        metrics = tuple(dict.fromkeys(one_of("metrics", name, TITLES) for name in self.metrics))
        object.__setattr__(self, "metrics", metrics)
        if self.video is not None:
            video = tuple(dict.fromkeys(one_of("metrics", name, VIDEO_TITLES) for name in self.video))
            object.__setattr__(self, "video", video)
        # A regressor's joints have no keypoints.
        regressed = self.protocol is not None and self.protocol.regressor is not None
        of_joints = (*OF_JOINTS, *(() if regressed else (ON_IMAGE,)))
        if self.per_joint and not set(metrics) & set(of_joints):
            raise InputError(
                f"per_joint: expected a metric among {', '.join(of_joints)}, got {', '.join(metrics)}."
            )

    def protocol_for(self, body: BodyModel) -> Protocol:
        """Return the protocol for a body."""
        return self.protocol or usual_protocol(body)

    def check(self, body: BodyModel, estimates: Estimates, truth: Truth) -> None:
        """Raise InputError if estimates and truth cannot be compared; called before the refinement."""
        for model in {id(model): model for model in (body, *(truth.bodies or ()))}.values():
            check_body(model, self.protocol_for(model))
        if ON_IMAGE in self.metrics and estimates.keypoints_2d.shape[-2:-1] != (body.num_joints,):
            raise InputError(
                f"metrics: expected keypoints of the body's {body.num_joints} joints for {ON_IMAGE}, "
                f"got shape {estimates.keypoints_2d.shape}."
            )
        for name in self.video or ():
            if truth.tracks is None:
                raise InputError(f"metrics: expected a file with the key track for {name}, got none.")
            if name not in measurable(truth.camera is not None):
                raise InputError(f"metrics: expected a file with the key GT_cam for {name}, got none.")

    def report(
        self,
        body: BodyModel,
        estimates: Estimates,
        result: RefineResult[np.ndarray],
        truth: Truth,
        progress: Callable[[int], None] | None = None,
    ) -> Report:
        """Compare estimates and refined bodies with the ground truth.

        Parameters
        ----------
        body : BodyModel
        estimates : Estimates
            With intrinsics, if 2D errors are measured.
        result : RefineResult
        truth : Truth
        progress : callable, optional
            Called with the number of bodies measured since the last call.
        """
        protocol = self.protocol_for(body)
        true = truth.pose, truth.betas
        options: dict[str, Any] = {
            # evaluate needs at least one metric of 3D bodies.
            "metrics": [name for name in self.metrics if name != ON_IMAGE] or USUAL[:1],
            "protocol": protocol,
            "truth_bodies": truth.bodies,
        }
        evaluation = evaluate(
            body,
            (estimates.pose, estimates.betas),
            (result.pose, result.betas),
            true,
            progress,
            per_joint=self.per_joint,
            **options,
        )
        best = measure_best(body, result, true, evaluation, **options)
        if ON_IMAGE in self.metrics:
            keypoints_2d = estimates.keypoints_2d[..., :2]
            before, after = (
                errors_on_image(
                    body, (part.pose, part.betas, part.transl), keypoints_2d, estimates.intrinsics
                )
                for part in (estimates, result)
            )
            evaluation = evaluation.on_image(before, after, protocol if self.per_joint else None)
        evaluation = evaluation.only(self.metrics)
        tables = {}
        if self.per_joint:
            tables["joint"] = by_joint(evaluation, protocol.names_of(body))
        if self.per_sequence:
            tables["sequence"] = by_sequence(evaluation, truth.sequences)
        return Report(
            evaluation,
            tables,
            truth.source,
            result.method,
            dict(result.options or {}),
            body.name,
            truth.warning,
            self._video(body, estimates, result, truth),
            best,
            measure_spread(body, result, true, truth.bodies),
        )

    def _video(
        self, body: BodyModel, estimates: Estimates, result: RefineResult[np.ndarray], truth: Truth
    ) -> VideoEvaluation | None:
        """Measures of motion; None of a file without tracks, or if none is asked for."""
        if truth.tracks is None or self.video == ():
            return None
        factor: np.ndarray | float = 1.0
        if truth.camera is not None and truth.camera.focal_length is not None:
            assumed = np.asarray(estimates.intrinsics)[..., 0, 0]
            factor = (truth.camera.focal_length / assumed).ravel()
        return evaluate_video(
            body,
            MovingBodies(estimates.pose, estimates.betas, estimates.transl),
            MovingBodies(result.pose, result.betas, result.transl),
            MovingBodies(truth.pose, truth.betas, None if truth.camera is None else truth.camera.transl),
            truth.tracks,
            depth_factor=factor,
            metrics=self.video,
        )
