"""What all tests share: recorded data, skeletons, compiled kernels, and hypothesis without chance."""

import time
from collections import Counter
from pathlib import Path

import backends
import numpy as np
import pytest
import recorded
from bodies import Batch, make_batch, make_skeleton
from hypothesis import settings

from kitro_np import Skeleton, load_body, refine, warmup
from kitro_np.arrays.engines import CPU_ENGINES
from kitro_np.body.model import KERNEL_DTYPES
from kitro_np.refinement.method import METHODS

DATA = Path(__file__).with_name("data")

settings.register_profile("kitro", derandomize=True, deadline=None, database=None, max_examples=60)
settings.load_profile("kitro")


LONG = ("stress",)
"""Markers of tests that run only if they are asked for with -m."""


def pytest_collection_modifyitems(config, items):
    """Deselect long tests, unless -m names their marker."""
    unwanted = [mark for mark in LONG if mark not in config.getoption("markexpr")]
    left_out = [item for item in items if any(item.get_closest_marker(mark) for mark in unwanted)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session", autouse=True)
def warm_kernels(request, tmp_path_factory):
    """Compile each kernel once, if processes share the tests: each takes a dtype that no other has begun.

    A process alone, which may want one test only, compiles what it meets.
    """
    if not hasattr(request.config, "workerinput"):
        return
    shared = tmp_path_factory.getbasetemp().parent  # of all processes of this run
    dtypes = [dtype.name for dtype in KERNEL_DTYPES]
    for dtype in dtypes:
        try:
            (shared / f"{dtype}-begun").mkdir()
        except FileExistsError:
            continue
        try:
            warmup(tuple(METHODS), (dtype,))
            skeleton = make_skeleton("chain")
            refine(*make_batch(skeleton, 2).astype(dtype), body=skeleton, uncertainty=True)
        finally:
            (shared / f"{dtype}-done").mkdir()
    patience = time.monotonic() + 60  # a process may have died
    while time.monotonic() < patience and not all((shared / f"{dtype}-done").exists() for dtype in dtypes):
        time.sleep(0.05)


def read_data(name: str) -> dict[str, np.ndarray]:
    with np.load(DATA / name) as file:
        return {key: file[key] for key in file.files}


@pytest.fixture(scope="session")
def trace():
    """64 bodies through the authors' algorithm, every intermediate result of 10 loops."""
    return read_data("kitro_reference_trace.npz")


@pytest.fixture(scope="session")
def trace_skeleton(trace):
    return Skeleton(trace["parents"], trace["joint_template"], trace["joint_shapedirs"])


@pytest.fixture(scope="session")
def sim():
    """64 simulated 3DPW-like bodies with their truth and the authors' algorithm's results."""
    return read_data("sim3dpw_excerpt.npz")


@pytest.fixture(scope="session")
def smplx_forward():
    """A synthetic body with pose blend shapes, posed by the package smplx."""
    return read_data("smplx_forward.npz")


@pytest.fixture(scope="session")
def open_body():
    return load_body("open")


@pytest.fixture(scope="session")
def recorded_body():
    """The body that recorded data are on: version 1 of the open body."""
    return load_body(recorded.BODY)


@pytest.fixture(scope="session")
def sim_batch(sim):
    """The excerpt's estimates and exact keypoints in float64; whoever writes to them copies them first."""
    keys = ("pred_theta", "pred_beta", "pred_cam", "keypoints_2d", "intrinsics")
    return Batch(*(sim[key] for key in keys)).astype(np.float64)


@pytest.fixture(scope="session")
def noisy_batch(sim, sim_batch):
    """The same with keypoints as noisy as a detector's."""
    return sim_batch._replace(keypoints_2d=sim["keypoints_2d_noisy"].astype(np.float64))


@pytest.fixture(params=CPU_ENGINES)
def engine(request):
    return request.param


@pytest.fixture(
    params=[pytest.param(n, marks=pytest.mark.gpu) if n in backends.ON_GPU else n for n in backends.BACKENDS]
)
def backend(request):
    """Every library that is installed."""
    found = backends.load_or_skip(request.param)
    # For the summary at the end of a run.
    request.node.user_properties.append(("backend", request.param))
    return found


def pytest_terminal_summary(terminalreporter):
    """Say how many tests ran on each backend."""
    counts = Counter(
        value
        for report in terminalreporter.stats.get("passed", [])
        for key, value in report.user_properties
        if key == "backend"
    )
    if counts:
        terminalreporter.section("tests passed on each backend")
        for name, count in counts.items():
            terminalreporter.write_line(f"{name}: {count}")
