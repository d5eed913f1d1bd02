"""Whole refinements on a GPU, by batch, with the way there and back and without. Run with -m gpu."""

from __future__ import annotations

import numpy as np
import pytest
from backends import load_or_skip
from samples import make_batch

from kitro_np import refine

pytestmark = pytest.mark.gpu

CASES = [
    ("cuda", batch, transfer)
    for batch in (1, 256, 4096, 16_384, 65_536, 262_144)
    for transfer in ("resident", "transfer")
] + [("array", batch, "resident") for batch in (256, 4096, 16_384)]


@pytest.fixture(scope="module")
def cupy():
    return load_or_skip("cupy").xp


@pytest.mark.parametrize(("engine", "batch", "transfer"), CASES)
def test_refine_on_gpu(measure, cupy, engine, batch, transfer):
    bodies = make_batch(batch, "float32")
    resident = tuple(map(cupy.asarray, bodies))
    expected = refine(*make_batch(256, "float32"), method="kitro").pose

    def call():
        given = tuple(map(cupy.asarray, bodies)) if transfer == "transfer" else resident
        found = refine(*given, method="kitro", engine=engine)
        pose = cupy.asnumpy(found.pose) if transfer == "transfer" else found.pose
        cupy.cuda.Device().synchronize()
        return pose

    def check(pose) -> None:
        few = cupy.asnumpy(pose[:256]) if transfer == "resident" else pose[:256]
        miss = np.abs(few - expected[: len(few)]).max(axis=(1, 2, 3))
        assert np.quantile(miss, 0.9) < 1e-2  # near ties may fall to the other branch

    measure(call, batch, check)
