"""Whose keypoints are whose: real motion of people who cross in front of one camera."""

import time
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from scipy.spatial.transform import Rotation, Slerp

from kitro_np import InputError, check_projection, load_body, match_people
from kitro_np.formats.people import PeopleEstimates, PeopleKeypoints
from kitro_np.matching.project import project_people
from kitro_np.simulate.motion import cmu_poses

FRAMES = 150
CLIPS = ("cmu_running_3", "cmu_02_07", "cmu_02_10", "cmu_directing_traffic_1")
SIZE = (1280.0, 720.0)
CAMERA = np.array([[1000.0, 0, 640], [0, 1000.0, 360], [0, 0, 1]])
UNSEEN = slice(65, 85)
"""Frames in which the detector does not see the second person: when the others pass."""


@lru_cache(maxsize=1)
def motion():
    """Poses (P, T, 24, 3, 3) and positions (P, T, 3): people who run and walk past each other."""
    cmu, poses = cmu_poses(), []
    vectors = cmu.poses.astype(np.float64).reshape(len(cmu.poses), -1, 3)
    upright = Rotation.from_rotvec([np.pi, 0, 0])
    for clip in CLIPS:
        keys = vectors[cmu.clips == clip][:26]
        times = np.linspace(0, len(keys) - 1, FRAMES)
        joints = [
            Slerp(np.arange(len(keys)), Rotation.from_rotvec(part))(times) for part in keys.swapaxes(0, 1)
        ]
        joints[0] = upright * joints[0]
        poses.append(np.stack([joint.as_matrix() for joint in joints], axis=1))
    way = np.linspace(-1.4, 1.4, FRAMES)
    still = np.zeros(FRAMES)
    places = [
        np.stack([way, still, still + 4.0], axis=1),
        np.stack([-way, still + 0.02, still + 4.3], axis=1),
        np.stack([0.6 * way, still - 0.02, 5 - 0.5 * way], axis=1),
        np.stack([still + 0.3, still, still + 4.8], axis=1),
    ]
    return np.array(poses), np.array(places)


def rows_of(array):
    """(P, T, ...) to (T P, ...): frame by frame."""
    return np.swapaxes(array, 0, 1).reshape(-1, *array.shape[2:])


def bodies(pose, transl):
    frames, people = np.divmod(np.arange(FRAMES * len(CLIPS)), len(CLIPS))
    count = len(frames)
    return PeopleEstimates(
        rows_of(pose), np.zeros((count, 10)), rows_of(transl), frames, people + 7,
        np.broadcast_to(CAMERA, (count, 3, 3)), body="open",
    )  # fmt: skip


def true_points(layout="coco17"):
    pose, places = motion()
    return project_people(bodies(pose, places), layout)


def scene(seed, identities, layout="coco17"):
    """Estimates with a network's errors, keypoints with a detector's, and the true row of each estimate."""
    generator = np.random.default_rng(seed)
    pose, places = motion()
    points, height = true_points(layout)[:2]
    wrong = Rotation.from_rotvec(generator.normal(0, 0.12, (pose[..., 0].size // 3, 3))).as_matrix()
    depth = places * generator.normal(1, 0.05, (len(CLIPS), 1, 1))  # along the ray: size wrong, place right
    shift = generator.normal(0, 0.03, (len(CLIPS), 1, 3)) + generator.normal(0, 0.015, places.shape)
    estimates = bodies(pose @ wrong.reshape(pose.shape), depth + shift)

    frames, people = estimates.frame, estimates.person - 7
    seen = points + generator.normal(0, 0.012, points.shape) * height[:, None, None]
    confidence = generator.uniform(0.5, 1, seen.shape[:2])
    hidden = generator.random(confidence.shape) < 0.15
    seen[hidden], confidence[hidden] = np.nan, 0
    kept = ~((people == 1) & (frames >= UNSEEN.start) & (frames < UNSEEN.stop))
    order = generator.permutation(np.flatnonzero(kept))
    order = order[np.argsort(frames[order], kind="stable")]
    tracks = None
    if identities:
        tracks = people * 10 + 3
        again = (people == 1) & (frames >= UNSEEN.stop)
        tracks = np.where(again, 99, tracks)  # the tracker takes the second person for a new one
        if identities == "exchanged":
            late = (frames >= 75) & (people != 1)
            tracks = np.where(late & (people == 0), 23, np.where(late & (people == 2), 3, tracks))
        tracks = tracks[order]
    keypoints = PeopleKeypoints(seen[order], confidence[order], layout, frames[order], tracks)
    expected = np.full(len(estimates), -1)
    expected[order] = np.arange(len(order))
    return estimates, keypoints, expected


@pytest.mark.parametrize("identities", [None, "kept", "exchanged"])
@pytest.mark.parametrize("seed", range(5))
def test_people_who_cross_are_matched_in_all_frames(seed, identities):
    estimates, keypoints, expected = scene(seed, identities)
    found = match_people(estimates, keypoints)
    np.testing.assert_array_equal(found.row, expected)
    assert (expected < 0).sum() == 20 and not len(found.unmatched)
    assert any("20 of 600 estimates have no keypoints" in note for note in found.notes)
    matched = found.row >= 0
    assert np.isnan(found.distance[~matched]).all() and np.median(found.distance[matched]) < 0.08


def test_people_cross_close_in_the_scene():
    """The scene is hard: at times a person's nearest keypoints, centre by centre, are another's."""
    estimates, keypoints, expected = scene(0, None)
    centres = np.nanmean(project_people(estimates, "coco17").points, axis=1)
    others = np.nanmean(keypoints.points, axis=1)
    wrong = 0
    for n in range(FRAMES):
        rows, columns = np.flatnonzero(estimates.frame == n), np.flatnonzero(keypoints.frame == n)
        distance = np.linalg.norm(centres[rows, None] - others[None, columns], axis=2)
        wrong += int((columns[distance.argmin(1)] != expected[rows]).sum())
    assert wrong > 30


def test_people_without_estimates_and_estimates_of_nobody_are_left_over():
    estimates, keypoints, expected = scene(0, "kept")
    kept = estimates.person != 9
    found = match_people(estimates.take(kept), keypoints)
    np.testing.assert_array_equal(found.row, expected[kept])
    np.testing.assert_array_equal(found.unmatched, np.sort(expected[~kept]))
    assert any("150 of 580 rows of keypoints have no estimate" in note for note in found.notes)

    lone = keypoints.take(keypoints.person == 3)
    found = match_people(estimates, lone)
    np.testing.assert_array_equal(found.row >= 0, estimates.person == 7)


def test_keypoints_in_the_rows_of_the_estimates():
    estimates, keypoints, expected = scene(0, None)
    aligned = match_people(estimates, keypoints).keypoints(estimates, keypoints)
    matched = expected >= 0
    np.testing.assert_array_equal(aligned.points[matched], keypoints.points[expected[matched]])
    assert np.isnan(aligned.points[~matched]).all() and not aligned.confidence[~matched].any()
    np.testing.assert_array_equal(aligned.person, estimates.person)


def test_images_are_matched_by_their_names():
    """One program numbers the images from 1, the other from 0; folders and suffixes differ."""
    estimates, keypoints, expected = scene(0, None)
    estimates = replace(
        estimates,
        frame=estimates.frame + 1,
        image_name=np.array([f"/a/img_{n:04d}.png" for n in estimates.frame]),
    )
    keypoints = replace(keypoints, image_name=np.array([f"img_{n:04d}" for n in keypoints.frame]))
    found = match_people(estimates, keypoints)
    np.testing.assert_array_equal(found.row, expected)
    assert any("names of the images" in note for note in found.notes)


def test_names_that_several_folders_share_do_not_tell_the_image():
    estimates, keypoints, expected = scene(0, None)
    both = [np.array([f"{n % 2}/img_{n // 2:04d}.png" for n in one.frame]) for one in (estimates, keypoints)]
    found = match_people(
        replace(estimates, image_name=both[0]), replace(keypoints, image_name=both[1])
    )  # fmt: skip
    np.testing.assert_array_equal(found.row, expected)


def test_nothing_near():
    estimates, keypoints, _ = scene(0, None)
    found = match_people(estimates, replace(keypoints, points=keypoints.points + 5000))
    assert (found.row == -1).all() and found.notes[0] == "No estimate has keypoints near it."


def test_nobody():
    estimates, keypoints, _ = scene(0, None)
    found = match_people(estimates, keypoints.take(slice(0)))
    assert (found.row == -1).all()
    assert not found.keypoints(estimates, keypoints.take(slice(0))).confidence.any()
    assert len(match_people(estimates.take(slice(0)), keypoints).unmatched) == len(keypoints)


def test_a_camera_is_needed():
    estimates, keypoints, _ = scene(0, None)
    without = replace(estimates, intrinsics=None, camera="the image's size is needed")
    with pytest.raises(InputError, match="expected a camera with intrinsics, got none"):
        match_people(without, keypoints)


@pytest.mark.parametrize(("body", "joints"), [("smpl", 24), ("smplx", 55), ("smplh", 52)])
def test_bodies_without_a_file_are_matched_by_the_open_body(body, joints, monkeypatch):
    """Their translation belongs to another root joint."""
    from kitro_np.matching import known_body

    def load(name):
        raise FileNotFoundError(name)

    estimates, keypoints, expected = scene(1, None)
    monkeypatch.setattr(known_body, "load_body", load)
    pose = np.broadcast_to(np.eye(3), (len(estimates), joints, 3, 3)).copy()
    pose[:, :22] = estimates.pose[:, :22]
    root = load_body().skeleton.joint_template[0] - np.array(known_body.ROOTS[body])
    other = replace(estimates, pose=pose, transl=estimates.transl + root, body=body)
    found = match_people(other, keypoints)
    np.testing.assert_array_equal(found.row, expected)
    assert found.notes[0].startswith(f"There is no file of {body}: open_v2 takes its place, from its mean")


def test_100_000_rows_take_seconds():
    estimates, keypoints, expected = scene(0, None)
    times = 166
    tile = lambda part: np.tile(part, (times,) + (1,) * (part.ndim - 1))  # noqa: E731
    later = lambda frame: (frame[None] + np.arange(times)[:, None] * (FRAMES + 10)).reshape(-1)  # noqa: E731
    many = PeopleEstimates(
        tile(estimates.pose), tile(estimates.betas), tile(estimates.transl), later(estimates.frame),
        tile(estimates.person), tile(np.array(estimates.intrinsics)), body="open",
    )  # fmt: skip
    points = PeopleKeypoints(
        tile(keypoints.points), tile(keypoints.confidence), "coco17", later(keypoints.frame)
    )
    match_people(estimates, keypoints)  # compiles
    start = time.perf_counter()
    found = match_people(many, points)
    assert time.perf_counter() - start < 20
    wanted = np.where(expected < 0, -1, expected + np.arange(times)[:, None] * len(keypoints)).reshape(-1)
    np.testing.assert_array_equal(found.row, wanted)


# ------------------------------------------------------------------------------------- projection check


def own_joints(estimates, layout="coco17"):
    """Keypoints that are the projections, in the same rows."""
    found = project_people(estimates, layout)
    return PeopleKeypoints(found.points, np.ones(found.points.shape[:2]), layout, estimates.frame)


def wrong(cause, estimates, keypoints):
    """Estimates and keypoints as they are after a usual mistake."""
    camera, points = np.array(estimates.intrinsics), keypoints.points
    if cause == "crop":
        side = np.ptp(points, axis=1).max(1) * 1.2
        middle = (points.max(1) + points.min(1)) / 2
        camera[:, :2, :2] *= (224 / side)[:, None, None]
        camera[:, :2, 2] = (camera[:, :2, 2] - middle) * (224 / side)[:, None] + 112
    elif cause == "focal length":
        camera[:, [0, 1], [0, 1]] *= 2.5
    elif cause == "width and height of the image are exchanged":
        camera[:, :2, 2] = camera[:, 1::-1, 2]
    elif cause == "units of the image":
        points = points / SIZE
    elif cause == "x and y":
        points = points[..., ::-1]
    elif cause == "resized":
        points = points * 0.5
    elif cause == "principal point":
        points = points + np.array([0, 280])
    elif cause == "left and right":
        points = points[:, project_people(estimates.take(slice(1)), keypoints.layout).mirror]
    return replace(estimates, intrinsics=camera), replace(keypoints, points=points)


CAUSES = [
    "crop", "focal length", "width and height of the image are exchanged", "units of the image", "x and y",
    "resized", "principal point", "left and right",
]  # fmt: skip


@pytest.mark.parametrize("cause", CAUSES)
def test_the_check_names_the_cause_from_the_programs_own_joints(cause):
    estimates, _, _ = scene(0, None)
    estimates, joints = wrong(cause, estimates, own_joints(estimates))
    check = check_projection(replace(estimates, joints_2d=joints))
    assert not check.fits and cause in check.cause
    assert f"{check.pixels:.3g} px" in str(check) and str(check).endswith(".")


@pytest.mark.parametrize("cause", CAUSES)
def test_the_check_names_the_cause_from_a_detectors_keypoints(cause):
    estimates, keypoints, _ = scene(0, None)
    estimates, keypoints = wrong(cause, estimates, keypoints if cause != "crop" else own_joints(estimates))
    check = check_projection(estimates, keypoints)
    assert not check.fits and cause in check.cause


@pytest.mark.parametrize(
    ("step", "which"),
    [(1, "frame 1 belong to estimates of frame 0"), (-1, "frame 0 belong to estimates of frame 1")],
)
def test_the_check_tells_shifted_frames(step, which):
    """A frame later the points are 1% of a height farther: that is tolerated, and explained nevertheless."""
    pose, places = motion()
    exact = bodies(pose, places)
    keypoints = own_joints(exact)
    check = check_projection(exact, replace(keypoints, frame=keypoints.frame + step))
    assert not check.fits and "shifted by one" in check.cause and which in check.cause


def test_the_check_is_silent_when_all_is_well():
    for seed in range(3):
        estimates, keypoints, _ = scene(seed, None)
        check = check_projection(estimates, keypoints)
        assert check.fits and str(check) == "" and 0 < check.heights < 0.08
    exact = check_projection(estimates, own_joints(estimates))
    assert exact.fits and exact.pixels < 1e-9
    assert check_projection(estimates).fits  # nothing to compare


def test_the_check_finds_no_cause_in_another_scene():
    estimates, keypoints, _ = scene(0, None)
    generator = np.random.default_rng(0)
    check = check_projection(
        estimates, replace(keypoints, points=generator.uniform(0, 700, keypoints.points.shape))
    )
    assert not check.fits and check.cause == "" and "no usual cause" in str(check)
