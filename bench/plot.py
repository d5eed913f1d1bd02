"""Draw bodies per second against batch size, from a run of the growth benchmark.

python -m pytest bench/test_growth.py -m growth --benchmark-json growth.json
python bench/plot.py growth.json -o bench/growth.svg
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

ANCHORS = (
    (23, "authors' code, GPU, their log"),
    (3.8, "authors' code, 2 CPU threads"),
)
"""Bodies per second of the authors' released code, batches of 256 and 64."""

COLOURS = {1: "#1b6ca8", 2: "#c8553d"}


def main() -> None:
    """Read the run and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="file that --benchmark-json wrote")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    points: dict[tuple[str, int], list[tuple[int, float]]] = {}
    for case in json.loads(options.run.read_text())["benchmarks"]:
        found = case["extra_info"]
        points.setdefault((found["method"], found["threads"]), []).append(
            (found["count"], found["bodies_per_second"])
        )

    mpl.rcParams.update({"svg.hashsalt": "kitro_np", "svg.fonttype": "none", "font.family": "sans-serif"})
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for (method, threads), own in sorted(points.items()):
        counts, speeds = zip(*sorted(own), strict=True)
        label = f"{method}, {threads} thread{'s' if threads > 1 else ''}"
        line = "o-" if method == "map" else "s--"
        axes.loglog(counts, speeds, line, color=COLOURS.get(threads), label=label)
    for speed, label in ANCHORS:
        axes.axhline(speed, color="0.55", linewidth=1, linestyle="--")
        axes.annotate(
            label, (1, speed), xycoords=("axes fraction", "data"), ha="right", va="bottom", color="0.35"
        )
    axes.set(xlabel="bodies in a call", ylabel="bodies per second", ylim=(1, 1e6))
    axes.set_title("Whole refinements, float32", fontsize=10)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="center left")
    figure.savefig(options.output, metadata={"Date": None})


if __name__ == "__main__":
    main()
