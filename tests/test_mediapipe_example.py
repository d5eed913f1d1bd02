"""examples/07_video_with_mediapipe.py: from a video to .glb, with stand-ins for MediaPipe and OpenCV.

The stand-ins see a real person: MediaPipe's detections in the packaged example, in pixels as they are, and in
metres as the bodies have them that were fitted to its landmarks.
"""

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from gltf_reader import GltfFile

import kitro_np
from kitro_np.arrays.rotations import matrix_from_axis_angle
from kitro_np.camera import project
from kitro_np.points.problem import PointsProblem

SCRIPT = Path(__file__).parents[1] / "examples" / "07_video_with_mediapipe.py"

WIDTH, HEIGHT, FPS = 1080, 1920, 30.0

FRAMES = np.array([2, 3, 4, 5, 6, 10, 11, 12, 13, 14])
"""Frames of the video with a person, of 16."""

UP = np.array([1.0, -1.0, -1.0])
"""From the camera's axes to glTF's, y up."""

SHARED = {11: 16, 12: 17, 13: 18, 14: 19, 15: 20, 16: 21, 25: 4, 26: 5, 27: 7, 28: 8}
"""Landmarks that are near joints of the body: shoulders, elbows, wrists, knees and ankles."""


@pytest.fixture(scope="module")
def person():
    """Landmarks: x and y in units of the image with visibility, and metres about the hips; true joints."""
    data = np.load(Path(kitro_np.__file__).parent / "data" / "balancing.npz")
    rows = np.flatnonzero(data["camera"] == 1)[:: 100 // len(FRAMES)]
    body = kitro_np.load_body(str(data["body"]))
    layout = kitro_np.find_layout("mediapipe33", body)
    problem = PointsProblem(body.skeleton, layout, np.zeros((len(rows), 33, 3)), np.ones((len(rows), 33)))
    pose = matrix_from_axis_angle(data["mediapipe_theta"][rows].astype(np.float64))
    world = problem.place(pose, np.zeros((len(rows), 10))).points
    world = np.random.default_rng(0).normal(world - world[:, [23, 24]].mean(axis=1, keepdims=True), 0.01)
    seen = data["keypoints_mediapipe33"][rows] / [WIDTH, HEIGHT, 1]
    truth = (data[f"GT_{name}"][rows].astype(np.float64) for name in ("theta", "beta", "cam"))
    return seen, world, body.joints(*truth)


@pytest.fixture
def stand_ins(monkeypatch, person):
    """Put modules in the place of mediapipe and cv2; return what they were asked."""
    asked = SimpleNamespace(times=[], closed=False)

    class Capture:
        def __init__(self, video):
            self.left = {"walk.mp4": 16, "empty.mp4": 2}.get(video, 0)

        def get(self, name):
            return FPS if self.left and name == "fps" else 0.0

        def read(self):
            self.left -= 1
            there = self.left >= 0
            return there, np.broadcast_to(np.uint8(0), (HEIGHT, WIDTH, 3)) if there else None

    class Landmarker:
        def __init__(self, video):
            self.number = -1

        def __enter__(self):
            return self

        def __exit__(self, *_):
            asked.closed = True

        @classmethod
        def create_from_options(cls, options):
            assert options.mode == "video"
            if options.base.model == "none.task":
                raise FileNotFoundError("Unable to open file at none.task")
            if options.base.model == "walk.mp4":
                raise RuntimeError("Unable to open zip archive.")
            return cls(options.base.model)

        def detect_for_video(self, image, time):
            assert image.format == "srgb" and image.data == "in RGB"
            assert isinstance(time, int)
            asked.times.append(time)
            self.number += 1
            result = SimpleNamespace(pose_landmarks=[], pose_world_landmarks=[])
            if self.number in FRAMES:
                row = FRAMES.tolist().index(self.number)
                two, three = (part[row] for part in person[:2])
                result.pose_landmarks.append(
                    [SimpleNamespace(x=x, y=y, z=0.1, visibility=score) for x, y, score in two.tolist()]
                )
                result.pose_world_landmarks.append(
                    [SimpleNamespace(x=x, y=y, z=z, visibility=1.0) for x, y, z in three.tolist()]
                )
            return result

    def convert(image, code):
        assert image.shape == (HEIGHT, WIDTH, 3) and code == "bgr to rgb"
        return "in RGB"

    vision = SimpleNamespace(
        PoseLandmarker=Landmarker,
        PoseLandmarkerOptions=lambda base, mode: SimpleNamespace(base=base, mode=mode),
        RunningMode=SimpleNamespace(VIDEO="video"),
    )
    modules = {
        "cv2": {
            "VideoCapture": Capture, "CAP_PROP_FPS": "fps", "COLOR_BGR2RGB": "bgr to rgb", "cvtColor": convert
        },
        "mediapipe": {
            "Image": lambda form, data: SimpleNamespace(format=form, data=data),
            "ImageFormat": SimpleNamespace(SRGB="srgb"),
        },
        "mediapipe.tasks": {},
        "mediapipe.tasks.python": {
            "vision": vision, "BaseOptions": lambda model: SimpleNamespace(model=model)
        },
    }  # fmt: skip
    for name, content in modules.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    return asked


@pytest.fixture
def run(monkeypatch):
    """Run the script with arguments; return what it wrote."""
    written, write = [], kitro_np.write

    def spy(path, result, **options):
        written.append(result)
        return write(path, result, **options)

    def script(*arguments):
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
        monkeypatch.setattr(kitro_np, "write", spy)
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return written[-1]

    return script


def test_from_a_video_to_an_animation(run, stand_ins, person, capsys, tmp_path):
    result = run("walk.mp4", "pose.task", tmp_path / "walk.glb")
    assert "10 bodies refined by map" in capsys.readouterr().out
    assert result.accepted.all() and np.median(result.reprojection_error) < 15
    assert stand_ins.times == [round(1000 * frame / FPS) for frame in range(16)]
    assert stand_ins.closed

    file = GltfFile(tmp_path / "walk.glb")
    (mesh,), (place,) = file.named("person_0_mesh"), file.named("person_0")
    joints = np.stack([file.skinned(mesh, frame / FPS)[1] for frame in FRAMES - FRAMES[0]]) * UP
    # The file has one shape for all frames.
    np.testing.assert_allclose(joints, result.joints(), atol=0.04)
    assert np.abs(joints - result.joints()).mean() < 0.01
    camera = kitro_np.default_intrinsics((WIDTH, HEIGHT))
    landmarks = person[0][..., :2] * [WIDTH, HEIGHT]
    away = project(joints, camera[None])[:, list(SHARED.values())] - landmarks[:, list(SHARED)]
    height = np.median(np.ptp(landmarks[..., 1], axis=1))
    assert np.linalg.norm(away, axis=-1).mean() < 0.025 * height

    scales = [file.values(place, "scale", (frame - FRAMES[0]) / FPS)[0] for frame in range(2, 15)]
    assert scales == [float(frame in FRAMES) for frame in range(2, 15)]


def test_the_animation_is_of_the_person(run, stand_ins, person, tmp_path):
    """As near to the truth as one camera sees it, with an unknown focal length."""
    result = run("walk.mp4", "pose.task", tmp_path / "walk.glb")
    joints, truth = (
        part[:, 1:22] - part[:, [1, 2]].mean(axis=1, keepdims=True) for part in (result.joints(), person[2])
    )
    assert np.linalg.norm(joints - truth, axis=-1).mean() < 0.11
    chest_over_feet = joints[:, 8, 1] - joints[:, [6, 7], 1].mean(axis=1)
    assert (chest_over_feet < -0.7).all()  # y points down


@pytest.mark.parametrize(
    ("video", "model", "message"),
    [
        ("empty.mp4", "pose.task", "empty.mp4: no person in any frame."),
        ("notes.txt", "pose.task", "notes.txt: not a video that OpenCV can read."),
        ("walk.mp4", "none.task", "none.task: not a model of MediaPipe's pose landmarker. Unable to open"),
        ("walk.mp4", "walk.mp4", "walk.mp4: not a model of MediaPipe's pose landmarker. Unable to open zip"),
    ],
)
def test_what_it_cannot_use(run, stand_ins, tmp_path, video, model, message):
    with pytest.raises(SystemExit, match=f"^{message}"):
        run(video, model, tmp_path / "walk.glb")


@pytest.mark.parametrize("name", ["cv2", "mediapipe"])
def test_without_mediapipe(run, stand_ins, monkeypatch, tmp_path, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SystemExit, match="needs MediaPipe, pip install mediapipe: .*" + name):
        run("walk.mp4", "pose.task", tmp_path / "walk.glb")
