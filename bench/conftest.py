"""What all benchmarks share: how a case is checked, timed on one thread, and shown."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from statistics import median
from time import perf_counter
from timeit import repeat
from typing import Any

import numpy as np
import pytest
from samples import make_batch
from threadpoolctl import threadpool_info, threadpool_limits

import kitro_np

SECONDS = 0.25
"""Time to spend on a case, in 5 to 300 rounds."""

SLOW = 0.6
"""Seconds from which on a case runs for one round only."""

BASELINE = Path(__file__).with_name("baseline.json")
"""Time of each case as a multiple of the yardstick's, see :func:`yardstick`."""

ALLOWED = 1.15
"""A case is slower than its baseline if it takes so many times as long, in the median of TRIES tries."""

TRIES = 5

FINDINGS = pytest.StashKey[list[tuple[str, float]]]()
RATIOS = pytest.StashKey[dict[str, float]]()
MARKS = ("first_call", "growth")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("kitro_np")
    group.addoption("--compare", action="store_true", help="fail cases that are slower than the baseline")
    group.addoption("--save-baseline", action="store_true", help="make this run the baseline")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "first_call: import and compile times in new processes; -m first_call")
    config.addinivalue_line("markers", "growth: up to a million bodies, speed and memory; -m growth")
    config.stash[FINDINGS] = []
    config.stash[RATIOS] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    unwanted = [mark for mark in MARKS if mark not in config.getoption("markexpr")]
    slow = [item for item in items if any(item.get_closest_marker(mark) for mark in unwanted)]
    items[:] = [item for item in items if item not in slow]
    config.hook.pytest_deselected(items=slow)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("save_baseline") and not session.testsfailed:
        found = session.config.stash[RATIOS]
        ratios = {**read_baseline(), **{name: float(f"{ratio:.4g}") for name, ratio in found.items()}}
        BASELINE.write_text(json.dumps(ratios, indent=1, sort_keys=True) + "\n")


@cache
def read_baseline() -> dict[str, float]:
    """Return ratios to the yardstick that were measured and committed earlier."""
    return json.loads(BASELINE.read_text()) if BASELINE.exists() else {}


def yardstick() -> float:
    """Seconds that NumPy takes for a fixed piece of arithmetic in the first cache, now, on this machine."""
    x = np.linspace(0.5, 1.5, 2048, dtype=np.float32)
    best = np.inf
    for _ in range(20):
        begin = perf_counter()
        for _ in range(20):
            np.sqrt(x * x + x)
        best = min(best, perf_counter() - begin)
    return best


def pytest_report_header() -> list[str]:
    kinds = {f"{p['internal_api']} for {p.get('architecture', 'this CPU')}" for p in threadpool_info()}
    lines = [f"BLAS: {', '.join(sorted(kinds))}"]
    if "OPENBLAS_CORETYPE" in os.environ:
        lines.append("OPENBLAS_CORETYPE is set: matrix products may be slower than this CPU allows.")
    return lines


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    findings = config.stash[FINDINGS]
    if not findings:
        return
    yardstick = next((time for name, time in findings if name == "test_forward_of[256-smplx]"), None)
    terminalreporter.section("time per body, best round (S: smplx forward, batch 256)")
    for name, time in findings:
        ratio = f"{time / yardstick:10.4f} S" if yardstick else ""
        shown = f"{time:12.3f} s " if time > 0.5 else f"{1e6 * time:12.3f} us"
        terminalreporter.write_line(f"{name:<52}{shown}{1 / time:14.1f} bodies/s{ratio}")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """BLAS on one thread; a case on more raises its own limit."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def findings(request: pytest.FixtureRequest) -> list[tuple[str, float]]:
    """Names and seconds per body for the summary below the benchmarks."""
    return request.config.stash[FINDINGS]


@pytest.fixture
def measure(
    benchmark: Any,
    request: pytest.FixtureRequest,
    findings: list[tuple[str, float]],
) -> Callable[..., None]:
    """Check what a call returns, then time it: the checked call also compiles and warms up.

    ``once`` is for slow calls that compile nothing: the only call is timed, then checked. ``gated`` cases
    are compared with the baseline: other libraries are not, nor is work on several threads, whose time hangs
    on what else the machine does.
    """

    name, config, baseline = request.node.name, request.config, read_baseline()

    def again(call: Callable[[], Any], rounds: int) -> float:
        stick = yardstick()
        times = repeat(call, number=1, repeat=rounds)
        return min(times) / min(stick, yardstick())

    def compare(call: Callable[[], Any], rounds: int, ratio: float) -> None:
        """Hold a ratio against the baseline, both medians; what seems slower is measured again."""
        ratios = [ratio]
        if config.getoption("save_baseline"):
            ratios += [again(call, rounds) for _ in range(TRIES - 1)]
        config.stash[RATIOS][name] = median(ratios)
        if not config.getoption("compare"):
            return
        assert name in baseline, "not in the baseline: add it with --save-baseline"
        allowed = ALLOWED * baseline[name]
        while median(ratios) > allowed and len(ratios) < TRIES:
            ratios.append(again(call, rounds))
        slower = median(ratios) / baseline[name]
        assert slower <= ALLOWED, f"{slower:.2f} times as long as the baseline"

    def run(
        call: Callable[[], Any],
        bodies: int,
        check: Callable[[Any], None],
        *,
        once: bool = False,
        gated: bool = True,
    ) -> None:
        if once:
            check(benchmark.pedantic(call))
        else:
            check(call())
            begin = perf_counter()
            call()
            seconds = perf_counter() - begin
            rounds = int(np.clip(SECONDS / seconds, 1 if seconds > SLOW else 5, 300))
            stick = yardstick()
            benchmark.pedantic(call, rounds=rounds)
            if benchmark.stats is not None and gated:
                compare(call, rounds, benchmark.stats.stats.min / min(stick, yardstick()))
        if benchmark.stats is not None:  # None under --benchmark-disable
            best = benchmark.stats.stats.min / bodies
            benchmark.extra_info.update(bodies=bodies, bodies_per_second=1 / best, us_per_body=1e6 * best)
            findings.append((request.node.name, best))

    return run


@pytest.fixture(scope="session")
def refined_joints() -> np.ndarray:
    """Joints of the distinct bodies as the reference refines them: the array engine in float64."""
    batch = make_batch(256)
    result = kitro_np.refine(*batch, method="kitro", engine="array", strict=True)
    return kitro_np.load_body().joints(result.pose, result.betas, result.transl, engine="array")
