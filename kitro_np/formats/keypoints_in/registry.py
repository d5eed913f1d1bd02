"""Registry of formats of keypoints: every module of this folder that defines FORMAT is registered."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ...errors import InputError
from ..people import PeopleKeypoints
from .source import KeypointsSource, describe, keys_in

SNIFFED = 100
"""Files of a folder that are looked into: the first images may have nobody in them."""


@dataclass(frozen=True)
class KeypointFormat:
    """A program's format of keypoints.

    Parameters
    ----------
    name : str
        For messages.
    keys : tuple of str
        Keys that make this format out; those that a similar file lacks are named.
    recognise : callable
        From the content of a file, or an object, to bool.
    read : callable
        From a :class:`KeypointsSource` to the record.
    rank : int
        Formats that others contain are tried later.
    """

    name: str
    keys: tuple[str, ...]
    recognise: Callable[[Any], bool]
    read: Callable[[KeypointsSource], PeopleKeypoints]
    rank: int = 0


def keypoint_formats() -> list[KeypointFormat]:
    """Return all formats, those that are easily mistaken last."""
    package = import_module(__package__)
    modules = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    found: list[KeypointFormat] = []
    for name in modules:
        module = import_module(f"{__package__}.{name}")
        found += getattr(module, "FORMATS", ())
    return sorted(found, key=lambda form: form.rank)


def find_keypoint_format(source: KeypointsSource) -> KeypointFormat:
    """Return the format of a source, by its content.

    Raises
    ------
    InputError
        If there is none: the message says what was found, what it looks most like and what that lacks.
    """
    formats = keypoint_formats()
    first: Any = None
    for index, (_, content) in enumerate(source.pieces()):
        first = content if index == 0 else first
        for form in formats:
            if form.recognise(content):
                return form
        if index == SNIFFED:
            break
    keys = keys_in(first)
    shares = {form: len(keys & {*form.keys}) / len(form.keys) for form in formats if form.keys}
    best = max(shares, key=lambda form: shares[form])
    got = describe(first)
    if shares[best]:
        lacking = [key for key in best.keys if key not in keys]
        what = f"without {', '.join(lacking)}" if lacking else "in another arrangement"
        raise InputError(
            f"{source.name}: expected keypoints in a known format, got {got}; "
            f"it looks most like {best.name}, {what}."
        )
    names = ", ".join(form.name for form in formats)
    raise InputError(f"{source.name}: expected keypoints in one of the formats {names}, got {got}.")
