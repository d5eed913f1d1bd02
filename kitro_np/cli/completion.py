"""Command completion: a script for the shell, made from the parser."""

from __future__ import annotations

from ..arrays.engines import CPU_ENGINES
from ..body.families import EMBEDDED, LICENSED
from ..errors import one_of
from ..evaluation.examples import EXAMPLES
from ..export.registry import known_exports
from ..keypoints.detectors import LAYOUTS
from ..refinement.method import METHODS
from ..report.overlay import MODES, PANELS
from ..simulate import LEVELS
from .exit_status import ExitStatus
from .method_options import method_options
from .parser import Commands, Options, Parser, add_command
from .shell_scripts import SCRIPTS, CommandWords, Word
from .warmup import DTYPES

VALUES = {
    "method": tuple(METHODS),
    "layout": LAYOUTS,
    "joints_of": LAYOUTS,
    "body": (*EMBEDDED, *LICENSED),
    "engine": CPU_ENGINES,
    "to": tuple(export.name for export in known_exports()),
    "level": tuple(LEVELS),
    "example": tuple(EXAMPLES),
    "dtype": DTYPES,
    "panels": PANELS,
    "mode": MODES,
    "shell": tuple(SCRIPTS),
}
"""Values of options by their names; for others there are files."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(
        commands, "completion", run, "complete commands and options in a shell", reads_files=False
    )
    command.add_argument("shell", metavar="SHELL", help=f"one of {', '.join(SCRIPTS)}")
    command.set_defaults(parsers=commands.choices)


def run(options: Options) -> int:
    """Print a script that completes commands, options and names in a shell.

    In bash: eval "$(kitro-np completion bash)", in fish: kitro-np completion fish | source; the same lines
    in the shell's start-up file keep it.
    """
    write = SCRIPTS[one_of("SHELL", options.shell, SCRIPTS)]
    names = tuple(options.parsers)
    commands = [_words_of("", options.top, names)]
    commands += [_words_of(name, each, names) for name, each in options.parsers.items()]
    print(write(commands), end="")
    return ExitStatus.DONE


def _words_of(name: str, parser: Parser, names: tuple[str, ...]) -> CommandWords:
    """Return the words of a parser; `names` are those of all commands."""
    known = {option.flag: tuple(option.field.metadata.get("choices") or ()) for option in method_options()}
    options, arguments = [], (names if name in ("", "help") else ())
    for action in parser.actions():
        if action.option_strings:
            values = known.get(action.option_strings[0]) or VALUES.get(action.dest, ())
            text = (action.help or "").replace("%%", "%")
            options.append(Word(tuple(action.option_strings), values, action.nargs != 0, text))
        elif action.dest in VALUES:
            arguments = VALUES[action.dest]
    return CommandWords(name, options, arguments)
