"""Build the pose priors: Gaussians of real poses, and of their mirror images.

Run ``python -m models.build_pose_prior POSES.npz... -o kitro_np/data/pose_prior.npz``. POSES.npz holds real
poses of SMPL's joints, ``poses`` (M, 24, 3) or (M, 72) axis-angle, and ``LICENSE``; several files are pooled.
The output holds ``mean`` (69,) and ``precision`` (69, 69) of all angles without the root's, for the SMPLify
baseline, and ``chord_mean`` (24, 3) and ``chord_covariance`` (24, 3, 3) of each joint separately, for method
"map". The shipped file comes from 989 poses of 29 clips of the CMU mocap database: those of cmu_poses.npz,
before they were rounded to half precision.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .shared.command_line import read_paths, run
from .shared.errors import BuildError
from .shared.npz import write_npz
from .shared.smpl_skeleton import MIRROR

PROGRAM = "python -m models.build_pose_prior"

SPREAD = 0.05
"""Standard deviation in radians added to that of every angle: few clips do not cover the range of motion, and
some joints do not move in motion capture at all."""


def read_poses(path: Path) -> tuple[np.ndarray, str]:
    """Poses of a file, (M, 24, 3), and their licence; BuildError for a wrong file."""
    keys = ("poses", "LICENSE")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in keys if key in file.files}
    except ValueError as error:  # NumPy's, of a file that is no .npz
        raise BuildError(f"{path}: {error}") from error
    if missing := [key for key in keys if key not in arrays]:
        raise BuildError(f"{path}: expected the keys poses and LICENSE, {' and '.join(missing)} is missing.")
    poses, notice = arrays["poses"], str(arrays["LICENSE"])
    if poses.shape[1:] not in ((24, 3), (72,)) or len(poses) == 0:
        raise BuildError(f"{path}: expected poses of shape (M, 24, 3) or (M, 72), got {poses.shape}.")
    if poses.dtype.kind != "f" or not np.all(np.isfinite(poses)):
        raise BuildError(f"{path}: expected poses in finite floats, got {poses.dtype}.")
    return poses.reshape(-1, 24, 3).astype(np.float64), notice


def with_mirror_images(poses: np.ndarray) -> np.ndarray:
    """Poses (M, 24, 3) with angles of at most pi, and their mirror images: (2 M, 24, 3)."""
    angle = np.linalg.norm(poses, axis=-1, keepdims=True)
    shortest = poses * np.where(
        angle > 0, 1 - 2 * np.pi / np.maximum(angle, 1e-9) * np.round(angle / (2 * np.pi)), 1
    )
    return np.concatenate([shortest, shortest[:, MIRROR] * [1, -1, -1]])


def fit_gaussian(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (69,) and precision (69, 69) of poses (M, 24, 3) and their mirror images, without the root."""
    both = with_mirror_images(poses)[:, 1:].reshape(-1, 69)
    mean = both.mean(axis=0)
    covariance = (both - mean).T @ (both - mean) / len(both) + SPREAD**2 * np.eye(69)
    precision = np.linalg.inv(covariance)
    return mean, (precision + precision.T) / 2


def fit_chords(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (24, 3) and covariance (24, 3, 3) of each joint's chords in poses and their mirror images.

    The chord of a rotation is 2 sin(angle / 2) axis, with an angle of at most pi.
    """
    both = with_mirror_images(poses)
    angle = np.linalg.norm(both, axis=-1, keepdims=True)
    chords = both * np.sinc(angle / (2 * np.pi))
    mean = chords.mean(axis=0)
    away = chords - mean
    return mean, np.einsum("njk,njl->jkl", away, away) / len(away)


def build_prior(paths: Sequence[Path]) -> dict[str, np.ndarray]:
    """Read the poses and fit the Gaussians."""
    files = [read_poses(path) for path in paths]
    poses = np.concatenate([poses for poses, _ in files])
    mean, precision = fit_gaussian(poses)
    chord_mean, chord_covariance = fit_chords(poses)
    return {
        "mean": mean.astype(np.float32),
        "precision": precision.astype(np.float32),
        "chord_mean": chord_mean.astype(np.float32),
        "chord_covariance": chord_covariance.astype(np.float32),
        "LICENSE": np.array("\n".join(dict.fromkeys(notice for _, notice in files))),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the poses, fit the Gaussians and write them."""
    options = read_paths(PROGRAM, __doc__, "poses", arguments, nargs="+")

    def build() -> list[str]:
        write_npz(options.output, build_prior(options.poses))
        return [f"wrote {options.output}"]

    return run(PROGRAM, build)


if __name__ == "__main__":
    sys.exit(main())
