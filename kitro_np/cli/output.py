"""Files that the commands refine and convert write, and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, one_of
from ..export.registry import Export, find_export, known_exports
from ..export.write import write
from .parser import Options, Parser, number
from .refinement import FRAME_RATE
from .voice import say_written, warn

LONG = 5
"""Focal lengths from this many sides of the image on are long."""

FLAGS = {"bake": "--bake", "up": "--up", "unit": "--unit", "layout": "--layout"}
"""Options of formats, and their flags."""


def add_output(command: Parser, own: str = "", *, refined: bool = False) -> None:
    """Add the options of what is written.

    `own` says what .npz is if no format is named, `refined` whether refined people are written, for which
    there are more formats.
    """
    text = "file to write; its suffix says what" + ("; of shards a folder" if refined else "")
    command.add_argument("-o", "--output", metavar="OUT", required=True, help=text)
    command.add_argument("--force", action="store_true", help="overwrite existing files")
    add = command.add_argument_group("output").add_argument
    known = [export for export in known_exports() if refined or not export.of_refined]
    formats = ", ".join(f"{export.name} ({export.suffix})" for export in known)
    add("--to", metavar="NAME", help=f"format of OUT, instead of its suffix: {formats}{own}")
    add("--fps", type=number, metavar="N", help=FRAME_RATE)
    add("--bake", action="store_true", default=None, help=".glb: morph targets that correct the skin")
    add("--up", metavar="AXIS", help="axis that points up: y, z, or camera, which turns nothing")
    add("--unit", metavar="NAME", help=".bvh: cm or m")


def export_of(options: Options, *, refined: bool = True) -> Export:
    """Return the format of the options; InputError if there is none, or it takes not these bodies or options.

    `refined` says whether refined people are written.
    """
    name = options.to
    if name is not None:
        name = one_of("to", name.lower(), [export.name for export in known_exports()])
    export = find_export(Path(options.output), name)
    if export.of_refined and not refined:
        raise InputError(
            f"{options.output}: expected refine to write {export.name}, got {options.command.prog}."
        )
    for option in FLAGS:
        if option != "layout" and getattr(options, option) and option not in export.options:
            takes = " or ".join(each.name for each in known_exports() if option in each.options)
            raise InputError(f"{FLAGS[option]}: expected the format {takes}, got {export.name}.")
    return export


def write_bodies(options: Options, bodies: Any, **known: Any) -> list[Path]:
    """Write bodies in the format of the options; say what it cannot hold, and the paths, which it returns."""
    export = export_of(options)
    given = {name: getattr(options, name) for name in FLAGS if name in export.options}
    if export.timed:
        _tell_distance(bodies)
    written = write(
        options.output,
        bodies,
        format=export.name,
        force=options.force,
        tell=_say,
        **{name: value for name, value in {**known, **given}.items() if value is not None},
    )
    paths = written if isinstance(written, list) else [written]
    shown = str(paths[0]) if len(paths) == 1 else f"{len(paths)} files, {paths[0]} to {paths[-1].name}"
    say_written(shown, f": {export.about}")
    return paths


def _say(sentence: str) -> None:
    """Say a sentence of :func:`kitro_np.write`, with the flag of the option that it names."""
    warn(sentence.replace("bake=True", FLAGS["bake"]))


def _tell_distance(bodies: Any) -> None:
    """Say so if people stand far away, as with the long focal lengths that some programs assume."""
    estimates = getattr(bodies, "refined", bodies)
    camera = getattr(estimates, "intrinsics", None)
    if camera is None or not len(camera):
        return
    focal, side = float(np.median(camera[:, 0, 0])), float(np.median(2 * camera[:, :2, 2].max(axis=1)))
    if side > 0 and focal > LONG * side:
        warn(
            f"People stand {np.median(estimates.transl[:, 2]):.0f} m away, as the estimates' focal length is "
            f"{focal:.0f} pixels: --focal-length {round(1.2 * side, -1):.0f} brings them near."
        )
