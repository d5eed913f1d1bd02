"""Method map on the command line: which points the keypoints are, how sure the detector was, what is kept."""

import json
import re

import numpy as np
import pytest
from recorded import BODY, refine
from test_cli import fails

from kitro_np import Status, find_layout
from kitro_np.camera import project
from kitro_np.cli.main import main
from kitro_np.posterior.projection import place_points, points_on

NAMES = {"pose": "pred_theta", "betas": "pred_beta", "transl": "pred_cam", "intrinsics": "intrinsics"}


@pytest.fixture(scope="module")
def arrays(sim):
    """A dozen simulated bodies, all but their keypoints, with ground truth."""
    return {key: sim[key][12:24] for key in (*NAMES.values(), "GT_theta", "GT_beta")}


@pytest.fixture(scope="module")
def estimates(arrays):
    return {key: arrays[name] for key, name in NAMES.items()}


@pytest.fixture(scope="module")
def keypoints(sim):
    return sim["keypoints_2d_noisy"][12:24]


@pytest.fixture(scope="module")
def of_coco(recorded_body):
    """Which of the body's joints COCO has."""
    names = find_layout("coco17", recorded_body).names
    return np.array([name in names for name in recorded_body.skeleton.joint_names], float)


@pytest.fixture
def write(tmp_path, arrays):
    def file(**more):
        path = tmp_path / "in.npz"
        np.savez(path, **arrays, **more)
        return path

    return file


@pytest.fixture
def refined(tmp_path, capsys):
    """Run refine and return what it wrote, and what it said."""

    def run(path, *options):
        output = tmp_path / "out.npz"
        status = main(["refine", "--body", BODY, str(path), "-o", str(output), "--force", *options])
        with np.load(output) as file:
            assert status == (0 if np.any(file["status"] == 0) else 3)
            return dict(file), capsys.readouterr().out

    return run


def assert_written(found, expected):
    for name in ("pose", "betas", "transl", "status", "quality", "swapped", "noise", "evidence"):
        np.testing.assert_array_equal(found[name], getattr(expected, name), err_msg=name)


def test_map_is_the_default(write, refined, estimates, keypoints):
    found, said = refined(write(keypoints_2d=keypoints))
    assert_written(found, refine(**estimates, keypoints_2d=keypoints, method="map"))
    assert "joint_spread" not in found
    assert said.startswith("12 bodies refined by map\n")
    named, _ = refined(write(keypoints_2d=keypoints), "--method", "map", "--uncertainty")
    assert named["joint_spread"].shape == (12, 24)
    np.testing.assert_array_equal(named["pose"], found["pose"])


@pytest.mark.parametrize("options", [[], ["--iterations", "4"], ["--search", "GREEDY"]])
def test_kitro_where_it_is_asked_for(write, refined, keypoints, options):
    found, _ = refined(
        write(keypoints_2d=keypoints, confidence=np.zeros((12, 24))), "--method", "Kitro", *options
    )
    assert "quality" not in found
    assert np.all(found["path_score"] > 0)


def test_keypoints_of_the_body_stand_for_a_detectors(write, refined, estimates, keypoints, of_coco):
    """Those that the detector does not give are not looked at."""
    expected = refine(**estimates, keypoints_2d=keypoints, confidence=np.broadcast_to(of_coco, (12, 24)))
    path = write(noisy=np.where(of_coco[:, None] > 0, keypoints, np.nan))
    assert_written(refined(path, "--keypoints-key", "noisy", "--joints-of", "coco17")[0], expected)
    path = write(noisy=np.round(np.where(of_coco[:, None] > 0, keypoints, -7)).astype(int))
    whole, _ = refined(path, "--keypoints-key", "noisy", "--joints-of", "coco17")
    np.testing.assert_allclose(whole["pose"], expected.pose, atol=0.1)


def test_eval_of_joints_that_a_detector_gives(write, keypoints, of_coco, capsys):
    path, figures = write(keypoints_2d=keypoints, visible=np.broadcast_to(of_coco, (12, 24))), []
    for options in (["--joints-of", "coco17"], ["--confidence-key", "visible"], []):
        assert main(["eval", "--body", BODY, str(path), "--json", *options]) == 0
        figures.append(json.loads(capsys.readouterr().out))
    assert figures[0] == figures[1] != figures[2]
    for found in figures:
        assert found["after"]["mpjpe"] < 0.7 * found["before"]["mpjpe"]


def test_confidences_are_read_where_a_file_has_some(write, refined, estimates, keypoints, of_coco):
    random = np.random.default_rng(0)
    confidence, other = random.uniform(0.1, 1, (2, 12, 24)).astype(np.float32)
    path = write(keypoints_2d=keypoints, confidence=confidence, other=other)
    for options, value in (
        ([], confidence),
        (["--confidence-key", "other"], other),
        (["--joints-of", "coco17"], of_coco * confidence),
        (["--joints-of", "coco17", "--confidence-key", "other"], of_coco * other),
    ):
        found, _ = refined(path, *options)
        assert_written(found, refine(**estimates, keypoints_2d=keypoints, confidence=value))


def test_keypoints_of_a_detector(write, refined, estimates, sim, recorded_body, capsys):
    """17 points on the true bodies, through the true cameras, with confidences."""
    layout = find_layout("coco17", recorded_body)
    pose, betas, transl = (sim[key][12:24].astype(float) for key in ("GT_theta", "GT_beta", "GT_cam"))
    camera = sim["intrinsics"][12:24].astype(float)
    camera[:, [0, 1], [0, 1]] = sim["GT_focal"][:12, None]
    points = points_on(recorded_body.skeleton, layout, pose)
    visible = project(place_points(recorded_body.skeleton, points, pose, betas, transl).points, camera)
    confidence = np.ones((12, 17))
    path = write(keypoints_2d=visible, confidence=confidence)
    found, _ = refined(path, "--keypoint-layout", "coco17")
    expected = refine(**estimates, keypoints_2d=visible, confidence=confidence, keypoint_layout="coco17")
    assert_written(found, expected)
    assert np.all(found["status"] == 0)
    assert main(["eval", "--body", BODY, str(path), "--json", "--keypoint-layout", "coco17"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["after"]["mpjpe"] < 0.5 * figures["before"]["mpjpe"]


def test_what_is_given_back_and_what_is_kept(write, refined, keypoints):
    path = write(keypoints_2d=np.roll(keypoints, 1, axis=0))
    back, said = refined(path)
    assert set(back["status"]) <= {Status.UNLIKELY, Status.SWAPPED}
    assert said.startswith("0 bodies refined by map, 12 returned as they were (")
    kept, said = refined(path, "--unsafe")
    assert np.all(kept["status"] == 0)
    assert re.match("12 bodies refined by map; of the refined, put right: [0-9]+ with left and right", said)
    np.testing.assert_allclose(kept["quality"], back["quality"], rtol=1e-5)
    without, _ = refined(write(keypoints_2d=keypoints), "--no-motion-prior")
    assert np.any(without["pose"] != refined(write(keypoints_2d=keypoints))[0]["pose"])


@pytest.mark.parametrize(
    ("points", "shape", "options", "sentence"),
    [
        (24, None, ["--confidence-key", "sure"], "expected the key sure, got"),
        (24, (12, 17), [], "confidence: expected shape (12, 24), got (12, 17)."),
        (24, (12, 17), ["--joints-of", "coco17"], "confidence: expected shape (12, 24), one for each"),
        (24, (), ["--joints-of", "coco17"], "confidence: expected shape (12, 24), one for each"),
        (17, None, [], "keypoints_2d: expected 24 points, as smpl24 has, got 17."),
        (
            18,
            None,
            ["--keypoint-layout", "coco17"],
            "expected 17 points, as coco17 has, got 18.",
        ),
        (
            24,
            None,
            ["--layout", "coco17"],
            "got 24; --joints-of coco17 (joints_of='coco17') takes those of its joints.",
        ),
        (
            17,
            None,
            ["--joints-of", "coco17"],
            "joints_of: expected keypoints of the body's 24 joints",
        ),
        (24, None, ["--joints-of", "coco"], "got 'coco' (did you mean 'coco17'?)."),
        (24, None, ["--joints-of", "coco17", "--layout", "coco17"], "joints-of: expected none with --layout"),
        (
            24,
            (12, 24),
            ["--method", "kitro", "--confidence-key", "confidence"],
            "confidence_key: expected method='map'",
        ),
        (
            24,
            None,
            ["--iterations", "3", "--keypoint-layout", "coco17"],
            "iterations: expected method='kitro'",
        ),
        (24, None, ["--method", "kitro", "--unsafe"], "safe: expected method='map', whose option it is"),
        (24, None, ["--method", "smplify", "--uncertainty"], "uncertainty: expected method='map'"),
    ],
)
def test_wrong_options_and_keypoints(write, tmp_path, capsys, keypoints, points, shape, options, sentence):
    more = {} if shape is None else {"confidence": np.ones(shape)}
    path = write(keypoints_2d=keypoints[:, :points], **more)
    output = tmp_path / "out.npz"
    assert sentence in fails(capsys, "refine", path, "-o", output, *options)
    assert sentence in fails(capsys, "eval", path, *options)
    assert not output.exists()


def test_measures_on_the_image_need_the_bodys_joints(write, keypoints, capsys):
    path = write(keypoints_2d=keypoints[:, :17])
    options = ["--keypoint-layout", "coco17", "--metrics", "mpjpe,reprojection_error"]
    assert "metrics: expected keypoints of the body's 24 joints" in fails(capsys, "eval", path, *options)


def test_hypotheses_are_written(write, refined, estimates, keypoints):
    found, _ = refined(write(keypoints_2d=keypoints), "--hypotheses", "3")
    expected = refine(**estimates, keypoints_2d=keypoints, hypotheses=3).hypotheses
    assert found["hypothesis_pose"].shape == (12, 3, 24, 3, 3)
    for name in expected._fields:
        np.testing.assert_array_equal(found[f"hypothesis_{name}"], getattr(expected, name))


def test_scores_beside_the_keypoints(write, refined, estimates, keypoints, of_coco, tmp_path, capsys):
    score = np.random.default_rng(1).uniform(0.1, 1, (12, 24))
    scored = np.concatenate([keypoints, score[..., None].astype(keypoints.dtype)], axis=-1)
    weights = scored[..., 2]
    path = write(keypoints_2d=scored)
    found, _ = refined(path)
    assert_written(found, refine(**estimates, keypoints_2d=scored))
    found, _ = refined(path, "--joints-of", "coco17")
    expected = refine(**estimates, keypoints_2d=keypoints, confidence=of_coco * weights)
    assert_written(found, expected)
    metrics = ["--json", "--metrics", "reprojection_error"]
    figures = []
    for given in (path, write(keypoints_2d=keypoints, confidence=weights)):
        assert main(["eval", "--body", BODY, str(given), *metrics]) == 0
        figures.append(json.loads(capsys.readouterr().out))
    assert figures[0] == figures[1]
    path = write(keypoints_2d=scored, confidence=weights)
    output = tmp_path / "none.npz"
    expected = "confidence: expected no such key with keypoints (x, y, score), got both."
    assert expected in fails(capsys, "refine", path, "-o", output)
    expected = "keypoints_2d: expected (x, y) with method='kitro'"
    assert expected in fails(capsys, "refine", path, "-o", output, "--method", "kitro")
