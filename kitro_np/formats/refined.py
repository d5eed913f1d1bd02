"""The complete .npz of a refinement: the result, and all that it came from, to be refined or drawn again.

Arrays of the result have the names that :meth:`kitro_np.RefineResult.save` gives them, so that `load` reads
the file too; the estimate's are named `estimate_pose`, `estimate_betas` and `estimate_transl`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..result import OF_VIDEO, RefineResult
from ..safe_io.npz import write_npz

ESTIMATE = "estimate_"
"""Prefix of the names of the estimate's arrays, whose own names are the result's."""


class Inputs(NamedTuple):
    """What a result came from; None is not written.

    `truth` are arrays of a ground truth by their keys in the file, so that the result can be evaluated again.
    Tracks, frames and fps of a result are written too, where the inputs have none and say no other.
    """

    pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray
    keypoints_2d: np.ndarray
    intrinsics: np.ndarray | None = None
    confidence: np.ndarray | None = None
    layout: str | None = None
    frame: np.ndarray | None = None
    track: np.ndarray | None = None
    person: np.ndarray | None = None
    image_name: np.ndarray | None = None
    image_size: Any = None
    fps: float | None = None
    extrinsics: np.ndarray | None = None
    source: str | None = None
    stands_in: bool | None = None
    truth: Mapping[str, np.ndarray] | None = None


def write_refined(
    path: str | os.PathLike[str], result: RefineResult[Any], inputs: Inputs, *, force: bool = False
) -> Path:
    """Write a result and its inputs; errors are those of :meth:`kitro_np.RefineResult.save`."""
    from .. import __version__  # which the package names after it has loaded this module

    arrays: dict[str, Any] = {**(inputs.truth or {})}
    for name, value in inputs._replace(truth=None)._asdict().items():
        if value is not None:
            key = f"{ESTIMATE}{name}" if name in ("pose", "betas", "transl") else name
            arrays[key] = np.asarray(value)
    arrays["version"] = np.array(__version__)
    return write_npz(path, {**arrays, **_beside(arrays, result.stored())}, force=force)


def _beside(inputs: Mapping[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    """Return arrays of a result without those of its video that are inputs, or that do not go with them."""
    pairs = ((inputs.get("frame"), "frame"), (inputs.get("track", inputs.get("person")), "track"))
    other = any(
        given is not None and own in stored and not np.array_equal(given, stored[own]) for given, own in pairs
    )
    left_out = {name for name in OF_VIDEO if name in inputs or (other and name != "fps")}
    return {name: part for name, part in stored.items() if name not in left_out}
