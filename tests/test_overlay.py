"""Pictures of people on their images: overlay in Python, render in files and on the command line."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import kitro_np
from kitro_np import InputError
from kitro_np.cli.main import main
from kitro_np.report import Look, overlay, render, shown_of, shown_of_file
from kitro_np.report.colours import BLANK, KEYPOINT
from kitro_np.report.images import Images, png_bytes, read_image

image = pytest.importorskip("PIL.Image")
SIZE = (1920, 1080)
README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="module")
def clip():
    """Six frames of the example, seen by a camera of full HD."""
    data = kitro_np.example()
    return {
        name: part if isinstance(part, str) else part[:6].astype(np.float32) for name, part in data.items()
    }


@pytest.fixture(scope="module")
def shown(clip):
    result = kitro_np.refine(**clip)
    return shown_of(
        result, estimate=(clip["pose"], clip["betas"], clip["transl"]), keypoints_2d=clip["keypoints_2d"],
        intrinsics=clip["intrinsics"], image_size=SIZE,
    )  # fmt: skip


@pytest.fixture(scope="module")
def file(clip, tmp_path_factory):
    path = tmp_path_factory.mktemp("result")
    np.savez(path / "in.npz", **clip)
    options = ["--image-size", *map(str, SIZE), "--focal-length", str(clip["intrinsics"][0, 0, 0])]
    assert main(["refine", str(path / "in.npz"), "-o", str(path / "out.npz"), *options]) == 0
    return path / "out.npz"


def drawn(picture, ground=BLANK):
    return np.any(picture != np.array(ground, np.uint8), axis=-1)


def test_the_readmes_lines_from_your_own_arrays_to_a_picture(clip, tmp_path, monkeypatch):
    """What the README promises to who knows Python and not this field."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [one for one in blocks if "before_after.png" in one]
    monkeypatch.chdir(tmp_path)
    names = {"kitro_np": kitro_np, **{name: clip[name] for name in clip if name != "body"}}
    exec(block, names)
    picture = read_image(tmp_path / "before_after.png")
    np.testing.assert_array_equal(picture, names["picture"])
    panels = np.split(picture, 3, axis=1)
    for k, one in enumerate(panels):
        assert drawn(one).mean() > 0.02
        assert np.any(one != panels[k - 1])


def test_a_body_lies_where_it_projects_to(shown):
    picture = overlay(None, shown, points=False, crop=False)
    where = drawn(picture)
    joints = shown.joints(shown.after)[0] @ shown.intrinsics[0].T
    for u, v in joints[:22, :2] / joints[:22, 2:]:  # hands' joints lie at their edge
        assert where[int(v), int(u)]
    assert where.mean() < 0.2


def test_the_image_is_kept_beside_people_and_mixed_beneath_them(shown):
    random = np.random.default_rng(0)
    ground = random.integers(0, 255, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    kept = ground.copy()
    full, half = (overlay(ground, shown, opacity=opacity, points=False) for opacity in (1.0, 0.5))
    np.testing.assert_array_equal(ground, kept)
    inside = drawn(overlay(None, shown, points=False, crop=False))
    outside = ~inside
    np.testing.assert_array_equal(full[outside], ground[outside])
    middle = np.zeros_like(inside)
    middle[1:-1, 1:-1] = inside[1:-1, 1:-1] & inside[2:, 1:-1] & inside[:-2, 1:-1]
    middle[1:-1, 1:-1] &= inside[1:-1, 2:] & inside[1:-1, :-2]
    expected = (full[middle].astype(float) + ground[middle]) / 2
    np.testing.assert_allclose(half[middle], expected, atol=2)
    np.testing.assert_array_equal(overlay(ground, shown, opacity=0, points=False), ground)


def test_keypoints_are_drawn_where_they_are(shown):
    picture = overlay(None, shown, panels="keypoints", crop=False)
    for u, v in shown.keypoints_2d[0]:
        near = picture[int(v) - 2 : int(v) + 3, int(u) - 2 : int(u) + 3]
        assert np.abs(near.astype(int) - KEYPOINT).sum(axis=-1).min() < 60


@pytest.mark.parametrize("mode", ["mesh", "skeleton"])
@pytest.mark.parametrize("panel", ["before", "after", "side", "keypoints"])
def test_every_panel_shows_something(shown, panel, mode):
    assert drawn(overlay(None, shown, panels=panel, mode=mode), (252, 252, 253)).mean() > 0.005


def test_bodies_that_are_not_finite_or_not_in_front_are_left_out(clip):
    result = kitro_np.refine(**clip)
    given = {**clip, "pose": clip["pose"].copy(), "transl": clip["transl"].copy()}
    given["pose"][0], given["transl"][1] = np.nan, (0, 0, -3)
    broken = kitro_np.refine(**given)
    known = {"intrinsics": clip["intrinsics"], "image_size": SIZE}
    for frame in (0, 1):
        assert not drawn(overlay(None, broken, frame=frame, **known)).any()
        assert drawn(overlay(None, result, frame=frame, **known)).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"panels": "truth"}, "panels: expected a result with ground truth for 'truth', got one without."),
        ({"panels": ()}, "panels: expected at least one, got none."),
        ({"panels": "afte"}, "panels: expected one of before, after, truth, keypoints, side, got 'afte'"),
        ({"mode": "wire"}, "mode: expected one of mesh, skeleton, got 'wire'."),
        ({"opacity": 2}, "opacity: expected a number from 0 to 1, got 2."),
        ({"frame": 99}, "frame: expected one with people, from 0 to 5, got 99."),
    ],
)
def test_wrong_options_are_one_sentence(shown, options, message):
    with pytest.raises(InputError) as error:
        overlay(None, shown, **options)
    assert str(error.value).startswith(message)


def test_images_of_another_size_or_kind_are_refused(shown):
    with pytest.raises(InputError, match=r"^image: expected 1920 x 1080 pixels, .* got 30 x 20\.$"):
        overlay(np.zeros((20, 30, 3), np.uint8), shown)
    with pytest.raises(InputError, match=r"^image: expected \(H, W, 3\) of uint8, got \(20, 30\) of float64"):
        overlay(np.zeros((20, 30)), shown)


# ------------------------------------------------------------------------------------------------- files


def test_pictures_of_a_folder_are_found_by_number_or_name(tmp_path):
    for number in (3, 12, 7):
        pixels = np.full((4, 6, 3), number, np.uint8)
        (tmp_path / f"img_{number:04d}.png").write_bytes(png_bytes(pixels))
    (tmp_path / "notes.txt").touch()
    images = Images(tmp_path)
    assert images.numbered(np.array([3, 7]))
    assert images.at(7, numbered=True)[0, 0, 0] == 7
    assert images.at(1)[0, 0, 0] == 7
    assert images.at(0, "elsewhere/img_0012.jpg")[0, 0, 0] == 12
    with pytest.raises(InputError, match="expected a picture of frame 9, got 3"):
        images.at(9)


def test_what_is_no_picture_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="expected a picture, got UnidentifiedImageError"):
        read_image(tmp_path / "a.png")
    with pytest.raises(FileNotFoundError):
        Images(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="expected pictures"):
        Images(tmp_path / "empty")
    large = image.new("1", (9000, 9000))
    large.save(tmp_path / "large.png")
    with pytest.raises(InputError, match="expected at most 64,000,000 pixels, got 9000 x 9000"):
        read_image(tmp_path / "large.png")


def test_render_writes_pictures_and_maps(file, tmp_path, capsys):
    out = tmp_path / "frames"
    assert main(["render", str(file), "-o", str(out), "--frame", "2", "--frame", "4", "--maps"]) == 0
    assert "wrote" in capsys.readouterr().out
    names = sorted(path.name for path in out.iterdir())
    stems = ("frame_000002", "frame_000004")
    assert names == sorted(f"{stem}{end}.png" for stem in stems for end in ("", "_depth", "_part", "_person"))
    shown = shown_of_file(file)
    with image.open(out / "frame_000002_depth.png") as opened:
        depth = np.asarray(opened)
    with image.open(out / "frame_000002_part.png") as opened:
        part = np.asarray(opened)
    assert np.array_equal(depth > 0, part > 0)
    joints = shown.joints(shown.after)[2]
    head = joints[15] @ shown.intrinsics[2].T
    u, v = (head[:2] / head[2]).astype(int)
    assert part[v, u] == 16
    assert abs(depth[v, u] / 1000 - joints[15, 2]) < 0.25
    assert main(["render", str(file), "-o", str(out), "--frame", "2"]) == 2
    assert "expected a new file" in capsys.readouterr().err
    assert main(["render", str(file), "-o", str(out), "--frame", "2", "--force"]) == 0


def test_render_draws_on_the_pictures_of_a_folder_and_refuses_others(file, tmp_path, capsys):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(6):
        ground = np.full((SIZE[1], SIZE[0], 3), 10 * number, np.uint8)
        (folder / f"{number:05d}.png").write_bytes(png_bytes(ground))
    out = tmp_path / "one.png"
    command = ["render", str(file), "--images", str(folder), "--panels", "after", "--frame", "3"]
    assert main([*command, "-o", str(out)]) == 0
    assert np.all(read_image(out)[0, :200] == 30)
    (folder / "00003.png").write_bytes(png_bytes(np.zeros((8, 8, 3), np.uint8)))
    assert main([*command, "-o", str(out), "--force"]) == 2
    assert "expected 1920 x 1080 pixels, as the bodies were seen in, got 8 x 8." in capsys.readouterr().err
    assert np.all(read_image(out)[0, :200] == 30)


def test_a_picture_is_as_large_as_its_people_or_as_the_image(shown, file, tmp_path):
    left, top, right, bottom = shown.take(np.array([2])).people_box()
    assert overlay(None, shown, frame=2).shape == (bottom - top, right - left, 3)
    ground = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    assert overlay(ground, shown).shape == ground.shape
    command = [
        "render",
        str(file),
        "--frame",
        "2",
        "--panels",
        "after",
        "before",
        "-o",
        str(tmp_path / "a.png"),
    ]
    assert main(command) == 0
    assert read_image(tmp_path / "a.png").shape == (bottom - top, 2 * (right - left), 3)
    assert main([*command, "--no-crop", "--force"]) == 0
    assert read_image(tmp_path / "a.png").shape == (SIZE[1], 2 * SIZE[0], 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "a.png", "--frame", "1", "--frame", "2"], "a.png: expected a folder for several frames"),
        (["-o", "a.png", "--frame", "9"], "--frame: expected a frame with people, from 0 to 5, got 9."),
        (["-o", "a.txt"], "a.txt: expected a folder, or a name that ends in .png, .mp4 or .gif, got .txt."),
        (["-o", "a.png", "--panels", "afte"], "--panels: expected one of before, after"),
    ],
)
def test_render_refuses_in_a_sentence(file, capsys, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["render", str(file), *options]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["render", "report"])
def test_a_file_that_is_not_refined_is_refused(file, tmp_path, capsys, command):
    out = str(tmp_path / {"render": "a.png", "report": "a.html"}[command])
    assert main([command, str(file.with_name("in.npz")), "-o", out]) == 2
    assert "run kitro-np refine on it first." in capsys.readouterr().err


def test_render_warns_of_a_still_and_of_another_camera(file, shown, tmp_path, capsys):
    still = tmp_path / "still.png"
    still.write_bytes(png_bytes(np.zeros((SIZE[1], SIZE[0], 3), np.uint8)))
    assert main(["render", str(file), "--images", str(still), "-o", str(tmp_path / "a.png")]) == 0
    assert (
        f"{still}: one picture, and the result has 6 frames: frame 0 is drawn on it."
        in capsys.readouterr().out
    )
    still.write_bytes(png_bytes(np.zeros((90, 160, 3), np.uint8)))
    told = []
    unknown = replace(shown, image_size=None)
    look = Look(panels=("after",))
    render(tmp_path / "b.png", unknown, still, look=look, frames=[3], tell=told.append)
    assert told[1].startswith(
        f"{still}: pictures of 160 x 90 pixels, and the camera's centre is that of 1920 x"
    )


@pytest.mark.parametrize(("suffix", "rate"), [(".mp4", 30), (".gif", 100 / 3)])
def test_render_writes_videos_that_read_back(shown, file, tmp_path, capsys, suffix, rate):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    path = tmp_path / f"walk{suffix}"
    assert main(["render", str(file), "-o", str(path), "--panels", "after", "--fps", "30"]) == 0
    assert (f"{path}: 33.3 frames per second" in capsys.readouterr().out) == (suffix == ".gif")
    assert sorted(tmp_path.iterdir()) == [path]
    assert next(ffmpeg.read_frames(str(path)))["fps"] == pytest.approx(rate, abs=0.05)
    images = Images(path)
    first, last = images.at(0), images.at(5)
    box = shown.people_box()
    assert first.shape[0] - (box[3] - box[1]) in (0, 1)
    expected = overlay(None, shown.take(np.array([5])).cut(box), panels="after", crop=False)
    near = last[: expected.shape[0], : expected.shape[1]].astype(int) - expected
    assert np.abs(near).mean() < 4
    with pytest.raises(InputError, match="expected frame 6, got 6 frames"):
        images.at(6)


def test_a_video_is_no_wider_than_players_take(shown, tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    counted = []
    look = Look(("before", "after", "keypoints"), crop=False)
    path = tmp_path / "wide.mp4"
    assert render(path, shown, look=look, frames=[0], progress=counted.append) == [path]
    assert counted == [1]
    picture = Images(path).at(0)
    assert picture.shape == (720, 3840, 3)
    u, v = np.round(shown.keypoints_2d[0, 15] * 2 / 3).astype(int)  # the head's, on the second panel
    assert (
        np.abs(picture[v - 1 : v + 2, 1280 + u - 1 : 1280 + u + 2].astype(int) - KEYPOINT).sum(axis=-1).min()
        < 90
    )


def test_a_link_to_a_video_stays_a_link(shown, tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    link = tmp_path / "link.mp4"
    link.symlink_to(tmp_path / "walk.mp4")
    written = render(link, shown, look=Look(("after",), crop=True), frames=[0])
    assert link.is_symlink()
    assert written == [tmp_path / "walk.mp4"]
    assert b"ftyp" in written[0].read_bytes()[:16]


def test_a_video_that_fails_leaves_nothing(shown, tmp_path):
    pytest.importorskip("imageio_ffmpeg")

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(tmp_path / "walk.mp4", shown, look=Look(("after",), crop=True), progress=stop)
    assert not list(tmp_path.iterdir())
