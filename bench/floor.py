"""What bounds each kernel: its vector operations, counted, against how fast this machine does them.

python bench/floor.py [--dtype float64]

The counts come from the kernels themselves, run in the interpreter on a tile whose lanes count what is
done with them. A kernel cannot take less time than its busiest kind of operation: multiplies and adds (a
multiply that feeds an add is one operation), divisions and square roots, loads, or stores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from timeit import repeat
from typing import Any

import numpy as np
from samples import make_batch

from kitro_np.kernels import lanes as lane_functions

STAGES = ("camera", "shape", "tree", "rotate")
KINDS = ("fused", "divide", "sqrt", "load", "store")
REPEATS = 2000


def count_operations(dtype: str) -> dict[str, dict[str, int]]:
    """Count the vector operations of each stage in one loop of Algorithm 1; needs NUMBA_DISABLE_JIT=1."""
    counts: Counter[str] = Counter()

    class Counted(np.ndarray):
        """Lanes that count what is done with them."""

        def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
            counts[ufunc.__name__] += 1
            plain = [np.asarray(value) if isinstance(value, Counted) else value for value in inputs]
            return getattr(ufunc, method)(*plain, **options).view(Counted)

    def counted(name: str, function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            counts[name] += 1
            found = function(*arguments)
            return None if found is None else found.view(Counted)

        return call

    # Before the kernels are imported, for they take these functions by name.
    for name in ("load", "store", "where", "full"):
        setattr(lane_functions, name, counted(name, getattr(lane_functions, name)))
    import twins

    layout, tile = _start(dtype)
    found = {}
    with np.errstate(all="ignore"):
        for stage in STAGES:
            start = twins.start_of(stage, tile)
            twins.tree.select_branches(layout, tile, False, True, True, False)
            counts.clear()
            twins.run(stage, layout, tile, start, 1)
            adds = counts["add"] + counts["subtract"]
            found[stage] = {
                "fused": max(counts["multiply"], adds),
                "divide": counts["divide"],
                "sqrt": counts["sqrt"],
                "load": counts["load"],
                "store": counts["store"],
            }
    return found


def measure_operations(dtype: str) -> dict[str, float]:
    """Seconds per vector operation of each kind, when nothing else is in the way."""
    from numba import njit

    from kitro_np.kernels.lanes import load, sqrt, store
    from kitro_np.kernels.tile import aligned_rows

    @njit
    def fused(rows, repeats):
        a, b, c, d = load(rows, 0), load(rows, 1), load(rows, 2), load(rows, 3)
        e, f, g, h = load(rows, 4), load(rows, 5), load(rows, 6), load(rows, 7)
        x, y = load(rows, 8), load(rows, 9)
        for _ in range(repeats):
            a, b, c, d = a * x + y, b * x + y, c * x + y, d * x + y
            e, f, g, h = e * x + y, f * x + y, g * x + y, h * x + y
        store(rows, 0, a + b + c + d + e + f + g + h)

    @njit
    def divide(rows, repeats):
        a, b, c, d, x = load(rows, 0), load(rows, 1), load(rows, 2), load(rows, 3), load(rows, 8)
        for _ in range(2 * repeats):
            a, b, c, d = x / a, x / b, x / c, x / d
        store(rows, 0, a + b + c + d)

    @njit
    def root(rows, repeats):
        a, b, c, d = load(rows, 0), load(rows, 1), load(rows, 2), load(rows, 3)
        for _ in range(2 * repeats):
            a, b, c, d = sqrt(a), sqrt(b), sqrt(c), sqrt(d)
        store(rows, 0, a + b + c + d)

    @njit
    def read(rows, repeats):
        # The fused multiply-add is hidden behind its two loads.
        a, b, c, d = load(rows, 0), load(rows, 1), load(rows, 2), load(rows, 3)
        for n in range(repeats):
            k = n & 31
            a, b = a + load(rows, k), b + load(rows, k + 1)
            c, d = c + load(rows, k + 2), d + load(rows, k + 3)
            a, b = a + load(rows, k + 4), b + load(rows, k + 5)
            c, d = c + load(rows, k + 6), d + load(rows, k + 7)
        store(rows, 0, a + b + c + d)

    @njit
    def write(rows, repeats):
        x = load(rows, 0)
        for n in range(repeats):
            k = 8 + (n & 7) * 8
            for i in range(8):
                store(rows, k + i, x)

    found = {}
    for kind, function in zip(KINDS, (fused, divide, root, read, write), strict=True):
        rows = aligned_rows(80, dtype)
        rows[:] = 1.0
        function(rows, 1)
        found[kind] = _best(lambda f=function, r=rows: f(r, REPEATS)) / (8 * REPEATS)
    return found


def measure_stages(dtype: str) -> dict[str, float]:
    """Seconds that each stage takes for one tile in one loop."""
    import twins

    layout, tile = _start(dtype)
    found = {}
    for stage in STAGES:
        start = twins.start_of(stage, tile)
        twins.run(stage, layout, tile, start, 1)
        found[stage] = _best(lambda s=stage, p=start: twins.run(s, layout, tile, p, 200)) / 200
    return found


def _start(dtype: str) -> tuple[Any, Any]:
    """Return the tree's layout, and a tile of bodies in the midst of a refinement."""
    import twins

    from kitro_np import load_body

    bodies = make_batch(lane_functions.lane_count(dtype), dtype)
    skeleton = load_body().skeleton
    return twins.start_tile(skeleton, bodies, np.zeros((len(bodies.pose), skeleton.num_joints)))


def _best(call: Callable[[], Any]) -> float:
    return min(repeat(call, number=1, repeat=30))


def main() -> None:
    """Print a table in Markdown: counts, the bound of each kind, what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.count:
        print(json.dumps(count_operations(options.dtype)))
        return
    own = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    run = [sys.executable, __file__, "--count", "--dtype", options.dtype]
    counts = json.loads(subprocess.run(run, env=own, check=True, capture_output=True, text=True).stdout)
    cost, stages = measure_operations(options.dtype), measure_stages(options.dtype)
    print(f"| a tile in one loop, {options.dtype} | {' | '.join(KINDS)} | bound by | floor | measured |")
    print(f"|{'---|' * (len(KINDS) + 4)}")
    for stage, own_counts in counts.items():
        times = {kind: own_counts[kind] * cost[kind] for kind in ("fused", "load", "store")}
        # One unit does both.
        times["divide, sqrt"] = sum(own_counts[kind] * cost[kind] for kind in ("divide", "sqrt"))
        bound = max(times, key=lambda kind: times[kind])
        cells = " | ".join(str(own_counts[kind]) for kind in KINDS)
        print(f"| {stage} | {cells} | {bound} | {1e6 * times[bound]:.2f} us | {1e6 * stages[stage]:.2f} us |")
    print(f"| ns an operation | {' | '.join(f'{1e9 * cost[kind]:.2f}' for kind in KINDS)} | | | |")


if __name__ == "__main__":
    main()
