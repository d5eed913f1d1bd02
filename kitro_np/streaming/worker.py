"""A worker: a process that refines the shards that its parent names, until its standard input ends."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from typing import Any

from ..safe_io.process_memory import bounded_process
from .job import Job, refine_shard
from .lock import share
from .refiner import Refiner

SPARE = 400_000_000
"""Bytes that a worker may take beside the rows that it reads: kernels, and what they work in."""


def main() -> None:
    """Take a refiner, then jobs from standard input; answer with rows done, results and errors."""
    # What else prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent says when to stop

    def answer(kind: str, content: Any) -> None:
        pickle.dump((kind, content), answers)
        answers.flush()  # a parent that was killed is noticed here

    refiner: Refiner
    refiner, folder = pickle.load(sys.stdin.buffer)
    held = share(folder)
    _use_one_core()
    try:
        while True:
            try:
                job: Job = pickle.load(sys.stdin.buffer)
            except EOFError:
                return
            try:
                with bounded_process(SPARE + job.limit):
                    entry = refine_shard(job, refiner, lambda rows: answer("rows", rows))
                answer("done", entry)
            except BrokenPipeError:
                return
            except OSError as error:
                answer("error", error)
    finally:
        if held is not None:
            os.close(held)


def _use_one_core() -> None:
    try:
        import pyarrow
    except ImportError:
        return
    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)
