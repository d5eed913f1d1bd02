"""The exception for invalid input, whose message reads "name: expected ..., got ....", and its helpers."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import islice

SIMILARITY = 0.6
"""Least similarity of a suggested name, as difflib measures it."""

MAX_SHOWN = 100
"""Characters of a text that a message repeats."""

MAX_LISTED = 20
"""Names of a list that a message repeats."""

MAX_MESSAGE = 2000
"""Characters of a message: what is longer is no longer read."""


class InputError(ValueError):
    """An argument or a file is invalid.

    The message is one sentence: the argument or file, what was expected and what was given. It is
    :func:`printable`, as it may repeat names that a file holds.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(message, MAX_MESSAGE))


def printable(text: object, most: int | None = MAX_SHOWN) -> str:
    r"""Return a text that does nothing to a terminal: on one line, escaped where it is not visible, and cut.

    Control characters, line breaks, marks that change the direction of writing, and bytes that are no text
    become escape sequences such as ``\x1b``, letters of all scripts stay. None cuts nothing.
    """
    text = str(text)
    whole = most is None or len(text) <= most
    if whole and text.isprintable():
        return text
    shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[:most])
    return shown if whole and (most is None or len(shown) <= most) else f"{shown[:most]}..."


def listed(names: Iterable[object], most: int = MAX_LISTED) -> str:
    """Return names in a sentence, the first ones if they are many; "none" if there are none."""
    given = iter(names)
    shown = [printable(name, MAX_SHOWN // 2) for name in islice(given, most)]
    return ", ".join(shown) + (", ..." if next(given, None) is not None else "") or "none"


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
