"""What of the method can be left out or done otherwise: the switches of the paper's Table 1."""

import numpy as np
import pytest
from bodies import make_batch, make_skeleton
from kitro import refine
from same import assert_identical

from kitro_np import InputError
from kitro_np.arrays.engines import CPU_ENGINES
from kitro_np.arrays.rotations import matrix_from_axis_angle
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.camera import project
from kitro_np.kitro.translation import solve_translation
from kitro_np.kitro.variants import UPDATES, VARIANTS

SKELETON = make_skeleton("smpl")
FEW = {"body": SKELETON, "iterations": 2, "shape_steps": 3}


@pytest.fixture(scope="module")
def batch():
    return make_batch(SKELETON, 9, seed=31)


def test_the_first_choice_of_each_is_the_method():
    for update, choices in UPDATES.items():
        for variant in VARIANTS.values():
            assert getattr(variant, update) == choices[0]


@pytest.mark.parametrize("engine", CPU_ENGINES)
@pytest.mark.parametrize(("update", "part"), [("camera", "transl"), ("shape", "betas"), ("pose", "pose")])
def test_fixed_parts_stay(batch, engine, update, part):
    found = refine(*batch, **FEW, engine=engine, **{f"{update}_update": "fixed"})
    assert np.all(found.status == 0)
    for name in ("transl", "betas", "pose"):
        same = np.array_equal(getattr(found, name), getattr(batch, name))
        assert same == (name == part), name


@pytest.mark.parametrize("engine", CPU_ENGINES)
def test_hard_camera_takes_the_best_translation(batch, engine):
    found = refine(*batch, **{**FEW, "iterations": 1}, engine=engine, camera_update="hard")
    joints = forward_kinematics(SKELETON, batch.pose, batch.betas).joints
    expected = solve_translation(joints, batch.keypoints_2d, batch.intrinsics)
    np.testing.assert_allclose(found.transl, expected, rtol=1e-9)


def test_hard_turns_reach_the_keypoints():
    """Exact keypoints, shape and camera: one hard update of a chain puts joint after joint on its ray."""
    skeleton = make_skeleton("chain")
    truth = make_batch(skeleton, 16, seed=32)
    joints = forward_kinematics(skeleton, truth.pose, truth.betas).joints + truth.transl[:, None, :]
    keypoints = project(joints, truth.intrinsics)
    shake = np.random.default_rng(5).normal(0, 0.05, (*truth.pose.shape[:2], 3))
    given = (truth.pose @ matrix_from_axis_angle(shake), *truth[1:3], keypoints, truth.intrinsics)
    how = {"body": skeleton, "iterations": 1, "camera_update": "fixed", "shape_update": "fixed"}
    soft, hard = (refine(*given, **how, pose_update=update).reprojection_error for update in ("soft", "hard"))
    assert np.sum(hard < 1e-9) >= 12  # the others took a wrong branch, from where a later ray misses
    assert np.all(soft > 0.1)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_greedy_path_never_scores_more(batch, name):
    how = {**FEW, "iterations": 1, "variant": name, "pose_update": "fixed"}
    tree, greedy = (refine(*batch, **how, search=search) for search in ("tree", "greedy"))
    assert np.all(tree.path_score >= greedy.path_score * (1 - 1e-12))
    assert np.any(tree.selection != greedy.selection)


def test_a_known_focal_length_leaves_the_translation_as_given(batch):
    """With the image's size it is K's, [[f, 0, W/2], [0, f, H/2], [0, 0, 1]], one for all or one for each."""
    size, focal = (1920, 1080), np.linspace(900, 2500, len(batch.pose))
    for given in (1400.0, focal, focal.tolist()):
        intrinsics = np.zeros((len(batch.pose), 3, 3))
        intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = given
        intrinsics[:, :, 2] = (960, 540, 1)
        found = refine(*batch[:4], image_size=size, focal_length=given, **FEW)
        assert_identical(found, refine(*batch[:4], intrinsics, **FEW))


@pytest.mark.parametrize("value", [0, -1.0, np.nan, np.inf, "5000", True, [5000]])
def test_wrong_focal_length(batch, value):
    with pytest.raises(InputError, match=r"^focal_length: expected .*, got .*\.$"):
        refine(*batch[:4], image_size=(640, 480), **FEW, focal_length=value)


def test_a_focal_length_beside_intrinsics_is_refused(batch):
    with pytest.raises(InputError, match=r"^focal_length: expected None .*with_focal_length"):
        refine(*batch, **FEW, focal_length=5000.0)


@pytest.mark.parametrize("update", UPDATES)
def test_unknown_update(batch, update):
    with pytest.raises(InputError, match=rf"^{update}: expected one of .*, got 'other'\.$"):
        refine(*batch, **FEW, **{update: "other"})
