"""Exit status of a command."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """What the shell is told."""

    DONE = 0
    BROKEN_PIPE = 1
    """Whoever read the output has gone, as ``head`` does."""
    WRONG_INPUT = 2
    STOPPED = 130
    """By Ctrl-C, as shells have it."""
