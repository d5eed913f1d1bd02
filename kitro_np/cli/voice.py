"""What a command says beside its answer: remarks, warnings and the paths it wrote, and where each goes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from ..errors import printable

LOG = logging.getLogger("kitro_np")
"""The package's log, which --verbose shows."""


@dataclass(frozen=True)
class Voice:
    """How a command speaks.

    Parameters
    ----------
    quiet : bool
        Say only warnings, on standard error, and the paths of written files.
    verbose : bool
        Show the package's log on standard error.
    taken : bool
        Standard output is for data, a file or JSON: what is said goes to standard error.
    names : dict of str to str
        What paths of temporary files are called.
    """

    quiet: bool = False
    verbose: bool = False
    taken: bool = False
    names: Mapping[str, str] = field(default_factory=dict)

    def named(self, text: str) -> str:
        """Return a text with the names of temporary files in the place of their paths."""
        for path, name in self.names.items():
            text = text.replace(path, name)
        # What a file holds may be in it.
        return "\n".join(printable(line, None) for line in text.split("\n"))


_USUAL = Voice()
_voice: ContextVar[Voice] = ContextVar("voice", default=_USUAL)


@contextmanager
def speak(voice: Voice) -> Iterator[None]:
    """Let commands speak this way, with the package's log on standard error if it is asked for."""
    token, level = _voice.set(voice), LOG.level
    # Where nobody asks for the log, the package itself says on a terminal why a first call is slow.
    handler = logging.StreamHandler() if voice.verbose else logging.NullHandler() if voice.quiet else None
    if handler is not None:
        handler.setFormatter(logging.Formatter("kitro-np: %(message)s"))
        LOG.addHandler(handler)
        LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        _voice.reset(token)
        LOG.setLevel(level)
        if handler is not None:
            LOG.removeHandler(handler)


def is_quiet() -> bool:
    """Whether only warnings and paths are said."""
    return _voice.get().quiet


def named(text: str) -> str:
    """Return a text with the names of temporary files in the place of their paths."""
    return _voice.get().named(text)


def remark(text: object) -> None:
    """Say what is good to know."""
    voice = _voice.get()
    if not voice.quiet:
        print(voice.named(str(text)), file=sys.stderr if voice.taken else sys.stdout)


def warn(text: object) -> None:
    """Say what may be wrong."""
    voice = _voice.get()
    aside = voice.quiet or voice.taken
    print(voice.named(str(text)), file=sys.stderr if aside else sys.stdout)


def say_written(path: object, about: str = "") -> None:
    """Say that a file was written; the path alone, to be read by programs, if quiet."""
    voice = _voice.get()
    if not voice.quiet:
        remark(f"wrote {path}{about}")
    elif not voice.taken:
        print(path)
