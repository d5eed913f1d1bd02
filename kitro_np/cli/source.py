"""The file of estimates of the commands refine, convert and inspect, and its options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..camera import default_intrinsics, with_focal_length
from ..errors import InputError, one_of
from ..formats.estimates_in.read import known_readers, read_estimates
from ..formats.estimates_in.source import Source, open_source
from ..formats.people import PeopleEstimates
from .parser import Options, Parser


def add_source(command: Parser) -> None:
    """Add the option that says what a file of estimates is."""
    names = ", ".join(sorted({reader.name for reader in known_readers()}))
    command.add_argument(
        "--format", metavar="NAME", help=f"what wrote IN, where its content does not tell: {names}"
    )


def opened(path: str) -> Source | str:
    """Open a file of estimates once, to be recognised and read; its path if it cannot be opened."""
    try:
        return open_source(path)
    except InputError:
        return path  # reading says why


def read_source(
    options: Options, body: Any = None, *, source: Source | str | None = None, refined: bool = False
) -> PeopleEstimates:
    """Read the estimates of the options, with their camera converted to the options' focal length.

    `source` is the file if it is opened already; `refined` asks for the refined bodies of a complete result.
    """
    form = options.format
    if form is not None:
        names = {reader.name.lower(): reader.name for reader in known_readers()}
        form = names[one_of("format", form.lower(), names)]
    size = None if options.image_size is None else tuple(options.image_size)
    estimates = read_estimates(
        source or options.input, format=form, image_size=size, body=body, refined=refined
    )
    focal = options.focal_length
    if focal is None:
        return estimates
    if estimates.intrinsics is not None:
        changed = with_focal_length(estimates.intrinsics, estimates.transl, focal)
        return replace(estimates, intrinsics=changed.intrinsics, transl=changed.transl, camera="converted")
    if size is None:
        raise InputError(
            f"focal-length: expected --image-size with it, as {options.input} has no camera, got none."
        )
    camera = np.broadcast_to(default_intrinsics(size, focal), (len(estimates), 3, 3))
    return replace(estimates, intrinsics=camera, camera="as given")
