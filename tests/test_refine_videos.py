"""Files with tracks are refined as videos: which are, what is said, and what results keep."""

import json
from dataclasses import replace

import numpy as np
import pytest
from test_match_people import scene

import kitro_np
from kitro_np import InputError, Status, read_estimates, refine_people
from kitro_np.cli.main import main
from kitro_np.formats.estimates import TRUTH_KEYS
from kitro_np.formats.videos import HYPOTHESES, NO_IDENTITIES, NOT_RIGID, NOT_UNIQUE, VideoRows
from kitro_np.simulate import simulate_video

FRAMES = 10
NAMES = {
    "pose": "pred_theta", "betas": "pred_beta", "transl": "pred_cam", "intrinsics": "intrinsics",
    "keypoints_2d": "keypoints_2d", "confidence": "confidence",
}  # fmt: skip


@pytest.fixture(scope="module")
def arrays():
    """Two simulated tracks, of which one is not detected for three frames, in any order."""
    found = simulate_video(tracks=2, frames=FRAMES).arrays()
    found["keypoints_2d"] = found["keypoints_2d_noisy"]
    found["confidence"][4:7] = 0
    order = np.random.default_rng(0).permutation(len(found["track"]))
    found = {
        key: part[order] if np.ndim(part) else part
        for key, part in found.items()
        if key not in ("clip", "category", "keypoints_2d_noisy")
    }
    return found | {"fps": np.array(50.0)}


@pytest.fixture(scope="module")
def given(arrays):
    return {name: arrays[key] for name, key in NAMES.items()}


@pytest.fixture(scope="module")
def together(arrays, given):
    return kitro_np.refine(**given, tracks=arrays["track"], frames=arrays["frame"], fps=50.0)


@pytest.fixture
def run(tmp_path, capsys, arrays):
    """Write the arrays with other keys, run a command on them, and return what it prints."""

    def run(command, *options, without=(), status=0, **changes):
        path = tmp_path / "in.npz"
        np.savez(path, **{k: v for k, v in {**arrays, **changes}.items() if k not in without})
        output = ["-o", str(tmp_path / "out.npz"), "--force"] if command == "refine" else []
        assert main([command, str(path), *output, *map(str, options)]) == status
        out, err = capsys.readouterr()
        return err if status else out

    return run


def assert_refined(path, expected):
    result = kitro_np.RefineResult.load(path)
    for name in ("pose", "betas", "transl", "status"):
        np.testing.assert_array_equal(getattr(result, name), getattr(expected, name), err_msg=name)


# ----------------------------------------------------------------------------------------- the command line


def test_files_with_tracks_are_refined_as_videos(run, tmp_path, arrays, together):
    out = tmp_path / "out.npz"
    assert "\nas videos: 2 tracks at 50 fps\n" in run("refine")
    assert_refined(out, together)
    assert (together.status == Status.FILLED).sum() >= 3
    said = run("refine", without=("track",), person=arrays["track"])
    assert "as videos: 2 tracks" in said
    assert_refined(out, together)
    said = run("refine", "--fps", 50, without=("fps",))
    assert "as videos: 2 tracks at 50 fps\n" in said
    assert_refined(out, together)
    assert "at 30 fps, which the file does not say\n" in run("refine", without=("fps",))


@pytest.mark.parametrize(
    ("options", "without", "note"),
    [
        (["--each-frame"], [], ""),
        ([], ["track"], ""),
        (["--hypotheses", 2], [], HYPOTHESES),
    ],
)
def test_each_frame_alone(run, tmp_path, given, options, without, note):
    said = run("refine", *options, without=without)
    assert "as videos" not in said and note in said
    assert_refined(tmp_path / "out.npz", kitro_np.refine(**given))


def test_people_who_are_in_a_frame_twice_are_no_videos(run, tmp_path, arrays, given):
    said = run("refine", without=("track",), person=arrays["track"] // 2 + 1)
    assert NOT_UNIQUE in said and "as videos" not in said
    assert_refined(tmp_path / "out.npz", kitro_np.refine(**given))
    assert NO_IDENTITIES in run("refine", without=("track",), person=0 * arrays["track"])
    error = run("refine", track=0 * arrays["track"], status=2)
    assert "frame: expected each frame once in a track, got" in error
    assert "as videos" not in run("refine", track=np.arange(len(arrays["track"])))


def test_other_methods_take_each_frame(run):
    assert "by kitro" in run("refine", "--method", "kitro", without=("confidence",))
    assert "as videos" not in run("eval", "--method", "kitro")


def test_the_cameras_motion_is_used(run, tmp_path, arrays, given, together):
    count = len(arrays["track"])
    turn = 0.02 * arrays["frame"]
    extrinsics = np.tile(np.eye(4), (count, 1, 1))
    extrinsics[:, 0, 0] = extrinsics[:, 2, 2] = np.cos(turn)
    extrinsics[:, 0, 2], extrinsics[:, 2, 0] = np.sin(turn), -np.sin(turn)
    run("refine", extrinsics=extrinsics)
    rows = {"tracks": arrays["track"], "frames": arrays["frame"], "fps": 50.0}
    expected = kitro_np.refine(**given, **rows, extrinsics=extrinsics)
    assert_refined(tmp_path / "out.npz", expected)
    assert np.abs(expected.transl - together.transl).max() > 1e-4
    assert_refined(tmp_path / "out.npz", expected)
    with np.load(tmp_path / "out.npz") as file:
        np.testing.assert_array_equal(file["extrinsics"], extrinsics)
    assert NOT_RIGID in run("refine", extrinsics=2 * extrinsics)
    assert_refined(tmp_path / "out.npz", together)
    run("refine", extrinsics=np.eye(4))
    assert_refined(tmp_path / "out.npz", together)
    error = run("refine", extrinsics=extrinsics[:3], status=2)
    assert f"extrinsics: expected shape ({count}, 4, 4) or ({count}, 3, 4), got (3, 4, 4)." in error


def test_tracks_may_have_names(run, tmp_path, arrays, together):
    names = np.array(["Ann", "Bea"])[arrays["track"]]
    for given in ({"track": names}, {"person": names}):
        assert "as videos: 2 tracks at 50 fps\n" in run(
            "refine", without=("track",) * ("person" in given), **given
        )
        assert_refined(tmp_path / "out.npz", together)
        with np.load(tmp_path / "out.npz") as file:
            np.testing.assert_array_equal(file[next(iter(given))], names)
        np.testing.assert_array_equal(read_estimates(tmp_path / "out.npz").person, arrays["track"] + 1)
        for command, name in (("refine", "in.npz"), ("convert", "out.npz")):
            output = tmp_path / f"{command}.csv"
            assert main([command, str(tmp_path / name), "-o", str(output), "--force"]) == 0
            found = np.genfromtxt(output, delimiter=",", skip_header=1, usecols=(1,))[::24]
            assert sorted(found) == sorted(arrays["track"] + 1)
    alone = run("refine", without=("track",), person=np.full(len(names), "Ann"))
    assert NOT_UNIQUE in alone and NO_IDENTITIES not in alone
    frame = arrays["frame"].astype(str)
    assert "frame: expected integers, got dtype <U" in run("refine", frame=frame, status=2)
    assert "track: expected integers or texts, got dtype float64." in run(
        "eval", track=arrays["track"] / 2, status=2
    )


def test_options_that_do_not_fit(run, capsys):
    assert "each-frame: expected none with --video, got both." in run(
        "refine", "--each-frame", "--video", status=2
    )
    for fps in (0, -1, "nan", "inf"):
        assert f"fps: expected 0.01 to 100000 frames per second, got {fps}." in run(
            "eval", "--fps", fps, status=2
        )
    for option in (["--each-frame"], ["--fps", "25"]):
        assert main(["eval", "--example", "real", *option]) == 2
        assert f"{option[0]}: expected none with --example" in capsys.readouterr().err


def test_all_bodies_are_one_person_where_that_is_said(run, tmp_path, arrays, given):
    one = np.flatnonzero(arrays["track"] == 0)
    one = one[np.argsort(arrays["frame"][one])]
    clip = {NAMES[name]: part[one] for name, part in given.items()}
    others = ("track", "frame", "GT_pose", "GT_beta", "GT_cam", "GT_focal")
    assert "as videos: 1 track at 50 fps" in run("refine", "--video", without=others, **clip)
    expected = kitro_np.refine(**{name: part[one] for name, part in given.items()}, video=True, fps=50.0)
    assert_refined(tmp_path / "out.npz", expected)


# ------------------------------------------------------------------------------------------- complete results


def test_results_are_refined_and_evaluated_again(run, tmp_path, capsys, arrays, together):
    run("refine")
    with np.load(tmp_path / "out.npz") as file:
        for key in ("track", "frame", "fps", *(key for key in TRUTH_KEYS if key in arrays)):
            np.testing.assert_array_equal(file[key], arrays[key], err_msg=key)
    assert main(["refine", str(tmp_path / "out.npz"), "-o", str(tmp_path / "again.npz")]) == 0
    assert "as videos: 2 tracks at 50 fps" in capsys.readouterr().out
    assert_refined(tmp_path / "again.npz", together)

    figures = []
    for name in ("in", "out"):
        assert main(["eval", str(tmp_path / f"{name}.npz"), "--json"]) == 0
        figures.append(json.loads(capsys.readouterr().out))
    assert figures[0] == figures[1] and figures[0]["video"]["fps"] == 50
    assert figures[0]["video"]["after"]["jitter"] < 0.5 * figures[0]["video"]["before"]["jitter"]


def test_complete_results_say_their_tracks(run, tmp_path, arrays, together):
    """Arrays of the file stay as they are; what it does not say is the result's."""
    out = tmp_path / "out.npz"
    for without, changes in (
        ([], {"track": arrays["track"].astype(np.int16), "fps": np.array([50])}),
        (["track"], {"person": arrays["track"]}),
        (["frame", "fps"], {}),
    ):
        run("refine", without=without, **changes)
        given = {key: part for key, part in {**arrays, **changes}.items() if key not in without}
        with np.load(out) as file:
            for key in {"track", "frame", "person", "fps"} & given.keys():
                assert file[key].dtype == given[key].dtype
                np.testing.assert_array_equal(file[key], given[key], err_msg=key)
            assert ("fps" in file) == ("fps" in given)
        found = kitro_np.RefineResult.load(out)
        assert found.options["video"] is True
        np.testing.assert_array_equal(found.track, arrays["track"])
        if "frame" in given:
            np.testing.assert_array_equal(found.frame, arrays["frame"])
            assert_refined(out, together)
        assert found.fps == (50 if "fps" in given else None)
    run("refine", "--each-frame")
    found = kitro_np.RefineResult.load(out)
    assert found.track is found.frame is found.fps is None and found.options["video"] is False


def test_tracks_that_were_not_followed_are_no_tracks_of_the_result(run, tmp_path, arrays):
    """All are said to be one person; the file's people and frames stay, without tracks that do not fit."""
    one = arrays["track"] == 0
    clip = {key: part[one] for key, part in arrays.items() if np.ndim(part)}
    clip |= {"person": np.zeros(one.sum(), int), "frame": np.zeros(one.sum(), int)}
    assert "as videos: 1 track" in run("refine", "--video", without=["track"], **clip)
    with np.load(tmp_path / "out.npz") as file:
        assert "track" not in file and not file["frame"].any()
    assert kitro_np.RefineResult.load(tmp_path / "out.npz").track is None
    assert NO_IDENTITIES in run("refine", without=["track"], **clip)


@pytest.mark.parametrize("suffix", ["npz", "csv"])
def test_options_of_videos_that_change_nothing(run, tmp_path, capsys, arrays, suffix):
    both = "--contacts and --fps change nothing of the bodies: each frame is refined alone.\n"
    options = ["--contacts", "feet", "--fps", 25]
    for more, without in ((["--each-frame"], []), ([], ["track"])):
        assert both in run("refine", *options, *more, without=without)
        said = run("refine", *options[:2], *more, without=without)
        assert "\n--contacts changes nothing of the bodies: each frame is refined alone.\n" in said
        said = run("refine", *options[2:], *more, without=without)
        assert "\n--fps changes nothing of the bodies: each frame is refined alone.\n" in said
        assert "nothing of" not in run("refine", *more, without=without)
        command = ["refine", str(tmp_path / "in.npz"), "-o", str(tmp_path / f"again.{suffix}"), "--force"]
        assert main([*command, *map(str, options), *more]) == 0
        assert both in capsys.readouterr().out
    assert "nothing of" not in run("refine", *options)


def test_tracks_are_people_in_other_formats(run, tmp_path, arrays):
    run("refine")
    np.testing.assert_array_equal(read_estimates(tmp_path / "out.npz").person, arrays["track"])
    for command, name in (("refine", "in.npz"), ("convert", "out.npz")):
        output = tmp_path / f"{command}.csv"
        assert main([command, str(tmp_path / name), "-o", str(output)]) == 0
        found = np.genfromtxt(output, delimiter=",", skip_header=1, usecols=(0, 1))[::24]
        order = np.lexsort((arrays["track"], arrays["frame"]))
        np.testing.assert_array_equal(found, np.stack([arrays["frame"], arrays["track"]], axis=1)[order])


# ----------------------------------------------------------------------------------------------------- people


@pytest.fixture(scope="module")
def people():
    """Four people in ten frames, with their keypoints; one has none in four of them."""
    estimates, keypoints, _ = scene(3, None, "body25")
    estimates = estimates.take(estimates.frame < FRAMES)
    keypoints = keypoints.take(keypoints.frame < FRAMES)
    keypoints = refine_people(estimates, keypoints, body="open", video=False).keypoints
    unseen = (estimates.person == 8) & (estimates.frame >= 3) & (estimates.frame < 7)
    keypoints = replace(
        keypoints,
        confidence=np.where(unseen[:, None], 0, keypoints.confidence),
        points=np.where(unseen[:, None, None], np.nan, keypoints.points),
        person=estimates.person,
    )
    return replace(estimates, keypoints=keypoints, fps=25.0)


def test_people_are_refined_as_videos(people):
    found = refine_people(people)
    assert str(found.videos) == "as videos: 4 tracks at 25 fps"
    own = found.result
    rows = {"tracks": people.person, "frames": people.frame, "fps": 25.0}
    seen = found.keypoints
    expected = kitro_np.refine(
        people.pose, people.betas, people.transl, seen.points, people.intrinsics,
        confidence=seen.confidence, keypoint_layout="body25", **rows,
    )  # fmt: skip
    np.testing.assert_array_equal(own.pose, expected.pose)
    assert (own.status == Status.FILLED).sum() == 4
    for person in np.unique(people.person):
        assert np.ptp(own.betas[people.person == person], axis=0).max() == 0
    assert not any("alone" in note for note in found.notes)


@pytest.mark.parametrize(
    "options", [{"video": False}, {"video": False, "method": kitro_np.Map(video=True)}, {"hypotheses": 2}]
)
def test_people_of_each_frame_alone(people, options):
    found = refine_people(people, **options)
    seen = found.keypoints
    expected = kitro_np.refine(
        people.pose, people.betas, people.transl, seen.points, people.intrinsics,
        confidence=seen.confidence, keypoint_layout="body25",
    )  # fmt: skip
    np.testing.assert_array_equal(found.result.pose, expected.pose)
    assert found.videos is None and (HYPOTHESES in found.notes) == ("hypotheses" in options)


def test_people_without_unique_identities_are_refined_alone(people):
    alone = refine_people(people, video=False).result
    for person, note in ((0 * people.person, NO_IDENTITIES), (np.maximum(people.person, 8), NOT_UNIQUE)):
        seen = replace(people.keypoints, person=person)
        found = refine_people(replace(people, person=person, keypoints=seen))
        assert note in found.notes and found.videos is None
        np.testing.assert_array_equal(found.result.pose, alone.pose)
    image = people.take(people.frame == 2)
    image = replace(image, keypoints=people.keypoints.take(people.frame == 2))
    assert refine_people(image).videos is None


def test_peoples_extrinsics_are_used_if_they_are_rigid(people):
    extrinsics = np.tile(np.eye(4), (len(people), 1, 1))
    extrinsics[:, 2, 3] = 0.1 * people.frame
    found = refine_people(replace(people, extrinsics=extrinsics))
    assert found.videos.extrinsics is extrinsics and NOT_RIGID not in found.notes
    broken = extrinsics.copy()
    broken[5] = np.nan
    found = refine_people(replace(people, extrinsics=broken))
    assert found.videos.extrinsics is None and NOT_RIGID in found.notes


def test_what_files_hold_is_not_given(people):
    for name in ("tracks", "frames", "fps", "extrinsics"):
        with pytest.raises(InputError, match=f"^{name}: expected what the files hold, got another"):
            refine_people(people, **{name: 1})
    with pytest.raises(InputError, match=r"^video: expected True or False, got 1"):
        refine_people(people, video=1)


def test_filled_frames_are_written_and_nothing_is_said_of_shapes(people, tmp_path):
    found, told = refine_people(people), []
    for suffix in ("glb", "bvh", "csv", "json"):
        kitro_np.write(tmp_path / f"a.{suffix}", found, tell=told.append)
    assert told == []
    rows = np.genfromtxt(tmp_path / "a.csv", delimiter=",", skip_header=1, usecols=(0, 1, 3, 4, 5))
    order = np.lexsort((people.person, people.frame))
    joints = found.result.joints()[order].reshape(-1, 3)
    np.testing.assert_allclose(rows[:, 2:], joints, atol=1e-6)
    labels = json.loads((tmp_path / "a.json").read_text())["annotations"]
    assert len(labels) == len(people)
    alone = refine_people(people, video=False)
    kitro_np.write(tmp_path / "b.bvh", alone, tell=told.append)
    assert len(told) == 1 and "one shape for all frames, the mean of the betas" in told[0]


def test_options_of_videos_change_nothing_of_people_of_each_frame(people, tmp_path, capsys):
    saved = str(refine_people(people).save(tmp_path / "people.npz"))
    command = [
        "refine",
        saved,
        "-o",
        str(tmp_path / "out.csv"),
        "--force",
        "--contacts",
        "feet",
        "--fps",
        "25",
    ]
    assert main([*command, "--each-frame"]) == 0
    said = "--contacts and --fps change nothing of the bodies: each frame is refined alone.\n"
    assert said in capsys.readouterr().out
    assert main(command) == 0
    assert "nothing of" not in capsys.readouterr().out


def test_saved_people_are_refined_again(people, tmp_path):
    found = refine_people(people)
    again = refine_people(found.save(tmp_path / "people.npz"))
    result = kitro_np.RefineResult.load(tmp_path / "people.npz")
    np.testing.assert_array_equal(result.track, people.person)
    np.testing.assert_array_equal(result.frame, people.frame)
    assert result.fps == 25 and result.options["video"] is True
    np.testing.assert_array_equal(again.result.pose, found.result.pose)
    assert str(again.videos) == str(found.videos) and isinstance(again.videos, VideoRows)
