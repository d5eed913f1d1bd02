"""Command eval."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..body import BodyModel
from ..errors import InputError, one_of
from ..evaluation.alone import ALONE, AloneReport, evaluate_alone, tracks_without_truth
from ..evaluation.evaluate import TITLES, USUAL
from ..evaluation.example_report import measure_example
from ..evaluation.examples import EXAMPLES
from ..evaluation.protocols import H36M_PELVIS, LSP14, SMPL24, regressed_protocol
from ..evaluation.report import Measures, Report, Truth, truth_of_3dpw, truth_of_file
from ..evaluation.video import RESIDUAL, VIDEO_TITLES, MovingBodies
from ..formats.estimates import EstimateFile, Estimates, Tracks
from ..formats.videos import timed
from ..refinement.method import METHODS
from ..result import RefineResult
from .body_options import BODY_DEFAULTS, has_genders, read_body
from .exit_status import status_of
from .parser import Commands, Options, add_command, number
from .progress import elapsed_time, progress_bar
from .refinement import FRAME_RATE, Refinement, add_refinement, read_refinement, say_own_body
from .summary import print_json, say_summary, status_of_result
from .timing import stopwatch
from .voice import LOG, named, remark

PROTOCOLS = {"lsp14": LSP14, "smpl24": SMPL24}
"""Protocols of the skeleton's joints."""

REGRESSED: dict[str, tuple[int, ...] | None] = {"j14": None, "j14-pelvis": H36M_PELVIS}
"""Protocols that need a regressor, and its rows whose mean is the root; None for the hips."""

_OF_A_FILE = (
    "truth", "metrics", "protocol", "regressor", "per_joint", "per_sequence", "keypoints_key",
    "layout", "joints_of", "confidence_key", "image_size", "intrinsics", "focal_length", "each_frame", "fps",
)  # fmt: skip
"""Options that describe a file, or what is measured of it."""


class EvaluatedFile(NamedTuple):
    """A refinement that was measured."""

    result: RefineResult[np.ndarray]
    report: Report | AloneReport


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(commands, "eval", run, "errors before and after", streams=("input",))
    text = "as refine, with GT_theta or GT_pose, and GT_beta, or else with tracks"
    command.add_argument("input", metavar="IN", nargs="?", help=text)
    command.add_argument(
        "--example",
        metavar="NAME",
        help=f"instead of IN, a set that ships with the package: {', '.join(EXAMPLES)}",
    )
    command.add_argument("--json", action="store_true", help="print one line of JSON, lengths in millimetres")
    add = command.add_argument_group("evaluation").add_argument
    add("--truth", metavar="SEQUENCE.pkl", type=Path, help="a 3DPW sequence, instead of IN's ground truth")
    add(
        "--metrics",
        metavar="NAMES",
        action="extend",
        type=lambda text: [name.strip() for name in text.split(",")],
        help=f"of {', '.join(TITLES)}, and with the key track of {', '.join(VIDEO_TITLES)}; without "
        f"ground truth of {', '.join(ALONE)}; separated by commas (default: {','.join(USUAL)}, and all of a "
        "file with tracks)",
    )
    names = (*PROTOCOLS, *REGRESSED)
    help_text = f"joints to compare: {', '.join(names)} (default: {names[0]}; all joints of a hand)"
    add("--protocol", metavar="NAME", help=help_text)
    add("--regressor", metavar="FILE.npy", help="J_regressor_h36m.npy, for j14, then the default protocol")
    add("--per-joint", action="store_true", help="also print a table of joints")
    add(
        "--per-sequence",
        action="store_true",
        help="also print a table of sequences, by IN's sequence, clip or imagename",
    )
    add("--fps", type=number, metavar="N", help=FRAME_RATE)
    add_refinement(command)


def run(options: Options) -> int:
    """Refine the bodies of a file and measure them before and after, against the truth if there is one."""
    if options.example is not None:
        return run_example(options)
    if options.input is None:
        raise InputError(
            f"IN: expected a file, or --example NAME, got neither; see {options.command.prog} --help."
        )
    measures, file = read_measures(options), EstimateFile(options.input)
    refinement = read_refinement(options, file)
    result, report = refine_and_measure(file, refinement, measures, options)
    say_own_body(options, file, refinement.body)
    if options.json:
        print_json(report.as_dict())
    else:
        print(named(report.text(shutil.get_terminal_size().columns)))
    say_summary(result, refinement.lines(file, result.status.shape))
    say_changed_options(report.method, report.options)
    return status_of_result(result)


def run_example(options: Options) -> int:
    """Refine an example's bodies and print the errors of each of its cases.

    Options that describe a file's contents, or what is measured, are refused: an example has its own.
    """
    if options.input is not None:
        raise InputError(f"IN: expected none with --example, got {options.input}.")
    for name in (*_OF_A_FILE, *BODY_DEFAULTS):
        if (value := getattr(options, name)) != options.command.get_default(name):
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag}: expected none with --example, which has its own, got {value}.")
    refinement = read_refinement(options)
    settings = refinement.refiner
    refinement.log()
    with elapsed_time("measure"):
        report = measure_example(
            options.example,
            settings.method,
            engine=settings.engine,
            threads=settings.threads,
            strict=settings.strict,
        )
    if options.json:
        print_json(report.as_dict())
    else:
        print(named(report.text()))
    say_changed_options(report.method, report.options)
    accepted = sum(case.accepted > 0 for case in report.cases)
    return status_of(accepted, len(report.cases))


def refine_and_measure(
    file: EstimateFile, refinement: Refinement, measures: Measures, options: Options | None = None
) -> EvaluatedFile:
    """Refine the bodies of a file and evaluate them.

    The ground truth is read and checked first, because refinement takes long. It is that of the file, unless
    `options` name a sequence. Of a file with tracks and without truth, motion alone is measured.
    """
    body = refinement.body
    estimates = refinement.refiner.read(file)
    lead = estimates.lead(body.num_joints)
    if options is not None and (names := _alone(options)):
        tracks = timed(tracks_without_truth(file, lead), refinement.refiner.fps)
        if tracks is not None:
            return _measure_alone(file, refinement, estimates, tracks, names)
    if options is None or options.truth is None:
        truth = truth_of_file(file, body, lead, sequences=measures.per_sequence)
        truth = replace(truth, tracks=timed(truth.tracks, refinement.refiner.fps))
    else:
        truth = _sequence_truth(options, body, file, math.prod(lead))
    if options is not None and RESIDUAL in _asked(options):
        raise InputError(f"metrics: expected a file without ground truth for {RESIDUAL}, got one with it.")
    measures.check(body, estimates, truth)
    result = refinement.run(file, estimates).result
    with progress_bar(result.status.size, "measure") as progress, stopwatch() as watch:
        report = measures.report(body, estimates, result, truth, progress)
    LOG.info("measured in %.3f s, %.0f bodies/s", watch.seconds, result.status.size / watch.seconds)
    return EvaluatedFile(result, report)


def read_measures(options: Options) -> Measures:
    """Return the measures of the options; InputError if they are inconsistent."""
    name, regressor = options.protocol, options.regressor
    if name is not None:
        name = one_of("protocol", name, (*PROTOCOLS, *REGRESSED))
    elif regressor is not None:
        name = "j14"
    if (name in REGRESSED) != (regressor is not None):
        expected = "a file such as J_regressor_h36m.npy" if name in REGRESSED else "none"
        got = "none" if regressor is None else regressor
        raise InputError(f"regressor: expected {expected} for the protocol {name}, got {got}.")
    protocol = None if name is None else PROTOCOLS.get(name)
    if regressor is not None:
        protocol = regressed_protocol(regressor, REGRESSED[name])
    asked = _asked(options)
    return Measures(
        [name for name in asked if name in TITLES] or USUAL,
        protocol,
        options.per_joint,
        options.per_sequence,
        [name for name in asked if name in VIDEO_TITLES] if asked else None,
    )


def _asked(options: Options) -> list[str]:
    """Return the names of the option --metrics."""
    return [one_of("metrics", name, (*TITLES, *VIDEO_TITLES, RESIDUAL)) for name in options.metrics or ()]


def _alone(options: Options) -> tuple[str, ...]:
    """Return what to measure of a file with tracks and without truth; nothing if options need the truth."""
    asked = tuple(dict.fromkeys(_asked(options))) or ALONE
    of_truth = ("truth", "protocol", "regressor", "per_joint", "per_sequence")
    return () if any(getattr(options, name) for name in of_truth) or set(asked) - set(ALONE) else asked


def _measure_alone(
    file: EstimateFile,
    refinement: Refinement,
    estimates: Estimates,
    tracks: Tracks,
    names: tuple[str, ...],
) -> EvaluatedFile:
    """Refine the bodies of a file without ground truth, and measure their motion."""
    body, result = refinement.body, refinement.run(file, estimates).result
    video = evaluate_alone(
        body,
        MovingBodies(estimates.pose, estimates.betas, estimates.transl),
        MovingBodies(result.pose, result.betas, result.transl),
        tracks,
        refinement.refiner.detections(file, estimates, body),
        estimates.intrinsics,
        metrics=names,
    )
    report = AloneReport(video, result.method, dict(result.options or {}), body.name)
    return EvaluatedFile(result, report)


def say_changed_options(method: str, options: Mapping[str, object]) -> None:
    """Say the options of a method that differ from their defaults, if any."""
    defaults = vars(METHODS[method]())
    changed = ", ".join(f"{name}={value}" for name, value in options.items() if value != defaults[name])
    if changed:
        remark(f"options: {changed}")


def _sequence_truth(options: Options, body: BodyModel, file: EstimateFile, count: int) -> Truth:
    genders = ("female", "male")
    if has_genders(options):
        bodies = {gender: read_body(options, gender) for gender in genders}
    else:
        bodies = dict.fromkeys(genders, body)
    return truth_of_3dpw(options.truth, bodies, file, count)
