"""Parser: argparse, whose errors become one sentence like all others, and the types of numbers."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import NoReturn, TypeAlias

from ..errors import InputError, did_you_mean, one_of

Options: TypeAlias = argparse.Namespace
Group: TypeAlias = argparse._ArgumentGroup
Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


class Parser(argparse.ArgumentParser):
    """A parser that raises InputError."""

    def error(self, message: str) -> NoReturn:
        """Raise InputError with argparse's message in the form of all others."""
        missing = message.removeprefix("the following arguments are required: ")
        if missing != message:
            raise InputError(f"{missing}: expected a value, got none; see {self.prog} --help.")
        message = message.removeprefix("argument ")
        message = re.sub(r"(?<=expected )(one argument|\d+ arguments)$", r"\1, got fewer", message)
        choice = re.fullmatch(r"(\S+): invalid choice: '(.*?)'.*\(choose from (.*)\)", message)
        if choice:
            one_of(choice[1], choice[2], re.findall(r"[\w-]+", choice[3]))
        raise InputError(f"{message}; see {self.prog} --help.")

    def unknown(self, argument: str) -> NoReturn:
        """Raise InputError for an argument that is none of this command's."""
        flags = dict.fromkeys(re.findall(r"--[\w-]+", self.format_usage()))
        near = did_you_mean(argument.partition("=")[0], flags)
        raise InputError(
            f"{argument}: expected an option of {self.prog}, got another{near}; see {self.prog} --help."
        )


def add_command(commands: Commands, name: str, run: Callable[[Options], int], text: str) -> Parser:
    """Add a command, whose description is the docstring of its `run`, and return its parser."""
    command = commands.add_parser(name, help=text, description=run.__doc__)
    command.set_defaults(run=run, command=command)
    return command


def whole_number(text: str) -> int:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}") from None


def number(text: str) -> float:
    """Read a number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}") from None
