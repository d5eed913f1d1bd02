"""Options of ``kitro-np paper``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..body import load_body
from ..errors import InputError
from ..evaluation.protocols import regressed_protocol
from .command import EXPERIMENTS, Progress, write_paper
from .sets import FULL, QUICK, Sets, file_sets, simulated_sets

OF_DATA = {"body": "open", "gender": "neutral", "models": None, "regressor": None, "image_size": None}
"""Options that say something of --data, and their defaults."""


def add_paper(command: argparse.ArgumentParser) -> None:
    """Add the options that say what to run on what, but for the body's."""
    add = command.add_argument
    add("-o", "--output", metavar="DIR", type=Path, required=True, help="folder to write pages to")
    add(
        "--table",
        action="append",
        choices=tuple(EXPERIMENTS),
        metavar="NAME",
        help=f"one of {', '.join(EXPERIMENTS)}; may be given again (default: all)",
    )
    add(
        "--data",
        nargs="+",
        metavar="FILE",
        type=Path,
        default=[],
        help="as eval reads, in place of simulated data; --body is theirs",
    )
    add("--regressor", metavar="FILE.npy", help="J_regressor_h36m.npy: compare its 14 joints in --data")
    add("--quick", action="store_true", help=f"{QUICK} simulated bodies a set instead of {FULL}")
    add("--image-size", nargs=2, type=float, metavar=("W", "H"), help="in pixels, instead of intrinsics")


def paper(options: argparse.Namespace, progress: Progress | None) -> list[Path]:
    """Run what the options ask for."""
    return write_paper(_sets(options), options.output, options.table or tuple(EXPERIMENTS), progress=progress)


def _sets(options: argparse.Namespace) -> Sets:
    """Read the files, each of which is a base estimate of Table 3 too; simulate what they leave out."""
    count = QUICK if options.quick else FULL
    if not options.data:
        _refuse_of_data(options)
        return simulated_sets(count)
    protocol = None if options.regressor is None else regressed_protocol(options.regressor)
    body = load_body(options.body, gender=options.gender, folder=options.models)
    own = file_sets(options.data, body, protocol, image_size=options.image_size)
    sets = simulated_sets(count)
    if own[0].hand:
        return sets._replace(hands=own)
    return sets._replace(people=own, bases=own)


def _refuse_of_data(options: argparse.Namespace) -> None:
    """Refuse options that would change nothing: nobody should believe that they did."""
    for name, default in OF_DATA.items():
        if (value := getattr(options, name)) != default:
            flag = name.replace("_", "-")
            raise InputError(f"{flag}: expected none without --data, which it is for, got {value}.")
