"""Skinned, animated .glb files: read back, evaluated as the specification says, and validated."""

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gltf_reader import GltfFile

import kitro_np
from kitro_np.arrays.rotations import matrix_from_axis_angle
from kitro_np.camera import project
from kitro_np.export.glb import continuous
from kitro_np.formats.people import PeopleEstimates

UP = np.array([1.0, -1.0, -1.0])
"""From the camera's axes to glTF's, y up."""

FPS = 25.0

VALIDATE = """
const validator = require(process.argv[1]), fs = require("fs");
(async () => {
  for (const path of process.argv.slice(2)) {
    const report = await validator.validateBytes(new Uint8Array(fs.readFileSync(path)));
    console.log(JSON.stringify(report.issues));
  }
})();
"""


@pytest.fixture(scope="module")
def body():
    return kitro_np.load_body()


@pytest.fixture(scope="module")
def clip(body):
    """12 frames of one person, one shape."""
    data = kitro_np.example()
    return {"pose": data["pose"][:12], "betas": data["betas"][0], "transl": data["transl"][:12], "body": body}


@pytest.fixture(scope="module")
def people(clip):
    """Person 4 in all of 12 frames, person 9 in 3-5 and 9-11; their rows in no order."""
    rows = [3, 4, 5, 9, 10, 11]
    two = PeopleEstimates(
        pose=np.concatenate([clip["pose"][::-1], clip["pose"][rows]]).astype(float),
        betas=np.repeat([clip["betas"], -clip["betas"]], [12, 6], axis=0).astype(float),
        transl=np.concatenate([clip["transl"][::-1], clip["transl"][rows] + [0.8, 0, 0.5]]).astype(float),
        frame=np.concatenate([np.arange(12)[::-1], rows]) + 100,
        person=np.repeat([4, 9], [12, 6]),
        body="open_v2",
        fps=FPS,
    )
    return two.take(np.argsort(two.frame * 7 % 5, kind="stable"))


def validator():
    """Folder of the npm package gltf-validator; None where there is none."""
    if shutil.which("node") is None:
        return None
    roots = [os.environ.get("GLTF_VALIDATOR", "")]
    if shutil.which("npm"):
        done = subprocess.run(["npm", "root", "--global"], capture_output=True, text=True, check=False)
        roots.append(str(Path(done.stdout.strip()) / "gltf-validator"))
    return next((root for root in roots if (Path(root) / "package.json").is_file()), None)


def test_skin_and_joints_are_those_of_the_body(tmp_path, clip, body):
    told = []
    path = kitro_np.write(tmp_path / "walk.glb", clip, fps=FPS, tell=told.append)
    file = GltfFile(path)
    (node,) = file.named("person_0_mesh")
    betas = np.tile(clip["betas"], (12, 1))
    truth = body.forward(clip["pose"], betas, clip["transl"])
    for frame in range(12):
        vertices, joints = file.skinned(node, frame / FPS)
        np.testing.assert_allclose(vertices, truth.vertices[frame] * UP, atol=1e-5)
        np.testing.assert_allclose(joints, truth.joints[frame] * UP, atol=1e-5)
    joints = file.json["skins"][0]["joints"]
    assert tuple(file.nodes[joint]["name"] for joint in joints) == body.skeleton.joint_names
    assert told == []


def test_between_frames_no_joint_turns_the_long_way(tmp_path, clip):
    # The elbow turns twice about itself: its quaternions, with w >= 0, change sign on the way.
    turns = np.stack([np.linspace(0, 4 * np.pi, 12), np.zeros(12), np.zeros(12)], axis=-1)
    pose = np.array(clip["pose"])
    pose[:, 18] = matrix_from_axis_angle(turns)
    turned = kitro_np.write(tmp_path / "walk.glb", clip | {"pose": pose}, fps=FPS)
    file = GltfFile(turned)
    rotations = [part for (_, path), part in file.channels.items() if path == "rotation"]
    assert len(rotations) > 15
    for sampler in rotations:
        values = file.array(sampler["output"])
        assert np.all(np.sum(values[1:] * values[:-1], axis=1) > 0)


def test_signs_of_quaternions_are_continuous():
    angle = np.linspace(0, 4 * np.pi, 50)
    smooth = np.stack([np.cos(angle / 2), np.sin(angle / 2), 0 * angle, 0 * angle], axis=1)
    broken = np.where(smooth[:, :1] < 0, -smooth, smooth)
    np.testing.assert_array_equal(continuous(broken), smooth)


def test_people_have_their_own_frames_and_are_hidden_in_others(tmp_path, people, body):
    path = kitro_np.write(tmp_path / "two.glb", people)
    file = GltfFile(path)
    for person in (4, 9):
        (node,) = file.named(f"person_{person}_mesh")
        (place,) = file.named(f"person_{person}")
        rows = {int(frame): row for row, frame in enumerate(people.frame) if people.person[row] == person}
        for frame in range(100, 112):
            time = (frame - 100) / FPS
            shown = frame in rows
            scale = file.values(place, "scale", time)
            assert np.all(scale == float(shown)) if person == 9 else scale is None
            if shown:
                one = people.take([rows[frame]])
                truth = body.forward(one.pose, one.betas, one.transl)
                vertices, joints = file.skinned(node, time)
                np.testing.assert_allclose(vertices, truth.vertices[0] * UP, atol=1e-5)
                np.testing.assert_allclose(joints, truth.joints[0] * UP, atol=1e-5)
    assert len(file.json["animations"]) == 1


def test_camera_sees_the_pixels_of_the_video(tmp_path, clip, body):
    intrinsics = np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]])
    camera = {"intrinsics": intrinsics, "image_size": (1280, 720)}
    file = GltfFile(kitro_np.write(tmp_path / "a.glb", clip, fps=FPS, **camera))
    lens = file.json["cameras"][0]["perspective"]
    assert "translation" not in file.nodes[file.named("video_camera")[0]]
    joints = file.skinned(*file.named("person_0_mesh"), 0.0)[1]
    # The specification's projection, to the unit square with y up.
    half = np.tan(lens["yfov"] / 2) * -joints[:, 2]
    x, y = joints[:, 0] / (half * lens["aspectRatio"]), joints[:, 1] / half
    pixels = np.stack([(x + 1) / 2 * 1280, (1 - y) / 2 * 720], axis=-1)
    truth = body.joints(clip["pose"], np.tile(clip["betas"], (12, 1)), clip["transl"])
    np.testing.assert_allclose(pixels, project(truth, intrinsics[None])[0], atol=0.01)
    off_centre, unequal = intrinsics.copy(), intrinsics.copy()
    off_centre[0, 2] += 9
    unequal[0, 0] *= 1.1
    for other in (off_centre, unequal):
        path = kitro_np.write(tmp_path / "b.glb", clip, fps=FPS, force=True, **camera | {"intrinsics": other})
        assert "cameras" not in GltfFile(path).json


def test_pose_blend_shapes_left_out_are_told_in_mm(tmp_path, clip):
    body = kitro_np.load_body(correctives=True)
    told = []
    path = kitro_np.write(tmp_path / "walk.glb", clip, body=body, fps=FPS, tell=told.append)
    truth = body.forward(clip["pose"], np.tile(clip["betas"], (12, 1)), clip["transl"]).vertices * UP
    file = GltfFile(path)
    (node,) = file.named("person_0_mesh")
    skinned = np.stack([file.skinned(node, frame / FPS)[0] for frame in range(12)])
    worst = 1000 * np.linalg.norm(skinned - truth, axis=-1).max()
    assert worst > 3
    assert told == [
        f"person_0: vertices are off by up to {worst:.1f} mm: pose blend shapes are left out; "
        "bake=True corrects them."
    ]


def test_baked_morph_targets_correct_blend_shapes_and_changing_betas(tmp_path, clip):
    body = kitro_np.load_body(correctives=True)
    betas = clip["betas"] + np.linspace(-1, 1, 12)[:, None]
    told = []
    clip = clip | {"betas": betas}
    path = kitro_np.write(tmp_path / "b.glb", clip, body=body, fps=FPS, bake=True, tell=told.append)
    truth = body.forward(clip["pose"].astype(float), betas, clip["transl"])
    file = GltfFile(path)
    (node,) = file.named("person_0_mesh")
    for frame in range(12):
        vertices, joints = file.skinned(node, frame / FPS)
        np.testing.assert_allclose(joints, truth.joints[frame] * UP, atol=1e-5)
        assert np.linalg.norm(vertices - truth.vertices[frame] * UP, axis=1).max() < 2.1e-4
    assert len(told) == 1 and "morph targets correct the skin" in told[0]


def test_joints_follow_changing_betas_and_the_mesh_has_their_mean(tmp_path, clip, body):
    betas = clip["betas"] + np.linspace(-1, 1, 12)[:, None]
    told = []
    path = kitro_np.write(tmp_path / "b.glb", clip | {"betas": betas}, fps=FPS, tell=told.append)
    truth = body.joints(clip["pose"].astype(float), betas, clip["transl"])
    file = GltfFile(path)
    (node,) = file.named("person_0_mesh")
    for frame in range(12):
        np.testing.assert_allclose(file.skinned(node, frame / FPS)[1], truth[frame] * UP, atol=1e-5)
    rest = file.array(file.json["meshes"][0]["primitives"][0]["attributes"]["POSITION"])
    mean = body.v_template + body.shapedirs @ betas.mean(axis=0)
    np.testing.assert_allclose(rest, mean, atol=1e-6)
    assert len(told) == 1 and "the mesh has the mean of the betas" in told[0]


def test_more_than_four_weights_are_renormalised(tmp_path, clip, body):
    weights = np.array(body.weights)
    weights[:, :5] += 0.02
    weights /= weights.sum(axis=1, keepdims=True)
    told = []
    path = kitro_np.write(
        tmp_path / "w.glb", clip, body=replace(body, weights=weights), fps=FPS, tell=told.append
    )
    file = GltfFile(path)
    attributes = file.json["meshes"][0]["primitives"][0]["attributes"]
    np.testing.assert_allclose(file.array(attributes["WEIGHTS_0"]).sum(axis=1), 1, atol=1e-6)
    assert len(told) == 1 and "vertices keep the 4 largest weights" in told[0]


def test_files_are_valid(tmp_path, clip, people, body):
    folder = validator()
    if folder is None:
        pytest.skip(
            "no Khronos validator: npm install --global gltf-validator, or name its folder in GLTF_VALIDATOR"
        )
    blended = kitro_np.load_body(correctives=True)
    weights = np.array(body.weights)
    weights[:, :5] += 0.02
    one = {"pose": clip["pose"][0], "betas": clip["betas"], "transl": clip["transl"][0]}
    changing = clip | {"betas": clip["betas"] + np.linspace(-1, 1, 12)[:, None]}
    cases = {
        "clip": (clip, {}),
        "one": (one, {"body": body}),
        "camera": (
            clip,
            {"intrinsics": np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]]), "image_size": (1280, 720)},
        ),
        "people": (people, {}),
        "changing": (changing, {}),
        "baked": (changing, {"body": blended, "bake": True}),
        "baked one": (one, {"body": blended, "bake": True}),
        "weights": (clip, {"body": replace(body, weights=weights)}),
        "hand": ({"pose": np.zeros((3, 48)), "body": kitro_np.load_body("open_hand")}, {}),
    }
    paths = [
        kitro_np.write(tmp_path / f"{name}.glb", bodies, fps=FPS, tell=None, **options)
        for name, (bodies, options) in cases.items()
    ]
    done = subprocess.run(
        ["node", "-e", VALIDATE, folder, *map(str, paths)], capture_output=True, text=True, check=True
    )
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(reports) == len(cases)
    for name, issues in zip(cases, reports, strict=True):
        assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), (name, issues["messages"])


def test_same_bodies_give_the_same_bytes(tmp_path, people):
    first, second = (kitro_np.write(tmp_path / name, people) for name in ("a.glb", "b.glb"))
    assert first.read_bytes() == second.read_bytes()
