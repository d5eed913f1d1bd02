"""Write bodies to a file that other programs open, in the format of its name."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arrays.arguments import check_bool
from ..errors import InputError, did_you_mean
from ..matching.refine import RefinedPeople
from .bodies import Tell, read_bodies
from .registry import find_export

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..body import BodyModel, Skeleton
    from ..formats.people import PeopleEstimates
    from ..result import RefineResult
    from ..typing import ArrayLike

__all__ = ["write"]


def write(
    path: str | os.PathLike[str],
    bodies: RefineResult[Any] | RefinedPeople | PeopleEstimates | Mapping[str, Any],
    *,
    body: BodyModel | Skeleton | str | os.PathLike[str] | None = None,
    fps: float | None = None,
    frame: ArrayLike | None = None,
    person: ArrayLike | None = None,
    intrinsics: ArrayLike | None = None,
    image_size: ArrayLike | None = None,
    format: str | None = None,
    force: bool = False,
    tell: Tell | None = print,
    **options: Any,
) -> Path | list[Path]:
    """Write bodies to a file that other programs open.

    ======= ======================================================================== ====================
    suffix  what it holds                                                            options
    ======= ======================================================================== ====================
    .glb    skinned, animated meshes of all people, y up                             bake
    .bvh    a person's skeleton and motion, a file each; y up, in cm                 unit
    .npz    a person's motion as in AMASS, a file each; z up. Of what                joints, up
            :func:`refine_people` returns the complete file
    .smpl   a person's motion in the layout of smplcodec, a file each; y up          up
    .obj    a mesh, a file for each body; y up                                       up
    .ply    the same, in binary                                                      up
    .csv    joints of all bodies in camera space, in metres, a joint a line          up
    .json   projected keypoints of all bodies as COCO annotations                    layout
    .pkl    PHALP's track file that they were refined from, with the refined bodies  original
    ======= ======================================================================== ====================

    Parameters
    ----------
    path : path
        Its suffix says the format. Where there is a file for each person or body, their numbers are added.
    bodies : RefineResult, RefinedPeople, PeopleEstimates or mapping
        Bodies in camera space; a mapping has pose, betas, transl and any of the arguments below. Its key up
        may say that they are in a world, of which "y" or "z" points up.
    body : BodyModel, Skeleton, str or path, optional
        Body of the betas; by default the one that `bodies` names.
    fps : float, optional
        Frames a second; by default those of `bodies`, else 30.
    frame, person : arrays of int, optional
        Of each body, in the leading shape of the pose. By default those of `bodies`, such as frame and track
        of a video's result, else the leading axes are frames and people.
    intrinsics : (..., 3, 3) array, optional
        Camera matrices in pixels. .json needs them; .glb has the camera if it is the same in all frames.
    image_size : (2,) array, optional
        Width and height in pixels, for .json and the camera of .glb.
    format : str, optional
        Instead of the suffix: "glb", "bvh", "amass", "smpl", "obj", "ply", "csv", "coco",
        "phalp" or "kitro", which is this package's own .npz.
    force : bool
        Overwrite existing files.
    tell : callable or None
        Takes a sentence on each thing that the file cannot hold exactly, such as the largest vertex error of
        leaving pose blend shapes out, and on what was assumed. By default it is printed; None is silent.
    **options
        Of the format. ``bake=True`` (.glb) adds morph targets that correct the skin. ``unit`` (.bvh) is
        ``"cm"`` or ``"m"``. SMPL's 24 joints are written to .npz as SMPL-H's 52, which AMASS has;
        ``joints=24`` keeps them. ``up`` is ``"y"``, ``"z"`` or ``"camera"``, which turns nothing.
        ``layout`` (.json) names the keypoints, by default COCO's 17. ``original`` (.pkl) is the track file,
        or what it holds, by default the path that the estimates were read from.

    Returns
    -------
    Path or list of Path
        The file written; a list if there are several.

    Raises
    ------
    InputError
        If an argument is wrong, the format cannot hold the bodies, or a file exists and `force` is not set.
    """
    target = Path(path)
    force = check_bool("force", force)
    if format is None and target.suffix.lower() == ".npz" and isinstance(bodies, RefinedPeople):
        format = "kitro"  # the complete file
    export = find_export(target, format)
    for name in options:
        if name not in export.options:
            known = export.options
            expected = f"options of {export.name}, {', '.join(known)}" if known else f"none of {export.name}"
            raise InputError(f"options: expected {expected}, got {name}{did_you_mean(name, known)}.")
    checked = read_bodies(
        bodies,
        body,
        fps,
        tell or _silent,
        timed=export.timed,
        frame=frame,
        person=person,
        intrinsics=intrinsics,
        image_size=image_size,
    )
    paths = export.write(target, replace(checked, options=options), force)
    return paths[0] if len(paths) == 1 else paths


def _silent(sentence: str) -> None:
    """Tell nothing."""
