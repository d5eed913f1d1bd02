"""Command help."""

from __future__ import annotations

from ..errors import one_of
from .exit_status import ExitStatus
from .parser import Commands, Options, add_command


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(commands, "help", run, "the help of a command", reads_files=False)
    command.add_argument("name", metavar="COMMAND", nargs="?", help="by default that of all")
    command.set_defaults(parsers=commands.choices)


def run(options: Options) -> int:
    """Print the help of a command, by default the list of all commands."""
    if options.name is None:
        options.top.print_help()
    else:
        options.parsers[one_of("COMMAND", options.name, options.parsers)].print_help()
    return ExitStatus.DONE
