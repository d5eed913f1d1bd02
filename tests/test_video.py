"""Videos as they are called: what must not matter, what frames' statuses mean, and how near to the truth."""

import tracemalloc
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from bodies import make_batch, make_skeleton
from same import assert_identical, bodies_of

import kitro_np
from kitro_np import InputError, Map, RefineResult, Status, find_layout, load_body, refine
from kitro_np.arrays.rotations import axis_angle_from_matrix
from kitro_np.evaluation.metrics import mpjpe, pa_mpjpe
from kitro_np.report.shown import shown_of
from kitro_np.simulate import simulate_video

ARRAYS = ("pose", "betas", "transl", "keypoints_2d", "intrinsics", "confidence", "tracks", "frames")


@lru_cache
def simulated():
    return simulate_video(tracks=4, frames=90, seed=2)


@lru_cache
def everybody(dtype="float32"):
    """Arguments of four tracks of at most 90 frames; whoever writes to them copies them first."""
    video = simulated()
    arrays = (
        video.pose, video.betas, video.transl, video.keypoints_2d_noisy, video.intrinsics, video.confidence,
        video.track, video.frame,
    )  # fmt: skip
    arrays = [part.astype(dtype) if part.dtype.kind == "f" else part for part in arrays]
    return dict(zip(ARRAYS, arrays, strict=True)) | {"fps": video.fps}


def some(given, which):
    return {name: part[which] if name in ARRAYS else part for name, part in given.items()}


def one_track(track=0, count=90, dtype="float32"):
    """A track's arguments, in copies."""
    given = some(everybody(dtype), simulated().track == track)
    return {name: part[:count].copy() if name in ARRAYS else part for name, part in given.items()}


@lru_cache
def refined(dtype="float32"):
    return refine(**everybody(dtype), uncertainty=True)


def alone(given):
    return {name: part for name, part in given.items() if name not in ("tracks", "frames", "fps")}


# ------------------------------------------------------------------------------- one frame, others, threads


@pytest.mark.parametrize("how", [{"fps": 30}, {"video": True}, {"frames": np.array(7)}, {"tracks": "anna"}])
def test_a_single_body_is_refined_as_without_tracks(engine, how):
    given = {name: part[5] for name, part in alone(one_track()).items()}
    how = {"uncertainty": True, "engine": engine} | how
    expected = refine(**given, uncertainty=True, engine=engine)
    assert_identical(bodies_of(refine(**given, **how)), expected, ...)


def test_tracks_of_one_frame_are_refined_as_without_tracks(engine):
    given = one_track(count=12)
    given["tracks"] = np.arange(12)
    given["keypoints_2d"][3], given["pose"][5, 2] = np.nan, np.nan
    given["keypoints_2d"][7] += 500
    how = {"uncertainty": True, "engine": engine}
    found = refine(**given, **how)
    assert_identical(bodies_of(found), refine(**alone(given), **how))
    assert not np.any(found.status == Status.FILLED)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_other_tracks_do_not_matter(dtype):
    track, given = simulated().track, everybody(dtype)
    together = refined(dtype)
    for own in range(4):
        assert_identical(refine(**some(given, track == own), uncertainty=True), together, track == own)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_neither_order_nor_names_of_tracks_matter(dtype):
    order = np.random.default_rng(0).permutation(len(simulated().track))
    given, expected = some(everybody(dtype), order), bodies_of(refined(dtype))
    number, frames = given["tracks"], given["frames"]
    given["tracks"] = np.array(["zoe", "anna", "ben", "yao"])[number]
    given["frames"] = frames.astype(np.int16) - 1000
    found = refine(**given, uncertainty=True)
    assert_identical(bodies_of(found), expected, order)
    np.testing.assert_array_equal(found.track, np.array([3, 0, 1, 2])[number])
    np.testing.assert_array_equal(found.frame, frames - 1000)
    assert found.track.dtype == found.frame.dtype == np.int64
    if dtype == "float32":
        given["tracks"] = given["tracks"].tolist()
        given["frames"] = given["frames"].tolist()
        assert_identical(refine(**given, uncertainty=True), found)


def test_of_many_tracks_each_is_alone():
    """In float64, where sums over the tracks before would show."""
    given, repeats = one_track(count=20, dtype="float64"), 30
    tracks = np.repeat(np.arange(repeats), 20)
    many = {name: np.concatenate([part] * repeats) for name, part in given.items() if name in ARRAYS}
    found = refine(**{**many, "tracks": tracks, "fps": given["fps"]})
    expected = bodies_of(refine(**given))
    for own in range(repeats):
        assert_identical(bodies_of(found)[tracks == own], expected)


@pytest.mark.parametrize(("threads", "chunk_size"), [(1, None), (2, 7), (3, 1000)])
def test_neither_threads_nor_chunks_matter(threads, chunk_size):
    how = {"uncertainty": True, "threads": threads, "chunk_size": chunk_size}
    assert_identical(refine(**everybody(), **how), refined())


def test_a_track_longer_than_blocks_and_chunks():
    """Of 1,300 frames; beside it short ones, whose blocks fall elsewhere."""
    given, repeats = one_track(), 15
    many = {name: np.concatenate([part] * repeats) for name, part in given.items() if name in ARRAYS}
    many["frames"] = np.arange(len(many["pose"]))
    found = refine(**many, fps=30, threads=2)
    short = some(everybody(), simulated().track > 0)
    both = {name: np.concatenate([short[name], many[name]]) for name in ARRAYS}
    both["tracks"] = np.concatenate([short["tracks"], np.full(len(many["pose"]), 9)])
    again = refine(**both, fps=30, threads=3)
    own = np.arange(len(short["pose"]), len(both["pose"]))
    assert_identical(bodies_of(found), bodies_of(again), own)
    assert len(np.unique(found.betas[found.accepted], axis=0)) == 1


def test_leading_axes_are_time_and_people():
    first, second = one_track(0, 40), one_track(1, 40)
    given = {name: np.stack([first[name], second[name]], axis=1) for name in ARRAYS[:6]}
    found = refine(**given, video=True, uncertainty=True)
    assert found.pose.shape[:2] == (40, 2)
    for person, own in enumerate((first, second)):
        assert_identical(refine(**own, uncertainty=True), found, (slice(None), person))
    frames = np.stack([first["frames"], second["frames"] * 2], axis=1)
    slower = refine(**given, frames=frames, uncertainty=True)
    assert_identical(slower[:, 0], found, (slice(None), 0))
    assert np.any(slower.pose[:, 1] != found.pose[:, 1])


def test_frames_are_numbers_not_places():
    """Those of a track without frames follow one another; an offset says nothing, gaps do."""
    given = one_track(count=30)
    expected = refine(**given)
    expected, none = bodies_of(expected), {name: part for name, part in given.items() if name != "frames"}
    for first in (-(10**9), 10**9, 2**61, 2**63, 2**64 - 100):
        shifted = given["frames"].astype(object) + first
        shifted = shifted.astype(np.uint64 if first >= 2**63 else np.int64)
        found = refine(**{**given, "frames": shifted})
        assert_identical(bodies_of(found), expected)
        np.testing.assert_array_equal(found.frame, shifted)
    assert_identical(bodies_of(refine(**none)), expected)
    apart = {**given, "frames": given["frames"] * 2}
    assert np.any(refine(**apart).pose != expected.pose)
    assert_identical(refine(**{**apart, "fps": 2 * given["fps"]}), refine(**{**apart, "fps": 60.0}))


def test_a_camera_that_rests_is_none():
    given = one_track(count=30, dtype="float64")
    expected, resting = refine(**given), refine(**given, extrinsics=np.tile(np.eye(4), (30, 1, 1)))
    for name, array in expected.arrays().items():
        np.testing.assert_allclose(getattr(resting, name), array, atol=1e-7, err_msg=name)
    assert_identical(refine(**given, extrinsics=np.tile(np.eye(3, 4), (30, 1, 1)).tolist()), resting)


# ----------------------------------------------------------------------------------- what becomes of frames


def assert_estimates(found, given, rows):
    for name in ("pose", "betas", "transl"):
        np.testing.assert_array_equal(getattr(found, name)[rows], given[name][rows], err_msg=name)


def error_of(found, track=0):
    """MPJPE of each frame of a track, in millimetres."""
    video, body = simulated(), load_body("open")
    own = np.flatnonzero(video.track == track)[: len(found.pose)]
    truth = body.joints(video.true_pose[own], video.true_betas[own])
    return mpjpe(body.joints(found.pose, found.betas), truth)


def test_estimates_that_are_not_finite_harm_no_other_frame():
    given = one_track()
    bad = {10: "pose", 11: "betas", 30: "transl", 31: "intrinsics"}
    for row, name in bad.items():
        given[name][row] = np.nan
    found, expected = refine(**given, uncertainty=True), refine(**one_track(), uncertainty=True)
    rows = [*bad]
    np.testing.assert_array_equal(found.status[rows[:3]], Status.NOT_FINITE)
    assert found.status[31] in (Status.NOT_FINITE, Status.BAD_INTRINSICS)
    assert_estimates(found, given, rows)
    assert np.all(np.isnan(found.joint_spread[rows]))
    rest = np.delete(np.arange(90), rows)
    np.testing.assert_array_equal(found.status[rest], expected.status[rest])
    assert np.abs(error_of(found) - error_of(expected))[rest].max() < 3
    assert np.all(np.isfinite(found.pose[rest]))


def test_frames_without_keypoints_are_filled():
    given = one_track()
    given["confidence"][20:28] = 0
    given["keypoints_2d"][50:55] = np.nan
    rows = np.r_[20:28, 50:55]
    found, expected = refine(**given, uncertainty=True), refine(**one_track(), uncertainty=True)
    np.testing.assert_array_equal(found.status[rows], Status.FILLED)
    assert np.all(found.accepted[rows] | (found.status[rows] == Status.FILLED))
    assert np.all(np.isnan(found.noise[rows]))
    assert np.all(np.isfinite(found.joint_spread[rows]))
    assert error_of(found)[rows].mean() < 1.3 * error_of(expected)[rows].mean() + 3
    assert found.joint_spread[24, 1:].mean() > expected.joint_spread[24, 1:].mean()
    refine(**given, strict=True)
    text = found.summary()
    assert f"{np.sum(found.status == Status.FILLED)} filled" in text


def test_nothing_is_filled_far_from_keypoints():
    given = one_track()
    given["confidence"][40:] = 0
    found = refine(**given)
    np.testing.assert_array_equal(found.status[40:70], Status.FILLED)
    np.testing.assert_array_equal(found.status[70:], Status.TOO_FEW_KEYPOINTS)
    assert_estimates(found, given, np.arange(70, 90))
    none = refine(**{**given, "confidence": np.zeros_like(given["confidence"])})
    assert np.all(none.status == Status.TOO_FEW_KEYPOINTS)
    assert_estimates(none, given, np.arange(90))
    with pytest.raises(InputError, match="too few of its keypoints are visible"):
        refine(**given, strict=True)


@pytest.mark.parametrize("length", [1, 8])
def test_exchanged_sides_are_undone(length):
    given, expected = one_track(), refine(**one_track())
    mirror = list(find_layout("smpl24", load_body("open")).mirror)
    rows = np.arange(30, 30 + length)
    for name in ("keypoints_2d", "confidence"):
        given[name][rows] = given[name][rows][:, mirror]
    found = refine(**given)
    assert np.all(found.swapped[rows] == 1)
    assert np.all(found.status[rows] == Status.REFINED)
    assert np.abs(error_of(found) - error_of(expected)).max() < 4
    others = np.delete(np.arange(90), rows)
    np.testing.assert_array_equal(found.swapped[others], expected.swapped[others])


def with_others_keypoints(first, last, other):
    given, other = one_track(), one_track(other)
    for name in ("keypoints_2d", "confidence"):
        given[name][first:last] = other[name][first:last]
    return given


def test_a_stretch_of_another_persons_keypoints_is_refused(engine):
    """With a frame in its midst whose keypoints are right, by chance as it seems."""
    given = with_others_keypoints(10, 70, other=2)
    for name in ("keypoints_2d", "confidence"):
        given[name][40] = one_track()[name][40]
    found = refine(**given, uncertainty=True, engine=engine)
    own = np.arange(10, 70)
    assert np.all(np.isin(found.status[own], [Status.UNLIKELY, Status.SWAPPED]))
    assert found.status[40] == Status.UNLIKELY
    assert refine(**alone(given), engine=engine).status[40] == Status.REFINED
    assert_estimates(found, given, own)
    assert np.all(np.isnan(found.joint_spread[own]))
    distance = np.linalg.norm(_projected(given)[40] - given["keypoints_2d"][40], axis=-1)
    seen = given["confidence"][40] > 0
    assert found.reprojection_error[40] == pytest.approx(distance[seen].mean(), rel=1e-4)
    assert np.mean(np.delete(found.status, own) == Status.REFINED) > 0.9


def _projected(given):
    joints = load_body("open").joints(given["pose"], given["betas"], given["transl"])
    image = np.einsum("nij,nkj->nki", given["intrinsics"], joints)
    return image[..., :2] / image[..., 2:]


def test_few_frames_of_another_persons_keypoints_are_filled():
    given = with_others_keypoints(30, 35, other=1)
    found, expected = refine(**given), refine(**one_track())
    np.testing.assert_array_equal(found.status[30:35], Status.FILLED)
    assert np.abs(error_of(found) - error_of(expected)).max() < 12
    unsafe = refine(**given, safe=False)
    assert not np.any(unsafe.status[30:35] == Status.FILLED)


# ---------------------------------------------------------------------------------------------------- forms


def test_axis_angle_and_half_precision():
    given = one_track(count=20)
    given["confidence"][7] = 0
    expected = refine(**given)
    vectors = axis_angle_from_matrix(given["pose"].astype(np.float64)).astype(np.float32)
    found = refine(**{**given, "pose": vectors})
    assert found.pose.shape == (20, 24, 3)
    np.testing.assert_array_equal(found.status, expected.status)
    np.testing.assert_allclose(found.betas, expected.betas, atol=1e-4)
    np.testing.assert_allclose(found.pose, axis_angle_from_matrix(expected.pose), atol=2e-3)
    half = {name: given[name].astype(np.float16) for name in ("pose", "betas", "transl")}
    found = refine(**{**given, **half})
    assert found.pose.dtype == found.betas.dtype == found.transl.dtype == np.float16
    np.testing.assert_allclose(found.pose.astype(float), expected.pose, atol=0.03)
    # The result can be refined again.
    assert np.all(refine(**{**given, "pose": found.pose}).status == expected.status)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_bodies(engine, count):
    given = one_track(count=count)
    found = refine(**given, uncertainty=True, engine=engine)
    assert found.pose.shape == (count, 24, 3, 3)
    assert found.joint_spread.shape == (count, 24)
    assert isinstance(found.summary(), str)
    empty = {name: part[:, None][:, :0] for name, part in given.items() if name in ARRAYS[:6]}
    assert refine(**empty, video=True, engine=engine).pose.shape == (count, 0, 24, 3, 3)


def test_other_trees(engine):
    skeleton = make_skeleton("chain")
    batch = make_batch(skeleton, 6)
    batch = batch.some(np.zeros(6, int))  # a person who stands still
    found = refine(*batch, body=skeleton, safe=False, video=True, engine=engine)
    assert np.all(found.accepted)
    np.testing.assert_allclose(found.pose, found.pose[:1] + np.zeros((6, 1, 1, 1)), atol=1e-3)


def test_columns_of_objects_are_texts_or_integers():
    given, numbers = one_track(count=20), np.arange(20) // 10
    expected = refine(**{**given, "tracks": numbers})
    columns = [
        (np.array(["a", "b"], dtype=object)[numbers], given["frames"].astype(object)),
        (numbers.astype(object), [np.int32(frame) for frame in given["frames"]]),
    ]
    for tracks, frames in columns:
        assert_identical(refine(**{**given, "tracks": tracks, "frames": frames}), expected)


def test_a_result_knows_its_video(engine):
    given = one_track(count=12)
    given["tracks"], given["frames"] = np.arange(12) // 6 + 3, 7 - np.arange(12)
    found = refine(**given, engine=engine)
    np.testing.assert_array_equal(found.track, given["tracks"])
    np.testing.assert_array_equal(found.frame, given["frames"])
    assert (found.fps, found.options["video"]) == (given["fps"], True)
    assert not np.shares_memory(found.track, given["tracks"])
    assert not np.shares_memory(found.frame, given["frames"])
    none = refine(**alone(given), engine=engine)
    assert none.track is none.frame is none.fps is None
    assert none.options["video"] is False
    grid = {name: part.reshape(6, 2, *part.shape[1:]) for name, part in alone(given).items()}
    found = refine(**grid, video=True, engine=engine)
    np.testing.assert_array_equal(found.track, np.tile([0, 1], (6, 1)))
    np.testing.assert_array_equal(found.frame, np.tile(np.arange(6)[:, None], (1, 2)))
    assert found.fps is None
    unnumbered = refine(**alone(given), tracks=np.arange(12) % 2, engine=engine)
    np.testing.assert_array_equal(unnumbered.frame, np.arange(12) // 2)


def test_a_part_of_a_video_and_the_whole_again(tmp_path):
    result = refined()
    part, rest = result[:100], result[100:]
    np.testing.assert_array_equal(part.frame, result.frame[:100])
    assert rest.fps == result.fps
    assert_identical(RefineResult.concat([part, rest]), result)
    assert RefineResult.concat([part, rest]).fps == result.fps
    assert RefineResult.concat([part, replace(rest, fps=1.0)]).fps is None
    assert result[5].track.shape == ()
    with pytest.raises(InputError, match=r"^results: expected "):
        RefineResult.concat([part, bodies_of(rest)])


def test_of_torch(tmp_path):
    torch = pytest.importorskip("torch")
    given = one_track(count=6)
    tensors = {name: torch.asarray(part) for name, part in alone(given).items()}
    tensors |= {"tracks": torch.zeros(6, dtype=torch.int32), "frames": torch.arange(6) + 2**40}
    found = refine(**tensors)
    assert isinstance(found.track, torch.Tensor)
    assert found.frame.dtype == torch.int64
    np.testing.assert_array_equal(found.numpy().frame, np.arange(6) + 2**40)


def test_people_are_written_by_their_tracks(tmp_path):
    result, told, video = refined(), [], simulated()
    kitro_np.write(tmp_path / "a.csv", result, tell=told.append)
    rows = np.genfromtxt(tmp_path / "a.csv", delimiter=",", skip_header=1, usecols=(0, 1))[::24]
    order = np.lexsort((video.track, video.frame))
    np.testing.assert_array_equal(rows, np.stack([video.frame, video.track], axis=1)[order])
    loaded = RefineResult.load(result.save(tmp_path / "a.npz"))
    paths = kitro_np.write(tmp_path / "a.bvh", loaded, tell=told.append)
    assert len(paths) == 4
    assert not any("assumed" in sentence for sentence in told)
    one = kitro_np.write(
        tmp_path / "b.bvh", result[:4], person=np.zeros(4, int), frame=np.arange(4), fps=5, tell=None
    )
    assert "Frame Time: 0.2" in one.read_text()
    again = RefineResult.concat([result[:4], result[:4]])
    told.clear()
    kitro_np.write(tmp_path / "c.csv", again, tell=told.append)
    assert told[0].startswith("Frames of a track come more than once: ")
    large = replace(result[:4], frame=np.arange(4, dtype=np.uint64) + np.uint64(2**63))
    with pytest.raises(InputError, match=r"^frame: expected numbers below 2\*\*63, got 9223372036854775811"):
        kitro_np.write(tmp_path / "d.csv", large, tell=None)
    rows = np.genfromtxt(tmp_path / "c.csv", delimiter=",", skip_header=1, usecols=(0, 1))[::24]
    np.testing.assert_array_equal(rows[:, 0], np.arange(8))


def test_what_is_shown_of_a_video_are_its_people_and_frames():
    result, given = refined(), everybody()
    seen = {"keypoints_2d": given["keypoints_2d"], "intrinsics": given["intrinsics"]}
    shown = shown_of(result, **seen)
    np.testing.assert_array_equal(shown.frame, given["frames"])
    np.testing.assert_array_equal(shown.person, given["tracks"])
    assert shown.fps == given["fps"]
    shown = shown_of(result, **seen, frame=np.arange(len(result)), fps=5)
    assert not shown.person.any() and shown.fps == 5


def test_wrong_tracks_of_a_file(tmp_path):
    path = refined()[:5].save(tmp_path / "a.npz")
    with np.load(path) as file:
        arrays = dict(file)
    wrong = {
        "track": (arrays["track"] + 0.5, "track: expected integers of shape "),
        "frame": (arrays["frame"][:3], "frame: expected integers of shape "),
        "fps": (np.array(0), "fps: expected a positive number, got 0."),
    }
    for name, (value, sentence) in wrong.items():
        np.savez(path, **{**arrays, name: value})
        with pytest.raises(InputError) as caught:
            RefineResult.load(path)
        assert f"{path}: {sentence}" in str(caught.value)
    np.savez(path, **{name: part for name, part in arrays.items() if name != "track"})
    assert RefineResult.load(path).frame is None


def test_written_and_read(tmp_path):
    result = refined()
    read = RefineResult.load(result.save(tmp_path / "out.npz"))
    assert_identical(read, replace(result))
    assert read.fps == result.fps
    assert read.options == result.options
    assert read.summary() == result.summary()
    assert "filled" in result.summary()
    assert Map(**read.options) == Map(uncertainty=True, video=True)


# ------------------------------------------------------------------------------------------ wrong arguments


OF_OBJECTS = "tracks: expected integers or texts, got dtype object."
NOT_RIGID = (
    "extrinsics: expected a rotation and a translation in metres, [R, t] and perhaps [0, 0, 0, 1] below, "
    "got another matrix for body "
)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"tracks": [0, 1]}, "tracks: expected shape (3,), got (2,)."),
        ({"tracks": 0}, "tracks: expected shape (3,), got ()."),
        ({"tracks": [0.0, 0, 1]}, "tracks: expected integers or texts, got dtype float64."),
        ({"tracks": [True, False, True]}, "tracks: expected integers or texts, got dtype bool."),
        ({"tracks": [[0], [1, 2]]}, "tracks: expected an array of numbers, got a ragged sequence."),
        ({"frames": [0, 1, 1]}, "frames: expected a frame of a track once, got frame 1 of a track twice."),
        ({"frames": [0, 1, 2.0]}, "frames: expected integers, got dtype float64."),
        ({"frames": ["a", "b", "c"]}, "frames: expected integers, got dtype <U1."),
        ({"frames": [[0, 1, 2]]}, "frames: expected shape (3,), got (1, 3)."),
        ({"frames": 1}, "frames: expected shape (3,), got ()."),
        ({"fps": 0}, "fps: expected 0.01 to 100000 frames per second, got 0."),
        ({"fps": 1e-300}, "fps: expected 0.01 to 100000 frames per second, got 1e-300."),
        ({"fps": 10**400}, "fps: expected 0.01 to 100000 frames per second, got inf."),
        ({"fps": 100_001}, "fps: expected 0.01 to 100000 frames per second, got 100001."),
        ({"fps": True}, "fps: expected a number of frames per second, got True."),
        (
            {"frames": [0, 1, 2**53 + 1]},
            f"frames: expected at most 2**53 from the first frame of a track to its last, got {2**53 + 1}.",
        ),
        ({"frames": np.array([-(2**63), 0, 2**63 - 1])}, "frames: expected at most 2**53 "),
        ({"frames": np.array([0, 1, 2**70], object)}, "frames: expected integers, got dtype object."),
        ({"frames": np.array(["a", "b", "c"], object)}, "frames: expected integers, got dtype <U1."),
        ({"tracks": np.array(["a", 0, "a"], object)}, OF_OBJECTS),
        ({"tracks": np.array(["a", None, "a"], object)}, OF_OBJECTS),
        ({"tracks": np.array([0, True, 0], object)}, OF_OBJECTS),
        ({"tracks": np.array([0, 1.0, 0], object)}, OF_OBJECTS),
        ({"fps": -30}, "fps: "),
        ({"fps": np.nan}, "fps: "),
        ({"fps": np.inf}, "fps: "),
        ({"fps": "30"}, "fps: "),
        ({"fps": [30, 25]}, "fps: "),
        ({"extrinsics": np.eye(4)}, "extrinsics: expected shape (3, 4, 4) or (3, 3, 4), got (4, 4)."),
        (
            {"extrinsics": np.zeros((3, 3, 3))},
            "extrinsics: expected shape (3, 4, 4) or (3, 3, 4), got (3, 3, 3).",
        ),
        (
            {"extrinsics": np.full((3, 3, 4), np.nan)},
            "extrinsics: expected finite numbers, got NaN or infinity.",
        ),
        ({"extrinsics": np.zeros((3, 4, 4))}, NOT_RIGID + "0."),
        ({"extrinsics": 1000 * np.tile(np.eye(4), (3, 1, 1))}, NOT_RIGID + "0."),
        ({"extrinsics": np.stack([np.eye(4), np.eye(4), np.eye(4)[::-1]])}, NOT_RIGID + "2."),
        (
            {"extrinsics": np.stack([np.eye(3, 4), np.diag([1.0, 1, -1]) @ np.eye(3, 4)] * 2)[:3]},
            NOT_RIGID + "1.",
        ),
        ({"extrinsics": np.full((3, 3, 4), 1e300)}, NOT_RIGID + "0."),
        ({"video": 1}, "video: expected True or False, got 1."),
        ({"video": True, "hypotheses": 2}, "hypotheses: expected 0 for a video, got 2."),
        ({"fps": 30, "hypotheses": 1}, "hypotheses: expected 0 for a video, got 1."),
        (
            {"method": "kitro", "tracks": [0, 0, 0]},
            "tracks: expected method='map', which refines videos, got 'kitro'.",
        ),
        (
            {"method": "kitro", "frames": [0, 1, 2]},
            "frames: expected method='map', which refines videos, got",
        ),
        (
            {"method": "smplify", "fps": 30},
            "fps: expected method='map', which refines videos, got 'smplify'.",
        ),
        (
            {"method": "smplify", "extrinsics": np.zeros((3, 4, 4))},
            "extrinsics: expected method='map', which refines videos, got 'smplify'.",
        ),
    ],
)
def test_wrong_arguments(how, sentence):
    given = alone(one_track(count=3))
    if "method" in how:
        del given["confidence"]
    with pytest.raises(InputError) as caught:
        refine(**given, **how)
    message = str(caught.value)
    assert message.startswith(sentence)
    assert ": expected " in message
    assert ", got " in message
    assert message.endswith(".")
    assert message == sentence or not sentence.endswith(".")
    assert "\n" not in message


# -------------------------------------------------------------------------------------------------- quality


def measures(found):
    """MPJPE, PA-MPJPE, acceleration error, all in millimetres, and the error of the betas."""
    video, body = simulated(), load_body("open")
    joints = [body.joints(*pair) for pair in ((found.pose, found.betas), (video.true_pose, video.true_betas))]
    around = joints[0] - joints[0][:, :1] - joints[1] + joints[1][:, :1]
    steps = np.diff(around, 2, axis=0)[video.track[2:] == video.track[:-2]]
    return np.array(
        [
            mpjpe(*joints).mean(),
            pa_mpjpe(*joints).mean(),
            1000 * np.linalg.norm(steps, axis=-1).mean(),
            np.linalg.norm(
                body.skeleton.rest_joints(found.betas) - body.skeleton.rest_joints(video.true_betas), axis=-1
            ).mean(),
        ]
    )


def test_nearer_to_the_truth_than_each_frame_alone():
    found, each = measures(refined()), measures(refine(**alone(everybody())))
    estimate = measures(simulated())
    assert np.all(found < each)
    assert np.all(each[:2] < estimate[:2])
    assert found[0] < 0.9 * each[0]
    assert found[2] < 0.5 * each[2]
    assert found[3] < 0.85 * each[3]


def test_exact_keypoints_are_no_worse():
    video = simulated()
    given = {**everybody(), "keypoints_2d": video.keypoints_2d.astype(np.float32), "confidence": None}
    found, each = measures(refine(**given)), measures(refine(**alone(given)))
    assert np.all(found[:2] < 1.02 * each[:2])
    assert found[2] < each[2]


def test_one_shape_of_each_track():
    found, video = refined(), simulated()
    together = np.isin(found.status, [Status.REFINED, Status.FILLED])
    assert together.mean() > 0.95
    for track in range(4):
        assert len(np.unique(found.betas[together & (video.track == track)], axis=0)) == 1


def test_who_stands_still_stays_still():
    """The same frame again, with estimates and keypoints that tremble."""
    random, video, body = np.random.default_rng(3), simulated(), load_body("open")
    count = 40
    given = {name: np.repeat(part[:1], count, axis=0) for name, part in alone(one_track()).items()}
    given["keypoints_2d"] = np.repeat(video.keypoints_2d[:1], count, axis=0)
    given["keypoints_2d"] = given["keypoints_2d"] + random.normal(0, 3, given["keypoints_2d"].shape)
    given["transl"] = given["transl"] * np.exp(random.normal(0, 0.02, (count, 1))).astype(np.float32)
    given["confidence"][:] = 0.9
    found, each = refine(**given, video=True), refine(**given)

    def trembles(result):
        joints = body.joints(result.pose, result.betas, result.transl)
        return np.linalg.norm(np.diff(joints, 2, axis=0), axis=-1).mean()

    assert trembles(found) < 0.1 * trembles(each)
    joints = body.joints(found.pose, found.betas)
    assert np.std(joints - joints[:, :1], axis=0).max() < 0.02


# --------------------------------------------------------------------------------------------------- memory


def test_memory_of_a_long_track():
    """Beside what is given and returned, less than 2.5 kB a frame in float32."""
    short = one_track()
    refine(**short)

    def peak(count):
        given = {name: np.resize(short[name], (count, *short[name].shape[1:])) for name in ARRAYS}
        given["frames"], given["tracks"] = np.arange(count), np.zeros(count, int)
        tracemalloc.start()
        try:
            result = refine(**given, threads=1)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        moved = [*given.values(), *result.arrays().values()]
        return most, sum(part.nbytes for part in moved if part is not None)

    (few, moved_few), (many, moved_many) = peak(1000), peak(4000)
    assert (many - few - (moved_many - moved_few)) / 3000 < 2500
