"""Read changed files: only InputError and OSError may come out, in bounded time and memory.

    python tests/fuzz/drive.py READER|all [--seconds N | --executions N] [--seed N]

prints for each reader how many files were read, and how many of them had nothing wrong; a file that a reader
fails on is written to tests/fuzz/found/, with its error. Atheris, if it is installed, finds more by looking
at which lines are run: python tests/fuzz/with_atheris.py READER.
"""

import argparse
import random
import resource
import sys
import tempfile
import time
import tracemalloc
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from fuzz.mutate import changed  # noqa: E402
from fuzz.readers import READERS, UNBOUNDED  # noqa: E402

import kitro_np  # noqa: E402

LIMIT = 32 * 10**6
"""Memory that the contents of a file may take here, in bytes."""

MOST_MEMORY = 6 * LIMIT
"""Bytes that reading it may take: it converts numbers."""

MOST_SECONDS = 5.0


class ReaderError(AssertionError):
    """A reader took too long, too much memory, or raised something else."""


def corpus(reader):
    return [path.read_bytes() for path in sorted((HERE / "corpus").glob(f"{reader}-*"))]


def everything():
    return [path.read_bytes() for path in sorted((HERE / "corpus").iterdir())]


def read(reader, path):
    """Read a file; return whether nothing is wrong with it."""
    began = time.perf_counter()
    if tracemalloc.is_tracing():
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
    try:
        with kitro_np.memory_limit(LIMIT), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            READERS[reader][1](path)
        fine = True
    except kitro_np.InputError as error:
        fine, message = False, str(error)
        if not message.isprintable() or len(message) > 2100:
            raise ReaderError(f"a message that is not printable: {message[:200]!r}") from error
    except OSError:
        fine = False
    except (Exception, RecursionError) as error:
        raise ReaderError(f"{type(error).__name__}: {str(error)[:200]}") from error
    took = time.perf_counter() - began
    if took > MOST_SECONDS:
        raise ReaderError(f"{took:.1f} s")
    if tracemalloc.is_tracing():
        peak = tracemalloc.get_traced_memory()[1] - before
        if peak > MOST_MEMORY:
            raise ReaderError(f"{peak / 1e6:.0f} MB")
    return fine


def run(reader, folder, *, executions=None, seconds=None, seed=0):
    """Read changed files of a reader's corpus; return how many, how many of them were fine, and failures."""
    seeds, others = corpus(reader), everything()
    rng = random.Random(f"{reader} {seed}")
    path = Path(folder) / f"file{READERS[reader][0]}"
    count, fine, failures = 0, 0, []
    for data in seeds:  # unchanged, and what is loaded at first use
        path.write_bytes(data)
        assert read(reader, path), f"{reader}: something is wrong with a file of the corpus"
    end = None if seconds is None else time.monotonic() + seconds
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while count < executions if end is None else time.monotonic() < end:
        data = changed(rng.choice(seeds), others, rng)
        path.write_bytes(data)
        count += 1
        try:
            fine += read(reader, path)
            now = peak if count % 16 else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            if (now - peak) * 1024 > MOST_MEMORY and reader not in UNBOUNDED:
                peak = now
                raise ReaderError("memory of the process")
        except ReaderError as failure:
            failures.append((data, failure))
    return count, fine, failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reader", choices=["all", *READERS])
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--executions", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    how = {"executions": options.executions, "seconds": options.seconds, "seed": options.seed}
    if options.seconds is None and options.executions is None:
        how["executions"] = 1000
    status = 0
    for reader in READERS if options.reader == "all" else [options.reader]:
        with tempfile.TemporaryDirectory() as folder:
            count, fine, failures = run(reader, folder, **how)
        print(f"{reader}: {count:,} files, {fine:,} read, {len(failures)} failures", flush=True)
        kinds = {}
        for data, failure in failures:
            kinds.setdefault(str(failure)[:80], data)
        for number, (what, data) in enumerate(kinds.items()):
            (HERE / "found").mkdir(exist_ok=True)
            (HERE / "found" / f"{reader}-{options.seed}-{number}{READERS[reader][0]}").write_bytes(data)
            print(f"  {what}", flush=True)
        status |= bool(failures)
    return status


if __name__ == "__main__":
    sys.exit(main())
