"""Options of the methods, made from the methods' own fields: what is in METHODS is on the command line."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import Field, fields
from typing import Any, NamedTuple

from ..errors import InputError
from ..refinement.method import METHODS, Method, option_names, resolve_method
from .parser import Group, Options, Parser, number, whole_number

DEFAULT_METHOD = "map"

_TYPES: dict[type, tuple[Callable[[str], object], str]] = {int: (whole_number, "N"), float: (number, "X")}
"""How a number is read, and what help calls it."""


class MethodOption(NamedTuple):
    """A field of a method, and how the command line calls it.

    Attributes
    ----------
    method, name : str
    flag : str
        Begins with the method's name where another method has a field of this name.
    field : Field
    """

    method: str
    name: str
    flag: str
    field: Field[Any]

    @property
    def key(self) -> str:
        """Where the parser leaves its value."""
        return f"{self.method} {self.name}"


def method_options() -> Iterator[MethodOption]:
    """Yield the options of every method."""
    kinds = {name: fields(kind) for name, kind in METHODS.items()}  # type: ignore[arg-type]
    owners = Counter(own.name for kind in kinds.values() for own in kind)
    for method, kind in kinds.items():
        for own in kind:
            stem = (own.metadata.get("flag") or own.name).lstrip("-").replace("_", "-")
            flag = f"--{stem}" if owners[own.name] == 1 else f"--{method}-{stem}"
            yield MethodOption(method, own.name, flag, own)


def add_method(command: Parser) -> None:
    """Add --method, and a group of options for each method; those that are not given leave no trace."""
    command.add_argument(
        "--method", default=DEFAULT_METHOD, metavar="NAME", help=f"{' or '.join(METHODS)} (default: map)"
    )
    groups: dict[str, Group] = {}
    for option in method_options():
        if option.method not in groups:
            groups[option.method] = command.add_argument_group(f"of the method {option.method}")
        _add_option(groups[option.method], option)


def read_method(options: Options) -> Method:
    """Return the method of the options.

    Raises
    ------
    InputError
        If there is no such method, or an option is another's: it says whose.
    """
    given = [option for option in method_options() if hasattr(options, option.key)]
    chosen = resolve_method(options.method, {})
    for option in given:
        # Of a name that two methods share, the other's would pass for this one's.
        if option.method != chosen.name and option.name in option_names(type(chosen)):
            raise InputError(
                f"{option.flag}: expected method={option.method!r}, whose option it is, "
                f"got method={chosen.name!r}."
            )
    return resolve_method(chosen, {option.name: getattr(options, option.key) for option in given})


def _add_option(group: Group, option: MethodOption) -> None:
    about, default = option.field.metadata, option.field.default
    common: dict[str, Any] = {"dest": option.key, "default": argparse.SUPPRESS}
    text = about.get("text", "")
    if isinstance(default, bool):
        group.add_argument(
            option.flag, action="store_false" if default else "store_true", help=text, **common
        )
        return
    # The method itself says what is wrong with a name, and which one may have been meant.
    read, metavar = _TYPES.get(type(default), (str, "NAME"))
    if about.get("choices"):
        text = f"{', '.join(about['choices'])}; {text}"
    group.add_argument(option.flag, type=read, metavar=metavar, help=f"{text} (default: {default})", **common)
