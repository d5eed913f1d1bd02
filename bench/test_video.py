"""Videos: frames a second on one thread, beside each frame alone, and the memory of a long track."""

from __future__ import annotations

import tracemalloc
from functools import cache
from timeit import repeat
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from kitro_np import RefineResult, refine
from kitro_np.simulate import simulate_video

ROUNDS = 3


@cache
def videos() -> dict[str, np.ndarray]:
    """Tracks of some 100 frames, in float32."""
    arrays = simulate_video(tracks=50, seed=1).arrays()
    return {
        name: part.astype(np.float32) if part.dtype.kind == "f" else part for name, part in arrays.items()
    }


def call(data: dict[str, np.ndarray], **options: Any) -> RefineResult[np.ndarray]:
    names = ("pred_theta", "pred_beta", "pred_cam", "keypoints_2d_noisy", "intrinsics")
    return refine(*(data[name] for name in names), confidence=data["confidence"], threads=1, **options)


def best(data: dict[str, np.ndarray], **options: Any) -> float:
    call(data, **options)
    with threadpool_limits(1):
        return min(repeat(lambda: call(data, **options), number=1, repeat=ROUNDS))


def test_videos_beside_each_frame_alone() -> None:
    data = videos()
    together = best(data, tracks=data["track"], frames=data["frame"])
    alone = best(data)
    count = len(data["track"])
    print(
        f"\n{count / together:,.0f} frames/s as videos, {count / alone:,.0f} alone: 1/{together / alone:.1f}"
    )
    assert count / together > 8000


@pytest.mark.parametrize("frames", [20_000])
def test_memory_of_a_long_track(frames: int) -> None:
    data = videos()
    rows = np.resize(np.concatenate([np.arange(100), np.arange(99, -1, -1)]), frames)
    long = {name: part[rows] for name, part in data.items() if part.shape[:1] == data["track"].shape}
    call({name: part[:50] for name, part in long.items()}, fps=30)
    tracemalloc.start()
    result = call(long, fps=30)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    results = sum(part.nbytes for part in result.arrays().values())
    print(f"\n{(peak - results) / frames:,.0f} bytes a frame beside the results")
    assert peak - results < 1700 * frames
