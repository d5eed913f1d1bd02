"""Files that are written: whole or not at all, whatever happens to the process."""

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kitro_np import InputError
from kitro_np.safe_io.atomic_write import PARTIAL, atomic_file, atomic_write, check_output, clear_leftovers

posix = pytest.mark.skipif(os.name != "posix", reason="permissions, links and signals of POSIX")


@pytest.fixture(autouse=True)
def _new_process():
    """Folders are cleared once for a process: each test is a new one."""
    clear_leftovers.cache_clear()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_failure_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.npz"
    target.write_bytes(b"old")

    def fail(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        atomic_write(target, fail)
    assert target.read_bytes() == b"old"
    assert names_in(tmp_path) == ["a.npz"]


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_mode_is_kept(tmp_path, mode):
    target = tmp_path / "a.npz"
    target.write_bytes(b"old")
    target.chmod(mode)
    atomic_write(target, lambda file: file.write(b"new"))
    assert stat.S_IMODE(target.stat().st_mode) == mode
    assert target.read_bytes() == b"new"


@posix
def test_a_pipe_of_such_a_name_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / f"{PARTIAL}pipe")
    atomic_write(tmp_path / "a", lambda file: file.write(b"new"))
    assert names_in(tmp_path) == [f"{PARTIAL}pipe", "a"]


@posix
@pytest.mark.parametrize("mode", [None, 0o600, 0o666])
def test_others_cannot_write_to_what_is_not_shared(tmp_path, mode):
    target = tmp_path / "a"
    if mode is not None:
        target.touch()
        target.chmod(mode)
    with atomic_file(target, shared=False) as file:
        file.write(b"new")
    assert stat.S_IMODE(target.stat().st_mode) & 0o022 == 0
    assert target.read_bytes() == b"new"


@posix
def test_new_files_follow_the_umask_and_do_not_change_it(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", None)
    atomic_write(tmp_path / "a", lambda file: file.write(b"new"))
    (tmp_path / "b").write_bytes(b"as any other")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "b").stat().st_mode)


def test_it_is_on_the_disk_before_it_is_renamed(tmp_path, monkeypatch):
    done = []
    sync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("sync"), sync(handle))[1])
    monkeypatch.setattr(os, "replace", lambda old, new: (done.append("rename"), rename(old, new))[1])
    atomic_write(tmp_path / "a", lambda file: file.write(b"new"))
    assert done[:2] == ["sync", "rename"]


KILLED = """
import os, signal, sys
from pathlib import Path
from kitro_np.safe_io.atomic_write import atomic_file
with atomic_file(Path(sys.argv[1])) as file:
    file.write(b"half" * 100_000)
    file.flush()
    if sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    print("writing", flush=True)
    sys.stdin.readline()
"""


def start(target: Path, what: str) -> subprocess.Popen:
    command = [sys.executable, "-c", KILLED, str(target), what]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@posix
def test_what_a_killed_process_left_is_removed(tmp_path):
    with start(tmp_path / "a.npz", "kill") as process:
        assert process.wait() == -signal.SIGKILL
    assert [name.startswith(PARTIAL) for name in names_in(tmp_path)] == [True]
    atomic_write(tmp_path / "b.npz", lambda file: file.write(b"new"))
    assert names_in(tmp_path) == ["b.npz"]


@posix
def test_what_another_process_still_writes_is_not_removed(tmp_path):
    with start(tmp_path / "a.npz", "wait") as process:
        assert process.stdout.readline() == b"writing\n"
        atomic_write(tmp_path / "b.npz", lambda file: file.write(b"new"))
        assert len(names_in(tmp_path)) == 2
        process.communicate(b"\n")
        assert process.returncode == 0
    assert names_in(tmp_path) == ["a.npz", "b.npz"]
    assert (tmp_path / "a.npz").read_bytes() == b"half" * 100_000


def test_threads_write_one_file_each_whole(tmp_path):
    target = tmp_path / "a"

    def write(letter):
        for _ in range(20):
            clear_leftovers.cache_clear()  # the worst case: all clear at the same time
            atomic_write(target, lambda file: file.write(letter * 10_000))

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c", b"d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() in [letter * 10_000 for letter in (b"a", b"b", b"c", b"d")]
    assert names_in(tmp_path) == ["a"]


@pytest.mark.parametrize("letters", [200, 247, 255])
def test_long_names(tmp_path, letters):
    target = check_output(tmp_path / ("a" * (letters - 4) + ".npz"))
    with atomic_file(target) as file:
        file.write(b"new")
    assert target.read_bytes() == b"new"


@posix
def test_names_that_are_refused(tmp_path):
    for name, got in [("a" * 256, "256"), ("é" * 128, "256"), ("a\0b", "null")]:
        with pytest.raises(InputError, match=f"expected .*, got .*{got}"):
            check_output(tmp_path / name)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    other = tmp_path / "other"
    other.symlink_to(tmp_path / "third")
    (tmp_path / "third").symlink_to(other)
    for name in (loop, other):
        with pytest.raises(InputError, match="got a symbolic link to itself"):
            check_output(name)


@posix
def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "folder" / "file")
    atomic_write(check_output(link), lambda file: file.write(b"new"))
    assert link.is_symlink()
    assert names_in(tmp_path / "folder") == ["file"]
