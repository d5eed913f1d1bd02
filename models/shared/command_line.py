"""Command line shared by all builds: the output, one-sentence errors, and the report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .errors import BuildError


class Parser(argparse.ArgumentParser):
    """An argument parser that reports a wrong argument in one sentence."""

    def error(self, message: str) -> None:
        """Print the sentence without the usage and exit."""
        self.exit(2, f"{self.prog}: {message}\n")


def output_parser(program: str, description: str | None) -> Parser:
    """Return a parser with the option of every build: the output file."""
    parser = Parser(
        prog=program, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="the .npz file to write")
    return parser


def read_paths(
    program: str, description: str | None, name: str, arguments: Sequence[str] | None, **options: Any
) -> argparse.Namespace:
    """Read the command line of a build from files: those of the argument `name`, and the output."""
    parser = output_parser(program, description)
    parser.add_argument(name, type=Path, **options)
    found = parser.parse_args(arguments)
    check_output(parser, found.output, replace=True)
    return found


def sampling_parser(program: str, description: str | None) -> Parser:
    """Return a parser for a build from random samples: it takes minutes, so replacing needs --force."""
    parser = output_parser(program, description)
    parser.add_argument(
        "--seed", type=number_between(0, 2**32 - 1), default=0, help="of the random samples (default 0)"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing output")
    return parser


def number_between(low: int, high: int) -> Callable[[str], int]:
    """Return an argparse type for an integer in a range."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"expected an integer from {low} to {high}, got {text!r}.")
        return number

    return parse


def check_output(parser: Parser, output: Path, replace: bool) -> None:
    """Refuse an output that cannot be written before the build rather than after it."""
    if output.suffix != ".npz":
        parser.error(f"the output must end in .npz, got {output}.")
    if not output.parent.is_dir():
        parser.error(f"the output's folder {output.parent} does not exist.")
    if output.is_dir():
        parser.error(f"the output {output} is a folder.")
    if output.exists() and not replace:
        parser.error(f"the output {output} exists already; --force replaces it.")


def run(program: str, build: Callable[[], list[str]]) -> int:
    """Run a build and print the report it returns, or why it failed; return the exit status."""
    try:
        report = build()
    except (BuildError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    print("\n".join(report))
    return 0
