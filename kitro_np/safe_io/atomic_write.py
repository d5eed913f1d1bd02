"""Atomic write: a file is written completely or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ..errors import InputError


def atomic_write(target: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file in the folder of `target`, then rename it to `target`."""
    handle, partial = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        os.chmod(partial, 0o666 & ~_umask())
        os.replace(partial, target)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def check_output(path: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Check that a file can be written, before the work that makes its content.

    Raises
    ------
    InputError
        If the file exists and `force` is not set; if it is a folder, pipe or device; or if its folder is
        missing or not writable.

    Returns
    -------
    Path
        The path to write to: for a symbolic link its target.
    """
    target = Path(path)
    if target.is_symlink():
        target = target.resolve()
    if target.is_dir():
        raise InputError(f"{target}: expected a file to write, got a folder.")
    if target.exists() and not target.is_file():
        # Renaming a file onto a device would replace it for every process.
        raise InputError(f"{target}: expected a file to write, got a device, a pipe or a socket.")
    if target.exists() and not force:
        raise InputError(
            f"{target}: expected a new file, got one that exists; pass --force (force=True) to overwrite it."
        )
    if not target.parent.is_dir():
        raise InputError(f"{target}: expected an existing folder, got {target.parent}, which does not exist.")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"{target}: expected a writable folder, got {target.parent}, which is read-only.")
    return target


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
