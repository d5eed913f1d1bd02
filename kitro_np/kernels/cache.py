"""Cache: machine code of kernels on disk, which is executed only as it was written, and by whom it may be.

Numba's own cache trusts what it finds: a file that a power cut left half written, or of which a bit has
flipped, fails every call or kills the process, and whoever can write to the folder decides what runs.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import re
import stat
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.serialize import dumps

from ..safe_io.atomic_write import atomic_file

_LOG = logging.getLogger("kitro_np")


class KernelCache(FunctionCache):
    """Numba's cache on disk, valid for the sources of all kernels, in files that are checked.

    It lies beside this file or, if that folder is not writeable, in the user's cache folder;
    ``NUMBA_CACHE_DIR`` overrides both. Numba itself checks the entry's file only, and would keep using
    machine code after changes of kernels in other files. What cannot be read is compiled, and what cannot be
    written is compiled anew in the next process.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        files: Any = CodeFiles(Path(self.cache_path), self._impl.filename_base)
        self._cache_file = files

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return cached machine code; if there is none, announce its compilation."""
        try:
            code = super().load_overload(sig, target_context)
        except Exception:  # of another version, although it was written as it is read
            code = None
        if code is None:
            announce_compilation()
        return code

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep machine code for other processes; if the disk is full or read-only, only warn."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            warn_of_compiling_anew(f"they could not be written to {self.cache_path} ({error.strerror})")


class CodeFiles:
    """Files of one kernel's machine code: one for each signature and CPU, named by a digest of these.

    A file is the digest of all else, and a pickle. Nothing refers to a file but its name, so that processes
    that write at the same time cannot mix up theirs.

    Parameters
    ----------
    folder : Path
    base : str
        With which the names of the kernel's files begin.
    """

    def __init__(self, folder: Path, base: str) -> None:
        self.folder, self.base = folder, f"{base}."

    def load(self, key: Any) -> Any:
        """Return what was saved; None if there is nothing, or it is not what was saved, or by others."""
        if not _is_ours(self.folder):
            return None
        name = self._name(key)
        try:
            with open(self.folder / name, "rb", opener=_without_waiting) as file:
                about = os.fstat(file.fileno())
                # Not a file that others wrote before the folder was closed to them, nor a pipe.
                data = file.read() if stat.S_ISREG(about.st_mode) and _only_trusted_write(about) else b""
        except OSError:
            return None
        digest = _digest(name, memoryview(data)[_DIGEST:])
        return pickle.loads(memoryview(data)[_DIGEST:]) if data[:_DIGEST] == digest else None

    def save(self, key: Any, data: Any) -> None:
        """Write a file, completely or not at all, and remove those of other versions of the sources."""
        if not _is_ours(self.folder):
            return
        name, content = self._name(key), dumps(data)
        with suppress(OSError):
            (self.folder / name).rmdir()  # renaming replaces anything else, but no folder
        with atomic_file(self.folder / name, shared=False) as file:
            file.write(_digest(name, content) + content)
        self.flush()

    def flush(self) -> None:
        """Remove files of other versions of the sources."""
        with suppress(OSError):
            for path in self.folder.iterdir():
                if path.name.startswith(self.base) and not path.name.startswith(self._current):
                    with suppress(OSError):  # a folder, which is no reason to keep the others
                        path.unlink()

    @property
    def _current(self) -> str:
        return f"{self.base}{all_sources()[:16]}."

    def _name(self, key: Any) -> str:
        about = hashlib.sha256(repr((numba.__version__, key)).encode()).hexdigest()
        return f"{self._current}{about[:32]}.nbc"


_DIGEST = hashlib.sha256().digest_size


def _without_waiting(path: str, flags: int) -> int:
    """Open a file, or a pipe without waiting for who writes to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _digest(name: str, content: bytes | memoryview) -> bytes:
    """Return the digest of a file: of its name too, so that no file stands in for another."""
    digest = hashlib.sha256(name.encode())
    digest.update(content)
    return digest.digest()


def _is_ours(folder: Path) -> bool:
    """Whether machine code may be read from a folder: nobody else can write to it. If not, say so once."""
    try:
        about = folder.stat()
    except OSError:
        return True  # there is nothing to read, and whoever writes makes it
    if _only_trusted_write(about):
        return True
    with suppress(OSError):
        if about.st_uid == os.geteuid() and not about.st_mode & 0o002 and not any(folder.iterdir()):
            folder.chmod(about.st_mode & 0o755)  # made a moment ago, under a umask that lets the group write
            return True
    warn_of_compiling_anew(f"others can write to {folder}, where they are kept, so that it is not read")
    return False


def _only_trusted_write(about: os.stat_result) -> bool:
    """Whether a file or folder belongs to this user, and only this user can write to it.

    The superuser, and who can write to this package's own folder, could as well change the package.
    """
    if not hasattr(os, "geteuid"):  # Windows has no such modes
        return True
    package = _package()
    if about.st_uid not in (os.geteuid(), 0, package.st_uid):
        return False
    shared = about.st_mode & 0o020 and not (package.st_mode & 0o020 and package.st_gid == about.st_gid)
    return not shared and not about.st_mode & 0o002


@cache
def _package() -> os.stat_result:
    return Path(__file__).parent.stat()


def warn_of_compiling_anew(reason: str) -> None:
    """Warn once per process that kernels are compiled in every process, and say what to do."""
    if not _WARNED:
        _WARNED.append(reason)
        warnings.warn(
            f"kitro_np compiles its kernels anew in every process: {reason}. "
            "Set NUMBA_CACHE_DIR to a folder that can be written, by you alone.",
            RuntimeWarning,
            stacklevel=3,
        )


_WARNED: list[str] = []


@cache
def announce_compilation() -> None:
    """Announce once per process why the first call is slow: to the log or, without a log, to a terminal."""
    line = "Compiling kernels, once on this machine: some seconds (kitro-np warmup does it ahead of time)."
    _LOG.info(line)
    logged = _LOG.hasHandlers() and _LOG.isEnabledFor(logging.INFO)
    if not logged and sys.stderr is not None and sys.stderr.isatty():
        print(f"kitro_np: {line}", file=sys.stderr)


_IMPORTS = re.compile(r"^from (\.+)([\w.]+) import", re.MULTILINE)


def constants_from(kernels: Mapping[Path, str] | None = None) -> list[str]:
    """Return the modules beside the kernels that these import: their constants are compiled into kernels."""
    folder = Path(__file__).parent
    outside = set()
    for path, text in (kernels or _kernel_sources()).items():
        depth = len(path.relative_to(folder).parts)
        for dots, module in _IMPORTS.findall(text):
            if len(dots) > depth:
                outside.add(module.replace(".", "/") + ".py")
    return sorted(outside)


def _kernel_sources() -> dict[Path, str]:
    paths = sorted(Path(__file__).parent.rglob("*.py"))
    return {path: path.read_text(encoding="utf-8") for path in paths}


@cache
def all_sources() -> str:
    """Return a digest of the sources of all kernels, and of the modules that they import."""
    kernels, package = _kernel_sources(), Path(__file__).parent.parent
    digest = hashlib.sha256()
    for text in kernels.values():
        digest.update(text.encode())
    for name in constants_from(kernels):
        digest.update((package / name).read_bytes())
    return digest.hexdigest()
