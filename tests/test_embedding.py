"""In other programs: threads, forks, pools of processes, event loops; nothing is printed, nothing hangs."""

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kitro_np

PACKAGE = Path(kitro_np.__file__).parent


needs_forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
needs_kernels = pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="takes long without kernels")


def embedded(name, *arguments, seconds=240):
    """Run a program of embedded.py, which must end in time and print its name only."""
    script = Path(__file__).with_name("embedded.py")
    command = [sys.executable, script, name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{name}\n", "")


@needs_forks
@needs_kernels
@pytest.mark.parametrize("name", ["forks", "pools"])
def test_calls_from(name):
    embedded(name)


@needs_forks
@needs_kernels
@pytest.mark.parametrize("delay", ["0.1", "0.3", "0.5", "0.8"])
def test_forks_during_first_calls_of_threads(delay):
    embedded("first_calls", delay)


@needs_forks
def test_forks_while_bodies_are_derived():
    """BLAS would hang in os.fork, or in the child: OpenBLAS ends its threads when a process forks."""
    embedded("bodies", seconds=60)


@needs_forks
@needs_kernels
def test_forks_wait_for_the_locks_that_compilations_take():
    """A release of Numba or llvmlite may move them, one of Python those of imports."""
    embedded("locks", seconds=60)


def test_only_the_command_line_prints():
    """And what is told on a terminal, where nobody has asked for a log."""
    printing = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\b(print|std(out|err)\.write)\(", path.read_text(encoding="utf-8"))
    }
    assert {name for name in printing if not name.startswith("cli/")} <= {"kernels/cache.py", "__main__.py"}


def test_the_example_of_a_service_answers_and_sends_away(monkeypatch):
    """Requests that are good, bad, and too many."""
    pytest.importorskip("fastapi")
    testclient = pytest.importorskip("fastapi.testclient")
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "examples"))
    import service
    import service_load

    body = json.loads(next(service_load.requests()))
    with testclient.TestClient(service.app) as client:
        found = client.post("/refine", json=body)
        assert found.status_code == 200
        assert found.json()["status"] == "REFINED"
        assert client.post("/refine", json={**body, "pose": 3}).status_code == 422
        far = client.post("/refine", json={**body, "transl": [0, 0, -4]})
        assert far.json()["status"] == "BEHIND_CAMERA"
        service.app.state.queue = asyncio.Queue(1)  # which nobody empties
        service.app.state.queue.put_nowait(None)
        assert client.post("/refine", json=body).status_code == 503
