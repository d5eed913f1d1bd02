"""`kitro-np eval`: what it can be asked to measure, of which joints, and against which truth."""

from __future__ import annotations

import json

import numpy as np
import pytest
import smpl_files as make
from recorded import BODY, refine
from scipy.spatial.transform import Rotation

import kitro_np
from kitro_np.camera import default_intrinsics
from kitro_np.cli.main import main
from kitro_np.evaluation.evaluate import METRICS, evaluate
from kitro_np.evaluation.metrics import LSP14, SMPL24, joint_errors, regressed_protocol, reprojection_error
from kitro_np.formats.estimates import KEYS
from kitro_np.formats.threedpw import read_3dpw

PEOPLE, FRAMES = 2, 6


@pytest.fixture(scope="module")
def estimates(sim):
    """A dozen simulated bodies, two people of one shape each, under the authors' keys."""
    keys = [key for key in sim if key.startswith(("pred", "GT_", "intr", "key"))]
    found = {key: sim[key][12:24] for key in keys}
    found["GT_beta"] = np.repeat(found["GT_beta"][:PEOPLE], FRAMES, axis=0)
    return found


@pytest.fixture(scope="module")
def refined(estimates):
    return refine(*(estimates[names[-1]] for names in KEYS.values()))


@pytest.fixture
def run(tmp_path, capsys, estimates):
    """Write the estimates with other keys, run eval on them and return what it prints."""

    def run(*options, keys=(), status=0, **changes):
        np.savez(tmp_path / "in.npz", **{**estimates, **dict(keys), **changes})
        assert main(["eval", str(tmp_path / "in.npz"), "--body", BODY, *map(str, options)]) == status
        out, err = capsys.readouterr()
        if status == 2:
            assert out == "" and err.count("\n") == 1
        return err if status == 2 else json.loads(out) if "--json" in options else out

    return run


def pairs(estimates, refined):
    return (
        (estimates["pred_theta"], estimates["pred_beta"]),
        (refined.pose, refined.betas),
        (estimates["GT_theta"], estimates["GT_beta"]),
    )


def agree(found, expected):
    for side in ("before", "after"):
        assert found[side] == pytest.approx(expected[side], rel=1e-4)
    assert found["improved"] == expected["improved"]


# ------------------------------------------------------------------------------------ metrics and protocols


def test_any_metric_of_any_protocol(run, tmp_path, recorded_body, estimates, refined):
    np.save(tmp_path / "rows.npy", recorded_body.J_regressor)
    every = ",".join(METRICS)
    j14 = regressed_protocol(recorded_body.J_regressor)
    pelvis = regressed_protocol(recorded_body.J_regressor, root=(0,))
    for protocol, options in [
        (LSP14, ()),
        (SMPL24, ("--protocol", "smpl24")),
        (j14, ("--regressor", tmp_path / "rows.npy")),
        (pelvis, ("--protocol", "j14-pelvis", "--regressor", tmp_path / "rows.npy")),
    ]:
        found = run("--json", "--metrics", every, *options)
        expected = evaluate(
            recorded_body, *pairs(estimates, refined), metrics=tuple(METRICS), protocol=protocol
        )
        assert found == {**expected.as_dict(), "method": "map", "options": refined.options, "body": BODY}


def test_metrics_come_as_they_are_asked_for(run):
    assert list(run("--json")["before"]) == ["mpjpe", "pa_mpjpe", "pve"]
    asked = run("--json", "--metrics", "pve, mpjpe", "--metrics", "depth_error,pve")
    assert list(asked["before"]) == list(asked["after"]) == ["pve", "mpjpe", "depth_error"]
    table = run("--metrics", "reprojection_error,pa_pve").splitlines()
    assert [line.split()[0] for line in table[1:3]] == ["2D,", "PA-PVE"]
    assert table[3].startswith("2D, px improved in 100.0% of 12 bodies")


@pytest.mark.parametrize("camera", ["each", "one", "unknown"])
def test_errors_on_the_image_are_those_of_the_keypoints(run, recorded_body, estimates, camera):
    size = (1920, 1080)
    given = {"each": estimates["intrinsics"], "one": estimates["intrinsics"][0]}.get(camera)
    options = ("--image-size", *size) if camera == "unknown" else ()
    found = run(
        "--json", "--metrics", "reprojection_error", *options,
        keys=() if given is None else {"intrinsics": given},
    )  # fmt: skip
    cameras = np.broadcast_to(default_intrinsics(size) if given is None else given, (12, 3, 3))
    names = ("pred_theta", "pred_beta", "pred_cam")
    result = refine(
        *(estimates[name] for name in names), estimates["keypoints_2d"], cameras,
        image_size=size if camera == "unknown" else None,
    )  # fmt: skip
    for side, body in (
        ("before", [estimates[name] for name in names]),
        ("after", (result.pose, result.betas, result.transl)),
    ):
        errors = reprojection_error(recorded_body.joints(*body), estimates["keypoints_2d"], cameras)
        assert found[side]["reprojection_error"] == pytest.approx(errors.mean(), rel=1e-5)
    if camera != "unknown":  # some keypoints lie outside that image, and refine's own figure is without them
        own = result.reprojection_error.mean()
        assert found["after"]["reprojection_error"] == pytest.approx(own, rel=1e-5)


def test_options_that_do_not_go_together(run, tmp_path, recorded_body):
    np.save(tmp_path / "rows.npy", np.ones((17, 30)))
    rows = ("--regressor", tmp_path / "rows.npy")
    assert "metrics: expected one of mpjpe, pa_mpjpe, pve" in run("--metrics", "mpjpe,pck", status=2)
    expected = "regressor: expected a file such as J_regressor_h36m.npy for the protocol j14, got none."
    assert expected in run("--protocol", "j14", status=2)
    expected = f"regressor: expected none for the protocol smpl24, got {rows[1]}."
    assert expected in run("--protocol", "smpl24", *rows, status=2)
    expected = f"body: expected the regressor's 30 vertices, got {recorded_body.num_vertices}."
    assert expected in run(*rows, status=2)
    expected = "per_joint: expected a metric among mpjpe, pa_mpjpe, depth_error, got reprojection_error"
    assert expected in run(*rows, "--per-joint", "--metrics", "reprojection_error,pve", status=2)
    assert "none.npy: expected a file, got none" in run("--regressor", tmp_path / "none.npy", status=2)


def test_a_body_that_is_nowhere_is_left_out_of_what_the_image_says(run, estimates):
    keypoints = estimates["keypoints_2d"].copy()
    keypoints[3] = np.nan
    found = run("--metrics", "reprojection_error", keypoints_2d=keypoints)
    assert "of 11 bodies" in found and "1 body left out" in found
    expected = "expected at least one body that is finite in both, got none among 12 bodies"
    keypoints[:] = np.nan
    assert expected in run("--metrics", "reprojection_error", keypoints_2d=keypoints, status=2)


# ------------------------------------------------------------------------------------------------- breakdowns


def test_errors_of_each_joint(run, recorded_body, estimates, refined):
    found = run("--json", "--per-joint", "--metrics", "mpjpe,pve,pa_mpjpe,reprojection_error")
    rows = found["per_joint"]
    assert list(rows) == [recorded_body.skeleton.joint_names[j] for j in LSP14.joints]
    estimate, after, truth = (recorded_body.joints(*pair) for pair in pairs(estimates, refined))
    for side, joints in (("before", estimate), ("after", after)):
        expected = 1000 * joint_errors(joints, truth).mean(axis=0)
        np.testing.assert_allclose([row[side]["mpjpe"] for row in rows.values()], expected, rtol=1e-4)
        assert set(rows["head"][side]) == {"mpjpe", "pa_mpjpe", "reprojection_error"}
        for metric in ("mpjpe", "pa_mpjpe"):
            mean = np.mean([row[side][metric] for row in rows.values()])
            assert mean == pytest.approx(found[side][metric])
    whole = run("--json", "--per-joint", "--metrics", "reprojection_error", "--protocol", "smpl24")
    pixels = [row["after"]["reprojection_error"] for row in whole["per_joint"].values()]
    assert np.mean(pixels) == pytest.approx(whole["after"]["reprojection_error"])


def test_a_regressor_knows_the_names_of_its_joints(run, tmp_path, recorded_body):
    np.save(tmp_path / "rows.npy", recorded_body.J_regressor)
    found = run("--json", "--per-joint", "--regressor", tmp_path / "rows.npy")
    assert list(found["per_joint"])[:3] == ["right_ankle", "right_knee", "right_hip"]
    assert list(found["per_joint"])[-2:] == ["neck", "head"]


CLIPS = ["b"] * 5 + ["a"] * 6 + ["nothing but NaN"]


@pytest.mark.parametrize("key", ["sequence", "clip", "imagename", "imgname"])
def test_errors_of_each_sequence(run, recorded_body, estimates, refined, key):
    names = [f"x/{clip}/image_00000.jpg" for clip in CLIPS] if key.startswith("im") else CLIPS
    truth = estimates["GT_theta"].copy()
    truth[[2, 11]] = np.nan
    found = run("--json", "--per-sequence", keys={key: np.array(names), "GT_theta": truth})
    bodies = evaluate(recorded_body, *pairs({**estimates, "GT_theta": truth}, refined))
    rows = found["per_sequence"]
    ahead = "x/" if key.startswith("im") else ""
    assert list(rows) == [f"{ahead}b", f"{ahead}a", f"{ahead}nothing but NaN"]
    assert rows[f"{ahead}b"]["after"]["pve"] == pytest.approx(bodies.after["pve"][[0, 1, 3, 4]].mean())
    assert rows[f"{ahead}a"]["before"]["mpjpe"] == pytest.approx(bodies.before["mpjpe"][5:11].mean())
    assert rows[f"{ahead}nothing but NaN"]["after"] == {"mpjpe": None, "pa_mpjpe": None, "pve": None}


def test_all_tables_are_of_the_same_bodies(run, estimates):
    """One of NaN on the image alone is left out of errors in space, too."""
    keypoints = estimates["keypoints_2d"].copy()
    keypoints[3] = np.nan
    found = run(
        "--json", "--per-joint", "--per-sequence", "--metrics", "mpjpe,reprojection_error",
        keypoints_2d=keypoints, clip=np.array(["a"] * 12),
    )  # fmt: skip
    joints = found["per_joint"].values()
    for side in ("before", "after"):
        assert found["per_sequence"]["a"][side] == pytest.approx(found[side])
        assert np.mean([row[side]["mpjpe"] for row in joints]) == pytest.approx(found[side]["mpjpe"])
    others = {key: np.delete(value, 3, axis=0) for key, value in estimates.items()}
    agree(found, run("--json", "--metrics", "mpjpe,reprojection_error", keys=others))


def test_sequences_that_are_not_there_or_too_few(run):
    expected = "expected one of the keys sequence, clip, imagename, imgname, got pred_theta"
    assert expected in run("--per-sequence", status=2)
    assert "clip: expected shape (12,), got (11,)" in run(
        "--per-sequence", clip=np.array(CLIPS[1:]), status=2
    )


def test_tables_for_a_person(run):
    plain = run().splitlines()
    shown = run("--per-sequence", "--per-joint", "--metrics", "mpjpe,pve", clip=np.array(CLIPS)).splitlines()
    assert shown[1] == plain[1]
    blank = [number for number, line in enumerate(shown) if not line]
    joints, sequences = shown[blank[0] + 1 : blank[1]], shown[blank[1] + 1 : -1]
    assert joints[0].split() == ["MPJPE"]
    assert joints[1].split() == ["joint", "before", "after"]
    assert [line.split()[0] for line in joints[2:4]] == ["right_ankle", "right_knee"]
    assert sequences[0].split() == ["MPJPE", "PVE"]
    assert sequences[1].split() == ["sequence", *["before", "after"] * 2]
    assert [line[0] for line in sequences[2:]] == ["b", "a", "n"]
    assert len(sequences[2].split()) == 5
    assert shown[-1] == plain[-1] == "12 bodies refined by map"


# ------------------------------------------------------------------------------------ a sequence as the truth


@pytest.fixture
def sequence(tmp_path, estimates, recorded_body):
    """Write the truth as a 3DPW sequence in a world that turns about its cameras."""

    def write(valid=(range(FRAMES), range(FRAMES)), body=recorded_body):
        rotation = Rotation.random(FRAMES, random_state=1).as_matrix()
        shift = np.random.default_rng(2).normal(0, 2, (FRAMES, 3))
        cameras = np.tile(np.eye(4), (FRAMES, 1, 1))
        cameras[:, :3, :3], cameras[:, :3, 3] = rotation, shift
        pose = estimates["GT_theta"].astype(float).reshape(PEOPLE, FRAMES, 24, 3, 3)
        pose[:, :, 0] = rotation.swapaxes(1, 2) @ pose[:, :, 0]
        vectors = Rotation.from_matrix(pose.reshape(-1, 3, 3)).as_rotvec().reshape(PEOPLE, FRAMES, 72)
        betas = estimates["GT_beta"].astype(float).reshape(PEOPLE, FRAMES, 10)
        trans = np.random.default_rng(3).normal(0, 2, (PEOPLE, FRAMES, 3))
        joints = body.joints(vectors, betas, trans).reshape(PEOPLE, FRAMES, 72)
        return make.write_pickle(
            tmp_path / "walk.pkl",
            {
                "sequence": "walk_00", "genders": ["m", "f"], "cam_poses": cameras,
                "cam_intrinsics": np.eye(3), "poses": list(vectors), "betas": list(betas[:, 0]),
                "trans": list(trans), "jointPositions": list(joints),
                "poses2d": list(np.zeros((PEOPLE, FRAMES, 3, 18))),
                "campose_valid": [np.isin(range(FRAMES), own).astype(int) for own in valid],
            },
        )  # fmt: skip

    return write


def test_a_sequence_of_3dpw_in_place_of_the_files_truth(run, sequence):
    found = run("--json", "--truth", sequence(), "--per-sequence")
    agree(found, run("--json"))
    assert list(found["per_sequence"]) == ["walk_00 0", "walk_00 1"]
    about = found["truth"]
    assert about == {"sequence": "walk_00", "bodies": 12, "valid": 12, "gap": pytest.approx(0, abs=1e-6)}
    line = run("--truth", sequence()).splitlines()[-2]
    assert line == ("truth: walk_00, camera valid for 12 of 12 bodies, joints within 0.00 mm of the file's")


def test_which_bodies_of_the_sequence_are_estimated(run, sequence, estimates):
    valid = [number for number in range(12) if number not in (1, 9)]
    path = sequence(valid=[(0, 2, 3, 4, 5), (0, 1, 2, 4, 5)])
    some = {key: value[valid] for key, value in estimates.items()}
    expected = run("--json", keys=some)
    # The valid ones only, all of them, or any by person and frame.
    agree(run("--json", "--truth", path, keys=some), expected)
    every = run("--truth", path)
    assert "of 10 bodies\n2 bodies left out" in every
    assert "camera valid for 10 of 12 bodies" in every
    agree(run("--json", "--truth", path), expected)
    order = np.array([11, 0, 5, 7])
    few = {key: value[order] for key, value in estimates.items()}
    own = {"person": order // FRAMES, "frame": order % FRAMES}
    found = run("--json", "--each-frame", "--truth", path, keys={**few, **own})
    agree(found, run("--json", keys=few))


def test_estimates_of_something_else(run, sequence, estimates):
    path = sequence()
    few = {key: value[:5] for key, value in estimates.items()}
    expected = (
        "expected all 12 bodies of walk_00, the 12 valid ones, or the keys person and frame, got 5 bodies"
    )
    assert expected in run("--truth", path, keys=few, status=2)
    expected = "person: expected the person of each estimate, since walk_00 has 2, got none"
    assert expected in run("--truth", path, frame=np.arange(12), status=2)
    person = np.repeat([0, 1], FRAMES)
    expected = "frame: expected 12 integers from 0 to 5, as walk_00 has, got 12 from 0 to 11."
    assert expected in run("--truth", path, person=person, frame=np.arange(12), status=2)
    expected = "frame: expected 12 integers from 0 to 5, as walk_00 has, got 2 from 0 to 1."
    assert expected in run("--truth", path, person=person, frame=np.arange(2), status=2)
    frame = np.array([-1, 1, 2, 3, 4, 5] * 2)
    expected = "frame: expected 12 integers from 0 to 5, as walk_00 has, got 12 from -1 to 5."
    assert expected in run("--truth", path, person=person, frame=frame, status=2)
    expected = "frame: expected integers, got dtype float64"
    assert expected in run("--truth", path, person=person, frame=np.zeros(12), status=2)


def test_true_bodies_have_genders(run, sequence, tmp_path, estimates):
    folder = tmp_path / "models"
    folder.mkdir()
    for seed, gender in enumerate(("NEUTRAL", "FEMALE", "MALE")):
        make.write_npz(folder / f"SMPL_{gender}.npz", make.body(60, joints=24, seed=seed))
    bodies = {
        gender: kitro_np.load_body("smpl", gender=gender, folder=folder)
        for gender in ("neutral", "female", "male")
    }
    path = sequence(body=bodies["male"])
    found = run("--json", "--truth", path, "--body", "smpl", "--models", folder, status=3)
    truth = read_3dpw(path, bodies)
    refined = refine(*(estimates[names[-1]] for names in KEYS.values()), body=bodies["neutral"])
    own = [
        evaluate(
            bodies["neutral"],
            *((pose[rows], betas[rows]) for pose, betas in pairs(estimates, refined)[:2]),
            (truth.pose[rows], truth.betas[rows]),
            truth_bodies=[bodies[gender]] * FRAMES,
        )
        for gender, rows in (("male", slice(FRAMES)), ("female", slice(FRAMES, None)))
    ]
    for metric in ("mpjpe", "pa_mpjpe", "pve"):
        both = np.concatenate([part.after[metric] for part in own])
        assert found["after"][metric] == pytest.approx(both.mean())
    assert found["truth"]["gap"] > 10  # the woman's joints were made with the man's body
    for name in ("SMPL_FEMALE.npz", "SMPL_NEUTRAL.npz"):
        (folder / name).unlink()
    assert "smpl: expected a model file for 'female'" in run(
        "--truth", path, "--body", "smpl", "--models", folder, "--gender", "male", status=2
    )
