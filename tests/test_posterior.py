"""The parts of a Gauss-Newton step: Jacobians, linear prior, step, scales, and the score of acceptance."""

import numpy as np
import pytest
from bodies import TREES, make_batch, make_skeleton

from kitro_np import KeypointLayout, Skeleton, find_layout
from kitro_np.arrays.rotations import cayley, chord
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.camera import project
from kitro_np.posterior import priors
from kitro_np.posterior.acceptance import assignments, gate_keypoints, score_of, swap_gain, threshold_of
from kitro_np.posterior.fit import apply_rotations, make_prior
from kitro_np.posterior.gauss_newton import (
    Jacobians,
    LinearPrior,
    Prior,
    Scales,
    Step,
    deviation_of,
    gauss_newton_step,
    linearise_prior,
    stacked_jacobian,
)
from kitro_np.posterior.projection import moved_points, place_points, point_jacobians, points_on
from kitro_np.posterior.scales import update_scales

COUNT = 4


@pytest.fixture
def random():
    return np.random.default_rng(5)


def make_layout(skeleton: Skeleton, away: int = 1, seed: int = 0) -> KeypointLayout:
    """Every joint, some points away from each, which betas move too, and one that is nowhere."""
    random = np.random.default_rng(seed)
    joints = [*range(skeleton.num_joints), *list(range(skeleton.num_joints)) * away, -1]
    offsets = random.normal(0, 0.1, (len(joints), 3))
    by_betas = random.normal(0, 0.01, (len(joints), 3, skeleton.num_betas))
    offsets[: skeleton.num_joints], by_betas[: skeleton.num_joints] = 0, 0
    names = [f"point_{k}" for k in range(len(joints))]
    return KeypointLayout("own", names, joints, offsets, by_betas)


class Scene:
    """Bodies with points away from their joints, and all that a step is made of."""

    def __init__(self, tree: str, count: int = COUNT, away: int = 1) -> None:
        self.skeleton = make_skeleton(tree)
        self.batch = make_batch(self.skeleton, count, seed=3)
        self.layout = make_layout(self.skeleton, away)
        self.points = points_on(self.skeleton, self.layout, self.batch.pose)
        self.posed = self.place(*self.batch[:3])
        self.jacobians = point_jacobians(self.posed, self.points.moved, self.batch.intrinsics)

    def place(self, pose, betas, transl):
        return place_points(self.skeleton, self.points, pose, betas, transl)

    def rotations(self, rotvec):
        return apply_rotations(self.skeleton, self.batch.pose, self.posed, rotvec)

    def visible(self, pose, betas, transl):
        return project(self.place(pose, betas, transl).points, self.batch.intrinsics)

    def turns(self):
        """Every joint about every axis: joint, axis and the unit turn of all bodies."""
        for joint in range(self.skeleton.num_joints):
            for axis in range(3):
                rotvec = np.zeros((len(self.batch.pose), self.skeleton.num_joints, 3))
                rotvec[:, joint, axis] = 1
                yield joint, axis, rotvec


@pytest.fixture(params=TREES)
def scene(request):
    return Scene(request.param)


def slope(function, size):
    return (function(size) - function(-size)) / (2 * size)


# --------------------------------------------------------------------------------------- points, Jacobians


def test_points_are_fixed_in_their_joints_frames(scene):
    pose, betas, transl = scene.batch[:3]
    joints, rotations = forward_kinematics(scene.skeleton, pose, betas)
    for k, joint in enumerate(scene.layout.joints[:-1]):
        offset = scene.layout.offsets[k] + betas @ scene.layout.by_betas[k].T
        expected = joints[:, joint] + transl + (rotations[:, joint] @ offset[..., None])[..., 0]
        np.testing.assert_allclose(scene.posed.points[:, k], expected, atol=1e-12)
    assert scene.points.precision[-1] == 0
    assert np.all(scene.points.precision[:-1] == 1)


def test_which_joints_move_a_point():
    skeleton = make_skeleton("nested")  # parents -1, 0, 1, 1, 2, 2, 3, 3, 5, 0
    layout = KeypointLayout("two", ("a", "b", "c"), (8, 8, -1), [[0.0, 0, 0], [0.1, 0, 0], [0.1, 0, 0]])
    expected = np.zeros((3, 10), bool)
    expected[0, [0, 1, 2, 5]] = True  # a joint stays where it is when it turns
    expected[1, [0, 1, 2, 5, 8]] = True
    np.testing.assert_array_equal(moved_points(skeleton, layout), expected)


def test_jacobians_are_those_of_the_projection(scene):
    pose, betas, transl = scene.batch[:3]
    real = np.array(scene.layout.joints) >= 0
    for joint, axis, rotvec in scene.turns():
        expected = slope(
            lambda h, rotvec=rotvec: scene.visible(scene.rotations(h * rotvec), betas, transl), 1e-5
        )
        found = scene.jacobians.by_rotation[:, :, :, joint, axis]
        np.testing.assert_allclose(found[:, real], expected[:, real], atol=1e-4)
        assert np.all(found[:, ~real] == 0)
    for k, unit in enumerate(np.eye(betas.shape[1])):
        expected = slope(lambda h, unit=unit: scene.visible(pose, betas + h * unit, transl), 1e-5)
        np.testing.assert_allclose(scene.jacobians.by_betas[..., k], expected, atol=1e-4)
    for k, unit in enumerate(np.eye(3)):
        expected = slope(lambda h, unit=unit: scene.visible(pose, betas, transl + h * unit), 1e-5)
        np.testing.assert_allclose(scene.jacobians.by_transl[..., k], expected, atol=1e-4)


def test_a_turn_takes_along_what_hangs_on_the_joint(scene, random):
    """It turns rigidly about the joint; everything else stays where it is."""
    joint = 1
    rotvec = np.zeros((*scene.batch.pose.shape[:2], 3))
    rotvec[:, joint] = random.normal(0, 1, (COUNT, 3))
    moved = scene.place(scene.rotations(rotvec), *scene.batch[1:3])
    below = scene.points.moved[:, joint] > 0
    arm = scene.posed.points - scene.posed.joints[:, [joint]]
    expected = scene.posed.joints[:, [joint]] + np.einsum("nij,nkj->nki", cayley(rotvec[:, joint]), arm)
    np.testing.assert_allclose(moved.points[:, below], expected[:, below], atol=1e-12)
    np.testing.assert_allclose(moved.points[:, ~below], scene.posed.points[:, ~below], atol=1e-12)


# ------------------------------------------------------------------------------------------------ the prior


def test_deviation_is_the_turn_since_the_estimate(scene, random):
    prior = make_prior(scene.skeleton, *scene.batch[:3], priors.flat_motion_prior(scene.skeleton), 1.0)
    rotvec = np.zeros((*scene.batch.pose.shape[:2], 3))
    rotvec[:, 1] = random.normal(0, 0.5, (COUNT, 3))
    pose = scene.rotations(rotvec)
    found = deviation_of(prior, pose, scene.place(pose, *scene.batch[1:3]).rotations)
    # Cayley's turn by w is 2 atan(|w| / 2), and the chord of that 2 sin atan(|w| / 2).
    length = np.linalg.norm(rotvec, axis=-1, keepdims=True)
    np.testing.assert_allclose(found, rotvec / np.sqrt(1 + length**2 / 4), atol=1e-12)


def test_linear_prior(scene, random):
    """Precision D^T P D and right side -D^T P c, with the Jacobian D of chords by finite differences."""
    pose, betas, transl = scene.batch[:3]
    joints = scene.skeleton.num_joints
    root = random.normal(0, 1, (joints, 3, 3))
    motion = priors.MotionPrior(random.normal(0, 0.3, (joints, 3)), root @ np.swapaxes(root, -1, -2))
    prior = make_prior(scene.skeleton, pose, betas, transl, motion, 1.0)
    away = random.normal(0, 0.1, (*pose.shape[:2], 3))
    now = scene.rotations(away)
    posed = scene.place(now, betas, transl)
    scale = np.linspace(0.5, 2, COUNT)
    linear_prior = linearise_prior(prior, Scales(scale, np.ones(COUNT)), now, betas, transl, posed)

    by_rotation = np.zeros((COUNT, joints, 3, 3))
    for joint, axis, rotvec in scene.turns():
        expected = slope(
            lambda h, rotvec=rotvec: chord(apply_rotations(scene.skeleton, now, posed, h * rotvec))[0], 1e-5
        )
        by_rotation[:, joint, :, axis] = expected[:, joint]
    spread = prior.pose_spread * scale[:, None, None]
    missing = chord(now)[0] - motion.mean
    blocks = np.einsum("njab,jac,njcd->njbd", by_rotation, motion.precision, by_rotation)
    blocks += np.eye(3) / spread[..., None] ** 2
    right_side = (
        -np.einsum("njab,jac,njc->njb", by_rotation, motion.precision, missing)
        - linear_prior.deviation / spread**2
    )
    for joint in range(joints):
        own = slice(3 * joint, 3 * joint + 3)
        scale = np.abs(blocks[:, joint]).max()
        np.testing.assert_allclose(linear_prior.precision[:, own, own], blocks[:, joint], atol=1e-6 * scale)
        np.testing.assert_allclose(linear_prior.right_side[:, own], right_side[:, joint], atol=1e-6 * scale)
    shapes = priors.BETAS_PRECISION * np.eye(betas.shape[1])
    np.testing.assert_array_equal(linear_prior.precision[:, 3 * joints : -3, 3 * joints : -3] - shapes, 0)
    np.testing.assert_array_equal(linear_prior.precision[:, -3:, -3:], prior.transl_precision)
    # A translation along x and one along y have nothing to do with each other; nor do the blocks.
    assert np.count_nonzero(linear_prior.precision[0]) == 9 * joints + betas.shape[1] + 9 - 2
    np.testing.assert_allclose(
        linear_prior.right_side[:, 3 * joints : -3], (priors.BETAS_SHARE - 1) * betas, atol=1e-12
    )
    np.testing.assert_allclose(linear_prior.right_side[:, -3:], 0, atol=1e-12)


def test_spread_of_the_translation(scene):
    """One spread away is a squared distance of 1: along the ray, and across the view."""
    prior = make_prior(scene.skeleton, *scene.batch[:3], priors.flat_motion_prior(scene.skeleton), 0.5)

    def squared(offset):
        return np.einsum("ni,nij,nj->n", offset, prior.transl_precision, offset)

    np.testing.assert_allclose(squared(priors.DEPTH_SPREAD * scene.batch.transl), 1)
    across = np.broadcast_to([0.5 * priors.TRANSL_SPREAD, 0, 0], (COUNT, 3))
    np.testing.assert_allclose(squared(across), 1)


def test_spreads_go_by_the_names_of_joints(open_body):
    skeleton = open_body.skeleton
    spread = np.rad2deg(priors.pose_spread(skeleton))
    left, right = (skeleton.joint_names.index(f"{side}_elbow") for side in ("left", "right"))
    np.testing.assert_allclose(
        spread[left], priors.ROTATION_DEGREES["elbow"] * np.array([1, 1, priors.VIEW_SHARE])
    )
    np.testing.assert_array_equal(spread[left], spread[right])
    spine = [skeleton.joint_names.index(f"spine{k}") for k in (1, 2, 3)]
    np.testing.assert_allclose(spread[spine, 0], priors.ROTATION_DEGREES["spine"])
    chain = make_skeleton("chain")
    np.testing.assert_allclose(np.rad2deg(priors.pose_spread(chain))[1:, 0], priors.FINGER_DEGREES)
    assert priors.size_of(skeleton) == pytest.approx(1, abs=0.1)
    half = Skeleton(skeleton.parents, skeleton.joint_template / 2, skeleton.joint_shapedirs)
    assert priors.size_of(half) == pytest.approx(priors.size_of(skeleton) / 2)


def test_bodies_are_known_by_their_tree(open_body):
    """SMPL-H and SMPL-X have unnamed joints more; a tree of as many joints as SMPL's need not be a body."""
    own = open_body.skeleton
    hands = (*own.parents[:22], *(20 + k // 15 for k in range(30)))
    template = np.concatenate([own.joint_template[:22], np.tile(own.joint_template[20:22], (15, 1))])
    with_hands = Skeleton(hands, template, np.zeros((52, 3, 2)))
    motion, expected = priors.cmu_motion_prior(with_hands), priors.cmu_motion_prior(own)
    np.testing.assert_array_equal(motion.mean[:22], expected.mean[:22])
    np.testing.assert_array_equal(motion.precision[:22], expected.precision[:22])
    assert not motion.precision[22:].any()
    spread = priors.pose_spread(with_hands)
    np.testing.assert_array_equal(spread[:22], priors.pose_spread(own)[:22])
    np.testing.assert_allclose(np.rad2deg(spread[22:, 0]), priors.OTHER_DEGREES)
    chain = Skeleton(range(-1, 23), own.joint_template, own.joint_shapedirs)
    assert not priors.cmu_motion_prior(chain).precision.any()


def test_motion_prior_is_that_of_recorded_poses(open_body, sim):
    """Knees and elbows bend one way: true poses are likelier than the same turned back."""
    motion = priors.cmu_motion_prior(open_body.skeleton)
    assert not motion.precision[0].any()
    assert np.all(np.linalg.eigvalsh(motion.precision[1:22]) > 0)
    true = sim["GT_theta"].astype(np.float64)

    def unlikely(pose):
        away = chord(pose)[0] - motion.mean
        return np.einsum("nja,jab,njb->nj", away, motion.precision, away)

    assert np.median(unlikely(true)[:, 1:22]) < 3
    for joint in ("left_knee", "right_knee", "left_elbow", "right_elbow"):
        k = open_body.skeleton.joint_names.index(joint)
        bent = np.linalg.norm(chord(true)[0][:, k], axis=-1) > 0.5
        assert bent.sum() > 5
        back = np.swapaxes(true, -1, -2)
        assert np.all(unlikely(back)[bent, k] > unlikely(true)[bent, k])


# ------------------------------------------------------------------------------------------------- the step


class Made:
    """Random parts of a step: 2 joints, 3 betas, 5 points, one of them not visible."""

    def __init__(self, random, count: int = COUNT) -> None:
        draw = random.normal
        self.jacobians = Jacobians(
            draw(size=(count, 5, 2, 2, 3)), draw(size=(count, 5, 2, 3)), draw(size=(count, 5, 2, 3))
        )
        root = draw(size=(count, 12, 12))
        self.precision = root @ np.swapaxes(root, -1, -2) + np.eye(12)
        self.linear_prior = LinearPrior(self.precision, draw(size=(count, 12)), draw(size=(count, 2, 3)))
        self.residual = draw(0, 3, (count, 5, 2))
        self.weights = random.uniform(0.5, 2, (count, 5))
        self.weights[:, 3] = 0

    def each(self):
        """Weighted Jacobian and residual, and the covariance and mean of the step to expect, of each body."""
        for n in range(len(self.residual)):
            both = np.repeat(self.weights[n], 2)
            covariance = np.linalg.inv(self.precision[n])
            jacobian = both[:, None] * stacked_jacobian(self.jacobians)[n]
            yield (
                n,
                jacobian,
                both * self.residual[n].ravel(),
                covariance,
                covariance @ self.linear_prior.right_side[n],
            )


def test_step_is_that_of_the_dual_form(random):
    """In the space of the keypoints, S = I + J P J^T is the covariance of what is to be expected of them."""
    made = Made(random)
    step = gauss_newton_step(made.linear_prior, made.jacobians, made.residual, made.weights)
    for n, jacobian, residual, prior, expected in made.each():
        spread = np.eye(10) + jacobian @ prior @ jacobian.T
        off = residual - jacobian @ expected
        gain = prior @ jacobian.T @ np.linalg.inv(spread)
        change = expected + gain @ off
        found = np.concatenate([step.rotvec[n].ravel(), step.betas[n], step.transl[n]])
        np.testing.assert_allclose(found, change, atol=1e-10)
        covariance = prior - gain @ jacobian @ prior
        np.testing.assert_allclose(step.covariance[n], covariance, atol=1e-10)
        np.testing.assert_allclose(step.mahalanobis[n], off @ np.linalg.solve(spread, off), rtol=1e-10)
        np.testing.assert_allclose(step.log_determinant[n], np.linalg.slogdet(spread)[1], rtol=1e-10)
        np.testing.assert_allclose(
            step.squared_residual[n], np.sum((residual - jacobian @ change) ** 2), rtol=1e-10
        )
        np.testing.assert_allclose(
            step.effective_parameters[n], np.trace(jacobian @ covariance @ jacobian.T), rtol=1e-9
        )
        np.testing.assert_allclose(step.deviation[n], made.linear_prior.deviation[n] + step.rotvec[n])


def test_covariance_is_the_inverse_of_all_precision(random):
    made = Made(random)
    step = gauss_newton_step(made.linear_prior, made.jacobians, made.residual, made.weights)
    for n, jacobian, *_ in made.each():
        product = step.covariance[n] @ (jacobian.T @ jacobian + made.precision[n])
        np.testing.assert_allclose(product, np.eye(12), atol=1e-9)


def test_gates_by_hand(random):
    """Each keypoint alone against its prior prediction, in two dimensions."""
    made = Made(random)
    confidence, noise = made.weights, random.uniform(1, 2, COUNT)
    gates = gate_keypoints(
        made.linear_prior, stacked_jacobian(made.jacobians), made.residual, confidence, noise
    )
    for n in range(COUNT):
        prior = np.linalg.inv(made.precision[n])
        mahalanobis = []
        for k in range(5):
            own = stacked_jacobian(made.jacobians)[n, 2 * k : 2 * k + 2]
            off = made.residual[n, k] - own @ prior @ made.linear_prior.right_side[n]
            mahalanobis.append(off @ np.linalg.solve(own @ prior @ own.T + noise[n] ** 2 * np.eye(2), off))
        np.testing.assert_allclose(gates.weight[n], 7 / (5 + np.array(mahalanobis)))
        share = confidence[n] * 62 / (60 + np.array(mahalanobis))
        shift = np.linalg.norm(share @ made.residual[n] / share.sum())
        np.testing.assert_allclose(gates.shift[n], shift)


def test_gain_of_swaps_is_that_of_fits_of_their_own(random):
    made = Made(random, 30)
    step = gauss_newton_step(made.linear_prior, made.jacobians, made.residual, made.weights)
    others = [random.normal(0, 4, made.residual.shape) for _ in range(2)]
    refits = [gauss_newton_step(made.linear_prior, made.jacobians, other, made.weights) for other in others]
    expected = np.maximum(0, step.mahalanobis - np.minimum(refits[0].mahalanobis, refits[1].mahalanobis))
    jacobian = stacked_jacobian(made.jacobians)
    found = swap_gain(step, made.linear_prior, jacobian, made.weights, made.residual, others)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert 0 < np.count_nonzero(expected) < 30
    none = swap_gain(step, made.linear_prior, jacobian, made.weights, made.residual, [])
    np.testing.assert_array_equal(none, 0)


def swapped_names(layout, order):
    return {layout.names[k] for k, twin in enumerate(order) if twin != k}


def test_assignments_of_left_and_right(open_body):
    limbs = {"smpl24": (8, 10), "coco17": (6, 6)}
    for name, counts in limbs.items():
        layout = find_layout(name, open_body)
        every, legs, arms = assignments(layout)
        assert every == list(layout.mirror)
        for order, count, words in (
            (legs, counts[0], "hip knee ankle foot"),
            (arms, counts[1], "collar shoulder elbow wrist hand"),
        ):
            swapped = swapped_names(layout, order)
            assert len(swapped) == count
            assert {part.split("_")[1] for part in swapped} <= {*words.split()}
            assert [order[k] for k in order] == list(range(layout.num_points))
    rest = swapped_names(layout, every) - swapped_names(layout, legs) - swapped_names(layout, arms)
    assert rest == {"left_eye", "right_eye", "left_ear", "right_ear"}
    assert assignments(find_layout("smpl24", make_skeleton("chain"))) == []


def test_score_by_hand():
    """Distance and determinant per coordinate, with shift and noise; few coordinates may have more."""
    step = Step(*[None] * 7, mahalanobis=np.array([20.0, 20.0]), log_determinant=None)
    pixels_per_metre, noise = np.array([100.0, 200.0]), np.array([1.5, 1.5])
    found = score_of(
        step, np.array([4.0, 4.0]), np.array([0.0, 180.0]), noise, pixels_per_metre, np.array([24.0, 12.0])
    )
    np.testing.assert_allclose(found, [1 + np.log(0.1), 2 + 0.7 * np.log(2)])
    np.testing.assert_allclose(threshold_of(np.array([48.0, 24.0, 8.0]), 0.5), [0.9, 1.2, 2.4])


# ------------------------------------------------------------------------------------------------- the scales


def test_scales_by_hand():
    """Two joints, one of them observed, and three keypoints; the priors have 1 and 0.3 degrees of freedom."""
    prior = Prior(None, np.full((2, 3), 0.1), None, None, None, None, None)
    covariance = np.zeros((3, 6, 6))
    covariance[:, [0, 1, 2], [0, 1, 2]] = 0.01  # a quarter of what it was at scale 2: 3 x 0.75 are free
    deviation = np.zeros((3, 2, 3))
    deviation[:, 0, 0] = [0.4, 0, 100]  # 2 spreads, none, very many
    deviation[:, 1] = 5
    squared_residual, effective_parameters = (
        np.array([6.0, 0, 6]),
        np.array([2.0, 2, 7]),
    )  # of 6 numbers 4, 4 and none are free
    step = Step(None, None, None, covariance, deviation, squared_residual, effective_parameters, None, None)
    scales, pixels_per_metre = (
        Scales(np.full(3, 2.0), np.full(3, 6.0)),
        np.full(3, 200.0),
    )  # 3 pixels are usual
    moving, weights = np.array([[1.0, 0]] * 3), np.array([[1.0, 0.5, 2, 0]] * 3)
    found = update_scales(prior, scales, step, weights, moving, pixels_per_metre)
    np.testing.assert_allclose(found.pose, [2 * np.sqrt(4.25 / 3.25), 2 * np.sqrt(0.25 / 3.25), 10])
    noise = [6 * np.sqrt(6.075 / 4.3), 6 * np.sqrt(0.075 / 4.3), 6 * np.sqrt(6.075 / 0.3)]
    np.testing.assert_allclose(found.noise, noise)
    many = update_scales(
        prior,
        scales,
        step._replace(squared_residual=0 * squared_residual),
        np.ones((3, 50)),
        moving,
        pixels_per_metre,
    )
    np.testing.assert_allclose(many.noise, priors.SMALLEST_NOISE * pixels_per_metre)


@pytest.mark.parametrize(("scale", "noise"), [(0.5, 0.005), (1.0, 0.02), (2.0, 0.01)])
def test_scales_are_found_in_data_of_the_model(scale, noise, random):
    """Rotations, betas and translations sampled from their priors, and keypoints from Jacobians and noise.

    Many points on each joint leave the priors of both scales little influence.
    """
    count = 300
    scene = Scene("nested", count, away=4)
    skeleton, (pose, _, transl) = scene.skeleton, scene.batch[:3]
    prior = make_prior(skeleton, *scene.batch[:3], priors.flat_motion_prior(skeleton), 1.0)
    pixels_per_metre = scene.batch.intrinsics[:, 0, 0] / transl[:, 2]
    confidence = np.broadcast_to(scene.points.precision, (count, scene.layout.num_points))
    rotvec = scale * prior.pose_spread * random.normal(size=(*pose.shape[:2], 3))
    root = np.linalg.cholesky(np.linalg.inv(prior.transl_precision))
    move = np.einsum("nij,nj->ni", root, random.normal(size=(count, 3)))
    change = np.concatenate([rotvec.reshape(count, -1), random.normal(size=(count, 4)), move], axis=1)
    residual = np.einsum("nku,nu->nk", stacked_jacobian(scene.jacobians), change).reshape(count, -1, 2)
    residual += (noise * pixels_per_metre)[:, None, None] * random.normal(size=residual.shape)

    moving = np.broadcast_to(confidence @ scene.points.moved > 0, (count, skeleton.num_joints)).astype(float)
    scales = Scales(np.ones(count), priors.INITIAL_NOISE * pixels_per_metre)
    for _ in range(15):
        linear_prior = linearise_prior(prior, scales, pose, prior.betas, transl, scene.posed)
        weights = np.sqrt(confidence) / scales.noise[:, None]
        step = gauss_newton_step(linear_prior, scene.jacobians, residual, weights)
        scales = update_scales(prior, scales, step, weights, moving, pixels_per_metre)
    off, noise_off = np.log(scales.pose / scale), np.log(scales.noise / pixels_per_metre / noise)
    assert abs(off.mean()) < 0.1
    assert abs(noise_off.mean()) < 0.03
    assert off.std() < 0.25
    assert noise_off.std() < 0.15
