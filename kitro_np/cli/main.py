"""Command line: kitro-np COMMAND. Each command is a module of this folder with the functions add and run."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import InputError
from . import (
    convert,
    demo,
    eval,
    explain,
    info,
    inspect,
    layouts,
    paper,
    refine,
    render,
    report,
    simulate,
    warmup,
)
from .exit_status import ExitStatus
from .parser import Parser

COMMANDS = (
    refine,
    convert,
    inspect,
    explain,
    eval,
    render,
    report,
    simulate,
    layouts,
    paper,
    demo,
    warmup,
    info,
)
"""Commands in the order of the help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its :class:`ExitStatus`."""
    try:
        try:
            options, others = parser().parse_known_args(_in_lower_case(arguments))
            if others:
                options.command.unknown(others[0])
            return int(options.run(options))
        finally:
            # Flush here, so that a broken pipe raises while it can be handled.
            print(end="", flush=True)
    except BrokenPipeError:
        # The interpreter flushes again at exit, and would print an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.BROKEN_PIPE
    except (InputError, OSError) as problem:
        print(f"kitro-np: error: {_sentence(problem)}", file=sys.stderr)
        return ExitStatus.WRONG_INPUT
    except KeyboardInterrupt:
        print("kitro-np: stopped; nothing was written.", file=sys.stderr)
        return ExitStatus.STOPPED


def parser() -> Parser:
    """Return the parser of all commands."""
    top = Parser(
        prog="kitro-np", description="Refine SMPL bodies so that they agree with 2D keypoints (KITRO)."
    )
    top.add_argument("--version", action="version", version=f"kitro-np {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return top


def _in_lower_case(arguments: Sequence[str] | None) -> list[str]:
    """Return arguments with the command in lower case: names are accepted in any case."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return [given[0].lower(), *given[1:]] if given and not given[0].startswith("-") else given


def _sentence(problem: Exception) -> str:
    """Return the message of an exception; for an error of the operating system with the file."""
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.filename}: {problem.strerror}." if problem.filename else f"{problem.strerror}."
    return str(problem)


if __name__ == "__main__":
    sys.exit(main())
