"""Examples that ship with the package: what is in them, and what `kitro-np eval --example` prints."""

import importlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import kitro_np
from kitro_np import InputError
from kitro_np.arrays.rotations import matrix_from_axis_angle
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.camera import project
from kitro_np.cli.main import main
from kitro_np.evaluation.example_report import CaseReport, ExampleReport, measure_example
from kitro_np.evaluation.examples import EXAMPLES
from kitro_np.formats.estimates import EstimateFile

DATA = Path(kitro_np.__file__).parent / "data"

BEFORE = {"mpjpe": 83.46, "pa_mpjpe": 52.08}, {"mpjpe": 146.91, "pa_mpjpe": 87.81}
"""Errors in mm of the simulated estimates, and of the network's."""

LARGEST = {
    "body25b": (43, 29.2),
    "coco17": (42.6, 29.3),
    "mediapipe33": (54, 32.3),
    "coco17, no scores": (43, 29.6),
    "coco17, network": (103.5, 72),
}
"""Upper bounds of a case's refined errors: each some 4% above what they are."""


@pytest.fixture(scope="module")
def report():
    return measure_example("real")


def test_cases_of_real_detections():
    example = EXAMPLES["real"]()
    assert [case.name for case in example.cases] == list(LARGEST)
    assert example.intrinsics.shape == (200, 3, 3)
    for case in example.cases:
        count = int(re.search(r"\d+", case.layout)[0])
        assert case.keypoints_2d.shape == (200, count, 2)
        assert case.confidence.shape == (200, count)
        assert len(case.runs) == (1 if "network" in case.name else 3)
        for run in case.runs:
            assert [array.shape for array in run] == [(200, 24, 3), (200, 10), (200, 3)]
    body25b, coco, _, no_scores, network = example.cases
    # Not visible: what OpenPose is not sure of, of COCO's points a few.
    assert 0 < np.mean(body25b.confidence == 0) < 0.1
    assert body25b.confidence[body25b.confidence > 0].min() >= 0.3
    for case in (coco, network):
        np.testing.assert_array_equal(case.confidence, body25b.confidence[:, :17])
    for case in (coco, no_scores, network):
        np.testing.assert_array_equal(case.keypoints_2d, body25b.keypoints_2d[:, :17])
    assert np.all(no_scores.confidence == 1)
    assert np.any(np.all(no_scores.keypoints_2d == 0, axis=-1))


@pytest.mark.parametrize("key", ["keypoints_body25b", "keypoints_mediapipe33"])
def test_layouts_are_in_the_order_of_real_detectors(key):
    """The truth's points project to the detections, and not to those of the other side."""
    file = EstimateFile(DATA / "balancing.npz")
    body = kitro_np.load_body(file.body_name)
    layout = kitro_np.find_layout(key.removeprefix("keypoints_"), body)
    pose, betas, transl, camera = (
        file.required(name).astype(float) for name in ("GT_theta", "GT_beta", "GT_cam", "intrinsics")
    )
    posed = forward_kinematics(body.skeleton, matrix_from_axis_angle(pose), betas)
    joints = list(layout.joints)
    offsets = layout.offsets + np.einsum("kcs,ns->nkc", layout.by_betas, betas)
    points = posed.joints[:, joints] + np.einsum("nkij,nkj->nki", posed.global_rotations[:, joints], offsets)
    there = project(points + transl[:, None], camera)
    height = np.ptp(there[..., 1], axis=1)[:, None]
    found = file.required(key)

    def off(points):
        errors = np.linalg.norm(points - found[..., :2], axis=-1) / height
        return np.nanmedian(np.where(found[..., 2] < 0.3, np.nan, errors), axis=0)

    own, twins = off(there), off(there[:, list(layout.mirror)])
    for k, name in enumerate(layout.names):
        if layout.joints[k] == -1:
            continue
        assert own[k] < 0.08, name
        if layout.joints[k] != 15 and layout.mirror[k] != k:  # left and right of a face are close
            assert own[k] < twins[k] / 3, name


def test_errors_of_real_detections(report):
    assert report.body == EXAMPLES["real"]().body.name == EstimateFile(DATA / "balancing.npz").body_name
    assert [case.name for case in report.cases] == list(LARGEST)
    assert [case.bodies for case in report.cases] == [600, 600, 600, 600, 200]
    for case in report.cases:
        before = BEFORE["network" in case.name]
        assert {name: round(value, 2) for name, value in case.before.items()} == before
        for name, largest in zip(before, LARGEST[case.name], strict=True):
            assert 0.5 * largest < case.after[name] < largest, (case.name, name)
            assert 0.8 < case.improved[name] < 1, (case.name, name)
        assert 0.97 <= case.accepted <= 1, case.name
        assert 0.9 < case.error_over_spread < (1.6 if "network" in case.name else 1.15), case.name


def test_a_case_is_what_refine_makes_of_it(report):
    """The last, by hand: LSP's 14 joints about the middle of the hips, the spread about the pelvis."""
    example = EXAMPLES["real"]()
    case, run = example.cases[-1], example.cases[-1].runs[0]
    result = kitro_np.refine(
        *run, case.keypoints_2d, example.intrinsics, confidence=case.confidence, keypoint_layout="coco17",
        uncertainty=True, body=example.body,
    )  # fmt: skip
    joints, true = (example.body.joints(*pair).astype(float) for pair in (result_pair(result), example.truth))
    lsp = [8, 5, 2, 1, 4, 7, 21, 19, 17, 16, 18, 20, 12, 15]
    about_hips = [points[:, lsp] - points[:, [1, 2]].mean(axis=1, keepdims=True) for points in (joints, true)]
    errors = np.linalg.norm(about_hips[0] - about_hips[1], axis=-1).mean(axis=1)
    found = report.cases[-1]
    assert found.after["mpjpe"] == pytest.approx(1000 * errors.mean(), abs=1e-3)
    assert found.accepted == result.accepted.mean()
    off = np.linalg.norm(joints - joints[:, :1] - true + true[:, :1], axis=-1)[result.accepted, 1:]
    ratio = np.sqrt(np.mean((off / result.joint_spread[result.accepted, 1:]) ** 2))
    assert found.error_over_spread == pytest.approx(ratio, rel=1e-4)


def result_pair(result):
    return result.pose, result.betas


def test_the_command_prints_the_report(report, capsys):
    assert main(["eval", "--example", "Real"]) == 0
    assert capsys.readouterr().out == f"{report.text()}\n"
    assert max(map(len, report.text().splitlines())) < 80
    assert main(["eval", "--example", "real", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(report.as_dict()))


def test_the_command_takes_options_of_the_method(report, capsys):
    assert main(["eval", "--example", "real", "--unsafe", "--threads", "1"]) == 0
    out = capsys.readouterr().out
    assert out.endswith("options: safe=False\n")
    assert out.count("100.0%") == len(report.cases)


def test_text_of_a_report():
    case = CaseReport(
        "one", 3, {"mpjpe": 120.0, "pa_mpjpe": 9.5}, {"mpjpe": 7.25, "pa_mpjpe": 5.0},
        {"mpjpe": 1.0, "pa_mpjpe": 1 / 3}, 2 / 3, None,
    )  # fmt: skip
    *_, line = ExampleReport("x", "Some bodies", "map", {}, (case,)).text().splitlines()
    assert line.split() == ["one", "120.00", "9.50", "7.25", "5.00", "100.0%", "33.3%", "66.7%", "-"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--example", "rael"], "example: expected one of real, got 'rael' (did you mean 'real'?)."),
        (["x.npz", "--example", "real"], "IN: expected none with --example, got x.npz."),
        ([], "IN: expected a file, or --example NAME, got neither; see kitro-np eval --help."),
        (["--example", "real", "--method", "kitro"], "example: expected method='map', which weighs"),
        (
            ["--example", "real", "--keypoint-layout", "coco17"],
            "--layout: expected none with --example, which has its own, got coco17.",
        ),
        (["--example", "real", "--body", "smpl"], "--body: expected none with --example, which"),
        (["--example", "real", "--per-joint"], "--per-joint: expected none with --example, which"),
    ],
)
def test_wrong_arguments_give_one_sentence(arguments, message, capsys):
    assert main(["eval", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"kitro-np: error: {message}")
    assert err.count("\n") == 1


def test_an_example_is_for_methods_that_take_detections():
    with pytest.raises(InputError, match=r"^example: expected method='map', .*, got 'smplify'\.$"):
        measure_example("real", kitro_np.SMPLify())


def test_licence_travels_with_the_data():
    with np.load(DATA / "balancing.npz") as file:
        notice = str(file["LICENSE"]).strip()
    assert notice.startswith("BSD 3-Clause License")
    assert "Copyright (c) 2022, perfanalytics" in notice
    assert notice in (DATA / "BALANCING_LICENSE.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def few_views():
    """Four views of the example, with a network's 3D landmarks of the truth."""
    views = slice(0, 100, 25)
    with np.load(DATA / "balancing.npz") as file:
        people = {key: file[key] for key in file.files}
    for key in ("pred_theta", "pred_beta", "pred_cam"):
        people[key] = people[key][:, views]
    for key in (*(key for key in people if key.startswith(("GT", "mediapipe", "keypoints"))), "intrinsics"):
        people[key] = people[key][views]
    people["triangulated_body25b"] = people["triangulated_body25b"][views]
    body = kitro_np.load_body("open_v2")
    layout = kitro_np.find_layout("mediapipe33", body)
    pose = matrix_from_axis_angle(people["GT_theta"].astype(float))
    posed = forward_kinematics(body.skeleton, pose, np.zeros((4, 10)))
    joints = list(layout.joints)
    landmarks = posed.joints[:, joints] + np.einsum(
        "nkij,kj->nki", posed.global_rotations[:, joints], layout.offsets
    )
    landmarks[:, np.array(joints) == -1] = np.nan
    seen = project(landmarks + people["GT_cam"][:, None], people["intrinsics"].astype(float))
    people["keypoints_mediapipe33"][..., :2] = seen
    people["mediapipe_world"] = np.concatenate([landmarks, np.ones((4, 33, 1))], -1).astype(np.float32)
    return people


def test_build_places_truth_and_estimates_on_the_body(tmp_path, monkeypatch, few_views, capsys):
    """The truth is close to the triangulated points, errors of estimates stay, landmarks are fitted."""
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1])
    script = importlib.import_module("models.build_real_example")
    person = importlib.import_module("models.shared.real_person")
    path, out = tmp_path / "set.npz", tmp_path / "out.npz"
    np.savez(path, **few_views)
    assert script.main([str(path), "-o", str(out)]) == 0
    with np.load(out) as file:
        made = {key: file[key] for key in file.files}
    assert {*made} == {*script.KEPT, *script.NEEDED, "mediapipe_beta", "body"} - {"mediapipe_world"}
    assert str(made["body"]) == "open_v2"
    off = person.point_distances(
        kitro_np.load_body("open"), made["GT_theta"], made["GT_beta"], few_views["triangulated_body25b"]
    )
    assert np.nanmean(off[:, 5:17]) < 0.015

    def errors(people):
        estimate, truth = (
            Rotation.from_rotvec(people[key].astype(float).reshape(-1, 3))
            for key in ("pred_theta", "GT_theta")
        )
        return estimate.as_matrix().reshape(3, 4, 24, 3, 3) @ truth.inv().as_matrix().reshape(4, 24, 3, 3)

    assert np.allclose(errors(made), errors(few_views), atol=1e-5)
    for part in ("beta", "cam"):
        change = [people[f"pred_{part}"] - people[f"GT_{part}"] for people in (made, few_views)]
        assert np.allclose(*change, atol=1e-5)
    joints = [
        kitro_np.load_body("open").joints(people[key].astype(float), np.zeros((4, 10)))[
            :, [4, 5, 7, 8, 18, 19, 20, 21]
        ]
        for people, key in ((made, "mediapipe_theta"), (few_views, "GT_theta"))
    ]
    assert np.linalg.norm(joints[0] - joints[1], axis=-1).max() < 0.02
    assert np.allclose(made["mediapipe_cam"], few_views["GT_cam"], atol=0.03)
    np.savez(path, other=np.zeros(9))
    assert script.main([str(path), "-o", str(out)]) == 1
    assert "lacks GT_theta, " in capsys.readouterr().err
