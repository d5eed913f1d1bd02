"""Estimates of other programs: each is built as its program writes it, and projects as it does."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import smpl_files
from scipy.spatial.transform import Rotation

from kitro_np import InputError, check_projection, load_body, read_estimates
from kitro_np.camera import project
from kitro_np.formats.estimates_in import records

joblib = pytest.importorskip("joblib")

COUNT, SIZE = 6, (1280, 720)
PIXEL = 0.01
"""Largest distance from the program's own projection."""


@pytest.fixture(scope="module")
def body():
    return load_body("open")


@pytest.fixture(scope="module")
def people(body):
    """Bodies in front of a camera, float64: axis-angle vectors, matrices, betas, translations and joints."""
    rng = np.random.default_rng(5)
    vectors = rng.normal(0, 0.4, (COUNT, 24, 3))
    matrices = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(COUNT, 24, 3, 3)
    betas = rng.normal(0, 1, (COUNT, 10))
    transl = rng.uniform((-1, -1, 4), (1, 1, 9), (COUNT, 3))
    return {
        "vectors": vectors,
        "pose": matrices,
        "betas": betas,
        "transl": transl,
        "frame": np.arange(3, 3 + COUNT),
    }


def pixels(points, focal, centre):
    """A program's own pinhole camera."""
    return np.asarray(focal)[..., None, None] * points[..., :2] / points[..., 2:] + np.asarray(centre)


def projected(estimates, body):
    joints = body.joints(estimates.pose, estimates.betas, estimates.transl)
    return project(joints, estimates.intrinsics)


def same(estimates, body, expected):
    np.testing.assert_allclose(projected(estimates, body), expected, rtol=0, atol=PIXEL)


def joints_of(people, body, transl=None):
    return body.joints(people["pose"], people["betas"], people["transl"] if transl is None else transl)


def phalp(people, body, size=(1280, 720), dtype=np.float64):
    """PHALP's dict: for each frame two people, of whom the second is not seen in frame 1."""
    width, height = size
    longer = max(size)
    joints = joints_of(people, body)
    # In the padded square, from 0 to 1: 5000 / 256 focal lengths and 0.5.
    square = 5000 / 256 * joints[..., :2] / joints[..., 2:] + 0.5
    smpl = [12, 17, 19, 21, 16, 18, 20, 0, 2, 5, 8, 1, 4, 7]
    tree = {}
    for time in range(COUNT // 2):
        rows = (2 * time, 2 * time + 1)
        flat = np.zeros((2, 45, 2))
        flat[:, 1:15] = square[list(rows)][:, smpl]
        tree[f"out/demo/{time + 1:06d}.jpg"] = {
            "time": time,
            "shot": 0,
            "tid": [4, 9],
            "tracked_ids": [4, 9],
            "tracked_time": [0, int(time == 1)],
            "bbox": [np.array([1.0, 2, 3, 4])] * 2,
            "camera": [people["transl"][row].astype(dtype) for row in rows],
            "camera_bbox": [np.array([0.9, 0, 0])] * 2,
            "size": [[height, width]] * 2,
            "smpl": [
                {
                    "global_orient": people["pose"][row, :1].astype(dtype),
                    "body_pose": people["pose"][row, 1:].astype(dtype),
                    "betas": people["betas"][row].astype(dtype),
                }
                for row in rows
            ],
            "2d_joints": [part.ravel() for part in flat],
            "mask": [{"size": [height, width], "counts": b"abc"}, None],
            "extra_data": [None, None],
        }
    pad = (longer - np.array(size)) / 2
    return tree, square * longer - pad


CONTAINERS = ["plain", "zlib", "gzip", "bz2", "lzma", "xz", "pickle", "protocol2"]


def dump(path, tree, container="plain"):
    if container in ("pickle", "protocol2"):
        path.write_bytes(pickle.dumps(tree, protocol=2 if container == "protocol2" else 4))
    else:
        joblib.dump(tree, path, compress=0 if container == "plain" else (container, 3))
    return path


@pytest.mark.parametrize("container", CONTAINERS)
def test_phalp(tmp_path, people, body, container):
    tree, expected = phalp(people, body)
    estimates = read_estimates(dump(tmp_path / "demo.pkl", tree, container))
    seen = [0, 1, 2, 4, 5]
    same(estimates, body, expected[seen])
    assert estimates.frame.tolist() == [0, 0, 1, 2, 2]
    assert estimates.person.tolist() == [4, 9, 4, 4, 9]
    assert estimates.image_size == (1280, 720)
    assert estimates.image_name.tolist()[0] == "000001.jpg"
    assert "1 rows" in estimates.notes[0]
    own = estimates.joints_2d
    has = own.confidence > 0
    assert has.sum(axis=1).tolist() == [14] * 5
    np.testing.assert_allclose(own.points[has], expected[seen][has], rtol=0, atol=1e-9)


def test_phalp_of_an_upright_image_and_as_an_object(people, body):
    tree, expected = phalp(people, body, (720, 1280))
    estimates = read_estimates(tree)
    same(estimates, body, expected[[0, 1, 2, 4, 5]])
    assert estimates.image_size == (720, 1280)


def test_phalp_on_windows(people, body):
    """Paths of images then have both separators."""
    tree, _ = phalp(people, body)
    tree = {name.replace("demo/", "demo/img\\"): frame for name, frame in tree.items()}
    assert read_estimates(tree).image_name.tolist()[0] == "000001.jpg"


def test_phalp_keeps_people_filled_in_and_says_so(people, body):
    tree, _ = phalp(people, body)
    for frame in tree.values():
        frame["tracked_time"] = [-1, 0]
    estimates = read_estimates(tree)
    assert len(estimates) == COUNT
    assert "filled in" in estimates.notes[0]


def wham(people):
    return {
        key: {
            "pose": people["vectors"].reshape(COUNT, 72)[rows].astype(np.float32),
            "trans": people["transl"][rows],
            "pose_world": np.zeros((3, 72)),
            "trans_world": np.ones((3, 3)),
            "betas": people["betas"][rows],
            "verts": np.zeros((3, 20, 3), np.float32),
            "frame_ids": people["frame"][rows],
        }
        for key, rows in ((0, slice(0, 3)), (7, slice(3, 6)))
    }


@pytest.mark.parametrize("suffix", [".pkl", ".npz"])
def test_phd(tmp_path, people, body, suffix):
    """Its camera is the user's own: with it, the bodies are where they were."""
    record = {
        "global_orient": people["pose"][:, None, 0],
        "body_pose": people["pose"][:, 1:],
        "camera": people["transl"],
        "betas": people["betas"],
    }
    path = tmp_path / f"walk_params{suffix}"
    if suffix == ".npz":
        np.savez(path, **record)
    else:
        path.write_bytes(pickle.dumps(record))
    estimates = read_estimates(path)
    assert (
        estimates.source == "PHD" and estimates.intrinsics is None and "give intrinsics" in estimates.camera
    )
    camera = np.tile(np.array([[1400.0, 0, 600], [0, 1400.0, 370], [0, 0, 1]]), (COUNT, 1, 1))
    joints = body.joints(estimates.pose, estimates.betas, estimates.transl)
    expected = pixels(joints_of(people, body), np.full(COUNT, 1400.0), (600, 370))
    np.testing.assert_allclose(project(joints, camera), expected, atol=PIXEL)


def test_wham(tmp_path, people, body):
    path = dump(tmp_path / "wham_output.pkl", wham(people))
    without = read_estimates(path)
    assert without.intrinsics is None
    assert "image_size" in without.camera
    estimates = read_estimates(path, image_size=SIZE)
    same(estimates, body, pixels(joints_of(people, body), np.hypot(*SIZE), (640, 360)))
    assert estimates.person.tolist() == [0, 0, 0, 7, 7, 7]
    assert estimates.frame.tolist() == people["frame"].tolist()
    assert estimates.keypoints is None


def test_wham_brings_the_keypoints_beside_it(tmp_path, people):
    path = dump(tmp_path / "wham_output.pkl", wham(people))
    points = np.random.default_rng(1).uniform(1, 700, (4, 17, 3))
    points[2, 5] = 0
    tracks = {7: {"keypoints": points, "bbox": np.zeros((4, 3)), "frame_id": np.array([1, 2, 3, 5])}}
    dump(tmp_path / "tracking_results.pth", tracks)
    keypoints = read_estimates(path).keypoints
    assert keypoints.layout == "coco17"
    assert keypoints.person.tolist() == [7] * 4
    assert keypoints.frame.tolist() == [1, 2, 3, 5]
    assert np.isnan(keypoints.points[2, 5]).all()
    assert keypoints.confidence[2, 5] == 0
    np.testing.assert_array_equal(keypoints.points[0], points[0, :, :2])


def test_own_npz(tmp_path, people, body):
    camera = np.array([[900.0, 0, 600], [0, 910, 340], [0, 0, 1]])
    points = np.random.default_rng(2).uniform(0, 700, (COUNT, 17, 2))
    points[0, 3] = np.nan
    path = tmp_path / "own.npz"
    np.savez(
        path,
        pose=people["vectors"],
        betas=people["betas"],
        transl=people["transl"],
        intrinsics=camera,
        keypoints_2d=points,
        frame=people["frame"],
        person=np.arange(COUNT),
        image_size=SIZE,
        fps=25.0,
        layout="coco17",
        body="open_v2",
    )
    estimates = read_estimates(path)
    joints = joints_of(people, body)
    same(estimates, body, joints[..., :2] / joints[..., 2:] * (900, 910) + (600, 340))
    assert (estimates.body, estimates.fps, estimates.image_size) == ("open_v2", 25.0, SIZE)
    assert estimates.keypoints.layout == "coco17"
    assert estimates.keypoints.confidence[0, 3] == 0
    assert estimates.frame.tolist() == people["frame"].tolist()


def test_kitro_authors_pt(tmp_path, people, body):
    torch = pytest.importorskip("torch")
    camera = np.tile(np.array([[1500.0, 0, 960], [0, 1500, 540], [0, 0, 1]]), (COUNT, 1, 1))
    joints = joints_of(people, body)
    expected = pixels(joints, 1500, (960, 540))
    tree = {
        "pred_theta": torch.tensor(people["pose"]),
        "pred_beta": torch.tensor(people["betas"]),
        "pred_cam": torch.tensor(people["transl"]),
        "intrinsics": torch.tensor(camera),
        "keypoints_2d": torch.tensor(expected),
        "imagename": [f"a/image_{n // 2}.jpg" for n in range(COUNT)],
    }
    torch.save(tree, tmp_path / "kitro.pt")
    estimates = read_estimates(tmp_path / "kitro.pt")
    same(estimates, body, expected)
    same(read_estimates(tree), body, expected)
    np.testing.assert_allclose(estimates.keypoints.points, expected)
    assert estimates.frame.tolist() == [0, 0, 1, 1, 2, 2]


def plane(people, rng=3):
    """Points at the depth of the body's origin, where a weak-perspective camera is exact."""
    points = np.random.default_rng(rng).normal(0, 0.5, (COUNT, 8, 3))
    points[..., 2] = 0
    return points


def test_vibe(tmp_path, people):
    """The image's size follows from the boxes; VIBE draws with (sx, sy, tx, ty) in an image from -1 to 1."""
    rng = np.random.default_rng(4)
    crop = np.stack([rng.uniform(0.6, 1, COUNT), *rng.normal(0, 0.1, (2, COUNT))], axis=1)
    box = np.column_stack(
        [rng.uniform(300, 900, COUNT), rng.uniform(200, 500, COUNT), *[rng.uniform(200, 400, COUNT)] * 2]
    )
    sx, sy = (crop[:, 0] * box[:, 2] / side for side in SIZE)
    half = np.array(SIZE) / 2
    across, down = ((box[:, :2] - half) / half / np.stack([sx, sy], axis=1) + crop[:, 1:]).T
    original = np.stack([sx, sy, across, down], axis=1)
    tree = {
        2: {
            "pred_cam": crop,
            "orig_cam": original,
            "verts": None,
            "pose": people["vectors"].reshape(COUNT, 72),
            "betas": people["betas"],
            "bboxes": box,
            "frame_ids": people["frame"],
            "joints3d": np.zeros((COUNT, 49, 3)),
        }
    }
    estimates = read_estimates(dump(tmp_path / "vibe_output.pkl", tree))
    points = plane(people)
    expected = (original[:, None, :2] * (points[..., :2] + original[:, None, 2:]) + 1) * half
    # The crop's own camera draws the same.
    in_crop = (
        box[:, None, :2] + crop[:, :1, None] * (points[..., :2] + crop[:, None, 1:]) * box[:, None, 2:] / 2
    )
    np.testing.assert_allclose(in_crop, expected, atol=1e-9)
    ours = project(points + estimates.transl[:, None], estimates.intrinsics)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=PIXEL)
    assert estimates.image_size == SIZE
    assert estimates.person.tolist() == [2] * COUNT
    assert estimates.joints_2d is None
    own = np.random.default_rng(5).uniform(0, 700, (COUNT, 49, 2))
    tree[2]["joints2d_img_coord"] = own
    joints = read_estimates(tree).joints_2d
    assert joints.layout == "spin49"
    np.testing.assert_array_equal(joints.points, own)
    # PARE writes a file of other keys for each image.
    image = {"pred_pose": people["pose"], "pred_shape": people["betas"], "smpl_joints2d": own}
    image |= {key: tree[2][key] for key in ("pred_cam", "orig_cam", "bboxes")}
    same_image = read_estimates(dump(tmp_path / "image.pkl", image))
    np.testing.assert_allclose(same_image.transl, estimates.transl)
    np.testing.assert_array_equal(same_image.joints_2d.points, own)
    assert (same_image.source, same_image.image_size) == ("PARE", SIZE)
    assert same_image.person.tolist() == list(range(COUNT))


def test_spin_draws_in_its_crop(people, body):
    rng = np.random.default_rng(6)
    camera = np.stack([rng.uniform(0.6, 1, COUNT), *rng.normal(0, 0.1, (2, COUNT))], axis=1)
    centre, scale = rng.uniform(200, 600, (COUNT, 2)), rng.uniform(1, 2, COUNT)
    tree = {
        "pred_rotmat": people["pose"],
        "pred_betas": people["betas"],
        "pred_camera": camera,
        "center": centre,
        "scale": scale,
    }
    estimates = read_estimates(tree)
    depth = 2 * 5000 / (224 * camera[:, 0] + 1e-9)
    joints = joints_of(people, body, np.stack([camera[:, 1], camera[:, 2], depth], axis=1))
    crop = pixels(joints, 5000, (112, 112))
    expected = (crop - 112) * (200 * scale / 224)[:, None, None] + centre[:, None]
    same(estimates, body, expected)
    points = plane(people)
    within = read_estimates(tree, image_size=SIZE)
    ours = project(points + within.transl[:, None], within.intrinsics)
    weak = (
        centre[:, None]
        + camera[:, :1, None] * (points[..., :2] + camera[:, None, 1:]) * (100 * scale)[:, None, None]
    )
    np.testing.assert_allclose(ours, weak, rtol=0, atol=PIXEL)


def test_spins_evaluation_has_cameras_of_crops_only(tmp_path, people, body):
    rng = np.random.default_rng(6)
    camera = np.stack([rng.uniform(0.6, 1, COUNT), *rng.normal(0, 0.1, (2, COUNT))], axis=1)
    np.savez(
        tmp_path / "spin.npz",
        pred_joints=np.zeros((COUNT, 14, 3)),
        pose=people["vectors"].reshape(COUNT, 72),
        betas=people["betas"],
        camera=camera,
    )
    estimates = read_estimates(tmp_path / "spin.npz", image_size=SIZE)
    depth = 2 * 5000 / (224 * camera[:, 0])
    joints = joints_of(people, body, np.stack([camera[:, 1], camera[:, 2], depth], axis=1))
    same(estimates, body, pixels(joints, 5000, (112, 112)))
    assert estimates.image_size == (224, 224)
    assert "crops of 224 pixels" in estimates.notes[0]


def test_eft(tmp_path, people):
    rng = np.random.default_rng(7)
    rows = [
        {
            "parm_pose": people["pose"][n].tolist(),
            "parm_shape": people["betas"][n].tolist(),
            "parm_cam": [0.8, *rng.normal(0, 0.1, 2)],
            "bbox_scale": 1.5,
            "bbox_center": rng.uniform(200, 600, 2).tolist(),
            "imageName": f"{n}.jpg",
        }
        for n in range(COUNT)
    ]
    path = tmp_path / "eft.json"
    path.write_text(json.dumps({"ver": 1, "data": rows}), encoding="utf-8")
    estimates = read_estimates(path, image_size=SIZE)
    points = plane(people)
    camera = np.array([row["parm_cam"] for row in rows])
    centre = np.array([row["bbox_center"] for row in rows])
    expected = centre[:, None] + (camera[:, :1, None] * points[..., :2] + camera[:, None, 1:]) * 150
    ours = project(points + estimates.transl[:, None], estimates.intrinsics)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=PIXEL)
    # EFT's demo pickles a list for each image; a side of 300 pixels becomes one of 224.
    demo = [
        {key: np.array(row[key]) for key in ("parm_pose", "parm_shape", "parm_cam")}
        | {"bbox_topLeft": np.array(row["bbox_center"]) - 150, "bbox_scale_o2n": 224 / 300, "annotId": -1}
        for row in rows
    ]
    other = read_estimates(dump(tmp_path / "00001.pkl", demo, "pickle"), image_size=SIZE)
    np.testing.assert_allclose(other.transl, estimates.transl)


def test_hmr2_output(people):
    rng = np.random.default_rng(8)
    camera = np.stack([rng.uniform(0.6, 1, COUNT), *rng.normal(0, 0.1, (2, COUNT))], axis=1)
    centre, side = rng.uniform(200, 600, (COUNT, 2)), rng.uniform(200, 400, COUNT)
    estimates = read_estimates(
        {
            "pred_smpl_params": {
                "global_orient": people["pose"][:, :1],
                "body_pose": people["pose"][:, 1:],
                "betas": people["betas"],
            },
            "pred_cam": camera,
            "box_center": centre,
            "box_size": side,
            "img_size": np.tile(SIZE, (COUNT, 1)),
        }
    )
    points = plane(people)
    expected = (
        centre[:, None]
        + camera[:, :1, None] * (points[..., :2] + camera[:, None, 1:]) * side[:, None, None] / 2
    )
    ours = project(points + estimates.transl[:, None], estimates.intrinsics)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=PIXEL)
    assert estimates.intrinsics[0, 0, 0] == 25000


def test_cliff(tmp_path, people, body):
    focal = np.full(COUNT, np.hypot(*SIZE))
    np.savez(
        tmp_path / "cliff.npz",
        imgname=np.array([f"{n // 2}.jpg" for n in range(COUNT)]),
        pose=people["pose"],
        shape=people["betas"],
        global_t=people["transl"],
        focal_l=focal,
    )
    estimates = read_estimates(tmp_path / "cliff.npz", image_size=SIZE)
    same(estimates, body, pixels(joints_of(people, body), focal, (640, 360)))
    assert estimates.frame.tolist() == [0, 0, 1, 1, 2, 2]
    assert estimates.person.tolist() == [0, 1] * 3
    assert read_estimates(tmp_path / "cliff.npz").intrinsics is None


@pytest.mark.parametrize("tracked", [False, True])
def test_cliffs_demo_tells_frames_by_its_detections(tmp_path, people, tracked):
    """imgname is of all images: those without people, too."""
    frame = np.array([0, 0, 2, 3, 3, 3])
    identity = np.array([4, 2, 4, 4, 2, 7]) if tracked else np.zeros(COUNT)
    detections = np.column_stack([frame, np.ones((COUNT, 6)), identity])
    np.savez(
        tmp_path / "cliff.npz",
        imgname=[f"video/{n:06d}.png" for n in range(COUNT)],
        pose=people["vectors"].reshape(COUNT, 72),
        shape=people["betas"],
        global_t=people["transl"],
        pred_joints=np.zeros((COUNT, 24, 3)),
        focal_l=np.full(COUNT, 1000.0),
        detection_all=detections,
    )
    estimates = read_estimates(tmp_path / "cliff.npz", image_size=SIZE)
    assert estimates.frame.tolist() == frame.tolist()
    assert estimates.person.tolist() == ([4, 2, 4, 4, 2, 7] if tracked else [0, 1, 0, 0, 1, 2])
    assert estimates.image_name.tolist()[2] == "video/000002.png"


def test_camerahmr_labels(tmp_path, people, body):
    field = 0.8
    focal = SIZE[1] / (2 * np.tan(field / 2))
    camera = np.array([[focal, 0, 640], [0, focal, 360], [0, 0, 1]])
    points = np.random.default_rng(1).uniform(1, 700, (COUNT, 44, 3))
    np.savez(
        tmp_path / "labels.npz",
        imgname=np.array([f"{n}.jpg" for n in range(COUNT)]),
        pose=people["vectors"].reshape(COUNT, 72),
        shape=people["betas"],
        cam_t=people["transl"],
        cam_int=np.tile(camera, (COUNT, 1, 1)),
        center=np.zeros((COUNT, 2)),
        scale=np.ones(COUNT),
        gt_keypoints=points,
    )
    estimates = read_estimates(tmp_path / "labels.npz")
    same(estimates, body, pixels(joints_of(people, body), focal, (640, 360)))
    assert estimates.keypoints.layout == "body25"
    np.testing.assert_array_equal(estimates.keypoints.points, points[:, :25, :2])


def test_bedlam(tmp_path, people, body):
    camera = np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]])
    extrinsics = np.tile(np.eye(4), (COUNT, 1, 1))
    extrinsics[:, :3, 3] = np.random.default_rng(2).normal(0, 1, (COUNT, 3))
    np.savez(
        tmp_path / "bedlam.npz",
        pose_cam=people["vectors"].reshape(COUNT, 72),
        shape=people["betas"],
        trans_cam=people["transl"] - extrinsics[:, :3, 3],
        cam_int=np.tile(camera, (COUNT, 1, 1)),
        cam_ext=extrinsics,
        imgname=np.array(["a.png"] * COUNT),
    )
    same(read_estimates(tmp_path / "bedlam.npz"), body, pixels(joints_of(people, body), 900, (640, 360)))


def test_hybrik(tmp_path, people, body):
    """The focal length follows the box's width, from frame to frame; frames are in the images' names."""
    box = np.random.default_rng(3).uniform((100, 100, 500, 500), (200, 200, 700, 700), (COUNT, 4))
    names = [f"res/res_images/image-{n:06d}.jpg" for n in (1, 2, 5, 6, 7, 9)]
    tree = {
        "pred_thetas": people["pose"].reshape(COUNT, 216),
        "pred_betas": people["betas"],
        "transl": people["transl"],
        "transl_camsys": people["transl"] * 0.5,
        "bbox": box,
        "height": np.full(COUNT, 720),
        "width": np.full(COUNT, 1280),
        "img_path": names,
        "pred_camera": np.ones((COUNT, 1)),
    }
    estimates = read_estimates(dump(tmp_path / "res.pk", tree, "pickle"), body=body)
    root = body.skeleton.rest_joints(people["betas"])[:, 0]
    expected = pixels(
        joints_of(people, body, people["transl"] - root), 1000 / 256 * (box[:, 2] - box[:, 0]), (640, 360)
    )
    same(estimates, body, expected)
    assert estimates.frame.tolist() == [0, 1, 4, 5, 6, 8]
    assert estimates.joints_2d is None
    # The network's own joints are in the box, from -0.5 to 0.5; five more than SMPL's follow.
    centre, side = (box[:, :2] + box[:, 2:]) / 2, (box[:, 2] - box[:, 0])[:, None, None]
    own = np.zeros((COUNT, 29, 3), np.float32)
    own[:, :24, :2] = (expected - centre[:, None]) / side
    tree |= {"pred_uvd": own, "img_path": np.array([f"{'ab'[n // 3]}/{n % 3}.png" for n in range(COUNT)])}
    two_clips = read_estimates(tree, body=body)
    np.testing.assert_allclose(two_clips.joints_2d.points, expected, atol=1e-3)
    assert check_projection(two_clips, body=body).pixels < PIXEL
    assert two_clips.frame.tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("video", [False, True])
def test_romp(tmp_path, people, body, video):
    def results(rows):
        return {
            "smpl_thetas": people["vectors"].reshape(COUNT, 72)[rows],
            "smpl_betas": people["betas"][rows],
            "cam_trans": people["transl"][rows],
            "cam": np.ones((len(rows), 3)),
            "track_ids": np.arange(len(rows)) + 5,
            "pj2d_org": np.zeros((len(rows), 71, 2)),
        }

    rows = [[0, 1, 2], [], [3, 4, 5]]
    held = {f"{n}.jpg": results(part) if part else {} for n, part in enumerate(rows)}
    path = tmp_path / "video_results.npz"
    np.savez(path, results=held if video else results(list(range(COUNT))), sequence_results={})
    estimates = read_estimates(path, image_size=SIZE)
    same(estimates, body, pixels(joints_of(people, body), 443.4 / 512 * 1280, (640, 360)))
    assert estimates.frame.tolist() == ([0, 0, 0, 2, 2, 2] if video else [0] * COUNT)
    assert estimates.joints_2d.layout == "smpl24"


def test_bev_moves_the_middle_of_the_hips(tmp_path, people, body):
    """Its bodies have it at their origin, and the root where the file's joints say."""
    joints = joints_of(people, body)
    hips = joints[:, 1:3].mean(axis=1)
    results = {
        "smpl_thetas": people["vectors"].reshape(COUNT, 72),
        "smpl_betas": np.column_stack([people["betas"], np.full(COUNT, 0.1)]),
        "cam_trans": hips,
        "joints": joints - hips[:, None],
    }
    np.savez(tmp_path / "image.npz", results=results)
    estimates = read_estimates(tmp_path / "image.npz", image_size=SIZE, body=body)
    same(estimates, body, pixels(joints, 443.4 / 512 * 1280, (640, 360)))
    assert "eleventh beta" in estimates.notes[1]


def tram(people, torch):
    def tensor(value):
        return torch.tensor(np.asarray(value, np.float32))

    return {
        "pred_cam": tensor(np.ones((COUNT, 3))),
        "pred_pose": tensor(np.zeros((COUNT, 144))),
        "pred_shape": tensor(people["betas"]),
        "pred_rotmat": tensor(people["pose"]),
        "pred_trans": tensor(people["transl"])[:, None],
        "frame": torch.tensor(people["frame"]),
    }


@pytest.mark.parametrize("folder", [False, True])
def test_tram(tmp_path, people, body, folder):
    """Tensors of torch in a pickled dict; the camera lies beside, or above, the tracks."""
    torch = pytest.importorskip("torch")
    place = tmp_path / "hps"
    place.mkdir()
    np.save(place / "hps_track_3.npy", tram(people, torch))
    camera = {
        "img_focal": np.float64(1100.5),
        "img_center": np.array([630.0, 350.0]),
        "pred_cam_R": np.eye(3),
    }
    np.save((tmp_path if folder else place) / "camera.npy", camera)
    estimates = read_estimates(place if folder else place / "hps_track_3.npy")
    same(estimates, body, pixels(joints_of(people, body), 1100.5, (630, 350)))
    assert estimates.person.tolist() == [3] * COUNT
    assert estimates.frame.tolist() == people["frame"].tolist()


def test_tram_folder_of_a_video(tmp_path, people):
    torch = pytest.importorskip("torch")
    (tmp_path / "hps").mkdir()
    np.save(tmp_path / "hps" / "hps_track_1.npy", tram(people, torch))
    np.save(tmp_path / "boxes.npy", np.zeros((3, 5)))
    np.save(tmp_path / "camera.npy", {"img_focal": np.float32(900), "img_center": np.array([640.0, 360])})
    estimates = read_estimates(tmp_path)
    assert len(estimates) == COUNT
    assert estimates.intrinsics[0].tolist() == [[900, 0, 640], [0, 900, 360], [0, 0, 1]]


def test_tram_without_its_camera_says_so(tmp_path, people):
    torch = pytest.importorskip("torch")
    np.save(tmp_path / "hps_track_0.npy", tram(people, torch))
    estimates = read_estimates(tmp_path / "hps_track_0.npy")
    assert estimates.intrinsics is None
    assert "camera.npy" in estimates.camera


def test_nlf_takes_the_joints_which_are_in_millimetres(tmp_path, people, body):
    joints = joints_of(people, body)
    focal = 1280 / (2 * np.tan(np.radians(55) / 2))
    expected = pixels(joints, focal, (640, 360))
    cuts = (slice(0, 2), slice(2, 2), slice(2, 6))
    tree = {
        "pose": [people["vectors"].reshape(COUNT, 72)[cut] for cut in cuts],
        "betas": [people["betas"][cut] for cut in cuts],
        "trans": [people["transl"][cut] + 9 for cut in cuts],
        "joints3d": [1000 * joints[cut] for cut in cuts],
        "joints2d": [expected[cut] for cut in cuts],
        "boxes": [np.zeros((2, 5))] * 3,
    }
    estimates = read_estimates(dump(tmp_path / "nlf.pkl", tree), image_size=SIZE, body=body)
    same(estimates, body, expected)
    np.testing.assert_allclose(estimates.joints_2d.points, expected)
    assert estimates.frame.tolist() == [0, 0, 2, 2, 2, 2]


@pytest.mark.parametrize("key", ["mocap_framerate", "mocap_frame_rate"])
def test_amass(tmp_path, people, key):
    poses = np.random.default_rng(1).normal(0, 0.4, (COUNT, 156))
    np.savez(
        tmp_path / "a.npz",
        poses=poses,
        betas=people["betas"][0],
        trans=people["transl"],
        gender="male",
        **{key: 120.0},
    )
    estimates = read_estimates(tmp_path / "a.npz")
    assert (estimates.body, estimates.fps, estimates.intrinsics) == ("smplh", 120.0, None)
    turned = Rotation.from_matrix(estimates.pose.reshape(-1, 3, 3)).as_rotvec().reshape(COUNT, 156)
    np.testing.assert_allclose(turned, poses, atol=1e-12)
    np.testing.assert_array_equal(estimates.betas, np.tile(people["betas"][0], (COUNT, 1)))


def test_smplcodec(tmp_path, people):
    with open(tmp_path / "a.smpl", "wb") as file:
        np.savez(
            file,
            codecVersion=np.int32(2),
            smplVersion=np.int32(0),
            gender=np.int32(0),
            frameCount=np.int32(COUNT),
            shapeParameters=people["betas"][0].astype(np.float32),
            frameRate=np.float32(25),
            bodyTranslation=people["transl"].astype(np.float32),
            bodyPose=people["vectors"].astype(np.float32),
        )
    estimates = read_estimates(tmp_path / "a.smpl")
    assert (estimates.body, estimates.fps) == ("smpl", 25.0)
    np.testing.assert_allclose(estimates.pose, people["pose"], atol=1e-6)


def smpl_codec(path, **parts):
    """Write a file as smplcodec does: numbers of 32 bits; what is not set is left out."""
    kinds = {"i": np.int32, "f": np.float32}
    arrays = {key: np.asarray(value) for key, value in parts.items()}
    with open(path, "wb") as file:
        np.savez_compressed(
            file, **{key: array.astype(kinds[array.dtype.kind]) for key, array in arrays.items()}
        )
    return path


def test_smplcodec_of_smplx(tmp_path, people):
    """The head has as many joints as a matrix has rows; translation is optional."""
    vectors = np.random.default_rng(2).normal(0, 0.4, (COUNT, 55, 3))
    parts = {"smplVersion": 2, "gender": 0, "frameCount": COUNT, "shapeParameters": people["betas"][0]}
    parts |= {"bodyPose": vectors[:, :22], "headPose": vectors[:, 22:25]}
    parts |= {"leftHandPose": vectors[:, 25:40], "rightHandPose": vectors[:, 40:]}
    estimates = read_estimates(smpl_codec(tmp_path / "a.smpl", **parts))
    turned = Rotation.from_matrix(estimates.pose.reshape(-1, 3, 3)).as_rotvec().reshape(COUNT, 55, 3)
    np.testing.assert_allclose(turned, vectors, atol=1e-6)
    assert estimates.body == "smplx" and not estimates.transl.any()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"smplVersion": 5, "gender": 1, "bodyPose": np.zeros((2, 46))}, "smplVersion: expected 0 to 2"),
        ({"smplVersion": 2, "gender": 0, "codecVersion": 2}, "expected poses"),
    ],
)
def test_smplcodec_without_smpls_pose_is_refused(tmp_path, parts, message):
    with pytest.raises(InputError, match=message):
        read_estimates(smpl_codec(tmp_path / "a.smpl", **parts))


def world_camera(seed=4):
    """Cameras that move, and their transforms from the world."""
    extrinsics = np.tile(np.eye(4), (COUNT, 1, 1))
    extrinsics[:, :3, :3] = Rotation.random(COUNT, random_state=seed).as_matrix()
    extrinsics[:, :3, 3] = np.random.default_rng(seed).normal(0, 1, (COUNT, 3))
    return extrinsics


def in_camera(points, extrinsics):
    return points @ extrinsics[:, :3, :3].swapaxes(1, 2) + extrinsics[:, None, :3, 3]


def test_slahmr_moves_bodies_into_the_camera_and_drops_unseen_frames(tmp_path, people, body):
    extrinsics = world_camera()
    flat = {**people, "pose": people["pose"].copy()}
    flat["pose"][:, 22:] = np.eye(3)
    joints = joints_of(flat, body)
    expected = in_camera(joints, extrinsics)
    folder = tmp_path / "smooth_fit"
    folder.mkdir()
    vectors = people["vectors"]
    np.savez(
        folder / "a_world_results.npz",
        trans=people["transl"].reshape(2, 3, 3),
        root_orient=vectors[:, 0].reshape(2, 3, 3),
        pose_body=vectors[:, 1:22].reshape(2, 3, 63),
        betas=people["betas"][[0, 3]],
        cam_R=extrinsics[:, :3, :3].reshape(2, 3, 3, 3),
        cam_t=extrinsics[:, :3, 3].reshape(2, 3, 3),
        intrins=np.array([900.0, 910, 600, 340]),
        floor_plane=np.zeros(3),
    )
    betas = np.repeat(people["betas"][[0, 3]], 3, axis=0)
    expected = in_camera(body.joints(flat["pose"], betas, people["transl"]), extrinsics)
    estimates = read_estimates(folder / "a_world_results.npz", body=body)
    ours = body.joints(estimates.pose, estimates.betas, estimates.transl)
    np.testing.assert_allclose(ours, expected, atol=1e-9)
    assert estimates.intrinsics[0].tolist() == [[900, 0, 600], [0, 910, 340], [0, 0, 1]]
    tracks = {
        "a": {"index": 0, "vis_mask": [True, False, True]},
        "b": {"index": 1, "vis_mask": [True, True, False]},
    }
    (tmp_path / "track_info.json").write_text(json.dumps({"tracks": tracks}), encoding="utf-8")
    seen = read_estimates(folder / "a_world_results.npz", body=body)
    assert seen.person.tolist() == [0, 0, 1, 1]
    assert seen.frame.tolist() == [0, 2, 0, 1]
    # Masks are of all images of the data, frames of those where somebody is seen.
    tracks = {
        name: {**track, "vis_mask": [False, False, *track["vis_mask"]]} for name, track in tracks.items()
    }
    meta = {"seq_interval": [2, 5], "data_interval": [10, 15]}
    (tmp_path / "track_info.json").write_text(json.dumps({"tracks": tracks, "meta": meta}), encoding="utf-8")
    seen = read_estimates(folder / "a_world_results.npz", body=body)
    assert seen.person.tolist() == [0, 0, 1, 1]
    assert seen.frame.tolist() == [12, 14, 12, 13]


def test_easymocap_turns_about_the_origin(tmp_path, people, body):
    turn = Rotation.random(COUNT, random_state=1)
    still = {**people, "pose": people["pose"].copy()}
    still["pose"][:, 0] = np.eye(3)
    rest = joints_of(still, body, np.zeros((COUNT, 3)))
    expected = rest @ turn.as_matrix().swapaxes(1, 2) + people["transl"][:, None]
    vectors = people["vectors"].copy()
    vectors[:, 0] = 0
    for n in range(COUNT):
        person = {
            "id": 2,
            "Rh": turn[n].as_rotvec()[None].tolist(),
            "Th": people["transl"][n : n + 1].tolist(),
            "poses": vectors[n].reshape(1, 72).tolist(),
            "shapes": people["betas"][n : n + 1].tolist(),
        }
        (tmp_path / f"{n + 4:06d}.json").write_text(json.dumps([person]), encoding="utf-8")
    estimates = read_estimates(tmp_path, body=body)
    ours = body.joints(estimates.pose, estimates.betas, estimates.transl)
    np.testing.assert_allclose(ours, expected, atol=1e-9)
    assert estimates.frame.tolist() == [4, 5, 6, 7, 8, 9]
    one = read_estimates(tmp_path / "000004.json", body=body)
    np.testing.assert_allclose(body.joints(one.pose, one.betas, one.transl), expected[:1], atol=1e-9)


def test_comotion(tmp_path, people, body):
    torch = pytest.importorskip("torch")
    tree = {
        "id": torch.arange(COUNT),
        "frame_idx": torch.tensor(people["frame"]),
        "pose": torch.tensor(people["vectors"].reshape(COUNT, 72)),
        "trans": torch.tensor(people["transl"]),
        "betas": torch.tensor(people["betas"]),
    }
    torch.save(tree, tmp_path / "a.pt")
    estimates = read_estimates(tmp_path / "a.pt", image_size=SIZE)
    same(estimates, body, pixels(joints_of(people, body), 2560, (640, 360)))
    assert estimates.person.tolist() == list(range(COUNT))


def test_comotions_image_tells_its_camera(tmp_path, people, body):
    torch = pytest.importorskip("torch")
    joints = joints_of(people, body)
    expected = pixels(joints, 2560, (640, 360))
    tree = {
        "betas": people["betas"],
        "pose": people["vectors"].reshape(COUNT, 72),
        "trans": people["transl"],
        "pred_3d": np.pad(joints, ((0, 0), (0, 3), (0, 0)), "edge"),
        "pred_2d": np.pad(expected, ((0, 0), (0, 3), (0, 0)), "edge"),
        "conf": np.ones((COUNT, 1)),
    }
    torch.save({key: torch.tensor(value) for key, value in tree.items()}, tmp_path / "image.pt")
    estimates = read_estimates(tmp_path / "image.pt")
    same(estimates, body, expected)
    assert estimates.image_size == SIZE
    np.testing.assert_allclose(estimates.joints_2d.points, expected)
    assert estimates.frame.tolist() == [0] * COUNT


def test_emdb(tmp_path, people, body):
    extrinsics = world_camera(5)
    betas = np.tile(people["betas"][0], (COUNT, 1))
    expected = pixels(
        in_camera(body.joints(people["pose"], betas, people["transl"]), extrinsics), 900, (640, 360)
    )
    good = np.array([1, 1, 0, 1, 1, 1], bool)
    tree = {
        "gender": "female",
        "name": "P0_00",
        "n_frames": COUNT,
        "good_frames_mask": good,
        "camera": {
            "intrinsics": np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]]),
            "extrinsics": extrinsics,
            "width": 1280,
            "height": 720,
        },
        "smpl": {
            "poses_root": people["vectors"][:, 0],
            "poses_body": people["vectors"][:, 1:].reshape(COUNT, 69),
            "trans": people["transl"],
            "betas": people["betas"][0],
        },
        "kp2d": expected,
    }
    estimates = read_estimates(dump(tmp_path / "P0_data.pkl", tree, "pickle"), body=body)
    same(estimates, body, expected[good])
    np.testing.assert_allclose(estimates.keypoints.points, expected[good])
    assert estimates.frame.tolist() == [0, 1, 3, 4, 5]


@pytest.fixture(scope="module")
def smplx(tmp_path_factory):
    """An invented body with SMPL-X's joints."""
    folder = tmp_path_factory.mktemp("smplx")
    return load_body(smpl_files.write_npz(folder / "x.npz", smpl_files.body(60, joints=55, seed=3)))


def gvhmr(people, torch):
    inner = {
        "body_pose": torch.tensor(people["vectors"][:, 1:22].reshape(COUNT, 63)),
        "betas": torch.tensor(people["betas"]),
        "global_orient": torch.tensor(people["vectors"][:, 0]),
        "transl": torch.tensor(people["transl"]),
    }
    focal = np.hypot(*SIZE)
    matrix = torch.tensor(np.array([[focal, 0, 640], [0, focal, 360], [0, 0, 1]])).repeat(COUNT, 1, 1)
    return {"smpl_params_global": inner, "smpl_params_incam": inner, "K_fullimg": matrix}


def test_gvhmr(tmp_path, people, smplx):
    torch = pytest.importorskip("torch")
    torch.save(gvhmr(people, torch), tmp_path / "hmr4d_results.pt")
    estimates = read_estimates(tmp_path / "hmr4d_results.pt", body=smplx)
    pose = np.tile(np.eye(3), (COUNT, 55, 1, 1))
    pose[:, :22] = people["pose"][:, :22]
    same(
        estimates,
        smplx,
        pixels(smplx.joints(pose, people["betas"], people["transl"]), np.hypot(*SIZE), (640, 360)),
    )
    assert estimates.body == "smplx"
    assert estimates.keypoints is None
    with pytest.raises(InputError, match=r"expected a SMPL-X body for GVHMR's estimates .*got none"):
        read_estimates(tmp_path / "hmr4d_results.pt")
    with pytest.raises(InputError, match=r"got another"):
        read_estimates(tmp_path / "hmr4d_results.pt", body="open")


def test_gvhmr_brings_the_keypoints_beside_it(tmp_path, people, smplx):
    """The demo leaves them in a file of a single tensor."""
    torch = pytest.importorskip("torch")
    torch.save(gvhmr(people, torch), tmp_path / "hmr4d_results.pt")
    points = torch.rand(COUNT, 17, 3) * 100 + 1
    points[2, 3, 2] = 0
    (tmp_path / "preprocess").mkdir()
    torch.save(points, tmp_path / "preprocess" / "vitpose.pt")
    keypoints = read_estimates(tmp_path / "hmr4d_results.pt", body=smplx).keypoints
    assert keypoints.layout == "coco17"
    assert keypoints.image_size == SIZE
    assert np.isnan(keypoints.points[2, 3]).all()
    np.testing.assert_array_equal(keypoints.points[0], points[0, :, :2].numpy())


def test_prompthmr(tmp_path, people, smplx):
    pose = np.tile(np.eye(3), (COUNT, 55, 1, 1))
    pose[:, :24] = people["pose"]
    tree = {
        "camera": {"img_focal": 1000.0, "img_center": np.array([640.0, 360])},
        "people": {
            5: {
                "track_id": 5,
                "frames": people["frame"],
                "keypoints_2d": np.ones((COUNT, 25, 3)),
                "smplx_cam": {"rotmat": pose, "shape": people["betas"], "trans": people["transl"]},
            }
        },
    }
    estimates = read_estimates(dump(tmp_path / "results.pkl", tree), body=smplx)
    same(estimates, smplx, pixels(smplx.joints(pose, people["betas"], people["transl"]), 1000, (640, 360)))
    assert estimates.keypoints.layout == "body25"


def test_multihmr_gives_the_pelvis(people, smplx):
    vectors = np.random.default_rng(3).normal(0, 0.3, (COUNT, 53, 3))
    rows = [
        {
            "rotvec": vectors[n],
            "shape": people["betas"][n],
            "transl_pelvis": people["transl"][n : n + 1],
            "transl": np.zeros(3),
        }
        for n in range(COUNT)
    ]
    estimates = read_estimates(rows, body=smplx, image_size=SIZE)
    joints = smplx.joints(estimates.pose, estimates.betas, estimates.transl)
    np.testing.assert_allclose(joints[:, 0], people["transl"], atol=1e-9)
    focal = 1280 / (2 * np.tan(np.radians(30)))
    assert estimates.intrinsics[0, 0, 0] == pytest.approx(focal)
    turned = Rotation.from_matrix(estimates.pose[:, 25]).as_rotvec()
    np.testing.assert_allclose(turned, vectors[:, 22], atol=1e-9)


def test_smplestx_keeps_the_camera_of_its_box(people, smplx):
    rng = np.random.default_rng(3)
    parts = {"root": 1, "body": 21, "lhand": 15, "rhand": 15, "jaw": 1}
    tree = {f"smplx_{name}_pose": rng.normal(0, 0.3, (COUNT, 3 * size)) for name, size in parts.items()}
    box = rng.uniform((100, 50, 200, 300), (200, 90, 300, 400), (COUNT, 4))
    tree |= {"smplx_shape": people["betas"], "cam_trans": people["transl"], "bbox": box}
    estimates = read_estimates(tree, body=smplx)
    joints = smplx.joints(estimates.pose, estimates.betas, estimates.transl)
    focal = np.array([5000.0, 5000]) * box[:, None, 2:] / (192, 256)
    inside = joints[..., :2] / joints[..., 2:] * focal + np.array([96, 128]) / (192, 256) * box[:, None, 2:]
    same(estimates, smplx, inside + box[:, None, :2])


def test_sam_3d_body_is_refused_with_its_camera(people, body):
    points = np.random.default_rng(1).normal(0, 0.5, (70, 3))
    shift = np.array([0.1, 0.2, 4.0])
    tree = {
        "pred_keypoints_3d": points,
        "pred_cam_t": shift,
        "pred_vertices": np.zeros((5, 3)),
        "pred_keypoints_2d": pixels(points + shift, 2535.27, (960, 445)),
    }
    with pytest.raises(InputError, match=r"read_keypoints.*focal length 2535\.27, centre 960\.00, 445\.00"):
        read_estimates([tree])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_long_motion_is_converted_by_a_kernel(tmp_path, monkeypatch, dtype):
    poses = np.random.default_rng(0).normal(size=(400, 156)).astype(dtype)
    poses[:3] *= [[0], [1e-9], [1e-4]]
    np.savez(tmp_path / "a.npz", poses=poses, trans=np.zeros((400, 3)), betas=np.zeros(16))
    expected = read_estimates(tmp_path / "a.npz").pose
    monkeypatch.setattr(records, "_MANY", 0)
    monkeypatch.setattr("kitro_np.kernels.rotations.BLOCK", 1000)
    np.testing.assert_allclose(read_estimates(tmp_path / "a.npz").pose, expected, rtol=0, atol=1e-14)
