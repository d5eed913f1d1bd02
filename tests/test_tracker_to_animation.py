"""From a tracker's file and a folder of OpenPose's to an animation: read, matched, refined, written."""

import json

import joblib
import numpy as np
import pytest
from gltf_reader import GltfFile
from test_match_people import CLIPS, scene

import kitro_np
from kitro_np import match_people, read_estimates, read_keypoints

SIZE = 1280, 720
UP = np.array([1.0, -1.0, -1.0])
"""From the camera's axes to glTF's."""


def write_track(path, estimates):
    """A track file of PHALP: a dict for each frame, lists of people, by joblib."""
    focal = 5000 / 256 * max(SIZE)
    tree = {}
    for frame in range(int(estimates.frame.max()) + 1):
        rows = np.flatnonzero(estimates.frame == frame)
        # As large in the image with PHALP's focal length as with the scene's.
        far = estimates.transl[rows] * [1, 1, focal / estimates.intrinsics[0, 0, 0]]
        people = estimates.person[rows].tolist()
        tree[f"out/demo/{frame + 1:06d}.jpg"] = {
            "time": frame,
            "shot": 0,
            "tid": people,
            "tracked_ids": people,
            "tracked_time": [0] * len(rows),
            "bbox": [np.zeros(4)] * len(rows),
            "camera": list(far),
            "camera_bbox": [np.zeros(3)] * len(rows),
            "size": [[SIZE[1], SIZE[0]]] * len(rows),
            "smpl": [
                {
                    "global_orient": estimates.pose[row, :1],
                    "body_pose": estimates.pose[row, 1:],
                    "betas": estimates.betas[row],
                }
                for row in rows
            ],
        }
    joblib.dump(tree, path)


def write_openpose(folder, keypoints):
    """A file for each frame, people in the detector's order, missing points as zeros."""
    folder.mkdir()
    for frame in range(150):
        people = []
        for row in np.flatnonzero(keypoints.frame == frame):
            scored = np.column_stack([keypoints.points[row], keypoints.confidence[row]])
            people.append({"pose_keypoints_2d": np.nan_to_num(scored).ravel().tolist()})
        name = f"video_{frame:012d}_keypoints.json"
        (folder / name).write_text(json.dumps({"version": 1.3, "people": people}))


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Four people who cross, one unseen for 20 frames: read from files, and whose keypoints are whose."""
    folder = tmp_path_factory.mktemp("video")
    estimates, keypoints, expected = scene(1, None, "body25")
    write_track(folder / "demo.pkl", estimates)
    write_openpose(folder / "openpose", keypoints)
    return (
        read_estimates(folder / "demo.pkl"),
        read_keypoints(folder / "openpose", "body25"),
        expected,
    )


def test_each_person_has_the_right_keypoints_in_all_frames(read):
    estimates, keypoints, expected = read
    found = match_people(estimates, keypoints, kitro_np.load_body())
    np.testing.assert_array_equal(found.row, expected)


def test_animation_shows_the_refined_joints(read, tmp_path):
    estimates, keypoints, _ = read
    body = kitro_np.load_body()
    mine = match_people(estimates, keypoints, body).keypoints(estimates, keypoints)
    result = kitro_np.refine(
        estimates.pose,
        estimates.betas,
        estimates.transl,
        mine.points,
        estimates.intrinsics,
        confidence=mine.confidence,
        keypoint_layout=mine.layout,
        body=body,
    )
    seen = (mine.confidence > 0).any(axis=1)
    assert result.accepted[seen].mean() > 0.85 and not result.accepted[~seen].any()
    path = kitro_np.write(
        tmp_path / "people.glb", result, frame=estimates.frame, person=estimates.person, fps=30, tell=None
    )
    file = GltfFile(path)
    joints = body.joints(result.pose, result.betas, result.transl)
    for number in range(len(CLIPS)):
        (node,) = file.named(f"person_{number + 7}_mesh")
        for row in np.flatnonzero(estimates.person == number + 7)[::25]:
            _, placed = file.skinned(node, estimates.frame[row] / 30)
            np.testing.assert_allclose(placed, joints[row] * UP, atol=1e-3)
