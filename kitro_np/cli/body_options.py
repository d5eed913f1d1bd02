"""Options of the body model."""

from __future__ import annotations

from pathlib import Path

from ..body import BodyModel, load_body
from ..body.families import EMBEDDED, LICENSED
from ..body.load import default_body
from ..body.model_file import SUFFIXES
from ..body.names import embedded_body
from ..errors import one_of
from .parser import Options, Parser

BODY_DEFAULTS = {"body": None, "gender": "neutral", "models": None}


def add_body(command: Parser, default: str = "open") -> None:
    """Add the arguments of :func:`kitro_np.load_body` as options; `default` is for the help."""
    add = command.add_argument
    names = ", ".join((*EMBEDDED, *LICENSED))
    add("--body", metavar="NAME", help=f"{names}, or a .pkl or .npz file (default: {default})")
    add("--gender", metavar="NAME", help="of a licensed body; right or left for a hand (default: neutral)")
    add("--models", metavar="DIR", type=Path, help="folder to search first for model files")
    command.set_defaults(**BODY_DEFAULTS)


def read_body(options: Options, gender: str | None = None, *, own: str = "") -> BodyModel:
    """Load the body of the options, with `gender` instead of theirs if given.

    Without one it is the body that a file names, `own`, if that is an embedded one, else the open body.
    """
    name: str | None = options.body
    if name is None:
        return embedded_body(own) or default_body()
    if not name.lower().endswith(SUFFIXES):
        files = (f"FILE{suffix}" for suffix in SUFFIXES)
        name = one_of("body", name, (*EMBEDDED, *LICENSED, *files))
    return load_body(name, gender=gender or options.gender, folder=options.models)


def has_genders(options: Options) -> bool:
    """Whether the body has a file for each gender."""
    name: str | None = options.body
    return name is not None and name.lower() in LICENSED
