"""What all benchmarks share: how a case is checked, timed on one thread, and shown."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from samples import make_batch
from threadpoolctl import threadpool_info, threadpool_limits

import kitro_np

SECONDS = 0.25
"""Time to spend on a case, in 5 to 50 rounds."""

SLOW = 0.6
"""Seconds from which on a case runs for one round only."""

FINDINGS = pytest.StashKey[list[tuple[str, float]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "first_call: import and compile times in new processes; -m first_call")
    config.stash[FINDINGS] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "first_call" in config.getoption("markexpr"):
        return
    slow = [item for item in items if item.get_closest_marker("first_call")]
    items[:] = [item for item in items if item not in slow]
    config.hook.pytest_deselected(items=slow)


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
    benchmark: Any, request: pytest.FixtureRequest, findings: list[tuple[str, float]]
) -> Callable[..., None]:
    """Check what a call returns, then time it: the checked call also compiles and warms up.

    ``once`` is for slow calls that compile nothing: the only call is timed, then checked.
    """

    def run(
        call: Callable[[], Any], bodies: int, check: Callable[[Any], None], *, once: bool = False
    ) -> None:
        if once:
            check(benchmark.pedantic(call))
        else:
            check(call())
            begin = perf_counter()
            call()
            seconds = perf_counter() - begin
            rounds = int(np.clip(SECONDS / seconds, 1 if seconds > SLOW else 5, 50))
            benchmark.pedantic(call, rounds=rounds)
        if benchmark.stats is not None:  # None under --benchmark-disable
            best = benchmark.stats.stats.min / bodies
            benchmark.extra_info.update(bodies=bodies, bodies_per_second=1 / best, us_per_body=1e6 * best)
            findings.append((request.node.name, best))

    return run


@pytest.fixture(scope="session")
def refined_joints() -> np.ndarray:
    """Joints of the distinct bodies as the reference refines them: the array engine in float64."""
    batch = make_batch(256)
    result = kitro_np.refine(*batch, engine="array", strict=True)
    return kitro_np.load_body().joints(result.pose, result.betas, result.transl, engine="array")
