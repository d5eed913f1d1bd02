"""The kernels in the interpreter, where coverage and debuggers see them."""

import os
import subprocess
import sys
from pathlib import Path

TWINS = ("test_twins.py", "test_smplify_twins.py", "test_map_twins.py")


def test_twins_in_the_interpreter(request):
    """Both dtypes of every twin, with NUMBA_DISABLE_JIT=1: lanes are NumPy vectors then."""
    twins = [str(Path(__file__).with_name(name)) for name in TWINS]
    config = ["-c", str(request.config.inipath), "--rootdir", str(request.config.rootpath)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *config, *twins],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
