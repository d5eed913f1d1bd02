"""The kernels in numba's simulator of a GPU, against the stages: a script, for a process of its own."""

import sys
import warnings

import numpy as np
from bodies import make_batch, make_skeleton

from kitro_np.kernels.kitro.run_gpu import run_gpu
from kitro_np.kernels.posterior.run_gpu import run_map_gpu
from kitro_np.kitro.variants import find_variant
from kitro_np.posterior.model import model_of
from kitro_np.posterior.most_probable import most_probable_frames
from kitro_np.posterior.priors import flat_motion_prior
from kitro_np.refinement.method import Execution, resolve_method
from kitro_np.refinement.request import Arguments, read_request

BEHIND = 1
"""The body that lies behind the camera."""


def kitro(skeleton, batch, how, variant):
    few = {"iterations": 2, "shape_steps": 2}
    request = read_request(Arguments(*batch), skeleton)
    wanted = resolve_method("kitro", {"variant": variant, **few}).run(request, Execution("array"))
    return run_gpu(request, find_variant(variant), **few, **how), wanted.refined


def most_probable(skeleton, batch, how, options):
    count, points = batch.keypoints_2d.shape[:2]
    confidence = np.linspace(0.5, 1, count * points).reshape(count, points)
    size = None if options.pop("unsized", False) else (2000, 1500)
    request = read_request(Arguments(*batch, confidence=confidence, image_size=size), skeleton)
    motion = flat_motion_prior(skeleton.host)
    wanted = most_probable_frames(request, Execution("array"), motion, **{"safe": True, **options})
    model = model_of(skeleton, request.layout, motion)
    return run_map_gpu(request, model, **how, **options), wanted


CASES = {
    "kitro": [
        ("smpl", "float64", 1, kitro, "released"),
        ("nested", "float32", 1, kitro, "paper"),
        ("nested", "float64", 1, kitro, "released"),
        ("nested", "float64", 1, kitro, "paper"),
        ("chain", "float32", 2, kitro, "released"),
    ],
    "map": [
        ("smpl", "float64", 1, most_probable, {"uncertainty": True}),
        ("nested", "float32", 1, most_probable, {"unsized": True}),
        ("hand", "float64", 1, most_probable, {"landmarks": True, "safe": False}),
        ("chain", "float64", 2, most_probable, {"uncertainty": True, "unsized": True}),
    ],
}


def fields(result):
    """Arrays of a named tuple, or of a tuple of those and of arrays, by name."""
    parts = result if type(result) is tuple else (result,)
    for place, part in enumerate(parts):
        yield from part._asdict().items() if hasattr(part, "_asdict") else [(f"part {place}", part)]


def compare(tree, dtype, threads, method, options):
    skeleton = make_skeleton(tree)
    batch = make_batch(skeleton, 3, seed=15).astype(dtype)
    batch.transl[BEHIND] *= -1
    done = []
    how = {"chunk_size": 2, "progress": done.append, "simulated_threads": threads}
    found, wanted = method(skeleton, batch, how, options)
    assert done == [2, 1], done
    tolerance = {"rtol": 1e-9, "atol": 2e-9}
    if dtype == "float32":  # a step of `map` solves for all unknowns at once
        tolerance = {"rtol": 1e-4, "atol": 2e-5} if method is kitro else {"rtol": 1e-3, "atol": 2e-3}
    for (name, ours), (_, theirs) in zip(fields(found), fields(wanted), strict=True):
        if ours is None or theirs is None:
            assert ours is theirs, name
            continue
        assert ours.dtype == theirs.dtype, name
        if name.startswith("part"):  # what plans a video is not defined for bodies that are not refined
            ours, theirs = np.delete(ours, BEHIND, axis=0), np.delete(theirs, BEHIND, axis=0)
        np.testing.assert_allclose(ours, theirs, **tolerance, err_msg=name)
    status = (found[0] if type(found) is tuple else found).status
    assert status[BEHIND] == 4 and np.all(np.delete(status, BEHIND) == 0), status


# A body behind the camera goes through all steps, as it does on a GPU: nothing that comes of it is used.
warnings.simplefilter("ignore", RuntimeWarning)
for case in CASES[sys.argv[1]]:
    compare(*case)
