"""Machine code of the kernels on disk: where it is kept, and when it is out of date."""

import ast
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

import kitro_np
from kitro_np.kernels import jit

PACKAGE = Path(kitro_np.__file__).parent
NOWHERE = """
import warnings
from numba.core.caching import FunctionCache
def init(self, function):
    raise RuntimeError("cannot cache function: no locator available")
FunctionCache.__init__ = init
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("default")
    import numpy as np, kitro_np
    pose = np.broadcast_to(np.eye(3), (1, 24, 3, 3))
    assert kitro_np.load_body().joints(pose).shape == (1, 24, 3)
assert any("NUMBA_CACHE_DIR" in str(warning.message) for warning in caught)
"""


def test_every_module_that_kernels_import_counts():
    """Imports of plain Python beside the kernels count too: to compile once more than needed does no harm."""
    imported = set()
    for path in (PACKAGE / "kernels").rglob("*.py"):
        outside = 1 + len(path.relative_to(PACKAGE).parts[:-1])
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.level == outside:
                imported.add(f"{node.module.replace('.', '/')}.py")
    assert imported == set(jit.constants_from())
    assert {"adam.py", "posterior/priors.py", "refinement/validity.py"} < imported


@pytest.mark.parametrize("name", ["kernels/kitro/rays.py", "refinement/validity.py", "posterior/priors.py"])
def test_code_is_out_of_date_when_a_source_changes(tmp_path, name):
    shutil.copytree(PACKAGE, tmp_path / "kitro_np", ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    code = (
        "from kitro_np.kernels.body.skinning import pose_joints as f; "
        "print(f._cache._cache_file._source_stamp)"
    )
    own = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def stamp() -> str:
        run = [sys.executable, "-c", code]
        return subprocess.run(run, env=own, check=True, capture_output=True, text=True, cwd=tmp_path).stdout

    before = stamp()
    assert stamp() == before
    with (tmp_path / "kitro_np" / name).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert stamp() != before


@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="nothing is compiled")
def test_without_a_folder_to_write_kernels_run_and_a_warning_says_what_to_do():
    subprocess.run([sys.executable, "-c", NOWHERE], check=True)


TELL = """
import logging, sys
import numpy as np, kitro_np
{setup}
pose = np.broadcast_to(np.eye(3), (1, 24, 3, 3))
for dtype in (np.float64, np.float32):
    kitro_np.load_body().joints(pose.astype(dtype))
"""

LOGGED = "logging.basicConfig(level=logging.INFO, stream=sys.stdout)"
ON_A_TERMINAL = "sys.stderr.isatty = lambda: True"
BOTH = f"{LOGGED}; {ON_A_TERMINAL}"
WARNINGS = f"logging.basicConfig(stream=sys.stdout); {ON_A_TERMINAL}"


def run(code, cache):
    own = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run([sys.executable, "-c", code], env=own, check=True, capture_output=True, text=True)
    return done.stdout, done.stderr


@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="nothing is compiled")
def test_the_first_compilation_is_told_once_in_the_log_or_on_a_terminal(tmp_path):
    for number, (setup, where) in enumerate(
        ((LOGGED, 0), (ON_A_TERMINAL, 1), (BOTH, 0), (WARNINGS, 1), ("", None))
    ):
        said = run(TELL.format(setup=setup), tmp_path / str(number))
        assert [text.count("Compiling kernels") for text in said] == [int(where == k) for k in (0, 1)]
    assert run(TELL.format(setup=LOGGED), tmp_path / "0") == ("", "")


@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="nothing is compiled")
def test_an_index_of_another_version_or_a_damaged_one_is_compiled_anew(tmp_path):
    """As after an upgrade in place: Numba would fail on classes that have moved."""
    run(TELL.format(setup=""), tmp_path)
    indices = sorted(tmp_path.rglob("*.nbi"))
    assert indices
    for index in indices:
        index.write_bytes(pickle.dumps(numba.__version__) + b"cno_such_module\nNothing\n.")
    assert run(TELL.format(setup=LOGGED), tmp_path)[0].count("Compiling kernels") == 1
    assert run(TELL.format(setup=LOGGED), tmp_path) == ("", "")
