"""Stream: refine batches one after another, as they come, on all cores."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ..arrays.arguments import check_integer
from ..arrays.threads import usable_cores
from ..errors import InputError
from .refiner import Refiner


def stream(
    batches: Iterable[Mapping[str, Any]],
    *,
    refiner: Refiner | None = None,
    workers: int | None = None,
    ahead: int = 1,
    **settings: Any,
) -> Iterator[dict[str, Any]]:
    """Refine batches lazily, in their order, and yield a dict of arrays for each.

    Memory does not depend on how many batches there are: at most `workers` + `ahead` are taken from `batches`
    before their results are asked for. Batches of some thousand bodies keep the cores busy.

    Parameters
    ----------
    batches : iterable of dicts of arrays
        Columns as :class:`Refiner` takes them. A batch with tracks must hold them whole.
    refiner : Refiner, optional
        Instead of `settings`.
    workers : int, optional
        Batches refined at once, each on a thread; by default one for each core.
    ahead : int
        Batches that wait beside these.
    **settings
        Those of :class:`Refiner`.

    Yields
    ------
    dict of str to array
        As of :class:`Refiner`.

    Raises
    ------
    InputError
        If an argument is invalid; or, in the place of its result, if a batch is.
    """
    if refiner is not None and settings:
        raise InputError(f"refiner: expected no settings beside it, got {', '.join(settings)}.")
    chosen = Refiner(**settings) if refiner is None else refiner
    count = usable_cores() if workers is None else check_integer("workers", workers, least=1)
    most = count + check_integer("ahead", ahead, least=0)
    if not isinstance(batches, Iterable) or isinstance(batches, Mapping):
        raise InputError(f"batches: expected an iterable of dicts, got {type(batches).__name__}.")
    return _stream(
        iter(batches), chosen, count, most
    )  # arguments are checked at the call, not at the first next


def _stream(
    batches: Iterator[Mapping[str, Any]], refiner: Refiner, workers: int, most: int
) -> Iterator[dict[str, Any]]:
    pool = ThreadPoolExecutor(workers)
    running: deque[Future[dict[str, Any]]] = deque()
    try:
        for number, batch in enumerate(batches):
            running.append(pool.submit(refiner, batch, f"batch {number}"))
            del batch  # else it would be kept until the next one comes
            if len(running) >= most:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
