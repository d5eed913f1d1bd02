"""The one exception for wrong input, and what its sentences have in common: "name: expected ..., got ..."."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """An argument or a file is not what was expected.

    The message is one sentence that names the argument, what was expected and what came.
    """


def one_of(argument: str, value: object, choices: Iterable[str]) -> str:
    """Return the choice that `value` names, in any case; InputError names them all, and the nearest."""
    known = tuple(choices)
    if isinstance(value, str):
        for choice in known:
            if choice.lower() == value.lower():
                return choice
    raise InputError(
        f"{argument}: expected one of {', '.join(known)}, got {value!r}{did_you_mean(value, known)}."
    )


def did_you_mean(value: object, choices: Iterable[str]) -> str:
    """Return "; did you mean ...?" without its end if a choice is near, else nothing."""
    near = get_close_matches(value.lower(), tuple(choices), 1, 0.6) if isinstance(value, str) else []
    return f" (did you mean {near[0]!r}?)" if near else ""
