"""What a refinement did: said in a sentence, logged, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

from ..refinement.validity import Status
from ..result import RefineResult
from .exit_status import ExitStatus, status_of
from .voice import LOG, is_quiet, named, remark, warn


def say_summary(result: RefineResult[Any], lines: str = "") -> None:
    """Say a result's summary with lines after it; the hint alone, as a warning, if quiet."""
    remark(f"{result.summary()}{lines}")
    if is_quiet() and result.hint:
        warn(result.hint)


def log_speed(result: RefineResult[Any], seconds: float) -> None:
    """Log how long a refinement took."""
    count = result.status.size
    LOG.info("refined %d bodies in %.3f s, %.0f bodies/s", count, seconds, count / seconds)


def status_of_result(result: RefineResult[Any]) -> ExitStatus:
    """Return the exit status of a refinement."""
    return status_of(result.counts().get(Status.REFINED, 0), result.status.size)


def summary_dict(result: RefineResult[Any], seconds: float) -> dict[str, Any]:
    """Return what a refinement did as a dict for JSON.

    Parameters
    ----------
    result : RefineResult
    seconds : float
        How long the refinement took, loading or compiling of kernels included.
    """
    counts, bodies = result.counts(), int(result.status.size)
    content: dict[str, Any] = {
        "bodies": bodies,
        "counts": {status.name.lower(): count for status, count in counts.items()},
        "reasons": {status.name.lower(): status.reason for status in counts if status != Status.REFINED},
        "seconds": round(seconds, 4),
        "bodies_per_second": round(bodies / seconds, 1),
    }
    return {**content, "hint": result.hint} if result.hint else content


def settings_dict(result: RefineResult[Any], body: str) -> dict[str, Any]:
    """Return the method of a result, its options and the name of the body as a dict for JSON."""
    return {"method": result.method, "options": dict(result.options or {}), "body": body}


def shown_paths(paths: Sequence[str | PathLike[str]]) -> str | list[str]:
    """Return a path, or of several files a list, for JSON."""
    texts = [str(path) for path in paths]
    return texts[0] if len(texts) == 1 else texts


def print_json(content: Mapping[str, Any]) -> None:
    """Print one line of JSON."""
    print(named(json.dumps(content, allow_nan=False)))
