"""Write results so that a file is either whole or not there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays.poses import as_matrices
from ..errors import InputError
from ..result import Judged, RefineResult
from ..safe_io.atomic_write import write_whole


def check_output(path: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Say early whether a file can be written.

    Raises
    ------
    InputError
        If the file exists and `force` is not set, is a folder, pipe or device, or its folder is missing
        or closed.

    Returns
    -------
    Path
        Where the file itself goes: the target of a symbolic link.
    """
    target = Path(path)
    if target.is_symlink():
        target = target.resolve()
    if target.is_dir():
        raise InputError(f"{target}: expected a file to write, got a folder.")
    if target.exists() and not target.is_file():
        # To rename a file onto it would take its place for everyone.
        raise InputError(f"{target}: expected a file to write, got a device, a pipe or a socket.")
    if target.exists() and not force:
        raise InputError(f"{target}: expected a new file, it exists; pass --force to write over it.")
    if not target.parent.is_dir():
        raise InputError(f"{target}: expected a folder {target.parent} to write to, there is none.")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"{target}: expected a folder that can be written, {target.parent} cannot.")
    return target


def free_name(stem: str, suffix: str) -> Path:
    """Return the first of stem.suffix, stem-2.suffix, ... in this folder that does not exist."""
    count = 1
    while (path := Path(f"{stem}{'' if count == 1 else f'-{count}'}{suffix}")).exists():
        count += 1
    return path


def write_result(path: str | os.PathLike[str], result: RefineResult, *, force: bool = False) -> Path:
    """Write a result as .npz: pose (..., J, 3, 3), betas, transl and what is known about each body.

    Hypotheses go to hypothesis_pose (..., H, J, 3, 3) and so on.

    Parameters
    ----------
    path : path
    result : RefineResult
    force : bool
        Write over an existing file.

    Returns
    -------
    Path
    """
    joints = result.selection.shape[-1]
    pose, lead = as_matrices(result.pose, joints)
    arrays: dict[str, Any] = {"pose": pose.reshape(*lead, joints, 3, 3)}
    for name in ("betas", "transl", "selection", "path_score", "reprojection_error", "status"):
        arrays[name] = getattr(result, name)
    for name in Judged._fields:
        if getattr(result, name) is not None:
            arrays[name] = getattr(result, name)
    if result.hypotheses is not None:
        arrays |= {f"hypothesis_{name}": part for name, part in result.hypotheses._asdict().items()}
    return write_npz(path, arrays, force=force)


def write_npz(path: str | os.PathLike[str], arrays: Mapping[str, Any], *, force: bool = False) -> Path:
    """Write arrays to an .npz file that is either whole or not there.

    Parameters
    ----------
    path : path
    arrays : mapping of str to array
    force : bool
        Write over an existing file.

    Returns
    -------
    Path
    """
    target = check_output(path, force=force)
    write_whole(target, lambda file: np.savez(file, **arrays))
    return target
