"""The exception for invalid input, whose message reads "name: expected ..., got ....", and its helpers."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

SIMILARITY = 0.6
"""Least similarity of a suggested name, as difflib measures it."""


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
    """Return " (did you mean ...?)" with the most similar choice, the first of equals, or "" if none is."""
    if not isinstance(value, str):
        return ""
    word = value.lower()
    similarity = {choice: SequenceMatcher(None, choice, word).ratio() for choice in choices}
    best = max(similarity, key=lambda choice: similarity[choice], default="")
    return f" (did you mean {best!r}?)" if similarity.get(best, 0) >= SIMILARITY else ""
