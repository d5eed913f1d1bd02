"""Soak: ten million bodies and a million frames of video through one process, whose needs must not grow.

python bench/soak.py --bodies 10_000_000 --frames 1_000_000 -o soak.csv --figure docs/soak.svg

Exit status 1 if the last tenth needs more memory, descriptors or threads than the second.
"""

from __future__ import annotations

import argparse
import csv
import gc
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from people import people, repeated, video

import kitro_np

BATCH = 16384
"""Bodies of a batch."""

FRAMES = 200
"""Frames of a track."""

PLAIN = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "1000000", "MALLOC_ARENA_MAX": "2"}
"""Lets glibc give memory of arrays back at once. Otherwise it keeps what two threads needed at their worst
moment, in steps of an array of poses, 14 MB, that look like growth."""

MORE_MB = 16.0
"""MB that memory may differ by, as allocators keep some."""

EVERY = 1.0
"""Seconds between two samples."""


def main() -> int:
    """Run, write the samples, draw them, and say what grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bodies", type=int, default=10_000_000)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("-o", "--output", type=Path, default=Path("soak.csv"))
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    if "MALLOC_ARENA_MAX" not in os.environ:
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **PLAIN})
    samples: list[dict[str, Any]] = []
    if options.bodies:
        run("bodies", people(BATCH), options.bodies, samples)
    if options.frames:
        run("frames", video(BATCH // FRAMES, FRAMES), options.frames, samples)
    with options.output.open("w", newline="") as file:
        table = csv.DictWriter(file, list(samples[0]))
        table.writeheader()
        table.writerows(samples)
    if options.figure is not None:
        draw(samples, options.figure)
    bodies, frames = flat(samples, "bodies"), flat(samples, "frames")
    return 0 if bodies and frames else 1


def run(what: str, base: dict[str, Any], count: int, samples: list[dict[str, Any]]) -> None:
    """Refine `count` rows, and take a sample every second."""
    began = last = time.perf_counter()
    done = refined = 0
    for result in kitro_np.stream(repeated(base, count)):
        done += result["status"].size
        refined += int((result["status"] == 0).sum())
        del result
        now = time.perf_counter()
        if now - last > EVERY or done == count:
            last = now
            samples.append({"what": what, "done": done, "seconds": round(now - began, 2), **needs()})
    seconds = time.perf_counter() - began
    print(f"{done:,} {what} in {seconds:.0f} s, {done / seconds:,.0f} a second, {refined / done:.2%} refined")


def needs() -> dict[str, Any]:
    """Return what this process needs of the machine."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "memory_mb": round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
    }


def flat(samples: list[dict[str, Any]], what: str) -> bool:
    """Whether the last tenth needed no more than the second; say what it was."""
    own = [one for one in samples if one["what"] == what]
    if not own:
        return True
    early = [one for one in own if one["done"] >= own[-1]["done"] / 10]
    grew = []
    for name, more in (("memory_mb", MORE_MB), ("descriptors", 0), ("threads", 0)):
        tenth = max(len(early) // 9, 1)
        first, last = (max(one[name] for one in part) for part in (early[:tenth], early[-tenth:]))
        print(f"{what}: {name} {first} at most in the second tenth, {last} in the last")
        if last > first + more:
            grew.append(name)
    return not grew


def draw(samples: list[dict[str, Any]], path: Path) -> None:
    """Draw memory, descriptors and threads against how much is done."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    mpl.rcParams.update({"svg.hashsalt": "kitro_np", "svg.fonttype": "none", "font.family": "sans-serif"})
    figure, pair = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for axes, what in zip(pair, ("bodies", "frames"), strict=True):
        own = [one for one in samples if one["what"] == what]
        if not own:
            axes.set_axis_off()
            continue
        done = [one["done"] / 1e6 for one in own]
        axes.plot(done, [one["memory_mb"] for one in own], color="#1b6ca8", label="memory, MB")
        for name, colour in (("descriptors", "#c8553d"), ("threads", "#588157")):
            axes.plot(done, [one[name] for one in own], color=colour, label=name)
        label = "bodies" if what == "bodies" else "frames of video"
        axes.set_title(f"{own[-1]['done'] / 1e6:g} million {label}", fontsize=10)
        axes.set(xlabel=f"millions of {what}", ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    pair[0].legend(frameon=False, loc="center right")
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    sys.exit(main())
