"""Run the fused kernels of SMPLify over a batch, on several threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...adam import adam_rates
from ...arrays.threads import each
from ...refinement.outcome import Refined
from ...refinement.request import Request
from ...smplify.descent import RATE, STEPS
from ..pool import Pool
from ..records import refer, refer_tile
from ..refinement.run import CHUNK, allocate, rows_of, some_of, workspace_of
from .descent import fit_bodies, make_fit
from .energy import FitSettings

if TYPE_CHECKING:
    from ...smplify.energy import EnergyTerms


def run_smplify(
    request: Request,
    terms: EnergyTerms,
    chunk_size: int | None,
    progress: Callable[[int], None] | None,
    *,
    threads: int | None,
    steps: tuple[int, int] = STEPS,
) -> Refined:
    """Fit a request with the fused kernels."""
    dtype = np.dtype(request.dtype)
    workspace = workspace_of(request.skeleton, dtype)
    fits = Pool(lambda: refer_tile(make_fit(workspace.layout, dtype)))
    refined = allocate(request, np.empty, dtype, np.int8)
    settings = refer(make_fit_settings(terms, dtype, steps))
    chunk = chunk_size or CHUNK

    def work(start: int) -> int:
        own = slice(start, min(start + chunk, request.count))
        with workspace.lend() as tile, fits.lend() as fit:
            fit_bodies(
                workspace.tree, tile, fit, refer(rows_of(request, own, dtype)), refer(some_of(refined, own)),
                settings, 0, own.stop - own.start,
            )  # fmt: skip
        return own.stop - own.start

    each(work, range(0, request.count, chunk), threads, progress)
    return refined._replace(pose=refined.pose.reshape(request.pose.shape))


def make_fit_settings(
    terms: EnergyTerms, dtype: np.dtype[Any], steps: tuple[int, int] = STEPS
) -> FitSettings:
    """Return the kernels' settings."""
    weights, prior = terms
    mean, precision, angle_prior_sign = (part.astype(dtype) for part in prior)
    if not weights.pose_prior:  # then the kernel skips the term
        mean, precision = mean[:0], np.zeros((0, 0), dtype)
    root_rates, rates = (np.array(adam_rates(RATE, count), dtype).reshape(count, 2) for count in steps)
    return FitSettings(
        root_rates,
        rates,
        mean,
        precision,
        angle_prior_sign.reshape(-1),
        float(weights.keypoints),
        float(weights.sigma) ** 2,
        float(weights.pose_prior),
        float(weights.angle_prior),
        float(weights.betas),
        float(weights.near_pose),
        float(weights.near_betas),
        float(weights.near_depth),
    )
