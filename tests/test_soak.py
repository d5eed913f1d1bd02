"""Long runs: the needs of a process do not grow with what it has done."""

import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[1] / "bench" / "soak.py"


@pytest.mark.stress
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_long_run_needs_no_more_than_a_short_one(tmp_path):
    """A fifth of what bench/soak.py does by itself: memory, descriptors and threads stay as they were."""
    about = ["--bodies", "2_000_000", "--frames", "200_000", "-o", str(tmp_path / "soak.csv")]
    run = subprocess.run([sys.executable, str(SOAK), *about], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / "soak.csv").read_text().count("\n") > 10
