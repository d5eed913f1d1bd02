"""Command explain."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import InputError
from ..formats.estimates import EstimateFile
from ..kitro.method import Kitro
from ..posterior.method import Map
from ..report.explain import KitroExplanation, MapExplanation, explain_kitro, explain_map
from ..report.explain.kitro_picture import picture_of_kitro
from ..report.explain.kitro_text import text_of_kitro
from ..report.explain.map_picture import picture_of_map
from ..report.explain.map_text import text_of_map
from ..safe_io.atomic_write import atomic_write, check_output
from .exit_status import ExitStatus
from .parser import Commands, Options, add_command, integer
from .refinement import ESTIMATE_KEYS, Refinement, add_refinement, read_refinement, say_own_body
from .voice import named, remark, say_written

SUFFIX = ".svg"
"""Of the picture."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(commands, "explain", run, "why one body was refined, or refused")
    command.add_argument("input", metavar="IN", help=f".npz or torch's .pt: {ESTIMATE_KEYS}")
    command.add_argument(
        "--row",
        type=integer,
        metavar="N",
        help="which body, from 0, through all leading axes; --body N with a whole number means the same "
        "(default: 0)",
    )
    command.add_argument("-o", "--output", metavar="OUT", help=f"picture to write, {SUFFIX}")
    command.add_argument("--force", action="store_true", help="overwrite existing files")
    command.add_argument("--json", action="store_true", help="print all numbers as JSON, instead of a text")
    command.add_argument(
        "--iteration", type=integer, metavar="N", help="loop of kitro whose tree is shown (default: the last)"
    )
    add_refinement(command)
    command.set_defaults(fps=None)


def run(options: Options) -> int:
    """Explain one body: for map what keypoints weigh and pull, and the verdict; for kitro its tree."""
    row = _read_row(options)
    target = None
    if options.output is not None:
        target = check_output(options.output, force=options.force, suffixes=(SUFFIX,))
    if os.path.isdir(options.input):
        raise InputError(f"{options.input}: expected a file of arrays, as refine writes it, got a folder.")
    file = EstimateFile(options.input)
    refinement = read_refinement(options, file)
    found = _explain(refinement, file, row, options.iteration)
    if options.json:
        print(json.dumps(_finite(found.as_dict()), indent=2))
    else:
        say_own_body(options, file, refinement.body)
        lines = text_of_map(found) if isinstance(found, MapExplanation) else text_of_kitro(found)
        print(named("\n".join(lines)))
        if isinstance(found, MapExplanation) and _of_a_video(refinement, file):
            remark("This is the frame alone: refine takes this file as a video unless --each-frame is given.")
    if target is not None:
        picture = picture_of_map(found) if isinstance(found, MapExplanation) else picture_of_kitro(found)
        atomic_write(target, lambda file: file.write(picture))
        say_written(target)
    return ExitStatus.DONE


def _read_row(options: Options) -> int:
    """Return the row of --row, or of --body if that is a whole number."""
    row: int | None = options.row
    if options.body is not None and re.fullmatch(r"[+-]?\d+", options.body):
        given, options.body = int(options.body), None
        if row is not None and row != given:
            raise InputError(f"--row: expected none beside --body {given}, got {row}.")
        row = given
    if row is not None and row < 0:
        raise InputError(f"--row: expected a row from 0 on, got {row}.")
    return 0 if row is None else row


def _explain(
    refinement: Refinement, file: EstimateFile, row: int, iteration: int | None
) -> MapExplanation | KitroExplanation:
    """Explain a row of a file's estimates as its refinement is asked for."""
    method = refinement.refiner.method
    if not isinstance(method, (Map, Kitro)):
        raise InputError(f"method: expected map or kitro, which can be explained, got {method.name!r}.")
    if iteration is not None and not isinstance(method, Kitro):
        raise InputError(f"--iteration: expected --method kitro, which has loops, got {method.name}.")
    estimates = refinement.refiner.read(file)
    arguments: dict[str, Any] = {
        "pose": estimates.pose,
        "betas": estimates.betas,
        "transl": estimates.transl,
        "intrinsics": estimates.intrinsics,
        "row": row,
        "body": refinement.body,
    }
    if isinstance(method, Kitro):
        return explain_kitro(
            keypoints_2d=estimates.keypoints_2d,
            keypoint_layout=refinement.refiner.layout(file),
            method=method,
            iteration=iteration,
            **arguments,
        )
    detections = refinement.refiner.detections(file, estimates, refinement.body)
    return explain_map(
        **arguments,
        **detections._asdict(),
        image_size=refinement.refiner.size_of(file),
        method=replace(method, video=False, hypotheses=0),
    )


def _of_a_video(refinement: Refinement, file: EstimateFile) -> bool:
    """Whether refine takes the file as a video."""
    lead = refinement.refiner.read(file).lead(refinement.body.num_joints)
    return refinement.videos(file, lead)[0] is not None


def _finite(part: Any) -> Any:
    """Return what JSON can hold: None for numbers that are not finite."""
    if isinstance(part, dict):
        return {name: _finite(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_finite(value) for value in part]
    return None if isinstance(part, float) and not np.isfinite(part) else part
