"""Pool: worker processes of this machine, one for a core; where one dies, another does its shard."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, NamedTuple

from ..errors import InputError
from .job import Job
from .manifest import ShardEntry
from .refiner import Refiner

TRIES = 2
"""Workers that a shard may take along before it is set aside."""

START = "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
"""What a worker runs: the parent's script is not run again, as with multiprocessing's spawn."""

ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL", "NUMBA")}

FRUGAL = {
    "ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "4000000",
}  # fmt: skip
"""Memory goes back to the system after each batch, instead of being kept: a third less for a worker."""


class Event(NamedTuple):
    """What happened: rows that are done, or an entry for the manifest."""

    rows: int = 0
    entry: ShardEntry | None = None


def run_on_cores(
    jobs: Sequence[Job], refiner: Refiner, workers: int, folder: Path
) -> Generator[Event, None, None]:
    """Refine shards on worker processes, and yield what happens.

    Raises
    ------
    OSError
        If a result cannot be written.
    """
    waiting, events = deque((job, 0) for job in jobs), SimpleQueue[Any]()
    hands = [_Hand(waiting, events, refiner, folder) for _ in range(min(workers, len(jobs)))]
    left = len(jobs)
    try:
        for hand in hands:
            hand.start()
        while left:
            event = events.get()
            if isinstance(event, BaseException):
                raise event
            left -= event.entry is not None
            yield event
    finally:
        waiting.clear()
        for hand in hands:
            hand.stop()
        for hand in hands:
            hand.join()


class _Hand(Thread):
    """A thread that gives jobs to a worker, and a new worker to what a dead one left."""

    def __init__(self, waiting: deque[tuple[Job, int]], events: Any, refiner: Refiner, folder: Path) -> None:
        super().__init__(daemon=True)
        self._waiting, self._events = waiting, events
        self._first = pickle.dumps((refiner, folder))
        self._worker: subprocess.Popen[bytes] | None = None
        self._lock, self._stopped = Lock(), False

    def run(self) -> None:
        try:
            while not self._stopped:
                try:
                    job, tries = self._waiting.popleft()
                except IndexError:
                    return
                self._do(job, tries)
        except BaseException as error:  # handed to the caller's thread
            self._events.put(error)
        finally:
            self._end()

    def stop(self) -> None:
        """Kill the worker: what it has not finished leaves nothing behind that has a name."""
        with self._lock:
            self._stopped = True
            if self._worker is not None and self._worker.poll() is None:
                self._worker.terminate()

    def _do(self, job: Job, tries: int) -> None:
        rows = 0
        try:
            worker = self._ready()
            assert worker.stdin is not None
            assert worker.stdout is not None
            pickle.dump(job, worker.stdin)
            worker.stdin.flush()
            while True:
                kind, content = pickle.load(worker.stdout)
                if kind == "rows":
                    rows += content
                    self._events.put(Event(rows=content))
                elif kind == "error":
                    raise _WriteError(content)
                else:
                    self._events.put(Event(entry=content))
                    return
        except _WriteError as error:
            raise error.args[0] from None
        except (OSError, EOFError, pickle.UnpicklingError):
            if self._stopped:
                return
            code = self._end()
            self._events.put(Event(rows=-rows))
            if tries + 1 < TRIES:
                self._waiting.appendleft((job, tries + 1))
                return
            reason = f"{job.name}: expected a shard to refine, got {TRIES} workers that died of it ({code})."
            self._events.put(Event(entry=ShardEntry(job.name, reason=reason)))

    def _ready(self) -> subprocess.Popen[bytes]:
        """Return the worker; a new one if there is none."""
        if self._worker is not None and self._worker.poll() is None:
            return self._worker
        with self._lock:
            if self._stopped:
                raise EOFError
            self._worker = subprocess.Popen(
                [sys.executable, "-c", f"{START}from kitro_np.streaming import worker; worker.main()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **ONE_THREAD, **FRUGAL},
            )
        stdin = self._worker.stdin
        assert stdin is not None
        pickle.dump([os.getcwd() if part == "" else part for part in sys.path], stdin)
        stdin.write(self._first)
        stdin.flush()
        return self._worker

    def _end(self) -> str:
        """End the worker, and say how it ended."""
        worker, self._worker = self._worker, None
        if worker is None:
            return "not started"
        for pipe in (worker.stdin, worker.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:
                pass
        try:
            code = worker.wait(5)
        except subprocess.TimeoutExpired:
            worker.kill()
            code = worker.wait()
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"


class _WriteError(Exception):
    """A result that a worker could not write."""


def check_workers(value: int) -> int:
    """Check a number of workers."""
    if not 1 <= value <= 1024:
        raise InputError(f"workers: expected 1 to 1024, got {value}.")
    return value
