"""`write`: what it takes and refuses, meshes, joints and labels, files written whole."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

import kitro_np
from kitro_np.arrays.rotations import matrix_from_axis_angle
from kitro_np.camera import project
from kitro_np.export.bodies import read_bodies
from kitro_np.export.registry import known_exports
from kitro_np.export.write import write
from kitro_np.formats.people import PeopleEstimates

UP = np.array([1.0, -1.0, -1.0])


@pytest.fixture(scope="module")
def body():
    return kitro_np.load_body()


@pytest.fixture(scope="module")
def data():
    return {name: part if name == "body" else part[:6] for name, part in kitro_np.example().items()}


@pytest.fixture(scope="module")
def bodies(data):
    return {name: data[name] for name in ("pose", "betas", "transl", "body")} | {"fps": 30.0}


def vertices_of(bodies, body):
    return body.forward(*(bodies[name].astype(float) for name in ("pose", "betas", "transl"))).vertices


def read_obj(path):
    rows = [line.split() for line in path.read_text().splitlines()]
    return (np.array([list(map(float, row[1:])) for row in rows if row[0] == "v"]),
            np.array([list(map(int, row[1:])) for row in rows if row[0] == "f"]) - 1)  # fmt: skip


def read_ply(path):
    head, data = path.read_bytes().split(b"end_header\n")
    lines = head.decode().splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    count, faces = (int(line.split()[2]) for line in lines if line.startswith("element"))
    triangles = np.frombuffer(data, [("n", "u1"), ("v", "<i4", 3)], offset=12 * count)
    assert len(triangles) == faces and np.all(triangles["n"] == 3)
    return np.frombuffer(data, "<f4", 3 * count).reshape(-1, 3), triangles["v"]


@pytest.mark.parametrize(("suffix", "read"), [(".obj", read_obj), (".ply", read_ply)])
def test_meshes_are_the_bodies(tmp_path, bodies, body, suffix, read):
    paths = write(tmp_path / f"mesh{suffix}", bodies, frame=range(10, 16))
    assert [path.name for path in paths] == [f"mesh_{frame:06d}{suffix}" for frame in range(10, 16)]
    truth = vertices_of(bodies, body)
    for path, vertices in zip(paths, truth, strict=True):
        written, faces = read(path)
        np.testing.assert_allclose(written, vertices * UP, atol=1e-6)
        np.testing.assert_array_equal(faces, body.faces)
    path = write(
        tmp_path / f"one{suffix}",
        {k: v[0] if k != "body" and k != "fps" else v for k, v in bodies.items()},
        up="camera",
    )
    assert path.name == f"one{suffix}"
    np.testing.assert_allclose(read(path)[0], truth[0], atol=1e-6)


def test_csv_has_the_joints_in_camera_space(tmp_path, bodies, body):
    person, frame = [1, 0, 1, 0, 1, 0], [2, 0, 1, 1, 0, 2]
    path = write(tmp_path / "joints.csv", bodies, frame=frame, person=person)
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 * 24
    assert [(row["frame"], row["person"]) for row in rows[::24]] == [
        ("0", "0"), ("0", "1"), ("1", "0"), ("1", "1"), ("2", "0"), ("2", "1"),
    ]  # fmt: skip
    joints = body.joints(*(bodies[name].astype(float) for name in ("pose", "betas", "transl")))
    where = {(f, p): row for row, (f, p) in enumerate(zip(frame, person, strict=True))}
    for row in rows:
        number = body.skeleton.joint_names.index(row["joint"])
        place = joints[where[int(row["frame"]), int(row["person"])], number]
        np.testing.assert_allclose([float(row[axis]) for axis in "xyz"], place, atol=1e-6)


def test_coco_has_the_pixels_of_the_projected_points(tmp_path, data, body):
    estimates = PeopleEstimates(
        *(data[name].astype(float) for name in ("pose", "betas", "transl")),
        frame=np.array([4, 4, 5, 5, 6, 6]),
        person=np.array([0, 1] * 3),
        intrinsics=data["intrinsics"].astype(float),
        body="open_v2",
        image_size=(1000, 480),
        image_name=np.array(["a.jpg", "a.jpg", "b.jpg", "b.jpg", "c.jpg", "c.jpg"]),
        fps=30.0,
    )
    document = json.loads(write(tmp_path / "labels.json", estimates, layout="smpl24").read_text())
    assert document["images"][1] == {"id": 5, "file_name": "b.jpg", "width": 1000, "height": 480}
    assert document["categories"][0]["keypoints"] == list(body.skeleton.joint_names)
    pixels = project(body.joints(estimates.pose, estimates.betas, estimates.transl), estimates.intrinsics)
    inside = np.all((pixels >= 0) & (pixels < (1000, 480)), axis=-1)
    assert np.all(inside.any(axis=1) & ~inside.all(axis=1))
    for row, annotation in enumerate(document["annotations"]):
        keypoints = np.reshape(annotation["keypoints"], (24, 3))
        np.testing.assert_array_equal(keypoints[:, 2], 2.0 * inside[row])
        np.testing.assert_allclose(keypoints[:, :2], pixels[row] * inside[row][:, None], atol=1e-3)
        assert annotation["num_keypoints"] == inside[row].sum()
        assert (annotation["image_id"], annotation["track_id"]) == (estimates.frame[row], row % 2)
        x, y, width, height = annotation["bbox"]
        np.testing.assert_allclose([x, y], pixels[row][inside[row]].min(axis=0), atol=1e-3)
        np.testing.assert_allclose([width, height], np.ptp(pixels[row][inside[row]], axis=0), atol=2e-3)
    coco = json.loads(write(tmp_path / "coco.json", estimates).read_text())
    assert coco["categories"][0]["keypoints"][5] == "left_shoulder"


def test_points_behind_the_camera_or_outside_the_image_have_no_place(tmp_path, data):
    bodies = {name: data[name][:2] for name in ("pose", "betas")} | {"body": "open"}
    transl = data["transl"][:2].copy()
    transl[0, 2], transl[1, 0] = -5, 100
    path = write(
        tmp_path / "a.json", bodies | {"transl": transl}, intrinsics=data["intrinsics"][:2],
        image_size=(1920, 1080), tell=None,
    )  # fmt: skip
    for annotation in json.loads(path.read_text())["annotations"]:
        assert annotation["num_keypoints"] == 0
        assert not any(annotation["keypoints"])


def test_results_estimates_and_arrays_are_written_alike(tmp_path, data, body):
    result = kitro_np.refine(**data)
    arrays = {name: np.asarray(getattr(result, name), float) for name in ("pose", "betas", "transl")}
    estimates = PeopleEstimates(
        **arrays, frame=np.arange(6), person=np.zeros(6, int), body="open_v2", fps=30.0
    )
    texts = [
        write(tmp_path / f"{number}.csv", one, fps=30).read_text()
        for number, one in enumerate(
            (result, replace(result, body=None), estimates, {**arrays, "body": body})
        )
    ]
    assert len(set(texts)) == 1


def test_leading_axes_are_frames_and_people(tmp_path, bodies):
    grid = {
        name: part.reshape(3, 2, *part.shape[1:])
        for name, part in bodies.items()
        if name not in ("body", "fps")
    }
    rows = write(tmp_path / "a.csv", grid | {"body": "open"}, fps=30).read_text().splitlines()[1::24]
    assert [row.split(",")[:2] for row in rows] == [
        ["0", "0"],
        ["0", "1"],
        ["1", "0"],
        ["1", "1"],
        ["2", "0"],
        ["2", "1"],
    ]


def test_gaps_are_filled_evenly(body):
    frame = np.arange(9)
    angles = np.stack([0.35 * frame, 0 * frame, 0 * frame], axis=-1)
    pose = np.tile(np.eye(3), (9, 24, 1, 1))
    pose[:, 0] = pose[:, 18] = matrix_from_axis_angle(angles)
    transl = np.stack([0.1 * frame, 0 * frame, 3 + 0.2 * frame], axis=-1)
    kept = [0, 1, 5, 8]
    parts = {"pose": pose[kept], "transl": transl[kept], "frame": frame[kept], "fps": 30}
    (person,) = read_bodies(parts, body, None, print).people()
    full = person.without_gaps()
    np.testing.assert_array_equal(full.frame, frame)
    np.testing.assert_allclose(full.pose, pose, atol=1e-12)
    np.testing.assert_allclose(full.transl, transl, atol=1e-12)


def test_bodies_that_are_not_finite_are_left_out_and_told(tmp_path, bodies):
    transl = bodies["transl"].copy()
    transl[2] = np.nan
    told = []
    path = write(tmp_path / "a.csv", bodies | {"transl": transl}, tell=told.append)
    assert told == ["1 of 6 bodies are left out: their pose, betas or transl is NaN or infinite."]
    assert len(path.read_text().splitlines()) == 1 + 5 * 24
    with pytest.raises(kitro_np.InputError, match="at least one body of finite numbers, got none of 6"):
        write(tmp_path / "b.csv", bodies | {"transl": transl * np.nan})


def test_frame_rate_that_is_assumed_is_told(tmp_path, bodies, capsys):
    unknown = {name: part for name, part in bodies.items() if name != "fps"}
    write(tmp_path / "a.bvh", unknown)
    assert "30 is assumed" in capsys.readouterr().out
    write(tmp_path / "b.bvh", unknown, tell=None)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "export", [one for one in known_exports() if one.name not in ("phalp", "kitro")], ids=lambda one: one.name
)
def test_no_file_is_overwritten_or_half_written(tmp_path, bodies, data, export, monkeypatch):
    one = {name: part[:1] if name not in ("body", "fps") else part for name, part in bodies.items()}
    path = tmp_path / f"a{export.suffix}"
    options = {"intrinsics": data["intrinsics"][:1], "tell": None}
    path.write_text("mine")
    with pytest.raises(kitro_np.InputError, match="expected a new file, got one that exists"):
        write(path, one, **options)
    assert path.read_text() == "mine"
    assert write(path, one, force=True, **options) == path
    first = path.read_bytes()
    assert write(path, one, force=True, format=export.name, **options).read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]
    assert export.name in write.__doc__ and export.suffix in write.__doc__
    with pytest.raises(kitro_np.InputError, match=rf"^options: expected .*{export.name}.*, got banana\.$"):
        write(path, one, banana=1, **options)


@pytest.mark.parametrize("suffix", [".obj", ".bvh"])
def test_all_names_are_checked_before_the_first_file_is_written(tmp_path, bodies, suffix):
    last = tmp_path / ("a_person_5.bvh" if suffix == ".bvh" else "a_000000_person_5.obj")
    last.touch()
    with pytest.raises(kitro_np.InputError, match="got one that exists"):
        write(tmp_path / f"a{suffix}", bodies, person=range(6), frame=np.zeros(6, int))
    assert list(tmp_path.iterdir()) == [last]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame": [0, 1, 2, 3, 4, 4]}, r"^frame: expected each frame once for person 0, got 4 twice\.$"),
        ({"frame": [0, 1]}, r"^frame: expected whole numbers of shape \(6,\), got int64 \(2,\)\.$"),
        ({"transl": np.zeros((5, 3))}, r"^transl: expected shape \(6, 3\), got \(5, 3\)\.$"),
        (
            {"betas": np.ones((6, 11))},
            r"^betas: expected at most 10, those of the body, got shape \(6, 11\)\.$",
        ),
        ({"fps": -1}, "^fps: expected a finite number of at least 0, got -1"),
        ({"fps": 0}, r"^fps: expected a positive number, got 0\.$"),
        ({"body": None}, '^body: expected the body of the betas, such as "smpl", got none'),
        ({"pose": None}, "^bodies: expected pose and any of betas, "),
        ({"poses": 1}, "^bodies: expected pose and any of betas, .*poses"),
    ],
)
def test_errors_are_one_sentence(tmp_path, bodies, change, message):
    with pytest.raises(kitro_np.InputError, match=message):
        write(tmp_path / "a.bvh", bodies | change)
    assert not list(tmp_path.iterdir())


def test_other_errors_are_one_sentence(tmp_path, bodies, body):
    for path, given, options, message in (
        ("a.fbx", bodies, {}, r"a\.fbx: expected a file name that ends in one of .*\.glb.*, got 'a\.fbx'\.$"),
        ("a.glb", bodies, {"format": "glbb"}, r"^format: .*did you mean 'glb'"),
        ("a.glb", bodies | {"body": body.skeleton}, {}, "^body: expected a BodyModel, which has a mesh"),
        (
            "a.json",
            bodies,
            {},
            "^intrinsics: expected camera matrices, which project the keypoints, got none",
        ),
        ("a.npz", bodies, {"joints": 30}, r"^joints: expected 24 or 52, got 30\.$"),
        ("a.bvh", bodies, {"unit": "mm"}, "^unit: expected one of cm, m, got 'mm'"),
        ("a.obj", bodies, {"up": "x"}, "^up: expected one of y, z, camera, got 'x'"),
        ("a.bvh", 7, {}, "^bodies: expected a RefineResult, RefinedPeople, .* or a mapping .*, got int"),
        ("a.obj", bodies, {"frame": [1] * 6}, "^frame: expected each frame once for a person, got one twice"),
        ("no/a.bvh", bodies, {}, "expected an existing folder"),
    ):
        with pytest.raises(kitro_np.InputError, match=message):
            write(tmp_path / path, given, tell=None, **options)
    assert not list(tmp_path.iterdir())
