"""Stages of videos against dense solves, loops and searches of all cases; kernels of chains beside them."""

import itertools

import numpy as np
import pytest
from bodies import make_batch, make_skeleton
from scipy.spatial.transform import Rotation

from kitro_np import find_layout
from kitro_np.body.kinematics import global_rotations
from kitro_np.camera import project
from kitro_np.kernels.lanes import lane_count
from kitro_np.kernels.posterior.video.accelerations import MotionRows, accelerate
from kitro_np.kernels.posterior.video.chain import SEGMENT, ChainRows, ChainSpacing, smooth_track
from kitro_np.kernels.posterior.video.run import message_arrays, states_of
from kitro_np.kernels.records import refer, refer_tile
from kitro_np.kernels.tile import aligned_rows
from kitro_np.posterior.facing import reflected_root
from kitro_np.posterior.fit import FitInput, make_prior
from kitro_np.posterior.gauss_newton import Scales
from kitro_np.posterior.priors import BETAS_PRECISION, flat_motion_prior, size_of
from kitro_np.posterior.projection import place_points, points_on
from kitro_np.posterior.robust import outlier_odds
from kitro_np.posterior.video.accelerations import (
    Accelerations,
    accelerations,
    spacing_of,
    spreads_of,
)
from kitro_np.posterior.video.chain import Messages, smooth
from kitro_np.posterior.video.constant import Constants, update_constants
from kitro_np.posterior.video.facing import sides_and_facing
from kitro_np.posterior.video.frame import Sums, ancestors, frame_system, sums_of, take_step
from kitro_np.posterior.video.sequence import FILLED, NOT_USED, USED, likeliest_states, roles
from kitro_np.posterior.video.spreads import (
    ACCELERATION_DOF,
    SHIFT_BIAS,
    SHIFT_CORRELATION,
    TURN_BIAS,
    TURN_CORRELATION,
    USUAL_FRAMES,
    effective_frames,
)
from kitro_np.refinement.tracks import read_tracks

FRAMES = {
    "two": np.arange(2),
    "three": np.arange(3),
    "gaps": np.array([3, 4, 5, 9, 10, 40, 41, 42, 43, 44, 47, 48]),  # the longest is not followed
    "long": np.flatnonzero(np.arange(3 * SEGMENT) % 7 != 2),
    "segment": np.arange(SEGMENT),
}
"""Frames of tracks; kernels keep SEGMENT frames at once."""


# ------------------------------------------------------------------------------------------------ smoothing


def as_matrix(spacing):
    """Accelerations by frames, (T, T)."""
    count = len(spacing.here)
    matrix = np.diag(spacing.here)
    for t in range(count):
        if spacing.precision[t] > 0:
            matrix[t, t - 1], matrix[t, t + 1] = spacing.before[t], spacing.after[t]
    return matrix


def smooth_by_kernels(messages, moving, spacing, scales):
    dtype = messages.precision.dtype
    count, coordinates = messages.precision.shape
    parts = message_arrays(count, coordinates, dtype)
    parts[0][:] = 1
    parts[1][:] = parts[2][:] = parts[3][:] = 0
    given = (*messages, moving.precision, moving.precision * moving.value)
    for part, values in zip(parts, given, strict=True):
        part[:, :coordinates] = values
    lanes = lane_count(dtype)
    rows, segments = parts[0].shape[1] // lanes, -(-count // SEGMENT)
    sizes = [5 * rows * segments, 5 * rows, *[SEGMENT * rows] * 4, 8 * rows, rows]
    chain = ChainRows(
        *(part.reshape(count * rows, lanes) for part in parts),
        *(aligned_rows(size, dtype) for size in sizes),
    )
    squares = np.zeros(rows * lanes)
    smooth_track(refer_tile(chain), refer(ChainSpacing(*spacing[:3], squares)), rows)
    by_joint = squares[:coordinates].reshape(-1, 3).mean(axis=1) * scales
    inner = np.count_nonzero(spacing.precision)
    others = Messages(*(part[:, :coordinates] for part in parts[:2]))
    return others, (by_joint + USUAL_FRAMES) / (inner + USUAL_FRAMES)


@pytest.mark.parametrize("smoothed", [smooth, smooth_by_kernels], ids=["stage", "kernel"])
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_neighbours_say_what_a_dense_inverse_does(frame, smoothed):
    random = np.random.default_rng(0)
    count, joints = len(frame), 2
    coordinates = 3 * joints + 3
    spacing = spacing_of(frame, 30.0)
    own = np.exp(random.normal(0, 2, (count, coordinates)))
    messages = Messages(own, random.normal(0, 3, own.shape))
    precision = spacing.precision[:, None] * np.exp(random.normal(3, 2, own.shape))
    moving = Accelerations(random.normal(0, 1, own.shape) * (precision > 0), precision)
    scales = random.uniform(0.5, 2, joints + 1)
    others, found = smoothed(messages, moving, spacing, scales)
    by_frames = as_matrix(spacing)
    squares = np.zeros(coordinates)
    for c in range(coordinates):
        q = precision[:, c]
        inverse = np.linalg.inv(np.diag(own[:, c]) + by_frames.T @ (q[:, None] * by_frames))
        mean = inverse @ (messages.right_side[:, c] - by_frames.T @ (q * moving.value[:, c]))
        variance = np.diag(inverse)
        near = {"rtol": 1e-7, "atol": 1e-9 / variance.min()}
        np.testing.assert_allclose(others.precision[:, c], 1 / variance - own[:, c], **near)
        expected = mean / variance - messages.right_side[:, c]
        np.testing.assert_allclose(others.right_side[:, c], expected, **near)
        change = moving.value[:, c] + by_frames @ mean
        squares[c] = np.sum(q * (change**2 + np.diag(by_frames @ inverse @ by_frames.T)))
    inner = np.count_nonzero(spacing.precision)
    expected = (squares.reshape(-1, 3).mean(axis=1) * scales + USUAL_FRAMES) / (inner + USUAL_FRAMES)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_frame_that_knows_nothing_has_its_neighbours_line():
    """Of a path on a straight line, with a gap: the frame in the middle is where the line is."""
    frame = np.array([0, 1, 2, 5, 7, 8])
    own, line = np.full((6, 3), 1e6), frame[:, None] * np.array([0.1, -0.2, 0.3])
    own[3] = 1e-9
    spacing = spacing_of(frame, 30.0)
    nothing = np.zeros((6, 3))
    moving = Accelerations(nothing, spacing.precision[:, None] + nothing)
    others, _ = smooth(Messages(own, own * line), moving, spacing, np.ones(1))
    np.testing.assert_allclose(others.right_side[3] / others.precision[3], line[3], atol=1e-6)


# -------------------------------------------------------------------------------------------- accelerations


@pytest.mark.parametrize("gaps", [(1, 1), (2, 1), (1, 3), (4, 7)])
def test_variance_of_an_acceleration_over_gaps(gaps):
    """Each frame's acceleration by itself, missing frames' too, and what it adds to the weighted sum."""
    frames = np.array([0, gaps[0], sum(gaps)])
    weights = []
    for k in range(1, frames[-1]):
        acceleration = np.zeros(frames[-1] + 1)
        acceleration[k] = 1
        path = np.concatenate([[0], np.cumsum(np.cumsum(acceleration))])[: frames[-1] + 1]
        x = path[frames]
        weights.append((x[2] - x[1]) / gaps[1] - (x[1] - x[0]) / gaps[0])
    spacing = spacing_of(frames, 30.0)
    assert 1 / spacing.precision[1] == pytest.approx(np.sum(np.square(weights)), rel=1e-12)
    assert spacing.precision[0] == spacing.precision[2] == 0


def test_no_motion_is_followed_over_long_gaps():
    frame = np.array([0, 1, 2, 3, 18, 19, 34, 50, 51, 52])
    inner = spacing_of(frame, 30.0).precision > 0
    np.testing.assert_array_equal(inner, [0, 1, 1, 1, 1, 1, 0, 0, 1, 0])
    np.testing.assert_array_equal(spacing_of(frame, 60.0).precision > 0, [0, 1, 1, 1, 1, 1, 1, 1, 1, 0])
    every = spacing_of(np.arange(5), 1.0)
    np.testing.assert_array_equal(every.precision, [0, 1, 1, 1, 0])


def moving_bodies(skeleton, count, seed=0):
    """Rotations that change by some degrees from frame to frame, and a path."""
    random = np.random.default_rng(seed)
    steps = np.cumsum(random.normal(0, 0.04, (count, skeleton.num_joints, 3)), axis=0)
    start = random.normal(0, 0.8, (skeleton.num_joints, 3))
    pose = (Rotation.from_rotvec(steps.reshape(-1, 3))).as_matrix().reshape(*steps.shape[:2], 3, 3)
    pose = pose @ Rotation.from_rotvec(start).as_matrix()
    return pose, np.array([0.2, -0.1, 5]) + np.cumsum(random.normal(0, 0.01, (count, 3)), axis=0)


def moving_cameras(count):
    random = np.random.default_rng(7)
    turns = Rotation.from_rotvec(np.cumsum(random.normal(0, 0.03, (count, 3)), axis=0))
    place = np.cumsum(random.normal(0, 0.05, (count, 3)), axis=0)
    return np.concatenate([turns.as_matrix(), place[:, :, None]], axis=2)


def accelerate_by_kernels(
    skeleton, pose, transl, root, spacing, spreads, scales, extrinsics=None, *, robust=True
):
    count, joints = pose.shape[:2]
    written = message_arrays(count, 3 * joints + 3, pose.dtype)[2:]
    moved = np.zeros((0, 12)) if extrinsics is None else extrinsics.reshape(count, 12)
    bodies = (np.arange(count), pose.reshape(count, -1), transl, moved, root)
    scratch = np.empty(24 * joints + 9, pose.dtype)
    motion = MotionRows(*bodies, *spacing, spreads, scales, *written, scratch)
    accelerate(np.array(skeleton.parents), refer(motion), robust)
    precision, weighted = (part[:, : 3 * joints + 3] for part in written)
    return Accelerations(weighted / np.where(precision > 0, precision, 1), precision)


@pytest.mark.parametrize("found_by", [accelerations, accelerate_by_kernels], ids=["stage", "kernel"])
@pytest.mark.parametrize("moves", [False, True])
@pytest.mark.parametrize("robust", [False, True])
def test_accelerations_are_differences_of_steps(found_by, moves, robust):
    skeleton, frame, fps = make_skeleton("nested"), FRAMES["gaps"], 25.0
    count, joints = len(frame), skeleton.num_joints
    pose, transl = moving_bodies(skeleton, count)
    root = np.array([0.1, 0.2, -0.3])
    cameras = moving_cameras(count) if moves else None
    spreads, scales = spreads_of(joints, fps, 1.2), np.linspace(0.5, 2, joints + 1)
    spacing = spacing_of(frame, fps)
    found = found_by(skeleton, pose, transl, root, spacing, spreads, scales, cameras, robust=robust)
    rotations = global_rotations(skeleton, pose)
    for t in range(count):
        if spacing.precision[t] == 0:
            assert not np.any(found.precision[t])
            continue
        gaps = np.diff(frame[t - 1 : t + 2])
        here = np.eye(3) if cameras is None else cameras[t, :, :3]

        def in_world(s):
            camera = np.eye(3, 4) if cameras is None else cameras[s]
            return camera[:, :3].T @ rotations[s], camera[:, :3].T @ (transl[s] + root - camera[:, 3])

        (r0, x0), (r1, x1), (r2, x2) = (in_world(s) for s in (t - 1, t, t + 1))
        for j in range(joints + 1):
            if j < joints:
                after = Rotation.from_matrix(r2[j] @ r1[j].T).as_rotvec()
                before = Rotation.from_matrix(r1[j] @ r0[j].T).as_rotvec()
                spread = np.radians(2) * (30 / fps) ** 2
            else:
                after, before, spread = x2 - x1, x1 - x0, 0.003 * 1.2 * (30 / fps) ** 2
            expected = here @ (after / gaps[1] - before / gaps[0])
            own = slice(3 * j, 3 * j + 3)
            np.testing.assert_allclose(found.value[t, own], expected, atol=1e-12)
            precision = spacing.precision[t] / (scales[j] * spread**2)
            squared = precision * expected @ expected
            weight = (ACCELERATION_DOF + 3) / (ACCELERATION_DOF + squared) if robust else 1
            np.testing.assert_allclose(found.precision[t, own], precision * weight, rtol=1e-10)


def test_who_stands_in_the_world_does_not_accelerate():
    skeleton, count = make_skeleton("nested"), 9
    cameras = moving_cameras(count)
    pose, transl = (part[:1].repeat(count, axis=0) for part in moving_bodies(skeleton, 1))
    root = np.array([0.3, -0.2, 0.1])
    pose[:, 0] = cameras[:, :, :3] @ pose[:, 0]
    transl = np.einsum("nij,nj->ni", cameras[:, :, :3], transl + root) + cameras[:, :, 3] - root
    given = (skeleton, pose, transl, root, spacing_of(np.arange(count), 30.0))
    given = (*given, spreads_of(skeleton.num_joints, 30.0, 1.0), np.ones(skeleton.num_joints + 1))
    for by in (accelerations, accelerate_by_kernels):
        np.testing.assert_allclose(by(*given, cameras).value, 0, atol=1e-12)
        assert np.abs(by(*given).value).max() > 0.01


# --------------------------------------------------------------------------------------------------- frames


class Track:
    """A track of a small skeleton with its keypoints, and all that a round needs."""

    def __init__(self, count=8):
        self.skeleton = skeleton = make_skeleton("nested")
        self.layout = find_layout("smpl24", skeleton)
        pose, transl = moving_bodies(skeleton, count)
        batch = make_batch(skeleton, count, 3)
        random = np.random.default_rng(1)
        betas = np.full((count, 1), 0.3) * np.ones(skeleton.num_betas)
        self.points = points_on(skeleton, self.layout, pose)
        placed = place_points(skeleton, self.points, pose, betas, transl).points
        keypoints_2d = project(placed, batch.intrinsics) + random.normal(0, 4, (*placed.shape[:2], 2))
        turned = Rotation.from_rotvec(random.normal(0, 0.1, (pose[..., 0, 0].size, 3))).as_matrix()
        self.estimate = pose @ turned.reshape(pose.shape)
        self.betas, self.transl = betas + random.normal(0, 0.2, betas.shape), transl * 1.02
        size = size_of(skeleton)
        pixels = batch.intrinsics[:, 0, 0] / self.transl[:, 2] * size
        confidence = random.uniform(0.5, 1, placed.shape[:2])
        confidence[2, 1::2] = 0
        visible = (confidence > 0).astype(float)
        ones = np.ones(count)
        self.given = FitInput(
            skeleton, self.layout, self.points, keypoints_2d, confidence, outlier_odds(confidence), visible,
            batch.intrinsics, pixels, ones,
        )  # fmt: skip
        motion = flat_motion_prior(skeleton)
        self.prior = make_prior(skeleton, self.estimate, self.betas, self.transl, motion, size)
        self.scales = Scales(ones, 0.01 * pixels)
        self.spacing = spacing_of(np.array([0, 1, 2, 3, 5, 6, 9, 10])[:count], 30.0)
        self.spreads = spreads_of(skeleton.num_joints, 30.0, size)
        self.moving_scales = np.ones(skeleton.num_joints + 1)
        self.nothing = Messages(*(np.zeros((count, 3 * skeleton.num_joints + 3)) for _ in range(2)))

    def system(self, pose, betas, transl, others):
        every = np.broadcast_to(betas, self.betas.shape)
        prior = self.prior._replace(betas=every)
        return frame_system(self.given, prior, self.scales, pose, every, transl, others)

    def accelerations(self, pose, transl, betas):
        skeleton = self.skeleton
        root = skeleton.joint_template[0] + skeleton.joint_shapedirs[0] @ betas
        given = (pose, transl, root, self.spacing, self.spreads, self.moving_scales)
        return accelerations(skeleton, *given, robust=False)


def test_rounds_end_where_the_whole_track_is_most_probable():
    """Shape fixed: then a dense Gauss-Newton step of all frames together goes nowhere.

    With accelerations four times as large as people's: where neighbours say more than a frame itself, few
    rounds come near, but many do not end, for messages have the diagonals of the frames' precision alone.
    """
    track = Track()
    track.spreads *= 4
    pose, betas, transl, others = track.estimate, track.betas[0], track.transl, track.nothing
    for _ in range(200):
        system = track.system(pose, betas, transl, others)
        pose, transl, messages, step = take_step(track.given, system, pose, transl, others)
        moving = track.accelerations(pose, transl, betas)
        others, _ = smooth(messages, moving, track.spacing, track.moving_scales)
    assert np.abs(step).max() < 2e-5
    count, joints = pose.shape[:2]
    kept = np.r_[0 : 3 * joints, 3 * joints + len(betas) : 3 * joints + len(betas) + 3]
    size = len(kept)
    to_global = np.eye(size)
    to_global[:-3, :-3] = np.kron(ancestors(track.skeleton), np.eye(3))
    back = np.linalg.inv(to_global)
    alone = track.system(pose, betas, transl, track.nothing)
    moving, by_frames = track.accelerations(pose, transl, betas), as_matrix(track.spacing)
    precision, right_side = np.zeros((count, size, count, size)), np.zeros((count, size))
    for t in range(count):
        own = np.ix_(kept, kept)
        precision[t, :, t, :] += back.T @ alone.own[t][own] @ back
        right_side[t] += back.T @ alone.right_side[t, kept]
        # Alone a frame would go elsewhere.
        assert np.abs(np.linalg.solve(alone.own[t][own], alone.right_side[t, kept])).max() > 0.02
    for c in range(size):
        q = moving.precision[:, c]
        precision[:, c, :, c] += by_frames.T @ (q[:, None] * by_frames)
        right_side[:, c] -= by_frames.T @ (q * moving.value[:, c])
    whole = np.linalg.solve(precision.reshape(count * size, -1), right_side.ravel())
    assert np.abs(whole).max() < 1e-3


def test_betas_of_a_round_are_those_of_a_dense_joint_solve():
    """Of all frames' bodies and one shape, where frames count fully."""
    track = Track()
    random = np.random.default_rng(4)
    others = Messages(
        random.uniform(0, 100, track.nothing.precision.shape), random.normal(0, 5, track.nothing[0].shape)
    )
    betas = track.betas[0]
    system = track.system(track.estimate, betas, track.transl, others)
    *_, step = take_step(track.given, system, track.estimate, track.transl, others)
    sums = sums_of(track.given, track.scales, system, step)
    joints, shapes, count = track.skeleton.num_joints, len(betas), len(track.betas)
    prior_betas = random.normal(0, 1, (1, shapes))
    now = Constants(
        betas[None], np.zeros((1, joints, 3)), np.zeros((1, joints, 2)), np.zeros((1, shapes, shapes))
    )
    found = update_constants(now, sums, prior_betas, np.ones(1), shape=True)
    own = np.arange(3 * joints, 3 * joints + shapes)
    rest = np.setdiff1d(np.arange(system.precision.shape[1]), own)
    size = count * len(rest) + shapes
    precision, right_side = np.zeros((size, size)), np.zeros(size)
    last = np.arange(size - shapes, size)
    for t in range(count):
        rows = np.arange(t * len(rest), (t + 1) * len(rest))
        every = system.precision[t].copy()
        every[np.ix_(own, own)] -= BETAS_PRECISION * np.eye(shapes)
        precision[np.ix_(rows, rows)] = every[np.ix_(rest, rest)]
        precision[np.ix_(rows, last)] = every[np.ix_(rest, own)]
        precision[np.ix_(last, rows)] = every[np.ix_(own, rest)]
        precision[np.ix_(last, last)] += every[np.ix_(own, own)]
        right_side[rows] = system.right_side[t, rest]
        right_side[last] += system.right_side[t, own]
    precision[np.ix_(last, last)] += BETAS_PRECISION * np.eye(shapes)
    right_side[last] += BETAS_PRECISION * (prior_betas[0] - betas)
    change = np.linalg.solve(precision, right_side)[last]
    np.testing.assert_allclose(found.betas[0] - betas, change, atol=1e-9)
    assert np.abs(change).max() > 0.01
    np.testing.assert_allclose(
        np.linalg.inv(found.betas_precision[0]), np.linalg.inv(precision)[np.ix_(last, last)], rtol=1e-7
    )
    assert found.turn is now.turn
    assert found.shift is now.shift
    many = update_constants(now, sums, prior_betas, np.full(1, 40.0), shape=True)
    assert np.all(np.abs(many.betas - betas) != np.abs(found.betas - betas))


def test_constant_errors_are_a_share_of_the_mean():
    joints, points, count = 3, 2, 50.0
    weight = np.array([[4.0, 0.0]])
    sums = Sums(
        np.zeros((1, 0, 0)), np.zeros((1, 0)), np.full((1, joints, 3), 6.0), np.array([20.0]),
        np.array([[[8.0, -4.0], [0.0, 0.0]]]), weight,
    )  # fmt: skip
    now = Constants(
        np.zeros((1, 0)), np.full((1, joints, 3), 0.1), np.full((1, points, 2), 0.5), np.zeros((1, 0, 0))
    )
    found = update_constants(now, sums, np.zeros((1, 0)), np.array([count]), shape=False)
    usual = TURN_BIAS * effective_frames(count, TURN_CORRELATION)
    np.testing.assert_allclose(found.turn, (0.1 + 0.3) * usual / (1 + usual))
    usual = SHIFT_BIAS * effective_frames(count, SHIFT_CORRELATION)
    np.testing.assert_allclose(found.shift[0, 0], np.array([0.5 + 2, 0.5 - 1]) * usual / (1 + usual))
    np.testing.assert_array_equal(found.shift[0, 1], 0)  # never seen


# ------------------------------------------------------------------------------------------------ sequences


@pytest.mark.parametrize("by", [likeliest_states, states_of], ids=["stage", "kernel"])
@pytest.mark.parametrize("cost", [0.0, 0.7, 3.0])
def test_likeliest_of_all_sequences(by, cost):
    random = np.random.default_rng(2)
    starts = np.array([0, 6, 7, 7 + 5])
    scores = random.normal(0, 1, (12, 3))
    found = by(scores, starts, cost)
    for first, last in itertools.pairwise(starts):
        every = np.array(list(itertools.product(range(3), repeat=last - first)))
        totals = scores[np.arange(first, last), every].sum(axis=1)
        totals -= cost * np.sum(every[:, 1:] != every[:, :-1], axis=1)
        np.testing.assert_array_equal(found[first:last], every[np.argmax(totals)])


def test_of_equal_states_the_first():
    for by in (likeliest_states, states_of):
        np.testing.assert_array_equal(by(np.zeros((5, 3)), np.array([0, 5]), 1.0), 0)
        assert len(by(np.zeros((0, 3)), np.array([0]), 1.0)) == 0


def roles_of(text, fps=4.0, frames=None, tracks=None):
    """Roles of frames: o own keypoints, x others', . none, ! no estimate; at 4 fps a second is 4 frames."""
    letters = np.array(list(text))
    found = read_tracks(
        (len(letters),), np.zeros(len(letters), int) if tracks is None else tracks, frames, fps
    )
    letters = letters[found.order]
    usable, own = np.isin(letters, ["o", "x"]), letters != "x"
    role = roles(usable, own, found, letters != "!")
    return "".join({NOT_USED: "-", FILLED: "f", USED: "u"}[value] for value in role.tolist())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("ooooo", "uuuuu"),
        ("oo..oo", "uuffuu"),
        ("oo!.oo", "uu-fuu"),
        ("....oo", "ffffuu"),
        (".....oo", "-ffffuu"),
        ("oo.....", "uuffff-"),
        ("o.........o", "uffff-ffffu"),
        ("oxxxxo", "uffffu"),
        ("oxxxxxo", "u-----u"),
        ("ox...xo", "u-----u"),
        ("o.xxxxx.o", "uf-----fu"),
        ("xxxxxo", "-----u"),
        ("xxo", "ffu"),
        ("xxxx", "----"),
        ("....", "----"),
        ("", ""),
    ],
)
def test_roles(given, expected):
    assert roles_of(given) == expected


def test_roles_by_frames_and_tracks():
    assert roles_of("oxxo", frames=[0, 1, 6, 7]) == "u--u"  # six frames
    assert roles_of("oxxo", frames=[0, 1, 4, 5]) == "uffu"
    assert roles_of("o.o", frames=[0, 5, 10]) == "u-u"
    # Stretches and neighbours of another track do not count.
    assert roles_of("xxxooo...xxx", tracks=[0] * 6 + [1] * 6) == "fffuuu------"
    assert roles_of("oxoxox", tracks=[0, 1] * 3) == "uuu---"


# --------------------------------------------------------------------------------------------------- facing


def roots_of(turned):
    """Roots of a person who walks towards the camera and turns a little, reflected where `turned`."""
    count = len(turned)
    upright = Rotation.from_euler("x", np.pi) * Rotation.from_euler(
        "y", np.linspace(0.2, 0.5, count)[:, None]
    )
    true = upright.as_matrix()
    mirrored = reflected_root(true, np.tile([0.1, 0.0, 5.0], (count, 1)))
    both = np.stack([true, mirrored], axis=1)
    return np.where(np.asarray(turned)[:, None, None, None], both[:, ::-1], both)


@pytest.mark.parametrize("by", [likeliest_states, states_of], ids=["stage", "kernel"])
@pytest.mark.parametrize("agrees", [True, False], ids=["detector_too", "estimate_alone"])
def test_estimates_that_face_the_wrong_way_for_some_frames(by, agrees):
    count = 24
    turned = np.zeros(count, bool)
    turned[[5, 6, 7, 15]] = True
    gains = np.full((count, 2), -30.0)
    if not agrees:  # the keypoints' sides are right, and so wrong for the reflected body
        gains[turned, 0] = 30
    none = np.zeros(count, bool)
    side, facing = sides_and_facing(gains, none, none, roots_of(turned), np.array([0, count]), by)
    np.testing.assert_array_equal(facing, turned)
    np.testing.assert_array_equal(side, np.where(turned & agrees, 0, -1))


def test_a_track_that_is_turned_throughout_is_told_by_faces():
    count, every = 12, np.ones(12, bool)
    gains = np.full((count, 1), 20.0)
    starts = np.array([0, count])
    side, facing = sides_and_facing(gains, ~every, every, roots_of(every), starts)
    assert np.all(facing)
    assert np.all(side == -1)
    # Without a face only the sides are exchanged.
    side, facing = sides_and_facing(gains, every, ~every, roots_of(every), starts)
    assert not np.any(facing)
    assert np.all(side == 0)


def test_many_wrong_estimates_are_found_without_a_face():
    """Frames on their own exchange the sides of right keypoints then, which tells nothing of the estimate."""
    turned = np.arange(60) < 10
    gains = np.where(turned, 30.0, -30.0)[:, None]
    given = (gains, turned, np.zeros(60, bool), roots_of(turned), np.array([0, 60]))
    side, facing = sides_and_facing(*given, faces=False)
    np.testing.assert_array_equal(facing, turned)
    np.testing.assert_array_equal(side, -1)


def test_exchanges_of_one_track_say_nothing_of_the_next():
    gains = np.where(np.arange(10) < 5, 50.0, -50.0)[:, None]
    none = np.zeros(10, bool)
    given = (none, none, roots_of(none))
    np.testing.assert_array_equal(
        sides_and_facing(gains, *given, np.array([0, 5, 10]))[0], [0] * 5 + [-1] * 5
    )
    # A single frame is not enough to tell within a track.
    gains = np.where(np.arange(10) == 5, 10.0, -10.0)[:, None]
    np.testing.assert_array_equal(sides_and_facing(gains, *given, np.array([0, 10]))[0], -1)
    side, facing = sides_and_facing(np.zeros((10, 0)), *given, np.array([0, 10]))
    np.testing.assert_array_equal(side, -1)
    assert not np.any(facing)
