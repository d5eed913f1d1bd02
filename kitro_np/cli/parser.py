"""Parser: argparse with errors as InputError, and types of numbers."""

from __future__ import annotations

import argparse
import re
import shutil
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeAlias

from .. import __version__
from ..errors import InputError, did_you_mean, one_of
from .exit_status import EPILOG

Options: TypeAlias = argparse.Namespace
Group: TypeAlias = argparse._ArgumentGroup
Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


LAYOUT_FLAGS = ("--layout", "--keypoint-layout")
"""The layout of keypoints, under its own name and that of the argument of :func:`kitro_np.refine`."""


WIDTH = 100
"""Characters of a line of help on wide terminals."""


class _Formatter(argparse.HelpFormatter):
    """Help that is readable on narrow and on wide terminals."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=min(shutil.get_terminal_size().columns, WIDTH) - 2)


class Parser(argparse.ArgumentParser):
    """A parser that raises InputError, with a usage of one or two lines."""

    def __init__(self, **how: Any) -> None:
        super().__init__(formatter_class=_Formatter, **how)

    def format_help(self) -> str:
        """Return the help, whose usage names only what is required."""
        words = ["[OPTIONS]"]
        for action in self._actions:
            name = action.metavar if isinstance(action.metavar, str) else action.dest
            if action.option_strings and action.required:
                words.append(f"{action.option_strings[0]} {name}")
            elif not action.option_strings:
                words.append(f"[{name}]" if action.nargs == "?" else name)
        # argparse writes "usage: " before it, and does not wrap it.
        room = max(min(shutil.get_terminal_size().columns, WIDTH) - len("usage: ") - 1, 20)
        lines = textwrap.wrap(" ".join([self.prog, *words]), room, break_long_words=False)
        self.usage = f"\n{' ' * len('usage: ')}".join(lines).replace("%", "%%")
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Raise InputError with argparse's message in the form "name: expected ..., got ...."."""
        missing = message.removeprefix("the following arguments are required: ")
        if missing != message:
            raise InputError(f"{missing}: expected a value, got none; see {self.prog} --help.")
        name, _, problem = message.removeprefix("argument ").partition(": ")
        choice = re.fullmatch(r"invalid choice: '(.*?)'.*\(choose from (.*)\)", problem)
        if choice:
            one_of(name, choice[1], re.findall(r"[\w-]+", choice[2]))
        if name == "ambiguous option":
            name, _, options = problem.partition(" could match ")
            problem = f"expected an unambiguous option, got one that matches {options}"
        elif value := re.fullmatch("ignored explicit argument (.*)", problem):
            problem = f"expected no value, got {value[1]}"
        elif not problem.startswith("expected "):
            problem = f"expected a valid argument, got {problem or message}"
        expected, _, got = problem.removeprefix("expected ").partition(", got ")
        # argparse does not say how many arguments there were instead.
        raise InputError(f"{name}: expected {expected}, got {got or 'fewer'}; see {self.prog} --help.")

    def unknown(self, argument: str) -> NoReturn:
        """Raise InputError for an argument that the command does not have."""
        if not argument.startswith("-") and any(not action.option_strings for action in self._actions):
            raise InputError(
                f"{argument}: expected one argument for each of those of {self.prog}, got more; "
                f"put a pattern in quotes, and see {self.prog} --help."
            )
        flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
        suggestion = did_you_mean(argument.partition("=")[0], flags)
        raise InputError(
            f"{argument}: expected an option of {self.prog}, got another{suggestion}; see {self.prog} --help."
        )

    def actions(self) -> list[argparse.Action]:
        """Return options and arguments that are shown in the help."""
        return [action for action in self._actions if action.help != argparse.SUPPRESS]

    def named(self, options: Options, value: str) -> Iterator[tuple[str, str]]:
        """Yield flag and name of all options that are `value` or lists with it."""
        for action in self._actions:
            given = getattr(options, action.dest, None)
            if value in [str(one) for one in (given if isinstance(given, list) else [given])]:
                yield "/".join(action.option_strings) or str(action.metavar), action.dest


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[Options], int],
    text: str,
    *,
    streams: tuple[str, ...] = (),
    reads_files: bool = True,
) -> Parser:
    """Add a command with the docstring of `run` as its description, and return its parser.

    `streams` are options among input and output that may be -, standard input or output; `reads_files` says
    whether it reads files of data or models, whose memory may be limited.
    """
    command = commands.add_parser(name, help=text, description=run.__doc__, epilog=EPILOG)
    command.set_defaults(run=run, command=command, streams=streams)
    add_common(command)
    if reads_files:
        text = "most memory that a file's contents may take, such as 500MB or 16GB (default: 4GB, bodies 1GB)"
        command.add_argument("--max-memory", metavar="SIZE", help=text)
    return command


def add_common(parser: Parser, *, top: bool = False) -> None:
    """Add the options of every command; those of the parser of all commands, `top`, stand before it."""
    # A command's default would undo what stands before the command.
    default = False if top else argparse.SUPPRESS
    add = parser.add_argument
    text = "no progress and no remarks: warnings on standard error, and paths of written files"
    add("-q", "--quiet", action="store_true", default=default, help=text)
    text = "say on standard error what is done and how long it takes; tracebacks of unexpected errors"
    add("-v", "--verbose", action="store_true", default=default, help=text)
    add("-V", "--version", action="version", version=f"kitro-np {__version__}", help="print the version")


def integer(text: str) -> int:
    """Parse an integer."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected an integer, got {text!r}") from None


def number(text: str) -> float:
    """Parse a number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None
