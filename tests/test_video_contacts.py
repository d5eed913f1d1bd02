"""Contacts: feet that rest in videos are found, averaged and held, by stages and kernels alike."""

import numpy as np
import pytest
from bodies import make_batch, make_skeleton
from scipy.spatial.transform import Rotation

from kitro_np import InputError, Map, load_body, refine
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.posterior.projection import Posed
from kitro_np.posterior.video.contacts import (
    CONTACT_JOINTS,
    REST_ACROSS,
    REST_ALONG,
    Rests,
    find_contacts,
    rest_evidence,
    rest_places,
)

FPS, COUNT = 30, 41
INTRINSICS = np.array([[1000.0, 0, 500], [0, 1000, 500], [0, 0, 1]])
NEAR = {np.float64: 1e-9, np.float32: 1e-3}


def standing(dtype=np.float64, speed=0.0, count=COUNT, seed=3, lead=1):
    """Arguments of refine for people who stand, or move at a speed across the view, and their true joints."""
    body, random = load_body("open"), np.random.default_rng(seed)
    skeleton = body.skeleton
    size = (lead * count, 24, 3)
    true = np.broadcast_to(np.eye(3), (*size[:2], 3, 3)).copy()
    true[:, 0] = Rotation.from_euler("xy", [180, 20], degrees=True).as_matrix()
    betas, transl = np.zeros((size[0], 10)), np.tile([0.0, 0.0, 4.0], (size[0], 1))
    transl[:, 0] = speed * np.tile(np.arange(count) - count / 2, lead) / FPS
    joints = forward_kinematics(skeleton, true, betas).joints + transl[:, None]
    pixels = joints @ INTRINSICS.T
    pixels = pixels[..., :2] / pixels[..., 2:] + random.normal(0, 4, (*size[:2], 2))
    turn = random.normal(0, 0.08, size) + random.normal(0, 0.05, (1, *size[1:]))
    pose = true @ Rotation.from_rotvec(turn.reshape(-1, 3)).as_matrix().reshape(true.shape)
    away = transl + random.normal(0, 0.02, transl.shape)
    given = (pose, betas + random.normal(0, 0.5, betas.shape), away, pixels, INTRINSICS)
    tracks = {
        "tracks": np.repeat(np.arange(lead), count),
        "frames": np.tile(np.arange(count), lead),
        "fps": FPS,
    }
    return tuple(part.astype(dtype) for part in given), {"body": body, **tracks}, joints


def feet_of(result):
    """Ankles and feet of refined bodies, (N, 4, 3)."""
    joints = forward_kinematics(load_body("open").skeleton, result.pose, result.betas).joints
    return (joints + result.transl[:, None])[:, CONTACT_JOINTS]


def sliding(result):
    return np.linalg.norm(np.diff(feet_of(result), axis=0), axis=-1).mean()


def points_at(steps):
    """One point that takes steps along x, in metres a frame, 4 m from the camera: (T, 1, 3)."""
    x = np.concatenate([[0.0], np.cumsum(steps)])
    return np.stack([x, np.zeros_like(x), np.full_like(x, 4.0)], axis=-1)[:, None]


# --------------------------------------------------------------------------------------------------- finding


def test_contacts_are_where_points_are_slow_for_long():
    steps = np.zeros(60)
    steps[20:30] = 0.05
    found = find_contacts(points_at(steps), np.arange(61), FPS)[:, 0]
    np.testing.assert_array_equal(found[:20], 0)
    np.testing.assert_array_equal(found[21:30], -1)
    np.testing.assert_array_equal(found[31:], 1)


@pytest.mark.parametrize(("speed", "rests"), [(0.2, True), (0.4, False), (0.6, False)])
def test_a_contact_is_slow_enough_once(speed, rests):
    found = find_contacts(points_at(np.full(30, speed / FPS)), np.arange(31), FPS)
    assert (found >= 0).all() == rests
    assert (found >= 0).any() == rests


def test_speed_is_in_seconds():
    points = points_at(np.full(30, 0.012))
    assert (find_contacts(points, np.arange(31), 15) >= 0).all()
    assert (find_contacts(points, np.arange(31), 60) < 0).all()
    assert (find_contacts(points, 4 * np.arange(31), 60) >= 0).all()


def test_a_contact_does_not_last_over_a_gap():
    frame = np.concatenate([np.arange(10), np.arange(20, 30)])
    found = find_contacts(points_at(np.zeros(19)), frame, FPS)[:, 0]
    np.testing.assert_array_equal(found, np.repeat([0, 1], 10))


@pytest.mark.parametrize(("count", "rests"), [(1, False), (2, False), (3, True)])
def test_a_contact_lasts_a_tenth_of_a_second(count, rests):
    found = find_contacts(np.full((count, 4, 3), 2.0), np.arange(count), FPS)
    assert (found >= 0).all() == rests
    assert (found >= 0).any() == rests


def test_speed_along_the_ray_counts_less():
    steps = np.full(30, 0.5 * REST_ALONG / REST_ACROSS / FPS * 0.4)
    points = points_at(np.zeros(30))
    points[:, 0, 2] += np.concatenate([[0.0], np.cumsum(steps)])
    assert (find_contacts(points, np.arange(31), FPS) >= 0).all()


def test_a_camera_that_moves_is_taken_out():
    random = np.random.default_rng(0)
    world = np.broadcast_to([[[0.1, 0.2, 4.0]]], (30, 1, 3)) + random.normal(0, 1e-4, (30, 1, 3))
    turn = Rotation.from_rotvec(np.linspace([0, 0, 0], [0, 0.7, 0], 30)).as_matrix()
    extrinsics = np.concatenate([turn, random.normal(0, 0.05, (30, 3, 1))], axis=-1)
    points = np.einsum("tij,tfj->tfi", turn, world) + extrinsics[:, None, :, 3]
    frame = np.arange(30)
    assert (find_contacts(points, frame, FPS) < 0).any()
    found = find_contacts(points, frame, FPS, extrinsics)
    assert (found == 0).all()
    places = rest_places(points, found, extrinsics)
    np.testing.assert_allclose(places.place, points, atol=1e-3)


def test_places_are_robust_means():
    points = np.tile([0.3, 0.1, 5.0], (20, 1, 1))
    points[4] += [0.5, 0, 0]
    places = rest_places(points, np.zeros((20, 1), int))
    np.testing.assert_allclose(places.place[:, 0, 0], 0.3, atol=2e-3)
    assert places.weight[4, 0] < 0.02 * places.weight[0, 0]


def test_what_does_not_rest_weighs_nothing():
    contacts = np.full((6, 4), -1)
    contacts[2:5, 1] = 0
    points = np.random.default_rng(1).normal([0, 0, 4], 0.001, (6, 4, 3))
    places = rest_places(points, contacts)
    np.testing.assert_array_equal(places.weight > 0, contacts >= 0)
    assert (places.place[..., 2] > 0).all()


def test_evidence_is_the_slope_of_the_joints():
    skeleton = load_body("open").skeleton.host
    batch = make_batch(skeleton, 2, 7)
    posed = forward_kinematics(skeleton, batch.pose, batch.betas)
    joints = posed.joints + batch.transl[:, None]
    random = np.random.default_rng(0)
    place = joints[:, CONTACT_JOINTS] + random.normal(0, 0.01, (2, 4, 3))
    weight = random.uniform(0.5, 1.5, (2, 4))
    made = Posed(posed.global_rotations, joints, None, None, None)
    precision, right_side = rest_evidence(skeleton, made, Rests(place, weight), 10)

    def energy(step):
        """Half the squared distance from the places, by bodies that are turned joint by joint."""
        turned = np.eye(3) + np.zeros((2, 24, 3, 3))
        for j, parent in enumerate(skeleton.parents):
            own = Rotation.from_rotvec(np.tile(step[3 * j : 3 * j + 3], (2, 1))).as_matrix()
            turned[:, j] = own if parent < 0 else turned[:, parent] @ own
        moved = joints.copy()
        moved[:, 0] += step[-3:]
        for j, parent in enumerate(skeleton.parents[1:], start=1):
            bone = joints[:, j] - joints[:, parent]
            moved[:, j] = moved[:, parent] + np.einsum("nij,nj->ni", turned[:, parent], bone)
        away = place - moved[:, CONTACT_JOINTS]
        ray = place / np.linalg.norm(place, axis=-1, keepdims=True)
        along = (away * ray).sum(-1)
        squared = ((away * away).sum(-1) - along**2) / REST_ACROSS**2 + along**2 / REST_ALONG**2
        return 0.5 * (weight * squared).sum(axis=1)

    size, step = precision.shape[1], 1e-6
    for column in range(size):
        change = np.zeros(size)
        change[column] = step
        slope = (energy(change) - energy(-change)) / (2 * step) if not 72 <= column < 82 else np.zeros(2)
        np.testing.assert_allclose(slope, -right_side[:, column], rtol=1e-4, atol=1e-3)
    assert (np.linalg.eigvalsh(precision) > -1e-6).all()
    assert not precision[:, 72:82].any()


# --------------------------------------------------------------------------------------------------- holding


@pytest.mark.parametrize("dtype", NEAR, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("moving", [False, True], ids=["camera rests", "camera moves"])
def test_kernels_hold_feet_as_stages_do(dtype, moving):
    given, options, _ = standing(dtype, count=21, lead=2)
    options["body"] = load_body("open")
    if moving:
        count = len(given[0])
        options["extrinsics"] = np.tile(np.eye(4)[:3], (count, 1, 1)).astype(dtype)
        options["extrinsics"][:, 0, 3] = 0.002 * options["frames"]
    fast, slow = (
        refine(*given, **options, contacts="feet", uncertainty=True, engine=engine)
        for engine in ("numba", "array")
    )
    for name in ("pose", "betas", "transl", "joint_spread"):
        np.testing.assert_allclose(getattr(fast, name), getattr(slow, name), atol=NEAR[dtype], err_msg=name)
    np.testing.assert_array_equal(fast.status, slow.status)


def test_a_foot_that_stands_slides_less():
    given, options, joints = standing()
    free, held = (refine(*given, **options, contacts=contacts) for contacts in ("none", "feet"))
    assert sliding(held) < 0.6 * sliding(free)
    true = joints[:, CONTACT_JOINTS] - joints[:, :1]
    error = [
        np.linalg.norm(feet - feet.mean(axis=0) - true + true.mean(axis=0), axis=-1).mean()
        for feet in map(feet_of, (free, held))
    ]
    assert error[1] < error[0]


def test_nothing_is_held_in_fast_motion(monkeypatch):
    given, options, joints = standing(speed=1.5)
    assert (find_contacts(joints[:, CONTACT_JOINTS], options["frames"], FPS) < 0).all()
    found = refine(*given, **options, contacts="feet")
    none = np.full((COUNT, 4), -1)
    monkeypatch.setattr("kitro_np.posterior.video.contacts.find_contacts", lambda *_: none)
    np.testing.assert_array_equal(found.pose, refine(*given, **options, contacts="feet").pose)


def test_tracks_do_not_depend_on_one_another():
    given, options, _ = standing(count=20, lead=2)
    both = refine(*given, **options, contacts="feet")
    first = [part[:20] if part.ndim > 2 or len(part) == 40 else part for part in given]
    own = {name: part[:20] if name in ("tracks", "frames") else part for name, part in options.items()}
    alone = refine(*first, **own, contacts="feet")
    np.testing.assert_array_equal(both.pose[:20], alone.pose)


@pytest.mark.parametrize("engine", ["numba", "array"])
def test_frames_on_their_own_are_as_without(engine):
    given, options, _ = standing(count=8)
    free, held = (
        refine(*given, body=options["body"], contacts=contacts, engine=engine)
        for contacts in ("none", "feet")
    )
    np.testing.assert_array_equal(free.pose, held.pose)


def test_a_body_without_feet_is_as_without():
    skeleton = make_skeleton("hand")
    batch = make_batch(skeleton, 12, 2)
    free, held = (
        refine(*batch, body=skeleton, tracks=np.zeros(12, int), contacts=contacts)
        for contacts in ("none", "feet")
    )
    np.testing.assert_array_equal(free.pose, held.pose)


def test_contacts_are_none_or_feet():
    assert Map().contacts == "none"
    with pytest.raises(InputError, match="contacts: expected"):
        Map(contacts="hands")
    with pytest.raises(InputError, match="contacts: expected"):
        refine(*standing(count=2)[0], body="open", method="kitro", contacts="feet")
