"""Estimates that took a person's front for the back: by what they are told, and how they are put right."""

import numpy as np
import pytest
from bodies import Batch, make_skeleton
from scipy.spatial.transform import Rotation

from kitro_np import KeypointLayout, Skeleton, find_layout, refine
from kitro_np.body.families import FAMILIES
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.camera import project
from kitro_np.evaluation.metrics import mpjpe
from kitro_np.posterior.facing import (
    AWAY,
    HEAD,
    HIDDEN,
    SEEN,
    FacePoints,
    face_points,
    faces_wrong_way,
    mirror_joints,
    reflected,
)
from kitro_np.posterior.projection import place_points, points_on
from kitro_np.simulate import simulate

COUNT = 32

SCORES = {"face": 0.9, "ear": 0.8, "limb": 0.8}
"""Of a detector that sees all of a person."""


# ------------------------------------------------------------------------------------- which way a head faces


@pytest.fixture(scope="module")
def coco(open_body):
    return find_layout("coco17", open_body)


def confidence_of(layout, face, ear, limb):
    """One body's confidences by the kind of the point."""
    kinds = {"nose": face, "eye": face, "ear": ear}
    return np.array([[kinds.get(name.split("_")[-1], limb) for name in layout.names]], float)


def looking(cosine):
    """Global rotations of a body whose head's face has this cosine with the direction to the camera."""
    rotations = np.tile(np.eye(3), (1, 24, 1, 1))
    rotations[0, HEAD] = Rotation.from_euler("y", np.pi - np.arccos(cosine)).as_matrix()
    return rotations


def wrong_way(layout, body, cosine, **scores):
    confidence = confidence_of(layout, **{**SCORES, **scores})
    return bool(faces_wrong_way(face_points(body.skeleton, layout), looking(cosine), confidence)[0])


@pytest.mark.parametrize("scale", [1, 70, 1e-3])
def test_a_face_is_seen_but_the_head_faces_away(open_body, coco, scale):
    seen = {name: scale * score for name, score in SCORES.items()}
    assert wrong_way(coco, open_body, -0.9, **seen)
    assert not wrong_way(coco, open_body, 0.9, **seen)


@pytest.mark.parametrize("scale", [1, 70, 1e-3])
def test_a_face_is_hidden_but_the_head_faces_the_camera(open_body, coco, scale):
    hidden = {"face": 0.1 * scale, "ear": 0.8 * scale, "limb": 0.8 * scale}
    assert wrong_way(coco, open_body, 0.9, **hidden)
    assert not wrong_way(coco, open_body, -0.9, **hidden)


def test_a_head_from_the_side_tells_nothing(open_body, coco):
    for cosine in (-AWAY + 0.01, 0, AWAY - 0.01):
        assert not wrong_way(coco, open_body, cosine)
        assert not wrong_way(coco, open_body, cosine, face=0.1)
    assert wrong_way(coco, open_body, -AWAY - 0.01)
    assert wrong_way(coco, open_body, AWAY + 0.01, face=0.1)


def test_how_sure_a_detector_must_be(open_body, coco):
    """Of every point of the face that it sees it, of none that it does not; and then it sees an ear."""
    limb = SCORES["limb"]
    for share, told in ((SEEN - 0.01, False), (SEEN + 0.01, True)):
        assert wrong_way(coco, open_body, -0.9, face=share * limb) == told
    for share, told in ((HIDDEN + 0.01, False), (HIDDEN - 0.01, True)):
        assert wrong_way(coco, open_body, 0.9, face=share * limb) == told
    points = face_points(open_body.skeleton, coco)
    one = confidence_of(coco, **SCORES)
    one[0, coco.names.index("left_eye")] = 0.1
    assert not faces_wrong_way(points, looking(-0.9), one)[0]
    hidden = confidence_of(coco, 0.1, 0.8, limb)
    hidden[0, coco.names.index("nose")] = limb
    assert not faces_wrong_way(points, looking(0.9), hidden)[0]
    assert not wrong_way(coco, open_body, 0.9, face=0.1, ear=0.1)  # the whole head is hidden
    one_ear = confidence_of(coco, 0.1, 0.8, limb)
    one_ear[0, coco.names.index("left_ear")] = 0
    assert faces_wrong_way(points, looking(0.9), one_ear)[0]


@pytest.mark.parametrize("cosine", [-0.9, 0.9])
def test_scores_that_are_all_alike_tell_nothing(open_body, coco, cosine):
    assert not wrong_way(coco, open_body, cosine, face=1, ear=1, limb=1)
    # Nor do points that are not visible, and limbs must be.
    confidence = np.ones((1, 17))
    confidence[0, [7, 9]] = 0
    points = face_points(open_body.skeleton, coco)
    assert not faces_wrong_way(points, looking(cosine), confidence)[0]
    assert not wrong_way(coco, open_body, cosine, limb=0)
    assert not wrong_way(coco, open_body, cosine, face=0, ear=0, limb=0)


@pytest.mark.parametrize("name", ["coco17", "body25", "body25b", "halpe26", "wholebody133"])
def test_layouts_whose_faces_tell(open_body, name):
    layout = find_layout(name, open_body)
    face, ears, limbs = face_points(open_body.skeleton, layout)
    assert {layout.names[k] for k in face} == {"nose", "left_eye", "right_eye"}
    assert {layout.names[k] for k in ears} == {"left_ear", "right_ear"}
    assert len({*limbs}) == 12
    assert wrong_way(layout, open_body, -0.9)


def test_layouts_whose_faces_tell_nothing(open_body, coco):
    """MediaPipe scores a face that it cannot see as high as others; some have none; a hand has none."""
    nothing = FacePoints((), (), ())
    for name in ("mediapipe33", "smpl24", "h36m17", "mpii16"):
        layout = find_layout(name, open_body)
        assert face_points(open_body.skeleton, layout) == nothing
        assert not wrong_way(layout, open_body, -0.9)
    assert face_points(open_body.skeleton, coco.pick(range(1, 17))) == nothing
    chain = make_skeleton("chain")
    own = KeypointLayout("own", coco.names, [0] * 17, np.zeros((17, 3)))
    assert face_points(chain, own) == nothing


# --------------------------------------------------------------------------------------- reflection in depth


def smplh(open_body):
    """A symmetric body with two hands, whose files name no joints."""
    random = np.random.default_rng(0)
    own, parents = open_body.skeleton, FAMILIES["smplh"].parents
    template = np.zeros((52, 3))
    template[:22] = own.joint_template[:22]
    for joint in range(22, 37):
        template[joint] = template[parents[joint]] + random.normal(0, 0.03, 3)
        template[joint + 15] = template[joint] * [-1, 1, 1]
    return Skeleton(parents, template, np.zeros((52, 3, 2)))


@pytest.fixture(params=["open", "smplh"])
def person(request, open_body):
    """A skeleton that is symmetric to the last digit, as the open body's is to 1e-5 m."""
    skeleton = open_body.skeleton if request.param == "open" else smplh(open_body)
    twins, mirror = list(mirror_joints(skeleton)), np.array([-1, 1, 1])
    template = (skeleton.joint_template + mirror * skeleton.joint_template[twins]) / 2
    shapedirs = (skeleton.joint_shapedirs + mirror[:, None] * skeleton.joint_shapedirs[twins]) / 2
    np.testing.assert_allclose(template, skeleton.joint_template, atol=2e-5)
    return Skeleton(skeleton.parents, template, shapedirs, skeleton.joint_names)


def draw(skeleton, distance=6.0):
    random = np.random.default_rng(3)
    joints = skeleton.num_joints
    pose = Rotation.from_rotvec(random.normal(0, 0.6, (COUNT * joints, 3))).as_matrix()
    betas = random.normal(0, 1, (COUNT, skeleton.num_betas))
    transl = distance * np.concatenate([random.normal(0, 0.2, (COUNT, 2)), np.ones((COUNT, 1))], axis=1)
    return pose.reshape(COUNT, joints, 3, 3), betas, transl


def test_reflection_is_one_in_space(person):
    """Every joint lies where its counterpart was, on the other side of the plane across the ray."""
    pose, betas, transl = draw(person)
    before = forward_kinematics(person, pose, betas).joints
    mirrored = reflected(person, pose, transl)
    after = forward_kinematics(person, mirrored, betas).joints
    twins = list(mirror_joints(person))
    offset = (before - before[:, :1])[:, twins]
    ray = transl / np.linalg.norm(transl, axis=-1, keepdims=True)
    depth = np.einsum("nji,ni->nj", offset, ray)[..., None]
    np.testing.assert_allclose(after - after[:, :1], offset - 2 * depth * ray[:, None], atol=1e-12)
    assert np.abs(depth).max() > 0.5


def test_reflection_looks_the_same_from_afar_with_left_and_right_exchanged(person):
    twins = list(mirror_joints(person))
    camera = np.array([[1000.0, 0, 500], [0, 1000, 500], [0, 0, 1]])
    off = []
    for distance in (1e2, 1e4):
        pose, betas, transl = draw(person, distance)
        scaled = np.tile(camera * [[distance], [distance], [1]], (COUNT, 1, 1))  # as large in the image
        images = [
            project(forward_kinematics(person, p, betas).joints + transl[:, None], scaled)
            for p in (pose, reflected(person, pose, transl))
        ]
        size = np.ptp(images[0], axis=1).max(axis=-1)
        off.append(np.max(np.abs(images[1] - images[0][:, twins]).max(axis=(1, 2)) / size))
    assert off[0] < 0.05
    assert off[1] < 0.01 * off[0] * 1.2


def test_reflection_is_an_involution_of_rotations(person):
    pose, _, transl = draw(person)
    once = reflected(person, pose, transl)
    np.testing.assert_allclose(reflected(person, once, transl), pose, atol=1e-12)
    assert np.all(np.abs(once - pose).max(axis=(1, 2, 3)) > 0.1)
    identity = np.broadcast_to(np.eye(3), once.shape)
    np.testing.assert_allclose(once @ np.swapaxes(once, -1, -2), identity, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(once), 1)


def test_counterparts_of_joints(person, open_body):
    twins = mirror_joints(person)
    names = find_layout("smpl24", person).names
    other = {"left": "right", "right": "left"}
    for k, name in enumerate(names):
        side, _, part = name.partition("_")
        assert names[twins[k]] == (f"{other[side]}_{part}" if side in other else name)
    assert mirror_joints(make_skeleton("nested")) == tuple(range(10))


# ---------------------------------------------------------------------------------- a turned body, as a whole


class Turned:
    """Simulated people whose estimates face the wrong way, seen by a detector of COCO's points."""

    def __init__(self, body, count=96) -> None:
        self.body, layout = body, find_layout("coco17", body)
        found = simulate(count=count, seed=5)
        self.true = tuple(np.asarray(p, float) for p in (found.true_pose, found.true_betas))
        pose, betas, transl = (np.asarray(p, float) for p in (found.pose, found.betas, found.transl))
        points = points_on(body.skeleton, layout, pose)
        camera = np.asarray(found.intrinsics, float).copy()
        camera[:, 0, 0] = camera[:, 1, 1] = found.true_focal
        placed = place_points(body.skeleton, points, *self.true, np.asarray(found.true_transl, float))
        keypoints = project(placed.points, camera)
        keypoints += np.random.default_rng(1).normal(0, 3, keypoints.shape)
        self.right = Batch(pose, betas, transl, keypoints, np.asarray(found.intrinsics, float))
        self.given = self.right._replace(pose=reflected(body.skeleton, pose, transl))
        towards = -placed.rotations[:, HEAD, 2, 2]
        estimated = -place_points(body.skeleton, points, *self.given[:3]).rotations[:, HEAD, 2, 2]
        # Heads are turned from the camera or to it, not aside.
        self.clear = (np.abs(towards) > 0.4) & (np.abs(estimated) > 0.4) & (towards * estimated < 0)
        face = np.where(towards > 0, 0.9, 0.05)
        rest = np.random.default_rng(2).uniform(0.7, 0.9, keypoints.shape[:2])
        self.confidence = rest
        self.confidence[:, :3] = face[:, None]

    def error(self, pose, betas):
        joints = [forward_kinematics(self.body.skeleton, *b).joints for b in ((pose, betas), self.true)]
        return mpjpe(*(part - part[:, :1] for part in joints))

    def refine(self, batch=None, confidence=None, **how):
        return refine(
            *(self.given if batch is None else batch), confidence=confidence, keypoint_layout="coco17", **how
        )


@pytest.fixture(scope="module")
def turned(open_body):
    found = Turned(open_body)
    assert found.clear.sum() > 40
    return found


def test_turned_estimates_are_put_right(turned, engine):
    found = turned.refine(confidence=turned.confidence, engine=engine)
    clear = turned.clear
    assert np.mean(found.turned[clear]) > 0.95
    assert np.mean(found.accepted[clear]) > 0.95
    put_right = clear & (found.turned == 1) & found.accepted
    assert not np.any(found.swapped[put_right])
    before, after = turned.error(*turned.given[:2]), turned.error(found.pose, found.betas)
    assert np.median(before[put_right]) > 0.3
    assert after[put_right].mean() < 0.12 * before[put_right].mean()
    right = turned.refine(turned.right, turned.confidence, engine=engine)
    assert after[put_right].mean() < 1.02 * turned.error(right.pose, right.betas)[put_right].mean()


def test_estimates_that_face_the_right_way_stay(turned, engine):
    found = turned.refine(turned.right, turned.confidence, engine=engine)
    assert not np.any(found.turned)


def test_without_scores_nothing_is_turned(turned, engine):
    """Then the keypoints are taken for exchanged: body and estimate face the same wrong way."""
    found = turned.refine(engine=engine)
    assert not np.any(found.turned)
    assert np.mean(found.swapped[turned.clear]) > 0.97
    same = turned.refine(confidence=0.8 * np.ones_like(turned.confidence), engine=engine)
    np.testing.assert_array_equal(same.turned, 0)


def test_exchanged_keypoints_turn_nothing(turned, engine):
    """A face that is seen, of an estimate that faces the camera: the detector exchanged left and right."""
    order = list(find_layout("coco17", turned.body).mirror)
    swapped = turned.right._replace(keypoints_2d=turned.right.keypoints_2d[:, order])
    found = turned.refine(swapped, turned.confidence, engine=engine)
    assert not np.any(found.turned[turned.clear])
    assert np.mean(found.swapped[turned.clear]) > 0.97


def test_what_is_said_of_turned_bodies(turned):
    found = turned.refine(confidence=turned.confidence)
    count = np.sum((found.turned == 1) & found.accepted)
    assert f"{count} facing the wrong way" in found.summary()


def test_hypotheses_of_turned_bodies_face_the_right_way(turned, engine):
    few = np.flatnonzero(turned.clear)[:12]
    how = {"confidence": turned.confidence[few], "hypotheses": 2, "engine": engine}
    found = turned.refine(turned.given.some(few), **how)
    assert np.all((found.turned == 1) & found.accepted)
    right = turned.refine(turned.right.some(few), **how)
    for one, other in zip(found.hypotheses, right.hypotheses, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-2)
