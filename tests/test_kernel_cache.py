"""Machine code of the kernels on disk: where it is kept, when it is out of date, what is never executed."""

import ast
import errno
import importlib.util
import logging
import os
import shutil
import signal
import subprocess
import sys
import warnings
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import config
from numba.core.caching import FunctionCache

import kitro_np
from kitro_np.kernels import cache
from kitro_np.kernels.jit import entry
from kitro_np.safe_io.atomic_write import PARTIAL

PACKAGE = Path(kitro_np.__file__).parent

compiles = pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="nothing is compiled")
owners = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owners")


def double(numbers):
    for k in range(numbers.size):
        numbers[k] *= 2


def call(dtype=np.float64):
    """Compile or load a kernel, as in a new process, and call it: whether it was loaded."""
    kernel = entry(double)
    numbers = np.arange(3, dtype=dtype)
    kernel(numbers)
    np.testing.assert_array_equal(numbers, [0, 2, 4])
    return bool(kernel.stats.cache_hits)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where kernels of this file are kept, of which there are none."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "_WARNED", [])
    return Path(entry(double)._cache.cache_path)


def files(folder):
    return sorted(path for path in folder.iterdir() if path.is_file())


# --------------------------------------------------------------------------------------------- out of date


def test_every_module_that_kernels_import_counts():
    """Imports of plain Python beside the kernels count too: to compile once more than needed does no harm."""
    imported = set()
    for path in (PACKAGE / "kernels").rglob("*.py"):
        outside = 1 + len(path.relative_to(PACKAGE).parts[:-1])
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and node.level == outside:
                imported.add(f"{node.module.replace('.', '/')}.py")
    assert imported == set(cache.constants_from())
    assert {"adam.py", "posterior/priors.py", "refinement/validity.py"} < imported


def test_code_is_out_of_date_when_a_source_changes(tmp_path):
    copy = tmp_path / "kitro_np"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    number = count()

    def stamp() -> str:
        spec = importlib.util.spec_from_file_location(
            f"kitro_np.kernels.cache_{next(number)}", copy / "kernels" / "cache.py"
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.all_sources()

    stamps = [stamp()]
    assert stamp() == stamps[0]
    for name in ("kernels/kitro/rays.py", "refinement/validity.py", "posterior/priors.py"):
        with (copy / name).open("a", encoding="utf-8") as file:
            file.write("# changed\n")
        stamps.append(stamp())
    assert len(set(stamps)) == 4


@compiles
def test_files_of_other_sources_are_compiled_anew_and_removed(folder, monkeypatch):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{PARTIAL}crashed.nbc").write_bytes(b"half")
    assert not call()
    assert call()
    (before,) = files(folder)
    (folder / "other.nbc").write_bytes(b"")
    monkeypatch.setattr(cache, "all_sources", lambda: 64 * "0")
    assert not call()
    assert call()
    left = files(folder)
    assert before not in left
    assert folder / "other.nbc" in left


# ------------------------------------------------------------------------------------------------- damaged


DAMAGE = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:-1],
    "cut in its digest": lambda data: data[:9],
    "longer": lambda data: data + b"\0",
    "flipped": lambda data: data[:-99] + bytes([data[-99] ^ 1]) + data[-98:],
    "zeros": lambda data: bytes(len(data)),
    "not a file of ours": lambda data: b"cno_such_module\nNothing\n.",
}


@compiles
def test_a_damaged_file_is_compiled_anew_and_replaced(folder):
    call()
    call(np.float32)
    both = files(folder)
    whole = both[0].read_bytes()
    for name, damage in DAMAGE.items():
        both[0].write_bytes(damage(whole))
        assert sorted([call(), call(np.float32)]) == [False, True], name
    assert call()
    assert call(np.float32)
    both[0].write_bytes(both[1].read_bytes())  # as after a repair of the file system
    assert sorted([call(), call(np.float32)]) == [False, True]
    assert files(folder) == both


@compiles
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_in_place_of_a_file_is_not_waited_for_and_replaced(folder):
    """Also one that somebody writes to."""
    call()
    (path,) = files(folder)
    whole = path.read_bytes()
    for written in (None, whole):
        path.unlink()
        os.mkfifo(path)
        signal.alarm(60)  # ends the tests where it waits
        try:
            if written is not None:
                pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK)
                os.write(pipe, written[:4096])
            assert not call()
        finally:
            signal.alarm(0)
            if written is not None:
                os.close(pipe)
        assert path.is_file()
        assert call()


@compiles
def test_a_folder_in_place_of_a_file_is_replaced_or_a_warning(folder):
    call()
    (path,) = files(folder)
    path.unlink()
    path.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not call()
        assert call()
    path.unlink()
    path.mkdir()
    (path / "of somebody").touch()
    with pytest.warns(RuntimeWarning, match="anew in every process: they could not be written") as caught:
        loaded = [call(), call()]
    assert loaded == [False, False]
    assert len(caught) == 1
    assert os.listdir(path) == ["of somebody"]
    assert files(folder) == []


def test_a_folder_among_files_of_other_sources_keeps_none_of_them(tmp_path, monkeypatch):
    own = cache.CodeFiles(tmp_path, "kernel")
    monkeypatch.setattr(Path, "iterdir", lambda folder: iter(sorted(folder.glob("*"))))
    (tmp_path / "kernel.a.nbc").mkdir()
    (tmp_path / "kernel.b.nbc").write_bytes(b"old")
    own.save("key", 1)
    assert not (tmp_path / "kernel.b.nbc").exists()
    assert own.load("key") == 1


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_no_flipped_byte_is_loaded(tmp_path_factory, place, mask):
    own = cache.CodeFiles(tmp_path_factory.getbasetemp(), "flipped")
    own.save("key", [*range(99)])
    (path,) = (path for path in files(own.folder) if path.name.startswith("flipped"))
    data = bytearray(path.read_bytes())
    assert own.load("key") == [*range(99)]
    data[place % len(data)] ^= mask
    path.write_bytes(data)
    assert own.load("key") is None


@compiles
def test_a_full_disk_is_a_warning(folder, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(RuntimeWarning, match=r"anew in every process: .*No space left") as caught:
        loaded = [call(), call()]
    assert loaded == [False, False]
    assert len(caught) == 1
    assert files(folder) == []


# ------------------------------------------------------------------------------------------------- by whom


def refuse(path):
    said = r"others can write to .*so that it is not read\. Set NUMBA"
    with pytest.warns(RuntimeWarning, match=said) as caught:
        loaded = [call(), call()]
    assert loaded == [False, False]
    assert len(caught) == 1
    assert path.exists()


@compiles
@owners
@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_folder_that_others_can_write_to_is_not_read(folder, mode):
    call()
    (path,) = files(folder)
    written = path.stat().st_mtime_ns
    folder.chmod(mode)
    refuse(path)
    assert files(folder) == [path]
    assert path.stat().st_mtime_ns == written
    folder.chmod(0o755)
    assert call()


@compiles
@owners
@pytest.mark.skipif(getattr(os, "geteuid", int)() != 0, reason="only the superuser gives files away")
def test_what_others_own_is_not_read(folder):
    call()
    (path,) = files(folder)
    os.chown(folder, 4711, -1)
    refuse(path)
    os.chown(folder, os.geteuid(), -1)
    os.chown(path, 4711, -1)  # from when the folder was open
    assert not call()
    assert path.stat().st_uid == os.geteuid()
    assert call()


@compiles
@owners
def test_an_empty_folder_made_under_a_loose_umask_is_closed(folder):
    folder.chmod(0o775)
    assert not call()
    assert folder.stat().st_mode & 0o022 == 0
    assert call()


@compiles
def test_without_a_folder_to_write_kernels_run_and_a_warning_says_what_to_do(folder, monkeypatch):
    def nowhere(self, function):
        raise RuntimeError("cannot cache function: no locator available")

    monkeypatch.setattr(FunctionCache, "__init__", nowhere)
    with pytest.warns(RuntimeWarning, match="NUMBA_CACHE_DIR"):
        loaded = call()
    assert not loaded
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # said once
        assert not call()


# ----------------------------------------------------------------------------------------------- announced


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_compilation_is_told_in_the_log_or_on_a_terminal(caplog, capsys, monkeypatch, level, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with caplog.at_level(level, logger="kitro_np"):
        cache.announce_compilation.__wrapped__()
    logged = level == logging.INFO
    assert caplog.text.count("Compiling kernels") == logged
    assert capsys.readouterr().err.count("Compiling kernels") == (terminal and not logged)


TELL = """
import logging, sys
import numpy as np, kitro_np
logging.basicConfig(level=logging.INFO, stream=sys.stdout)
pose = np.broadcast_to(np.eye(3), (1, 24, 3, 3))
for dtype in (np.float64, np.float32):
    kitro_np.load_body().joints(pose.astype(dtype))
"""


@compiles
def test_the_first_compilation_is_told_once(tmp_path):
    own = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    for told in (1, 0):
        run = [sys.executable, "-c", TELL]
        done = subprocess.run(run, env=own, check=True, capture_output=True, text=True)
        assert (done.stdout.count("Compiling kernels"), done.stderr) == (told, "")
