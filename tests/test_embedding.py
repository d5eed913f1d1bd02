"""In other programs: threads, forks, pools of processes, event loops; nothing is printed, nothing hangs."""

import asyncio
import importlib.util
import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
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


class RefusedError(Exception):
    """Stands for FastAPI's HTTPException."""

    def __init__(self, status_code, detail=None, headers=None):
        self.status_code, self.detail = status_code, detail


@pytest.fixture
def examples(monkeypatch):
    """The scripts can be imported; where FastAPI is absent, with what stands for it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "examples"))
    if importlib.util.find_spec("fastapi") is None:
        stub = types.ModuleType("fastapi")
        stub.HTTPException, stub.Request = RefusedError, object
        stub.FastAPI = lambda **_: types.SimpleNamespace(post=lambda path: lambda function: function)
        monkeypatch.setitem(sys.modules, "fastapi", stub)
    yield
    for name in ("service", "service_load"):
        sys.modules.pop(name, None)


def one_person():
    import service_load

    return json.loads(next(service_load.requests()))


def test_the_example_of_a_service_answers_and_sends_away(examples):
    """Requests that are good, bad, and too many."""
    testclient = pytest.importorskip("fastapi.testclient")
    import service

    body = one_person()
    with testclient.TestClient(service.app) as client:
        found = client.post("/refine", json=body)
        assert found.status_code == 200
        assert found.json()["status"] == "REFINED"
        assert client.post("/refine", json={**body, "pose": 3}).status_code == 422
        far = client.post("/refine", json={**body, "transl": [0, 0, -4]})
        assert far.json()["status"] == "BEHIND_CAMERA"
        for content, status, said in REFUSED:
            refused = client.post("/refine", content=content(body))
            assert (refused.status_code, said in refused.text, len(refused.text) < 300) == (
                status,
                True,
                True,
            )
        service.app.state.queue = asyncio.Queue(1)  # which nobody empties
        service.app.state.queue.put_nowait(None)
        assert client.post("/refine", json=body).status_code == 503


def with_part(name, value):
    return lambda body: json.dumps({**body, name: value}).encode()


def with_number(name, text):
    """The request with one number of a part in other digits."""

    def content(body):
        part = np.array(body[name]).astype(object)
        part.flat[0] = "HERE"
        return json.dumps({**body, name: part.tolist()}).replace('"HERE"', text).encode()

    return content


REFUSED = [
    (with_number("pose", "1e39"), 422, "pose: expected finite numbers in float32, got others."),
    (with_number("pose", "NaN"), 422, "pose: expected finite"),
    (with_number("keypoints_2d", "-Infinity"), 422, "keypoints_2d: expected finite"),
    (with_number("betas", "1e300"), 422, "betas: expected finite"),
    (with_number("transl", str(10**400)), 422, "transl: expected"),
    (with_number("transl", "9" * 5000), 422, "request: expected JSON"),  # Python reads 4300 digits
    (with_number("intrinsics", "{}"), 422, "intrinsics: expected numbers of shape (3, 3), got"),
    (with_part("betas", None), 422, "betas: expected shape (10,), got ()."),
    (with_part("pose", "x" * 20_000), 422, "pose: expected numbers of shape (24, 3), got"),
    (with_part("pose", "x" * 10**6), 413, "request: expected at most 32768 bytes, got more."),
    (with_part("pose", [[0, 0, 0]] * 2_000_000), 413, "request: expected at most 32768 bytes"),
    (lambda body: b"[" * 30_000, 422, "request: expected JSON"),
    (lambda body: b"\xff", 422, "request: expected JSON"),
    (lambda body: b"[1]", 422, "request: expected an object, got list."),
    (lambda body: b"{}", 422, "pose: expected numbers of shape (24, 3), got none."),
]
"""Contents of requests of a person, how they are refused, and part of the sentence."""


class Sent:
    """A request that comes in parts, and counts those that were taken."""

    def __init__(self, content):
        self.content, self.taken = content, 0

    async def stream(self):
        for begin in range(0, len(self.content), 1000):
            self.taken += 1
            yield self.content[begin : begin + 1000]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("content", "status", "said"), REFUSED)
def test_the_example_of_a_service_refuses_in_one_short_sentence(examples, content, status, said):
    import service

    sent = Sent(content(one_person()))
    with pytest.raises(service.HTTPException) as caught:
        service.read(asyncio.run(service.receive(sent)))
    assert caught.value.status_code == status
    assert said in caught.value.detail
    assert caught.value.detail.isprintable()
    assert len(caught.value.detail) < 300
    assert sent.taken <= 33  # the rest is neither kept nor parsed


def test_the_example_of_a_service_reads_and_refines_what_is_sent(examples):
    import service

    person = one_person()
    bodies = [
        service.read(asyncio.run(service.receive(Sent(json.dumps(one).encode()))))
        for one in (person, {**person, "betas": [3e38] * 10}, {**person, "transl": [0, 0, -4]})
    ]
    answers = service.refine(bodies)
    assert [one["status"] for one in answers] == ["REFINED", "NOT_FINITE", "BEHIND_CAMERA"]
    json.dumps(answers, allow_nan=False)


def test_the_load_on_a_service_that_answers_nobody_is_told(monkeypatch, capsys, examples):
    import service_load

    monkeypatch.setattr(service_load, "client", lambda port, bodies, end: [(0.1, 503), (0.1, 500)])
    service_load.main(0, clients=2, seconds=0.1)
    assert "0 requests/s from 2 clients" in (said := capsys.readouterr().out)
    assert "2 sent away, 2 failed" in said
