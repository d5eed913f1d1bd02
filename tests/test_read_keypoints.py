"""Keypoints of every detector's format, written here as its program writes them, come back to the pixel."""

import json
import os
import pickle
import time
from types import SimpleNamespace

import numpy as np
import pytest

from kitro_np import InputError, read_keypoints
from kitro_np.formats.keypoints_in.registry import keypoint_formats

SIZE = (640, 480)
FRAMES, PEOPLE = 4, 2


def truth(count, seed=0):
    """Points, scores, frames and identities: two people in four images, one of them alone in the last."""
    generator = np.random.default_rng(seed)
    frame = np.array([0, 0, 1, 1, 2, 2, 3])
    person = np.array([0, 1, 0, 1, 0, 1, 1])
    points = np.round(generator.uniform(20, 460, (len(frame), count, 2)), 3)
    scores = np.round(generator.uniform(0.1, 1, (len(frame), count)), 3)
    return points, scores, frame, person


def flat(points, scores):
    return np.concatenate([points, scores[..., None]], axis=-1).reshape(-1).tolist()


def save(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def in_frames(rows, frame):
    return [[row for row, f in zip(rows, frame, strict=True) if f == n] for n in range(FRAMES)]


def check(found, expected, layout, *, tolerance=0.0, tracked=False, scored=True):
    points, scores, frame, person = expected
    np.testing.assert_allclose(found.points, points, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(found.confidence, scores if scored else np.ones_like(scores))
    np.testing.assert_array_equal(found.frame, frame)
    assert found.layout == layout
    assert (found.person is not None) == tracked
    if tracked:
        np.testing.assert_array_equal(found.person, person)


# ------------------------------------------------------------------------------------- OpenPose


def openpose(folder, expected, convert=lambda points: points, person_id=lambda _: [-1]):
    folder.mkdir()
    points, scores, frame, person = expected
    for n in range(FRAMES):
        people = [
            {
                "person_id": person_id(person[row]),
                "pose_keypoints_2d": flat(convert(points[row]), scores[row]),
                "hand_left_keypoints_2d": [],
            }
            for row in np.flatnonzero(frame == n)
        ]
        save(folder / f"walk_{n:012d}_keypoints.json", {"version": 1.3, "people": people})
    return folder


@pytest.mark.parametrize(("count", "layout"), [(25, "body25"), (18, "coco18")])
def test_openpose_folder(tmp_path, count, layout):
    expected = truth(count)
    found = read_keypoints(openpose(tmp_path / "json", expected))
    check(found, expected, layout)
    assert found.image_name[0] == "walk_000000000000"


def test_what_the_files_of_openpose_hold_is_read_as_a_list():
    frames = [{"people": [{"pose_keypoints_2d": [10.0 * n, 20, 0.9] * 18}]} for n in range(3)]
    found = read_keypoints(frames)
    assert found.frame.tolist() == [0, 1, 2] and found.layout == "coco18"
    np.testing.assert_array_equal(found.points[:, 4, 0], [0, 10, 20])


def test_openpose_file_of_one_image_has_frame_0(tmp_path):
    folder = openpose(tmp_path / "json", truth(25))
    assert set(read_keypoints(folder / "walk_000000000002_keypoints.json").frame) == {0}


def test_openpose_identities(tmp_path):
    expected = truth(25)
    folder = openpose(tmp_path / "json", expected, person_id=lambda p: [int(p)])
    check(read_keypoints(folder), expected, "body25", tracked=True)


@pytest.mark.parametrize(
    ("near", "layout"), [(slice(15, 19), "body25"), (slice(1, 5), "body25b"), (None, "")]
)
def test_the_points_near_the_nose_tell_body25b(tmp_path, near, layout):
    points, scores, *rest = truth(25)
    if near is not None:  # eyes and ears
        points[:, near] = points[:, :1] + 5
    folder = openpose(tmp_path / "json", (points, scores, *rest))
    found = read_keypoints(folder)
    assert found.layout == (layout or "body25")
    assert any("layout=" in note for note in found.notes) == (layout != "body25")
    for named in ("body25", "body25b"):
        found = read_keypoints(folder, layout=named)
        assert found.layout == named and not any("layout=" in note for note in found.notes)


def test_pose2sim_writes_a_person_of_nan_where_it_sees_nobody(tmp_path):
    points, scores, frame, _ = expected = truth(26)
    folder = openpose(tmp_path / "json", expected)
    nobody = {"person_id": [-1], "pose_keypoints_2d": [float("nan")] * 81}
    save(folder / "walk_000000000009_keypoints.json", {"version": 1.3, "people": [nobody]})
    check(read_keypoints(folder), (points, scores, frame, None), "halpe26")


@pytest.mark.parametrize(("people", "key"), [("people", "pose_keypoints_2d"), ("bodies", "joints")])
@pytest.mark.parametrize("apart", [False, True])
def test_alphapose_in_openposes_form(tmp_path, people, key, apart):
    """Its formats open and cmu have all images in one file, and each in one of the folder sep-json."""
    expected = truth(18)
    points, scores, frame, _ = expected
    flats = [{key: flat(one, score)} for one, score in zip(points, scores, strict=True)]
    images = {
        f"{n}.jpg": {"version": "AlphaPose v0.3", people: one}
        for n, one in enumerate(in_frames(flats, frame))
    }
    path = tmp_path / "sep-json"
    if apart:
        path.mkdir()
        for name, content in images.items():
            save(path / name.replace("jpg", "json"), content)
    else:
        save(path, images)
    check(read_keypoints(path), expected, "coco18")


def test_opencap(tmp_path):
    expected = truth(25)
    points, scores, frame, person = expected
    points[:, 15:19] = points[:, :1] + 5
    people = [
        {"person_id": [int(p)], "pose_keypoints_2d": flat(one, score)}
        for one, score, p in zip(points, scores, person, strict=True)
    ]
    path = tmp_path / "walk_keypoints.pkl"
    path.write_bytes(pickle.dumps(in_frames(people, frame)))
    check(read_keypoints(path), expected, "body25", tracked=True)


@pytest.mark.parametrize("scale", [3, 4])
def test_openpose_keypoint_scale(tmp_path, scale):
    """Scale 3 maps pixels 0 to W - 1 to 0 to 1, scale 4 to -1 to 1, as OpenPose's keypointScaler does."""
    expected, last = truth(25), np.array(SIZE) - 1
    unit = (lambda points: points / last) if scale == 3 else (lambda points: 2 * points / last - 1)
    folder = openpose(tmp_path / "json", expected, unit)
    with pytest.raises(InputError, match=r"^image_size: expected .*, got None\.$"):
        read_keypoints(folder)
    found = read_keypoints(folder, image_size=SIZE)
    check(found, expected, "body25", tolerance=1e-9)
    assert any(f"--keypoint_scale {scale}" in note for note in found.notes)


def test_openpose_missing_points(tmp_path):
    expected = truth(25)
    expected[0][3, 4:6], expected[1][3, 4:6] = 0, 0
    found = read_keypoints(openpose(tmp_path / "json", expected))
    assert np.isnan(found.points[3, 4:6]).all() and not found.confidence[3, 4:6].any()
    assert np.isnan(found.points).sum() == 4


def test_ten_thousand_openpose_files_take_seconds(tmp_path):
    points, scores, _, _ = truth(25)
    text = json.dumps({"version": 1.3, "people": [{"pose_keypoints_2d": flat(points[0], scores[0])}] * 2})
    for n in range(10_000):
        (tmp_path / f"walk_{n:012d}_keypoints.json").write_text(text, encoding="utf-8")
    start = time.perf_counter()
    found = read_keypoints(tmp_path)
    assert time.perf_counter() - start < 10
    assert len(found) == 20_000 and found.frame[-1] == 9_999


# ------------------------------------------------------------------------------------- MMPose, Sapiens


def instances(expected, nested):
    points, scores, frame, _ = expected
    rows = []
    for one, score in zip(points, scores, strict=True):
        box = [*one.min(0).tolist(), *one.max(0).tolist()]
        rows.append(
            {
                "keypoints": one.tolist(),
                "keypoint_scores": score.tolist(),
                "bbox": [box] if nested else box,
                "bbox_score": 0.9,
            }
        )
    return in_frames(rows, frame)


def test_mmpose_inferencer_counts_from_0_and_nests_boxes(tmp_path):
    expected = truth(17)
    video = [{"frame_id": n, "instances": one} for n, one in enumerate(instances(expected, nested=True))]
    found = read_keypoints(save(tmp_path / "walk.json", video))
    check(found, expected, "coco17")
    np.testing.assert_allclose(found.box[:, :2], expected[0].min(1))
    np.testing.assert_allclose(found.box[:, 2:], np.ptp(expected[0], axis=1))


def test_mmpose_demo_counts_from_1(tmp_path):
    expected = truth(26)
    frames = [{"frame_id": n + 1, "instances": one} for n, one in enumerate(instances(expected, False))]
    content = {"meta_info": {"dataset_name": "halpe26"}, "instance_info": frames}
    found = read_keypoints(save(tmp_path / "results.json", content))
    check(found, expected, "halpe26")
    assert any("from 1" in note for note in found.notes)


H36M = "root right_hip right_knee right_foot left_hip left_knee left_foot spine thorax neck_base head"
POSETRACK = "nose head_bottom head_top left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow"


def mmpose_demo(path, expected, names):
    """Write the demo's file, which names the first of the points."""
    count = expected[0].shape[1]
    named = {str(n): name for n, name in enumerate((names.split() + ["more"] * count)[:count])}
    frames = [{"frame_id": n + 1, "instances": one} for n, one in enumerate(instances(expected, False))]
    meta = {"dataset_name": "any", "num_keypoints": count, "keypoint_id2name": named}
    return save(path, {"meta_info": meta, "instance_info": frames})


def test_mmpose_demo_names_its_points(tmp_path):
    expected = truth(17)
    check(read_keypoints(mmpose_demo(tmp_path / "a.json", expected, H36M)), expected, "h36m17")
    path = mmpose_demo(tmp_path / "b.json", expected, POSETRACK)
    with pytest.raises(
        InputError, match=r"^layout: expected 'coco17', 'h36m17' for 17 points, .* head_bottom"
    ):
        read_keypoints(path)
    check(read_keypoints(path, "coco17"), expected, "coco17")


def test_mmposes_3d_points_are_refused(tmp_path):
    points, *rest = truth(17)
    points = np.concatenate([points, points[..., :1]], axis=2)
    with pytest.raises(InputError, match=r"got \(x, y, z\), as the program's 3D demo writes: fit_points"):
        read_keypoints(mmpose_demo(tmp_path / "a.json", (points, *rest), H36M))


def test_mmpose_demo_with_a_frame_0_is_refused(tmp_path):
    content = {"instance_info": [{"frame_id": 0, "instances": []}]}
    with pytest.raises(InputError, match="frame_id: expected a number of at least 1"):
        read_keypoints(save(tmp_path / "results.json", content))


@pytest.mark.parametrize(("count", "layout"), [(17, "coco17"), (133, "wholebody133"), (308, "sapiens308")])
def test_sapiens_writes_a_file_for_each_image(tmp_path, count, layout):
    expected = truth(count)
    for n, people in enumerate(instances(expected, False)):
        save(tmp_path / f"{n:06d}.json", {"instance_info": people})
    check(read_keypoints(tmp_path), expected, layout)


def test_mmpose_inferencer_of_images(tmp_path):
    expected = truth(17)
    for n, people in enumerate(instances(expected, True)):
        save(tmp_path / f"{n:06d}.json", people)
    save(tmp_path / "000009.json", [])  # nobody in it
    check(read_keypoints(tmp_path), expected, "coco17")


# ------------------------------------------------------------------------------------- COCO's lists


def coco_list(expected, image_id, **more):
    points, scores, frame, person = expected
    return [
        {
            "image_id": image_id(int(frame[row])),
            "category_id": 1,
            "keypoints": flat(points[row], scores[row]),
            "score": 2.7,
            **{key: value(int(person[row])) for key, value in more.items()},
        }
        for row in range(len(frame))
    ]


@pytest.mark.parametrize(
    "idx", [lambda p: p, lambda p: [float(p)], lambda p: [[p]]], ids=["n", "[n]", "[[n]]"]
)
def test_alphapose(tmp_path, idx):
    expected = truth(17)
    expected[1][:] *= 6  # sums of heat maps
    rows = coco_list(expected, lambda n: f"{n}.jpg", idx=idx, box=lambda _: [1.0, 2.0, 3.0, 4.0])
    found = read_keypoints(save(tmp_path / "alphapose-results.json", rows[::-1]))
    order = [6, 5, 4, 3, 2, 1, 0]
    reversed_in_frames = sorted(order, key=lambda row: expected[2][row])
    check(found, [part[reversed_in_frames] for part in expected], "coco17", tracked=True)
    assert found.image_name[-1] == "3.jpg" and found.box.shape == (7, 4)


def test_fractions_of_a_second_do_not_number_the_images(tmp_path):
    expected = truth(17)
    names = ["12_04_17.738", "12_04_17.790", "12_04_18.007", "12_04_18.057"]
    rows = coco_list(expected, lambda n: f"2018-07-04T{names[n]}.png")
    found = read_keypoints(save(tmp_path / "alphapose-results.json", rows))
    check(found, expected, "coco17")
    assert any("do not number the images" in note for note in found.notes)


def test_alphapose_with_25_points_needs_a_layout_and_names_them(tmp_path):
    path = save(tmp_path / "results.json", coco_list(truth(25), lambda n: f"{n}.jpg"))
    with pytest.raises(
        InputError, match=r"^layout: expected one of 'body25', 'body25b', 'vitpose25', .*None\.$"
    ):
        read_keypoints(path)
    assert read_keypoints(path, "body25").layout == "body25"


def test_coco_results_number_images(tmp_path):
    expected = truth(17)
    found = read_keypoints(save(tmp_path / "results.json", coco_list(expected, lambda n: n)))
    check(found, expected, "coco17")
    assert any("annotations=" in note for note in found.notes)


def test_coco_results_with_their_annotation_file(tmp_path):
    expected = truth(17)
    images = [
        {"id": 900 - n, "file_name": f"clip/{n:05d}.jpg", "width": SIZE[0], "height": SIZE[1]}
        for n in range(FRAMES)
    ]
    annotations = save(tmp_path / "annotations.json", {"images": images, "annotations": []})
    results = save(tmp_path / "results.json", coco_list(expected, lambda n: 900 - n))
    found = read_keypoints(results, annotations=annotations)
    check(found, expected, "coco17")
    assert found.image_name[0] == "clip/00000.jpg" and found.image_size == SIZE
    other = {"images": images[1:], "annotations": []}
    with pytest.raises(InputError, match="image_id: expected images that the annotation file has"):
        read_keypoints(results, annotations=other)


def test_coco_annotations(tmp_path):
    expected = truth(17)
    expected[1][:] = 2
    rows = [{**one, "bbox": [0, 0, 9, 9]} for one in coco_list(expected, lambda n: n)]
    rows.append({"image_id": 3, "keypoints": [0] * 51, "num_keypoints": 0, "iscrowd": 1})
    images = [{"id": n, "file_name": f"{n:06d}.jpg"} for n in range(FRAMES)]
    found = read_keypoints(save(tmp_path / "person.json", {"images": images, "annotations": rows}))
    check(found, expected, "coco17")


@pytest.mark.parametrize("annotated", [False, True])
def test_coco_wholebody_has_parts_under_keys_of_their_own(tmp_path, annotated):
    expected = truth(133)
    rows = coco_list(expected, lambda n: n)
    cuts = {"keypoints": 51, "foot_kpts": 69, "face_kpts": 273, "lefthand_kpts": 336, "righthand_kpts": 399}
    starts = [0, *cuts.values()]
    rows = [
        one
        | {key: one["keypoints"][start:end] for start, (key, end) in zip(starts, cuts.items(), strict=False)}
        for one in rows
    ]
    images = [{"id": n, "file_name": f"{n:06d}.jpg"} for n in range(FRAMES)]
    path = save(tmp_path / "a.json", {"images": images, "annotations": rows} if annotated else rows)
    check(read_keypoints(path), expected, "wholebody133")


def test_coco_annotations_with_nested_points(tmp_path):
    expected = truth(26)
    rows = coco_list(expected, lambda n: n)
    rows = [one | {"keypoints": np.reshape(one["keypoints"], (-1, 3)).tolist()} for one in rows]
    images = [{"id": n, "file_name": f"{n:06d}.jpg"} for n in range(FRAMES)]
    check(
        read_keypoints(save(tmp_path / "a.json", {"images": images, "annotations": rows})),
        expected,
        "halpe26",
    )


# ------------------------------------------------------------------------------------- Ultralytics


def labels(folder, expected, ending, *, scored=True, name="walk_{}", first=1):
    folder.mkdir()
    points, scores, frame, person = expected
    for n in range(FRAMES):
        lines = []
        for row in np.flatnonzero(frame == n):
            unit = points[row] / SIZE
            numbers = np.concatenate([unit, scores[row][:, None]], 1) if scored else unit
            line = [0, 0.5, 0.5, 0.25, 0.5, *numbers.reshape(-1).tolist(), *ending(person[row])]
            lines.append(" ".join(f"{value:.12g}" for value in line))
        (folder / f"{name.format(n + first)}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("scored", [True, False], ids=["scores", "no scores"])
@pytest.mark.parametrize(
    ("ending", "tracked"),
    [(lambda _: [], False), (lambda _: [0.87], False), (lambda p: [p], True), (lambda p: [0.87, p], True)],
    ids=["", "conf", "id", "conf id"],
)
def test_ultralytics_text(tmp_path, ending, tracked, scored):
    """The number of columns tells what is in them; a video's files count from 1."""
    expected = truth(17)
    folder = labels(tmp_path / "labels", expected, ending, scored=scored)
    with pytest.raises(InputError, match=r"^image_size: "):
        read_keypoints(folder)
    found = read_keypoints(folder, image_size=SIZE)
    check(found, expected, "coco17", tolerance=1e-8, tracked=tracked, scored=scored)
    np.testing.assert_allclose(found.box[0], [240, 120, 160, 240])


def test_ultralytics_text_of_images_keeps_their_numbers(tmp_path):
    expected = truth(17)
    folder = labels(tmp_path / "labels", expected, lambda _: [], name="{:06d}", first=5)
    np.testing.assert_array_equal(read_keypoints(folder, image_size=SIZE).frame, expected[2] + 5)


def test_ultralytics_text_that_was_appended(tmp_path):
    expected = truth(17)
    folder = labels(tmp_path / "labels", expected, lambda _: [])
    path = folder / "walk_1.txt"
    path.write_text(path.read_text(encoding="utf-8") * 2, encoding="utf-8")
    found = read_keypoints(folder, image_size=SIZE)
    check(found, expected, "coco17", tolerance=1e-8)
    assert any("appended" in note for note in found.notes)


def test_ultralytics_text_with_other_points(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(" ".join(["0 0.5 0.5 0.25 0.5", *["0.1 0.2 0.3"] * 25]), encoding="utf-8")
    assert read_keypoints(path, "body25", image_size=SIZE).layout == "body25"
    path.write_text(" ".join(["0 0.5 0.5 0.25 0.5", *["0.1 0.2 0.3"] * 13]), encoding="utf-8")
    with pytest.raises(InputError, match="points, got 44 numbers; layout= tells"):
        read_keypoints(path, image_size=SIZE)


def summaries(expected, *, tracked=True):
    points, scores, frame, person = expected
    rows = [
        {
            "name": "person",
            "class": 0,
            "confidence": 0.9,
            "box": {"x1": 1.0, "y1": 2.0, "x2": 5.0, "y2": 9.0},
            **({"track_id": int(p)} if tracked else {}),
            "keypoints": {"x": one[:, 0].tolist(), "y": one[:, 1].tolist(), "visible": score.tolist()},
        }
        for one, score, p in zip(points, scores, person, strict=True)
    ]
    return in_frames(rows, frame)


def test_ultralytics_json(tmp_path):
    expected = truth(17)
    found = read_keypoints(save(tmp_path / "frames.json", summaries(expected)))
    check(found, expected, "coco17", tracked=True)
    np.testing.assert_array_equal(found.box[0], [1, 2, 4, 7])


def test_ultralytics_point_at_0_0_is_missing_whatever_its_score():
    """Versions of two years wrote x = y = 0 for scores below 0.5, and kept the score."""
    expected = truth(17)
    expected[0][2, 7], expected[1][2, 7] = 0, 0.447
    found = read_keypoints(summaries(expected))
    assert np.isnan(found.points[2, 7]).all() and found.confidence[2, 7] == 0


def test_ultralytics_results_tell_the_image_size():
    frames = summaries(truth(17))
    results = [SimpleNamespace(summary=lambda one=one: one, orig_shape=(SIZE[1], SIZE[0])) for one in frames]
    found = read_keypoints(results)
    assert found.image_size == SIZE and len(found) == 7


# ------------------------------------------------------------------------------------- other programs


@pytest.mark.parametrize(("count", "layout"), [(17, "coco17"), (25, "vitpose25")])
def test_easy_vitpose_writes_y_first(tmp_path, count, layout):
    expected = truth(count)
    points, scores, frame, person = expected
    frames = [{} for _ in range(FRAMES)]
    for one, score, n, p in zip(points, scores, frame, person, strict=True):
        frames[n][str(p)] = np.concatenate([one[:, ::-1], score[:, None]], axis=1).tolist()
    path = save(tmp_path / "video.json", {"keypoints": frames, "skeleton": {"0": "nose"}})
    check(read_keypoints(path), expected, layout, tracked=True)


def test_rtmlib_arrays():
    expected = truth(133)
    points, scores, frame, _ = expected
    pairs = [(points[frame == n], scores[frame == n]) for n in range(FRAMES)]
    check(read_keypoints(pairs), expected, "wholebody133")
    assert set(read_keypoints(pairs[1]).frame) == {0}


def test_an_array_is_of_one_person():
    points, scores, _, _ = truth(17)
    found = read_keypoints(np.concatenate([points, scores[..., None]], axis=2))
    check(found, (points, scores, np.arange(7), np.zeros(7)), "coco17", tracked=True)


def test_transformers_dicts_are_scattered_by_their_labels():
    expected = truth(17)
    points, scores, frame, _ = expected
    people = []
    for one, score in zip(points, scores, strict=True):
        kept = np.flatnonzero(score > 0.4)[::-1]  # a threshold leaves points out; their order does not matter
        people.append({"keypoints": one[kept], "scores": score[kept], "labels": kept, "bbox": np.zeros(4)})
    found = read_keypoints(in_frames(people, frame))
    seen = scores > 0.4
    np.testing.assert_array_equal(found.points[seen], points[seen])
    np.testing.assert_array_equal(found.confidence, np.where(seen, scores, 0))
    assert np.isnan(found.points[~seen]).all()


def test_whams_tracks(tmp_path):
    """joblib's pickle of a dict for each person."""
    joblib = pytest.importorskip("joblib")
    expected = truth(17)
    points, scores, frame, person = expected
    every = np.concatenate([points, scores[..., None]], axis=2)
    tracks = {
        p: {"frame_id": frame[person == p], "keypoints": every[person == p], "features": np.zeros((3, 8))}
        for p in (0, 1)
    }
    joblib.dump(tracks, tmp_path / "tracking_results.pth")
    check(read_keypoints(tmp_path / "tracking_results.pth"), expected, "coco17", tracked=True)


def test_a_tensor_in_a_file_is_of_one_person(tmp_path):
    torch = pytest.importorskip("torch")
    points, scores, _, _ = truth(17)
    torch.save(torch.tensor(np.concatenate([points, scores[..., None]], axis=2)), tmp_path / "vitpose.pt")
    found = read_keypoints(tmp_path / "vitpose.pt")
    check(found, (points, scores, np.arange(7), np.zeros(7)), "coco17", tracked=True)


@pytest.mark.parametrize("name", ["a.pkl", "a.pt"])
def test_nothing_in_a_pickle_is_executed(tmp_path, name):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)

    (tmp_path / name).write_bytes(pickle.dumps({"keypoints": Evil()}))
    with pytest.raises(InputError, match="nothing was executed"):
        read_keypoints(tmp_path / name)
    assert not (tmp_path / "made").exists()


def landmarks(unit, scores, kind):
    return [
        kind(x=x, y=y, z=0.1, visibility=v) for (x, y), v in zip(unit.tolist(), scores.tolist(), strict=True)
    ]


@pytest.mark.parametrize("form", ["result", "legacy", "json", "lists", "frames", "numbered", "keypoints"])
def test_mediapipe_landmarks(form, tmp_path):
    """x is in units of the width and y of the height; they may lie outside."""
    points, scores, _, _ = truth(33)
    points, scores = points[:FRAMES], scores[:FRAMES]
    points[0, 0] = [-30, 500]
    unit = points / SIZE
    if form == "result":
        given = [
            SimpleNamespace(pose_landmarks=[landmarks(one, score, SimpleNamespace)])
            for one, score in zip(unit, scores, strict=True)
        ]
    elif form == "legacy":
        given = [
            SimpleNamespace(pose_landmarks=SimpleNamespace(landmark=landmarks(one, score, SimpleNamespace)))
            for one, score in zip(unit, scores, strict=True)
        ]
    elif form == "json":
        content = [
            {"pose_landmarks": [landmarks(one, score, dict)]} for one, score in zip(unit, scores, strict=True)
        ]
        given = save(tmp_path / "pose.json", content)
    elif form in ("frames", "numbered", "keypoints"):  # as people save what the program sees of one person
        people = [landmarks(one, score, dict) for one, score in zip(unit, scores, strict=True)]
        if form == "numbered":
            people = [dict(enumerate(one)) for one in people]
        if form == "keypoints":
            people = [{"frame": n, "keypoints": one} for n, one in enumerate(people)]
        given = save(tmp_path / "pose.json", people)
    else:
        rows = np.concatenate([unit, unit[..., :1], scores[..., None]], axis=2)
        given = save(tmp_path / "pose.json", rows.tolist())
    with pytest.raises(InputError, match=r"^image_size: "):
        read_keypoints(given)
    found = read_keypoints(given, image_size=SIZE)
    check(found, (points, scores, np.arange(FRAMES), np.zeros(FRAMES)), "mediapipe33", tolerance=1e-9,
          tracked=form == "lists")  # fmt: skip


def test_mediapipe_visibility_in_logits():
    points, _, _, _ = truth(33)
    people = [
        SimpleNamespace(pose_landmarks=[landmarks(points[0] / SIZE, np.full(33, 3.0), SimpleNamespace)])
    ]
    np.testing.assert_allclose(read_keypoints(people, image_size=SIZE).confidence, 1 / (1 + np.exp(-3.0)))


def test_sam_3d_body():
    expected = truth(70)
    points, _, frame, _ = expected
    people = [{"pred_keypoints_2d": one, "bbox": np.array([1.0, 2.0, 5.0, 9.0])} for one in points]
    found = read_keypoints(in_frames(people, frame))
    check(found, expected, "mhr70", scored=False)


def test_npz(tmp_path):
    expected = truth(25)
    points, scores, frame, person = expected
    np.savez(
        tmp_path / "a.npz", keypoints_2d=points, confidence=scores, frame=frame, person=person,
        layout="body25b", image_size=SIZE,
    )  # fmt: skip
    found = read_keypoints(tmp_path / "a.npz")
    check(found, expected, "body25b", tracked=True)
    assert found.image_size == SIZE


# ------------------------------------------------------------------------------------- all, and none


def test_nobody_sees_a_file_as_two_formats(tmp_path):
    """Every content is recognised by one format of the first rank, or the order would decide."""
    expected = truth(17)
    contents = [
        instances(expected, True)[0],
        {"instance_info": instances(expected, False)[0]},
        coco_list(expected, lambda n: f"{n}.jpg"),
        coco_list(expected, lambda n: n),
        summaries(expected),
        {"keypoints": [{"0": [[1, 2, 0.5]] * 17}], "skeleton": {}},
        {"people": [{"pose_keypoints_2d": [0] * 75}]},
    ]
    for content in contents:
        assert len([form.name for form in keypoint_formats() if form.recognise(content)]) == 1


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (
            [{"image_id": "1.jpg", "kpts": [1], "score": 0.5, "idx": 1}],
            "most like AlphaPose, without keypoints",
        ),
        ({"people": [{"person_id": [-1]}]}, "most like OpenPose, without pose_keypoints_2d"),
        ({"a": 1}, "got an object with the keys a"),
        ([], "got an empty list"),
        ({"people": []}, "expected people, got OpenPose without any"),
        ({"people": [{"pose_keypoints_2d": [1, 2, 3, 4]}]}, "expected 3 numbers for each keypoint"),
        ({"people": [{"pose_keypoints_2d": ["a"] * 75}]}, "expected as many numbers"),
        ({"people": [{"pose_keypoints_2d": [9] * 30}]}, "as a layout of LAYOUTS has, got 10"),
        ({"people": [{"pose_keypoints_2d": [9] * n} for n in (75, 54)]}, "got 75 and 54 in different rows"),
        ([{"image_id": 1e300, "category_id": 1, "keypoints": [9] * 51}], "expected a whole number"),
        ([{"image_id": [], "category_id": 1, "keypoints": [9] * 51}], "expected a whole number"),
    ],
    ids=["AlphaPose", "OpenPose", "other", "empty", "nobody", "cut", "text", "10", "ragged", "1e300", "list"],
)
def test_one_sentence_says_what_is_wrong(tmp_path, content, part):
    path = save(tmp_path / "a.json", content)
    with pytest.raises(InputError) as caught:
        read_keypoints(path)
    message = str(caught.value)
    assert part in message and str(path) in message and message.endswith(".") and "\n" not in message


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b'{"people": [', "is damaged"),
        (b"[" * 200_000, "is damaged"),
        (b"\x80\x04\x95", "got another file"),
        (b"PK\x03\x04 no archive", "damaged"),
        (b"\x93NUMPY\x01\x00", "bare array"),
        (b"frame,x,y\n", "got text of 1 lines"),
        (b"", "got text of 0 lines"),
    ],
    ids=["cut", "deep", "pickle", "zip", "npy", "csv", "empty"],
)
def test_damaged_files(tmp_path, data, part):
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_keypoints(path)
    assert part in str(caught.value) and str(path) in str(caught.value)


JUNK = (None, [], {}, "x", -1, float("inf"), float("nan"), 10**30, True, [[]], {"a": 1}, 0.5)


def spoil(content, generator):
    """Put junk in place of one of the parts, somewhere on a way down, or leave it out."""
    while True:
        keys = [*content] if isinstance(content, dict) else range(min(len(content), 4))
        if not keys:
            return
        key = keys[generator.integers(len(keys))]
        if not isinstance(content[key], (dict, list)) or generator.random() < 0.3:
            break
        content = content[key]
    if generator.random() < 0.25:
        del content[key]
    else:
        content[key] = JUNK[generator.integers(len(JUNK))]


def test_spoiled_files_are_read_or_refused_in_a_sentence():
    expected, generator = truth(17), np.random.default_rng(0)
    wholes = [
        instances(expected, True)[0],
        [{"frame_id": n, "instances": one} for n, one in enumerate(instances(expected, True))],
        {"instance_info": [{"frame_id": 1, "instances": instances(expected, False)[0]}]},
        coco_list(expected, lambda n: f"{n}.jpg", idx=lambda p: p),
        coco_list(expected, lambda n: n),
        {"images": [{"id": 0, "file_name": "a1.jpg"}], "annotations": coco_list(expected, lambda _: 0)},
        summaries(expected),
        {"keypoints": [{"0": [[1, 20, 0.5]] * 17}], "skeleton": {}},
        {"people": [{"person_id": [-1], "pose_keypoints_2d": [9] * 75}]},
        [{"pose_landmarks": [landmarks(expected[0][0, :1].repeat(33, 0), np.ones(33), dict)]}],
        [[{"keypoints": [[1, 20.0]] * 17, "scores": [0.5] * 17, "labels": list(range(17))}]],
        [{"pred_keypoints_2d": [[1, 20.0]] * 70, "bbox": [1, 2, 3, 4]}],
        np.full((3, 17, 3), 9.0).tolist(),
        {"1.jpg": {"version": "AlphaPose v0.3", "bodies": [{"joints": [9] * 54}]}},
        [[{"person_id": [0], "pose_keypoints_2d": [9] * 75}], []],
        {"0": {"keypoints": [[[9] * 3] * 17] * 2, "frame_id": [0, 1]}},
        [dict(enumerate(landmarks(expected[0][0, :1].repeat(33, 0), np.ones(33), dict)))],
        {
            "meta_info": {"keypoint_id2name": {"0": "nose", "1": "left_eye"}},
            "instance_info": instances(expected, True)[0],
        },
        [{"image_id": 1, "keypoints": [9] * 51, "foot_kpts": [9] * 18}],
    ]
    refused = 0
    for whole in wholes:
        for _ in range(60):
            content = json.loads(json.dumps(whole))
            spoil(content, generator)
            try:
                read_keypoints(content, image_size=SIZE)
            except InputError as error:
                refused += 1
                assert str(error).endswith(".") and "\n" not in str(error) and len(str(error)) < 600
    assert refused > 200


def test_files_that_are_too_large_are_not_read(tmp_path):
    folder = openpose(tmp_path / "json", truth(25))
    for path in (folder, folder / "walk_000000000000_keypoints.json"):
        with pytest.raises(InputError, match="expected at most"):
            read_keypoints(path, max_memory=1000)


def test_a_missing_path_and_an_empty_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_keypoints(tmp_path / "none.json")
    with pytest.raises(InputError, match=r"expected a folder of \.json or \.txt files"):
        read_keypoints(tmp_path)


def test_a_wrong_layout_is_told_with_the_one_that_fits():
    with pytest.raises(InputError, match=r"got 'coco17' with 17; 'body25' has as many\.$"):
        read_keypoints({"people": [{"pose_keypoints_2d": [9] * 75}]}, layout="coco17")
    with pytest.raises(InputError, match="did you mean 'coco17'"):
        read_keypoints({"people": [{"pose_keypoints_2d": [9] * 75}]}, layout="coco71")


def test_names_without_numbers_are_counted_in_their_order(tmp_path):
    for name in ("b", "a", "c"):
        save(tmp_path / f"{name}.json", {"people": [{"pose_keypoints_2d": [ord(name)] * 75}]})
    found = read_keypoints(tmp_path)
    assert found.points[:, 0, 0].tolist() == [97, 98, 99] and found.frame.tolist() == [0, 1, 2]
    assert any("names" in note.lower() for note in found.notes)
