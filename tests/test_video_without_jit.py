"""The kernels of videos in the interpreter, as tests/test_without_jit.py runs the others."""

import os
import subprocess
import sys
from pathlib import Path


def test_kernels_of_videos_in_the_interpreter(request):
    """Hands: a small body runs all of them but reflections and exchanges."""
    config = ["-c", str(request.config.inipath), "--rootdir", str(request.config.rootpath)]
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *config,
            str(Path(__file__).with_name("test_video_twins.py")), "-k", "test_twins and hands and float64",
        ],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
