"""The kernels as a GPU would run them: in numba's simulator, through the GPU's compiler, and on a GPU."""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from backends import load_or_skip
from bodies import make_batch, make_skeleton
from kitro import refine

from kitro_np import InputError, Skeleton
from kitro_np.arrays.engines import choose_engine
from kitro_np.kernels import lanes
from kitro_np.kernels.tile import make_tree, tile_rows

SIMULATE = """
import json, sys
import numpy as np
from bodies import make_batch, make_skeleton
from kitro_np import refine
from kitro_np.refinement.request import Arguments, read_request
from kitro_np.kernels.kitro.run_gpu import run_gpu
from kitro_np.kitro.variants import find_variant

tree, dtype, variant, threads = sys.argv[1:]
skeleton = make_skeleton(tree)
batch = make_batch(skeleton, 3, seed=15).astype(dtype)
batch.transl[1] *= -1
done, few = [], {"iterations": 2, "shape_steps": 2}
chunks = {"chunk_size": 2, "progress": done.append, "threads": int(threads)}
request = read_request(Arguments(*batch), skeleton)
found = run_gpu(request, find_variant(variant), **few, **chunks)
wanted = refine(*batch, body=skeleton, method="kitro", engine="array", variant=variant, **few)
assert done == [2, 1], done
for name in found._fields:
    part = getattr(wanted, name)
    ours = getattr(found, name)
    assert ours.dtype == part.dtype, name
    np.testing.assert_allclose(ours, part, rtol=1e-4 if dtype == "float32" else 1e-9, atol=2e-5, err_msg=name)
assert list(found.status) == [0, 4, 0]
"""

COMPILE = """
import json, sys
from types import SimpleNamespace
import numpy as np
import numba.cuda.dispatcher
from numba import cuda, typeof
# What a GPU would answer that is not here: compute capability 9.0.
numba.cuda.dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=(9, 0))
from bodies import make_batch, make_skeleton
from kitro_np.refinement.request import Arguments, read_request
from kitro_np.kernels.kitro import algorithm as refine
from kitro_np.kernels.kitro import run
from kitro_np.kernels.refinement.run import allocate, rows_of
from kitro_np.kernels.gpu import compile_for_gpu
from kitro_np.kernels.tile import make_tile, make_tree
from kitro_np.kitro.variants import find_variant

dtype = np.dtype(sys.argv[1])
skeleton = make_skeleton("smpl", 10)
request = read_request(Arguments(*make_batch(skeleton, 4).astype(dtype)), skeleton)
tree = make_tree(skeleton, dtype)
settings = run.make_settings(request, find_variant("released"), 10, 10, dtype)
bodies = rows_of(request, slice(0, 4), dtype)
refined = allocate(request, np.empty, dtype, np.int8)
kernel = compile_for_gpu(refine.refine_bodies, dtype)
arguments = tree, make_tile(tree, dtype), bodies, refined, settings, 0, 4
ptx, _ = cuda.compile_ptx(kernel.py_func, tuple(map(typeof, arguments)), cc=(9, 0))
lines = [line.split()[0] for line in ptx.splitlines() if line.startswith(chr(9)) and line.strip()]
found = {kind: sum(kind in line.split(".") for line in lines) for kind in ("f32", "f64")}
parameters = ptx[ptx.index(".entry") : ptx.index("{")].split(".param .")[1:]
found["parameters"] = sum(int(kind.split()[0][1:]) // 8 for kind in parameters)
print(json.dumps(found))
"""


@pytest.fixture
def run(request):
    """Run a script in an interpreter of its own, with the warnings of this one."""
    warnings = [f"-W{line}" for line in request.config.getini("filterwarnings")]

    def run(script: str, *arguments: str, **environment: str) -> str:
        own = {**os.environ, **environment, "PYTHONPATH": str(Path(__file__).parent)}
        command = [sys.executable, *warnings, "-c", script, *arguments]
        done = subprocess.run(command, env=own, capture_output=True, text=True)
        if "module 'numpy' has no attribute 'row_stack'" in done.stderr:
            pytest.skip("numba-cuda does not compile with this NumPy, which has no row_stack any more")
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize(
    ("tree", "dtype", "variant", "threads"),
    [
        ("smpl", "float32", "released", 1),
        ("smpl", "float32", "paper", 1),
        ("smpl", "float64", "released", 1),
        # SMPL's tree takes the simulator seven times as long.
        ("nested", "float32", "paper", 1),
        ("nested", "float64", "released", 1),
        ("nested", "float64", "paper", 1),
        ("chain", "float32", "released", 2),  # several threads in a block take the simulator long
    ],
)
def test_simulated_threads_agree_with_the_stages(run, tree, dtype, variant, threads):
    run(SIMULATE, tree, dtype, variant, str(threads), NUMBA_ENABLE_CUDASIM="1", NUMBA_DISABLE_JIT="1")


def test_default_chunk_follows_the_tree():
    from kitro_np.kernels.kitro.run_gpu import CHUNK, MEMORY, _even_chunk, default_chunk

    body = tile_rows(make_tree(make_skeleton("smpl", 10), np.float32))
    assert default_chunk(body, np.dtype(np.float32)) == CHUNK
    fingers = {**body, "path_swing": 20 * body["path_swing"]}
    for dtype in map(np.dtype, ("float32", "float64")):
        chunk = default_chunk(fingers, dtype)
        assert 0.9 * MEMORY < chunk * dtype.itemsize * sum(fingers.values()) <= MEMORY
    assert [_even_chunk(n, 100) for n in (0, 1, 100, 101, 250)] == [1, 1, 100, 51, 84]


@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("numba_cuda", "nvidia")),
    reason="numba-cuda and its compiler are not installed",
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_compiler_of_a_gpu_takes_the_kernels(run, dtype):
    """Single precision stays single, but for a few quotients of whole numbers."""
    found = json.loads(run(COMPILE, dtype))
    other = "f64" if dtype == "float32" else "f32"
    assert found[other] < 20 < 1000 < found[dtype.replace("loat", "")]
    assert found["parameters"] <= 4096, "bytes that any GPU takes"


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
    few = {"iterations": 3, "shape_steps": 3, "variant": variant, "body": skeleton}
    expected = refine(*batch, **few)
    found = refine(*map(cupy.asarray, batch), chunk_size=128, **few)
    selection = cupy.asnumpy(found.selection)
    same = np.all(selection == expected.selection, axis=1)
    assert np.mean(same) > (0.999 if dtype == "float64" else 0.95)
    np.testing.assert_array_equal(cupy.asnumpy(found.status), expected.status)
    for name in ("pose", "betas", "transl"):
        ours = cupy.asnumpy(getattr(found, name))[same]
        tolerance = 1e-9 if dtype == "float64" else 1e-3
        np.testing.assert_allclose(ours, getattr(expected, name)[same], rtol=0, atol=tolerance)
