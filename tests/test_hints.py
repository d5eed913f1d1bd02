"""What the input looks like where method map refuses or puts right most of it: mistakes made, and found."""

import json
import re

import numpy as np
import pytest
from bodies import Batch
from scipy.spatial.transform import Rotation
from test_cli import fails

import kitro_np
from kitro_np import InputError, RefineResult, Skeleton, find_layout, refine
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.camera import project
from kitro_np.cli.main import main
from kitro_np.posterior.facing import reflected
from kitro_np.posterior.projection import place_points, points_on
from kitro_np.posterior.swaps import assignments
from kitro_np.refinement import hints
from kitro_np.simulate import simulate

COUNT = 24

HINT = "The keypoints look as if x and y were exchanged."
"""What most tests of the form use."""

DOWN, LEFT = np.array([1, -1]), np.array([-1, 1])


@pytest.fixture(scope="module")
def simulated():
    return simulate(count=COUNT, seed=2)


@pytest.fixture(scope="module")
def batch(simulated):
    """Estimates in float64, and keypoints as noisy as a detector's."""
    return (
        Batch(*simulated.estimates)
        .astype(np.float64)
        ._replace(
            pose=simulated.pose.astype(np.float64),
            keypoints_2d=simulated.keypoints_2d_noisy,
            intrinsics=simulated.intrinsics,
        )
    )


@pytest.fixture(scope="module")
def detected(simulated, open_body):
    """Keypoints of a detector, by its layout."""

    def keypoints(layout):
        pose, betas, transl = (
            part.astype(np.float64)
            for part in (simulated.true_pose, simulated.true_betas, simulated.true_transl)
        )
        points = points_on(open_body.skeleton, find_layout(layout, open_body), pose)
        placed = place_points(open_body.skeleton, points, pose, betas, transl).points
        camera = simulated.intrinsics.copy()
        camera[:, 0, 0] = camera[:, 1, 1] = simulated.true_focal
        return project(placed, camera)

    return keypoints


def size_of(batch):
    """Width and height of each image: (N, 1, 2)."""
    return 2 * batch.intrinsics[:, None, :2, 2]


def centre_of(batch):
    return batch.intrinsics[:, None, :2, 2]


def extent_of(keypoints):
    return np.ptp(keypoints, axis=1).max(axis=1)[:, None, None]


# ------------------------------------------------------------------------------ mistakes about the keypoints

OF_KEYPOINTS = {
    "0 to 1": (lambda k, b: k / size_of(b), r"normalised, from -?0\.\d\d to \d\.\d\d; pixels"),
    "-1 to 1": (lambda k, b: 2 * k / size_of(b) - 1, r"normalised, from -\d\.\d\d to \d"),
    "row, column": (lambda k, b: k[..., ::-1], "x and y were exchanged"),
    "y from the bottom": (lambda k, b: k * DOWN + size_of(b) * [0, 1], "y pointed up"),
    "negative y": (lambda k, b: k * DOWN, "y pointed up"),
    "y up from the centre": (lambda k, b: (k - centre_of(b)) * DOWN, "y pointed up"),
    "from the centre": (lambda k, b: k - centre_of(b), "measured from the principal point"),
    "mirrored": (lambda k, b: k * LEFT + size_of(b) * [1, 0], "a mirrored image"),
    "longer focal length": (lambda k, b: centre_of(b) + 2 * (k - centre_of(b)), r"look 2\.0\d times"),
    "shorter focal length": (lambda k, b: centre_of(b) + (k - centre_of(b)) / 2, r"look 0\.(4|5)\d times"),
    "smaller image": (lambda k, b: k / 2, r"an image 0\.(49|50|51) times as large"),
    "larger image": (lambda k, b: 3 * k, r"an image (2\.9|3\.0)\d times as large"),
    "part of the image": (lambda k, b: k - [310, 170], r"shifted by \(-3[01]\d, -1[678]\d\) pixels"),
    "smaller part": (lambda k, b: (k - [400, 200]) / 2, r"scaled by 0\.(4|5)\d and shifted by \(-\d"),
    "crop around each": (
        lambda k, b: 112 + 180 * (k - k.mean(axis=1, keepdims=True)) / extent_of(k),
        "a crop around each person",
    ),
}  # fmt: skip
"""What is made of the keypoints, and what the hint must say."""


@pytest.mark.parametrize(("spoil", "hint"), OF_KEYPOINTS.values(), ids=OF_KEYPOINTS)
def test_keypoints_in_other_coordinates(batch, spoil, hint):
    found = refine(*batch._replace(keypoints_2d=spoil(batch.keypoints_2d, batch)))
    assert_hint(found, hint)


def assert_hint(found, hint, *, refused=True):
    assert re.search(hint, found.hint), found.hint
    assert found.hint.endswith((".", "?"))
    assert found.summary().endswith(f". {found.hint}")
    assert (2 * np.sum(found.accepted) < COUNT) == refused


def test_a_mirrored_image_in_which_a_detector_found_left_and_right(batch, open_body, detected):
    for layout, keypoints in (("smpl24", batch.keypoints_2d), ("h36m17", detected("h36m17"))):
        order = list(find_layout(layout, open_body).mirror)
        image = keypoints[:, order] * LEFT + size_of(batch) * [1, 0]
        found = refine(*batch._replace(keypoints_2d=image), keypoint_layout=layout)
        assert_hint(found, "a mirrored image")


def test_sides_that_cannot_be_put_right_one_by_one(batch, open_body):
    """Where of each pair only one keypoint is visible, its side is part of the hypothesis, not of the fit."""
    confidence = np.ones((COUNT, 24))
    left = [k for k, twin in enumerate(find_layout("smpl24", open_body).mirror) if twin > k]
    confidence[:, left] = 0
    order = list(find_layout("smpl24", open_body).mirror)
    spoiled = batch._replace(keypoints_2d=batch.keypoints_2d[:, order])
    found = refine(*spoiled, confidence=confidence[:, order])
    assert_hint(found, "left and right were exchanged throughout")


@pytest.mark.parametrize(("told", "true"), [("coco17", "h36m17"), ("h36m17", "coco17")])
def test_points_of_another_layout(batch, detected, told, true):
    found = refine(*batch._replace(keypoints_2d=detected(true)), keypoint_layout=told)
    assert_hint(found, f"in the layout '{true}', not '{told}'")


def test_points_in_the_order_of_openpose(batch, detected, open_body):
    """Its BODY_25 begins with the same points and a neck, which COCO has not, and mid_hip."""
    coco, body25 = (find_layout(name, open_body).names for name in ("coco17", "body25"))
    order = [coco.index(name) for name in body25 if name in coco]
    assert len(order) == 17
    found = refine(*batch._replace(keypoints_2d=detected("coco17")[:, order]), keypoint_layout="coco17")
    assert_hint(found, "in OpenPose's order")


# ------------------------------------------------------------------------------ mistakes about the estimates


def test_lengths_and_angles_in_other_units(batch):
    for factor, unit in ((1000, "millimetres"), (100, "centimetres")):
        found = refine(*batch._replace(transl=factor * batch.transl))
        assert_hint(found, f"^The translation looks as if in {unit}")
        own = kitro_np.load_body().skeleton
        large = Skeleton(own.parents, factor * own.joint_template, factor * own.joint_shapedirs)
        assert_hint(refine(*batch, body=large), f"^The body looks as if in {unit}")
    vectors = Rotation.from_matrix(batch.pose.reshape(-1, 3, 3)).as_rotvec().reshape(COUNT, 24, 3)
    for pose in (vectors, vectors.reshape(COUNT, 72)):
        # Bodies in wild poses are easily improved, and most are accepted.
        assert_hint(refine(*batch._replace(pose=np.rad2deg(pose))), "in degrees", refused=False)


def turned(batch, axis, *, whole=False):
    """Estimates turned by 180 degrees about an axis, about their roots or as a whole, as axes are."""
    turn = Rotation.from_rotvec(np.pi * np.eye(3)["xyz".index(axis)]).as_matrix()
    pose = batch.pose.copy()
    pose[:, 0] = turn @ pose[:, 0]
    if not whole:
        return batch._replace(pose=pose)
    root = kitro_np.load_body().skeleton.rest_joints(batch.betas)[:, 0]
    return batch._replace(pose=pose, transl=(root + batch.transl) @ turn.T - root)


def test_estimates_that_are_turned(batch):
    assert_hint(refine(*turned(batch, "y")), "turned by 180 degrees about the vertical")
    assert_hint(refine(*turned(batch, "x")), "upside down, .* y up and z backwards")
    assert_hint(refine(*turned(batch, "z")), "upside down, .* x left and y up")


def test_estimates_in_the_axes_of_another_camera(batch):
    behind = refine(*turned(batch, "x", whole=True))
    assert_hint(behind, "^The estimates look as if for a camera with y up and z backwards")
    assert np.all(behind.status == kitro_np.Status.BEHIND_CAMERA)
    assert_hint(refine(*turned(batch, "z", whole=True)), "^The estimates .* a camera with x left and y up")


# ------------------------------------------------------------------------------------- what was put right

THROUGHOUT = "The keypoints look as if left and right were exchanged throughout."


def test_left_and_right_exchanged(batch, open_body, detected, engine):
    """All are put right, and refined."""
    for layout, keypoints in (("smpl24", batch.keypoints_2d), ("h36m17", detected("h36m17"))):
        order = list(find_layout(layout, open_body).mirror)
        spoiled = batch._replace(keypoints_2d=keypoints[:, order])
        found = refine(*spoiled, keypoint_layout=layout, engine=engine)
        assert np.all(found.accepted)
        assert np.all(found.swapped == 1)
        assert found.summary().endswith(f"put right: {COUNT} with left and right exchanged. {THROUGHOUT}")


def test_left_and_right_of_legs_exchanged(batch, open_body):
    layout = find_layout("smpl24", open_body)
    order = assignments(layout)[1]
    assert 0 < np.sum(np.array(order) != layout.mirror) < 24
    found = refine(*batch._replace(keypoints_2d=batch.keypoints_2d[:, order]))
    assert np.all(found.swapped[found.accepted] == 1)
    assert_hint(found, f"^{hints.SWAPPED}$", refused=False)


def test_most_of_at_least_five_refined_bodies_are_put_right(batch, open_body):
    order = list(find_layout("smpl24", open_body).mirror)
    exchanged = batch.keypoints_2d[:, order]
    assert refine(*batch._replace(keypoints_2d=exchanged).some(slice(5))).hint == THROUGHOUT
    assert refine(*batch._replace(keypoints_2d=exchanged).some(slice(4))).hint == ""
    for count, hint in ((COUNT // 2 + 1, hints.SWAPPED), (COUNT // 2, "")):
        plain = refine(*batch)
        assert np.all(plain.accepted)
        some = batch.keypoints_2d.copy()
        chosen = np.argsort(plain.swapped, kind="stable")[::-1][:count]  # with those that count anyway
        some[chosen] = exchanged[chosen]
        some[plain.swapped == 1] = batch.keypoints_2d[plain.swapped == 1]
        found = refine(*batch._replace(keypoints_2d=some))
        assert np.sum(found.swapped) == count
        assert found.hint == hint
    # Of the refined ones: others say nothing about sides.
    some = exchanged.copy()
    some[: COUNT // 2] = other_keypoints(batch)["another's"][: COUNT // 2]
    found = refine(*batch._replace(keypoints_2d=some))
    assert np.sum(found.accepted) == COUNT // 2
    assert found.hint == hints.SWAPPED


def test_estimates_that_face_the_wrong_way(batch, simulated, open_body, detected):
    """Reflected in depth they have the same image; a detector's scores of the face tell which is right."""
    pose, betas = simulated.true_pose.astype(np.float64), simulated.true_betas.astype(np.float64)
    towards = -forward_kinematics(open_body.skeleton, pose, betas).global_rotations[:, 15, 2, 2]
    clear = np.abs(towards) > 0.4
    assert np.sum(clear) > COUNT // 2
    names = find_layout("coco17", open_body).names
    confidence = np.full((COUNT, 17), 0.9)
    for name in ("nose", "left_eye", "right_eye"):
        confidence[:, names.index(name)] = np.where(towards > 0, 0.8, 0.05)
    wrong = batch._replace(
        pose=reflected(open_body.skeleton, batch.pose, batch.transl), keypoints_2d=detected("coco17")
    ).some(clear)
    found = refine(*wrong, confidence=confidence[clear], keypoint_layout="coco17")
    assert 2 * np.sum(found.accepted & (found.turned == 1)) > np.sum(clear)
    assert found.hint == hints.TURNED
    # Where all keypoints have the same score, they may as well be what is wrong.
    assert refine(*wrong, keypoint_layout="coco17").hint == THROUGHOUT


# ------------------------------------------------------------------------------------------- no false hints


def other_keypoints(batch):
    """Keypoints that no mistake of the whole input explains."""
    keypoints, random = batch.keypoints_2d, np.random.default_rng(0)
    extent, centre = extent_of(keypoints), keypoints.mean(axis=1, keepdims=True)
    noise = random.normal(size=keypoints.shape)
    poses = np.roll((keypoints - centre) / extent, 1, axis=0)
    return {
        "another's": np.roll(keypoints, 1, axis=0),
        "a neighbour's": centre + extent * (poses + np.array([0.6, 0])),
        "random": size_of(batch) * random.uniform(size=keypoints.shape),
        "random about the person": centre + extent * random.uniform(-0.5, 0.5, keypoints.shape),
        "very noisy": keypoints + 0.1 * extent * noise,
    }


def test_what_no_mistake_explains_has_no_hint(batch):
    for name, keypoints in other_keypoints(batch).items():
        spoiled = batch._replace(keypoints_2d=keypoints)
        found = refine(*spoiled)
        assert not np.any(found.accepted), name
        assert found.hint == "", name
        for n in range(8):
            assert refine(*spoiled.some(n)).hint == "", name


def test_a_hint_must_be_nearer_too(batch, monkeypatch):
    """Under no mistake are very noisy keypoints much nearer, whatever would be accepted."""
    best = hints._best

    def all_accepted(sample, vectors, _):
        return best(sample, vectors, lambda other: np.ones(other.count, bool))

    monkeypatch.setattr(hints, "_best", all_accepted)
    assert refine(*batch._replace(keypoints_2d=batch.keypoints_2d[..., ::-1])).hint == HINT
    for bodies in (slice(None), slice(3), 0):
        noisy = batch._replace(keypoints_2d=other_keypoints(batch)["very noisy"]).some(bodies)
        assert refine(*noisy).hint == ""


def test_nothing_is_looked_for_in_what_is_accepted(batch, monkeypatch):
    """Nor where half of the batch is refused, or the method does not judge keypoints."""
    monkeypatch.setattr(hints, "_sample", lambda *_: pytest.fail("looked for a hint"))
    half = batch.keypoints_2d.copy()
    half[: COUNT // 2] = half[: COUNT // 2, :, ::-1]
    exchanged = batch._replace(keypoints_2d=batch.keypoints_2d[..., ::-1])
    assert refine(*batch).hint == ""
    assert np.sum(refine(*batch._replace(keypoints_2d=half)).accepted) == COUNT // 2
    assert refine(*exchanged, safe=False).hint == ""
    assert refine(*exchanged, method="kitro", iterations=1).hint == ""
    assert refine(*batch.some(slice(0))).hint == ""
    # Reasons that name the mistake themselves.
    assert refine(*batch._replace(transl=np.full_like(batch.transl, np.nan))).hint == ""


def test_a_hint_never_costs_the_result(batch, monkeypatch):
    exchanged = batch._replace(keypoints_2d=batch.keypoints_2d[..., ::-1])
    expected = refine(*exchanged)

    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(hints, "_best", fail)
    found = refine(*exchanged)
    assert found.hint == ""
    for name, array in expected.arrays().items():
        np.testing.assert_array_equal(getattr(found, name), array)


# ------------------------------------------------------------------------------------- every form of the call


@pytest.fixture(scope="module")
def exchanged(batch):
    return batch._replace(keypoints_2d=batch.keypoints_2d[..., ::-1].copy())


def test_forms_of_the_input(exchanged, engine):
    assert refine(*exchanged, engine=engine).hint == HINT
    assert refine(*exchanged.some(0), engine=engine).hint == HINT
    small = exchanged._replace(keypoints_2d=exchanged.keypoints_2d[..., ::-1] / 4)
    assert "an image 0.25 times" in refine(*small.some(0), engine=engine).hint
    assert refine(*exchanged.astype(np.float32).some(slice(3)), engine=engine).hint == HINT
    two = (part.reshape(2, COUNT // 2, *part.shape[1:]) for part in exchanged)
    assert refine(*two, engine=engine).hint == HINT
    confidence = np.ones((COUNT, 24))
    confidence[:, 4:] = np.random.default_rng(0).integers(0, 2, (COUNT, 20))
    keypoints = np.where(confidence[..., None] > 0, exchanged.keypoints_2d, np.nan)
    hidden = exchanged._replace(keypoints_2d=keypoints)
    assert refine(*hidden, confidence=confidence, engine=engine).hint == HINT


def test_one_camera_for_all(batch):
    """Those of the images that have the first one's size."""
    size = batch.intrinsics[:, :2, 2]
    own = batch.some(np.all(size == size[0], axis=1))
    own = own._replace(intrinsics=own.intrinsics[0])
    assert len(own.pose) >= 5
    assert refine(*own._replace(keypoints_2d=own.keypoints_2d[..., ::-1])).hint == HINT
    assert "3.00 times" in refine(*own._replace(keypoints_2d=3 * own.keypoints_2d)).hint


def test_many_bodies_are_sampled(exchanged, monkeypatch):
    monkeypatch.setattr(hints, "MAX_BODIES", 5)
    counts = []
    best = hints._best
    monkeypatch.setattr(hints, "_best", lambda *args: counts.append(args[0].count) or best(*args))
    assert refine(*exchanged).hint == HINT
    assert counts == [5]


def test_other_libraries(exchanged, backend):
    given = [backend.array(part) for part in exchanged]
    for engine in (None, "array"):
        assert refine(*given, engine=engine).hint == HINT


def test_hands(exchanged):
    hand = kitro_np.load_body("open_hand")
    data = simulate(body=hand, count=12, seed=1)
    args = Batch(*data.estimates).astype(np.float32)
    assert refine(*args, body=hand).hint == ""
    assert refine(*args._replace(keypoints_2d=args.keypoints_2d[..., ::-1]), body=hand).hint == HINT


# ----------------------------------------------------------------------------------------- where it is kept


def test_results_keep_it(exchanged, batch, tmp_path):
    found = refine(*exchanged)
    assert found[3].hint == found[:5].hint == found.numpy().hint == found.with_matrices().hint == HINT
    assert RefineResult.load(found.save(tmp_path / "r.npz")).hint == HINT
    clean = refine(*batch)
    assert RefineResult.load(clean.save(tmp_path / "c.npz")).hint == clean.hint == ""
    mirrored = refine(*batch._replace(keypoints_2d=batch.keypoints_2d * DOWN))
    for others, hint in (([clean, found, found], HINT), ([found, mirrored], ""), ([clean], "")):
        assert RefineResult.concat(others).hint == hint


def test_strict_says_it(exchanged, batch):
    with pytest.raises(InputError, match=rf"^body 0: .* \({COUNT} in all\)\. {HINT}$"):
        refine(*exchanged, strict=True)


def test_command_line(exchanged, simulated, tmp_path, capsys):
    arrays = {**simulated.arrays(), "keypoints_2d": exchanged.keypoints_2d}
    path, output = tmp_path / "in.npz", tmp_path / "out.npz"
    np.savez(path, **arrays)
    assert main(["refine", str(path), "-o", str(output)]) == 3
    assert f"). {HINT}\n" in capsys.readouterr().out
    assert main(["eval", str(path)]) == 3
    assert f"). {HINT}\n" in capsys.readouterr().out
    assert main(["eval", str(path), "--json"]) == 3
    out, err = capsys.readouterr()
    assert json.loads(out)["before"]
    assert err == f"{HINT}\n"
    assert HINT in fails(capsys, "refine", path, "-o", output, "--force", "--strict")
