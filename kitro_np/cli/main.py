"""Command line: kitro-np COMMAND. Each command is a module of this folder with the functions add and run."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from time import perf_counter

from .. import __version__
from ..errors import MAX_MESSAGE, InputError, printable
from ..safe_io.memory import memory_limit
from . import (
    completion,
    convert,
    demo,
    eval,
    explain,
    help,
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
from .exit_status import EPILOG, ExitStatus
from .parser import Options, Parser, add_common
from .streams import open_standard_streams, streams_as_files, takes_output
from .voice import LOG, Voice, speak

COMMANDS = (
    refine, convert, inspect, explain, eval, render, report, simulate, layouts, paper, demo, warmup, info,
    completion, help,
)  # fmt: skip
"""Commands in the order of the help."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its :class:`ExitStatus`."""
    verbose = False
    open_standard_streams()
    try:
        try:
            options = _parse(arguments)
            verbose = options.verbose
            return _run(options)
        finally:
            # Flush here, so that a broken pipe raises while it can be handled.
            print(end="", flush=True)
    except BrokenPipeError:
        # The interpreter flushes again at exit, and would print an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.BROKEN_PIPE
    except (InputError, OSError) as problem:
        _complain(_sentence(problem))
        return ExitStatus.WRONG_INPUT
    except KeyboardInterrupt:
        print("kitro-np: stopped; files that were finished stay, none is half-written.", file=sys.stderr)
        return ExitStatus.STOPPED
    except Exception as problem:
        if verbose:
            traceback.print_exc()
        where = "" if verbose else "; with --verbose it says where"
        _complain(f"unexpected {type(problem).__name__}: {problem}{where}.")
        return ExitStatus.UNEXPECTED


def parser() -> Parser:
    """Return the parser of all commands."""
    top = Parser(
        prog="kitro-np",
        description="Refine SMPL bodies so that they agree with 2D keypoints (KITRO).",
        epilog=EPILOG,
    )
    add_common(top, top=True)
    # Without a command: the help. Commands set their own.
    top.set_defaults(top=top, command=top, run=help.run, name=None, streams=())
    commands = top.add_subparsers(metavar="COMMAND", title="commands")
    for command in COMMANDS:
        command.add(commands)
    return top


def _parse(arguments: Sequence[str] | None) -> Options:
    options, others = parser().parse_known_args(_in_lower_case(arguments))
    if others:
        options.command.unknown(others[0])
    return options


def _run(options: Options) -> int:
    began, json = perf_counter(), getattr(options, "json", False)
    taken = json or takes_output(options)
    with streams_as_files(options) as names:
        voice = Voice(options.quiet or json, options.verbose, taken, names)
        try:
            with speak(voice), memory_limit(getattr(options, "max_memory", None)):
                LOG.info("kitro-np %s: %s", __version__, options.command.prog)
                status = int(options.run(options))
                LOG.info("done in %.2f s, exit status %d", perf_counter() - began, status)
        except InputError as error:
            error.args = (voice.named(str(error)),)
            raise
    return status


def _in_lower_case(arguments: Sequence[str] | None) -> list[str]:
    """Return arguments with the command in lower case: names are accepted in any case."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for k, word in enumerate(given):
        if not word.startswith("-"):  # options before the command have no values
            return [*given[:k], word.lower(), *given[k + 1 :]]
    return given


def _complain(sentence: str) -> None:
    print(f"kitro-np: error: {printable(sentence, MAX_MESSAGE)}", file=sys.stderr)


def _sentence(problem: Exception) -> str:
    """Return the message of an exception; for an error of the operating system with the file."""
    if isinstance(problem, FileNotFoundError) and problem.filename:
        return f"{problem.filename}: expected a file, got none."
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.filename}: {problem.strerror}." if problem.filename else f"{problem.strerror}."
    return str(problem)


if __name__ == "__main__":
    sys.exit(main())
