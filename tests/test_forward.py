"""The body's fused kernels against its array stages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from kitro_np import InputError
from kitro_np.body import BodyModel
from kitro_np.kernels.body.run import FEW
from kitro_np.kernels.body.skinning import BATCH_TILES

TOLERANCE = {np.float32: 3e-6, np.float64: 1e-13}


def make_body(vertices, dtype, posedirs=True, parents=(-1, 0, 1, 1, 0, 4)):
    """Draw a small body whose vertices hang on one to four joints."""
    random = np.random.default_rng(vertices)
    joints = len(parents)
    weights = random.random((vertices, joints)) * (random.random((vertices, joints)) < 0.4)
    weights[np.arange(vertices), random.integers(0, joints, vertices)] += 0.5
    weights /= weights.sum(axis=1, keepdims=True)
    regressor = random.random((joints, vertices))
    regressor /= regressor.sum(axis=1, keepdims=True)
    return BodyModel.from_arrays(
        "projected",
        random.normal(0, 0.5, (vertices, 3)).astype(dtype),
        random.normal(0, 0.05, (vertices, 3, 4)).astype(dtype),
        random.normal(0, 0.02, (vertices, 3, 9 * (joints - 1))).astype(dtype) if posedirs else None,
        regressor,
        weights.astype(dtype),
        np.zeros((1, 3), dtype=np.int32),
        parents,
    )


def make_input(body, count, dtype):
    random = np.random.default_rng(count)
    axis_angle = random.normal(0, 0.8, (count, body.num_joints, 3))
    axis_angle[::3, 1] *= np.geomspace(1e-7, 0.1, len(axis_angle[::3]))[:, None]
    axis_angle[::4, 2] = 0
    pose = Rotation.from_rotvec(axis_angle.reshape(-1, 3)).as_matrix().reshape(count, body.num_joints, 3, 3)
    betas, transl = random.normal(0, 1, (count, body.num_betas)), random.normal(0, 1, (count, 3))
    return [part.astype(dtype) for part in (axis_angle, pose, betas, transl)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, FEW, FEW + 1, 16, 17, 16 * BATCH_TILES + 3])
@pytest.mark.parametrize("vertices", [1, 4, 31])
def test_kernels_agree_with_stages(dtype, count, vertices):
    body = make_body(vertices, dtype)
    axis_angle, pose, betas, transl = make_input(body, count, dtype)
    expected = body.forward(pose, betas, transl, engine="array")
    for given in (pose, axis_angle, axis_angle.reshape(count, -1)):
        found = body.forward(given, betas, transl)
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == dtype
            np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCE[dtype])
        np.testing.assert_array_equal(body.joints(given, betas, transl), found.joints)


@pytest.mark.parametrize("count", [1, 40])
def test_body_without_pose_blend_shapes(count):
    body = make_body(9, np.float64, posedirs=False)
    _, pose, betas, transl = make_input(body, count, np.float64)
    expected = body.forward(pose, betas, transl, engine="array")
    np.testing.assert_allclose(body.forward(pose, betas, transl).vertices, expected.vertices, atol=1e-13)


def test_open_body_agrees_with_stages(open_body):
    _, pose, betas, transl = make_input(open_body, 5, np.float32)
    expected = open_body.forward(pose, betas, transl, engine="array")
    np.testing.assert_allclose(open_body.forward(pose, betas, transl).vertices, expected.vertices, atol=1e-5)


def test_result_depends_neither_on_neighbours_nor_on_threads():
    body = make_body(10, np.float32)
    _, pose, betas, transl = make_input(body, 600, np.float32)
    whole = body.forward(pose, betas, transl, threads=1).vertices
    np.testing.assert_array_equal(body.forward(pose, betas, transl, threads=3).vertices, whole)
    some = slice(7, 40)
    np.testing.assert_array_equal(body.forward(pose[some], betas[some], transl[some]).vertices, whole[some])


def test_any_layout_in_memory_gives_the_same():
    body = make_body(10, np.float64)
    _, pose, betas, transl = make_input(body, 6, np.float64)
    whole = body.forward(pose, betas, transl)
    spread = [np.repeat(part, 2, axis=0)[::2] for part in (pose, betas, transl)]
    fortran = [np.asfortranarray(part) for part in (pose, betas, transl)]
    lists = [part.tolist() for part in (pose, betas, transl)]
    for given in (spread, fortran, lists):
        np.testing.assert_array_equal(body.forward(*given).vertices, whole.vertices)
    grid = body.forward(pose.reshape(2, 3, -1, 3, 3), betas.reshape(2, 3, -1), transl.reshape(2, 3, 3))
    np.testing.assert_array_equal(grid.vertices.reshape(whole.vertices.shape), whole.vertices)
    np.testing.assert_array_equal(body.joints(pose[0], betas[0], transl[0]), whole.joints[0])


def test_fewer_betas_are_filled_up_with_zeros():
    body = make_body(10, np.float64)
    _, pose, betas, _ = make_input(body, 5, np.float64)
    padded = betas.copy()
    padded[:, 2:] = 0
    found = body.forward(pose, betas[:, :2])
    np.testing.assert_array_equal(found.vertices, body.forward(pose, padded).vertices)
    rest = body.forward(pose, np.zeros_like(betas), np.zeros((5, 3)))
    np.testing.assert_array_equal(body.forward(pose).joints, rest.joints)


@pytest.mark.parametrize("engine", ["numba", "array"])
@pytest.mark.parametrize("lead", [(0,), (2, 0), ()])
def test_no_body_and_one_body(engine, lead):
    body = make_body(10, np.float64)
    pose = np.broadcast_to(np.eye(3), (*lead, body.num_joints, 3, 3))
    found = body.forward(pose, engine=engine)
    assert found.joints.shape == (*lead, body.num_joints, 3)
    assert found.vertices.shape == (*lead, 10, 3)
    assert body.joints(pose, engine=engine).shape == (*lead, body.num_joints, 3)


def test_half_precision_is_computed_in_single():
    body = make_body(10, np.float32)
    _, pose, betas, transl = make_input(body, 3, np.float16)
    found = body.forward(pose, betas, transl).vertices
    assert found.dtype == np.float16
    single = body.forward(*(part.astype(np.float32) for part in (pose, betas, transl))).vertices
    np.testing.assert_array_equal(found, single.astype(np.float16))


@pytest.mark.parametrize("count", [1, 3, 17])
def test_weights_may_be_negative(count):
    body = make_body(20, np.float64)
    weights = np.array(body.weights)
    weights[:, 0] -= 0.3
    weights[:, 1] += 0.3
    body = replace(body, weights=weights)
    _, pose, betas, transl = make_input(body, count, np.float64)
    expected = body.forward(pose, betas, transl, engine="array").vertices
    np.testing.assert_allclose(body.forward(pose, betas, transl).vertices, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["v_template", "shapedirs", "posedirs", "J_regressor", "weights"])
def test_arrays_that_do_not_fit_are_refused_before_a_kernel_reads_them(name):
    body = make_body(7, np.float64)
    parts = {n: getattr(body, n) for n in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights")}
    _, pose, betas, transl = make_input(body, 3, np.float64)
    wrong = np.concatenate([parts[name]] * 2, axis=1)
    with pytest.raises(InputError, match=rf"^{name}: expected shape"):
        replace(body, **{name: wrong}).forward(pose, betas, transl)
    if name in ("posedirs", "weights"):
        parts[name] = wrong
        with pytest.raises(InputError, match=rf"^{name}: expected shape"):
            BodyModel.from_arrays("wrong", **parts, faces=body.faces, parents=body.skeleton.parents)


def test_a_body_of_other_arrays_lays_out_its_kernels_from_its_own():
    import array_api_strict

    body = make_body(7, np.float64)
    pose, betas, transl = make_input(body, 3, np.float64)[1:]
    there = array_api_strict.asarray(pose, device=array_api_strict.Device("device1"))
    moved = body.like(there)
    expected = body.forward(pose, betas, transl)
    np.testing.assert_array_equal(moved.forward(pose, betas, transl).vertices, expected.vertices)
    np.testing.assert_array_equal(moved.joints(pose, betas, transl), expected.joints)
