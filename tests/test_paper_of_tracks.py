"""The page of videos: what it measures, what its figure shows, and its smoothing against SciPy's."""

import csv
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.signal import savgol_filter
from scipy.spatial.transform import Rotation

import kitro_np
from kitro_np import InputError
from kitro_np.cli.main import main
from kitro_np.evaluation.evaluate import evaluate
from kitro_np.evaluation.runs import find_runs
from kitro_np.formats.estimates import Tracks
from kitro_np.paper import simulated_videos, videos_of_data, write_videos
from kitro_np.paper.smooth import savitzky_golay, smoothed
from kitro_np.paper.video import FAR_OFF, count_of_rows
from kitro_np.simulate import simulate_video


@pytest.fixture(scope="module")
def videos():
    return simulated_videos(3, 24)


@pytest.fixture(scope="module")
def folder(videos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos") / "out"
    write_videos(videos, folder)
    return folder


def table(folder):
    with (folder / "video.csv").open() as file:
        header, *rows = csv.reader(file)
    found = [dict(zip(header[1:], row[1:], strict=True)) for row in rows]
    return {row[0]: cells for row, cells in zip(rows, found, strict=True)}


# -------------------------------------------------------------------------------------------------- smoothing


@pytest.mark.parametrize("frames", [15, 16, 40])
def test_filter_is_savitzky_golays(frames):
    values = np.random.default_rng(frames).normal(size=(frames, 2, 3))
    found = savitzky_golay(values, find_runs(np.zeros(frames, int)))
    np.testing.assert_allclose(found, savgol_filter(values, 15, 2, axis=0), atol=1e-12)


def test_runs_are_filtered_on_their_own():
    """Of several tracks in any order, with gaps; a parabola stays, and so do three frames."""
    random = np.random.default_rng(0)
    track, frame = np.repeat([4, 4, 9, 7], [20, 8, 15, 3]), np.r_[0:20, 30:38, 0:15, 5:8]
    values = random.normal(size=(46, 2))
    order = random.permutation(46)
    found = np.empty_like(values)
    found[order] = savitzky_golay(values[order], find_runs(track[order], frame[order]))
    for rows, window in ((np.r_[0:20], 15), (np.r_[20:28], 7), (np.r_[28:43], 15)):
        expected = savgol_filter(values[rows], window, 2, axis=0)
        np.testing.assert_allclose(found[rows], expected, atol=1e-12)
    np.testing.assert_array_equal(found[43:], values[43:])
    parabola = np.stack([frame**2, 3.0 - frame], axis=1)
    np.testing.assert_allclose(savitzky_golay(parabola, find_runs(track, frame)), parabola, atol=1e-9)


def test_smoothed_bodies_have_one_shape_and_the_root_of_smooth_places(open_body):
    random = np.random.default_rng(1)
    tracks = Tracks(np.repeat([0, 1], 20), np.tile(np.arange(20), 2), 30.0)
    pose = Rotation.from_rotvec(random.normal(0, 0.2, (40 * 24, 3))).as_matrix().reshape(40, 24, 3, 3)
    betas, transl = random.normal(size=(40, 10)), random.normal(size=(40, 3))
    found, shape, place = smoothed(open_body, tracks, pose, betas, transl)
    np.testing.assert_allclose(
        found @ np.swapaxes(found, -1, -2), np.broadcast_to(np.eye(3), found.shape), atol=1e-12
    )
    assert (np.linalg.det(found) > 0).all()
    for own in (slice(0, 20), slice(20, 40)):
        np.testing.assert_allclose(shape[own], np.broadcast_to(betas[own].mean(axis=0), (20, 10)))
        root = open_body.joints(pose[own], betas[own], transl[own])[:, 0]
        again = open_body.joints(found[own], shape[own], place[own])[:, 0]
        np.testing.assert_allclose(again, savgol_filter(root, 15, 2, axis=0), atol=1e-9)


# --------------------------------------------------------------------------------------------------- the page


def test_page_has_all_rows_and_links_its_figure(folder, videos):
    rows = table(folder)
    names = ("each frame", "each frame, smoothed over 15", "video")
    labels = [f"{name}, {kind} keypoints" for kind in ("exact", "noisy") for name in names]
    assert list(rows) == ["estimate", *labels] and count_of_rows(videos) == len(rows)
    page = (folder / "video.md").read_text()
    assert page.startswith("# Videos: all frames of a track together\n")
    assert "3 tracks, " in page and "](video-frames.svg)" in page
    index = (folder / "README.md").read_text()
    assert "[Videos: all frames of a track together](video.md)" in index
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "video-frames.png", "video-frames.svg", "video.csv", "video.md",
    ]  # fmt: skip


def test_figures_are_those_of_refine_and_the_metrics(folder, videos):
    data, keypoints = videos.data, videos.keypoints["noisy"]
    given = data.estimates
    result = kitro_np.refine(
        given.pose, given.betas, given.transl, keypoints.points, given.intrinsics, body=data.body,
        confidence=keypoints.confidence, tracks=videos.tracks.track, frames=videos.tracks.frame, fps=30,
    )  # fmt: skip
    errors = evaluate(
        data.body, (given.pose, given.betas), (result.pose, result.betas), data.truth,
        metrics=("mpjpe", "pa_mpjpe"), protocol=data.protocol,
    )  # fmt: skip
    before, after = errors.before["mpjpe"], errors.after["mpjpe"]
    cells = table(folder)["video, noisy keypoints"]
    assert float(cells["MPJPE"]) == pytest.approx(after.mean(), rel=1e-6)
    assert float(cells["PA-MPJPE"]) == pytest.approx(errors.after["pa_mpjpe"].mean(), rel=1e-6)
    assert float(cells["worse by 20 mm, %"]) == pytest.approx(100 * np.mean(after > before + FAR_OFF))
    unseen = ~(keypoints.confidence > 0).any(axis=1)
    shown = cells["MPJPE of frames without detection"]
    assert shown == "" if not unseen.any() else float(shown) == pytest.approx(after[unseen].mean(), rel=1e-6)


def test_videos_move_as_people_do(folder):
    rows = table(folder)
    for kind in ("exact", "noisy"):
        alone, filtered, video = (
            rows[f"{name}, {kind} keypoints"]
            for name in ("each frame", "each frame, smoothed over 15", "video")
        )
        for name in ("MPJPE", "acceleration, mm/frame^2", "root's acceleration, mm/frame^2"):
            assert float(video[name]) < min(float(filtered[name]), float(alone[name])), (kind, name)
        assert float(rows["estimate"]["MPJPE"]) > float(alone["MPJPE"])


def test_figure_shows_a_track_before_and_after(folder):
    root = ElementTree.parse(folder / "video-frames.svg").getroot()
    comments = (folder / "video-frames.svg").read_text()
    track = re.search(r"The figure shows track (\d+)", (folder / "video.md").read_text())[1]
    assert root.tag.endswith("svg")
    for text in (f"Errors over the frames of track {track}", "estimate", "each frame", "video", "MPJPE, mm"):
        assert f"<!-- {text} -->" in comments


# -------------------------------------------------------------------------------------- files and the command


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "in.npz"
    np.savez(path, **simulate_video(tracks=3, frames=24).arrays())
    return path


def test_a_file_is_measured_as_what_it_was_written_from(file, folder, tmp_path, capsys):
    assert main(["paper", "--video", "--data", str(file), "-o", str(tmp_path / "a")]) == 0
    assert capsys.readouterr().out == f"wrote {tmp_path / 'a' / 'video.md'}\n"
    found, expected = table(tmp_path / "a"), table(folder)
    for row, cells in expected.items():
        for name, cell in cells.items():
            number = float(cell or "nan")
            assert float(found[row][name] or "nan") == pytest.approx(number, rel=0.01, abs=0.05, nan_ok=True)


def test_a_file_without_noisy_keypoints_or_places(file, tmp_path):
    with np.load(file) as given:
        arrays = {key: given[key] for key in given.files}
    for key in ("keypoints_2d_noisy", "GT_cam", "GT_focal"):
        del arrays[key]
    np.savez(tmp_path / "in.npz", **arrays)
    videos = videos_of_data(tmp_path / "in.npz")
    assert list(videos.keypoints) == [""] and videos.camera is None
    write_videos(videos, tmp_path / "out")
    rows = table(tmp_path / "out")
    assert list(rows) == ["estimate", "each frame", "each frame, smoothed over 15", "video"]
    assert "RTE, %" not in rows["video"] and float(rows["video"]["MPJPE"]) > 0
    del arrays["track"]
    np.savez(tmp_path / "in.npz", **arrays)
    with pytest.raises(InputError, match=r"expected the key track or person for --video, got none\.$"):
        videos_of_data(tmp_path / "in.npz")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--table", "1"], "table: expected none with --video, got 1."),
        (["--data", "a.npz", "b.npz"], "data: expected one file with --video, got 2."),
        (["--body", "open"], "body: expected --data, which this option applies to, got only open."),
    ],
)
def test_options_that_do_not_fit(options, message, tmp_path, capsys):
    assert main(["paper", "--video", "-o", str(tmp_path / "out"), *options]) == 2
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_left_alone(videos, tmp_path):
    (tmp_path / "README.md").write_text("# My project\n")
    with pytest.raises(InputError, match=r"README\.md: expected no file, or one that this command wrote"):
        write_videos(videos, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
