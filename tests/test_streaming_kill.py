"""A run over shards is killed at random moments and resumed: every byte is as if nothing had happened.

Three times in the usual tests, fifty times with `pytest -m stress`.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from shards import DATA, hashes, write_some

import kitro_np

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups are killed")

SHARDS = 6


def start(folder, out, workers, *flags):
    where = ["refine", str(folder), "-o", str(out), "--workers", str(workers)]
    command = [sys.executable, "-m", "kitro_np", *where, *flags]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def whole(folder, out, workers):
    """Run once without interruption; return how long that takes."""
    began = time.monotonic()
    run = start(folder, out, workers)
    text = run.communicate()[0].decode()
    assert run.returncode == 0, text
    return time.monotonic() - began


def killed(folder, out, workers, moment):
    """Begin or resume a run, and kill it and all that it started at a moment; False if it ended before."""
    run = start(folder, out, workers, "--resume")
    try:
        run.wait(moment)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
    output = run.communicate()[0].decode()
    assert run.returncode in (0, -signal.SIGKILL), output
    check_names(out)
    return run.returncode != 0


def end(folder, out, workers):
    """Resume a run, and let it end."""
    run = start(folder, out, workers, "--resume")
    output = run.communicate()[0].decode()
    assert run.returncode == 0, output


def check_names(out):
    """Whatever has a shard's name is whole: it has the bytes that the manifest says, if that knows it."""
    path = out / "manifest.jsonl"
    if not path.exists():
        return
    found = hashes(out)
    for line in path.read_text().split("\n")[1:-1]:
        entry = json.loads(line)
        if "shard" in entry:
            assert found[entry["shard"]] == entry["output_sha256"]


def attack(tmp_path, kills, chain, size, workers):
    """Kill runs `kills` times in all, each up to `chain` times before it may end."""
    random.seed(0)
    folder = tmp_path / "in"
    write_some(folder, SHARDS, size=size)
    seconds = whole(folder, tmp_path / "whole", workers)
    expected, count = hashes(tmp_path / "whole"), 0
    while count < kills:
        out = tmp_path / f"killed after {count}, {seconds}"
        out.mkdir()
        for _ in range(min(chain, kills - count)):
            # Starting takes most of the time of a run so small; moments before that are a waste.
            if not killed(folder, out, workers, random.uniform(0.3, 1) * seconds):
                seconds *= 0.8  # the run that was timed was slower
                break
            count += 1
        end(folder, out, workers)
        assert hashes(out) == expected


def test_three_kills(tmp_path):
    kitro_np.refine(**DATA)  # compiles, so that the first run is as quick as the others
    attack(tmp_path, 3, 3, 4, 1)


@pytest.mark.stress
def test_fifty_kills(tmp_path):
    kitro_np.refine(**DATA)
    attack(tmp_path, 50, 5, 9, 2)
