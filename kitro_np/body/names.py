"""Names of bodies in files: which body a name means, and a sentence where it is not the one in use."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..safe_io.pickle_arrays import Array
from .families import FAMILIES, Family
from .load import load_body
from .locate import file_names, name_of_file
from .model import BodyModel

KEY = "body"
"""Key of the name in files."""

MAX_LENGTH = 100
"""Characters of a name; longer texts are none."""


class Named(NamedTuple):
    """What a name means: a family, and the gender or side if the name has one."""

    family: Family
    kind: str | None


def meaning(name: str) -> Named | None:
    """Return the family and kind of names such as open_v1, smpl, SMPL_MALE and open_hand_left, else None.

    Names of bodies in files of the releases, such as basicmodel_m_lbs_10_207_0_v1.1.0, are understood, too.
    """
    return _meanings().get(name.lower())


@lru_cache(maxsize=1)
def _meanings() -> dict[str, Named]:
    """All names that mean a body, in lower case."""
    meanings = {}
    for key, family in FAMILIES.items():
        meanings[key] = Named(family, None)
        for kind in family.kinds:
            files = [] if family.embedded else file_names(key, kind)
            for name in (f"{key}_{kind}", *(name_of_file(Path(file)) for file in files)):
                meanings[name.lower()] = Named(family, kind)
    return meanings


def name_in(arrays: Mapping[str, Array]) -> str:
    """Return the name of the body that a file's arrays are on; empty if it says none."""
    try:
        text = arrays.get(KEY)
    except InputError:  # another program's key of the same name, which nothing here needs
        return ""
    if text is None or text.dtype.kind != "U" or text.shape:
        return ""
    name = str(text)
    return name if len(name) <= MAX_LENGTH and name.isprintable() else ""


def embedded_body(name: str, *, correctives: bool = False) -> BodyModel | None:
    """Return the embedded body of a name; None for other bodies, and for no name."""
    named = meaning(name)
    if named is None or not named.family.embedded:
        return None
    return load_body(named.family.name, gender=named.kind or "neutral", correctives=correctives or None)


def same_body(first: str, second: str) -> bool:
    """Whether two names mean the same body; a name without gender or side means any."""
    one, other = meaning(first), meaning(second)
    if one is None or other is None:
        return first.lower() == second.lower()
    return one.family is other.family and (one.kind == other.kind or None in (one.kind, other.kind))


def other_body(subject: str, name: str, doing: str, used: str) -> str:
    """Return a sentence that a `subject` on one body is, for example, "measured" on another; "" if it is not.

    Parameters
    ----------
    subject : str
        What is on the body `name`, such as a file.
    name : str
        Empty if it is not known.
    doing : str
        What is done with bodies: "measured" or "refined".
    used : str
        Name of the body that it is done on; empty for a bare skeleton.
    """
    if not name or not used or same_body(name, used):
        return ""
    named = meaning(name)
    if named is None:
        remedy = "give its file with --body"
    else:
        kind = "" if named.kind is None else f" --gender {named.kind}"
        remedy = f"add --body {named.family.name}{kind}"
    return f"{subject} is on {name} but bodies are {doing} on {used}: betas mean other shapes; {remedy}."
