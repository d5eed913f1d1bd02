"""The command line of the body's build."""

from __future__ import annotations

import argparse
import sys

from ..shared.command_line import check_output, number_between, run, sampling_parser
from ..shared.npz import write_npz
from . import __doc__ as description
from .adults import sample_adults
from .build import build_body

PROGRAM = "python -m models.open_body"
MIN_ADULTS, MIN_VERTICES, MAX_VERTICES = 60, 3000, 13000


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = sampling_parser(PROGRAM, description)
    parser.add_argument(
        "--adults",
        type=number_between(MIN_ADULTS, 5000),
        default=600,
        help="how many adults to sample (default 600, as for the shipped body)",
    )
    parser.add_argument(
        "--vertices",
        type=number_between(MIN_VERTICES, MAX_VERTICES),
        default=6890,
        help="about how many vertices to keep (default 6890, which gives the shipped body's 6887)",
    )
    options = parser.parse_args(arguments)
    check_output(parser, options.output, options.force)
    return options


def main(arguments: list[str] | None = None) -> int:
    """Build the body that the command line asks for and print the report."""
    options = parse_arguments(arguments)

    def build() -> list[str]:
        rig, adults = sample_adults(options.adults, options.seed)
        body, report = build_body(rig, adults, options.vertices)
        write_npz(options.output, body)
        return [f"wrote {options.output}", *report]

    return run(PROGRAM, build)


if __name__ == "__main__":
    sys.exit(main())
