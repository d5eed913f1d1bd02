"""Tracker: live use, one frame in and one frame out."""

import pickle

import numpy as np
import pytest

from kitro_np import InputError, Status, Tracker, load_body, refine
from kitro_np.evaluation import motion
from kitro_np.simulate import simulate_video

NAMES = ("pred_theta", "pred_beta", "pred_cam", "keypoints_2d_noisy", "intrinsics")


@pytest.fixture(scope="module")
def video():
    arrays = simulate_video(tracks=1, frames=60, seed=4).arrays()
    return {
        name: part.astype(np.float32) if part.dtype.kind == "f" else part for name, part in arrays.items()
    }


def feed(tracker, video, frames=range(60), **changes):
    found = []
    for k in frames:
        parts = [changes.get(name, video[name])[k] for name in NAMES]
        found.append(tracker.update(*parts, confidence=video["confidence"][k]))
    return found


def same(first, second):
    return all(
        np.array_equal(getattr(first, name), getattr(second, name)) for name in ("pose", "betas", "transl")
    )


def test_one_frame_in_one_frame_out_and_flush(video):
    tracker = Tracker(lag=3)
    found = feed(tracker, video)
    assert found[:3] == [None] * 3
    assert all(one is not None for one in found[3:])
    rest = tracker.flush()
    assert len(rest) == 3
    assert found[3].pose.shape == (24, 3, 3)
    assert found[3].method == "map"
    assert not tracker.flush()


def test_it_is_causal(video):
    changed = video["keypoints_2d_noisy"].copy()
    changed[40:] += 300
    first = feed(Tracker(), video)
    second = feed(Tracker(), video, keypoints_2d_noisy=changed)
    assert all(same(one, other) for one, other in zip(first[:40], second[:40], strict=True))
    assert not same(first[45], second[45])


def test_it_pickles_in_the_middle(video):
    tracker = Tracker(lag=2)
    feed(tracker, video, range(30))
    stored = pickle.dumps(tracker)
    assert len(stored) < 200_000  # the default body stays outside
    copy = pickle.loads(stored)
    assert copy.body is tracker.body
    for one, other in zip(feed(tracker, video, range(30, 60)), feed(copy, video, range(30, 60)), strict=True):
        assert same(one, other)


def test_the_first_frame_is_nearly_that_of_a_single_body(video):
    found = feed(Tracker(), video, range(1))[0]
    alone = refine(*(video[name][0] for name in NAMES), confidence=video["confidence"][0])
    assert np.abs(found.joints() - alone.joints()).max() < 0.02
    assert found.status == alone.status == Status.REFINED


def test_motion_is_smoother_than_of_each_frame_alone_and_as_near(video):
    body = load_body()
    truth = body.joints(video["GT_pose"].reshape(-1, 24, 3), video["GT_beta"])

    def errors(bodies):
        joints = np.stack([body.joints(one.pose, one.betas) for one in bodies])
        joints, true = joints - joints[:, :1], truth - truth[:, :1]
        return motion.mean_of(motion.acceleration_error(joints, true)), np.linalg.norm(
            joints - true, axis=-1
        ).mean()

    alone = refine(*(video[name] for name in NAMES), confidence=video["confidence"])
    single = errors([alone[k] for k in range(60)])
    live = errors(feed(Tracker(), video))
    tracker = Tracker(lag=5)
    late = errors([one for one in feed(tracker, video) if one is not None] + tracker.flush())
    assert live[0] < 0.6 * single[0]
    assert late[0] < 0.8 * live[0]
    assert live[1] < 1.05 * single[1]
    assert late[1] < single[1]


def test_frames_without_keypoints_are_filled_and_bad_ones_come_back(video):
    points, pose = video["keypoints_2d_noisy"].copy(), video["pred_theta"].copy()
    points[20:24] = np.nan
    pose[30] = np.nan
    found = feed(Tracker(), video, keypoints_2d_noisy=points, pred_theta=pose)
    assert [int(one.status) for one in found[20:24]] == [Status.FILLED] * 4
    assert found[30].status == Status.NOT_FINITE
    np.testing.assert_array_equal(found[30].betas, video["pred_beta"][30])
    assert found[31].status == Status.REFINED


def test_frames_with_bad_cameras_and_images_come_back(video):
    camera = video["intrinsics"].copy()
    camera[10], camera[20] = np.nan, np.eye(3)
    camera[20, 0, 0] = -1
    found = feed(Tracker(), video, intrinsics=camera)
    assert [found[k].status for k in (10, 20)] == [Status.NOT_FINITE, Status.BAD_INTRINSICS]
    np.testing.assert_array_equal(found[20].betas, video["pred_beta"][20])
    assert found[21].status == Status.REFINED
    sized = Tracker()
    for k, size in enumerate([(1920, 1080), (0, np.nan), (1920, 1080)]):
        result = sized.update(*(video[name][k] for name in NAMES), image_size=size)
        assert result.status == (Status.FILLED if k == 1 else Status.REFINED)
        assert np.isnan(result.noise) == (k == 1)


def test_the_error_is_that_of_the_body(video):
    tracker = Tracker(lag=2)
    found = [one for one in feed(tracker, video) if one is not None] + tracker.flush()
    for k in (0, 1, 30, 59):
        projected = found[k].joints() @ video["intrinsics"][k].T
        distance = np.linalg.norm(
            projected[:, :2] / projected[:, 2:] - video["keypoints_2d_noisy"][k], axis=1
        )
        seen = np.isfinite(distance) & (video["confidence"][k] > 0)
        if found[k].status == Status.REFINED and not found[k].swapped:
            assert found[k].reprojection_error == pytest.approx(distance[seen].mean(), rel=1e-3)


def test_a_refused_frame_changes_nothing(video):
    tracker, other = Tracker(), Tracker()
    feed(tracker, video, range(5)), feed(other, video, range(5))
    parts = {name: video[name][5] for name in NAMES}
    wrong = [
        ({"pred_beta": parts["pred_beta"][:7]}, {}, "betas: expected 10 as in the first frame, got 7."),
        ({"pred_cam": np.zeros(4)}, {}, "transl: expected shape (3,), got (4,)."),
        ({"pred_cam": "nowhere"}, {}, "transl: expected an array of real numbers, got dtype <U7."),
        ({}, {"frame": 10**30}, f"frame: expected at most {2**53}, got {10**30}."),
        (
            {},
            {"extrinsics": np.eye(4)},
            "extrinsics: expected a frame without them, as the first one, got the opposite.",
        ),
    ]
    for changed, options, message in wrong:
        with pytest.raises(InputError) as error:
            tracker.update(*(parts | changed).values(), **options)
        assert str(error.value) == message
    for one, same_one in zip(feed(tracker, video, range(5, 9)), feed(other, video, range(5, 9)), strict=True):
        assert same(one, same_one)


def test_gaps_and_reset(video):
    tracker = Tracker()
    for k in (0, 1, 5, 6, 40):
        result = tracker.update(*(video[name][k] for name in NAMES), frame=k)
        assert result.status in (Status.REFINED, Status.FILLED)
    with pytest.raises(InputError, match=r"^frame: expected a number above 40, got 40\.$"):
        tracker.update(*(video[name][41] for name in NAMES), frame=40)
    tracker.reset()
    assert same(feed(tracker, video, range(1))[0], feed(Tracker(), video, range(1))[0])


def test_a_moving_camera_is_taken_into_account(video):
    eye = np.tile(np.eye(4, dtype=np.float32), (60, 1, 1))
    eye[:, 0, 3] = np.linspace(0, 0.4, 60)
    still, moving = Tracker(), Tracker()
    for k in range(20):
        first = still.update(*(video[name][k] for name in NAMES))
        second = moving.update(*(video[name][k] for name in NAMES), extrinsics=eye[k])
    assert not same(first, second)
    lost = moving.update(*(video[name][20] for name in NAMES), extrinsics=np.full((4, 4), np.nan))
    assert lost.status == Status.REFINED
    with pytest.raises(InputError, match=r"^extrinsics: expected a frame with them"):
        moving.update(*(video[name][21] for name in NAMES))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lag": 11}, "lag: expected at most 10 frames, got 11."),
        ({"fps": 0}, "fps: expected 0.01 to 100000 frames per second, got 0."),
        ({"keypoint_layout": "coco71"}, None),
        ({"dtype": "float16"}, "dtype: expected float32 or float64, got 'float16'."),
    ],
)
def test_wrong_options_are_one_sentence(options, message):
    with pytest.raises(InputError) as error:
        Tracker(**options)
    assert message is None or str(error.value) == message


def test_more_than_one_body_is_refused(video):
    with pytest.raises(InputError, match=r"^pose: expected a single body, got bodies of shape \(2,\)\.$"):
        Tracker().update(*(video[name][:2] for name in NAMES))
    with pytest.raises(InputError, match=r"^extrinsics: expected shape \(4, 4\) or \(3, 4\), got \(3,\)\.$"):
        Tracker().update(*(video[name][0] for name in NAMES), extrinsics=[1, 2, 3])
    for other in (2 * np.eye(4), np.diag([-1, 1, 1, 1])):  # scaled; mirrored
        with pytest.raises(InputError, match=r"^extrinsics: expected a rotation and a translation in metres"):
            Tracker().update(*(video[name][0] for name in NAMES), extrinsics=other)
