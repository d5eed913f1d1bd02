"""Options of the methods, generated from the fields of every method in METHODS."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import Field, fields
from typing import Any, NamedTuple

from ..errors import InputError
from ..refinement.method import METHODS, Method, option_names, resolve_method
from .parser import Group, Options, Parser, integer, number

DEFAULT_METHOD = "map"

_TYPES: dict[type, tuple[Callable[[str], object], str]] = {int: (integer, "N"), float: (number, "X")}
"""Parser and metavar of a number."""


class MethodOption(NamedTuple):
    """A field of a method as a command line option.

    Attributes
    ----------
    method, name : str
    flag : str
        Prefixed with the method's name if another method has a field of the same name.
    field : Field
    """

    method: str
    name: str
    flag: str
    field: Field[Any]

    @property
    def key(self) -> str:
        """Attribute of the parsed options."""
        return f"{self.method} {self.name}"


def method_options() -> Iterator[MethodOption]:
    """Yield the options of every method."""
    fields_of = {name: fields(kind) for name, kind in METHODS.items()}  # type: ignore[arg-type]
    occurrences = Counter(field.name for method_fields in fields_of.values() for field in method_fields)
    for method, method_fields in fields_of.items():
        for field in method_fields:
            stem = (field.metadata.get("flag") or field.name).lstrip("-").replace("_", "-")
            flag = f"--{stem}" if occurrences[field.name] == 1 else f"--{method}-{stem}"
            yield MethodOption(method, field.name, flag, field)


def add_method(command: Parser) -> None:
    """Add --method and a group of options for each method; an option that is not given sets no attribute."""
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
        If there is no such method, or an option belongs to another method.
    """
    given = [option for option in method_options() if hasattr(options, option.key)]
    chosen = resolve_method(options.method, {})
    for option in given:
        # If two methods have a field of this name, the other's value would be applied to this method.
        if option.method != chosen.name and option.name in option_names(type(chosen)):
            raise InputError(
                f"{option.flag}: expected method={option.method!r}, whose option it is, "
                f"got method={chosen.name!r}."
            )
    return resolve_method(chosen, {option.name: getattr(options, option.key) for option in given})


def _add_option(group: Group, option: MethodOption) -> None:
    metadata, default = option.field.metadata, option.field.default
    common: dict[str, Any] = {"dest": option.key, "default": argparse.SUPPRESS}
    text = metadata.get("text", "")
    if isinstance(default, bool):
        group.add_argument(
            option.flag, action="store_false" if default else "store_true", help=text, **common
        )
        return
    # The method checks names, and suggests the most similar one.
    parse, metavar = _TYPES.get(type(default), (str, "NAME"))
    if metadata.get("choices"):
        text = f"{', '.join(metadata['choices'])}; {text}"
    group.add_argument(
        option.flag, type=parse, metavar=metavar, help=f"{text} (default: {default})", **common
    )
