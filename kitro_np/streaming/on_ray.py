"""Shards on a Ray cluster: the same jobs, given to its workers instead of this machine's."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..arrays.threads import usable_cores
from ..errors import InputError, printable
from .job import Job, refine_shard
from .manifest import ShardEntry
from .pool import TRIES, Event
from .refiner import Refiner

LOCAL, AUTO = "local", "auto"

PATIENCE = 5.0
"""Seconds for a cluster to answer."""

AHEAD = 4
"""Jobs in Ray's hands for each core."""


def import_ray() -> Any:
    """Return the module ray; InputError if there is none."""
    try:
        import ray
    except ImportError:
        raise InputError("ray: expected Ray (pip install 'kitro-np[ray]'), got none.") from None
    return ray


@contextmanager
def connected(address: str, cores: int | None = None) -> Iterator[Any]:
    """Connect to a Ray cluster, or start one on this machine, unless that was done before."""
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    quiet = {"logging_level": "ERROR", "log_to_driver": False}
    if address == LOCAL:
        ray.init(address=LOCAL, num_cpus=cores or usable_cores(), include_dashboard=False, **quiet)
    else:
        check_address(address)
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(f"ray: expected a Ray cluster at {address}, got {error}.") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def check_address(address: str) -> None:
    """InputError if nobody answers: Ray itself would wait for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == AUTO:
        return
    if not host or not port.isdecimal() or not 0 < int(port[:6]) < 2**16:
        raise InputError(f"ray: expected local, auto or HOST:PORT, got {printable(address)!r}.")
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except (OSError, UnicodeError) as error:
        raise InputError(f"ray: expected a Ray cluster at {address}, got {error}.") from None


def run_on_ray(jobs: Sequence[Job], refiner: Refiner, ray: Any) -> Generator[Event, None, None]:
    """Refine shards on the Ray cluster that this process is connected to, and yield what happens.

    Raises
    ------
    OSError
        If a result cannot be written.
    """
    # Ray tries again where a worker dies; a job writes the same bytes however often it runs.
    task = ray.remote(num_cpus=1, max_retries=TRIES - 1, retry_exceptions=False)(_refine)
    shared = ray.put(refiner)
    waiting = [_absolute(job) for job in reversed(jobs)]
    most = AHEAD * max(int(ray.cluster_resources().get("CPU", 1)), 1)
    running: dict[Any, Job] = {}
    while waiting or running:
        while waiting and len(running) < most:
            job = waiting.pop()
            running[task.remote(job, shared)] = job
        for done in ray.wait([*running], num_returns=1)[0]:
            job = running.pop(done)
            try:
                entry: ShardEntry = ray.get(done)
            except ray.exceptions.RayError as error:
                cause = getattr(error, "cause", None)
                if isinstance(cause, OSError):
                    raise cause from None
                kind = type(error if cause is None else cause).__name__
                reason = f"{job.name}: expected a shard that can be refined, got workers that died ({kind})."
                entry = ShardEntry(job.name, reason=reason)
            yield Event(entry.bodies, entry)


def _refine(job: Job, refiner: Refiner) -> ShardEntry:
    return refine_shard(job, refiner)


def _absolute(job: Job) -> Job:
    """Return a job with paths that do not depend on a worker's folder."""
    return replace(job, source=Path(os.path.abspath(job.source)), target=Path(os.path.abspath(job.target)))
