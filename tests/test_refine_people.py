"""People of files refined, kept whole, written back and converted; and what the commands say of files."""

import pickle
from dataclasses import replace

import joblib
import numpy as np
import pytest
from gltf_reader import GltfFile
from test_match_people import scene
from trackers import SIZE, write_openpose, write_track

import kitro_np
from kitro_np import InputError, load_body, read_estimates, refine_people
from kitro_np.arrays.rotations import axis_angle_from_matrix
from kitro_np.cli.main import main
from kitro_np.export.phalp import OWN_POINTS, _points
from kitro_np.keypoints.layouts import find_layout
from kitro_np.matching.project import project_people

FRAMES = 12


@pytest.fixture(scope="module")
def few():
    """Estimates and keypoints of the scene's first frames."""
    estimates, keypoints, _ = scene(3, None, "body25")
    return estimates.take(estimates.frame < FRAMES), keypoints.take(keypoints.frame < FRAMES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, few):
    folder = tmp_path_factory.mktemp("files")
    write_track(folder / "demo.pkl", few[0])
    write_openpose(folder / "openpose", few[1])
    return folder


@pytest.fixture(scope="module")
def people(folder):
    return refine_people(folder / "demo.pkl", folder / "openpose", body="open")


def run(capsys, *arguments, fails=False):
    capsys.readouterr()
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert (status != 0) == fails, err
    return err if fails else out


# --------------------------------------------------------------------------------------- a complete result


def test_a_complete_result_is_refined_and_drawn_again(tmp_path, people, capsys):
    path = people.save(tmp_path / "out.npz")
    result, again = kitro_np.RefineResult.load(path), refine_people(path)
    for name in ("pose", "betas", "transl", "status"):
        np.testing.assert_array_equal(getattr(result, name), getattr(people.result, name))
        np.testing.assert_array_equal(getattr(again.result, name), getattr(people.result, name))
    for name in ("pose", "betas", "transl", "frame", "person", "intrinsics"):
        np.testing.assert_array_equal(getattr(again.estimates, name), getattr(people.estimates, name))
    np.testing.assert_array_equal(again.keypoints.confidence, people.keypoints.confidence)
    assert again.estimates.image_size == SIZE and again.keypoints.layout == "body25"
    with np.load(path) as file:
        assert str(file["source"]).startswith("PHALP ") and str(file["version"]) == kitro_np.__version__

    run(capsys, "refine", path, "-o", tmp_path / "again.npz")
    np.testing.assert_allclose(
        kitro_np.RefineResult.load(tmp_path / "again.npz").pose, result.pose, atol=1e-6
    )
    drawn = read_estimates(path, refined=True)
    np.testing.assert_array_equal(drawn.pose, result.pose)
    run(capsys, "convert", path, "-o", tmp_path / "out.glb", "--fps", 25)
    kitro_np.write(tmp_path / "mine.glb", people, fps=25, tell=None)
    assert (tmp_path / "out.glb").read_bytes() == (tmp_path / "mine.glb").read_bytes()


def test_options_are_refines(folder, people):
    kitro = refine_people(people.estimates, people.keypoints, method="map", uncertainty=True, threads=1)
    assert kitro.result.joint_spread.shape == (len(people), 24)
    np.testing.assert_array_equal(kitro.result.pose, people.result.pose)
    with pytest.raises(InputError, match=r"^iterations: expected method='kitro'"):
        refine_people(people.estimates, people.keypoints, iterations=3)
    camera = 0.9 * people.estimates.intrinsics[0]
    camera[2, 2] = 1
    other = refine_people(people.estimates, people.keypoints, intrinsics=camera)
    np.testing.assert_array_equal(other.estimates.intrinsics[5], camera)
    assert "RefinedPeople(4 people" in repr(people) and len(people) == 4 * FRAMES


# -------------------------------------------------------------------------------------- PHALP's own file


def pickled(tree, path):
    path.write_bytes(pickle.dumps(tree))


@pytest.mark.parametrize("dump", [joblib.dump, pickled])
def test_phalps_file_comes_back_refined(tmp_path, few, people, dump):
    """With ghosts, masks and own joints: those are as far from where they were as the body is."""
    skeleton, layout = load_body().skeleton, find_layout("spin49", load_body())
    focal = 5000 / 256 * max(SIZE)

    def own_joints(pose, betas, transl):
        about = _points(skeleton, layout, pose[None], betas[None])[0]
        about = np.concatenate([about, about[8:9]])  # one that SPIN's layout lacks
        return about, focal / max(SIZE) * (about + transl)[:, :2] / (about + transl)[:, 2:] + 0.5

    def give(tree, path):
        for number, frame in enumerate(tree.values()):
            joints = [
                own_joints(np.concatenate([one["global_orient"], one["body_pose"]]), one["betas"], camera)
                for one, camera in zip(frame["smpl"], frame["camera"], strict=True)
            ]
            frame["3d_joints"] = [part[0].astype(np.float32) for part in joints]
            frame["2d_joints"] = [part[1].ravel() for part in joints]
            frame["mask"] = [{"size": [*SIZE], "counts": b"\x00ab"}] * len(joints)
            frame["scalar"] = np.float32(number)
            frame["tracked_time"] = [2 if number == 5 and row == 1 else 0 for row in range(len(joints))]
        dump(tree, path)

    write_track(tmp_path / "demo.pkl", few[0], give)
    found = refine_people(tmp_path / "demo.pkl", few[1], body="open")
    assert len(found) == len(few[0]) - 1
    said = []
    path = kitro_np.write(tmp_path / "out.pkl", found, tell=said.append)
    assert len(said) == 1 and "Masks" in said[0]

    before, after = joblib.load(tmp_path / "demo.pkl"), joblib.load(path)
    assert list(before) == list(after)
    placed = iter(zip(found.result.pose, found.result.betas, found.result.transl, strict=True))
    for number, (old, new) in enumerate(zip(before.values(), after.values(), strict=True)):
        assert list(old) == list(new) and new["mask"] == old["mask"] and new["scalar"] == number
        for row in range(len(old["tid"])):
            ghost = number == 5 and row == 1
            body = new["smpl"][row]
            pose = np.concatenate([body["global_orient"], body["body_pose"]])
            assert body["global_orient"].shape == (1, 3, 3)
            expected = (
                (few[0].pose[4 * number + row], few[0].betas[4 * number + row], old["camera"][row])
                if ghost
                else next(placed)
            )
            for one, other in zip((pose, body["betas"], new["camera"][row]), expected, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-12)
            about, flat = own_joints(*expected)
            np.testing.assert_allclose(new["3d_joints"][row][:OWN_POINTS], about[:OWN_POINTS], atol=1e-6)
            assert new["3d_joints"][row].dtype == np.float32
            np.testing.assert_allclose(
                new["2d_joints"][row].reshape(-1, 2)[:OWN_POINTS], flat[:OWN_POINTS], atol=1e-6
            )
    again = read_estimates(path, body="open")
    np.testing.assert_allclose(again.pose, found.result.pose, atol=1e-12)
    assert b"numpy._core" not in path.read_bytes()  # NumPy 1 does not know it


def test_what_cannot_go_back_to_phalp_is_said(tmp_path, folder, people):
    for given in (people.refined, people.result):
        with pytest.raises(InputError, match=r"^bodies: expected what refine_people returns, got \w+\.$"):
            kitro_np.write(tmp_path / "a.pkl", given, tell=None)
    moved = people.estimates.intrinsics.copy()
    moved[:, 0, 2] += 9
    off = replace(people, estimates=replace(people.estimates, intrinsics=moved))
    with pytest.raises(InputError, match=r"^intrinsics: expected PHALP's principal point, .* got another"):
        kitro_np.write(tmp_path / "a.pkl", off, tell=None)
    other = replace(people, estimates=replace(people.estimates, path=tmp_path / "b.pkl"))
    with pytest.raises(FileNotFoundError):
        kitro_np.write(tmp_path / "a.pkl", other, tell=None)
    tree = dict([*joblib.load(folder / "demo.pkl").items()][:5])
    with pytest.raises(InputError, match=r"^estimates: expected the file that was read, got another"):
        kitro_np.write(tmp_path / "a.pkl", people, original=tree, tell=None)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------- bodies, cameras, keypoints


def test_without_smpls_file_the_open_body_takes_its_place(tmp_path, folder, monkeypatch, capsys):
    from kitro_np.matching import known_body

    def load(name):
        if name == "smpl":
            raise FileNotFoundError(name)
        return load_body(name)

    monkeypatch.setattr(known_body, "load_body", load)
    people = refine_people(folder / "demo.pkl", folder / "openpose")
    assert people.estimates.stands_in and people.result.body_name == "open_v2"
    assert people.result.options["estimate"] == "network" and not people.estimates.betas.any()
    assert any(note.startswith("There is no file of smpl: open_v2 takes its place") for note in people.notes)
    # The root joint is where SMPL's is.
    root = people.estimates.transl + load_body().skeleton.joint_template[0]
    smpl = read_estimates(folder / "demo.pkl").transl + known_body.ROOTS["smpl"]
    np.testing.assert_allclose(root, smpl, atol=1e-12)
    error = run(
        capsys, "refine", folder / "demo.pkl", "--keypoints", folder / "openpose", "-o", tmp_path / "a.pkl",
        fails=True,
    )  # fmt: skip
    assert "expected SMPL, which PHALP's bodies are on, got another in its place" in error
    again = refine_people(people.save(tmp_path / "out.npz"))
    assert again.result.options["estimate"] == "network"
    np.testing.assert_array_equal(again.result.pose, people.result.pose)
    out = run(capsys, "convert", folder / "demo.pkl", "-o", tmp_path / "a.bvh")
    assert "open_v2 takes its place" in out and "wrote 4 files" in out


def test_keypoints_that_come_with_the_estimates_are_joined_by_identity(tmp_path, few):
    """WHAM's lie beside its bodies, for more frames and in another order; one is missing."""
    estimates, _ = few
    output, tracks = {}, {}
    for number in (8, 7):
        own = estimates.take(estimates.person == number)
        output[number] = {
            "pose": axis_angle_from_matrix(own.pose).reshape(-1, 72), "trans": own.transl,
            "betas": own.betas, "frame_ids": own.frame,
        }  # fmt: skip
        points = np.concatenate([np.full((FRAMES, 17, 2), 100.0 * number), np.ones((FRAMES, 17, 1))], axis=2)
        points[:, :, 0] += np.arange(FRAMES)[:, None]
        keep = np.arange(FRAMES) != 4
        tracks[number] = {"keypoints": points[keep], "frame_id": np.arange(FRAMES)[keep]}
    joblib.dump(output, tmp_path / "wham_output.pkl")
    joblib.dump({key: tracks[key] for key in (7, 8)}, tmp_path / "tracking_results.pth")
    people = refine_people(tmp_path / "wham_output.pkl", body="open", image_size=SIZE, safe=False)
    seen = people.estimates.frame != 4
    np.testing.assert_array_equal((people.keypoints.confidence > 0).all(axis=1), seen)
    expected = 100.0 * people.estimates.person + people.estimates.frame
    np.testing.assert_array_equal(people.keypoints.points[seen, 3, 0], expected[seen])
    np.testing.assert_allclose(people.estimates.intrinsics[0, 0, 0], np.hypot(*SIZE))


def test_own_2d_joints_that_the_camera_does_not_see_are_said(people):
    """A program's joints show the camera that its translation belongs to."""
    points = project_people(people.estimates, "coco17").points
    seen = np.ones(points.shape[:2])
    own = kitro_np.formats.people.PeopleKeypoints(points, seen, "coco17", people.estimates.frame)
    right = replace(people.estimates, joints_2d=own)
    assert (
        refine_people(right, people.keypoints).notes
        == refine_people(people.estimates, people.keypoints).notes
    )
    wrong = replace(right, joints_2d=replace(own, points=0.5 * points))
    (note,) = {*refine_people(wrong, people.keypoints).notes} - {*people.notes}
    assert note.startswith("PHALP's own 2D joints: Estimates and keypoints do not belong together")
    assert "resized" in note and "0.5" in note


def test_what_is_missing_is_said(tmp_path, folder, few, people):
    with pytest.raises(InputError, match=r"demo\.pkl: expected keypoints in it, or given \(--keypoints"):
        refine_people(folder / "demo.pkl", body="open")
    nowhere = replace(few[0], intrinsics=None, camera="its size is not known", path=None)
    with pytest.raises(
        InputError, match=r"^estimates: expected a camera, intrinsics or image_size, got none"
    ):
        refine_people(nowhere, few[1])
    assert refine_people(nowhere, few[1], image_size=SIZE).estimates.camera.startswith("focal length sqrt")
    with pytest.raises(InputError, match=r"^intrinsics: expected shape \(3, 3\) or \(48, 3, 3\), got \(2,\)"):
        refine_people(few[0], few[1], intrinsics=[1, 2])
    unnamed = replace(few[0], keypoints=replace(people.keypoints, layout=""))
    with pytest.raises(InputError, match="expected the layout of its 25 keypoints, got none"):
        refine_people(unnamed, body="open")
    np.testing.assert_array_equal(
        refine_people(unnamed, body="open", layout="body25").keypoints.points, people.keypoints.points
    )
    path = kitro_np.write(
        tmp_path / "amass.npz", people.refined.take(people.estimates.person == 7), tell=None
    )
    with pytest.raises(InputError, match="expected bodies in front of a camera, got a motion in the world"):
        refine_people(path, few[1], image_size=SIZE)


@pytest.mark.parametrize("suffix", [".npz", ".smpl"])
def test_a_motion_in_the_world_stands_upright(tmp_path, people, suffix):
    """AMASS has z up, smplcodec y: what is written from them is what is written from the bodies."""
    one = people.refined.take(people.estimates.person == 7)
    path = kitro_np.write(tmp_path / f"motion{suffix}", one, fps=30, tell=None)
    motion = read_estimates(path)
    ends = [
        kitro_np.write(tmp_path / f"{name}.glb", bodies, body="open", fps=30, tell=None)
        for name, bodies in (("direct", one), ("again", replace(motion, pose=motion.pose[:, :24])))
    ]
    roots = []
    for end in ends:
        file = GltfFile(end)
        (node,) = file.named(f"person_{7 if end is ends[0] else 0}_mesh")
        roots.append(file.skinned(node, 5 / 30)[1][:22])
    shift = roots[1][0] - roots[0][0]  # the mean shape of a file moves a body by millimetres
    np.testing.assert_allclose(roots[1] - shift, roots[0], atol=0.03)
    assert np.linalg.norm(shift) < 0.05
    assert roots[1][12, 1] > roots[1][0, 1] + 0.3  # the neck is above the pelvis


def test_a_cause_is_told_if_nobody_matches(few):
    """Of the keypoints as they are: those that match by chance tell nothing."""
    estimates, keypoints = few
    wide = np.array([1280.0, 720])
    for points, cause in (
        (keypoints.points / wide, "units of the image"),
        (0.5 * keypoints.points, "the keypoints' is 0.5 times"),
        (keypoints.points[..., ::-1], "x and y of the keypoints are exchanged"),
    ):
        notes = refine_people(estimates, replace(keypoints, points=points), body="open").notes
        assert any(cause in note for note in notes), notes
    later = replace(keypoints, frame=keypoints.frame + 1000)
    notes = refine_people(estimates, later, body="open").notes
    assert "No frame is the same: estimates are of frames 0 to 11, keypoints of 1000 to 1011." in notes
    notes = refine_people(estimates, replace(keypoints, frame=keypoints.frame + 1), body="open").notes
    assert any(note.startswith("Frames may be counted from 0 and from 1") for note in notes)


def test_paths_are_read_everywhere(folder, people):
    paths = folder / "demo.pkl", folder / "openpose"
    np.testing.assert_array_equal(kitro_np.match_people(*paths, "open").row, people.match.row)
    assert kitro_np.check_projection(*paths, "open").fits


def test_one_image_is_matched_by_its_name(folder, few, tmp_path):
    estimates = few[0].take(few[0].frame == 5)
    write_track(tmp_path / "one.pkl", replace(estimates, frame=np.zeros(len(estimates), int)))
    (tmp_path / "op").mkdir()
    source = sorted((folder / "openpose").iterdir())[5]
    (tmp_path / "op" / "000001_keypoints.json").write_bytes(source.read_bytes())
    assert (kitro_np.match_people(tmp_path / "one.pkl", tmp_path / "op", "open").row >= 0).all()


def test_rows_that_belong_together_stay_together(tmp_path, people):
    """Also where one identity is in a frame twice."""
    alike = replace(people.estimates, person=np.zeros(len(people), int))
    seen = replace(people.keypoints, person=alike.person)
    again = refine_people(replace(alike, keypoints=seen))
    alone = refine_people(people.estimates, people.keypoints, video=False)
    np.testing.assert_array_equal(again.result.pose, alone.result.pose)


def test_arguments_that_contradict_the_files_are_refused(people):
    with pytest.raises(InputError, match=r"^image_size: expected 1280 x 720, as .*demo\.pkl says, got 640 x"):
        refine_people(people.estimates, people.keypoints, image_size=np.array([640, 360]))
    with pytest.raises(InputError, match=r"^confidence: expected what the files hold, got another"):
        refine_people(people.estimates, people.keypoints, confidence=np.ones((48, 25)))
    same = refine_people(people.estimates, people.keypoints, image_size=np.array(SIZE))
    np.testing.assert_array_equal(same.result.pose, people.result.pose)
    notes = refine_people(replace(people.estimates, body="open_v1"), people.keypoints, body="open").notes
    assert any("is on open_v1 but bodies are refined on open_v2" in note for note in notes)


def test_a_motion_with_a_huge_gap_is_refused(tmp_path, people):
    two = replace(people.refined.take([0, 4]), frame=np.array([0, 2_000_000]))
    with pytest.raises(InputError, match=r"^frame: expected at most 1,000,000 frames .* got 2,000,001"):
        kitro_np.write(tmp_path / "gap.bvh", two, tell=None)


def test_own_arrays_are_written(tmp_path, people):
    """Of refined people all, of estimates what they are."""
    kitro_np.write(tmp_path / "all.npz", people)
    np.testing.assert_array_equal(kitro_np.RefineResult.load(tmp_path / "all.npz").pose, people.result.pose)
    kitro_np.write(tmp_path / "some.npz", people.estimates, format="kitro", fps=25)
    some = read_estimates(tmp_path / "some.npz")
    np.testing.assert_array_equal(some.transl, people.estimates.transl)
    assert some.body == "open_v2" and some.fps == 25 and some.image_size == SIZE
    kitro_np.write(tmp_path / "result.npz", people.result, format="kitro")
    np.testing.assert_array_equal(read_estimates(tmp_path / "result.npz").pose, people.result.pose)


# -------------------------------------------------------------------------------------------- commands


def test_inspect_says_what_a_file_is(tmp_path, folder, people, capsys):
    out = run(capsys, "inspect", folder / "demo.pkl")
    for text in (
        "of PHALP, 48 bodies", "4 people in 12 frames, 0 to 11", "smpl: 24 joints, 10 betas",
        "f 25000.0, centre (640.0, 360.0): focal length 5000 max(W, H) / 256", "1280 x 720",
        "none: give refine those of a detector",
    ):  # fmt: skip
        assert text in out
    out = run(capsys, "inspect", folder / "openpose")
    assert "of OpenPose, 48 rows of 25 points: body25" in out
    assert "at most 4 in 12 frames, 0 to 11; no identities" in out and "missing" in out
    path = people.save(tmp_path / "out.npz")
    out = run(capsys, "inspect", path)
    assert "of kitro_np, 48 bodies" in out and "48 rows of 25 points: body25" in out and "open_v2: 24" in out
    assert "Refined from PHALP" in out and "PHALP" in run(capsys, "inspect")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "got one that holds nothing" in run(capsys, "inspect", empty, fails=True)
    (tmp_path / "a.json").write_text('{"people": 3, "smpl": 4}')
    error = run(capsys, "inspect", tmp_path / "a.json", fails=True)
    assert "a.json: expected estimates or keypoints of a program that kitro-np inspect lists" in error
    assert "got a dict of people, smpl" in error and error.count("\n") == 1
    assert "expected a file" in run(capsys, "inspect", tmp_path / "no.pkl", fails=True)


def test_options_of_another_format_or_input_are_refused(tmp_path, folder, capsys):
    source = (folder / "demo.pkl", "--keypoints", folder / "openpose")
    for arguments, message in (
        (["-o", tmp_path / "a.bvh", "--bake"], "--bake: expected the format glb, got bvh."),
        (["-o", tmp_path / "a.fbx"], "a.fbx: expected a file name that ends in one of"),
        (["-o", tmp_path / "a.npz", "--to", "amas"], "to: expected one of amass, bvh,"),
        (["-o", tmp_path / "a.glb", "--format", "phal"], "did you mean 'phalp'?"),
        (["-o", tmp_path / "a.glb", "--keypoints-key", "x"], "--keypoints-key: expected an IN of arrays"),
        (["-o", tmp_path / "a.glb", "--layout", "coco"], "layout: expected one of"),
        (
            ["-o", tmp_path / "a.glb", "--intrinsics", 1, 1, 1, 1, "--focal-length", 3],
            "focal-length: expected none beside --intrinsics, got both.",
        ),
        (["-o", folder / "demo.pkl"], "--force"),
        (["-o", tmp_path / "a.npz", "--bake"], "--bake: expected another format than .npz"),
        (["-o", tmp_path / "a.glb", "--image-size", 640, 360], "image_size: expected 1280 x 720, as"),
    ):
        assert message in run(capsys, "refine", *source, *arguments, fails=True)
    demo, openpose = folder / "demo.pkl", folder / "openpose"
    for command, message in (
        (
            ["convert", demo, "-o", tmp_path / "a.pkl"],
            "expected refine to write phalp, got kitro-np convert.",
        ),
        (
            ["refine", openpose, "-o", tmp_path / "a.glb"],
            "got keypoints of OpenPose, which --keypoints takes.",
        ),
        (
            ["refine", demo, "--keypoints", demo, "-o", tmp_path / "a.glb"],
            "expected keypoints, got estimates of PHALP, which IN takes.",
        ),
    ):
        assert message in run(capsys, *command, fails=True)
    assert not list(tmp_path.iterdir())


def test_inspect_says_which_body_is_missing(tmp_path, capsys, monkeypatch):
    from kitro_np.formats.estimates_in import records

    def load(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(records, "load_body", load)
    parts = {"global_orient": np.zeros((2, 3)), "body_pose": np.zeros((2, 63)), "transl": np.ones((2, 3))}
    parts["betas"] = np.zeros((2, 10))
    tree = {
        "smpl_params_global": parts,
        "smpl_params_incam": parts,
        "K_fullimg": np.tile(np.eye(3), (2, 1, 1)),
    }
    joblib.dump(tree, tmp_path / "hmr4d_results.pkl")
    out = run(capsys, "inspect", tmp_path / "hmr4d_results.pkl")
    assert "of GVHMR" in out and "missing" in out and "expected a SMPL-X body for GVHMR" in out


def test_a_focal_length_converts_the_estimates(tmp_path, folder, people, capsys):
    run(
        capsys, "refine", folder / "demo.pkl", "--keypoints", folder / "openpose", "--body", "open",
        "--focal-length", 1000, "-o", tmp_path / "a.npz",
    )  # fmt: skip
    near = read_estimates(tmp_path / "a.npz")
    np.testing.assert_allclose(near.intrinsics[:, 0, 0], 1000)
    ratio = people.estimates.transl[:, 2] / near.transl[:, 2]
    np.testing.assert_allclose(ratio, 25, rtol=0.05)
    # PHALP's own file has PHALP's camera: there they are as far as they were.
    source = (folder / "demo.pkl", "--keypoints", folder / "openpose", "--body", "open")
    out = run(capsys, "refine", *source, "--focal-length", 1000, "-o", tmp_path / "a.pkl")
    assert "m away" not in out
    back, result = read_estimates(tmp_path / "a.pkl"), kitro_np.RefineResult.load(tmp_path / "a.npz")
    np.testing.assert_allclose(back.transl[:, 2], 25 * result.transl[:, 2])
    np.testing.assert_allclose(back.transl[:, :2], result.transl[:, :2])
    out = run(capsys, "refine", *source, "--each-frame", "-o", tmp_path / "far.glb")
    assert "--bake corrects them" in out and "bake=True" not in out
    assert "m away, as the estimates' focal length is 25000 pixels: --focal-length 1540 brings" in out


def test_arrays_become_an_animation(tmp_path, capsys):
    data = kitro_np.example()
    np.savez(tmp_path / "in.npz", **data, fps=np.array(25.0))
    out = run(capsys, "refine", tmp_path / "in.npz", "-o", tmp_path / "a.glb")
    assert "60 bodies refined by map" in out and "is assumed" not in out and "wrote" in out
    result = kitro_np.refine(**data)
    (node,) = GltfFile(tmp_path / "a.glb").named("person_0_mesh")
    _, placed = GltfFile(tmp_path / "a.glb").skinned(node, 10 / 25)
    np.testing.assert_allclose(placed, result.joints()[10] * [1, -1, -1], atol=1e-3)
