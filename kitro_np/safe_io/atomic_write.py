"""Atomic write: a file is there as a whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ..errors import InputError


def atomic_write(target: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file beside `target`, which then takes its place at once."""
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
    """Say early whether a file can be written.

    Raises
    ------
    InputError
        If the file exists and `force` is not set, is a folder, pipe or device, or its folder is missing
        or closed.

    Returns
    -------
    Path
        Where the file itself goes: the target of a symbolic link.
    """
    target = Path(path)
    if target.is_symlink():
        target = target.resolve()
    if target.is_dir():
        raise InputError(f"{target}: expected a file to write, got a folder.")
    if target.exists() and not target.is_file():
        # To rename a file onto it would take its place for everyone.
        raise InputError(f"{target}: expected a file to write, got a device, a pipe or a socket.")
    if target.exists() and not force:
        raise InputError(f"{target}: expected a new file, it exists; pass --force to write over it.")
    if not target.parent.is_dir():
        raise InputError(f"{target}: expected a folder {target.parent} to write to, there is none.")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"{target}: expected a folder that can be written, {target.parent} cannot.")
    return target


def free_name(stem: str, suffix: str) -> Path:
    """Return the first of stem.suffix, stem-2.suffix, ... in this folder that does not exist."""
    count = 1
    while (path := Path(f"{stem}{'' if count == 1 else f'-{count}'}{suffix}")).exists():
        count += 1
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
