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


def killed(folder, out, workers, moments):
    """Run, kill it and all that it started at each moment, let it end; return how many were killed."""
    count = 0
    for moment in moments:
        run = start(folder, out, workers, "--resume")
        try:
            run.wait(moment)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            count += 1
        output = run.communicate()[0].decode()
        assert run.returncode in (0, -signal.SIGKILL), output
        check_names(out)
    run = start(folder, out, workers, "--resume")
    output = run.communicate()[0].decode()
    assert run.returncode == 0, output
    return count


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


def attack(tmp_path, kills, rounds, size, workers):
    random.seed(0)
    folder = tmp_path / "in"
    write_some(folder, SHARDS, size=size)
    seconds = whole(folder, tmp_path / "whole", workers)
    expected, count = hashes(tmp_path / "whole"), 0
    for number in range(rounds):
        out = tmp_path / f"killed {number}"
        out.mkdir()
        # Starting takes most of the time of a run so small; moments before that are a waste.
        count += killed(
            folder, out, workers, [random.uniform(0.4, 1) * seconds for _ in range(kills // rounds)]
        )
        assert hashes(out) == expected
    return count


def test_three_kills(tmp_path):
    kitro_np.refine(**DATA)  # compiles, so that the first run is as quick as the others
    assert attack(tmp_path, 3, 1, 4, 1) >= 1


@pytest.mark.stress
def test_fifty_kills(tmp_path):
    assert attack(tmp_path, 70, 14, 9, 2) >= 50
