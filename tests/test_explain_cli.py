"""The command explain: one body of a file, in words, as JSON, and as a picture."""

import json
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
from recorded import BODY

import kitro_np
from kitro_np.cli.main import main


@pytest.fixture(scope="module")
def file(sim, tmp_path_factory):
    """A dozen simulated bodies under the authors' keys."""
    path = tmp_path_factory.mktemp("explain") / "in.npz"
    kept = {key: value[12:24] for key, value in sim.items() if key.startswith(("pred", "intr", "key"))}
    np.savez(path, **kept, body=BODY)
    return path


@pytest.fixture(scope="module")
def detections(tmp_path_factory):
    """Bodies with a detector's keypoints, and their layout."""
    data = kitro_np.example("real")
    path = tmp_path_factory.mktemp("explain") / "real.npz"
    arrays = {key: part[:8] for key, part in data.items() if isinstance(part, np.ndarray)}
    np.savez(path, **arrays, body=data["body"], layout=data["keypoint_layout"])
    return path


def printed(capsys, *arguments):
    assert main(["explain", *map(str, arguments)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def fails(capsys, *arguments):
    assert main(["explain", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("method", ["map", "kitro"])
def test_text_and_picture(file, tmp_path, capsys, method):
    target = tmp_path / "why.svg"
    out = printed(capsys, file, "--body", 3, "--method", method, "-o", target)
    lines = out.splitlines()
    assert "so that body is used" in lines[0]
    assert len(lines) <= 2 + 45
    assert max(map(len, lines[1:-1])) <= 80
    assert any(f"Row 3 by {method}" in line for line in lines)
    assert lines[-1] == f"wrote {target}"
    assert ElementTree.fromstring(target.read_bytes()).tag.endswith("svg")
    assert "--force" in fails(capsys, file, "-o", target)
    printed(capsys, file, "-o", target, "--force")


def test_row_and_body(file, capsys):
    by_body = printed(capsys, file, "--body", 3)
    assert by_body == printed(capsys, file, "--row", 3)
    assert by_body == printed(capsys, file, "--row", 3, "--body", 3)
    named = printed(capsys, file, "--row", 3, "--body", BODY)
    assert named.splitlines()[-30:] == by_body.splitlines()[-30:]
    assert "Row 0" in printed(capsys, file)
    assert "--row: expected none beside --body 3, got 4." in fails(capsys, file, "--body", 3, "--row", 4)


def test_numbers_are_those_of_refine(file, detections, tmp_path, capsys):
    given = {"map": detections, "kitro": file}
    for method, path in given.items():
        result = tmp_path / f"{method}.npz"
        assert main(["refine", str(path), "-o", str(result), "--method", method]) == 0
        capsys.readouterr()
        found = json.loads(printed(capsys, path, "--row", 2, "--method", method, "--json"))
        with np.load(result) as refined:
            if method == "map":
                assert found["quality"] == pytest.approx(float(refined["quality"][2]), abs=2e-2)
                total = sum(each["contribution"] for each in found["verdict"]["features"])
                assert found["verdict"]["usual"] + total == pytest.approx(found["quality"], abs=1e-3)
            else:
                chosen = [("away", "towards").index(bone["branch"]) for bone in found["bones"]]
                np.testing.assert_array_equal(chosen, refined["selection"][2][1:])


def test_of_its_own_results(detections, tmp_path, capsys):
    """A complete result keeps its estimates, which are explained again."""
    result = tmp_path / "out.npz"
    assert main(["refine", str(detections), "-o", str(result)]) == 0
    capsys.readouterr()
    first, again = (json.loads(printed(capsys, path, "--json")) for path in (detections, result))
    assert again["quality"] == pytest.approx(first["quality"], abs=1e-3)


def test_a_frame_of_a_video_is_explained_alone(detections, tmp_path, capsys):
    with np.load(detections) as arrays:
        np.savez(tmp_path / "video.npz", **arrays, track=np.zeros(8, int), frame=np.arange(8))
    assert "frame alone" in printed(capsys, tmp_path / "video.npz")
    assert "frame alone" not in printed(capsys, tmp_path / "video.npz", "--each-frame")


def test_options_of_methods(file, capsys):
    assert "(paper), loop 2 of 4" in printed(
        capsys, file, "--method", "kitro", "--variant", "paper", "--iterations", 4, "--iteration", 2
    )
    assert printed(capsys, file) != printed(capsys, file, "--no-motion-prior")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--row", "12"], "row: expected one of 0 to 11, got 12."),
        (["--row", "-1"], "--row: expected a row from 0 on, got -1."),
        (["--method", "smplify"], "method: expected map or kitro, which can be explained, got 'smplify'."),
        (["--iteration", "2"], "--iteration: expected --method kitro, which has loops, got map."),
        (
            ["-o", "why.png"],
            "why.png: expected a name that ends in .svg, got .png.",
        ),
        (["--keypoints-key", "nowhere"], "expected the key nowhere, got"),
    ],
)
def test_mistakes_are_a_sentence(file, capsys, arguments, sentence):
    assert sentence in fails(capsys, file, *arguments)


def test_files_without_arrays(tmp_path, capsys):
    assert "expected a file of arrays" in fails(capsys, tmp_path)
    assert "expected a file" in fails(capsys, tmp_path / "missing.npz")
    (tmp_path / "text.txt").write_text("no arrays")
    assert "expected a file in one of the formats" in fails(capsys, tmp_path / "text.txt")
    np.savez(tmp_path / "other.npz", image=np.zeros(3))
    assert "expected the keys pose or pred_theta" in fails(capsys, tmp_path / "other.npz")


def test_it_runs_without_compiling():
    """Nothing of it needs kernels: an answer about one body takes a second."""
    code = "import sys, kitro_np.report.explain; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
