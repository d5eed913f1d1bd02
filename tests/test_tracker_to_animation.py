"""From a tracker's file and a folder of OpenPose's to an animation, in one line."""

import numpy as np
import pytest
from gltf_reader import GltfFile
from test_match_people import CLIPS, scene
from trackers import write_openpose, write_track

import kitro_np
from kitro_np.cli.main import main

UP = np.array([1.0, -1.0, -1.0])
"""From the camera's axes to glTF's."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four people who cross, one unseen for 20 frames."""
    folder = tmp_path_factory.mktemp("video")
    estimates, keypoints, _ = scene(1, None, "body25")
    write_track(folder / "demo.pkl", estimates)
    write_openpose(folder / "openpose", keypoints)
    return folder


def test_each_person_has_the_right_keypoints_in_all_frames(folder):
    people = kitro_np.refine_people(folder / "demo.pkl", folder / "openpose", body="open")
    np.testing.assert_array_equal(people.match.row, scene(1, None, "body25")[2])
    seen = (people.keypoints.confidence > 0).any(axis=1)
    assert people.result.accepted[seen].mean() > 0.85
    assert (people.result.status[~seen] == kitro_np.Status.FILLED).all()  # in a gap between others


def test_animation_shows_the_refined_joints(folder, capsys):
    files = [str(folder / "demo.pkl"), "--keypoints", str(folder / "openpose")]
    for name in ("people.glb", "people.npz"):
        assert main(["refine", *files, "-o", str(folder / name), "--body", "open"]) == 0
    said = capsys.readouterr().out
    assert "4 people in 150 frames, 0 to 149" in said and "580 rows of 25 points: body25" in said
    assert "20 of 600 estimates have no keypoints near them." in said
    assert "as videos: 4 tracks at 30 fps, which the file does not say\n" in said
    assert "20 filled from their neighbours" in said and "off by" not in said
    file, result = GltfFile(folder / "people.glb"), kitro_np.RefineResult.load(folder / "people.npz")
    estimates, joints = kitro_np.read_estimates(folder / "people.npz"), result.joints()
    for number in range(len(CLIPS)):
        (node,) = file.named(f"person_{number + 7}_mesh")
        for row in np.flatnonzero(estimates.person == number + 7)[::25]:
            _, placed = file.skinned(node, estimates.frame[row] / 30)
            np.testing.assert_allclose(placed, joints[row] * UP, atol=1e-3)
