"""Atomic write: a file is written completely or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InputError

try:
    import fcntl
except ImportError:  # Windows, where an open file can neither be removed nor renamed
    fcntl = None  # type: ignore[assignment]

PARTIAL = ".kitro-np-"
"""How names of files begin that are not whole yet."""

MOST_LETTERS = 255
"""Bytes of a file's name that usual file systems take."""


def atomic_write(target: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file in the folder of `target`, then rename it to `target`."""
    with atomic_file(target) as file:
        write(file)


@contextmanager
def atomic_file(target: Path, *, shared: bool = True) -> Iterator[BinaryIO]:
    """Give an open temporary file in the folder of `target`, renamed to `target` at the end.

    It has a name, for programs that write to names, and no other suffix than that of `target`. It is on the
    disk before it is renamed, so that after a loss of power `target` is the old file or the new one. An old
    file's permissions are kept. What a killed process left in the folder is removed.

    Parameters
    ----------
    target : Path
        As :func:`check_output` returns it.
    shared : bool
        Whether others may write to it, if the umask or the old file's permissions let them.
    """
    folder = Path(os.path.abspath(target.parent))
    clear_leftovers(folder)
    try:
        partial, file = _new_file(folder, target.suffix)
    except OSError as problem:  # of a name that nobody knows
        raise OSError(problem.errno, problem.strerror, str(target)) from None
    try:
        yield file
        file.flush()
        with suppress(PermissionError, AttributeError):  # no fchmod on Windows
            like = target.stat() if target.exists() else os.fstat(file.fileno())
            os.fchmod(file.fileno(), stat.S_IMODE(like.st_mode) & (0o7777 if shared else 0o7755))
        os.fsync(file.fileno())
        if fcntl is None:
            file.close()
        os.replace(partial, target)
        file.close()
        _sync_folder(folder)
    except BaseException as problem:
        if isinstance(problem, OSError) and problem.filename is None:  # such as a full disk
            problem.filename = str(target)
        with suppress(OSError):  # what is still buffered for a full disk
            file.close()
        partial.unlink(missing_ok=True)
        raise


@lru_cache(maxsize=256)
def clear_leftovers(folder: Path) -> None:
    """Remove what killed processes left in a folder, once for a process: large folders take long to list.

    Whoever still writes holds a lock, which ends with the process.
    """
    with suppress(OSError):
        for name in os.listdir(folder):
            if name.startswith(PARTIAL):
                _remove_unlocked(folder / name)


def check_output(
    path: str | os.PathLike[str], *, force: bool = False, suffixes: tuple[str, ...] = ()
) -> Path:
    """Check that a file can be written, before the work that makes its content.

    Raises
    ------
    InputError
        If the file exists and `force` is not set; if it is a folder, pipe or device; if its folder is missing
        or not writable; if its name is too long or a symbolic link to itself, or ends in none of `suffixes`,
        if any are given.

    Returns
    -------
    Path
        The path to write to: for a symbolic link its target.
    """
    target = Path(path)
    if suffixes and not target.name.lower().endswith(suffixes):
        known, got = " or ".join(suffixes), target.suffix or "none"
        raise InputError(f"{target}: expected a name that ends in {known}, got {got}.")
    if "\0" in str(target):
        raise InputError(f"{str(target)!r}: expected a file to write, got a name with a null byte.")
    if (found := len(os.fsencode(target.name))) > MOST_LETTERS:
        raise InputError(f"{target}: expected a name of up to {MOST_LETTERS} bytes, got {found}.")
    try:
        if target.is_symlink():
            target = Path(os.path.realpath(target))
        if target.is_symlink():
            raise InputError(f"{target}: expected a file to write, got a symbolic link to itself.")
        if target.is_dir():
            raise InputError(f"{target}: expected a file to write, got a folder.")
        exists = target.exists()
    except OSError as problem:  # a path that is too long
        raise InputError(f"{target}: expected a file to write, got {problem.strerror}.") from None
    if exists and not target.is_file():
        # Renaming a file onto a device would replace it for every process.
        raise InputError(f"{target}: expected a file to write, got a device, a pipe or a socket.")
    if exists and not force:
        raise InputError(
            f"{target}: expected a new file, got one that exists; pass --force (force=True) to overwrite it."
        )
    if not target.parent.is_dir():
        what = "is a file" if target.parent.exists() else "does not exist"
        raise InputError(f"{target}: expected an existing folder, got {target.parent}, which {what}.")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"{target}: expected a writable folder, got {target.parent}, which is read-only.")
    return target


def _new_file(folder: Path, suffix: str) -> tuple[Path, Any]:
    """Make a file that this process has locked, with the permissions that new files get."""
    while True:
        partial = folder / f"{PARTIAL}{secrets.token_hex(8)}{suffix if len(suffix) < 32 else ''}"
        file = partial.open("x+b")
        if fcntl is None:
            return partial, file
        with suppress(OSError):  # file systems without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        if partial.exists():  # else removed by another process before it was locked
            return partial, file
        file.close()


def _remove_unlocked(path: Path) -> None:
    with suppress(OSError):
        if not stat.S_ISREG(path.lstat().st_mode):
            return  # no file of ours, and a pipe would be waited for
        if fcntl is not None:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
        else:
            path.unlink()


def _sync_folder(folder: Path) -> None:
    """Put a new name on the disk, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
