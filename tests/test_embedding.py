"""In other programs: threads, forks, pools of processes, event loops; nothing is printed, nothing hangs."""

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import kitro_np
from kitro_np.arrays.forks import compiler_locks

PACKAGE = Path(kitro_np.__file__).parent


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="takes long without kernels")
@pytest.mark.parametrize("name", ["forks", "pools"])
def test_calls_from(name):
    script = Path(__file__).with_name("embedded.py")
    done = subprocess.run([sys.executable, script, name], capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{name}\n", "")


def test_forks_wait_for_the_locks_that_compilations_take():
    """A release of Numba or llvmlite may move them."""
    import numba  # noqa: F401

    locks = compiler_locks()
    assert len(locks) == 2
    assert all(isinstance(lock, type(threading.RLock())) for lock in locks)


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
