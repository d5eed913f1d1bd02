"""Forward and joints beside other libraries: one body of SMPL's size, float32, one thread."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import peers
import pytest
from samples import make_batch, write_smpl_files

from kitro_np import load_body

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs are not ours to mend


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_smpl_files(tmp_path_factory.mktemp("smpl"))


@lru_cache(maxsize=1)
def ours(file, batch):
    bodies = make_batch(batch)
    return load_body(file).forward(*bodies[:3], engine="array")


def load(name, file):
    try:
        return peers.load(name, file)
    except ImportError as error:
        pytest.skip(f"{name} is not installed: {error}")


@pytest.mark.parametrize("name", peers.PEERS)
@pytest.mark.parametrize("batch", [1, 32, 256])
def test_forward_of(measure, file, name, batch):
    peer = load(name, file)
    inputs = peer.prepare(make_batch(batch, "float32"))

    def check(found) -> None:
        for theirs, own in zip(found, ours(file, batch), strict=True):
            np.testing.assert_allclose(np.asarray(theirs), own, rtol=0, atol=1e-4)

    measure(lambda: peer.forward(*inputs), batch, check, gated=name.startswith("kitro_np"))


@pytest.mark.parametrize("name", peers.PEERS)
@pytest.mark.parametrize("batch", [1, 256])
def test_joints_of(measure, file, name, batch):
    peer = load(name, file)
    inputs = peer.prepare(make_batch(batch, "float32"))

    def check(found) -> None:
        np.testing.assert_allclose(np.asarray(found), ours(file, batch).joints, rtol=0, atol=1e-4)

    measure(lambda: peer.joints(*inputs), batch, check, gated=name.startswith("kitro_np"))
