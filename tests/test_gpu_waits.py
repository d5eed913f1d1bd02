"""A call on a GPU waits for nothing: the CPU's tensors stand in for a GPU's, and nothing reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
from bodies import make_batch, make_skeleton
from kitro import refine

torch = pytest.importorskip("torch")
pytest.importorskip("numba_cuda")

READS = ("numpy", "tolist", "item", "cpu", "__array__", "__dlpack__", "nonzero")
"""Methods of a tensor that wait for the GPU."""


def recorded(method, name, found):
    def read(tensor, *arguments, **options):
        found.append(name)
        return method(tensor, *arguments, **options)

    return read


@contextmanager
def reads_of_tensors() -> Iterator[list[str]]:
    """Record what reads tensors meanwhile: bool(), float(), indices by masks, and copies to the CPU."""
    from torch.utils._python_dispatch import TorchDispatchMode

    found: list[str] = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func.overloadpacket.__name__ in ("_local_scalar_dense", "nonzero", "equal", "is_nonzero"):
                found.append(str(func))
            return func(*args, **(kwargs or {}))

    with pytest.MonkeyPatch.context() as patch, Watch():
        for name in READS:
            patch.setattr(torch.Tensor, name, recorded(getattr(torch.Tensor, name), name, found))
        yield found


@pytest.fixture
def as_on_gpu(monkeypatch):
    """Take tensors for those of a GPU; launches write what the CPU finds, and are counted."""
    from kitro_np.kernels.refinement import run_gpu

    launched = []

    def run_entry(entry, place, dtype, arguments, count, *_, **__):
        launched.append(entry.__name__)
        for part in arguments:
            if type(part).__name__ in ("Refined", "FitRows"):
                for array in part:
                    array.zero_()

    for module in ("arrays.engines", "arrays.interchange", "refinement.hints"):
        monkeypatch.setattr(f"kitro_np.{module}.on_cuda", lambda array: not isinstance(array, np.ndarray))
    for method in ("kitro", "posterior"):
        monkeypatch.setattr(f"kitro_np.kernels.{method}.run_gpu.run_entry", run_entry)
    monkeypatch.setattr(run_gpu.Place, "current", lambda place: nullcontext())
    monkeypatch.setattr(run_gpu.Place, "put", lambda place, array: torch.from_numpy(np.array(array)))
    return launched


@pytest.mark.parametrize("vectors", [False, True])
@pytest.mark.parametrize(
    "how",
    [
        {"method": "kitro"},
        {"method": "map"},
        {"method": "map", "uncertainty": True, "image_size": (2000, 2000), "min_confidence": 0.3},
        {"method": "map", "estimate": "network", "safe": False},
    ],
)
def test_a_call_reads_nothing_of_a_gpu(as_on_gpu, how, vectors):
    skeleton = make_skeleton("smpl")
    batch = make_batch(skeleton, 7).astype("float32")
    pose = torch.from_numpy(batch.pose)
    given = (torch.zeros(7, 24, 3) if vectors else pose, *map(torch.from_numpy, batch[1:]))
    if "min_confidence" in how:
        how = {**how, "confidence": torch.ones(7, 24)}
    with reads_of_tensors() as found:
        result = refine(*given, body=skeleton, **how)
    assert found == []
    assert len(as_on_gpu) == 1
    assert isinstance(result.pose, torch.Tensor)


def test_a_camera_of_all_bodies_and_strict_calls_are_read(as_on_gpu):
    """What can be wrong for the whole call is an error of the call, so that it is waited for."""
    skeleton = make_skeleton("smpl")
    pose, betas, transl, keypoints_2d, intrinsics = map(
        torch.from_numpy, make_batch(skeleton, 3).astype("float32")
    )
    for camera, how in ((intrinsics[0], {}), (intrinsics, {"strict": True})):
        with reads_of_tensors() as found:
            refine(pose, betas, transl, keypoints_2d, camera, body=skeleton, method="map", **how)
        assert len(found) == 1, found


def test_a_hint_is_found_when_it_is_read_from_what_was_given(as_on_gpu, monkeypatch):
    skeleton = make_skeleton("smpl")
    batch = make_batch(skeleton, 9).astype("float32")
    turned = batch.keypoints_2d[..., ::-1].copy()
    given = [*map(torch.from_numpy, (*batch[:3], turned)), torch.from_numpy(batch.intrinsics)]
    expected = refine(*batch[:3], turned, batch.intrinsics, body=skeleton, method="map")
    assert expected.hint

    def run_entry(entry, place, dtype, arguments, count, *_, **__):
        for part in arguments:
            if type(part).__name__ in ("Refined", "FitRows"):
                for array in part:
                    array.zero_()
                if type(part).__name__ == "Refined":
                    part.status.copy_(torch.from_numpy(expected.status))

    monkeypatch.setattr("kitro_np.kernels.posterior.run_gpu.run_entry", run_entry)
    with reads_of_tensors() as found:
        result = refine(*given, body=skeleton, method="map")
        assert found == []
        given[3].zero_()  # the caller's next frame
        result.status.zero_()
        assert result.hint == expected.hint
        assert found
