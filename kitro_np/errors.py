"""The exception for invalid input, whose message reads "name: expected ..., got ....", and its helpers."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SIMILARITY = 0.6
"""Least similarity of a suggested name: the default of difflib.get_close_matches."""


class InputError(ValueError):
    """An argument or a file is invalid.

    The message is one sentence: the argument or file, what was expected and what was given.
    """


def one_of(argument: str, value: object, choices: Iterable[str]) -> str:
    """Return the choice that equals `value`, case-insensitively.

    Raises
    ------
    InputError
        If there is none; the message lists the choices and suggests the most similar one.
    """
    known = tuple(choices)
    if isinstance(value, str):
        for choice in known:
            if choice.lower() == value.lower():
                return choice
    raise InputError(
        f"{argument}: expected one of {', '.join(known)}, got {value!r}{did_you_mean(value, known)}."
    )


def did_you_mean(value: object, choices: Iterable[str]) -> str:
    """Return " (did you mean ...?)" with the choice most similar to `value`, or "" if none is similar."""
    similar = (
        get_close_matches(value.lower(), tuple(choices), 1, SIMILARITY) if isinstance(value, str) else []
    )
    return f" (did you mean {similar[0]!r}?)" if similar else ""
