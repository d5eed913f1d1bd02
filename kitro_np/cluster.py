"""Cluster: refine a data set of Ray Data, on as many machines as Ray has."""

from __future__ import annotations

from typing import Any

from .arrays.arguments import check_integer
from .errors import InputError
from .streaming.on_ray import import_ray
from .streaming.refiner import Refiner

__all__ = ["refine_dataset"]

ROWS = 4096
"""Rows of a batch: some MB."""


def refine_dataset(
    ds: Any,
    *,
    refiner: Refiner | None = None,
    batch_size: int = ROWS,
    track: str | None = None,
    ray_arguments: dict[str, Any] | None = None,
    **settings: Any,
) -> Any:
    """Refine a data set of Ray Data: ``map_batches`` with a :class:`kitro_np.Refiner`.

    Nothing runs until rows are asked for, as always in Ray Data. Rows keep what they have beside the
    estimates, and no result depends on the batch that a row is in. Ray repeats what a worker was at when it
    died.

    Parameters
    ----------
    ds : ray.data.Dataset
        With columns as :class:`kitro_np.Refiner` takes them.
    refiner : Refiner, optional
        Instead of `settings`.
    batch_size : int
        Rows refined at once.
    track : str, optional
        Column by which rows are brought together and refined as videos. Without it each frame is refined
        alone.
    ray_arguments : dict, optional
        Further arguments of ``map_batches``, such as ``concurrency``.
    **settings
        Those of :class:`kitro_np.Refiner`.

    Returns
    -------
    ray.data.Dataset

    Raises
    ------
    InputError
        If an argument is invalid, or there is no Ray.
    """
    import_ray()
    if refiner is not None and settings:
        raise InputError(f"refiner: expected no settings beside it, got {', '.join(settings)}.")
    given = ray_arguments or {}
    if track is not None:
        chosen = Refiner(**settings) if refiner is None else refiner
        grouped = ds.groupby(track)
        return grouped.map_groups(_RayBatches(chosen), batch_format="numpy", **given)
    # Batches are cut anywhere: tracks must not be taken for whole.
    chosen = Refiner(**{**settings, "each_frame": True}) if refiner is None else refiner
    size = check_integer("batch_size", batch_size, least=1)
    return ds.map_batches(_RayBatches(chosen), batch_size=size, batch_format="numpy", **given)


class _RayBatches:
    """A refiner as Ray takes it: with a name, and arrays of its own."""

    def __init__(self, refiner: Refiner) -> None:
        self._refiner = refiner
        self.__name__ = "refine"

    def __call__(self, arrays: dict[str, Any]) -> dict[str, Any]:
        return self._refiner(arrays)
