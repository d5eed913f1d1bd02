"""Report: errors of estimates and of refined bodies, what they are of, and the ground truth behind them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..body import BodyModel
from ..errors import InputError, one_of
from ..formats.estimates import EstimateFile, Estimates
from ..formats.threedpw import read_3dpw
from ..result import RefineResult
from .breakdown import Breakdown, breakdown_table, by_joint, by_sequence
from .evaluate import (
    OF_JOINTS,
    ON_IMAGE,
    TITLES,
    USUAL,
    Evaluation,
    check_body,
    errors_on_image,
    evaluate,
)
from .protocols import Protocol, usual_protocol


class Sequence3DPW(NamedTuple):
    """What there is to say of a sequence of 3DPW that is the ground truth.

    Attributes
    ----------
    sequence : str
    bodies, valid : int
        How many there are, and where the camera is known.
    gap : float
        How far the joints of the bodies that were loaded are from the file's own at most, in millimetres.
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
    """Ground truth that estimates are compared with.

    Parameters
    ----------
    pose, betas : array
        NaN where there is none.
    bodies : sequence of BodyModel, optional
        What poses each, where it is not the estimates' body.
    sequences : sequence of str, optional
        The sequence of each body.
    source : Sequence3DPW, optional
        The sequence file that it is from.
    """

    pose: np.ndarray
    betas: np.ndarray
    bodies: Sequence[BodyModel] | None = None
    sequences: Sequence[str] | np.ndarray | None = None
    source: Sequence3DPW | None = None


def truth_of_file(
    file: EstimateFile, body: BodyModel, lead: tuple[int, ...], *, sequences: bool = False
) -> Truth:
    """Read the ground truth that is beside the estimates.

    Parameters
    ----------
    file : EstimateFile
    body : BodyModel
    lead : tuple of int
        Leading shape of the estimates.
    sequences : bool
        Read the name of each body's sequence, too.
    """
    pose, betas = file.truth(body, lead)
    return Truth(pose, betas, sequences=file.sequences(lead) if sequences else None)


def truth_of_3dpw(
    path: str | os.PathLike[str], bodies: Mapping[str, BodyModel], file: EstimateFile, count: int
) -> Truth:
    """Read a sequence of 3DPW, and find which of its bodies the estimates are of.

    Parameters
    ----------
    path : path
        A .pkl of sequenceFiles.
    bodies : dict of str to BodyModel
        Under "female" and "male".
    file : EstimateFile
        Its keys person and frame say of which body each estimate is.
    count : int
        How many estimates it has.
    """
    truth = read_3dpw(path, bodies)
    own = truth.take(truth.rows_of(count, file.whole_numbers("person"), file.whole_numbers("frame")))
    people = own.person.tolist()
    # Some other body's joints, such as the open one's, are far from those of the file.
    source = Sequence3DPW(own.name, len(own), int(own.valid.sum()), 1000 * truth.farthest(bodies))
    return Truth(
        np.where(own.valid[:, None, None, None], own.pose, np.nan),
        own.betas,
        [bodies[truth.genders[person]] for person in people],
        [f"{own.name} {person}" for person in people],
        source,
    )


@dataclass(frozen=True)
class Report:
    """What was measured.

    Parameters
    ----------
    evaluation : Evaluation
        Errors before and after.
    tables : dict of str to Breakdown
        Mean errors by what their rows are, "joint" or "sequence".
    source : Sequence3DPW, optional
        Of the ground truth.
    method : str
        What refined the bodies.
    options : dict
        Its options.
    """

    evaluation: Evaluation
    tables: dict[str, Breakdown] = field(default_factory=dict)
    source: Sequence3DPW | None = None
    method: str = ""
    options: dict[str, object] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """All of it for JSON."""
        content: dict[str, object] = {"method": self.method, "options": self.options}
        content |= self.evaluation.as_dict()
        content |= {f"per_{rows}": table for rows, table in self.tables.items()}
        return content if self.source is None else {**content, "truth": self.source._asdict()}

    def text(self) -> str:
        """Errors for a person."""
        tables = (breakdown_table(rows, table) for rows, table in self.tables.items())
        text = "\n\n".join((self.evaluation.table(), *tables))
        return text if self.source is None else f"{text}\n{self.source}"


@dataclass(frozen=True)
class Measures:
    """What is measured; by default the paper's three errors, of the 14 LSP-like joints or all of a hand's.

    Parameters
    ----------
    metrics : sequence of str
        See :data:`kitro_np.evaluation.evaluate.TITLES`.
    protocol : Protocol, optional
        By default :func:`kitro_np.evaluation.protocols.usual_protocol`.
    per_joint, per_sequence : bool
        Whether to measure each joint, or sequence, too.

    Raises
    ------
    InputError
        If there is no such metric, or none of them has errors of joints that are asked for.
    """

    metrics: Sequence[str] = USUAL
    protocol: Protocol | None = None
    per_joint: bool = False
    per_sequence: bool = False

    def __post_init__(self) -> None:
        metrics = tuple(dict.fromkeys(one_of("metrics", name, TITLES) for name in self.metrics))
        object.__setattr__(self, "metrics", metrics)
        # A regressor's joints have no keypoints.
        regressed = self.protocol is not None and self.protocol.regressor is not None
        known = (*OF_JOINTS, *(() if regressed else (ON_IMAGE,)))
        if self.per_joint and not set(metrics) & set(known):
            raise InputError(
                f"per_joint: expected a metric among {', '.join(known)}, got {', '.join(metrics)}."
            )

    def protocol_for(self, body: BodyModel) -> Protocol:
        """Return the protocol for a body."""
        return self.protocol or usual_protocol(body)

    def check(self, body: BodyModel, estimates: Estimates, truth: Truth) -> None:
        """Raise InputError, before anything is refined, if these cannot be compared."""
        for one in {id(one): one for one in (body, *(truth.bodies or ()))}.values():
            check_body(one, self.protocol_for(one))
        if ON_IMAGE in self.metrics and estimates.keypoints_2d.shape[-2:-1] != (body.num_joints,):
            raise InputError(
                f"metrics: expected keypoints of the body's {body.num_joints} joints for {ON_IMAGE}, "
                f"got shape {estimates.keypoints_2d.shape}."
            )

    def report(
        self,
        body: BodyModel,
        estimates: Estimates,
        result: RefineResult[np.ndarray],
        truth: Truth,
        progress: Callable[[int], None] | None = None,
    ) -> Report:
        """Compare estimates and refined bodies with the truth.

        Parameters
        ----------
        body : BodyModel
        estimates : Estimates
            With intrinsics, if errors on the image are measured.
        result : RefineResult
        truth : Truth
        progress : callable, optional
            Called with the number of bodies just measured.
        """
        protocol = self.protocol_for(body)
        evaluation = evaluate(
            body,
            (estimates.pose, estimates.betas),
            (result.pose, result.betas),
            (truth.pose, truth.betas),
            progress,
            # To be measured at all a body needs one of these.
            metrics=[name for name in self.metrics if name != ON_IMAGE] or USUAL[:1],
            protocol=protocol,
            per_joint=self.per_joint,
            truth_bodies=truth.bodies,
        )
        if ON_IMAGE in self.metrics:
            keypoints_2d = estimates.keypoints_2d[..., :2]
            before, after = (
                errors_on_image(body, (one.pose, one.betas, one.transl), keypoints_2d, estimates.intrinsics)
                for one in (estimates, result)
            )
            evaluation = evaluation.on_image(before, after, protocol if self.per_joint else None)
        evaluation = evaluation.only(self.metrics)
        tables = {}
        if self.per_joint:
            tables["joint"] = by_joint(evaluation, protocol.names_of(body))
        if self.per_sequence:
            tables["sequence"] = by_sequence(evaluation, truth.sequences)
        return Report(evaluation, tables, truth.source, result.method, dict(result.options or {}))
