"""Array libraries to test with: each one's arrays, where they live, and which engine takes them."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import numpy as np
import pytest

TOLERANCE = {"float64": 1e-9, "float32": 1e-4}
"""Of a stage's result against NumPy's in float64."""


class Backend:
    """A library's arrays, on a device where it has several; and the engine that they go to."""

    def __init__(self, library: str, place: str | None = None, engine: str = "array") -> None:
        self.xp = importlib.import_module(library)
        device = self.xp.Device if hasattr(self.xp, "Device") else str
        self.kind = {} if place is None else {"device": device(place)}
        self.engine = engine

    def array(self, array: Any) -> Any:
        return self.xp.asarray(array, **self.kind)

    def numpy(self, array: Any) -> np.ndarray:
        if hasattr(array, "get"):  # CuPy
            return array.get()
        if self.xp.__name__ == "torch":
            array = array.cpu()
        elif self.kind:
            array = array.to_device(self.xp.Device("CPU_DEVICE"))
        return np.asarray(array)


def _gpu_engine() -> str:
    return "cuda" if importlib.util.find_spec("numba_cuda") else "array"


def _torch_cuda() -> Backend:
    backend = Backend("torch", "cuda", _gpu_engine())
    if not backend.xp.cuda.is_available():
        raise ImportError("no GPU that CUDA can use")
    return backend


def _cupy() -> Backend:
    backend = Backend("cupy", engine=_gpu_engine())
    if not backend.xp.cuda.runtime.getDeviceCount():
        raise ImportError("no GPU")
    return backend


BACKENDS = {
    "numpy": lambda: Backend("numpy", engine="numba"),
    "array_api_strict": lambda: Backend("array_api_strict", engine="numba"),
    # An array made on another device than its input's fails here, as it would on a GPU.
    "array_api_strict_elsewhere": lambda: Backend("array_api_strict", "device1", engine="numba"),
    "torch": lambda: Backend("torch", engine="numba"),
    "torch_cuda": _torch_cuda,
    "cupy": _cupy,
}


ON_GPU = ("torch_cuda", "cupy")
"""Those that need a GPU: marked as such."""


def load_or_skip(name: str) -> Backend:
    """Return a backend, or skip the test that wants it and say why."""
    try:
        return BACKENDS[name]()
    except Exception as error:  # CuPy raises errors of its own where there is no GPU
        pytest.skip(f"{name}: {error}")


def assert_near(backend: Backend, found: Any, expected: Any, dtype: str) -> None:
    """Compare a tree of tuples of arrays."""
    if isinstance(expected, tuple | list):
        for one, other in zip(found, expected, strict=True):
            assert_near(backend, one, other, dtype)
        return
    assert isinstance(found, type(backend.array(np.zeros(1))))
    assert "float" not in str(found.dtype) or str(found.dtype).endswith(dtype)
    scale = max(1.0, np.nanmax(np.abs(expected), initial=0.0))
    np.testing.assert_allclose(backend.numpy(found), expected, rtol=0, atol=scale * TOLERANCE[dtype])
