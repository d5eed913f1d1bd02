"""Reading people takes less time than refining them: a tracker's file, and a long motion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from timeit import repeat
from typing import Any

import numpy as np
import pytest
from samples import DISTINCT, make_batch
from threadpoolctl import threadpool_limits

from kitro_np import read_estimates, refine
from kitro_np.arrays.rotations import axis_angle_from_matrix

joblib = pytest.importorskip("joblib")

PEOPLE, ROUNDS = 100_000, 3
SIZE = (1280, 720)


def best(call: Callable[[], Any]) -> float:
    """Seconds of the best round."""
    return min(repeat(call, number=1, repeat=ROUNDS))


def write_phalp(path: Path, each: int) -> tuple[Path, np.ndarray]:
    """Write frames of so many people as PHALP does, and return who they are; most arrays are not needed."""
    bodies = make_batch(DISTINCT, "float32")
    frames = np.arange(PEOPLE // each)
    people = (frames[:, None] + 6 * np.arange(each)) % DISTINCT
    tree = {}
    for time, rows in enumerate(people.tolist()):
        name = f"out/{time:06d}.jpg"
        tree[name] = {
            "time": time,
            "shot": 0,
            "frame_path": name,
            "tid": list(range(each)),
            "tracked_time": [0] * each,
            "bbox": [np.zeros(4, np.float32) for _ in rows],
            "camera": [bodies.transl[row].copy() for row in rows],
            "center": [np.zeros(2) for _ in rows],
            "scale": [np.zeros(2) for _ in rows],
            "size": [[SIZE[1], SIZE[0]] for _ in rows],
            "conf": [np.float32(0.9) for _ in rows],
            "mask": [[{"size": [SIZE[1], SIZE[0]], "counts": bytes(100)}] for _ in rows],
            "smpl": [
                {
                    "global_orient": bodies.pose[row, :1].copy(),
                    "body_pose": bodies.pose[row, 1:].copy(),
                    "betas": bodies.betas[row].copy(),
                }
                for row in rows
            ],
            "2d_joints": [np.zeros(90, np.float32) for _ in rows],
            "3d_joints": [np.zeros((45, 3), np.float32) for _ in rows],
        }
    joblib.dump(tree, path)
    return path, people.ravel()


def write_amass(path: Path) -> tuple[Path, np.ndarray]:
    """Write a motion of SMPL-H, whose hands have 90 numbers of a pose."""
    bodies, people = make_batch(DISTINCT), np.arange(PEOPLE) % DISTINCT
    poses = np.full((DISTINCT, 52, 3), 0.1, np.float32)
    poses[:, :22] = axis_angle_from_matrix(bodies.pose[:, :22])
    np.savez(
        path,
        poses=poses.reshape(DISTINCT, 156)[people],
        trans=bodies.transl[people],
        betas=np.zeros(16),
        mocap_framerate=30.0,
    )
    return path, people


@pytest.mark.parametrize("what", ["phalp-1", "phalp-10", "amass"])
def test_reading_takes_less_time_than_refining(tmp_path, findings, what):
    """Both in one run, on all cores and in float64; the keypoints are the truth's."""
    system, _, each = what.partition("-")
    path, people = (
        write_amass(tmp_path / "a.npz") if system == "amass" else write_phalp(tmp_path / "a.pkl", int(each))
    )
    truth = make_batch(DISTINCT)
    found = read_estimates(path)  # which also compiles
    assert len(found) == len(people)
    assert np.abs(found.pose[:, :22] - truth.pose[people, :22]).max() < 1e-5
    few = slice(0, 24)
    bodies = (found.pose[:, few], found.betas[:, :10], found.transl)
    points = (truth.keypoints_2d[people], truth.intrinsics[people])
    refine(*(part[few] for part in (*bodies, *points)))
    with threadpool_limits(None):
        reading = best(lambda: read_estimates(path))
        refining = best(lambda: refine(*bodies, *points))
    findings += [(f"read {what}", reading / len(people)), (f"refine {what}", refining / len(people))]
    assert reading < refining
