"""The command line of the hand's build."""

from __future__ import annotations

import argparse
import sys

from ..shared.command_line import check_output, number_between, run, sampling_parser
from ..shared.npz import write_npz
from . import __doc__ as description
from .build import build_hand
from .hands import sample_hands

PROGRAM = "python -m models.open_hand"
MIN_HANDS, MIN_VERTICES, MAX_VERTICES = 60, 400, 1300


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = sampling_parser(PROGRAM, description)
    parser.add_argument(
        "--hands",
        type=number_between(MIN_HANDS, 5000),
        default=600,
        help="how many hands to sample (default 600, as for the shipped hand)",
    )
    parser.add_argument(
        "--vertices",
        type=number_between(MIN_VERTICES, MAX_VERTICES),
        default=778,
        help="how many vertices to keep (default 778, as many as MANO has)",
    )
    options = parser.parse_args(arguments)
    check_output(parser, options.output, options.force)
    return options


def main(arguments: list[str] | None = None) -> int:
    """Build the hand that the command line asks for and print the report."""
    options = parse_arguments(arguments)

    def build() -> list[str]:
        hand, report = build_hand(sample_hands(options.hands, options.seed), options.vertices)
        write_npz(options.output, hand)
        return [f"wrote {options.output}", *report]

    return run(PROGRAM, build)


if __name__ == "__main__":
    sys.exit(main())
