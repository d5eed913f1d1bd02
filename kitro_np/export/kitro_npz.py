"""Own .npz of this package: what `refine_people` returns, complete; or results and estimates as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..formats.people import PeopleEstimates
from ..matching.refine import RefinedPeople
from ..result import RefineResult
from ..safe_io.npz import write_npz
from .bodies import Bodies
from .registry import Export


def write_kitro(path: Path, bodies: Bodies, force: bool) -> list[Path]:
    """Write one file, which read_estimates and the commands read."""
    given = bodies.given
    if isinstance(given, RefinedPeople | RefineResult):
        return [given.save(path, force=force)]
    arrays: dict[str, Any] = {
        name: getattr(bodies, name)
        for name in ("pose", "betas", "transl", "frame", "person", "intrinsics", "image_size", "image_name")
    }
    arrays |= {"fps": bodies.fps, "body": getattr(bodies.body, "name", None)}
    if isinstance(given, PeopleEstimates) and given.keypoints is not None:
        seen = given.keypoints
        if len(seen) == len(bodies):
            arrays |= {"keypoints_2d": seen.points, "confidence": seen.confidence, "layout": seen.layout}
    return [write_npz(path, {name: part for name, part in arrays.items() if part is not None}, force=force)]


EXPORT = Export("kitro", ".npz", "this package's own arrays", write_kitro)
