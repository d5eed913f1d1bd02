"""Build the pose priors: Gaussians of real poses, and of their mirror images.

Run ``python models/build_pose_prior.py POSES.npz... -o kitro_np/data/pose_prior.npz``. POSES.npz holds real
poses of SMPL's joints, ``poses`` (M, 24, 3) or (M, 72) axis-angle, and ``LICENSE``; several files count as
one. Written are ``mean`` (69,) and ``precision`` (69, 69) of all angles without the root's, for the SMPLify
baseline, and ``chord_mean`` (24, 3) and ``chord_covariance`` (24, 3, 3) of each joint on its own, for method
"map". The shipped file comes from 989 poses of 29 clips of the CMU mocap database: those of cmu_poses.npz,
before they were rounded to half precision.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

MIRROR = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22]
"""The joint on the other side of the body."""

SPREAD = 0.05
"""Radians that every angle varies beside what it does in the poses: few clips do not show all of it, and
some joints do not move in motion capture at all."""


def read_poses(path: Path) -> tuple[np.ndarray, str]:
    """Poses of a file, (M, 24, 3), and their licence; ValueError says what is wrong."""
    with np.load(path, allow_pickle=False) as file:
        missing = [key for key in ("poses", "LICENSE") if key not in file.files]
        if missing:
            raise ValueError(
                f"{path}: expected the keys poses and LICENSE, {' and '.join(missing)} is missing."
            )
        poses, notice = np.asarray(file["poses"]), str(file["LICENSE"])
    if poses.shape[1:] not in ((24, 3), (72,)) or len(poses) == 0:
        raise ValueError(f"{path}: expected poses of shape (M, 24, 3) or (M, 72), got {poses.shape}.")
    if poses.dtype.kind != "f" or not np.all(np.isfinite(poses)):
        raise ValueError(f"{path}: expected poses in finite floats, got {poses.dtype}.")
    return poses.reshape(-1, 24, 3).astype(np.float64), notice


def with_mirror_images(poses: np.ndarray) -> np.ndarray:
    """Poses (M, 24, 3) with no angle above half a turn, and their mirror images: (2 M, 24, 3)."""
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

    The chord of a rotation is 2 sin(angle / 2) axis, angle at most half a turn.
    """
    both = with_mirror_images(poses)
    angle = np.linalg.norm(both, axis=-1, keepdims=True)
    chords = both * np.sinc(angle / (2 * np.pi))
    mean = chords.mean(axis=0)
    away = chords - mean
    return mean, np.einsum("njk,njl->jkl", away, away) / len(away)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the poses, fit the Gaussians and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("poses", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        read = [read_poses(path) for path in options.poses]
    except (OSError, ValueError) as problem:
        print(f"build_pose_prior: {problem}", file=sys.stderr)
        return 1
    poses = np.concatenate([poses for poses, _ in read])
    mean, precision = fit_gaussian(poses)
    chord_mean, chord_covariance = fit_chords(poses)
    np.savez_compressed(
        options.output,
        mean=mean.astype(np.float32),
        precision=precision.astype(np.float32),
        chord_mean=chord_mean.astype(np.float32),
        chord_covariance=chord_covariance.astype(np.float32),
        LICENSE="\n".join(dict.fromkeys(notice for _, notice in read)),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
