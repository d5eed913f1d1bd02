"""Write a page: template, style, script and content in one file."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from ...arrays.arguments import check_bool, check_integer
from ...errors import InputError
from ...safe_io.atomic_write import atomic_write, check_output
from ..shown import Shown
from .choose import PEOPLE
from .content import content_of
from .figures import figures_of
from .summary import summary_of
from .why import EXPLAINED

__all__ = ["write_report"]


def write_report(
    path: str | os.PathLike[str],
    shown: Shown,
    *,
    title: str = "Refined bodies",
    people: int = PEOPLE,
    explained: int = EXPLAINED,
    force: bool = False,
    tell: Callable[[str], object] | None = None,
) -> Path:
    """Write a page of refined people: one HTML file, which opens without a network.

    It has a table of the bodies, a 3D view, the image plane with the keypoints, a timeline, a chart of
    the joints' errors, and why ``map`` accepted or refused a body. Of many people or bodies it shows those
    that changed most, and says so.

    Parameters
    ----------
    path : path
    shown : Shown
        See :func:`kitro_np.report.shown.shown_of`.
    title : str
    people : int
        People that are shown at most.
    explained : int
        Bodies of which the page says why they were accepted or refused, at most: refused ones first, then
        the most changed. Each takes some 40 ms.
    force : bool
        Overwrite an existing file.
    tell : callable, optional
        Takes a sentence on what was left out, or must be known before the page is passed on.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    InputError
        If there is no body, an argument is wrong, or the file exists and `force` is not set.
    """
    target = check_output(path, force=check_bool("force", force))
    people = check_integer("people", people, least=1)
    explained = check_integer("explained", explained, least=0)
    if not isinstance(shown, Shown):
        raise InputError(f"shown: expected a Shown, as shown_of returns, got {type(shown).__name__}.")
    if not len(shown):
        raise InputError("shown: expected at least one body, got none.")
    with np.errstate(all="ignore"):  # bodies that are NaN or behind the camera are part of a result
        figures = figures_of(shown)
        content = content_of(shown, figures, people, explained)
    if tell is not None:
        for note in content.notes:
            tell(note)
    script = _resource("report.js")
    text = Template(_resource("page.html")).substitute(
        title=escape(str(title)),
        about=escape(_about(shown)),
        script_hash=_hash(script),
        style=_resource("page.css"),
        summary=summary_of(shown, figures),
        notes="".join(f"<p>{escape(note)}</p>" for note in content.notes),
        facts=_as_json(content.facts),
        arrays=content.arrays,
        script=script,
    )
    atomic_write(target, lambda file: file.write(text.encode("utf-8")))
    return target


def _about(shown: Shown) -> str:
    method = f"method {shown.result.method}" if shown.result.method else "unknown method"
    hint = f" · {shown.result.hint}" if shown.result.hint else ""
    return f"{method} · body {shown.body.name}{hint}"


def _resource(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """Hash that lets this script run, and no other, by the page's content security policy."""
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def _as_json(facts: dict[str, Any]) -> str:
    """JSON that no text in it can end, inside an element of HTML."""
    text = json.dumps(facts, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
