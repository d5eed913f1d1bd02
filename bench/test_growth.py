"""Speed and memory from a hundred bodies to a million, float32. Run with -m growth."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.growth

SCRIPT = """
import json, sys
from time import perf_counter
import numpy as np
from samples import DISTINCT, make_batch
import kitro_np
count, threads, method = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
how = {"method": method, "threads": threads, **({"safe": False} if method == "map" else {})}
kitro_np.refine(*make_batch(600, "float32"), **how)
bodies = make_batch(count, "float32")
times = []
for _ in range(1 if count > 100_000 else 5):
    result = None
    begin = perf_counter()
    result = kitro_np.refine(*bodies, **how)
    times.append(perf_counter() - begin)
assert not result.status.any()
# Bodies repeat, and each must come out as its first copy does, wherever it stands.
some = [*range(0, count, max(1, count // 1000))]
assert all(np.array_equal(result.pose[i], result.pose[i % DISTINCT]) for i in some)
with open("/proc/self/status") as status:  # of this process alone: rusage starts at its parent's
    peak = int(next(line for line in status if line.startswith("VmHWM")).split()[1])
held = sum(part.nbytes for part in (*bodies, *vars(result).values()) if part is not None)
print(json.dumps([count / min(times), 1024 * peak, held]))
"""

COUNTS = (100, 1_000, 10_000, 100_000, 1_000_000)

ALLOWED_MB = 200
"""Memory of the whole process, Python and compiler included, besides inputs and outputs."""


def measure_growth(count: int, threads: int, method: str) -> tuple[float, float, float]:
    """Bodies per second, peak memory of the process, and bytes of inputs and outputs."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(count), str(threads), method],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
    )
    speed, peak, held = json.loads(done.stdout)
    return speed, peak, held


METHODS = ("map", "kitro")

SPEEDS: dict[tuple[str, int], list[float]] = {}
"""Of earlier cases, by method and threads."""


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Kernels on disk: to compile them takes memory too, once."""
    for method in METHODS:
        measure_growth(1, 1, method)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("count", COUNTS)
def test_growth(benchmark, findings, request, count, threads, method):
    found = []
    benchmark.pedantic(lambda: found.append(measure_growth(count, threads, method)))
    speed, peak, held = found[0]
    over = (peak - held) / 1e6
    benchmark.extra_info.update(
        count=count, threads=threads, method=method, bodies_per_second=speed, peak_mb=peak / 1e6, over_mb=over
    )
    assert over < ALLOWED_MB
    if count >= 1000:
        speeds = SPEEDS.setdefault((method, threads), [])
        speeds.append(speed)
        assert min(speeds) > 0.8 * max(speeds), "bodies per second from 1,000 bodies on"
    findings.append((f"{request.node.name} ({over:.0f} MB besides arrays)", 1 / speed))
