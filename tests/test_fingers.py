"""Fingers in keypoint layouts: of hands, and of bodies that have joints in the fingers."""

import numpy as np
import pytest
import smpl_files
from bodies import SMPL_PARENTS

from kitro_np import BodyModel, KeypointLayout, Skeleton, find_layout, load_body, refine
from kitro_np.arrays.rotations import matrix_from_axis_angle
from kitro_np.body.families import FAMILIES, MANO
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.camera import project
from kitro_np.keypoints.detectors import FINGER_POINTS, HAND_LAYOUTS
from kitro_np.keypoints.fingers import MANO_TIPS, OPEN_HAND_TIPS, TIP_LENGTHS, has_fingers
from kitro_np.keypoints.landmarks import SMPL_VERTICES, SMPLX_VERTICES
from kitro_np.simulate import simulate

FINGERS = {
    "thumb": "thumb",
    "forefinger": "index",
    "middle_finger": "middle",
    "ring_finger": "ring",
    "pinky_finger": "pinky",
}
"""Names of a finger in COCO-WholeBody and among the joints."""


def made_body(vertices: int, parents: tuple[int, ...]) -> BodyModel:
    """Invent a body with a mesh of some size."""
    members, joints = smpl_files.body(vertices, 24, 10), len(parents)
    regressor = np.zeros((joints, vertices))
    regressor[:, :joints] = 0.5 * np.eye(joints)
    regressor[:, -joints:] += 0.5 * np.eye(joints)
    weights = np.eye(joints)[np.arange(vertices) % joints]
    arrays = members["v_template"], members["shapedirs"], None, regressor, weights, members["f"]
    return BodyModel.from_arrays("made", *arrays, parents)


@pytest.fixture(scope="module", params=["smplh", "smplx"])
def body(request):
    """A mesh of the size of SMPL-H's or SMPL-X's, with its tree."""
    family = FAMILIES[request.param]
    return made_body(family.num_vertices, family.parents)


def place_of(layout, body, point):
    """Rest position of a point."""
    skeleton = body if isinstance(body, Skeleton) else body.skeleton
    k = layout.names.index(point)
    return np.asarray(skeleton.joint_template)[layout.joints[k]] + layout.offsets[k]


def posed(layout, skeleton, pose, betas):
    """Points on posed bodies, as the layout says: (N, K, 3)."""
    bodies = forward_kinematics(skeleton, pose, betas)
    joints = [max(joint, 0) for joint in layout.joints]
    offsets = layout.offsets + np.einsum("kcs,ns->nkc", layout.by_betas, betas)
    turned = np.einsum("nkij,nkj->nki", bodies.global_rotations[:, joints], offsets)
    return bodies.joints[:, joints] + turned


@pytest.mark.parametrize("name", ["wholebody133", "halpe136"])
def test_points_of_the_hands_are_finger_joints_and_tips(name, body):
    layout = find_layout(name, body)
    joints = find_layout("smpl24", body).names
    tips = SMPL_VERTICES if body.num_vertices == 6890 else SMPLX_VERTICES
    for side in ("left", "right"):
        for finger, own in FINGERS.items():
            for n in (1, 2, 3, 4):
                k = layout.names.index(f"{side}_{finger}{n}")
                assert joints[layout.joints[k]] == f"{side}_{own}{min(n, 3)}"
                assert np.any(layout.offsets[k]) == np.any(layout.by_betas[k]) == (n == 4)
                assert layout.spread[k] == 2
            tip = place_of(layout, body, f"{side}_{finger}4")
            assert np.allclose(tip, body.v_template[tips[f"{side}_{own}_tip"]])
            moved = (
                body.shapedirs[tips[f"{side}_{own}_tip"]] - body.skeleton.joint_shapedirs[layout.joints[k]]
            )
            assert np.allclose(layout.by_betas[k], moved)
    assert layout.joints.count(-1) == 68
    assert layout.joints[layout.names.index("left_hand_root")] == 20


@pytest.mark.parametrize("name", ["mhr70", "sapiens308"])
def test_sam_3d_body_counts_finger_joints_from_the_tip(name, body):
    layout, whole = find_layout(name, body), find_layout("wholebody133", body)
    for side in ("left", "right"):
        for finger, own in FINGERS.items():
            for part, n in (("third_joint", 1), ("second_joint", 2), ("first_joint", 3), ("tip", 4)):
                point = place_of(layout, body, f"{side}_{own}_{part}")
                assert np.array_equal(point, place_of(whole, body, f"{side}_{finger}{n}"))


def test_other_points_are_the_same_with_and_without_fingers(body):
    """The first 22 joints are shared: so are the points on them."""
    with_fingers = find_layout("wholebody133", body)
    without = find_layout("wholebody133", Skeleton(SMPL_PARENTS, *_first(body, 24)))
    other = find_layout("wholebody133", body.skeleton)
    same = [k for k, name in enumerate(without.names) if name not in FINGER_POINTS["wholebody133"]]
    assert len(same) == 133 - 40
    for layout in (with_fingers, other):
        assert [layout.joints[k] for k in same] == [without.joints[k] for k in same]
    assert np.array_equal(other.offsets[same], without.offsets[same])
    assert {without.joints[k] for k in {*range(133)} - {*same}} == {-1, 20, 21}


def _first(body, count):
    return body.skeleton.joint_template[:count], body.skeleton.joint_shapedirs[:count]


def test_tips_of_a_bare_skeleton_extend_the_last_bones(body):
    skeleton = body.skeleton
    layout = find_layout("wholebody133", skeleton)
    joints = dict(zip(find_layout("smpl24", skeleton).names, skeleton.joint_template, strict=True))
    for finger, own in FINGERS.items():
        last, before = joints[f"left_{own}3"], joints[f"left_{own}2"]
        tip = place_of(layout, skeleton, f"left_{finger}4")
        assert np.allclose(tip, last + TIP_LENGTHS[own] * (last - before))


def test_openpose_gives_body_and_hands_apart(body):
    """Joined, they are one layout whose hands are counterparts."""
    whole, body25 = find_layout("wholebody133", body), find_layout("body25", body)
    joined = KeypointLayout.join(body25, whole.pick(range(91, 112)), whole.pick(range(112, 133)))
    assert joined.num_points == 67
    assert joined.mirror[:25] == body25.mirror
    assert joined.mirror[25:] == (*range(46, 67), *range(25, 46))


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("name", HAND_LAYOUTS)
def test_a_hands_points_are_joints_and_tips(name, side):
    hand = load_body("open_hand", gender=side)
    layout = find_layout(name, hand)
    joints = dict(zip(MANO.joint_names, hand.skeleton.joint_template, strict=True))
    assert np.array_equal(place_of(layout, hand, "wrist"), joints["wrist"])
    for finger, own in FINGERS.items():
        for n in (1, 2, 3):
            assert np.array_equal(place_of(layout, hand, f"{finger}{n}"), joints[f"{own}{n}"])
        tip = place_of(layout, hand, f"{finger}4")
        assert np.allclose(tip, hand.v_template[OPEN_HAND_TIPS[f"{own}_tip"]])
        # On a bare skeleton it is not far away.
        assert np.linalg.norm(place_of(find_layout(name, hand.skeleton), hand, f"{finger}4") - tip) < 0.01
    assert np.all(layout.spread == 1)
    assert layout.mirror == tuple(range(21))
    assert has_fingers(hand.skeleton.parents) and not has_fingers(SMPL_PARENTS)


def test_tips_follow_the_skinned_mesh():
    hand = load_body("open_hand")
    made = simulate(None, hand, count=4, seed=1).arrays()
    pose, betas = made["GT_theta"].astype(float), made["GT_beta"].astype(float)
    layout = find_layout("hand21", hand)
    points, vertices = posed(layout, hand.skeleton, pose, betas), hand.forward(pose, betas).vertices
    for finger, own in FINGERS.items():
        tip = points[:, layout.names.index(f"{finger}4")]
        assert np.abs(tip - vertices[:, OPEN_HAND_TIPS[f"{own}_tip"]]).max() < 1e-5


def test_mano_has_vertices_of_its_own():
    """A mesh with as many vertices as the open hand's, but other faces, counts as MANO's."""
    hand = made_body(778, MANO.parents)
    layout = find_layout("hand21", hand)
    for finger, own in FINGERS.items():
        assert np.allclose(place_of(layout, hand, f"{finger}4"), hand.v_template[MANO_TIPS[f"{own}_tip"]])


def test_tables_of_fingertips_name_the_same_points():
    assert {*OPEN_HAND_TIPS} == {*MANO_TIPS} == {f"{finger}_tip" for finger in TIP_LENGTHS}
    for tips in (OPEN_HAND_TIPS, MANO_TIPS):
        assert len({*tips.values()}) == 5 and max(tips.values()) < MANO.num_vertices


@pytest.mark.parametrize("engine", ["numba", "array"])
@pytest.mark.parametrize("name", HAND_LAYOUTS)
def test_hands_are_refined(name, engine):
    hand = load_body("open_hand")
    made = {key: value.astype(float) for key, value in simulate(None, hand, count=12, seed=3).arrays().items()
            if value.dtype.kind == "f"}  # fmt: skip
    pose, betas, given = made["GT_theta"], made["GT_beta"], [made[f"pred_{part}"] for part in PARTS]
    points = posed(find_layout(name, hand), hand.skeleton, pose, betas) + made["GT_cam"][:, None]
    intrinsics = made["intrinsics"]
    found = refine(
        *given, project(points, intrinsics), intrinsics, body=hand, keypoint_layout=name, method="map",
        engine=engine,
    )  # fmt: skip
    truth = hand.joints(pose, betas)

    def error(pose, betas):
        off = hand.joints(pose, betas) - truth
        return np.linalg.norm(off - off[:, :1], axis=-1).mean()

    assert error(found.pose, found.betas) < 0.7 * error(*given[:2])


PARTS = ("theta", "beta", "cam")


@pytest.mark.parametrize("engine", ["numba", "array"])
@pytest.mark.parametrize("name", ["wholebody133", "sapiens308"])
def test_fingers_of_a_body_are_refined(name, engine, open_body, sim):
    """Open hands at the wrists of the open body: fingers, too, come nearer to the truth."""
    skeleton = with_open_hands(open_body.skeleton)
    count, joints = 8, 52
    made = {key: sim[key][:count].astype(float) for key in sim if key.startswith(("pred", "GT_", "intr"))}
    bends = np.zeros((count, 30, 3))
    bends[..., 2] = np.linspace(0.1, 0.5, count)[:, None] * np.repeat([-1, 1], 15)
    pose = np.tile(np.eye(3), (count, joints, 1, 1))
    pose[:, 22:] = matrix_from_axis_angle(bends)
    estimate = np.tile(np.eye(3), (count, joints, 1, 1))
    pose[:, :22], estimate[:, :22] = made["GT_theta"][:, :22], made["pred_theta"][:, :22]
    layout = find_layout(name, skeleton)
    points = posed(layout, skeleton, pose, made["GT_beta"]) + made["GT_cam"][:, None]
    intrinsics = made["intrinsics"]
    found = refine(
        estimate, made["pred_beta"], made["pred_cam"], project(points, intrinsics), intrinsics, body=skeleton,
        keypoint_layout=name, method="map", engine=engine,
    )  # fmt: skip
    truth = forward_kinematics(skeleton, pose, made["GT_beta"]).joints

    def error(pose, betas, part, origin):
        off = forward_kinematics(skeleton, pose, betas).joints - truth
        return np.linalg.norm((off - off[:, origin, None])[:, part], axis=-1).mean()

    left, own = slice(22, 37), slice(22)
    assert np.sum(found.status == 0) >= 7
    given = estimate, made["pred_beta"]
    assert error(found.pose, found.betas, left, 20) < 0.7 * error(*given, left, 20)
    assert error(found.pose, found.betas, own, 0) < 0.6 * error(*given, own, 0)


def with_open_hands(skeleton: Skeleton) -> Skeleton:
    """SMPL-H's tree: the open body's first 22 joints, and the open hands' fingers."""
    template, shapedirs = [skeleton.joint_template[:22]], [skeleton.joint_shapedirs[:22]]
    for side, wrist in (("left", 20), ("right", 21)):
        hand = load_body("open_hand", gender=side).skeleton
        template.append(hand.joint_template[1:] - hand.joint_template[0] + skeleton.joint_template[wrist])
        shapedirs.append(np.repeat(skeleton.joint_shapedirs[wrist, None], 15, axis=0))
    return Skeleton(FAMILIES["smplh"].parents, np.concatenate(template), np.concatenate(shapedirs))
