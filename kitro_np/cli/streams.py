"""Standard input and output in the place of files: - as IN and as OUT, of .npz files."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ..errors import InputError
from ..export.registry import find_export
from .parser import Options

DASH = "-"

SUFFIX = ".npz"

MAGIC = b"PK"
"""How .npz files begin, which are zip archives."""

LIMIT = 4 << 30
"""Bytes of standard input that are read at most."""

CHUNK = 1 << 20
"""Bytes that are read at a time."""


def open_standard_streams() -> None:
    """Make standard streams usable: closed ones lead nowhere, and names that are no UTF-8 are escaped.

    A file that is opened while they are closed would take their numbers, and get what libraries print.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("r" if number == 0 else "w", encoding="utf-8"))  # noqa: SIM115 # for the process
        elif number and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def takes_output(options: Options) -> bool:
    """Whether a file goes to standard output."""
    return getattr(options, "output", None) == DASH


@contextmanager
def streams_as_files(options: Options) -> Iterator[dict[str, str]]:
    """Put paths of temporary files where options name standard input or output.

    Yields
    ------
    dict of str to str
        What these files are called. The output is written to standard output in the end.

    Raises
    ------
    InputError
        If an option names them that does not take them, or the input is no .npz file.
    """
    for flag, name in options.command.named(options, DASH):
        if name not in options.streams:
            raise InputError(
                f"{flag}: expected a name or a path, got -; standard input is read as IN of refine, eval, "
                f"convert and inspect, standard output is -o of refine, convert and simulate."
            )
    reads, writes = getattr(options, "input", None) == DASH, takes_output(options)
    if not reads and not writes:
        yield {}
        return
    if writes:
        _check_output(options)
    with TemporaryDirectory(prefix="kitro-np-") as folder:
        source, target = Path(folder, f"in{SUFFIX}"), Path(folder, f"out{SUFFIX}")
        if reads:
            _read_input(source)
            options.input = str(source)
        if writes:
            options.output = str(target)
        yield {str(source): "standard input", str(target): "standard output"}
        if writes:
            _write_output(target)


def _check_output(options: Options) -> None:
    if getattr(options, "json", False):
        raise InputError("--json: expected a file as -o, got -, as both would be on standard output.")
    if (form := getattr(options, "to", None)) is not None:
        export = find_export(Path(f"out{SUFFIX}"), form)
        if export.suffix != SUFFIX:
            raise InputError(f"--to: expected a format of {SUFFIX} files with -o -, got {export.name}.")
    if sys.stdout.isatty():
        raise InputError("-o: expected standard output to be a pipe or a file for -, got a terminal.")


def _read_input(path: Path) -> None:
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("standard input: expected a pipe or a file for -, got a terminal.")
    count = 0
    with path.open("wb") as file:
        while chunk := sys.stdin.buffer.read(CHUNK):
            if not count and not chunk.startswith(MAGIC):
                raise InputError(f"standard input: expected an {SUFFIX} file, got something else.")
            count += len(chunk)
            if count > LIMIT:
                raise InputError(f"standard input: expected at most {LIMIT >> 30} GiB, got more.")
            file.write(chunk)
    if not count:
        raise InputError(f"standard input: expected an {SUFFIX} file, got nothing.")


def _write_output(path: Path) -> None:
    if not path.exists():
        files = len([*path.parent.glob(f"{path.stem}*")])
        raise InputError(
            f"-o: expected a path where there is a file for each person, got - for {files} files."
        )
    with path.open("rb") as file:
        shutil.copyfileobj(file, sys.stdout.buffer, CHUNK)
    sys.stdout.buffer.flush()
