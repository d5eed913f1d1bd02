"""Motion: real poses to draw from, those that travel with the package or a file of the user's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from ..arrays.arguments import real_array
from ..errors import InputError
from ..safe_io.npz import NpzArrays


@dataclass(frozen=True)
class Motion:
    """Poses of people in a world whose y axis points up, as mocap has them.

    Parameters
    ----------
    poses : (M, J, 3), (M, 3 J) or (M, J, 3, 3) array
        Axis-angle vectors in radians, or rotation matrices; with SMPL's joints.
    clips, categories : (M,) arrays of str, optional
        The recording that each pose is from, and what is done in it.
    notice : str
        Terms of the recordings; they go into the files that hold these poses.
    """

    poses: np.ndarray
    clips: np.ndarray | None = None
    categories: np.ndarray | None = None
    notice: str = ""

    def labels(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Clips and categories of some poses; empty text where nothing is known."""
        nothing = np.zeros(len(self.poses), dtype="U1")
        clips, categories = (nothing if x is None else x for x in (self.clips, self.categories))
        return clips[which], categories[which]


def cmu_motion() -> Motion:
    """Read the 989 poses of 29 clips that travel with the package (CMU mocap, within 0.06 degrees)."""
    with as_file(files("kitro_np") / "data" / "cmu_poses.npz") as path:
        return read_motion(path)


def read_motion(path: str | os.PathLike[str]) -> Motion:
    """Read poses from an .npz file: ``poses``, and if there are any, ``clips``, ``categories``, ``LICENSE``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is no .npz file, has no ``poses``, or not one label a pose.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected an .npz file of poses, there is none.")
    arrays = NpzArrays(path, max_elements=None)
    if "poses" not in arrays:
        raise InputError(f"{path}: expected the key poses, got {', '.join(arrays) or 'none'}.")
    poses = real_array(f"{path}: poses", arrays["poses"])
    labels: dict[str, np.ndarray | None] = {"clips": None, "categories": None}
    for name in labels:
        if name in arrays:
            labels[name] = arrays[name]
            if arrays[name].shape != poses.shape[:1]:
                raise InputError(
                    f"{path}: {name}: expected shape {poses.shape[:1]}, got {arrays[name].shape}."
                )
    return Motion(poses, **labels, notice=str(arrays["LICENSE"]) if "LICENSE" in arrays else "")
