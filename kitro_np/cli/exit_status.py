"""Exit status of a command."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit status for the shell."""

    DONE = 0
    BROKEN_PIPE = 1
    """The reader of the output has closed it, as ``head`` does."""
    WRONG_INPUT = 2
    """As argparse and shells use it."""
    STOPPED = 130
    """By Ctrl-C: 128 plus the number of SIGINT, as in shells."""
