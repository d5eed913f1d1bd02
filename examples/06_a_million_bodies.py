"""Refine a million bodies from files to files, a part at a time, in little memory.

Usage: python examples/06_a_million_bodies.py FOLDER [COUNT]
"""

import sys
import time
from pathlib import Path

import numpy as np

import kitro_np

PART = 65_536  # bodies in memory at once
NAMES = ("pose", "betas", "transl", "keypoints_2d", "intrinsics")

if len(sys.argv) not in (2, 3):
    sys.exit(__doc__)
folder, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
folder.mkdir(exist_ok=True)


def column(name, like=None):
    """Open a column of the folder's arrays; `like` makes a new one of this shape but for its length."""
    path = folder / f"{name}.npy"
    if like is None:
        return np.load(path, mmap_mode="r")
    return np.lib.format.open_memmap(path, "w+", like.dtype, (count, *like.shape[1:]))


clip = kitro_np.example()
for name in NAMES:  # the input: the example's clip, again and again
    new = column(name, like=clip[name])
    for start in range(0, count, 60):
        new[start : start + 60] = clip[name][: count - start]

start_time = time.perf_counter()
inputs = {name: column(name) for name in NAMES}
refined = {name: column(f"refined_{name}", like=clip[name]) for name in ("pose", "betas", "transl")}
accepted = 0
for start in range(0, count, PART):
    part = slice(start, min(start + PART, count))
    result = kitro_np.refine(**{name: array[part] for name, array in inputs.items()}, body=clip["body"])
    for name, array in refined.items():
        array[part] = getattr(result, name)
    accepted += int(result.accepted.sum())
seconds = time.perf_counter() - start_time
print(f"{count:,} bodies in {seconds:.1f} s, {count / seconds:,.0f} a second; {accepted:,} refined")
