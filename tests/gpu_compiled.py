"""The kernels through a GPU's compiler and assembler, without a GPU: a script, for a process of its own."""

import importlib
import json
import re
from types import SimpleNamespace

import numpy as np
from bodies import make_batch, make_skeleton
from cuda.core import Linker, LinkerOptions, ObjectCode

from kitro_np.kernels.gpu import compile_for_gpu, cuda
from kitro_np.kernels.gpu_code import compile_ptx
from kitro_np.kernels.gpu_records import Tables
from kitro_np.kernels.kitro.algorithm import refine_bodies
from kitro_np.kernels.kitro.run import make_settings
from kitro_np.kernels.posterior.algorithm import fit_bodies_with_spread
from kitro_np.kernels.posterior.memory import FitTile, Memory, fit_tile_rows, make_chains, memory_rows
from kitro_np.kernels.posterior.run import allocate_fit
from kitro_np.kernels.posterior.run_gpu import Bones, PosteriorRows
from kitro_np.kernels.refinement.run import allocate, rows_of
from kitro_np.kernels.refinement.run_gpu import TileRows
from kitro_np.kernels.tile import Tile, make_tree, tile_rows
from kitro_np.kitro.variants import find_variant
from kitro_np.posterior.model import model_of
from kitro_np.posterior.priors import cmu_motion_prior
from kitro_np.refinement.request import Arguments, read_request

CAPABILITY = (9, 0)
"""Of the GPU that is compiled for."""


def kitro(request, dtype):
    tree = make_tree(request.skeleton, dtype)
    settings = make_settings(request, find_variant("released"), 10, 10, dtype)
    bodies, refined = rows_of(request, slice(0, 4), dtype), allocate(request, np.empty, dtype, np.int8)
    return refine_bodies, (tree, TileRows(Tile, tile_rows(tree)), bodies, refined, settings)


def most_probable(request, dtype):
    model = model_of(request.skeleton, request.layout, cmu_motion_prior(request.skeleton))
    tree, chains = make_tree(request.skeleton, dtype), make_chains(model, dtype)
    tile, memory = TileRows(FitTile, fit_tile_rows(tree, chains)), TileRows(Memory, memory_rows(chains))
    bodies, one = rows_of(request, slice(0, 4), dtype), np.ones((1, 24), dtype)
    return fit_bodies_with_spread, (
        Bones(tree.parents, tree.template, tree.shapedirs), chains, tile, memory,
        PosteriorRows(*bodies, one, one[:, :4].copy(), bodies.pose),
        allocate(request, np.empty, dtype, np.int8),
        allocate_fit(request, np.empty, dtype, np.int8, len(model.swaps), uncertainty=True),
        4, True, False, -1,
    )  # fmt: skip


def count_instructions(ptx, kind):
    lines = (line.split()[0] for line in ptx.splitlines() if line.startswith("\t") and line.strip())
    return sum(kind in line.split(".") for line in lines)


def about(method, dtype, *, assembled):
    """What an entry has: optimised and in registers if it is assembled, which takes most of the time."""
    skeleton = make_skeleton("smpl", 10)
    request = read_request(Arguments(*make_batch(skeleton, 4).astype(dtype)), skeleton)
    entry, arguments = method(request, dtype)
    tables = Tables()
    for part in arguments:
        if isinstance(part, TileRows):
            tables.add_tile(part.kind, part.rows, dtype)
        elif isinstance(part, tuple):
            tables.add_record(part, lambda array: array.ctypes.data)
    signature = tables.signature(arguments)
    if assembled:
        ptx = compile_ptx(entry, dtype, signature, CAPABILITY)
    else:
        source = compile_for_gpu(entry, dtype).py_func
        ptx = cuda.compile_ptx(source, signature, cc=CAPABILITY, opt=False)[0]
    found = {kind: count_instructions(ptx, kind) for kind in ("f32", "f64")}
    found["body_bytes"] = tables.tile_bytes // 32
    if assembled:
        options = LinkerOptions(arch="sm_{}{}".format(*CAPABILITY), ptxas_options="-v")
        linker = Linker(ObjectCode.from_ptx(ptx.encode()), options=options)
        linker.link("cubin")
        log = linker.get_info_log()
        found["registers"] = int(re.findall(r"Used (\d+) registers", log)[-1])
        found["spills"] = sum(map(int, re.findall(r"(\d+) bytes spill", log)))
    return found


# What a GPU would answer that is not here. After kitro_np, which imports numba-cuda without warnings.
dispatcher = importlib.import_module("numba.cuda.dispatcher")
dispatcher.get_current_device = lambda: SimpleNamespace(compute_capability=CAPABILITY)
single, double = np.dtype("float32"), np.dtype("float64")
found = [
    ("kitro", "float32", about(kitro, single, assembled=True)),
    ("map", "float32", about(most_probable, single, assembled=False)),
    ("kitro", "float64", about(kitro, double, assembled=False)),
]
print(json.dumps(found))
