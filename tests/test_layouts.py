"""Keypoint layouts: what detectors give, in their order, and where on the body it sits."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
import smpl_files
from bodies import SMPL_PARENTS, TREES, make_skeleton

from kitro_np import LAYOUTS, BodyModel, InputError, KeypointLayout, Skeleton, find_layout, load_body
from kitro_np.body.families import BODY_JOINTS, BODY_PARENTS, SMPL
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.keypoints.detectors import FINGER_POINTS, HAND_LAYOUTS, POINTS, WRITTEN_BY
from kitro_np.keypoints.fingers import OPEN_HAND_TIPS
from kitro_np.keypoints.landmarks import LANDMARKS, MESHES, OPEN_VERTICES, SMPL_VERTICES, SMPLX_VERTICES
from kitro_np.posterior.facing import face_points

COCO = """nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow
left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle"""

KNOWN = {
    "smpl24": " ".join(SMPL.joint_names),
    "coco17": COCO,
    "body25": """
nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist mid_hip right_hip
right_knee right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear left_big_toe
left_small_toe left_heel right_big_toe right_small_toe right_heel""",
    "body25b": f"""
{COCO} upper_neck head_top left_big_toe left_small_toe left_heel right_big_toe right_small_toe right_heel""",
    "halpe26": f"""
{COCO} head neck hip left_big_toe right_big_toe left_small_toe right_small_toe left_heel right_heel""",
    "h36m17": """
pelvis right_hip right_knee right_ankle left_hip left_knee left_ankle spine thorax neck head left_shoulder
left_elbow left_wrist right_shoulder right_elbow right_wrist""",
    "mpii16": """
right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax upper_neck head_top right_wrist
right_elbow right_shoulder left_shoulder left_elbow left_wrist""",
    "mediapipe33": """
nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear right_ear
mouth_left mouth_right left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist left_pinky
right_pinky left_index right_index left_thumb right_thumb left_hip right_hip left_knee right_knee left_ankle
right_ankle left_heel right_heel left_foot_index right_foot_index""",
    "coco18": """
nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist right_hip right_knee
right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear""",
    "coco19": """
neck nose mid_hip left_shoulder left_elbow left_wrist left_hip left_knee left_ankle right_shoulder right_elbow
right_wrist right_hip right_knee right_ankle left_eye left_ear right_eye right_ear""",
    "vitpose25": """
nose left_eye right_eye left_ear right_ear neck left_shoulder right_shoulder left_elbow right_elbow left_wrist
right_wrist left_hip right_hip hip left_knee right_knee left_ankle right_ankle left_big_toe left_small_toe
left_heel right_big_toe right_small_toe right_heel""",
    "spin49": """
op_nose op_neck op_right_shoulder op_right_elbow op_right_wrist op_left_shoulder op_left_elbow op_left_wrist
op_mid_hip op_right_hip op_right_knee op_right_ankle op_left_hip op_left_knee op_left_ankle op_right_eye
op_left_eye op_right_ear op_left_ear op_left_big_toe op_left_small_toe op_left_heel op_right_big_toe
op_right_small_toe op_right_heel right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist
right_elbow right_shoulder left_shoulder left_elbow left_wrist neck head_top pelvis thorax spine jaw head nose
left_eye right_eye left_ear right_ear""",
    "hand21": """
wrist thumb1 thumb2 thumb3 thumb4 forefinger1 forefinger2 forefinger3 forefinger4 middle_finger1
middle_finger2 middle_finger3 middle_finger4 ring_finger1 ring_finger2 ring_finger3 ring_finger4 pinky_finger1
pinky_finger2 pinky_finger3 pinky_finger4""",
    "hand21_interhand": """
thumb4 thumb3 thumb2 thumb1 forefinger4 forefinger3 forefinger2 forefinger1 middle_finger4 middle_finger3
middle_finger2 middle_finger1 ring_finger4 ring_finger3 ring_finger2 ring_finger1 pinky_finger4 pinky_finger3
pinky_finger2 pinky_finger1 wrist""",
}
"""The points of the detectors, in their order."""

WHOLEBODY = {17: "left_big_toe", 19: "left_heel", 22: "right_heel", 23: "face_0", 90: "face_67"} | {
    91: "left_hand_root", 92: "left_thumb1", 96: "left_forefinger1", 111: "left_pinky_finger4",
    112: "right_hand_root", 114: "right_thumb2", 132: "right_pinky_finger4",
}  # fmt: skip
"""Some of the points that COCO-WholeBody has beside COCO's."""

HALPE = {17: "head", 18: "neck", 19: "hip", 25: "right_heel", 26: "face_0", 93: "face_67"} | {
    94: "left_hand_root", 95: "left_thumb1", 114: "left_pinky_finger4", 115: "right_hand_root",
    135: "right_pinky_finger4",
}  # fmt: skip
MHR = {9: "left_hip", 14: "right_ankle", 15: "left_big_toe_tip", 17: "left_heel", 20: "right_heel"} | {
    21: "right_thumb_tip", 24: "right_thumb_third_joint", 25: "right_index_tip", 37: "right_pinky_tip",
    40: "right_pinky_third_joint", 41: "right_wrist", 42: "left_thumb_tip", 54: "left_ring_tip",
    55: "left_ring_first_joint", 61: "left_pinky_third_joint", 62: "left_wrist", 63: "left_olecranon",
    66: "right_cubital_fossa", 68: "right_acromion", 69: "neck",
}  # fmt: skip
SOME = {
    "wholebody133": (17, WHOLEBODY),
    "halpe136": (17, HALPE),
    "mhr70": (9, MHR),
    "sapiens308": (9, {**MHR, 70: "face_0", 307: "face_237"}),
}
"""Of large layouts, how many points are COCO's first, and some of the others by their index."""

JOINTS = {
    "coco17": [15] * 5 + [16, 17, 18, 19, 20, 21, 0, 0, 4, 5, 7, 8],
    "body25": [15, 9, 17, 19, 21, 16, 18, 20, 0, 0, 5, 8, 0, 4, 7, 15, 15, 15, 15, 10, 10, 7, 11, 11, 8],
    "body25b": [15] * 5 + [16, 17, 18, 19, 20, 21, 0, 0, 4, 5, 7, 8, 12, 15, 10, 10, 7, 11, 11, 8],
    "h36m17": [0, 0, 5, 8, 0, 4, 7, 6, 9, 15, 15, 16, 18, 20, 17, 19, 21],
    "mpii16": [8, 5, 0, 0, 4, 7, 0, 9, 12, 15, 21, 19, 17, 16, 18, 20],
}
"""Which of SMPL's joints moves each point."""


def look_alike(vertices: int, joints: int, betas: int = 10) -> BodyModel:
    """Invent a body with SMPL's tree and any number of vertices."""
    members = smpl_files.body(vertices, 24, betas)
    parents = (*BODY_PARENTS, *(20 for _ in range(joints - 22)))
    regressor = np.zeros((joints, vertices))
    regressor[:24] = members["J_regressor"] / members["J_regressor"].sum(axis=1, keepdims=True)
    weights = np.eye(joints)[np.arange(vertices) % joints]
    return BodyModel.from_arrays(
        "made", members["v_template"], members["shapedirs"], None, regressor, weights, members["f"], parents
    )


def posed_points(layout: KeypointLayout, skeleton: Skeleton, pose, betas):
    """Points on posed bodies, as the layout says: (N, K, 3)."""
    posed = forward_kinematics(skeleton, pose, betas)
    offsets = layout.offsets + np.einsum("kcs,ns->nkc", layout.by_betas, betas)
    joints = list(layout.joints)
    rotations = posed.global_rotations[:, joints]
    return posed.joints[:, joints] + np.einsum("nkij,nkj->nki", rotations, offsets)


@pytest.mark.parametrize("name", LAYOUTS)
def test_points_are_the_detectors_in_its_order(name, open_body):
    layout = find_layout(name, load_body("open_hand") if name in HAND_LAYOUTS else open_body)
    if name in SOME:
        as_coco, others = SOME[name]
        assert list(layout.names[:as_coco]) == COCO.split()[:as_coco]
        assert {k: layout.names[k] for k in others} == others
    else:
        assert list(layout.names) == KNOWN[name].split()
    count = int(re.findall(r"\d+", name)[-1])
    assert layout.num_points == len({*layout.names}) == count
    assert layout.name == name
    assert layout.offsets.shape == (count, 3)
    assert layout.by_betas.shape == (count, 3, open_body.num_betas)


@pytest.mark.parametrize("name", JOINTS)
def test_points_move_with_joints(name, open_body, recorded_body):
    """Shoulders and elbows of the open body's version 2 lie off its joints and move with the bone before."""
    before = {16: 13, 17: 14, 18: 16, 19: 17}
    assert list(find_layout(name, recorded_body).joints) == JOINTS[name]
    assert list(find_layout(name, open_body).joints) == [before.get(joint, joint) for joint in JOINTS[name]]


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name not in HAND_LAYOUTS])
def test_twins_are_mirror_images(name, open_body):
    """The open body is symmetric: a point's twin is on the other side at the same place, for all betas."""
    layout = find_layout(name, open_body)
    mirror = list(layout.mirror)
    assert [mirror[k] for k in mirror] == list(range(layout.num_points))
    swap = {"left": "right", "right": "left"}

    def swapped(text):
        return "_".join(swap.get(part, part) for part in text.split("_"))

    assert [layout.names[k] for k in mirror] == [swapped(point) for point in layout.names]
    joints = ["none" if j == -1 else SMPL.joint_names[j] for j in layout.joints]
    assert [joints[k] for k in mirror] == [swapped(joint) for joint in joints]
    flip = np.array([-1, 1, 1])
    assert np.allclose(layout.offsets[mirror], layout.offsets * flip, atol=1e-3)
    assert np.allclose(layout.by_betas[mirror], layout.by_betas * flip[:, None], atol=1e-3)
    assert np.array_equal(layout.spread[mirror], layout.spread)


@pytest.mark.parametrize("tree", TREES)
def test_smpl24_is_every_joint_exactly(tree):
    skeleton = make_skeleton(tree)
    layout = find_layout("smpl24", skeleton)
    assert layout.joints == tuple(range(skeleton.num_joints))
    assert not layout.offsets.any() and not layout.by_betas.any()
    assert layout.by_betas.shape == (skeleton.num_joints, 3, skeleton.num_betas)
    assert layout.names == skeleton.joint_names
    assert np.all(layout.spread == 1)


@pytest.mark.parametrize(
    ("joints", "names"),
    [
        (52, {22: "left_index1", 36: "left_thumb3", 37: "right_index1", 51: "right_thumb3"}),
        (55, {22: "jaw", 24: "right_eye", 25: "left_index1", 40: "right_index1", 54: "right_thumb3"}),
        (30, {22: "joint_22", 29: "joint_29"}),
    ],
)
def test_left_and_right_of_hands_are_told_apart(joints, names):
    """Files of SMPL-H and SMPL-X name no joints."""
    skeleton = Skeleton(
        (*BODY_PARENTS, *range(21, joints - 1)), np.zeros((joints, 3)), np.zeros((joints, 3, 2))
    )
    layout = find_layout("smpl24", skeleton)
    assert layout.names[:22] == BODY_JOINTS
    assert {k: layout.names[k] for k in names} == names
    assert layout.names[layout.mirror[20]] == "right_wrist"


@pytest.mark.parametrize(("version", "off"), [("open_v1", 1e-5), ("open_v2", 5e-3)])
def test_points_of_the_skin_follow_the_skinned_mesh(version, off, sim):
    """Posed by one joint each, they are where linear blend skinning takes their vertices.

    Of version 2 to some millimetres: several joints move each vertex a little.
    """
    body = load_body(version)
    pose, betas = sim["GT_theta"].astype(np.float64), sim["GT_beta"].astype(np.float64)
    vertices, joints = body.forward(pose, betas).vertices, body.joints(pose, betas)
    places = {
        **{name: vertices[:, number] for name, number in OPEN_VERTICES.items()},
        **{name: joints[:, number] for number, name in enumerate(BODY_JOINTS)},
    }
    visible = set()
    for name in ("body25", "body25b", "halpe26", "mediapipe33"):
        layout = find_layout(name, body)
        points = posed_points(layout, body.skeleton, pose, betas)
        for k, point in enumerate(layout.names):
            # Heels are placed between heel and toes, which the foot's joint moves in posed bodies.
            if point in OPEN_VERTICES and "heel" not in point:
                weights = LANDMARKS[point].weights.items()
                expected = sum(weight * places[part] for part, weight in weights)
                assert np.abs(points[:, k] - expected).max() < off, point
                visible.add(point)
    assert len(visible) == 10


def test_middle_of_the_shoulders_stays_near_it(open_body, sim):
    """Collars move it against the trunk: by some millimetres in most poses."""
    pose, betas = sim["GT_theta"].astype(np.float64), sim["GT_beta"].astype(np.float64)
    layout = find_layout("body25", open_body)
    neck = posed_points(layout, open_body.skeleton, pose, betas)[:, layout.names.index("neck")]
    middle = open_body.joints(pose, betas)[:, [16, 17]].mean(axis=1)
    off = np.linalg.norm(neck - middle, axis=1)
    assert np.median(off) < 0.01
    assert off.max() < 0.06


def test_vertices_of_the_open_body_and_hand_are_those_of_the_script(open_body, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1])
    script = importlib.import_module("models.find_landmarks")
    assert script.find_landmarks(open_body) == OPEN_VERTICES
    assert script.find_fingertips(load_body("open_hand")) == OPEN_HAND_TIPS


def test_tables_of_vertices_name_the_same_points():
    assert {*OPEN_VERTICES} == {*SMPL_VERTICES} == {*SMPLX_VERTICES}
    for count, numbers in MESHES.items():
        assert len({*numbers.values()}) == len(numbers)
        assert max(numbers.values()) < count


@pytest.mark.parametrize("name", LANDMARKS)
def test_weights_of_a_landmark_sum_to_one(name):
    """Else it would not move along with the body."""
    landmark = LANDMARKS[name]
    assert sum(landmark.weights.values()) == pytest.approx(1, abs=1e-12)
    assert landmark.joint in BODY_JOINTS
    assert {*landmark.weights} <= {*BODY_JOINTS, *OPEN_VERTICES}


def test_points_sit_where_anatomy_has_them(open_body):
    """In the rest pose: +x is the body's left, +y up, +z the front."""

    def at(layout, point):
        k = layout.names.index(point)
        return open_body.skeleton.joint_template[layout.joints[k]] + layout.offsets[k]

    joint = dict(zip(SMPL.joint_names, open_body.skeleton.joint_template, strict=True))
    coco, h36m, mpii, hands, media = (
        find_layout(name, open_body) for name in ("coco17", "h36m17", "mpii16", "wholebody133", "mediapipe33")
    )
    x, y, z = range(3)
    assert at(coco, "left_ear")[x] > at(coco, "left_eye")[x] > 0.02
    assert at(coco, "nose")[z] > at(coco, "left_eye")[z] > at(coco, "left_ear")[z]
    assert at(coco, "nose")[y] < at(coco, "left_eye")[y] < at(mpii, "head_top")[y]
    assert at(media, "left_eye_inner")[x] < at(media, "left_eye")[x] < at(media, "left_eye_outer")[x]
    assert 0.01 < (at(coco, "left_hip") - joint["left_hip"])[x] < 0.04
    assert abs((at(coco, "left_hip") - joint["left_hip"])[y]) < 0.02
    assert at(h36m, "left_hip")[x] > at(coco, "left_hip")[x]
    assert at(h36m, "left_hip")[y] > joint["left_hip"][y]
    assert np.allclose(at(h36m, "pelvis"), (at(h36m, "left_hip") + at(h36m, "right_hip")) / 2)
    assert np.allclose(at(mpii, "pelvis"), (at(mpii, "left_hip") + at(mpii, "right_hip")) / 2)
    heights = [at(h36m, point)[y] for point in ("pelvis", "spine", "thorax", "neck", "head")]
    assert heights == sorted(heights)
    assert at(hands, "left_heel")[z] < joint["left_ankle"][z] < at(hands, "left_small_toe")[z]
    assert at(hands, "left_small_toe")[z] < at(hands, "left_big_toe")[z]
    assert at(hands, "left_small_toe")[x] > at(hands, "left_big_toe")[x]
    reach = joint["left_hand"][x]
    for finger in ("forefinger1", "middle_finger1", "ring_finger1", "pinky_finger1"):
        assert abs(at(hands, f"left_{finger}")[x] - reach) < 0.025
    assert at(media, "left_thumb")[z] > at(media, "left_index")[z] > at(media, "left_pinky")[z]


def test_points_that_are_nowhere_say_so(open_body):
    """Faces without bones and fingers that do not bend one by one are left out, not placed wrongly."""
    layout = find_layout("wholebody133", open_body)
    nowhere = {name for name, joint in zip(layout.names, layout.joints, strict=True) if joint == -1}
    assert {f"face_{n}" for n in range(68)} < nowhere
    assert {f"left_forefinger{n}" for n in (2, 3, 4)} < nowhere
    assert len(nowhere) == 68 + 2 * (21 - 6)
    for name in {*LAYOUTS} - {*HAND_LAYOUTS, *SOME, "mediapipe33"}:
        assert -1 not in find_layout(name, open_body).joints
    for name, count in (("halpe136", 68 + 30), ("mhr70", 30 + 6), ("sapiens308", 30 + 6 + 238)):
        assert find_layout(name, open_body).joints.count(-1) == count


@pytest.mark.parametrize(
    ("vertices", "joints", "table"),
    [(6890, 24, SMPL_VERTICES), (6890, 52, SMPL_VERTICES), (10475, 55, SMPLX_VERTICES)],
)
def test_licensed_meshes_place_points_by_their_own_vertices(vertices, joints, table):
    body = look_alike(vertices, joints)
    layout = find_layout("body25", body)
    skeleton = body.skeleton
    for point, joint in (("nose", 15), ("right_ear", 15), ("left_heel", 7), ("right_small_toe", 11)):
        k = layout.names.index(point)
        assert layout.joints[k] == joint
        weights = LANDMARKS[point].weights
        for of_vertices, of_joints, placed in (
            (body.v_template, skeleton.joint_template, layout.offsets),
            (body.shapedirs, skeleton.joint_shapedirs, layout.by_betas),
        ):
            parts = [
                weight * (of_vertices[table[part]] if part in table else of_joints[BODY_JOINTS.index(part)])
                for part, weight in weights.items()
            ]
            assert np.allclose(placed[k], sum(parts) - of_joints[joint])


def test_another_kind_of_array_is_the_same_body(open_body):
    layout = find_layout("coco17", open_body)
    other = find_layout("coco17", open_body.like(np.zeros(1, np.float32)))
    assert np.array_equal(layout.offsets, other.offsets)
    assert np.array_equal(layout.by_betas, other.by_betas)


@pytest.mark.parametrize("betas", [10, 4])
def test_a_bare_skeleton_of_the_open_body_is_as_good_as_the_body(open_body, betas):
    layout = find_layout("halpe26", open_body)
    bare = find_layout("halpe26", open_body.skeleton.with_betas(betas))
    assert np.allclose(bare.offsets, layout.offsets)
    assert np.allclose(bare.by_betas, layout.by_betas[:, :, :betas])


def test_points_of_an_unknown_body_scale_with_its_skeleton(open_body):
    skeleton = open_body.skeleton
    tall = Skeleton(skeleton.parents, 1.1 * skeleton.joint_template, skeleton.joint_shapedirs)
    layout, scaled = find_layout("body25", open_body), find_layout("body25", tall)
    # Only a body that is known to be the open one has points off its shoulders, elbows and ankles.
    own = [k for k, name in enumerate(layout.names) if name.split("_")[-1] in ("shoulder", "elbow", "ankle")]
    rest = np.setdiff1d(np.arange(layout.num_points), own)
    assert np.allclose(scaled.offsets[rest], 1.1 * layout.offsets[rest])
    assert layout.offsets[own].any(axis=1).all() and not scaled.offsets[own].any()
    # To first order, as betas make the bones longer.
    betas = np.zeros(10)
    betas[:3] = 0.01, -0.02, 0.01
    grown = Skeleton(tall.parents, tall.rest_joints(betas[None])[0], tall.joint_shapedirs)
    expected = find_layout("body25", grown).offsets
    assert np.allclose(scaled.offsets + scaled.by_betas @ betas, expected, atol=1e-6)
    assert not np.allclose(scaled.offsets, expected, atol=1e-5)


@pytest.mark.parametrize("vertices", [500, 6887])
def test_an_unknown_mesh_counts_as_its_skeleton(vertices):
    """Also one that has as many vertices as the open body."""
    body = look_alike(vertices, 24, betas=3)
    layout, bare = find_layout("coco17", body), find_layout("coco17", body.skeleton)
    assert np.array_equal(layout.offsets, bare.offsets)
    assert np.array_equal(layout.by_betas, bare.by_betas)
    assert np.linalg.norm(layout.offsets, axis=1).max() < 100


def test_bones_without_length_do_no_harm():
    layout = find_layout("coco17", Skeleton(SMPL_PARENTS, np.zeros((24, 3)), np.ones((24, 3, 2))))
    assert not layout.offsets.any()
    assert np.isfinite(layout.by_betas).all()


def own_layout(**changed):
    parts = {
        "name": "mine",
        "names": ("left_hip", "tip", "right_hip"),
        "joints": (1, -1, 2),
        "offsets": np.array([[0.05, 0, 0], [0, 0, 0], [-0.05, 0, 0]]),
    }
    return KeypointLayout(**{**parts, **changed})


def test_a_layout_of_ones_own_is_fitted_once(open_body):
    """The kernels' working memory is kept for each layout: a new one in every call would be laid out anew."""
    mine = own_layout()
    assert find_layout(mine, open_body) is find_layout(mine, open_body) is not mine
    assert find_layout(mine, open_body) is not find_layout(own_layout(), open_body)


def test_a_layout_of_ones_own(open_body):
    given = np.array([[0.05, 0, 0], [0, 0, 0], [-0.05, 0, 0]])
    layout = find_layout(own_layout(offsets=given), open_body)
    given[:] = 7
    assert layout.mirror == (2, 1, 0)
    assert layout.joints == (1, -1, 2)
    assert layout.spread.tolist() == [1, 1, 1]
    assert layout.offsets[0].tolist() == [0.05, 0, 0]
    assert layout.by_betas.shape == (3, 3, 10) and not layout.by_betas.any()
    for array in (layout.offsets, layout.by_betas, layout.spread):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    assert find_layout(layout, open_body) is layout
    found = find_layout(own_layout(by_betas=np.ones((3, 3, 12)), spread=[1, 2, 1]), open_body)
    assert found.by_betas.shape == (3, 3, 10) and found.by_betas.all()
    assert found.spread.tolist() == [1, 2, 1]


def test_h36m_in_the_other_order(open_body):
    order = (0, 4, 5, 6, 1, 2, 3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13)
    layout = find_layout("h36m17", open_body)
    other = layout.pick(order, name="h36m17, left leg first")
    assert other.name == "h36m17, left leg first"
    assert other.names[1:7] == tuple(f"{side}_{part}" for side in ("left", "right") for part in
                                     ("hip", "knee", "ankle"))  # fmt: skip
    assert other.names[11] == "right_shoulder"
    assert [other.names[k] for k in other.mirror] == [layout.names[layout.mirror[k]] for k in order]
    assert np.array_equal(other.offsets, layout.offsets[list(order)])
    assert other.pick(order, name=layout.name).names == layout.names


def test_a_point_whose_twin_is_left_out_has_none(open_body):
    assert find_layout("coco17", open_body).pick((5, 7, 8)).mirror == (0, 2, 1)


@pytest.mark.parametrize("points", [(), (0, 0), (17,), (-1,), (0.5,)])
def test_pick_takes_different_points_that_are_there(open_body, points):
    with pytest.raises(InputError, match=r"^points: expected .*\.$"):
        find_layout("coco17", open_body).pick(points)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"names": ()}, "names: expected a sequence of the points' names, got ()."),
        ({"names": "nose"}, "names: expected a sequence of the points' names, got 'nose'."),
        ({"names": (1, 2, 3)}, "names: expected a sequence of the points' names, got (1, 2, 3)."),
        (
            {"names": ("a", "b", "a")},
            "mirror: expected a sequence, since some points share a name, got None.",
        ),
        ({"joints": (1, 2)}, "joints: expected 3 integers, one for each point, got 2."),
        ({"joints": 1}, "joints: expected 3 integers, got 1."),
        ({"joints": (1, 2, -2)}, "joints: expected at least -1, got -2."),
        ({"joints": (1, 2, 0.5)}, "joints: expected an integer, got 0.5."),
        ({"offsets": np.zeros((3, 2))}, "offsets: expected shape (3, 3), got (3, 2)."),
        ({"offsets": np.full((3, 3), np.nan)}, "offsets: expected finite numbers, got NaN or infinity."),
        ({"offsets": [["a"] * 3] * 3}, "offsets: expected an array of real numbers, got dtype <U1."),
        ({"by_betas": np.zeros((3, 10))}, "by_betas: expected shape (3, 3, S), got (3, 10)."),
        ({"spread": [1, 1]}, "spread: expected shape (3,), got (2,)."),
        ({"spread": [1, 0, 1]}, "spread: expected positive numbers, got 0."),
        ({"mirror": (1, 2, 0)}, "mirror: expected pairs that refer to each other, got 1 for point 0."),
        ({"mirror": (0, 1, 3)}, "mirror: expected pairs that refer to each other, got 3 for point 2."),
        ({"mirror": (0, 1)}, "mirror: expected 3 integers, one for each point, got 2."),
    ],
)
def test_a_wrong_layout_gives_one_sentence(changed, message):
    with pytest.raises(InputError) as caught:
        own_layout(**changed)
    assert str(caught.value) == message


def test_a_layout_holds_numpy_arrays():
    strict = pytest.importorskip("array_api_strict")
    with pytest.raises(InputError, match=r"^offsets: expected a NumPy array or a sequence, got Array\.$"):
        own_layout(offsets=strict.zeros((3, 3)))


def test_a_layout_must_fit_the_body(open_body):
    hand = make_skeleton("hand")
    with pytest.raises(InputError) as caught:
        find_layout(own_layout(joints=(1, -1, 24)), open_body)
    expected = "keypoint_layout: expected joints below 24, as the body has, got joint 24 for 'right_hip'."
    assert str(caught.value) == expected
    other = make_skeleton("nested")
    for name, body, sentence in (
        ("coco17", hand, "'smpl24', 'hand21' or 'hand21_interhand' for a hand"),
        ("hand21", open_body, "a layout of whole bodies for this body (fingers: 'wholebody133')"),
        ("coco17", other, "'smpl24' for a body without SMPL's joints"),
        ("hand21", other, "'smpl24' for a skeleton that is no hand with MANO's joints"),
    ):
        with pytest.raises(InputError) as caught:
            find_layout(name, body)
        assert str(caught.value) == f"keypoint_layout: expected {sentence}, got {name!r}."
    for wrong in ("coco", 17, None):
        with pytest.raises(InputError, match=r"^keypoint_layout: expected one of smpl24, coco17, .*, got "):
            find_layout(wrong, open_body)


def test_every_layout_says_who_writes_it():
    assert {*WRITTEN_BY} == {*LAYOUTS} == {"smpl24", *POINTS}
    assert {*FINGER_POINTS} < {*POINTS}
    for name, fingers in FINGER_POINTS.items():
        assert {*fingers} < {*POINTS[name]} and len(fingers) == 40


# ------------------------------------------------------------------------------------------- join and rename


def test_join_puts_one_layout_after_another(open_body):
    coco, mine = find_layout("coco17", open_body), own_layout(names=("a", "tip", "b"), spread=[1, 2, 3])
    joined = KeypointLayout.join(coco, mine)
    assert (joined.name, joined.num_points) == ("coco17+mine", 20)
    assert joined.names == (*coco.names, "a", "tip", "b")
    assert joined.joints == (*coco.joints, 1, -1, 2)
    assert np.array_equal(joined.offsets, np.concatenate([coco.offsets, mine.offsets]))
    assert np.array_equal(joined.by_betas[:17], coco.by_betas)
    assert joined.by_betas.shape == (20, 3, 10) and not joined.by_betas[17:].any()
    assert joined.spread.tolist() == [*coco.spread, 1, 2, 3]
    assert joined.mirror == (*coco.mirror, 17, 18, 19)
    assert KeypointLayout.join(mine, coco, name="both").name == "both"
    assert KeypointLayout.join(coco).names == coco.names


def test_join_pairs_left_and_right_by_name(open_body):
    body25 = find_layout("body25", open_body)
    left, right = body25.pick(range(5, 8)), body25.pick(range(2, 5))
    assert left.mirror == right.mirror == (0, 1, 2)
    assert KeypointLayout.join(left, right).mirror == (3, 4, 5, 0, 1, 2)


def test_join_keeps_pairs_that_names_do_not_tell():
    first = own_layout(names=("left_a", "x", "b"), mirror=(2, 1, 0))
    second = own_layout(names=("right_a", "y", "right_b"), mirror=(0, 1, 2))
    assert KeypointLayout.join(first, second).mirror == (2, 1, 0, 3, 4, 5)


@pytest.mark.parametrize(
    ("layouts", "message"),
    [
        ((), "layouts: expected at least one, got none."),
        (("coco17",), "layouts: expected KeypointLayouts, got str."),
        (
            (own_layout(), own_layout(names=("a", "tip", "b"))),
            "layouts: expected points with different names, got 'tip' twice; "
            'layout.rename({"tip": "..."}) gives it another.',
        ),
    ],
)
def test_a_wrong_join_gives_one_sentence(layouts, message):
    with pytest.raises(InputError) as caught:
        KeypointLayout.join(*layouts)
    assert str(caught.value) == message


def test_joined_layouts_of_mediapipe_do_not_trust_scores_of_faces(open_body):
    """Its detector gives hidden faces high scores, whatever is joined to it."""
    skeleton, mine = open_body.skeleton, own_layout(names=("a", "b", "c"))
    assert face_points(skeleton, KeypointLayout.join(find_layout("coco17", open_body), mine)).face
    assert not face_points(skeleton, KeypointLayout.join(find_layout("mediapipe33", open_body), mine)).face


def test_rename_changes_only_names(open_body):
    coco = find_layout("coco17", open_body)
    renamed = coco.rename({"nose": "tip of the nose", "left_eye": "oculus sinister"}, name="latin")
    assert renamed.name == "latin" and coco.rename({}).name == "coco17"
    assert renamed.names[:3] == ("tip of the nose", "oculus sinister", "right_eye")
    assert renamed.mirror == coco.mirror
    for part in ("joints", "offsets", "by_betas", "spread"):
        assert np.array_equal(getattr(renamed, part), getattr(coco, part))
    exchanged = coco.rename({"left_eye": "right_eye", "right_eye": "left_eye"})
    assert exchanged.names[1:3] == ("right_eye", "left_eye")


def test_renamed_points_can_be_joined(open_body):
    coco = find_layout("coco17", open_body)
    again = coco.rename({name: f"again_{name}" for name in coco.names})
    joined = KeypointLayout.join(coco, again)
    assert joined.mirror == (*coco.mirror, *(17 + k for k in coco.mirror))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"noes": "a"}, "names: expected names of points of 'coco17', got 'noes' (did you mean 'nose'?)."),
        ({"nose": "left_eye"}, "names: expected different names for all points, got 'left_eye' twice."),
    ],
)
def test_a_wrong_renaming_gives_one_sentence(names, message, open_body):
    with pytest.raises(InputError) as caught:
        find_layout("coco17", open_body).rename(names)
    assert str(caught.value) == message
