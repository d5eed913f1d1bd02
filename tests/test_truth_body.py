"""Files and the body that they are on: `eval` and `refine` use it, or say that they use another."""

import json

import numpy as np
import pytest
from recorded import BODY

import kitro_np
from kitro_np.body.names import name_in
from kitro_np.cli.main import main
from kitro_np.paper.sets import file_set
from kitro_np.simulate import simulate


@pytest.fixture(scope="module")
def arrays(sim):
    """A dozen recorded bodies, which name no body."""
    keys = [key for key in sim if key.startswith(("pred", "GT_", "intr", "key"))]
    return {key: sim[key][12:24] for key in keys}


@pytest.fixture
def run(tmp_path, arrays, capsys):
    """Write the bodies with other keys, or without those that are None; evaluate them, return the output."""

    def run(*options, command="eval", **changes):
        given = {key: value for key, value in {**arrays, **changes}.items() if value is not None}
        np.savez(tmp_path / "in.npz", **given)
        if command == "refine":
            options = ("-o", str(tmp_path / "out.npz"), "--force", *options)
        assert main([command, str(tmp_path / "in.npz"), *options]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return json.loads(out) if "--json" in options else out

    return run


@pytest.fixture
def said(tmp_path):
    return (
        f"{tmp_path / 'in.npz'}'s truth is on open_v1 but bodies are measured on open_v2: betas mean other "
        "shapes; add --body open_v1."
    )


def test_a_file_is_evaluated_on_the_body_that_it_names(run, tmp_path):
    asked = run("--json", "--body", BODY)
    assert asked["body"] == BODY
    assert "warning" not in asked
    assert run("--json", body=BODY) == asked
    assert run(body=BODY).splitlines() == [
        f"{tmp_path / 'in.npz'} is on open_v1, so that body is used.",
        *run("--body", BODY).splitlines(),
    ]


def test_nothing_is_said_of_the_usual_body(run):
    assert "open_v2" not in run(body="open_v2")
    assert run("--json", body="Open")["body"] == "open_v2"


def test_eval_says_that_it_was_asked_for_another_body(run, said):
    found = run("--json", "--body", "open", body=BODY)
    assert (found["body"], found["warning"]) == ("open_v2", said)
    lines = run("--body", "open", body=BODY).splitlines()
    assert lines[0] == said  # before the numbers
    assert lines[6:] == ["12 bodies refined by map"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"GT_focal": None},
        {"keypoints_2d": "scored"},
        {"keypoints_2d": "one missing"},
        {"intrinsics": "true"},
    ],
    ids=str,
)
def test_a_file_that_names_no_body_is_told_by_its_keypoints(run, said, arrays, changes):
    changes = dict(changes)
    keypoints = arrays["keypoints_2d"]
    if changes.get("keypoints_2d") == "scored":
        changes["keypoints_2d"] = np.concatenate([keypoints, np.ones_like(keypoints[..., :1])], axis=-1)
    elif changes.get("keypoints_2d") == "one missing":
        changes["keypoints_2d"] = keypoints.copy()
        changes["keypoints_2d"][0, 3] = np.nan
    if "intrinsics" in changes or "GT_focal" in changes:
        camera = arrays["intrinsics"].copy()
        camera[:, 0, 0] = camera[:, 1, 1] = arrays["GT_focal"]
        changes["intrinsics"] = camera
    assert run("--json", **changes)["warning"] == said
    assert "warning" not in run("--json", "--body", BODY, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"GT_cam": None},
        {"GT_cam": np.ones((11, 3))},
        {"GT_cam": np.array(["none"] * 12)},
        {"GT_cam": np.full((12, 3), np.nan)},
        {"GT_cam": np.ones((12, 3))},
        {"keypoints_2d": "noisy"},
        {"GT_focal": None},
    ],
    ids=str,
)
def test_nothing_is_said_where_the_keypoints_do_not_tell(run, arrays, changes):
    """Such as without the true camera: then no body projects onto them."""
    if "keypoints_2d" in changes:
        changes = {"keypoints_2d": arrays["keypoints_2d_noisy"]}
    assert "warning" not in run("--json", **changes)


def test_a_file_of_another_bodys_joints_is_told_too(tmp_path, recorded_body, capsys):
    """Truth on version 2, measured on version 1."""
    made = {key: value for key, value in simulate(count=8).arrays().items() if key != "body"}
    np.savez(tmp_path / "in.npz", **made)
    assert main(["eval", str(tmp_path / "in.npz"), "--json", "--body", BODY]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["warning"].endswith("measured on open_v1: betas mean other shapes; add --body open_v2.")
    assert main(["eval", str(tmp_path / "in.npz"), "--json"]) == 0
    assert "warning" not in json.loads(capsys.readouterr().out)


def test_refine_uses_the_files_body_or_says_that_it_does_not(run, tmp_path):
    lines = run(command="refine", body=BODY).splitlines()
    assert lines[0] == f"{tmp_path / 'in.npz'} is on open_v1, so that body is used."
    assert kitro_np.RefineResult.load(tmp_path / "out.npz").body_name == BODY
    lines = run("--body", "open", command="refine", body=BODY).splitlines()
    assert lines[0] == (
        f"{tmp_path / 'in.npz'} is on open_v1 but bodies are refined on open_v2: betas mean other shapes; "
        "add --body open_v1."
    )
    assert kitro_np.RefineResult.load(tmp_path / "out.npz").body_name == "open_v2"


def test_refine_tells_the_body_by_the_truth_of_a_file_that_names_none(run, tmp_path, arrays):
    assert run(command="refine").splitlines()[0] == (
        f"{tmp_path / 'in.npz'} is on open_v1 but bodies are refined on open_v2: betas mean other shapes; "
        "add --body open_v1."
    )
    assert run("--body", BODY, command="refine").startswith("12 bodies refined by map")
    for key in ("GT_theta", "GT_beta"):  # without truth, and with none that fits
        assert run(command="refine", **{key: None}).startswith("12 bodies refined by map")
        assert run(command="refine", **{key: arrays[key][:5]}).startswith("12 bodies refined by map")


@pytest.mark.parametrize("value", [np.zeros((12, 63)), np.array(["a", "b"]), np.array("x\ny"), np.array("")])
def test_a_key_of_another_meaning_names_no_body(run, value):
    assert name_in({"body": value}) == ""
    assert run(command="refine", body=value, GT_theta=None).startswith("12 bodies refined by map")


def test_a_body_that_does_not_ship_is_not_looked_for(run):
    found = run("--json", body="SMPL_MALE")
    assert found["body"] == "open_v2"
    assert found["warning"].endswith("add --body smpl --gender male.")


def test_simulated_hands_know_their_side(tmp_path, capsys):
    path = str(tmp_path / "hands.npz")
    command = ["simulate", "--body", "open_hand", "--gender", "left", "--count", "6", "-o", path]
    assert main(command) == 0
    assert main(["eval", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["body"] == "open_hand_left"


def test_data_of_the_paper_are_on_their_own_body(tmp_path, arrays, recorded_body, open_body):
    for number, (name, expected) in enumerate([("open_v1", recorded_body), ("mine", open_body)]):
        path = tmp_path / f"{number}.npz"
        np.savez(path, **arrays, body=name)
        assert file_set(path).body is expected


def test_the_example_is_refined_on_its_body():
    data = kitro_np.example()
    result = kitro_np.refine(**data)
    assert result.body_name == data["body"]
