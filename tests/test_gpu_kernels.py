"""The kernels as a GPU would run them: in numba's simulator, through the GPU's compiler, and on a GPU."""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from backends import load_or_skip
from bodies import make_batch, make_skeleton
from kitro import refine

from kitro_np import InputError, Skeleton
from kitro_np.arrays.engines import choose_engine
from kitro_np.kernels import lanes

HERE = Path(__file__).parent


@pytest.fixture
def run(request):
    """Run a script of this folder in an interpreter of its own, with the warnings of this one."""
    warnings = [f"-W{line}" for line in request.config.getini("filterwarnings")]

    def run(script: str, *arguments: str, **environment: str) -> str:
        own = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join((str(HERE), *sys.path))}
        command = [sys.executable, *warnings, str(HERE / script), *arguments]
        done = subprocess.run(command, env=own, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("method", ["kitro", "map"])
def test_simulated_threads_agree_with_the_stages(run, method):
    run("gpu_simulated.py", method, NUMBA_ENABLE_CUDASIM="1", NUMBA_DISABLE_JIT="1")


@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("numba_cuda", "nvidia")),
    reason="numba-cuda and its compiler are not installed",
)
def test_the_compiler_of_a_gpu_takes_the_kernels(run):
    """Single precision stays single, but for a few quotients of whole numbers, and in registers."""
    for method, dtype, about in json.loads(run("gpu_compiled.py")):
        other = "f64" if dtype == "float32" else "f32"
        assert about[other] < (20 if method == "kitro" else 80) < 1000 < about[dtype.replace("loat", "")]
        assert about["body_bytes"] <= 40_000 * (1 if dtype == "float32" else 2)
        assert about.get("spills", 0) == 0


@pytest.mark.parametrize("removed", [False, True])
def test_a_name_that_numpy_removed_is_back_only_for_a_while(removed):
    """numba-cuda 0.30 looks np.row_stack up, which NumPy 2.5 has no more."""
    pytest.importorskip("numba.cuda")
    from kitro_np.kernels.gpu import removed_names

    vstack, row_stack = object(), object()
    numpy = SimpleNamespace(vstack=vstack) if removed else SimpleNamespace(vstack=vstack, row_stack=row_stack)
    before = dict(vars(numpy))
    with removed_names(numpy):
        assert numpy.row_stack is (vstack if removed else row_stack)
    assert vars(numpy) == before


def test_every_function_over_lanes_has_a_twin_on_a_gpu():
    pytest.importorskip("numba.cuda")
    from kitro_np.kernels.gpu import lane_functions

    own = {
        name
        for name, value in vars(lanes).items()
        if not name.startswith("_") and callable(value) and not inspect.isclass(value)
        if getattr(value, "__module__", "").startswith("kitro_np.kernels.lanes") or name == "sqrt"
    }
    assert own - {"lane_count"} <= set(lane_functions(np.float32))


def test_arrays_of_a_gpu_go_to_its_kernels_where_their_compiler_is(monkeypatch):
    array = np.zeros(3)
    monkeypatch.setattr("kitro_np.arrays.engines.is_numpy_array", lambda value: False)
    monkeypatch.setattr("kitro_np.arrays.engines.is_cupy_array", lambda value: True)
    monkeypatch.setattr("kitro_np.arrays.engines.find_spec", lambda name: object())
    assert choose_engine(None, array) == choose_engine("cuda", array) == "cuda"
    assert choose_engine("array", array) == "array"
    assert choose_engine(None, array, ("numba", "array")) == "array"
    monkeypatch.setattr("kitro_np.arrays.engines.find_spec", lambda name: None)
    assert choose_engine(None, array) == "array"
    with pytest.raises(InputError, match=r"^engine: expected numba-cuda .* pip install"):
        choose_engine("cuda", array)


def test_arrays_of_a_cpu_are_refused():
    skeleton = make_skeleton("chain")
    with pytest.raises(InputError, match=r"^engine: expected arrays on a GPU for 'cuda', got numpy arrays"):
        refine(*make_batch(skeleton, 2), body=skeleton, engine="cuda")


def test_machine_code_is_kept_on_the_disk(tmp_path, monkeypatch):
    """In files that are checked as those of the CPU's code are: see test_cache.py."""
    pytest.importorskip("numba.cuda")
    gpu_code = pytest.importorskip("kitro_np.kernels.gpu_code")
    from kitro_np.kernels.kitro.algorithm import refine_bodies

    assembled = []
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(gpu_code, "compile_ptx", lambda *_: "assembly")
    monkeypatch.setattr(gpu_code, "assemble", lambda *about: assembled.append(about) or (b"code", "name"))
    monkeypatch.setattr(gpu_code, "GpuEntry", lambda *parts: parts)
    load = gpu_code.load_entry.__wrapped__
    single, double = np.dtype("float32"), np.dtype("float64")
    for dtype, capability in ((single, (9, 0)), (single, (9, 0)), (single, (8, 0)), (double, (9, 0))):
        assert load(refine_bodies, dtype, (), capability) == (b"code", "name")
    assert len(assembled) == 3, "one for each dtype and kind of GPU"
    for path in tmp_path.rglob("*.nbc"):
        path.write_bytes(path.read_bytes()[:-1])
    assert load(refine_bodies, single, (), (9, 0)) == (b"code", "name")
    assert len(assembled) == 4, "a GPU would run half of it"


# ------------------------------------------------------------------------------------------------ on a GPU


@pytest.fixture
def cupy():
    return load_or_skip("cupy").xp


@pytest.mark.gpu
@pytest.mark.parametrize("variant", ["released", "paper"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("tree", ["smpl", "hand"])
def test_kernels_on_a_gpu_agree_with_those_of_the_cpu(cupy, tree, dtype, variant):
    skeleton: Skeleton = make_skeleton(tree)
    batch = make_batch(skeleton, 300, seed=16).astype(dtype)
    batch.transl[3] *= -1
    few = {"iterations": 3, "shape_steps": 3, "variant": variant, "body": skeleton, "method": "kitro"}
    expected = refine(*batch, **few)
    found = refine(*map(cupy.asarray, batch), chunk_size=128, **few)
    selection = cupy.asnumpy(found.selection)
    same = np.all(selection == expected.selection, axis=1)
    assert np.mean(same) > (0.999 if dtype == "float64" else 0.95)
    np.testing.assert_array_equal(cupy.asnumpy(found.status), expected.status)
    # In float32 rounding decides between paths of equal agreement: then a body is float64's.
    double = refine(*batch.astype("float64"), **few)
    for name in ("pose", "betas", "transl"):
        ours = cupy.asnumpy(getattr(found, name))[same]
        off = [np.abs(ours - getattr(either, name)[same]) for either in (expected, double)]
        worst = np.minimum(*(part.reshape(len(ours), -1).max(axis=1) for part in off))
        assert worst.max() < (1e-9 if dtype == "float64" else 1e-3), name


@pytest.mark.gpu
@pytest.mark.parametrize("uncertainty", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("tree", ["smpl", "hand"])
def test_the_most_probable_bodies_on_a_gpu_are_those_of_the_cpu(cupy, tree, dtype, uncertainty):
    skeleton: Skeleton = make_skeleton(tree)
    batch = make_batch(skeleton, 300, seed=17).astype(dtype)
    batch.transl[3] *= -1
    how = {"body": skeleton, "method": "map", "uncertainty": uncertainty, "image_size": (2000, 2000)}
    expected = refine(*batch, **how)
    found = refine(*map(cupy.asarray, batch), chunk_size=128, **how)
    same = cupy.asnumpy(found.status) == expected.status
    assert np.mean(same) > (0.999 if dtype == "float64" else 0.95)
    for name in ("pose", "betas", "transl", "quality", "noise", "joint_spread"):
        if getattr(expected, name) is not None:
            off = np.abs(cupy.asnumpy(getattr(found, name))[same] - getattr(expected, name)[same])
            off = off.reshape(len(off), -1).max(axis=1)
            # Steps of float32 end elsewhere for a few bodies whose keypoints allow several.
            assert np.nanquantile(off, 0.95) < (1e-9 if dtype == "float64" else 5e-3), name


@pytest.mark.gpu
@pytest.mark.parametrize(
    "how", [{"method": "kitro"}, {"method": "map"}, {"method": "map", "uncertainty": True}]
)
def test_kernels_in_single_precision_fit_into_registers(cupy, how, monkeypatch):
    gpu_code = pytest.importorskip("kitro_np.kernels.gpu_code")
    loaded, load = [], gpu_code.load_entry
    monkeypatch.setattr(gpu_code, "load_entry", lambda *about: loaded.append(load(*about)) or loaded[-1])
    skeleton: Skeleton = make_skeleton("smpl")
    refine(*map(cupy.asarray, make_batch(skeleton, 2).astype("float32")), body=skeleton, **how)
    (code,) = loaded
    assert code.kernel.attributes.local_size_bytes == 0


@pytest.mark.gpu
def test_hypotheses_and_videos_on_a_gpu_are_those_of_the_cpu(cupy):
    skeleton: Skeleton = make_skeleton("smpl")
    batch = make_batch(skeleton, 20, seed=18)
    for how in ({"hypotheses": 2}, {"video": True}):
        expected = refine(*batch, body=skeleton, method="map", **how)
        found = refine(*map(cupy.asarray, batch), body=skeleton, method="map", **how)
        np.testing.assert_allclose(cupy.asnumpy(found.pose), expected.pose, rtol=0, atol=1e-8)


@pytest.mark.gpu
def test_kernels_run_in_the_current_stream_and_wait_for_nothing(cupy):
    skeleton: Skeleton = make_skeleton("smpl")
    batch = tuple(map(cupy.asarray, make_batch(skeleton, 300, seed=19).astype("float32")))
    expected = refine(*batch, body=skeleton, method="map").pose
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        found = refine(*batch, body=skeleton, method="map").pose
        stream.synchronize()
    np.testing.assert_array_equal(cupy.asnumpy(found), cupy.asnumpy(expected))


@pytest.mark.gpu
def test_torch_tensors_go_to_the_same_kernels():
    backend = load_or_skip("torch_cuda")
    skeleton: Skeleton = make_skeleton("smpl")
    batch = make_batch(skeleton, 50, seed=20)
    for method in ("map", "kitro"):
        found = refine(*map(backend.array, batch), body=skeleton, method=method)
        assert found.pose.device.type == "cuda"
        expected = refine(*batch, body=skeleton, method=method)
        np.testing.assert_allclose(backend.numpy(found.pose), expected.pose, rtol=0, atol=1e-7)


@pytest.mark.gpu
def test_no_bodies_on_a_gpu(cupy):
    skeleton: Skeleton = make_skeleton("smpl")
    batch = make_batch(skeleton, 2).some(slice(0, 0))
    for method in ("map", "kitro"):
        assert refine(*map(cupy.asarray, batch), body=skeleton, method=method).pose.shape == (0, 24, 3, 3)
