"""Whole refinements, by engine, batch size, dtype and threads."""

from __future__ import annotations

import numpy as np
import pytest
from samples import DISTINCT, make_batch

from kitro_np import RefineResult, load_body, refine

DTYPES = ("float32", "float64")
CASES = [
    *(("numba", batch, dtype, 1) for batch in (1, 32, 256, 1024, 4096) for dtype in DTYPES),
    *(("numba", batch, dtype, 2) for batch in (1024, 4096) for dtype in DTYPES),
    *(("array", batch, dtype, 1) for batch in (1, 32, 256) for dtype in DTYPES),
    ("array", 1024, "float32", 1),
]
IDS = [f"{engine}-{batch}-{dtype}-{threads}thread" for engine, batch, dtype, threads in CASES]


@pytest.mark.parametrize(("engine", "batch", "dtype", "threads"), CASES, ids=IDS)
def test_refine(measure, refined_joints, engine, batch, dtype, threads):
    bodies = make_batch(batch, dtype)

    def check(result: RefineResult) -> None:
        assert not result.status.any()
        assert result.pose.dtype == dtype
        found = load_body().joints(
            *(part.astype(float) for part in (result.pose, result.betas, result.transl))
        )
        miss = np.abs(found - refined_joints[np.arange(batch) % DISTINCT]).max(axis=(1, 2))
        # In float32 a few bodies take another branch somewhere, as good as the other.
        assert np.median(miss) < (1e-4 if dtype == "float32" else 1e-9)
        assert np.quantile(miss, 0.9) < (2e-2 if dtype == "float32" else 1e-9)

    measure(
        lambda: refine(*bodies, method="kitro", engine=engine, threads=threads),
        batch,
        check,
        once=engine == "array" and batch > 32,
        gated=threads == 1,
    )


def test_refine_by_the_paper(measure):
    bodies = make_batch(4096, "float32")
    few = refine(*make_batch(256, "float32"), method="kitro", variant="paper").pose

    def check(result: RefineResult) -> None:
        assert not result.status.any()
        np.testing.assert_array_equal(result.pose[-256:], few)

    measure(lambda: refine(*bodies, method="kitro", variant="paper", threads=1), 4096, check)


MAP_CASES = [(batch, dtype, 1) for batch in (1, 32, 256, 4096) for dtype in DTYPES] + [(4096, "float32", 2)]


@pytest.mark.parametrize(
    ("batch", "dtype", "threads"), MAP_CASES, ids=["-".join(map(str, case)) for case in MAP_CASES]
)
def test_map(measure, batch, dtype, threads):
    """The default method; poses are made up, and no verdict is wanted of them."""
    bodies = make_batch(batch, dtype)

    def check(result: RefineResult) -> None:
        assert not result.status.any()
        assert result.pose.dtype == dtype

    measure(
        lambda: refine(*bodies, method="map", safe=False, threads=threads), batch, check, gated=threads == 1
    )


@pytest.mark.parametrize("what", ["uncertainty", "hypotheses"])
def test_map_on_request(measure, what):
    """What costs more: the joints' spread, and five hypotheses of each body."""
    bodies = make_batch(256, "float32")
    how = {"uncertainty": True} if what == "uncertainty" else {"hypotheses": 5}

    def check(result: RefineResult) -> None:
        assert getattr(result, "joint_spread" if what == "uncertainty" else "hypotheses") is not None

    measure(lambda: refine(*bodies, method="map", safe=False, threads=1, **how), 256, check)
