"""What a user waits for once: import, and the first refinement. Run with -m first_call.

CPU seconds of the first refinement alone, from import to result: -m first_call -k cpu.
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from samples import make_batch

pytestmark = pytest.mark.first_call

IMPORT = """
from time import perf_counter
begin = perf_counter()
import kitro_np
print(perf_counter() - begin)
"""

CPU = """
import sys
from time import process_time
import numpy as np
import kitro_np
with np.load(sys.argv[1]) as file:
    bodies = dict(file)
kitro_np.refine(**bodies, method=sys.argv[2])
print(process_time())
"""
"""What the process has used when the result is there, its start included: nothing else counts, unlike on a
clock, that other work on the machine slows down."""

REFINE = """
import sys
from time import perf_counter
import numpy as np
import kitro_np
with np.load(sys.argv[1]) as file:
    bodies = dict(file)
begin = perf_counter()
assert kitro_np.refine(**bodies, engine=sys.argv[2], safe=False).status == 0
print(perf_counter() - begin)
"""


def seconds_of(script: str, cache, *arguments: str) -> float:
    """Run a script in a new process; return the time that it prints."""
    own = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], env=own, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


@pytest.fixture
def report(benchmark, findings, request):
    """Time a script; what counts is what it prints, the benchmark's table has the whole process."""

    def run(script: str, cache, *arguments: str, rounds: int) -> None:
        times: list[float] = []
        benchmark.pedantic(lambda: times.append(seconds_of(script, cache, *arguments)), rounds=rounds)
        benchmark.extra_info.update(seconds=min(times), bodies_per_second=1 / min(times))
        findings.append((request.node.name, min(times)))

    return run


def test_import(report, tmp_path):
    seconds_of(IMPORT, tmp_path)  # Python writes its .pyc files
    report(IMPORT, tmp_path, rounds=5)


@pytest.fixture
def one_body(tmp_path):
    """A file with one body: to make it up takes kernels too, which would then be warm."""

    def write(dtype: str) -> str:
        np.savez(tmp_path / "body.npz", **make_batch(1, dtype)._asdict())
        return str(tmp_path / "body.npz")

    return write


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cache", ["empty", "warm"])
def test_first_refine(report, one_body, tmp_path, cache, dtype):
    file = one_body(dtype)
    if cache == "warm":
        seconds_of(REFINE, tmp_path, file, "numba")
    report(REFINE, tmp_path, file, "numba", rounds=1 if cache == "empty" else 3)


def test_first_refine_with_arrays(report, one_body, tmp_path):
    report(REFINE, tmp_path, one_body("float64"), "array", rounds=3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("method", ["kitro", "map"])
@pytest.mark.parametrize("cache", ["empty", "warm"])
def test_cpu_of_first_refine(report, one_body, tmp_path, cache, method, dtype):
    file = one_body(dtype)
    if cache == "warm":
        seconds_of(CPU, tmp_path, file, method)
    report(CPU, tmp_path, file, method, rounds=1 if cache == "empty" else 3)
