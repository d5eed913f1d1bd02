"""People for long runs: a simulated set, repeated with fresh noise of its keypoints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from kitro_np.arrays.rotations import axis_angle_from_matrix
from kitro_np.simulate import simulate, simulate_video

NOISE = 0.5
"""Pixels of the noise, so that no two batches are the same."""


def people(count: int, *, vectors: bool = False) -> dict[str, Any]:
    """Return estimates and noisy keypoints of people, with poses as matrices or as axis-angle vectors."""
    known = simulate(count=count).arrays()
    pose = known["pred_theta"].reshape(count, -1, 3, 3)
    if vectors:
        pose = np.ascontiguousarray(axis_angle_from_matrix(pose))
    return {
        "pose": pose,
        "betas": known["pred_beta"],
        "transl": known["pred_cam"],
        "keypoints_2d": known["keypoints_2d_noisy"],
        "intrinsics": known["intrinsics"],
        "body": known["body"],
    }


def video(tracks: int, frames: int) -> dict[str, Any]:
    """Return estimates and detections of people who move."""
    known = simulate_video(tracks=tracks, frames=frames).arrays()
    keys = {
        "pose": "pred_theta",
        "betas": "pred_beta",
        "transl": "pred_cam",
        "keypoints_2d": "keypoints_2d_noisy",
    }
    same = ("intrinsics", "confidence", "track", "frame", "fps", "body")
    return {name: known[key] for name, key in keys.items()} | {name: known[name] for name in same}


def repeated(base: dict[str, Any], rows: int) -> Iterator[dict[str, Any]]:
    """Yield batches of `base` until there are `rows`, the last one shorter; tracks are always new."""
    count, done, number = len(base["pose"]), 0, 0
    while done < rows:
        some = min(count, rows - done)
        batch = {name: value[:some] if np.ndim(value) else value for name, value in base.items()}
        noise = np.random.default_rng(number).standard_normal(batch["keypoints_2d"].shape, np.float32)
        batch["keypoints_2d"] = batch["keypoints_2d"] + np.float32(NOISE) * noise
        batch["id"] = np.arange(done, done + some)
        if "track" in batch:
            batch["track"] = batch["track"] + number * (1 + int(base["track"].max()))
        yield batch
        done, number = done + some, number + 1
