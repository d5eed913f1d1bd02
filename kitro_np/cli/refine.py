"""Command refine."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..body import BodyModel
from ..body.names import other_body
from ..errors import InputError
from ..evaluation.truth_body import body_of_truth
from ..export.phalp import check_original
from ..formats.estimates import EstimateFile, Estimates, numbered
from ..formats.estimates_in.read import find_reader, holds_people, reads_own
from ..formats.estimates_in.source import Source
from ..formats.keypoints_in.read import find_keypoint_reader, read_keypoints
from ..formats.people import PeopleEstimates, PeopleKeypoints
from ..matching.known_body import known_body
from ..matching.refine import refine_people
from ..refinement.validity import Status
from ..result import RefineResult
from ..safe_io.atomic_write import check_output
from .body_options import read_body
from .description import lines_of_estimates, lines_of_keypoints, remark_lines
from .output import add_output, export_of, write_bodies
from .parser import Commands, Options, add_command
from .progress import progress_bar
from .refinement import (
    ESTIMATE_KEYS,
    add_refinement,
    read_layout,
    read_refinement,
    say_own_body,
    write_result,
)
from .shards import add_shards, is_sharded, run_shards
from .source import add_source, opened, read_source
from .summary import (
    log_speed,
    print_json,
    say_summary,
    settings_dict,
    shown_paths,
    status_of_result,
    summary_dict,
)
from .timing import stopwatch
from .voice import named, remark, say_written, warn

OWN = ".npz"
"""Suffix of a complete result, if no format is named."""


class _Done(NamedTuple):
    """A refinement that is done: its result, the seconds it took, the files written."""

    result: RefineResult[Any]
    seconds: float
    paths: list[Path]


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(commands, "refine", run, "refine the bodies of a file", streams=("input", "output"))
    text = (
        f"estimates of a tracker or network (see inspect), or .npz or torch's .pt: {ESTIMATE_KEYS}; "
        "or shards, a folder or pattern of .parquet or .npz"
    )
    command.add_argument("input", metavar="IN", help=text)
    command.add_argument(
        "--keypoints",
        metavar="FILE_OR_DIR",
        help="keypoints of a detector; people are matched (default: those that come with the estimates)",
    )
    command.add_argument(
        "--annotations", metavar="FILE", help="COCO's, whose images keypoints in its results are of"
    )
    command.add_argument("--json", action="store_true", help="print what was done as one line of JSON")
    add_source(command)
    own = f"; without it {OWN} is a complete result, which refine, eval and convert read again"
    add_output(command, own, refined=True)
    add_shards(command)
    add_refinement(command)


def run(options: Options) -> int:
    """Refine the bodies of a file and write the result; or of shards, each into one of its name."""
    if is_sharded(options):
        return run_shards(options)
    if not os.path.lexists(options.input):
        raise InputError(f"{options.input}: expected a file, got none.")
    check_output(options.output, force=options.force)
    if not _writes_own(options):
        export_of(options)
    source = opened(options.input)
    arrays = _holds_arrays(options, source)
    done = _refine_arrays(options) if arrays else _refine_people(options, source)
    if options.json:
        settings = settings_dict(done.result, done.result.body_name or "")
        output = {"output": shown_paths(done.paths)}
        print_json({**settings, **output, **summary_dict(done.result, done.seconds)})
    elif arrays:
        _say_where_reasons_are(options, done.result)
    return status_of_result(done.result)


def _say_where_reasons_are(options: Options, result: RefineResult[Any]) -> None:
    """Say how to see why a body was not refined."""
    rows = np.flatnonzero(np.isin(result.status, (Status.UNLIKELY, Status.SWAPPED)))
    if len(rows) and named(options.input) == options.input and result.method != "smplify":
        remark(f"see why: kitro-np explain {shlex.quote(options.input)} --row {rows[0]}")


def _writes_own(options: Options) -> bool:
    """Whether a complete result is written."""
    own = options.to is None and Path(options.output).suffix.lower() == OWN
    for name in ("bake", "up", "unit"):
        if own and getattr(options, name) is not None:
            raise InputError(f"--{name}: expected another format than {OWN}, got {options.output}.")
    return own


def _holds_arrays(options: Options, source: Source | str) -> bool:
    """Whether the input holds arguments of refine, which keep their shapes, instead of people."""
    if options.keypoints is not None or options.format is not None or os.path.isdir(options.input):
        return False
    reader = find_reader(source)
    if reader is None:
        return Path(options.input).suffix.lower() in (OWN, ".pt")
    return reads_own(reader) and not holds_people(source)


def _refine_arrays(options: Options) -> _Done:
    file = EstimateFile(options.input)
    refinement = read_refinement(options, file)
    estimates = refinement.refiner.read(file)
    result, seconds = refinement.run(file, estimates)
    say_own_body(options, file, refinement.body)
    name = _name_of_body(file, estimates, refinement.body)
    if warning := other_body(str(file.path), name, "refined", refinement.body.name):
        warn(warning)
    inputs = refinement.inputs(file, estimates)
    lines = refinement.lines(file, result.status.shape)
    if _writes_own(options):
        path = write_result(options.output, result, inputs, force=options.force, lines=lines)
        return _Done(result, seconds, [path])
    say_summary(result, lines)
    known = {name: getattr(inputs, name) for name in ("frame", "intrinsics", "image_size")}
    person = inputs.person if inputs.track is None else inputs.track
    known["person"] = None if person is None else numbered(person)
    known["fps"] = None if inputs.fps is None else float(inputs.fps)
    return _Done(result, seconds, write_bodies(options, result.with_matrices(), **known))


def _refine_people(options: Options, source: Source | str) -> _Done:
    _check_keys(options)
    body = None if options.body is None else read_body(options)
    estimates = _read_estimates(options, source, body)
    remark_lines(options.input, lines_of_estimates(estimates))
    keypoints = None if options.keypoints is None else _read_keypoints(options, estimates)
    if not _writes_own(options) and export_of(options).name == "phalp":
        check_original(estimates, known_body(estimates, body).root is not None)
    refinement = read_refinement(options)
    settings = refinement.refiner
    refinement.log()
    with progress_bar(len(estimates), "refine") as progress, stopwatch() as watch:
        people = refine_people(
            estimates,
            keypoints,
            body=body,
            method=settings.method,
            video=not settings.each_frame,
            layout=read_layout(options),
            image_size=options.image_size,
            intrinsics=settings.intrinsics,
            engine=settings.engine,
            threads=settings.threads,
            strict=settings.strict,
            progress=progress,
        )
    log_speed(people.result, watch.seconds)
    for note in people.notes:
        warn(note)
    said = str(people.videos) if people.videos is not None else refinement.in_vain
    say_summary(people.result, f"\n{said}" if said else "")
    if _writes_own(options):
        path = people.save(options.output, force=options.force)
        say_written(path)
        return _Done(people.result, watch.seconds, [path])
    return _Done(people.result, watch.seconds, write_bodies(options, people))


def _read_estimates(options: Options, source: Source | str, body: BodyModel | None) -> PeopleEstimates:
    """Read the estimates; InputError says if they are keypoints."""
    try:
        estimates = read_source(options, body, source=source)
    except InputError:
        if find_reader(source) is None and (form := find_keypoint_reader(options.input)) is not None:
            raise InputError(
                f"{options.input}: expected estimates, got keypoints of {form.name}, which --keypoints takes."
            ) from None
        raise
    if estimates.path is not None:
        estimates = replace(estimates, path=type(estimates.path)(named(str(estimates.path))))
    return estimates if options.fps is None else replace(estimates, fps=options.fps)


def _read_keypoints(options: Options, estimates: PeopleEstimates) -> PeopleKeypoints:
    """Read the keypoints, and print what they are; InputError says if they are estimates."""
    path, size = options.keypoints, estimates.image_size or options.image_size
    try:
        keypoints = read_keypoints(
            path, read_layout(options), image_size=size, annotations=options.annotations
        )
    except InputError:
        if find_keypoint_reader(path) is None and (reader := find_reader(opened(path))) is not None:
            raise InputError(
                f"{path}: expected keypoints, got estimates of {reader.name}, which IN takes."
            ) from None
        raise
    remark_lines(path, lines_of_keypoints(keypoints))
    return keypoints


def _check_keys(options: Options) -> None:
    """InputError for options that name keys of a file of arrays."""
    for name in ("keypoints_key", "joints_of", "confidence_key"):
        if (value := getattr(options, name)) != options.command.get_default(name):
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag}: expected an IN of arrays and no --keypoints, got {value}.")


def _name_of_body(file: EstimateFile, estimates: Estimates, used: BodyModel) -> str:
    """Name of the body that a file is on, as it says or its truth tells; "" if neither does."""
    lead = estimates.lead(used.num_joints)
    try:
        truth = file.truth(used, lead)
    except InputError:  # there is none, or none that fits; nothing else here needs it
        return file.body_name
    return body_of_truth(file, truth, used, lead)
