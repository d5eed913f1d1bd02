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
    NONE_REFINED = 3
    """Of the bodies not one: what is written are the estimates as they were."""
    SET_ASIDE = 4
    """Shards were damaged, and set aside; the others were refined."""
    UNEXPECTED = 70
    """As EX_SOFTWARE of sysexits.h."""
    STOPPED = 130
    """By Ctrl-C: 128 plus the number of SIGINT, as in shells."""

    @property
    def meaning(self) -> str:
        """Short description."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitStatus.DONE: "done",
    ExitStatus.BROKEN_PIPE: "the output is not read any more",
    ExitStatus.WRONG_INPUT: "wrong input or arguments",
    ExitStatus.NONE_REFINED: "no body could be refined",
    ExitStatus.SET_ASIDE: "some shards were set aside",
    ExitStatus.UNEXPECTED: "an error of kitro-np itself",
    ExitStatus.STOPPED: "stopped by Ctrl-C",
}

EPILOG = "Exit status: " + ", ".join(f"{int(status)} {status.meaning}" for status in ExitStatus) + "."
"""The end of every help."""


def status_of(refined: int, bodies: int) -> ExitStatus:
    """Return the exit status of a refinement by how many of its bodies were refined."""
    return ExitStatus.NONE_REFINED if bodies and not refined else ExitStatus.DONE
