"""Shards on a Ray cluster: the same jobs, given to its workers instead of this machine's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..arrays.threads import usable_cores
from ..errors import InputError
from .job import Job, refine_shard
from .manifest import ShardEntry
from .pool import TRIES, Event
from .refiner import Refiner

LOCAL = "local"

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
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(f"ray: expected a Ray cluster at {address}, got {error}.") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def run_on_ray(jobs: Sequence[Job], refiner: Refiner, address: str, workers: int | None) -> Iterator[Event]:
    """Refine shards on a Ray cluster, and yield what happens.

    Raises
    ------
    InputError
        If there is no Ray, or no cluster at the address.
    OSError
        If a result cannot be written.
    """
    with connected(address, workers) as ray:
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
                except ray.exceptions.RayTaskError as error:
                    raise error.cause if isinstance(error.cause, OSError) else error from None
                except ray.exceptions.RayError as error:
                    kind = type(error).__name__
                    reason = (
                        f"{job.name}: expected a shard that can be refined, got workers that died ({kind})."
                    )
                    entry = ShardEntry(job.name, reason=reason)
                yield Event(entry.bodies, entry)


def _refine(job: Job, refiner: Refiner) -> ShardEntry:
    return refine_shard(job, refiner)


def _absolute(job: Job) -> Job:
    """Return a job with paths that do not depend on a worker's folder."""
    return replace(job, source=Path(os.path.abspath(job.source)), target=Path(os.path.abspath(job.target)))
