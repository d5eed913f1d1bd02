"""Stages, the body and whole refinements on the arrays of every library that is installed, against NumPy."""

from __future__ import annotations

import importlib
import importlib.util
import tracemalloc

import numpy as np
import pytest
from backends import TOLERANCE, assert_near
from bodies import Batch, make_batch, make_skeleton
from kitro import refine
from scipy.spatial.transform import Rotation

from kitro_np import InputError, Status, load_body
from kitro_np import camera as camera_stage
from kitro_np.arrays import rotations as geometry_stage
from kitro_np.body import kinematics as kinematics_stage
from kitro_np.evaluation.metrics import mpjpe, pa_mpjpe, reprojection_error
from kitro_np.kitro import rays as rays_stage
from kitro_np.kitro import rotate as rotate_stage
from kitro_np.kitro import shape as shape_stage
from kitro_np.kitro import translation as translation_stage
from kitro_np.kitro import tree as tree_stage
from kitro_np.kitro.variants import VARIANTS
from kitro_np.refinement import chunks as batches
from kitro_np.refinement.validity import estimate_status, outcome_status

FEW = {"iterations": 2, "shape_steps": 3}


@pytest.fixture(params=TOLERANCE)
def dtype(request):
    return request.param


# ----------------------------------------------------------------------------------------------------- stages


def posed(skeleton, batch):
    return kinematics_stage.forward_kinematics(skeleton, batch.pose, batch.betas)


def in_camera(skeleton, batch):
    return posed(skeleton, batch).joints + batch.transl[:, None, :]


def gradient(skeleton, batch):
    _, by_beta = kinematics_stage.affine_joints(skeleton, posed(skeleton, batch).global_rotations)
    return shape_stage.bone_length_gradient(skeleton, in_camera(skeleton, batch), by_beta, *batch[3:])


def bone_rays(skeleton, batch):
    return tree_stage.all_bone_rays(skeleton, in_camera(skeleton, batch), *batch[3:], shift=True)


def solutions(skeleton, batch):
    joints = in_camera(skeleton, batch)
    distance = rays_stage.signed_distance(tree_stage.gather_parents(skeleton, joints))
    return rays_stage.intersect(bone_rays(skeleton, batch), distance)


def select(skeleton, batch, variant="released"):
    joints = in_camera(skeleton, batch)
    return tree_stage.select_branches(
        skeleton, batch.pose, batch.betas, joints, *batch[3:], VARIANTS[variant]
    )


def rotate(skeleton, batch, variant="released"):
    found = select(skeleton, batch, variant)
    return rotate_stage.rotate_joints(skeleton, batch.pose, batch.pose, *batch[1:], found, VARIANTS[variant])


STAGES = {
    "project": lambda s, b: camera_stage.project(in_camera(s, b), b.intrinsics),
    "backproject": lambda s, b: camera_stage.backproject(b.keypoints_2d, b.intrinsics),
    "translation": lambda s, b: translation_stage.update_translation(
        b.transl, translation_stage.solve_translation(posed(s, b).joints, *b[3:])
    ),
    "kinematics": lambda s, b: tuple(posed(s, b)),
    "affine joints": lambda s, b: kinematics_stage.affine_joints(s, posed(s, b).global_rotations),
    "gradient": gradient,
    "shape": lambda s, b: shape_stage.fit_shape(s, posed(s, b).global_rotations, *b[1:]),
    "rays": lambda s, b: tuple(bone_rays(s, b)),
    "intersections": solutions,
    "tree": lambda s, b: (select(s, b).selection, select(s, b).path_score),
    "tree of the paper": lambda s, b: (select(s, b, "paper").selection, select(s, b, "paper").path_score),
    "rotate": rotate,
    "rotate of the paper": lambda s, b: rotate(s, b, "paper"),
    "swing": lambda s, b: geometry_stage.swing(b.pose[:, 1:4, 0, :], b.pose[:, 1:4, 1, :]),
    "align": lambda s, b: geometry_stage.align(b.pose[:, 1, :, :], b.pose[:, 2, :, :]),
    "orthonormalise": lambda s, b: geometry_stage.orthonormalise(1.001 * b.pose),
    "axis-angle": lambda s, b: geometry_stage.axis_angle_from_matrix(b.pose),
    "matrices": lambda s, b: geometry_stage.matrix_from_axis_angle(0.5 * b.pose[..., 0]),
    "checks": lambda s, b: (estimate_status(s, *b), outcome_status(s, *b[:3], b[2][:, 2])),
    "errors": lambda s, b: (
        reprojection_error(in_camera(s, b), *b[3:]),
        mpjpe(in_camera(s, b), 1.1 * in_camera(s, b)),
        pa_mpjpe(in_camera(s, b), in_camera(s, b) ** 2),
    ),
}


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
def test_stage(backend, stage, dtype):
    skeleton = make_skeleton("smpl")
    batch = make_batch(skeleton, 5, seed=8)
    expected = stage(skeleton, batch)
    ours = Batch(*(backend.array(part) for part in batch.astype(dtype)))
    assert_near(backend, stage(skeleton.like(ours.pose), ours), expected, dtype)


@pytest.mark.parametrize("form", ["matrices", "vectors"])
def test_body(backend, dtype, form):
    body, batch = load_body(), make_batch(make_skeleton("smpl"), 3, seed=9)
    betas = np.zeros((3, body.num_betas))
    expected = body.forward(batch.pose, betas, batch.transl, engine="array")
    pose = batch.pose if form == "matrices" else vectors_of(batch.pose)
    given = [backend.array(part.astype(dtype)) for part in (pose, betas, batch.transl)]
    found = body.forward(*given, engine="array")
    assert_near(backend, tuple(found), tuple(expected), dtype)
    assert_near(backend, body.joints(*given, engine="array"), expected.joints, dtype)


# ---------------------------------------------------------------------------------------- whole refinements


def vectors_of(pose):
    return Rotation.from_matrix(pose.reshape(-1, 3, 3)).as_rotvec().reshape(*pose.shape[:-2], 3)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("tree", ["smpl", "hand"])
def test_refine(backend, dtype, variant, tree):
    skeleton = make_skeleton(tree)
    batch = make_batch(skeleton, 12, seed=10)
    batch.transl[3] *= -1
    expected = refine(*batch, body=skeleton, engine="array", variant=variant, **FEW)
    given = [backend.array(part) for part in batch.astype(dtype)]
    found = refine(*given, body=skeleton, engine="array", variant=variant, **FEW)
    selection = backend.numpy(found.selection)
    # In single precision a near tie may fall to the other branch.
    same = np.all(selection == expected.selection, axis=1)
    assert np.all(same) if dtype == "float64" else np.mean(same) > 0.8
    np.testing.assert_array_equal(backend.numpy(found.status), expected.status)
    assert expected.status[3] == Status.BEHIND_CAMERA
    for name in ("pose", "betas", "transl", "path_score", "reprojection_error"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert isinstance(ours, type(given[0]))
        assert ours.dtype == given[0].dtype
        rtol = 1e-4 if name == "reprojection_error" and dtype == "float32" else 0
        np.testing.assert_allclose(backend.numpy(ours)[same], theirs[same], rtol=rtol, atol=TOLERANCE[dtype])


def test_one_body_of_vectors(backend):
    skeleton = make_skeleton("smpl")
    batch = make_batch(skeleton, 1, seed=12)
    batch = batch._replace(pose=vectors_of(batch.pose)).some(0)
    expected = refine(*batch, body=skeleton, engine="array", **FEW)
    found = refine(*map(backend.array, batch), body=skeleton, engine="array", **FEW)
    for name in ("pose", "betas", "transl", "selection", "path_score", "reprojection_error", "status"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert tuple(ours.shape) == np.shape(theirs)
        np.testing.assert_allclose(backend.numpy(ours), theirs, rtol=0, atol=1e-9)


def test_strict_and_summary(backend):
    skeleton = make_skeleton("smpl")
    batch = make_batch(skeleton, 3, seed=13)
    batch.transl[1, 2] = np.nan
    given = [backend.array(part) for part in batch]
    found = refine(*given, body=skeleton, engine="array", iterations=1)
    assert "2 bodies refined by kitro, 1 returned as it was" in found.summary()
    with pytest.raises(InputError, match=r"^body 1: "):
        refine(*given, body=skeleton, engine="array", iterations=1, strict=True)


# -------------------------------------------------------------------------------------- what runs, and where


@pytest.fixture
def ran(monkeypatch):
    """Names of the engines that ran."""
    names = []

    def record(module, function, name):
        own = importlib.import_module(module)
        original = getattr(own, function)

        def call(*args, **options):
            names.append(name)
            return original(*args, **options)

        monkeypatch.setattr(own, function, call)

    record("kitro_np.kernels.kitro.run", "run_kernels", "numba")
    record("kitro_np.kitro.method", "run_stages", "array")
    if importlib.util.find_spec("numba_cuda"):
        record("kitro_np.kernels.kitro.run_gpu", "run_gpu", "cuda")
    return names


def test_engine_of_each_backend(backend, ran):
    skeleton = make_skeleton("chain")
    given = [backend.array(part) for part in make_batch(skeleton, 2)]
    refine(*given, body=skeleton, iterations=1)
    assert ran == [backend.engine]
    ran.clear()
    refine(*given, body=skeleton, iterations=1, engine="array")
    assert ran == ["array"]
    if backend.xp is not np:
        for engine in {"numba", "cuda"} - {backend.engine}:
            with pytest.raises(InputError, match=r"^engine: expected .* arrays"):
                refine(*given, body=skeleton, engine=engine)
        with pytest.raises(InputError, match=r"^betas: expected an array of the same kind as pose"):
            refine(given[0], np.zeros((2, 4)), *given[2:], body=skeleton)


def test_tensors_that_require_grad_are_refused():
    torch = pytest.importorskip("torch")
    skeleton = make_skeleton("chain")
    given = [torch.asarray(part) for part in make_batch(skeleton, 2)]
    given[2].requires_grad_()
    with pytest.raises(InputError, match=r"^transl: expected .*transl\.detach\(\)"):
        refine(*given, body=skeleton)
    body = load_body()
    pose = torch.zeros((1, 72), requires_grad=True)
    with pytest.raises(InputError, match=r"^pose: expected .*pose\.detach\(\)"):
        body.forward(pose)


def test_arrays_on_two_devices_are_refused():
    strict = importlib.import_module("array_api_strict")
    skeleton = make_skeleton("chain")
    given = [strict.asarray(part) for part in make_batch(skeleton, 2)]
    given[3] = given[3].to_device(strict.Device("device1"))
    with pytest.raises(InputError, match=r"^keypoints_2d: expected an array on pose's device"):
        refine(*given, body=skeleton)


def test_skeleton_and_body_that_were_moved_serve_any_array():
    strict = importlib.import_module("array_api_strict")
    skeleton = make_skeleton("chain")
    batch = make_batch(skeleton, 2)
    moved = skeleton.like(strict.asarray(batch.pose, device=strict.Device("device1")))
    for betas in (batch.betas, batch.betas[:, :2]):
        given = batch._replace(betas=betas)
        expected = refine(*given, body=skeleton, **FEW)
        np.testing.assert_array_equal(refine(*given, body=moved, **FEW).pose, expected.pose)


def test_camera_from_the_image_size_keeps_its_digits():
    """Half precision of the pose is no reason to round a focal length."""
    skeleton = make_skeleton("chain")
    batch = make_batch(skeleton, 2).astype(np.float32)
    half = batch._replace(pose=batch.pose.astype(np.float16))
    size = (4000, 3001)
    expected = refine(half.pose.astype(np.float32), *batch[1:4], image_size=size, body=skeleton, **FEW)
    found = refine(*half[:4], image_size=size, body=skeleton, **FEW)
    np.testing.assert_array_equal(found.transl, expected.transl)


def test_half_precision_is_computed_in_single_by_the_body():
    torch = pytest.importorskip("torch")
    body, batch = load_body(), make_batch(make_skeleton("smpl"), 2, seed=9)
    pose = torch.asarray(batch.pose).to(torch.bfloat16)
    found = body.forward(pose).vertices
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, body.forward(pose.to(torch.float32)).vertices.to(torch.bfloat16))


def test_dtypes_of_torch_that_numpy_lacks():
    torch = pytest.importorskip("torch")
    skeleton = make_skeleton("chain")
    batch = make_batch(skeleton, 2).astype(np.float32)
    given = [torch.asarray(part).to(torch.bfloat16) for part in batch[:3]]
    camera = [torch.asarray(part) for part in batch[3:]]
    for _ in range(3):  # a result can be given again
        found = refine(*given, *camera, body=skeleton, iterations=1)
        assert found.pose.dtype == torch.bfloat16
        assert not torch.any(found.status)
        given = [found.pose, found.betas, found.transl]


def test_tensors_on_a_cpu_go_through_the_kernels_without_a_copy(monkeypatch):
    torch = pytest.importorskip("torch")
    run = importlib.import_module("kitro_np.kernels.kitro.run")
    pointers, original = [], run.run_kernels

    def watched(request, *args, **options):
        pointers.append([part.ctypes.data for part in (request.pose, request.keypoints_2d)])
        return original(request, *args, **options)

    monkeypatch.setattr(run, "run_kernels", watched)
    skeleton = make_skeleton("smpl")
    batch = make_batch(skeleton, 3)
    given = [torch.asarray(part) for part in batch]
    found = refine(*given, body=skeleton, **FEW)
    assert pointers == [[given[0].data_ptr(), given[3].data_ptr()]]
    expected = refine(*batch, body=skeleton, **FEW)
    for name, array in expected.arrays().items():
        assert torch.equal(getattr(found, name), torch.asarray(array)), name
    joints = load_body("open").joints(given[0])
    assert isinstance(joints, torch.Tensor)
    np.testing.assert_array_equal(joints.numpy(), load_body("open").joints(batch.pose))


# ----------------------------------------------------------------------------------------------------- chunks


@pytest.mark.parametrize("engine", [None, "array"])
@pytest.mark.parametrize("chunk_size", [1, 5, 12, 100])
def test_chunks_change_nothing_on_any_backend(backend, engine, chunk_size):
    skeleton = make_skeleton("two_children")
    given = [backend.array(part) for part in make_batch(skeleton, 12, seed=14)]
    how = {"body": skeleton, "engine": engine, "threads": 1, **FEW}
    expected = refine(*given, **how)
    done = []
    found = refine(*given, chunk_size=chunk_size, progress=done.append, **how)
    for name in ("pose", "betas", "transl", "selection"):
        np.testing.assert_allclose(
            backend.numpy(getattr(found, name)), backend.numpy(getattr(expected, name)), rtol=0, atol=1e-12
        )
    assert sum(done) == 12
    warps = engine is None and backend.engine == "cuda"  # no fewer than a warp's 32
    assert max(done) == (12 if warps else min(chunk_size, 12))


@pytest.mark.parametrize("chunk_size", [0, -1, 1.5, "many"])
def test_wrong_chunk_size(chunk_size):
    skeleton = make_skeleton("chain")
    with pytest.raises(InputError, match=r"^chunk_size: expected"):
        refine(*make_batch(skeleton, 1), body=skeleton, chunk_size=chunk_size)


@pytest.mark.parametrize("tree", ["smpl", "hand", "chain"])
def test_default_chunk_of_the_stages_is_what_64_mb_hold(tree, monkeypatch):
    skeleton = make_skeleton(tree)
    sizes = {}
    for dtype in TOLERANCE:
        branches = sum(2**depth for depth in skeleton.depths[1:])
        numbers = batches.NUMBERS_PER_BRANCH * branches + batches.NUMBERS_PER_JOINT * skeleton.num_joints
        sizes[dtype] = batches._chunk_size(numbers, np.zeros(1, dtype))
    assert sizes["float32"] // 2 == pytest.approx(sizes["float64"], abs=1)
    if tree == "smpl":
        assert 900 < sizes["float32"] < 1200


def test_array_stages_need_less_than_100_kb_a_body_in_float32():
    skeleton = make_skeleton("smpl", num_betas=10)

    def peak(count):
        batch = make_batch(skeleton, count).astype(np.float32)
        tracemalloc.start()
        refine(*batch, body=skeleton, engine="array", iterations=1, chunk_size=count)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(2)
    assert (peak(160) - peak(32)) / 128 < 100_000
