"""The one exception for wrong input."""

from __future__ import annotations

from collections.abc import Iterable


class InputError(ValueError):
    """An argument or a file is not what was expected.

    The message is one sentence that names the argument, what was expected and what came.
    """


def one_of(argument: str, value: object, choices: Iterable[str]) -> str:
    """Return `value` if it is one of the choices; InputError names them."""
    known = tuple(choices)
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{argument}: expected one of {', '.join(known)}, got {value!r}.")
    return value
