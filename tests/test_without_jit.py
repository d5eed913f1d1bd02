"""The kernels in the interpreter, where coverage and debuggers see them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LARGE = (
    "(test_any_tree and smpl) or (test_layouts and not (float32 and body25))"
    " or (test_each_exchange and float32) or (test_estimates and (wholebody133 or True or False))"
)
"""Seconds each, and no line of the kernels that smaller trees and one layout do not run."""

ONE_DTYPE = {"test_map_twins.py": " or (float32 and not (test_any_tree and chain))"}
"""Half of the time, and of the kernels' lines dtypes change only lanes: one tree shows these."""


LONG = pytest.param("test_map_twins.py", marks=pytest.mark.stress)


@pytest.mark.parametrize("twins", ["test_twins.py", "test_smplify_twins.py", LONG])
def test_twins_in_the_interpreter(request, twins):
    """Every twin, with NUMBA_DISABLE_JIT=1: lanes are NumPy vectors then."""
    config = ["-c", str(request.config.inipath), "--rootdir", str(request.config.rootpath)]
    which = [str(Path(__file__).with_name(twins)), "-k", f"not ({LARGE}{ONE_DTYPE.get(twins, '')})"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *config, *which],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
