"""The command layouts: the list, the points of a layout, its picture, and the check of a file."""

import io

import numpy as np
import pytest
import smpl_files as make
from matplotlib.image import imread

from kitro_np import LAYOUTS, default_intrinsics, find_layout, load_body
from kitro_np.arrays.rotations import matrix_from_axis_angle
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.camera import project
from kitro_np.cli import layout_picture
from kitro_np.cli.layout_check import FEWEST_FACES
from kitro_np.cli.layout_picture import LETTER, LINE, PIXELS, place_labels
from kitro_np.cli.main import main
from kitro_np.keypoints.detectors import HAND_LAYOUTS, POINTS


def run(capsys, *arguments, status=0):
    """Run the command and return what it prints."""
    assert main(["layouts", *map(str, arguments)]) == status
    out, err = capsys.readouterr()
    assert err == ""
    return out


def fails(capsys, *arguments):
    """Run the command with a mistake, and return the sentence that it prints."""
    assert main(["layouts", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("kitro-np: error: ") and err.count("\n") == 1
    return err


def detected(body, name, sim, noise=2.0):
    """Detections of the true bodies in the order of a layout: (N, K, 2)."""
    layout, betas = find_layout(name, body), sim["GT_beta"].astype(float)
    posed = forward_kinematics(body.skeleton, sim["GT_theta"].astype(float), betas)
    joints = [max(joint, 0) for joint in layout.joints]
    offsets = layout.offsets + np.einsum("kcs,ns->nkc", layout.by_betas, betas)
    points = posed.joints[:, joints] + np.einsum("nkij,nkj->nki", posed.global_rotations[:, joints], offsets)
    keypoints = project(points + sim["GT_cam"][:, None], sim["intrinsics"].astype(float))
    return keypoints + np.random.default_rng(0).normal(0, noise, keypoints.shape)


@pytest.fixture
def write(tmp_path, sim, open_body):
    """Return a function that writes a file of keypoints, with estimates unless told otherwise."""

    def write(keypoints, *, estimates=False, **others):
        arrays = {"keypoints_2d": keypoints, **others}
        if estimates:
            arrays |= {key: sim[key] for key in ("pred_theta", "pred_beta", "pred_cam", "intrinsics")}
        np.savez(tmp_path / "in.npz", **arrays)
        return tmp_path / "in.npz"

    return write


# ------------------------------------------------------------------------------------------ list and table


def test_the_list_has_all_layouts(capsys):
    lines = run(capsys).splitlines()
    assert lines[0].split() == ["layout", "points", "written", "by"]
    assert [line.split()[0] for line in lines[1:]] == list(LAYOUTS)
    for line in lines[2:]:
        name, count, _ = line.split(maxsplit=2)
        assert int(count) == len(POINTS[name])
    assert max(map(len, lines)) < 80


@pytest.mark.parametrize("columns", ["50", "20"])
def test_the_list_on_a_narrow_terminal(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    lines = run(capsys).splitlines()
    assert len(lines) > len(LAYOUTS) + 1
    assert max(map(len, lines)) < 50
    assert {*LAYOUTS} <= {line.split()[0] for line in lines}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_table_of_a_layout(name, open_body, capsys):
    head, titles, *lines = run(capsys, name).splitlines()
    body = load_body("open_hand") if name in HAND_LAYOUTS else open_body
    layout = find_layout(name, body)
    assert head == f"{name} on the body {body.name}, {layout.num_points} points"
    assert titles.split() == ["#", "point", "landmark", "moved", "by", "spread"]
    rows = [line.split() for line in lines[: layout.num_points]]
    assert [row[:2] for row in rows] == [[str(k), point] for k, point in enumerate(layout.names)]
    for row, joint, spread in zip(rows, layout.joints, layout.spread, strict=True):
        expected = ["-", "-"] if joint < 0 else [body.skeleton.joint_names[joint], f"{spread:.1f}"]
        assert row[3:] == expected
    note = [f"{layout.joints.count(-1)} points are not on this body, and are not looked at."]
    assert lines[layout.num_points :] == (note if -1 in layout.joints else [])
    assert max(map(len, lines)) < 80


@pytest.mark.parametrize("name", ["coco17", "wholebody133"])
def test_a_layout_on_a_narrow_terminal(name, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    lines = run(capsys, name).splitlines()
    assert max(map(len, lines)) < 40
    words = " ".join(" ".join(lines).split())
    assert (
        " 0 nose: nose, moved by head, spread 1.0 1 left_eye: left_eye, moved by head, spread 1.0 2 " in words
    )
    for k, point in enumerate(POINTS[name]):
        assert f" {k} {point}: " in words


def test_names_are_accepted_in_any_case(capsys):
    assert run(capsys, "Body25") == run(capsys, "body25", "--body", "OPEN")


def test_wrong_names(tmp_path, capsys):
    assert "layout: expected one of smpl24, coco17, " in fails(capsys, "coco1")
    assert "got none; kitro-np layouts lists them." in fails(capsys, "-o", tmp_path / "a.png")
    assert "expected a layout of whole bodies" in fails(capsys, "hand21", "--body", "open")
    assert "expected 'smpl24', 'hand21' or" in fails(capsys, "coco17", "--body", "open_hand")


# --------------------------------------------------------------------------------------------- the picture


@pytest.mark.parametrize("name", ["body25", "wholebody133", "spin49", "hand21", "smpl24"])
def test_the_picture_shows_the_points_in_colours_of_their_sides(name, tmp_path, capsys):
    path = tmp_path / "points.png"
    assert run(capsys, name, "-o", path) == f"wrote {path}\n"
    picture = (255 * imread(path)[..., :3]).astype(int)
    assert picture.shape == (PIXELS, PIXELS, 3)
    red, green, blue = (picture[120:, :, channel] for channel in range(3))
    left, right = (blue > red + 60), (red > blue + 60)  # coloured, below the legend
    if name in HAND_LAYOUTS:
        assert not left.any() and not right.any()
    else:
        # From the front: the person's left is on the right.
        middle = slice(380, 620)
        columns = np.arange(PIXELS)[None]
        assert (left[:, middle] * columns[:, middle]).sum() / left[:, middle].sum() > PIXELS / 2
        assert (right[:, middle] * columns[:, middle]).sum() / right[:, middle].sum() < PIXELS / 2
        assert abs(left.sum() / right.sum() - 1) < 0.2
    skin = (abs(red - green) < 8) & (abs(red - blue) < 8) & (red < 250) & (red > 180)
    assert skin.mean() > 0.1
    capsys.readouterr()
    again = tmp_path / "again.png"
    run(capsys, name, "-o", again)
    assert again.read_bytes() == path.read_bytes()


def test_every_point_has_its_number(open_body):
    """On the whole body or on an enlarged part, once."""
    from matplotlib.figure import Figure

    for name, body in (
        ("wholebody133", open_body),
        ("spin49", open_body),
        ("hand21", load_body("open_hand")),
    ):
        figure, layout = Figure(figsize=(10, 10), dpi=100), find_layout(name, body)
        layout_picture.draw(figure, layout, body)
        numbers = [int(n) for axes in figure.axes for text in axes.texts for n in text.get_text().split(",")]
        assert sorted(numbers) == [k for k, joint in enumerate(layout.joints) if joint >= 0]


@pytest.mark.parametrize("count", [1, 12, 40])
def test_labels_do_not_overlap(count):
    random = np.random.default_rng(count)
    points = random.uniform(60, 340, (count, 2))
    texts = [str(number) for number in range(count)]
    labels = place_labels(points, texts, np.array([400, 400]), points)
    sizes = np.array([[LETTER * len(text) + 2, LINE] for text in texts])
    apart = np.abs(labels[:, None] - labels) >= (sizes[:, None] + sizes) / 2 - 1e-9
    assert np.all(apart.any(axis=-1) | np.eye(count, dtype=bool))
    assert np.all(labels > 0) and np.all(labels < 400)
    assert np.linalg.norm(labels - points, axis=1).max() < 60


def test_wrong_files_for_the_picture(tmp_path, monkeypatch, capsys):
    path = tmp_path / "a.png"
    path.write_text("mine")
    assert "expected a new file" in fails(capsys, "body25", "-o", path)
    assert path.read_text() == "mine"
    assert "expected a name that ends in .png" in fails(capsys, "body25", "-o", tmp_path / "a.jpg")
    assert "which does not exist" in fails(capsys, "body25", "-o", tmp_path / "no" / "a.png")
    run(capsys, "body25", "-o", path, "--force")
    monkeypatch.setattr(layout_picture, "find_spec", lambda name: None)
    assert "layouts: expected matplotlib to be installed, " in fails(capsys, "body25", "-o", path, "--force")


# ----------------------------------------------------------------------------------------------- the check


def check(capsys, path, *arguments, status=0):
    first, *sentences = run(capsys, *arguments, "--check", path, status=status).splitlines()
    assert first.startswith(f"{path}: ")
    assert all(sentence.endswith(".") for sentence in sentences)
    return [first.removeprefix(f"{path}: "), *sentences]


@pytest.mark.parametrize("name", [name for name in LAYOUTS[1:] if name not in HAND_LAYOUTS])
def test_every_layout_is_told_by_its_order(name, write, sim, open_body, capsys):
    path = write(detected(open_body, name, sim))
    number, fits, found, order, sides = check(capsys, path, name)
    count = len(POINTS[name])
    assert number == f"64 bodies of {count} points, without scores."
    assert fits.startswith(f"The number fits: {name} has {count} points")
    assert found == f"Of {count} points {count}.0 are found on average, each in some body."
    assert order == f"The order looks like that of {name}."
    assert sides.startswith("Left and right cannot be told without estimates")
    assert check(capsys, path)[3] == order


@pytest.mark.parametrize("name", HAND_LAYOUTS)
def test_the_order_of_a_hand(name, write, capsys):
    from kitro_np.simulate import simulate

    hand = load_body("open_hand")
    made = simulate(None, hand, count=20, seed=1).arrays()
    path = write(detected(hand, name, made, noise=0.5))
    for arguments in ((name,), ("--body", "open_hand")):
        assert check(capsys, path, *arguments)[3] == f"The order looks like that of {name}."
    alone = check(capsys, path, status=2)
    assert alone[1] == (
        "Number: no layout of this body has 21; on another --body hand21 and hand21_interhand have."
    )


def test_another_layout_of_the_same_number_is_named(write, sim, open_body, capsys):
    path = write(detected(open_body, "vitpose25", sim))
    sentences = check(capsys, path, "body25", status=2)
    assert sentences[1] == "The number fits: body25 has 25 points, as body25b and vitpose25 have."
    assert sentences[3] == "The order looks like that of vitpose25, not of body25."


def test_another_number_names_the_layouts_that_have_it(write, sim, open_body, capsys):
    path = write(detected(open_body, "h36m17", sim))
    sentences = check(capsys, path, "body25", status=2)
    assert sentences[1] == "The number does not fit: body25 has 25 points; coco17 and h36m17 have 17."
    assert sentences[3] == "The order looks like that of h36m17."
    path = write(np.ones((3, 27, 2)))
    assert check(capsys, path, status=2)[1] == "Number: no layout of this body has 27."
    path = write(sim["keypoints_2d"])
    assert check(capsys, path)[1] == "Number: smpl24 has 24."


def test_an_order_of_no_layout(write, sim, open_body, capsys):
    shuffled = np.random.default_rng(2).permutation(25)
    path = write(detected(open_body, "body25", sim)[:, shuffled])
    assert (
        check(capsys, path, status=2)[3]
        == "The order does not look like that of body25, body25b or vitpose25."
    )


def test_points_that_are_never_found(write, sim, open_body, capsys):
    keypoints = detected(open_body, "coco17", sim)
    keypoints[:, [3, 4]] = 0
    keypoints[::2, 9] = np.nan
    found = "Of 17 points 14.5 are found on average; never "
    assert check(capsys, write(keypoints), "coco17")[2] == f"{found}left_ear (3) and right_ear (4)."
    assert check(capsys, write(keypoints))[2] == f"{found}3 and 4."


def test_estimates_tell_left_and_right(write, sim, open_body, capsys):
    keypoints = detected(open_body, "coco17", sim)
    agree = check(capsys, write(keypoints, estimates=True), "coco17")[4]
    assert agree == "The keypoints agree with the estimates, in left and right too: in 64 of 64 bodies."
    exchanged = keypoints[:, list(find_layout("coco17", open_body).mirror)]
    told = check(capsys, write(exchanged, estimates=True), "coco17", status=2)[4]
    assert told == "The keypoints look as if left and right were exchanged throughout."
    strange = np.random.default_rng(0).permutation(64)
    told = check(capsys, write(keypoints[strange], estimates=True), "coco17", status=2)[4]
    assert told.startswith("The keypoints do not agree with the estimates: only in ")


def test_faces_tell_left_and_right(write, open_body, capsys):
    """Of people who face the camera, upright, lying and upside down; one who turns away has no scores."""
    layout = find_layout("coco17", open_body)
    count = 4 * FEWEST_FACES
    points = np.asarray(open_body.skeleton.joint_template)[list(layout.joints)] + layout.offsets
    turn = np.linspace(0, 2 * np.pi, count)
    keypoints = np.zeros((count, 17, 3))
    flat = points[:, :2] * [1, -1]
    for k, angle in enumerate(turn):
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        keypoints[k, :, :2] = 500 + 200 * flat @ rotation.T
    keypoints[..., 2] = np.random.default_rng(0).uniform(0.6, 0.9, (count, 17))
    assert check(capsys, write(keypoints), "coco17")[4] == (
        "Left and right look right: faces have their eyes so."
    )
    exchanged = keypoints[:, list(layout.mirror)]
    assert check(capsys, write(exchanged), "coco17", status=2)[4] == (
        "Left and right look exchanged, or the images are mirrored: faces have their eyes so."
    )
    mixed = np.concatenate([keypoints[::2], exchanged[::2]])
    assert check(capsys, write(mixed), "coco17", status=2)[4] == (
        "Left and right look right in some bodies and exchanged in others."
    )
    keypoints[:, :3, 2] = 0.05
    assert "cannot be told" in check(capsys, write(keypoints), "coco17")[4]


def test_scores_may_be_a_key_of_their_own(write, sim, open_body, capsys):
    keypoints = detected(open_body, "coco17", sim)
    path = write(keypoints, confidence=np.full((64, 17), 0.5))
    assert check(capsys, path, "coco17")[0] == "64 bodies of 17 points, with scores."


def test_one_body_and_none(write, sim, open_body, capsys):
    one, *_, order, _ = check(capsys, write(detected(open_body, "coco17", sim)[0]), "coco17")
    assert one == "1 body of 17 points, without scores."
    assert order == "The order looks like that of coco17."
    assert check(capsys, write(np.zeros((0, 17, 2))), "coco17", status=2) == [
        "0 bodies of 17 points, without scores.",
        "The number fits: coco17 has 17 points, as h36m17 has.",
    ]
    for missing in (0, np.nan):
        *_, nothing = check(capsys, write(np.full((9, 17, 2), float(missing))), "coco17", status=2)
        assert nothing.startswith("Of 17 points 0.0 are found on average; never nose (0), left_eye (1), ")


def test_a_file_of_3dpw_is_checked_with_its_own_keys(tmp_path, open_body, capsys):
    """Its detections are OpenPose's of the model COCO, with scores, beside true bodies."""
    frames, random = 20, np.random.default_rng(0)
    poses, trans = (
        random.normal(0, 0.2, (frames, 72)),
        np.array([0, 0, 4.0]) + random.normal(0, 0.1, (frames, 3)),
    )
    poses[:, :3] = [np.pi, 0, 0]
    intrinsics = default_intrinsics((1920, 1080))
    matrices = matrix_from_axis_angle(poses.reshape(frames, 24, 3))
    truth = {"GT_theta": matrices, "GT_beta": np.zeros((frames, 10)), "GT_cam": trans}
    keypoints = detected(open_body, "coco18", {**truth, "intrinsics": np.tile(intrinsics, (frames, 1, 1))})
    scored = np.concatenate([keypoints, np.full((frames, 18, 1), 0.8)], axis=-1)
    members = {
        "sequence": "made", "poses": [poses], "betas": [np.zeros(10)], "trans": [trans],
        "jointPositions": [np.zeros((frames, 72))], "poses2d": [scored.swapaxes(1, 2)],
        "campose_valid": [np.ones(frames)], "genders": ["f"], "cam_poses": np.tile(np.eye(4), (frames, 1, 1)),
        "cam_intrinsics": intrinsics, "img_frame_ids": np.arange(frames),
    }  # fmt: skip
    path = tmp_path / "made_00.pkl"
    make.write_pickle(path, members)
    assert check(capsys, path, "coco18") == [
        "20 bodies of 18 points, with scores.",
        "The number fits: coco18 has 18 points.",
        "Of 18 points 18.0 are found on average, each in some body.",
        "The order looks like that of coco18.",
        "The keypoints agree with the estimates, in left and right too: in 20 of 20 bodies.",
    ]


@pytest.mark.parametrize(
    ("keypoints", "message"),
    [
        (np.zeros((3, 27, 2, 5)), "keypoints_2d: expected shape (..., points, 2), or 3 with scores"),
        (np.zeros(5), "keypoints_2d: expected shape (..., points, 2), or 3 with scores"),
        (np.array(["a"]), "keypoints_2d: expected an array of numbers"),
    ],
)
def test_wrong_arrays_give_one_sentence(keypoints, message, write, capsys):
    assert message in fails(capsys, "--check", write(keypoints))


def test_wrong_files_give_one_sentence(write, tmp_path, capsys):
    path = write(np.zeros((2, 17, 2)), confidence=np.zeros((2, 16)))
    assert "confidence: expected shape (2, 17), one for each keypoint, got (2, 16)" in fails(
        capsys, "--check", path
    )
    assert "expected the key points, got keypoints_2d" in fails(
        capsys, "--check", path, "--keypoints-key", "points"
    )
    assert "expected a file, got none" in fails(capsys, "--check", tmp_path / "no.npz")
    (tmp_path / "a.txt").write_text("nothing")
    assert "expected a file in one of the formats" in fails(capsys, "--check", tmp_path / "a.txt")
    damaged = io.BytesIO()
    np.savez(damaged, keypoints_2d=np.zeros((2, 17, 2)))
    path.write_bytes(damaged.getvalue()[:-30])
    assert str(path) in fails(capsys, "--check", path)


def test_estimates_of_another_body_are_not_looked_at(write, sim, open_body, capsys):
    wrong = {key: sim[key] for key in ("pred_beta", "pred_cam", "intrinsics")}
    path = write(detected(open_body, "coco17", sim), pred_theta=np.zeros((64, 55, 3)), **wrong)
    assert check(capsys, path, "coco17")[4].startswith("The estimates could not be looked at; pose: expected")


def test_estimates_of_other_leading_shapes_are_none(write, sim, open_body, capsys):
    keypoints = detected(open_body, "coco17", sim)
    several = {key: np.stack([sim[key]] * 3) for key in ("pred_theta", "pred_beta", "pred_cam")}
    told = check(capsys, write(keypoints, intrinsics=sim["intrinsics"], **several), "coco17")[4]
    assert told == "Left and right cannot be told without estimates in the file, or scores of faces."
    fewer = {key: sim[key][:20] for key in ("pred_theta", "pred_beta", "pred_cam")}
    assert check(capsys, write(keypoints, intrinsics=sim["intrinsics"], **fewer), "coco17")[4] == told
