"""The command line as a user meets it: files in, files and tables out, one sentence for a mistake."""

from __future__ import annotations

import ast
import json
import os
import pkgutil
import re
import stat
import subprocess
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import smpl_files as make
from recorded import BODY, refine

import kitro_np
from kitro_np.camera import project
from kitro_np.cli import main as cli
from kitro_np.cli.main import main, parser
from kitro_np.cli.method_options import method_options, read_method
from kitro_np.evaluation.evaluate import evaluate
from kitro_np.formats.estimates import KEYS
from kitro_np.refinement.method import METHODS, Method, option
from kitro_np.streaming import refiner

ON = ("--body", BODY)
"""What says which body the recorded estimates are on."""

NAMES = [command.__name__.rpartition(".")[2] for command in cli.COMMANDS]


@pytest.fixture(scope="module")
def estimates(sim):
    """A dozen simulated bodies under the authors' keys, with ground truth."""
    return {key: value[12:24] for key, value in sim.items() if key.startswith(("pred", "GT_", "intr", "key"))}


@pytest.fixture
def file(tmp_path, estimates):
    path = tmp_path / "in.npz"
    np.savez(path, **estimates)
    return path


def fails(capsys, *arguments) -> str:
    """Run a command that must end with status 2, and return the sentence it printed."""
    assert main([str(a) for a in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("kitro-np: error: ")
    assert err.count("\n") == 1
    return err


def test_refine_writes_what_refine_returns(file, tmp_path, estimates, capsys):
    assert main(["refine", *ON, str(file), "-o", str(tmp_path / "out.npz")]) == 0
    names = {key: authors[-1] for key, authors in KEYS.items()}
    expected = refine(**{key: estimates[name] for key, name in names.items()})
    with np.load(tmp_path / "out.npz") as out:
        assert out["pose"].shape == (12, 24, 3, 3)
        computed = {
            "pose", "betas", "transl", "reprojection_error", "status",
            "quality", "swapped", "turned", "noise", "evidence",
        }  # fmt: skip
        for key in computed:
            np.testing.assert_array_equal(out[key], getattr(expected, key))
        given = {f"estimate_{key}": KEYS[key][-1] for key in ("pose", "betas", "transl")}
        given |= {"intrinsics": "intrinsics", "keypoints_2d": "keypoints_2d"}
        for key, name in given.items():
            np.testing.assert_array_equal(out[key], estimates[name])
        texts = {"method": "map", "body": BODY, "layout": "smpl24", "version": kitro_np.__version__}
        assert {key: str(out[key]) for key in texts} == texts and str(out["source"]) == str(file)
        truth = [key for key in estimates if key.startswith("GT_")]
        for key in truth:
            np.testing.assert_array_equal(out[key], estimates[key])
        assert set(out.files) == {*computed, *given, *texts, *truth, "source", "options"}
    loaded = kitro_np.RefineResult.load(tmp_path / "out.npz")
    assert (loaded.method, loaded.options, loaded.body_name) == ("map", expected.options, BODY)
    assert "12 bodies refined" in capsys.readouterr().out


def test_own_keys_and_axis_angle_poses_are_read(tmp_path, estimates, capsys):
    from scipy.spatial.transform import Rotation

    pose = Rotation.from_matrix(estimates["pred_theta"].reshape(-1, 3, 3)).as_rotvec().reshape(12, 72)
    np.savez(
        tmp_path / "own.npz", pose=pose, betas=estimates["pred_beta"], transl=estimates["pred_cam"],
        intrinsics=estimates["intrinsics"], keypoints_2d=estimates["keypoints_2d"],
    )  # fmt: skip
    assert main(["refine", *ON, str(tmp_path / "own.npz"), "-o", str(tmp_path / "out.npz")]) == 0
    with np.load(tmp_path / "out.npz") as out:
        assert out["pose"].shape == (12, 24, 3, 3)


@pytest.mark.parametrize("engine", ["numba", "array"])
def test_eval_prints_errors_before_and_after(file, capsys, engine):
    assert main(["eval", *ON, str(file), "--json", "--engine", engine]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert set(figures) == {"before", "after", "improved", "method", "options", "body"}
    assert figures["body"] == BODY
    assert set(figures["before"]) == set(figures["after"]) == {"mpjpe", "pa_mpjpe", "pve"}
    assert figures["after"]["mpjpe"] < 0.8 * figures["before"]["mpjpe"]
    assert 0 <= figures["improved"] <= 1
    assert main(["eval", *ON, str(file), "--engine", engine]) == 0
    table = capsys.readouterr().out
    assert f"{figures['after']['pa_mpjpe']:.2f}" in table
    assert max(map(len, table.splitlines())) < 80


def test_smplify(file, tmp_path, estimates, capsys):
    assert main(["eval", *ON, str(file), "--json", "--method", "smplify"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["after"]["pve"] < 0.8 * figures["before"]["pve"]
    output = tmp_path / "out.npz"
    assert main(["refine", *ON, str(file), "-o", str(output), "--method", "smplify"]) == 0
    names = {key: authors[-1] for key, authors in KEYS.items()}
    expected = refine(**{key: estimates[name] for key, name in names.items()}, method="smplify")
    with np.load(output) as out:
        for key in ("pose", "betas", "transl", "reprojection_error", "status"):
            np.testing.assert_array_equal(out[key], getattr(expected, key))
    capsys.readouterr()
    assert "iterations: expected method='kitro'" in fails(
        capsys, "eval", file, "--method", "smplify", "--iterations", 2
    )


def test_eval_reads_axis_angle_truth(tmp_path, estimates, capsys):
    from scipy.spatial.transform import Rotation

    arrays = dict(estimates)
    truth = Rotation.from_matrix(arrays.pop("GT_theta").reshape(-1, 3, 3))
    np.savez(tmp_path / "a.npz", GT_pose=truth.as_rotvec().reshape(12, 72), **arrays)
    np.savez(tmp_path / "b.npz", **estimates)
    found = []
    for name in ("a.npz", "b.npz"):
        assert main(["eval", *ON, str(tmp_path / name), "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["after"]["mpjpe"])
    assert found[0] == pytest.approx(found[1], abs=1e-3)


@pytest.mark.parametrize(
    ("key", "joint", "value"),
    [("pred_theta", 0, np.nan), ("pred_theta", 22, np.inf), ("GT_theta", 9, 1e38), ("GT_beta", 0, 1e300)],
)
def test_eval_leaves_out_a_body_that_is_not_finite(tmp_path, estimates, capsys, key, joint, value):
    """The table is that of the others, and a line says that one is missing."""
    arrays = {k: v.copy() for k, v in estimates.items()}
    arrays["GT_beta"] = arrays["GT_beta"].astype(float)
    arrays[key][3, joint] = value
    np.savez(tmp_path / "in.npz", **arrays)
    np.savez(tmp_path / "others.npz", **{k: np.delete(v, 3, axis=0) for k, v in arrays.items()})
    printed = []
    for name in ("in.npz", "others.npz"):
        assert main(["eval", *ON, str(tmp_path / name)]) == 0
        printed.append(capsys.readouterr().out.splitlines())
    assert printed[0][:5] == printed[1][:5]
    assert printed[0][4].endswith("of 11 bodies")
    assert printed[0][5] == "1 body left out: NaN or infinity in estimate or truth"
    reason = "NaN, infinity or a number beyond 1e9 in its input"
    refined = f"11 bodies refined by map, 1 returned as it was (1: {reason})"
    assert printed[0][6] == ("12 bodies refined by map" if key.startswith("GT") else refined)


@pytest.mark.parametrize("key", ["pred_theta", "GT_beta"])
def test_eval_of_nothing_but_nan_is_wrong_input(tmp_path, estimates, capsys, key):
    np.savez(tmp_path / "in.npz", **{**estimates, key: np.full_like(estimates[key], np.nan)})
    for options in ([], ["--json"]):
        assert "got none among 12 bodies" in fails(capsys, "eval", tmp_path / "in.npz", *options)


@pytest.mark.parametrize("axis_angle", [False, True])
def test_a_single_body_needs_no_leading_axis(tmp_path, estimates, capsys, axis_angle):
    from scipy.spatial.transform import Rotation

    arrays = {key: value[:1] for key, value in estimates.items()}
    if axis_angle:
        for key in ("pred_theta", "GT_theta"):
            arrays[key] = Rotation.from_matrix(arrays[key].reshape(-1, 3, 3)).as_rotvec().reshape(1, 72)
    np.savez(tmp_path / "clip.npz", **arrays)
    np.savez(tmp_path / "single.npz", **{key: value[0] for key, value in arrays.items()})
    printed, written = [], []
    for name in ("clip", "single"):
        output = tmp_path / f"{name}-out.npz"
        assert main(["eval", *ON, str(tmp_path / f"{name}.npz")]) == 0
        printed.append(capsys.readouterr().out)
        assert main(["refine", *ON, str(tmp_path / f"{name}.npz"), "-o", str(output)]) == 0
        assert capsys.readouterr().out.startswith("1 body refined by map\n")
        with np.load(output) as file:
            written.append(dict(file))
    assert printed[0] == printed[1]
    assert "% of 1 body" in printed[0]
    assert written[1]["pose"].shape == (24, 3, 3)
    for key, value in written[1].items():
        if key == "source":
            continue
        if key in ("method", "options", "body", "layout", "version"):
            assert value == written[0][key]
            continue
        np.testing.assert_array_equal(value, written[0][key][0])


@pytest.mark.parametrize(
    ("key", "shape", "expected"),
    [
        ("GT_theta", (12, 22, 3, 3), "(12, 24, 3, 3) or (12, 24, 3) or (12, 72)"),
        ("GT_theta", (11, 24, 3, 3), "(12, 24, 3, 3)"),
        ("GT_theta", (24, 3, 3), "(12, 24, 3, 3)"),
        ("GT_theta", (), "(12, 24, 3, 3)"),
        ("GT_beta", (12, 11), "(12, 10)"),
        ("GT_beta", (11, 10), "(12, 10)"),
        ("GT_beta", (10,), "(12, 10)"),
        ("GT_beta", (), "(12, 10)"),
    ],
)
def test_wrong_truth_is_named_before_anything_is_refined(
    tmp_path, estimates, capsys, monkeypatch, key, shape, expected
):
    monkeypatch.setattr(refiner, "refine", None)
    np.savez(tmp_path / "in.npz", **{**estimates, key: np.zeros(shape)})
    sentence = fails(capsys, "eval", tmp_path / "in.npz")
    assert f"in.npz: {key}: expected shape {expected}" in sentence
    assert sentence.endswith(f"got {shape}.\n")


def test_eval_of_a_body_without_the_joints_that_are_measured(tmp_path, capsys, monkeypatch):
    """A hand has 16 joints, and the wrist that PA-MPJPE asks for is SMPL's 21st."""
    hand = make.write_npz(tmp_path / "hand.npz", make.body(joints=16))
    pose, betas = np.tile(np.eye(3), (2, 16, 1, 1)), np.zeros((2, 10))
    np.savez(
        tmp_path / "in.npz", pose=pose, betas=betas, transl=np.ones((2, 3)), GT_theta=pose, GT_beta=betas,
        keypoints_2d=np.zeros((2, 16, 2)), intrinsics=np.eye(3),
    )  # fmt: skip
    expected = "body: expected SMPL's first 22 joints, got 16 joints."
    with pytest.raises(kitro_np.InputError, match=expected):
        evaluate(kitro_np.load_body(hand), (pose, betas), (pose, betas), (pose, betas))
    monkeypatch.setattr(refiner, "refine", None)
    assert expected in fails(capsys, "eval", tmp_path / "in.npz", "--body", hand, "--protocol", "lsp14")


def test_eval_of_hands_compares_all_joints(tmp_path, capsys):
    path = tmp_path / "hands.npz"
    assert cli.main(["simulate", "--body", "open_hand", "--count", "6", "-o", str(path)]) == 0
    options = ["--method", "kitro", "--camera-update", "fixed", "--per-joint"]
    assert cli.main(["eval", str(path), "--body", "open_hand", *options]) == 0
    shown = capsys.readouterr().out
    assert "PA-MPJPE" in shown
    assert all(name in shown for name in kitro_np.load_body("open_hand").skeleton.joint_names)


def test_demo_shows_what_it_refines_and_does_not_litter(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("PA-MPJPE") == 2
    folder = tmp_path / "kitro-np-demo"
    written = sorted(path.name for path in folder.iterdir())
    assert written == ["clip.html", "clip.npz", "person.glb", "person.html", "person.npz", "person.png"]
    assert all(f"wrote kitro-np-demo{os.sep}{name}" in printed for name in written)
    assert (folder / "person.png").read_bytes().startswith(b"\x89PNG")
    before, after = (float(number) for number in re.search(r"PA-MPJPE +(\S+) +(\S+)\n\d", printed).groups())
    assert after < 0.9 * before
    assert main(["demo"]) == 0
    assert os.listdir(tmp_path) == ["kitro-np-demo"]
    assert sorted(path.name for path in folder.iterdir()) == written
    capsys.readouterr()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "person.glb").touch()
    assert "expected a new file, got one that exists" in fails(capsys, "demo", "-o", "mine")
    assert (tmp_path / "mine" / "person.glb").stat().st_size == 0


def test_info_says_where_models_are_looked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("KITRO_NP_MODELS", str(tmp_path / "here"))
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    assert str(tmp_path / "here") in printed
    assert kitro_np.__version__ in printed


def test_hands_are_refined_and_listed(tmp_path, capsys):
    """Right or left as asked for; right unless asked."""
    pose = np.random.default_rng(0).normal(0, 0.2, (3, 16, 3))
    transl, intrinsics = (
        np.tile([0.0, 0, 0.7], (3, 1)),
        np.array([[1500.0, 0, 500], [0, 1500, 500], [0, 0, 1]]),
    )
    for gender, side in (("left", "left"), ("right", "right"), ("neutral", "right")):
        hand = kitro_np.load_body("open_hand", gender=side)
        keypoints_2d = project(hand.joints(pose, transl=transl), intrinsics[None])
        given = {"pose": pose / 2, "betas": np.zeros((3, 10)), "transl": transl, "keypoints_2d": keypoints_2d}
        np.savez(tmp_path / "in.npz", intrinsics=intrinsics, **given)
        command = ["refine", tmp_path / "in.npz", "-o", tmp_path / "out.npz", "--body", "open_hand"]
        assert main([*map(str, command), "--gender", gender, "--force"]) == 0
        expected = refine(**given, intrinsics=intrinsics, body=hand)
        assert np.all(expected.status == 0)
        with np.load(tmp_path / "out.npz") as found:
            np.testing.assert_array_equal(found["pose"], kitro_np.RefineResult.with_matrices(expected).pose)
            np.testing.assert_array_equal(found["betas"], expected.betas)
    capsys.readouterr()
    assert "right, left, got 'male'" in fails(capsys, *command, "--gender", "male", "--force")
    assert main(["info"]) == 0
    about = "bodies: open, open_v2, open_v1, open_hand (embedded; open is open_v2)"
    assert about in capsys.readouterr().out.splitlines()


def test_warmup_says_where_the_machine_code_is(capsys):
    assert main(["warmup"]) == 0
    printed = capsys.readouterr().out
    assert main(["info"]) == 0
    place = printed.strip().removeprefix("compiled kernels: ")
    assert os.path.isdir(place)
    assert any(name.startswith("algorithm.refine_bodies") for name in os.listdir(place))
    assert printed in capsys.readouterr().out


@pytest.mark.parametrize(
    "kernel",
    [lambda: None, SimpleNamespace(stats=SimpleNamespace(cache_path=None))],
    ids=["no JIT", "no folder"],
)
def test_info_where_no_machine_code_is_kept(kernel, monkeypatch, capsys):
    monkeypatch.setattr("kitro_np.kernels.kitro.algorithm.refine_bodies", kernel)
    assert main(["info"]) == 0
    assert "compiled kernels: not cached" in capsys.readouterr().out


def test_info_names_every_gender_that_is_there(tmp_path, capsys):
    names = ("SMPL_MALE.pkl", "SMPL_FEMALE.pkl", "MANO_LEFT.pkl")
    for name in names:
        (tmp_path / name).touch()
    assert main(["info", "--models", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in names:
        model, gender = name.removesuffix(".pkl").lower().split("_")
        assert f"  {model} {gender}: {tmp_path / name}" in lines
    assert "  smplx: not found" in lines
    assert "  smpl: not found" not in lines
    assert not any(line.startswith("  smpl neutral") for line in lines)


def run_unread(*arguments, unbuffered: str = "") -> subprocess.CompletedProcess:
    """Run the module with an output that nobody reads any more; unbuffered, its first line finds out."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        command = [sys.executable, "-m", "kitro_np", *map(str, arguments)]
        env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        return subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False, env=env)
    finally:
        os.close(writer)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break in another way there")
@pytest.mark.parametrize(("command", "unbuffered"), [("info", ""), ("info", "1"), ("--help", "")])
def test_output_that_nobody_reads_is_no_error(command, unbuffered):
    done = run_unread(command, unbuffered=unbuffered)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break in another way there")
def test_result_is_whole_where_nobody_reads_the_summary(file, tmp_path):
    done = run_unread("refine", file, "-o", tmp_path / "out.npz")
    assert (done.returncode, done.stderr) == (1, b"")
    with np.load(tmp_path / "out.npz") as out:
        assert out["status"].shape == (12,)


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "kitro_np", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"kitro-np {kitro_np.__version__}\n"


def test_image_size_stands_in_for_intrinsics(tmp_path, estimates):
    arrays = {key: value for key, value in estimates.items() if key != "intrinsics"}
    np.savez(tmp_path / "in.npz", **arrays)
    output = tmp_path / "out.npz"
    assert (
        main(["refine", *ON, str(tmp_path / "in.npz"), "-o", str(output), "--image-size", "1920", "1080"])
        == 0
    )
    assert output.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_output_to_a_device_or_pipe_is_refused_and_leaves_it_alone(file, tmp_path, capsys):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(pipe)
    for output in (pipe, link):
        assert "pipe" in fails(capsys, "refine", file, "-o", output, "--force")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_output_through_a_link_replaces_the_file_and_not_the_link(file, tmp_path, capsys):
    target, link = tmp_path / "target.npz", tmp_path / "link.npz"
    target.write_bytes(b"old")
    link.symlink_to(target)
    assert "--force" in fails(capsys, "refine", file, "-o", link)
    assert target.read_bytes() == b"old"
    assert main(["refine", *ON, str(file), "-o", str(link), "--force"]) == 0
    assert link.is_symlink()
    with np.load(target) as out:
        assert "pose" in out


def test_output_that_exists_is_kept_without_force(file, tmp_path, capsys):
    output = tmp_path / "out.npz"
    output.write_text("mine")
    assert "--force" in fails(capsys, "refine", file, "-o", output)
    assert output.read_text() == "mine"
    assert main(["refine", *ON, str(file), "-o", str(output), "--force"]) == 0
    with np.load(output) as out:
        assert "pose" in out.files


def test_failed_write_leaves_nothing_behind(file, tmp_path, monkeypatch, capsys):
    def full(*_args, **_arrays):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    assert "No space left" in fails(capsys, "refine", *ON, file, "-o", tmp_path / "out.npz")
    assert os.listdir(tmp_path) == ["in.npz"]


def test_output_follows_the_umask(file, tmp_path):
    main(["refine", *ON, str(file), "-o", str(tmp_path / "out.npz")])
    plain = tmp_path / "plain"
    plain.touch()
    assert stat.S_IMODE((tmp_path / "out.npz").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_wrong_files_give_one_sentence(tmp_path, file, capsys, estimates):
    output = tmp_path / "out.npz"
    assert "no.npz: expected a file, got none." in fails(capsys, "refine", tmp_path / "no.npz", "-o", output)
    (tmp_path / "text.npz").write_text("hello")
    assert "text.npz" in fails(capsys, "refine", tmp_path / "text.npz", "-o", output)
    (tmp_path / "cut.npz").write_bytes(file.read_bytes()[:4000])
    assert "cut.npz" in fails(capsys, "refine", tmp_path / "cut.npz", "-o", output)
    (tmp_path / "empty.npz").write_bytes(b"")
    assert "empty.npz" in fails(capsys, "eval", tmp_path / "empty.npz")
    np.savez(tmp_path / "objects.npz", **{**estimates, "pred_beta": np.array([{}], dtype=object)})
    assert "pred_beta" in fails(capsys, "refine", tmp_path / "objects.npz", "-o", output)
    np.savez(tmp_path / "some.npz", pred_theta=estimates["pred_theta"])
    assert "keypoints_2d" in fails(capsys, "refine", tmp_path / "some.npz", "-o", output)
    np.save(tmp_path / "single.npy", estimates["pred_theta"])
    single = fails(capsys, "refine", tmp_path / "single.npy", "-o", output)
    assert (
        "single.npy: expected estimates of 3DPW, AMASS," in single
        and "got an array of shape (12, 24" in single
    )
    bare = {key: value for key, value in estimates.items() if not key.startswith("GT")}
    np.savez(tmp_path / "bare.npz", **bare)
    assert "GT_theta" in fails(capsys, "eval", tmp_path / "bare.npz")
    assert not output.exists()


def test_damaged_member_is_named(tmp_path, file, capsys):
    raw = bytearray(file.read_bytes())
    raw[raw.index(b"pred_cam.npy") + 200] ^= 0xFF
    (tmp_path / "flipped.npz").write_bytes(raw)
    assert "pred_cam" in fails(capsys, "refine", tmp_path / "flipped.npz", "-o", tmp_path / "out.npz")


def test_wrong_arguments_give_one_sentence(file, tmp_path, capsys, estimates):
    output = tmp_path / "out.npz"
    assert "folder" in fails(capsys, "refine", file, "-o", tmp_path / "no" / "out.npz")
    assert "folder" in fails(capsys, "refine", file, "-o", tmp_path)
    assert "smpl.is.tue.mpg.de" in fails(capsys, "refine", file, "-o", output, "--body", "smpl")
    assert "body" in fails(capsys, "refine", file, "-o", output, "--body", "cat")
    kitro = ("--method", "kitro")
    assert "iterations" in fails(capsys, "refine", file, "-o", output, *kitro, "--iterations", "-1")
    assert "threads" in fails(capsys, "refine", file, "-o", output, "--threads", "0")
    np.savez(tmp_path / "k.npz", **{**estimates, "intrinsics": np.zeros((3, 3))})
    assert "intrinsics" in fails(capsys, "refine", tmp_path / "k.npz", "-o", output)
    np.savez(tmp_path / "s.npz", **{**estimates, "pred_beta": np.zeros((11, 10))})
    assert "betas" in fails(capsys, "refine", tmp_path / "s.npz", "-o", output)
    assert "nothing" in fails(capsys, "refine", file, "-o", output, "--keypoints-key", "nothing")
    assert not output.exists()


def test_strict_names_the_body(tmp_path, estimates, capsys):
    arrays = {key: value.copy() for key, value in estimates.items()}
    arrays["pred_cam"][5, 2] = -3
    np.savez(tmp_path / "in.npz", **arrays)
    output = tmp_path / "out.npz"
    assert "body 5" in fails(capsys, "refine", tmp_path / "in.npz", "-o", output, "--strict")
    assert not output.exists()
    assert main(["refine", *ON, str(tmp_path / "in.npz"), "-o", str(output)]) == 0
    assert "1: joints behind the camera" in capsys.readouterr().out


def test_empty_file_of_bodies(tmp_path, estimates, capsys):
    np.savez(tmp_path / "in.npz", **{key: value[:0] for key, value in estimates.items()})
    assert main(["refine", *ON, str(tmp_path / "in.npz"), "-o", str(tmp_path / "out.npz")]) == 0
    with np.load(tmp_path / "out.npz") as out:
        assert out["pose"].shape == (0, 24, 3, 3)
    capsys.readouterr()
    assert "at least one body" in fails(capsys, "eval", tmp_path / "in.npz")


@pytest.mark.parametrize("command", [[], *([name] for name in NAMES)], ids=["all", *NAMES])
@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_help_fits_any_terminal(command, columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: kitro-np")
    assert max(map(len, out.splitlines())) <= min(columns, 100)


def test_no_progress_bar_where_there_is_no_terminal(file, tmp_path, capsys):
    main(["refine", *ON, str(file), "-o", str(tmp_path / "out.npz")])
    assert capsys.readouterr().err == ""


# ------------------------------------------------------------------------------ commands, methods and options


def test_every_module_with_a_command_is_one():
    package = Path(cli.__file__).parent
    modules = [pkgutil.resolve_name(f"kitro_np.cli.{m.name}") for m in pkgutil.iter_modules([str(package)])]
    commands = {module for module in modules if hasattr(module, "add") and hasattr(module, "run")}
    assert commands == set(cli.COMMANDS)
    assert NAMES == [
        "refine",
        "convert",
        "inspect",
        "explain",
        "eval",
        "render",
        "report",
        "simulate",
        "layouts",
        "paper",
        "demo",
        "warmup",
        "info",
        "completion",
        "help",
    ]


def test_argparse_is_the_command_lines_alone():
    package = Path(kitro_np.__file__).parent
    for path in package.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        assert "argparse" not in names or path.parent == package / "cli", path


def test_every_field_of_every_method_is_an_option():
    flags = {(one.method, one.name): one.flag for one in method_options()}
    assert set(flags) == {(name, own.name) for name, kind in METHODS.items() for own in fields(kind)}
    assert set(flags.values()) == {
        "--variant", "--camera-update", "--shape-update", "--pose-update", "--search", "--iterations",
        "--shape-steps", "--no-motion-prior", "--unsafe", "--uncertainty", "--hypotheses", "--root-steps",
        "--steps", "--min-confidence", "--estimate", "--video", "--contacts",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], kitro_np.Map()),
        (["--unsafe", "--no-motion-prior"], kitro_np.Map(safe=False, motion_prior=False)),
        (["--uncertainty", "--hypotheses", "3"], kitro_np.Map(uncertainty=True, hypotheses=3)),
        (["--method", "kitro"], kitro_np.Kitro()),
        (
            ["--method", "KITRO", "--iterations", "5", "--search", "Greedy", "--pose-update", "hard"],
            kitro_np.Kitro(iterations=5, search="greedy", pose_update="hard"),
        ),
        (["--method", "smplify", "--steps", "7"], kitro_np.SMPLify(steps=7)),
    ],
)
def test_the_method_is_what_its_options_say(given, expected):
    for command in (["refine", "in.npz", "-o", "out.npz"], ["eval", "in.npz"]):
        assert read_method(parser().parse_args([*command, *given])) == expected


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--iterations", "5"], "iterations: expected method='kitro', whose option it is, got"),
        (["--method", "kitro", "--unsafe"], "safe: expected method='map', whose option it is"),
        (["--method", "map", "--steps", "5"], "steps: expected method='smplify', whose option it is"),
        (["--method", "kitr"], "expected one of kitro, map, smplify, got 'kitr' (did you mean 'kitro'?)."),
        (
            ["--method", "kitro", "--search", "tre"],
            "search: expected one of tree, greedy, got 'tre' (did you",
        ),
        (["--body", "opne"], "FILE.pkl, FILE.npz, got 'opne' (did you mean 'open'?)."),
        (["--keypoint-layout", "coco"], "got 'coco' (did you mean 'coco17'?)."),
        (["--engine", "nunba"], "engine: expected one of numba, array, got 'nunba' (did you mean 'numba'?)."),
        (["--hypotheses", "few"], "--hypotheses: expected an integer, got 'few'"),
        (["--hypotheses", "-1"], "hypotheses: expected at least 0, got -1."),
        (["--hypotheses", "1000000"], "hypotheses: expected at most 64, got 1000000."),
        (["--method=kitro", "--iterations=1" + 30 * "0"], "expected at most 10000, got 1" + 30 * "0"),
        (
            ["--method=kitro", "--shape-steps=1" + 99 * "0"],
            "expected at most 10000, got a number of 329 bits",
        ),
        (["--method=smplify", "--steps", "10001"], "steps: expected at most 10000, got 10001."),
        (["--focal-length", "long"], "--focal-length: expected a number, got 'long'"),
        (
            ["--itertions", "5"],
            "--itertions: expected an option of kitro-np refine, got another (did you mean",
        ),
    ],
)
def test_methods_options_and_names_that_are_wrong(file, tmp_path, capsys, given, sentence):
    """Whatever argparse itself finds comes as one sentence, too."""
    assert sentence in fails(capsys, "refine", file, "-o", tmp_path / "out.npz", *given)
    assert not (tmp_path / "out.npz").exists()


def test_arguments_that_are_missing(file, capsys):
    assert "error: -o/--output: expected a value, got none; see kitro-np refine --help." in fails(
        capsys, "refine", file
    )
    assert "--threads: expected one argument, got fewer; see kitro-np eval --help." in fails(
        capsys, "eval", file, "--threads"
    )
    assert (
        "COMMAND: expected one of refine, convert, inspect, explain, eval, render, report, simulate, "
        "layouts, paper, demo, warmup, info, completion, help, got 'refin' (did you mean 'refine'?)."
        in fails(capsys, "refin", file)
    )


def test_methods_that_share_a_name_of_an_option():
    """Each has a flag of its own, and neither passes for the other."""
    before = dict(METHODS)
    try:

        @dataclass(frozen=True)
        class Other(Method, name="other"):
            steps: int = option(3, "steps of another kind", least=0)
            weight: float = option(0.5, "how much")

        command = ["eval", "in.npz"]
        flags = {one.flag for one in method_options()}
        assert {"--smplify-steps", "--other-steps", "--root-steps", "--weight"} < flags
        given = ["--method", "other", "--other-steps", "4", "--weight", "0.25"]
        assert read_method(parser().parse_args([*command, *given])) == Other(steps=4, weight=0.25)
        options = parser().parse_args([*command, "--method", "other", "--smplify-steps", "4"])
        with pytest.raises(
            kitro_np.InputError, match=r"^--smplify-steps: expected method='smplify', whose option"
        ):
            read_method(options)
    finally:
        METHODS.clear()
        METHODS.update(before)


def test_eval_says_which_method_ran_and_how(file, capsys):
    for method, given in (("map", []), ("kitro", ["--iterations", "2"]), ("smplify", ["--steps", "3"])):
        assert main(["eval", *ON, str(file), "--json", "--method", method, *given]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["method"] == method
        expected = dict(vars(METHODS[method]()))
        if given:
            expected[given[0].lstrip("-")] = int(given[1])
        assert found["options"] == expected
    assert main(["eval", *ON, str(file), "--method", "kitro", "--iterations", "2"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "12 bodies refined by kitro",
        "options: iterations=2",
    ]
    assert main(["eval", *ON, str(file)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "12 bodies refined by map"


def test_names_of_bodies_and_layouts_in_any_case(file, tmp_path):
    found = []
    for number, (body, layout) in enumerate((("open", "smpl24"), ("OPEN", "Smpl24"))):
        path = tmp_path / f"{number}.npz"
        assert main(["refine", str(file), "-o", str(path), "--body", body, "--keypoint-layout", layout]) == 0
        found.append(kitro_np.RefineResult.load(path).pose)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("focal_length", [None, 1500.0])
def test_an_image_size_and_its_focal_length_are_refines(file, tmp_path, estimates, focal_length):
    given = [] if focal_length is None else ["--focal-length", str(focal_length)]
    path = tmp_path / "out.npz"
    assert main(["refine", *ON, str(file), "-o", str(path), "--image-size", "1920", "1080", *given]) == 0
    arrays = {key: estimates[names[-1]] for key, names in KEYS.items() if key != "intrinsics"}
    expected = refine(**arrays, image_size=(1920, 1080), focal_length=focal_length)
    found = kitro_np.RefineResult.load(path)
    np.testing.assert_allclose(found.pose, expected.pose, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.transl, expected.transl, rtol=1e-6)


def test_the_image_of_an_image_size_ends_there_for_map(file, tmp_path, estimates):
    """The keypoints outside are not visible; a method that does not weigh keypoints takes them all."""
    given = ["--image-size", "1000", "900", "--focal-length", "1500"]
    arrays = {key: estimates[names[-1]] for key, names in KEYS.items() if key != "intrinsics"}
    camera = kitro_np.default_intrinsics((1000, 900), 1500.0)
    outside = np.any(arrays["keypoints_2d"] >= (998.5, 898.5), axis=-1)
    assert outside.any()
    for method, how in (("map", {"confidence": np.where(outside, 0.0, 1)}), ("kitro", {})):
        path = tmp_path / f"{method}.npz"
        status = main(["refine", *ON, str(file), "-o", str(path), *given, "--method", method])
        assert status == (3 if method == "map" else 0)  # map accepts none in such a small image
        expected = refine(**arrays, intrinsics=camera, method=method, **how)
        np.testing.assert_allclose(kitro_np.RefineResult.load(path).pose, expected.pose, rtol=0, atol=1e-6)


def test_min_confidence_is_refines(tmp_path, estimates):
    arrays = {key: estimates[names[-1]] for key, names in KEYS.items()}
    scores = np.random.default_rng(0).uniform(0.1, 0.9, arrays["keypoints_2d"].shape[:-1])
    np.savez(tmp_path / "in.npz", **estimates, confidence=scores)
    path = tmp_path / "out.npz"
    assert main(["refine", *ON, str(tmp_path / "in.npz"), "-o", str(path), "--min-confidence", "0.4"]) == 0
    expected = refine(**arrays, confidence=np.where(scores < 0.4, 0, scores))
    np.testing.assert_allclose(kitro_np.RefineResult.load(path).pose, expected.pose, rtol=0, atol=1e-6)


def test_another_focal_length_changes_the_estimate(file, tmp_path, estimates, capsys):
    path = tmp_path / "out.npz"
    assert main(["refine", *ON, str(file), "-o", str(path), "--focal-length", "1500"]) == 0
    changed = kitro_np.with_focal_length(estimates["intrinsics"], estimates["pred_cam"], 1500)
    expected = refine(
        estimates["pred_theta"],
        estimates["pred_beta"],
        changed.transl,
        estimates["keypoints_2d"],
        changed.intrinsics,
    )
    found = kitro_np.RefineResult.load(path)
    np.testing.assert_array_equal(found.pose, expected.pose)
    np.testing.assert_array_equal(found.transl, expected.transl)
    capsys.readouterr()
    assert "focal_length: expected a positive number" in fails(
        capsys, "refine", file, "-o", path, "--force", "--focal-length", "-3"
    )


def test_warmup_compiles_what_it_is_asked_for(monkeypatch, capsys):
    calls = []
    monkeypatch.setattr("kitro_np.cli.warmup.warmup", lambda **given: calls.append(given))
    assert main(["warmup"]) == 0
    assert main(["warmup", "--method", "smplify", "--method", "map", "--dtype", "float32"]) == 0
    assert calls == [
        {"dtypes": ("float32", "float64")},
        {"methods": ["smplify", "map"], "dtypes": ["float32"]},
    ]
    monkeypatch.undo()
    capsys.readouterr()
    assert "dtypes: expected one of float32, float64, got 'float16'" in fails(
        capsys, "warmup", "--dtype", "float16"
    )
    assert "methods: expected one of kitro, map, smplify, got 'smpl'" in fails(
        capsys, "warmup", "--method", "smpl"
    )


def test_commands_in_any_case(capsys):
    assert main(["INFO"]) == 0
    assert "kitro-np" in capsys.readouterr().out
