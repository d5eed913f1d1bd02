"""Metrics against cases computed by hand and against an independent Procrustes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import procrustes
from scipy.spatial.transform import Rotation

from kitro_np import InputError
from kitro_np.body import BodyOutput
from kitro_np.evaluation.many_points import mean_distances
from kitro_np.evaluation.metrics import (
    H36M_PELVIS,
    HIPS,
    LSP14,
    LSP_JOINTS,
    SMPL24,
    body_errors,
    depth_error,
    depth_errors,
    joint_errors,
    keypoint_errors,
    mean_distance,
    measure,
    mpjpe,
    pa_joint_errors,
    pa_mpjpe,
    pa_pve,
    pve,
    regressed_protocol,
    reprojection_error,
    sequence_means,
    share_improved,
    similarity_align,
)

EVERY = ("mpjpe", "pa_mpjpe", "pve", "pa_pve", "depth_error")


@pytest.fixture
def shapes():
    random = np.random.default_rng(15)
    truth = random.normal(0, 0.4, (6, 24, 3))
    return truth + random.normal(0, 0.05, truth.shape), truth


def moved(points, scale=1.7, mirror=False):
    turn = Rotation.from_rotvec([0.3, -1.2, 2.0]).as_matrix()
    return scale * (points * ([-1, 1, 1] if mirror else 1)) @ turn.T + [3.0, -2.0, 9.0]


def test_mean_distance():
    points = np.array([[[0.0, 0, 0], [3, 4, 0]], [[1, 1, 1], [1, 1, 1]]])
    np.testing.assert_allclose(mean_distance(points, np.zeros_like(points)), [2.5, np.sqrt(3)])


def test_mpjpe_by_hand():
    """One wrist 14 cm off and everything shifted: 1 cm on average over 14 joints."""
    truth = np.random.default_rng(0).normal(size=(1, 24, 3))
    joints = truth + 5
    joints[0, 21] += [0.14, 0, 0]
    np.testing.assert_allclose(mpjpe(joints, truth), [0.01])
    # Joints outside the 14 do not count; a hip does, in the pelvis too.
    joints[0, 23] += 1
    np.testing.assert_allclose(mpjpe(joints, truth), [0.01])
    joints[0, 21] -= [0.14, 0, 0]
    joints[0, HIPS[0]] += [0.28, 0, 0]
    np.testing.assert_allclose(mpjpe(joints, truth), [0.14])


def test_lsp_joints():
    assert len(set(LSP_JOINTS)) == 14
    assert set(HIPS) < set(LSP_JOINTS)


def test_similarity_align_undoes_a_similarity(shapes):
    _, truth = shapes
    np.testing.assert_allclose(similarity_align(moved(truth), truth), truth, atol=1e-12)
    np.testing.assert_allclose(pa_mpjpe(moved(truth), truth), 0, atol=1e-12)


def test_similarity_align_agrees_with_scipy(shapes):
    points, truth = shapes
    found = similarity_align(moved(points), truth)
    for body in range(len(truth)):
        expected, rotations, disparity = procrustes(truth[body], moved(points)[body])
        # SciPy's shapes are centred and of size 1.
        centre = truth[body].mean(axis=0)
        size = np.linalg.norm(truth[body] - centre)
        np.testing.assert_allclose(found[body], rotations * size + centre, atol=1e-9)
        np.testing.assert_allclose(np.sum((found[body] - truth[body]) ** 2) / size**2, disparity)
        np.testing.assert_allclose(expected * size + centre, truth[body], atol=1e-9)


def test_similarity_align_does_not_mirror(shapes):
    """As good as the best rotation and scale that SciPy and a closed formula find, and no better."""
    _, truth = shapes
    mirrored = moved(truth, mirror=True)
    found = similarity_align(mirrored, truth)
    for body in range(len(truth)):
        points = mirrored[body] - mirrored[body].mean(axis=0)
        expected = truth[body] - truth[body].mean(axis=0)
        turn, _ = Rotation.align_vectors(expected, points)
        rotations = turn.apply(points)
        rotations = rotations * np.sum(rotations * expected) / np.sum(rotations * rotations)
        np.testing.assert_allclose(found[body] - truth[body].mean(axis=0), rotations, atol=1e-9)
        assert np.linalg.norm(rotations - expected) > 0.1


@pytest.mark.parametrize("points", [np.zeros((1, 24, 3)), np.full((1, 24, 3), 2.0), np.full((1, 24, 3), 0.1)])
def test_points_that_coincide_move_to_the_mean(shapes, points):
    truth = shapes[1][:1]
    expected = np.broadcast_to(truth.mean(axis=1, keepdims=True), truth.shape)
    np.testing.assert_allclose(similarity_align(points, truth), expected, atol=1e-12)


@pytest.mark.parametrize("directions", [2, 1])
@pytest.mark.parametrize("mirror", [False, True])
def test_flat_and_straight_shapes(shapes, directions, mirror):
    """Half a turn about a line of its plane mirrors a flat shape, so it can be aligned all the same."""
    flat = shapes[1] * (np.arange(3) < directions)
    found = similarity_align(moved(flat, mirror=mirror), flat)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, flat, atol=1e-9)


def test_a_truth_that_is_one_point_shrinks_all_onto_it(shapes):
    truth = np.full((6, 24, 3), 0.1)
    np.testing.assert_allclose(similarity_align(shapes[0], truth), truth, atol=1e-12)


def test_pve_aligns_the_roots():
    vertices = np.random.default_rng(1).normal(size=(2, 30, 3))
    root = np.array([[1.0, 2, 3], [0, 0, 0]])
    other = vertices.copy()
    other[0] += [9.0, 9, 9]
    other[1] += [0, 0.02, 0]
    found = pve(other, vertices, root + np.array([[9], [0]]), root)
    np.testing.assert_allclose(found, [0, 0.02], atol=1e-12)


def test_reprojection_error_by_hand():
    joints = np.array([[[0.0, 0, 2], [1, 0, 2]]])
    intrinsics = np.array([[[10.0, 0, 5], [0, 10, 5], [0, 0, 1]]])
    # Drawn at (5, 5) and (10, 5): 5 and 0 pixels off.
    np.testing.assert_allclose(reprojection_error(joints, np.array([[[8.0, 9], [10, 5]]]), intrinsics), [2.5])


def test_body_errors_are_the_three_metrics(open_body, sim):
    pose, betas, true_pose, true_betas = (
        sim[k][:4].astype(float) for k in ("pred_theta", "pred_beta", "GT_theta", "GT_beta")
    )
    found = body_errors(open_body, pose, betas, true_pose, true_betas)
    posed, truth = open_body.forward(pose, betas), open_body.forward(true_pose, true_betas)
    np.testing.assert_allclose(found.mpjpe, mpjpe(posed.joints, truth.joints))
    np.testing.assert_allclose(found.pa_mpjpe, pa_mpjpe(posed.joints, truth.joints))
    gap = (posed.vertices - posed.joints[:, :1]) - (truth.vertices - truth.joints[:, :1])
    np.testing.assert_allclose(found.pve, np.linalg.norm(gap, axis=-1).mean(axis=1))
    same = body_errors(open_body, pose, betas, pose, betas)
    np.testing.assert_allclose(np.stack(same), 0, atol=1e-12)


# -------------------------------------------------------------------------------------------------- protocols


def test_all_joints_about_the_pelvis(shapes):
    """A pelvis off by 24 cm moves the other 23 joints by as much."""
    _, truth = shapes
    joints = truth.copy()
    joints[:, 0] += [0.24, 0, 0]
    np.testing.assert_allclose(mpjpe(joints, truth, SMPL24), 0.23)
    np.testing.assert_allclose(mpjpe(joints, truth, LSP14), 0)
    joints[:, 0] -= [0.24, 0, 0]
    joints[:, 23] += [0, 0.24, 0]
    np.testing.assert_allclose(mpjpe(joints, truth, SMPL24), 0.01)


def test_regressed_joints_by_hand():
    """A regressor whose row r is vertex r: SPIN's numbers pick the rows, about two hips or about row 0."""
    regressor = np.eye(17, 40)
    vertices = np.random.default_rng(3).normal(size=(2, 40, 3))
    body = BodyOutput(None, vertices)
    # Right leg, left leg, right arm, left arm, neck, head.
    rows = [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10]
    j14 = regressed_protocol(regressor)
    joints = j14.joints_of(body)
    np.testing.assert_allclose(joints, vertices[:, :17])
    np.testing.assert_allclose(j14.pick(joints), vertices[:, rows])
    hips = (vertices[:, 4] + vertices[:, 1]) / 2
    np.testing.assert_allclose(j14.pick_about_root(joints), vertices[:, rows] - hips[:, None])
    spin = regressed_protocol(regressor, root=H36M_PELVIS)
    np.testing.assert_allclose(spin.pick_about_root(joints), vertices[:, rows] - vertices[:, :1])


def test_regressor_in_the_order_of_smpl(open_body):
    """The body's own regressor finds the skeleton's joints in a body at rest."""
    at_rest = open_body.forward(np.tile(np.eye(3), (2, 24, 1, 1)), np.array([[0.0] * 3, [1.0, -2, 0.5]]))
    own = regressed_protocol(open_body.J_regressor)
    joints = own.joints_of(at_rest)
    np.testing.assert_allclose(joints, at_rest.joints, atol=1e-6)
    np.testing.assert_allclose(own.pick_about_root(joints), LSP14.pick_about_root(at_rest.joints), atol=1e-6)


def test_regressor_of_a_file(tmp_path):
    regressor = np.random.default_rng(4).random((17, 30))
    np.save(tmp_path / "J.npy", regressor)
    for path in (tmp_path / "J.npy", str(tmp_path / "J.npy")):
        np.testing.assert_array_equal(regressed_protocol(path).regressor, regressor)
    with pytest.raises(FileNotFoundError):
        regressed_protocol(tmp_path / "none.npy")
    (tmp_path / "text.npy").write_text("17 rows")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    for name in ("text.npy", "objects.npy"):
        with pytest.raises(InputError, match=r"^regressor: expected an \.npy file of numbers, got .*npy"):
            regressed_protocol(tmp_path / name)


@pytest.mark.parametrize(
    ("regressor", "expected"),
    [
        (np.zeros((30, 17)), r"expected shape \(17, vertices\) or \(24, vertices\), got \(30, 17\)"),
        (np.zeros(17), r"expected shape \(17, vertices\) or \(24, vertices\), got \(17,\)"),
        (np.full((17, 30), "a"), "expected an array of real numbers, got dtype <U1"),
    ],
)
def test_wrong_regressor(regressor, expected):
    with pytest.raises(InputError, match=f"^regressor: {expected}"):
        regressed_protocol(regressor)


def test_body_errors_of_another_protocol(open_body, sim):
    parts = [sim[k][:3].astype(float) for k in ("pred_theta", "pred_beta", "GT_theta", "GT_beta")]
    posed, truth = open_body.forward(*parts[:2]), open_body.forward(*parts[2:])
    own = regressed_protocol(open_body.J_regressor)
    found = body_errors(open_body, *parts, protocol=own)
    joints = [np.einsum("rv,nvi->nri", open_body.J_regressor, body.vertices) for body in (posed, truth)]
    np.testing.assert_allclose(found.mpjpe, mpjpe(*joints))
    np.testing.assert_allclose(found.pa_mpjpe, pa_mpjpe(*joints))
    np.testing.assert_array_equal(found.pve, body_errors(open_body, *parts).pve)


# -------------------------------------------------------------------------------------------- further metrics


def test_errors_of_each_joint_by_hand():
    """One wrist 14 cm off to the side and 48 cm in depth; the other joints are where they should be."""
    truth = np.random.default_rng(0).normal(size=(1, 24, 3))
    joints = truth + 5
    joints[0, 21] += [0.14, 0, -0.48]
    only = np.arange(14) == LSP_JOINTS.index(21)
    np.testing.assert_allclose(joint_errors(joints, truth), [0.5 * only], atol=1e-12)
    np.testing.assert_allclose(depth_errors(joints, truth), [0.48 * only], atol=1e-12)
    np.testing.assert_allclose(depth_error(joints, truth), [0.48 / 14])
    np.testing.assert_allclose(depth_error(joints, truth, SMPL24), [0.02])


@pytest.mark.parametrize("protocol", [LSP14, SMPL24])
def test_metrics_are_means_over_joints(shapes, protocol):
    for each, mean in ((joint_errors, mpjpe), (pa_joint_errors, pa_mpjpe), (depth_errors, depth_error)):
        found = each(*shapes, protocol)
        assert found.shape == (6, len(protocol.joints))
        np.testing.assert_allclose(found.mean(axis=1), mean(*shapes, protocol))


def test_keypoint_errors_by_hand():
    joints = np.array([[[0.0, 0, 2], [1, 0, 2]]])
    intrinsics = np.array([[[10.0, 0, 5], [0, 10, 5], [0, 0, 1]]])
    found = keypoint_errors(joints, np.array([[[8.0, 9], [10, 5]]]), intrinsics)
    np.testing.assert_allclose(found, [[5, 0]], atol=1e-12)


def test_pa_pve_agrees_with_scipy():
    random = np.random.default_rng(6)
    truth = random.normal(0, 0.4, (3, 200, 3))
    vertices = moved(truth + random.normal(0, 0.05, truth.shape))
    for found, body, true in zip(pa_pve(vertices, truth), vertices, truth, strict=True):
        expected, rotations, _ = procrustes(true, body)
        size = np.linalg.norm(true - true.mean(axis=0))
        np.testing.assert_allclose(found, size * np.linalg.norm(rotations - expected, axis=1).mean())


def test_share_improved():
    before = np.array([1.0, 2, 3, 4, np.nan, 5])
    after = np.array([0.5, 2, 4, 3, 1, np.inf])
    assert share_improved(before, after) == 0.5
    assert np.isnan(share_improved(before[4:], after[4:]))


def test_sequence_means():
    errors = np.array([1.0, 10, 3, np.nan, np.inf, 30])
    found = sequence_means(errors, ["walk", "run", "walk", "walk", "sit", "run"])
    assert list(found) == ["walk", "run", "sit"]
    np.testing.assert_equal(found, {"walk": 2.0, "run": 20.0, "sit": np.nan})
    assert sequence_means(np.zeros(0), []) == {}
    with pytest.raises(InputError, match=r"^sequences: expected shape \(6,\), got \(2,\)\."):
        sequence_means(errors, ["walk", "run"])


# --------------------------------------------------------------------------------------- bodies that are none


def posed_bodies(joints):
    """Bodies whose vertices are their joints and points between them."""
    return BodyOutput(joints, np.concatenate([joints, (joints[:, 1:] + joints[:, :-1]) / 2], axis=1))


@pytest.mark.parametrize(
    ("where", "value"), [(slice(None), np.nan), (slice(None), np.inf), (8, np.nan), (8, np.inf), (8, 1e200)]
)
@pytest.mark.parametrize("side", [0, 1], ids=["found", "truth"])
def test_a_body_that_is_nowhere_harms_no_neighbour(shapes, value, side, where):
    sides = [part.copy() for part in shapes]
    sides[side][2, where] = value
    with np.errstate(all="ignore"):
        found = measure(*map(posed_bodies, sides), EVERY)
    expected = measure(*map(posed_bodies, shapes), EVERY)
    others = np.arange(6) != 2
    for name in EVERY:
        np.testing.assert_array_equal(found[name][others], expected[name][others])
        # NaN or infinity, but for an ankle that is 1e200 off along z.
        assert not found[name][2] < 1e100


# ------------------------------------------------------------------------------------------------ invariances

SEEDS = st.integers(0, 2**32 - 1)
VECTORS = st.tuples(*3 * [st.floats(-5, 5)])


def projected(seed, count=2):
    random = np.random.default_rng(seed)
    truth = random.normal(0, 0.4, (count, 24, 3))
    return truth + random.normal(0, 0.1, truth.shape), truth


@given(seed=SEEDS, turn=VECTORS, shift=VECTORS, scale=st.floats(0.01, 100))
def test_pa_metrics_do_not_see_a_similarity(seed, turn, shift, scale):
    joints, truth = projected(seed)
    other = scale * joints @ Rotation.from_rotvec(turn).as_matrix() + shift
    for metric in (pa_joint_errors, pa_pve):
        np.testing.assert_allclose(metric(other, truth), metric(joints, truth), rtol=0, atol=1e-9)


@given(seed=SEEDS, shift=VECTORS, true_shift=VECTORS)
def test_no_metric_sees_a_translation(seed, shift, true_shift):
    sides = projected(seed)
    expected = measure(*map(posed_bodies, sides), EVERY)
    moved_sides = (sides[0] + shift, sides[1] + true_shift)
    for name, found in measure(*map(posed_bodies, moved_sides), EVERY).items():
        np.testing.assert_allclose(found, expected[name], rtol=0, atol=1e-12)


@given(seed=SEEDS, turn=VECTORS)
def test_turning_both_changes_only_the_depth_error(seed, turn):
    sides = projected(seed)
    rotation = Rotation.from_rotvec(turn).as_matrix()
    expected = measure(*map(posed_bodies, sides), EVERY[:4])
    for name, found in measure(*(posed_bodies(side @ rotation) for side in sides), EVERY[:4]).items():
        np.testing.assert_allclose(found, expected[name], rtol=0, atol=1e-12)


@given(seed=SEEDS, turn=VECTORS, shift=VECTORS, scale=st.floats(0.5, 2))
def test_no_similarity_comes_nearer_than_the_alignment(seed, turn, shift, scale):
    """Also of a mirrored body: no turn and no scale makes a left hand of a right one."""
    joints, truth = projected(seed)
    for points in (joints, joints * [-1, 1, 1]):
        aligned = similarity_align(points, truth)
        best = np.sum((aligned - truth) ** 2, axis=(1, 2))
        small = Rotation.from_rotvec(np.array(turn) / 100).as_matrix()
        for other in (scale * aligned @ small, aligned + shift, scale * points @ small + shift):
            assert np.all(np.sum((other - truth) ** 2, axis=(1, 2)) >= best - 1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mean_distances_of_many_points_are_those_of_the_formula(dtype):
    rng = np.random.default_rng(0)
    points, truth = rng.normal(size=(2, 11, 500, 3)).astype(dtype)
    shift = rng.normal(size=(11, 3)).astype(dtype)
    points[3, 4, 1] = np.nan
    found = mean_distances(points, truth, shift)
    expected = np.linalg.norm(points - truth - shift[:, None], axis=-1).mean(axis=1)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype == np.float32 else 1e-13)
    np.testing.assert_array_equal(mean_distances(points, truth), mean_distances(points, truth, 0 * shift))
    assert mean_distances(points[:0], truth[:0]).shape == (0,)
