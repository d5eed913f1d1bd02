"""The body alone: joints and vertices (forward), and joints without vertices."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from samples import make_batch, plain_forward
from threadpoolctl import threadpool_limits

from kitro_np import load_body

DTYPES = ("float32", "float64")
FORWARD = [
    *(("numba", batch, dtype, 1) for batch in (1, 32, 256) for dtype in DTYPES),
    *(("numba", 256, dtype, 2) for dtype in DTYPES),
    *(("array", batch, dtype, 1) for batch in (1, 32, 256) for dtype in DTYPES),
    *(("array", 256, dtype, 2) for dtype in DTYPES),
]
IDS = [f"{engine}-{batch}-{dtype}-{threads}thread" for engine, batch, dtype, threads in FORWARD]


@pytest.mark.parametrize(("engine", "batch", "dtype", "threads"), FORWARD, ids=IDS)
def test_forward(measure, engine, batch, dtype, threads):
    body, bodies = load_body(), make_batch(batch, dtype)

    def check(output) -> None:
        assert output.vertices.dtype == dtype
        for i in {0, batch - 1}:
            joints, vertices = plain_forward(body, bodies.pose[i], bodies.betas[i], bodies.transl[i])
            np.testing.assert_allclose(output.joints[i], joints, rtol=0, atol=1e-5)
            np.testing.assert_allclose(output.vertices[i], vertices, rtol=0, atol=1e-5)

    with threadpool_limits(threads):  # the array engine's threads are those of BLAS
        call = partial(body.forward, *bodies[:3], engine=engine, threads=threads)
        measure(call, batch, check, gated=threads == 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", [1, 32, 256, 4096])
@pytest.mark.parametrize("engine", ["numba", "array"])
def test_joints(measure, engine, batch, dtype):
    body, bodies = load_body(), make_batch(batch, dtype)

    def check(found) -> None:
        assert found.dtype == dtype
        for i in {0, batch - 1}:
            joints, _ = plain_forward(body, bodies.pose[i], bodies.betas[i], bodies.transl[i])
            np.testing.assert_allclose(found[i], joints, rtol=0, atol=1e-5)

    measure(lambda: body.joints(*bodies[:3], engine=engine), batch, check)
