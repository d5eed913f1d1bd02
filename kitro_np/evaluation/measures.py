"""What `kitro-np eval` measures and against what truth: its options, checked before anything is refined."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..body import BodyModel, load_body
from ..body.load import LICENSED
from ..camera import default_intrinsics
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
from .protocols import H36M_PELVIS, LSP14, SMPL24, Protocol, regressed_protocol, usual_protocol

PROTOCOLS = {"lsp14": LSP14, "smpl24": SMPL24}
"""Protocols of the skeleton's own joints."""

REGRESSED: dict[str, tuple[int, ...] | None] = {"j14": None, "j14-pelvis": H36M_PELVIS}
"""Protocols that need a regressor, and about which of its rows."""


@dataclass(frozen=True)
class Truth:
    """What estimates are compared with, and what is said of it.

    Parameters
    ----------
    pose, betas : array
        NaN where there is none.
    bodies : list of BodyModel or None
        What poses each, where it is not the estimates' body.
    sequences : array of str or None
        The sequence of each body, where they are asked for.
    facts : dict or None
        What there is to say of a sequence of 3DPW's.
    """

    pose: Any
    betas: Any
    bodies: list[BodyModel] | None = None
    sequences: Any = None
    facts: dict[str, Any] | None = None


@dataclass(frozen=True)
class Report:
    """What was found: mean errors, tables by what their rows are, and facts on the truth."""

    evaluation: Evaluation
    tables: dict[str, Breakdown]
    facts: dict[str, Any] | None

    def as_dict(self) -> dict[str, Any]:
        """All of it for JSON."""
        more = {f"per_{rows}": table for rows, table in self.tables.items()}
        return {**self.evaluation.as_dict(), **more, **({"truth": self.facts} if self.facts else {})}

    def text(self) -> str:
        """All of it for a person."""
        tables = (breakdown_table(rows, table) for rows, table in self.tables.items())
        parts = (self.evaluation.table(), *tables)
        line = "\ntruth: {sequence}, camera valid for {valid} of {bodies} bodies, joints within {gap:.2f} mm"
        return "\n\n".join(parts) + (line.format(**self.facts) + " of the file's" if self.facts else "")


@dataclass(frozen=True)
class Measures:
    """What is measured; by default the paper's three errors, of the 14 LSP-like joints or all of a hand's.

    Parameters
    ----------
    metrics : tuple of str
    protocol : Protocol, optional
        By default :func:`kitro_np.evaluation.protocols.usual_protocol`.
    per_joint, per_sequence : bool
        What tables to print beside.
    truth : path or None
        A sequence of 3DPW's, in place of the truth in the estimates' file.
    """

    metrics: tuple[str, ...] = USUAL
    protocol: Protocol | None = None
    per_joint: bool = False
    per_sequence: bool = False
    truth: Path | None = None

    def of_body(self, body: BodyModel) -> Protocol:
        """Return the protocol for a body."""
        return self.protocol or usual_protocol(body)

    def read_truth(
        self, file: EstimateFile, estimates: Estimates, body: BodyModel, options: argparse.Namespace
    ) -> Truth:
        """Read the truth and check that it can be compared: refining takes long."""
        check_body(body, self.of_body(body))
        lead = estimates.lead(body.num_joints)
        if ON_IMAGE in self.metrics and estimates.keypoints_2d.shape[-2:-1] != (body.num_joints,):
            raise InputError(
                f"metrics: expected keypoints of the body's {body.num_joints} joints for {ON_IMAGE}, "
                f"got shape {estimates.keypoints_2d.shape}."
            )
        if self.truth is not None:
            return self._read_sequence(self.truth, file, lead, body, options)
        truth = file.truth(body, lead)
        return Truth(*truth, sequences=file.sequences(lead) if self.per_sequence else None)

    def compare(
        self,
        body: BodyModel,
        estimates: Estimates,
        result: RefineResult,
        truth: Truth,
        progress: Callable[[int], None] | None,
        image_size: Any = None,
    ) -> Report:
        """Compare estimates and refined bodies with the truth."""
        protocol = self.of_body(body)
        found = evaluate(
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
            camera = default_intrinsics(image_size) if estimates.intrinsics is None else estimates.intrinsics
            before, after = (
                errors_on_image(body, (one.pose, one.betas, one.transl), estimates.keypoints_2d, camera)
                for one in (estimates, result)
            )
            found = found.on_image(before, after, protocol if self.per_joint else None)
        found = found.only(self.metrics)
        tables = {}
        if self.per_joint:
            tables["joint"] = by_joint(found, protocol.names_of(body))
        if self.per_sequence:
            tables["sequence"] = by_sequence(found, truth.sequences)
        return Report(found, tables, truth.facts)

    def _read_sequence(
        self,
        path: Path,
        file: EstimateFile,
        lead: tuple[int, ...],
        body: BodyModel,
        options: argparse.Namespace,
    ) -> Truth:
        """Read a sequence of 3DPW's, and find which of its bodies the estimates are of."""
        genders = ("female", "male")
        if options.body.lower() in LICENSED:
            bodies = {one: load_body(options.body, gender=one, folder=options.models) for one in genders}
        else:  # there is but one file
            bodies = dict.fromkeys(genders, body)
        truth = read_3dpw(path, bodies)
        own = truth.take(truth.rows_of(int(np.prod(lead)), file.numbers("person"), file.numbers("frame")))
        poses = [bodies[truth.genders[person]] for person in own.person.tolist()]
        for one in {id(one): one for one in poses}.values():
            check_body(one, self.of_body(one))
        names = [f"{own.name} {person}" for person in own.person.tolist()]
        facts = {
            "sequence": own.name,
            "bodies": len(own),
            "valid": int(own.valid.sum()),
            # Some other body's joints, such as the open one's, are far from those of the file.
            "gap": 1000 * truth.farthest(bodies),
        }
        return Truth(
            np.where(own.valid[:, None, None, None], own.pose, np.nan),
            own.betas,
            poses,
            names,
            facts,
        )


def add_measures(command: argparse.ArgumentParser) -> None:
    """Add the options that say what is measured."""
    add = command.add_argument
    add("--truth", metavar="SEQUENCE.pkl", type=Path, help="a sequence of 3DPW's, instead of IN's truth")
    add(
        "--metrics",
        metavar="NAMES",
        action="extend",
        type=lambda text: text.split(","),
        help=f"of {', '.join(TITLES)}; separated by commas (default: {','.join(USUAL)})",
    )
    names = (*PROTOCOLS, *REGRESSED)
    help_text = f"joints that count: {', '.join(names)} (default: {names[0]}; of a hand all)"
    add("--protocol", metavar="NAME", choices=names, help=help_text)
    add("--regressor", metavar="FILE.npy", help="J_regressor_h36m.npy, for j14, then the default protocol")
    add("--per-joint", action="store_true", help="print a table of joints, too")
    add(
        "--per-sequence",
        action="store_true",
        help="print a table of sequences: IN's sequence, clip or imagename",
    )


def read_measures(options: argparse.Namespace) -> Measures:
    """Check those options; InputError where they do not go together."""
    metrics = tuple(
        dict.fromkeys(one_of("metrics", name.strip(), TITLES) for name in options.metrics or USUAL)
    )
    name, regressor = options.protocol, options.regressor
    if name is None and regressor is not None:
        name = "j14"
    if (name in REGRESSED) != (regressor is not None):
        wanted = "a file, such as J_regressor_h36m.npy," if name in REGRESSED else "none"
        got = "none" if regressor is None else regressor
        raise InputError(f"regressor: expected {wanted} for the protocol {name}, got {got}.")
    protocol = PROTOCOLS.get(name) if regressor is None else regressed_protocol(regressor, REGRESSED[name])
    # A regressor's joints have no keypoints.
    known = (*OF_JOINTS, *((ON_IMAGE,) if regressor is None else ()))
    if options.per_joint and not set(metrics) & set(known):
        raise InputError(f"per-joint: expected a metric among {', '.join(known)}, got {', '.join(metrics)}.")
    return Measures(metrics, protocol, options.per_joint, options.per_sequence, options.truth)
