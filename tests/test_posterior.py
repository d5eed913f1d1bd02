"""The parts of a Gauss-Newton step: Jacobians, linear prior, weights, step, swaps, scales and spread."""

import numpy as np
import pytest
from bodies import TREES, make_batch, make_skeleton
from scipy.stats import multivariate_t

from kitro_np import KeypointLayout, Skeleton, find_layout
from kitro_np.arrays.rotations import cayley, chord
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.camera import project
from kitro_np.posterior import priors
from kitro_np.posterior.fit import apply_rotations, make_prior
from kitro_np.posterior.gates import PAIR_MARGIN, gate_keypoints
from kitro_np.posterior.gauss_newton import (
    Jacobians,
    LinearPrior,
    Scales,
    Step,
    deviation_of,
    gauss_newton_step,
    linearise_prior,
    stacked_jacobian,
)
from kitro_np.posterior.projection import moved_points, place_points, point_jacobians, points_on
from kitro_np.posterior.robust import information, inlier_probability, outlier_odds, student_weight
from kitro_np.posterior.scales import update_scales
from kitro_np.posterior.spread import (
    LANDMARKS_TURN,
    LINEARISATION,
    SHARED,
    correlation_factor,
    joint_spread,
)
from kitro_np.posterior.swaps import SWAP_MARGIN, assignments, best_swap, exchanged, swap_gains

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
    across = linear_prior.deviation[:, 0, :2] / spread[:, 0, :2]
    spread[:, 0] *= np.sqrt(1 + np.sum(across**2, axis=1, keepdims=True) / priors.TURN_DOF)
    np.testing.assert_allclose(linear_prior.pose_spread, spread)
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


def test_a_turn_of_the_whole_body_may_be_large(scene):
    """The root's pull towards the estimate is that of Student's t: it grows, then falls; others' grow on."""
    prior = make_prior(scene.skeleton, *scene.batch[:3], priors.flat_motion_prior(scene.skeleton), 1.0)
    prior = prior._replace(pose_spread=np.full_like(prior.pose_spread, 0.02))
    scales = Scales(np.ones(COUNT), np.ones(COUNT))

    def linearised(joint, axis, turn):
        rotvec = np.zeros((*scene.batch.pose.shape[:2], 3))
        rotvec[:, joint, axis] = turn
        pose = scene.rotations(rotvec)
        found = linearise_prior(prior, scales, pose, *scene.batch[1:3], scene.place(pose, *scene.batch[1:3]))
        number = 3 * joint + axis
        np.testing.assert_allclose(
            found.right_side[:, number],
            -found.precision[:, number, number] * found.deviation[:, joint, axis],
            rtol=1e-9,
        )
        return found.pose_spread[:, joint], -found.right_side[:, number] * 0.02

    # Cayley's turn by w has the chord w / sqrt(1 + w^2 / 4): here in spreads.
    away = {turn: turn / 0.02 / np.sqrt(1 + turn**2 / 4) for turn in (0.01, 0.06, 0.3)}
    for axis in (0, 1):
        for turn, number in away.items():
            spread, pull = linearised(0, axis, turn)
            factor = np.sqrt((priors.TURN_DOF + number**2) / priors.TURN_DOF)
            np.testing.assert_allclose(spread, np.full((COUNT, 3), 0.02 * factor))
            np.testing.assert_allclose(pull, number / factor**2)
        pulls = [linearised(0, axis, turn)[1] for turn in away]
        assert np.all(pulls[0] < pulls[1])
        assert np.all(pulls[1] > pulls[2])
    for joint, axis in ((0, 2), (1, 0)):
        for turn, number in away.items():
            spread, pull = linearised(joint, axis, turn)
            np.testing.assert_allclose(spread[:, axis], 0.02)
            np.testing.assert_allclose(pull, number)


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
        self.linear_prior = LinearPrior(
            self.precision, draw(size=(count, 12)), draw(size=(count, 2, 3)), None
        )
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


# --------------------------------------------------------------------------------- weights of the keypoints


def test_gates_by_hand(random):
    """Each keypoint alone against its prior prediction, in two dimensions; pairs by the better assignment."""
    made = Made(random)
    noise, to_twin = random.uniform(1, 2, COUNT), random.normal(0, 9, made.residual.shape)
    made.residual[:, :2] *= 9
    to_twin[:, :2] = -made.residual[:, :2]
    mirror = (1, 0, 3, 2, 4)
    paired = np.zeros((COUNT, 5), bool)
    paired[:, :2] = True
    paired[: COUNT // 2, 2:4] = True
    jacobian = stacked_jacobian(made.jacobians)
    squared, variance = gate_keypoints(
        made.linear_prior, jacobian, made.residual, to_twin, paired, mirror, noise
    )
    exchanged = 0
    for n in range(COUNT):
        prior = np.linalg.inv(made.precision[n])
        given, other = np.empty(5), np.empty(5)
        for k in range(5):
            own = jacobian[n, 2 * k : 2 * k + 2]
            off = made.residual[n, k] - own @ prior @ made.linear_prior.right_side[n]
            covariance = own @ prior @ own.T + noise[n] ** 2 * np.eye(2)
            given[k], other[k] = (
                one @ np.linalg.solve(covariance, one) for one in (off, off + to_twin[n, k])
            )
            np.testing.assert_allclose(variance[n, k], np.sqrt(np.linalg.det(covariance)))
        for k, twin in enumerate(mirror):
            student = [np.prod(priors.KEYPOINT_DOF + pair[[k, twin]]) for pair in (given, other)]
            likelier = paired[n, k] and PAIR_MARGIN * student[1] < student[0]
            np.testing.assert_allclose(squared[n, k], other[k] if likelier else given[k])
            exchanged += likelier
    assert 0 < exchanged < np.sum(paired)


def test_odds_of_outliers():
    """2% of the surest keypoints and 72% of those that are least so; between them by the confidence."""
    confidence = np.linspace(0, 1, 101)[None]
    odds = outlier_odds(confidence)[0]
    np.testing.assert_allclose(odds[[0, 50, 100]], [0.72 / 0.28, 0.37 / 0.63, 0.02 / 0.98])
    assert np.all(np.diff(odds) < 0)


def test_probability_of_an_inlier_is_bayes_rule(random):
    """Between the density of Student's t in the image and that of an outlier, 1 / (2 pi s^2)."""
    squared, odds = random.exponential(9, (3, 50)), random.uniform(0.02, 2.5, (3, 50))
    variance, pixels_per_metre = random.uniform(1, 400, (3, 50)), np.array([100.0, 200, 400])
    found = inlier_probability(squared, odds, variance, pixels_per_metre)
    for n, k in np.ndindex(3, 50):
        error = [np.sqrt(squared[n, k] * variance[n, k]), 0]
        own = multivariate_t(shape=variance[n, k] * np.eye(2), df=priors.KEYPOINT_DOF).pdf(error)
        elsewhere = 1 / (2 * np.pi * (priors.OUTLIER_SPREAD * pixels_per_metre[n]) ** 2)
        np.testing.assert_allclose(found[n, k], own / (own + odds[n, k] * elsewhere))


def test_limits_of_the_probability_of_an_inlier():
    one, scale = np.ones((1, 200)), np.array([100.0])
    squared = np.linspace(0, 400, 200)[None]
    by_distance = inlier_probability(squared, 0.1 * one, 9 * one, scale)[0]
    assert np.all(np.diff(by_distance) < 0)
    assert by_distance[0] > 0.99
    assert by_distance[-1] < 0.01
    by_odds = inlier_probability(one, np.linspace(0, 9, 200)[None], 9 * one, scale)[0]
    assert by_odds[0] == 1
    assert np.all(np.diff(by_odds) < 0)
    by_variance = inlier_probability(one, one, np.linspace(1, 900, 200)[None], scale)[0]
    assert np.all(np.diff(by_variance) < 0)
    # In an image twice as large everything is as it was.
    larger = inlier_probability(squared, 0.1 * one, 36 * one, 2 * scale)[0]
    np.testing.assert_allclose(larger, by_distance)


@pytest.mark.parametrize("confidence", [0.1, 1.0])
def test_the_pull_of_a_gross_outlier_vanishes(confidence):
    """Whatever its confidence; with Student's t alone it would fall with its distance only."""
    distance = np.linspace(0, 2000, 100_001)[None]  # in standard deviations
    odds, one = outlier_odds(confidence * np.ones_like(distance)), np.ones_like(distance)
    student = student_weight(distance**2) * distance
    pull = student * inlier_probability(distance**2, odds, 9 * one, np.array([200.0]))
    most = pull[0].argmax()
    assert 1 < distance[0, most] < 6
    assert np.all(np.diff(pull[0, most:]) < 0)
    assert pull[0, -1] < 1e-12 * pull[0, most]
    assert student[0, -1] > 1e-3 * student.max()


def test_weight_of_students_t():
    """By hand: (5 + 2) / (5 + d^2)."""
    np.testing.assert_allclose(student_weight(np.array([0.0, 2, 9])), [7 / 5, 1, 0.5])


def test_information_of_many_keypoints_is_that_of_some():
    count = np.array([1.0, 24, 48, 133])
    no = np.zeros(4, bool)
    np.testing.assert_allclose(information(count, no), [1, 1, 0.5, 24 / 133])
    np.testing.assert_allclose(information(count, ~no), information(count, no) / priors.LANDMARKS_NOISE**2)


# -------------------------------------------------------------------------------------------- left and right


def test_gains_of_swaps_are_those_of_fits_of_their_own(random):
    made = Made(random, 30)
    step = gauss_newton_step(made.linear_prior, made.jacobians, made.residual, made.weights)
    others = [random.normal(0, 4, made.residual.shape) for _ in range(2)]
    refits = [gauss_newton_step(made.linear_prior, made.jacobians, other, made.weights) for other in others]
    expected = np.stack([step.mahalanobis - refit.mahalanobis for refit in refits], axis=1)
    jacobian = stacked_jacobian(made.jacobians)
    found = swap_gains(step, made.linear_prior, jacobian, made.weights, made.residual, others)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert 0 < np.count_nonzero(expected > 0) < 60


def test_best_swap():
    """The first of the largest gains, if it is large enough."""
    more = SWAP_MARGIN + 1
    gains = np.array(
        [[SWAP_MARGIN] * 3, [-9, 0, 3.0], [more, 99, 98], [0, more, more], [-1e9, -1e9, 1e9], [np.nan] * 3]
    )
    np.testing.assert_array_equal(best_swap(gains), [-1, -1, 1, 1, 2, -1])


def test_exchange_where_both_are_visible():
    keypoints = np.arange(12.0).reshape(1, 6, 2)
    visible = np.array([[1.0, 1, 1, 0, 1, 1]])
    found = exchanged(keypoints, visible, [1, 0, 3, 2, 4, 5])
    np.testing.assert_array_equal(found, keypoints[:, [1, 0, 2, 3, 4, 5]])
    np.testing.assert_array_equal(exchanged(found, visible, [1, 0, 3, 2, 4, 5]), keypoints)


def swapped_names(layout, order):
    return {layout.names[k] for k, twin in enumerate(order) if twin != k}


ASSIGNMENTS = {
    "smpl24": (("hip knee ankle foot", 8), ("collar shoulder elbow wrist hand", 10), ("ankle foot", 4),
               ("wrist hand", 4)),
    "coco17": (("hip knee ankle", 6), ("shoulder elbow wrist", 6), ("ankle", 2), ("wrist", 2)),
    "body25": (("hip knee ankle big small heel", 12), ("shoulder elbow wrist", 6),
               ("ankle big small heel", 8), ("wrist", 2)),
}  # fmt: skip
"""Words of the points of legs, arms, feet and hands after their side, and how many points those are."""


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_assignments_of_left_and_right(open_body, name):
    layout = find_layout(name, open_body)
    every, *parts = assignments(layout)
    assert every == list(layout.mirror)
    for order, (words, count) in zip(parts, ASSIGNMENTS[name], strict=True):
        swapped = swapped_names(layout, order)
        assert len(swapped) == count
        assert {part.split("_")[1] for part in swapped} == {*words.split()}
        assert [order[k] for k in order] == list(range(layout.num_points))
    legs, arms, feet, hands = (swapped_names(layout, order) for order in parts)
    assert feet < legs
    assert hands < arms
    if name == "coco17":
        rest = swapped_names(layout, every) - legs - arms
        assert rest == {"left_eye", "right_eye", "left_ear", "right_ear"}


def test_bodies_and_layouts_without_left_and_right_have_no_assignments(open_body):
    assert assignments(find_layout("smpl24", make_skeleton("chain"))) == []
    left = [k for k, name in enumerate(find_layout("coco17", open_body).names) if "left" in name]
    assert assignments(find_layout("coco17", open_body).pick(left)) == []
    # Without feet, legs; the same exchange is not tested twice.
    hips = find_layout("coco17", open_body).pick([11, 12])
    assert assignments(hips) == [[1, 0]]


# ------------------------------------------------------------------------------------------------- the scales


def test_scales_by_hand():
    """Two joints, one of them observed, and three keypoints; the priors have 1 and 0.3 degrees of freedom."""
    linear_prior = LinearPrior(None, None, None, np.full((3, 2, 3), 0.2))  # 0.1 at scale 1
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
    moving, visible = np.array([[1.0, 0]] * 3), np.array([[1.0, 1, 1, 0]] * 3)
    one = np.ones(3)
    found = update_scales(linear_prior, scales, step, visible, one, moving, pixels_per_metre)
    np.testing.assert_allclose(found.pose, [2 * np.sqrt(4.25 / 3.25), 2 * np.sqrt(0.25 / 3.25), 10])
    noise = [6 * np.sqrt(6.075 / 4.3), 6 * np.sqrt(0.075 / 4.3), 6 * np.sqrt(6.075 / 0.3)]
    np.testing.assert_allclose(found.noise, noise)
    # Keypoints that share their errors weigh less, but are as far off.
    half = step._replace(squared_residual=squared_residual / 2)
    shared = update_scales(linear_prior, scales, half, visible, one / 2, moving, pixels_per_metre)
    np.testing.assert_allclose(shared.noise, noise)
    none = step._replace(squared_residual=0 * squared_residual)
    many = update_scales(linear_prior, scales, none, np.ones((3, 50)), one, moving, pixels_per_metre)
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
    visible = np.where(confidence > 0, 1.0, 0)
    for _ in range(15):
        linear_prior = linearise_prior(prior, scales, pose, prior.betas, transl, scene.posed)
        weights = np.sqrt(confidence) / scales.noise[:, None]
        step = gauss_newton_step(linear_prior, scene.jacobians, residual, weights)
        scales = update_scales(linear_prior, scales, step, visible, np.ones(count), moving, pixels_per_metre)
    off, noise_off = np.log(scales.pose / scale), np.log(scales.noise / pixels_per_metre / noise)
    assert abs(off.mean()) < 0.1
    assert abs(noise_off.mean()) < 0.03
    assert off.std() < 0.25
    assert noise_off.std() < 0.15


# ------------------------------------------------------------------------------------------------- the spread


def test_factor_of_errors_that_keypoints_share():
    """It grows with the variance up to the usual noise's, and with the number of keypoints from 24 on."""
    noise = priors.TYPICAL_NOISE * np.array([0, 0.5, 1, 9, 0, 1])
    count = np.array([1.0, 12, 24, 24, 48, 60])
    usual = LINEARISATION + SHARED
    expected = [LINEARISATION, LINEARISATION + SHARED / 4, usual, usual, 2 * LINEARISATION, 2.5 * usual]
    np.testing.assert_allclose(correlation_factor(noise, count), expected)


def test_spread_by_hand(scene, random):
    """Of joints that the unknowns move, by finite differences; and a turn's, if they are of landmarks."""
    skeleton, pose, betas = scene.skeleton, scene.batch.pose, scene.batch.betas
    joints, shapes = skeleton.num_joints, betas.shape[1]
    unknowns = 3 * joints + shapes + 3
    root = random.normal(0, 0.1, (COUNT, unknowns, unknowns))
    step = Step(*[None] * 3, root @ np.swapaxes(root, -1, -2), *[None] * 5)

    def about_root(pose, betas):
        places = forward_kinematics(skeleton, pose, betas).joints
        return places - places[:, :1]

    slopes = [
        slope(lambda h, rotvec=rotvec: about_root(scene.rotations(h * rotvec), betas), 1e-5)
        for *_, rotvec in scene.turns()
    ]
    slopes += [
        slope(lambda h, unit=unit: about_root(pose, betas + h * unit), 1e-5) for unit in np.eye(shapes)
    ]
    by_unknowns = np.stack([*slopes, *[np.zeros_like(slopes[0])] * 3], axis=-1)
    variance = np.einsum("njau,nuv,njav->nj", by_unknowns, step.covariance, by_unknowns)
    noise, count = np.full(COUNT, 0.01), np.full(COUNT, 30.0)
    variance *= correlation_factor(noise, count)[:, None]
    no = np.zeros(COUNT, bool)
    found = joint_spread(scene.posed, step, skeleton, noise, count, no)
    np.testing.assert_allclose(found, np.sqrt(variance), rtol=1e-6, atol=1e-9)
    away = (scene.posed.joints - scene.posed.joints[:, :1])[..., :2]
    turned = joint_spread(scene.posed, step, skeleton, noise, count, ~no)
    expected = variance + LANDMARKS_TURN**2 * np.sum(away**2, axis=-1)
    np.testing.assert_allclose(turned, np.sqrt(expected), rtol=1e-6, atol=1e-9)
