"""examples/: every script runs, and docs/examples.md shows it as it is."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from gltf_reader import GltfFile
from test_match_people import scene
from trackers import write_openpose, write_track

import kitro_np

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
PAGE = ROOT / "docs" / "examples.md"


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the script of a number with arguments; return what it prints."""

    def script(number, *arguments):
        (path,) = (path for path in SCRIPTS if path.name.startswith(f"{number:02d}_"))
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        capsys.readouterr()
        runpy.run_path(str(path), run_name="__main__")
        return capsys.readouterr().out

    return script


def test_one_body(run, tmp_path):
    out = run(1, tmp_path / "body.obj")
    clip = kitro_np.example()
    one = {key: value if key == "body" else value[30] for key, value in clip.items()}
    result = kitro_np.refine(**one)
    assert f"joints are {result.reprojection_error:.1f} pixels" in out
    vertices = [line for line in (tmp_path / "body.obj").read_text().splitlines() if line.startswith("v ")]
    assert len(vertices) == len(result.vertices())


def test_a_detectors_scores(run):
    out = run(2)
    assert "200 bodies refined by map" in out
    assert 2 < float(re.search(r"errs by ([\d.]+) pixels", out)[1]) < 6
    spreads = [int(text) for text in re.findall(r"is known to (\d+) mm", out)]
    assert len(spreads) == 3 and min(spreads) > 20 and max(spreads) < 120


def test_torch(run):
    pytest.importorskip("torch")
    out = run(3)
    assert "200 bodies refined by map" in out and "vertices: Tensor of shape (200, 6887, 3)" in out


def test_tracks_to_animation(run, tmp_path):
    estimates, keypoints, _ = scene(3, None, "body25")
    write_track(tmp_path / "demo.pkl", estimates.take(estimates.frame < 8))
    write_openpose(tmp_path / "openpose", keypoints.take(keypoints.frame < 8))
    out = run(4, tmp_path / "demo.pkl", tmp_path / "openpose", tmp_path / "out.glb", "open")
    assert "PHALP: 32 bodies" in out and "OpenPose: 32 people's body25" in out
    assert len(GltfFile(tmp_path / "out.glb").named("person_8_mesh")) == 1


@pytest.mark.parametrize("number", [1, 4, 6, 7])
def test_usage_is_said_without_arguments(run, number):
    with pytest.raises(SystemExit, match="Usage: python examples/"):
        run(number)


def test_hands(run):
    found = re.findall(r"(right|left): ([\d.]+) mm before, ([\d.]+) mm after", run(5))
    assert [side for side, *_ in found] == ["right", "left"]
    assert all(float(after) < 0.5 * float(before) for _, before, after in found)


def test_many_bodies(run, tmp_path):
    out = run(6, tmp_path, 130)
    assert out.startswith("130 bodies in") and "130 refined" in out
    clip = kitro_np.example()
    np.testing.assert_array_equal(
        np.load(tmp_path / "refined_pose.npy")[120:], kitro_np.refine(**clip).pose[:10]
    )


def test_the_page_shows_the_scripts_as_they_are():
    page = PAGE.read_text(encoding="utf-8")
    for path in SCRIPTS:
        about, _, code = path.read_text(encoding="utf-8").removeprefix('"""').partition('"""\n')
        section = page.partition(f"## {path.name}\n")[2].partition("\n## ")[0]
        assert f"```python\n{code.strip()}\n```" in section, path.name
        (command,) = re.findall(r"^Usage: (python .*)$", about, re.MULTILINE)
        assert f"```sh\n{command}\n```" in section
