"""The embedded body, version 2: proportions of people, betas, and the hand that fits its wrist."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from kitro_np import load_body
from kitro_np.keypoints.landmarks import LANDMARKS, ON_VERSION

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        yield importlib.import_module("models.measure_body")


@pytest.fixture(scope="module")
def shares(script, open_body):
    return script.shares_of(open_body.v_template.astype(float), open_body.skeleton.joint_template)


@pytest.mark.parametrize(
    ("share", "table"),
    [
        ("ankle", 0.039),
        ("knee", 0.285),
        ("hip", 0.525),
        ("shoulder", 0.818),
        ("upper_arm", 0.186),
        ("forearm", 0.146),
    ],
)
def test_heights_and_lengths_are_those_of_tables(script, shares, share, table):
    """Of Drillis and Contini (1966), over stature; the thigh over the shank is 0.96 to 1.09 in people."""
    assert script.TABLES[share] == table
    assert shares[share] == pytest.approx(table, rel=0.02)


def test_thigh_and_shank_are_about_as_long(open_body):
    hip, knee, ankle = open_body.skeleton.joint_template[[1, 4, 7]]
    assert 0.94 < np.linalg.norm(hip - knee) / np.linalg.norm(knee - ankle) < 1.05


def test_betas_are_orthogonal_and_the_largest_first(open_body):
    directions = open_body.shapedirs.reshape(-1, 10).astype(float)
    gram = directions.T @ directions
    sizes = np.sqrt(np.diag(gram))
    assert np.all(np.diff(sizes) < 0)
    assert np.abs(gram / np.outer(sizes, sizes) - np.eye(10)).max() < 1e-3


def test_people_span_statures(open_body):
    """Half men, half women of the survey: 1.692 m on average, with a standard deviation of 0.092."""
    betas = np.random.default_rng(0).normal(size=(500, 10))
    heights = np.ptp((open_body.v_template[:, 1, None] + open_body.shapedirs[:, 1] @ betas.T), axis=0)
    assert heights.mean() == pytest.approx(1.692, abs=0.015)
    assert heights.std() == pytest.approx(0.092, abs=0.015)


def test_fits_a_real_person(script, open_body, monkeypatch):
    """As docs/body.md, of fewer frames: 10 mm at shoulders to ankles, 14 of all points, betas up to 2.5."""
    monkeypatch.setattr(script, "FRAMES", 60)
    distance, betas = script.real_fit(open_body)
    assert distance[5:17].mean() < 10
    assert distance.mean() < 14
    assert np.abs(betas).max() < 2.5


def test_fits_people_of_the_tables(script, open_body, monkeypatch):
    monkeypatch.setattr(script, "PEOPLE", 4)
    errors, _ = script.table_fits(open_body)
    assert errors.max() < 12


@pytest.mark.parametrize("name", ["open_v1", "open_v2"])
def test_the_hand_fits_the_wrist(name):
    """The rim of the open hand has the girth of the body's forearm where the hand was cut, to 5 percent."""
    hand, body = load_body("open_hand"), load_body(name)
    edges = np.sort(np.concatenate([hand.faces[:, [0, 1]], hand.faces[:, [1, 2]], hand.faces[:, [2, 0]]]), 1)
    each, count = np.unique(edges, axis=0, return_counts=True)
    rim = hand.v_template[np.unique(each[count == 1])]
    behind = rim[:, 0].mean() - hand.skeleton.joint_template[0, 0]
    place = body.skeleton.joint_template[21, 0] + behind  # the right hand points to -x
    slab = body.v_template[np.abs(body.v_template[:, 0] - place) < 0.012]
    assert ConvexHull(rim[:, 1:]).area == pytest.approx(ConvexHull(slab[:, 1:]).area, rel=0.05)


def test_the_page_says_what_spreads_landmarks_have():
    """Rows of docs/body.md whose landmarks are named as here."""
    rows = {
        "wrist, knee": "left_wrist left_knee",
        "shoulder, elbow": "left_shoulder left_elbow",
        "hip": "left_outer_hip",
        "mid hip": "mid_hip",
        "hip of Human3.6M": "left_h36m_hip",
        "neck of OpenPose and Halpe": "mid_shoulder",
        "neck of BODY_25B": "lower_neck",
        "neck of MPII": "upper_neck",
        "nose": "nose",
        "eye": "left_eye",
        "ear": "left_ear",
        "head top": "head_top",
        "big toe, small toe": "left_big_toe left_small_toe",
        "heel": "left_heel",
        "knuckles": "left_index_knuckle",
        "ankle": "left_ankle",
    }
    page = (ROOT / "docs" / "body.md").read_text(encoding="utf-8")
    table = page[page.index("| landmark |") :].split("\n\n")[0]
    found = dict(re.findall(r"^\| ([^|]+) \|[^|]+\|[^|]+\| ([\d.]+) \|$", table, re.MULTILINE))
    assert {*found} == {*rows}
    for row, names in rows.items():
        for name in names.split():
            assert {**LANDMARKS, **ON_VERSION["open"]}[name].spread == float(found[row]), row


def test_the_page_says_what_the_command_prints(script, shares):
    """Of the shares; the fits are bounded above."""
    page = (ROOT / "docs" / "body.md").read_text(encoding="utf-8")
    for share, table in script.TABLES.items():
        row = re.search(rf"^\| {share} \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", page, re.MULTILINE)
        assert float(row[1]) == table
        assert float(row[3]) == pytest.approx(shares[share], abs=1e-4)
