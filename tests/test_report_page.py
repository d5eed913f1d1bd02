"""The page of a result, read without a browser: what is in it, how large it is, what cannot get into it."""

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pages import HOSTILE, PageParser, decoded, make_shown, read_page

import kitro_np
from kitro_np import InputError, Status
from kitro_np.cli.main import main
from kitro_np.evaluation.evaluate import evaluate
from kitro_np.report.page import write_report
from kitro_np.report.page.choose import MOST_BODIES, choose_rows
from kitro_np.report.page.figures import figures_of

ROOT = Path(__file__).parents[1]
WEB = ROOT / "web"
SCRIPT = ROOT / "kitro_np" / "report" / "page" / "report.js"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    shown = make_shown(4, hypotheses=2, spread=True, fps=30.0)
    return shown, write_report(tmp_path_factory.mktemp("page") / "page.html", shown, title="Four bodies")


def test_a_page_is_one_file_that_may_load_nothing(page):
    _, path = page
    text = path.read_text(encoding="utf-8")
    read = PageParser(text)
    (policy,) = [own["content"] for own, _ in read.all("meta") if "http-equiv" in own]
    (script,) = [text for own, text in read.all("script") if not own]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none';")
    assert f"script-src 'sha256-{digest}'" in policy
    links = [own.get(key) for _, own, _ in read.elements for key in ("src", "href", "action", "data")]
    assert {link for link in links if link} == {"data:,"}
    assert read.text("title") == "Four bodies"


def test_errors_are_those_that_eval_prints(page):
    shown, path = page
    pairs = ((bodies.pose, bodies.betas) for bodies in (shown.before, shown.after, shown.truth))
    evaluation = evaluate(shown.body, *pairs, metrics=["mpjpe"])
    figures = figures_of(shown)
    text = path.read_text(encoding="utf-8")
    for stage, errors in (("before", evaluation.before), ("after", evaluation.after)):
        np.testing.assert_allclose(figures.error[stage], errors["mpjpe"], rtol=1e-6)
        printed = next(line for line in evaluation.table().splitlines() if line.startswith("MPJPE"))
        number = f"{figures.error[stage].mean():.2f}"
        assert number in printed.split()
        assert number in text


def test_the_page_says_what_was_refined(page):
    shown, path = page
    text = path.read_text(encoding="utf-8")
    assert "method map · body open_v2" in text
    figures = figures_of(shown)
    change, (before, after) = figures.change.mean(), [one.mean() for one in figures.error.values()]
    for number in (f"{change:.1f}\u00a0mm", f"{before:.2f}", f"{after:.2f}\u00a0mm"):
        assert number in text
    facts, _ = read_page(path)
    assert facts["stages"] == ["before", "after", "truth"]
    assert (facts["ghosts"], facts["size"], facts["fps"]) == (2, [1000, 800], 30.0)
    rows = facts["rows"]
    assert rows["frame"] == [0, 1, 2, 3] and rows["person"] == [0, 0, 0, 0]
    np.testing.assert_allclose(rows["change"], figures.change, rtol=1e-3)
    np.testing.assert_allclose(rows["error_after"], figures.error["after"], rtol=1e-3)
    np.testing.assert_allclose(rows["pixels_before"], figures.pixels["before"], rtol=1e-3)


@pytest.mark.parametrize("body", ["open", "open_hand"])
def test_bodies_are_within_a_millimetre(tmp_path, body):
    """Joints within a tenth of it, so that the page's figures agree."""
    shown = make_shown(6, hypotheses=2, body=body)
    facts, arrays = read_page(write_report(tmp_path / "page.html", shown))
    assert facts["ghosts"] == 2
    ghosts = shown.result.hypotheses
    stages = {name: shown.stage(name) for name in facts["stages"]}
    stages["ghost1"] = [part[:, 1] for part in ghosts[:3]]
    for name, bodies in stages.items():
        exact = shown.body.forward(*(np.asarray(part, float) for part in bodies))
        for row in range(len(shown)):
            vertices, joints = decoded(arrays, name, row)
            assert np.linalg.norm(joints - exact.joints[row], axis=-1).max() < 2e-4
            assert np.linalg.norm(vertices - exact.vertices[row], axis=-1).max() < 1e-3
    np.testing.assert_array_equal(arrays["faces"], shown.body.faces)
    assert (arrays["skinWeights"].sum(axis=1) == 255).all()


def test_a_person_of_one_shape_needs_no_shapes(tmp_path):
    shown = make_shown(3)
    one = [shown.after, shown.before, shown.truth]
    after, before, truth = (bodies._replace(betas=np.tile(shown.after.betas[:1], (3, 1))) for bodies in one)
    facts, _ = read_page(
        write_report(tmp_path / "p.html", replace(shown, after=after, before=before, truth=truth))
    )
    assert facts["arrays"]["basis"]["shape"][0] == 0


@pytest.mark.parametrize("layout", ["smpl24", "wholebody133"])
@pytest.mark.parametrize(("count", "frames"), [(50, False), (300, True)], ids=["50 bodies", "300 frames"])
def test_pages_are_small(tmp_path, count, frames, layout):
    times = {"frame": np.arange(count) if frames else np.zeros(count, int)}
    people = {"person": np.zeros(count, int) if frames else np.arange(count)}
    shown = make_shown(count, hypotheses=3, spread=True, layout=layout, **times, **people)
    told = []
    path = write_report(tmp_path / "page.html", shown, tell=told.append)
    assert path.stat().st_size < 6e6
    assert not told
    assert len(read_page(path)[0]["rows"]["frame"]) == count


def test_of_many_the_most_changed_are_shown_and_that_is_said(tmp_path):
    change = np.array([1.0, 5, 2, 4, np.nan, 3])
    person, frame = np.array([7, 8, 7, 8, 9, 9]), np.array([1, 0, 0, 1, 0, 1])
    assert choose_rows(frame, person, change, 3).note == ""
    assert choose_rows(frame, person, change, 3).rows.tolist() == [2, 0, 1, 3, 4, 5]
    two = choose_rows(frame, person, change, 2)
    assert two.rows.tolist() == [1, 3, 4, 5] or two.rows.tolist() == [2, 0, 1, 3]
    assert two.note == "The page shows the 2 most changed of 3 people."
    shown = make_shown(5, person=np.arange(5), frame=np.zeros(5, int))
    told = []
    path = write_report(tmp_path / "page.html", shown, people=2, tell=told.append)
    (note,) = told
    assert note == "The page shows the 2 most changed of 5 people."
    assert note in path.read_text(encoding="utf-8")
    rows = read_page(path)[0]["rows"]
    assert rows["person"] == sorted(np.argsort(-figures_of(shown).change)[:2].tolist())
    count = MOST_BODIES + 10
    many = choose_rows(np.arange(count), np.zeros(count, int), np.arange(count), 50)
    assert many.rows.tolist() == [*range(10, count)]
    assert many.note == f"The page shows the {MOST_BODIES} most changed of {count} bodies."


def test_names_cannot_end_an_element(tmp_path):
    shown = make_shown(4, image_name=np.array(HOSTILE))
    layout = shown.layout.rename({shown.layout.names[0]: HOSTILE[0]})
    path = write_report(tmp_path / "page.html", replace(shown, layout=layout), title=HOSTILE[0])
    read = PageParser(path.read_text(encoding="utf-8"))
    assert [own.get("id") for own, _ in read.all("script")] == ["content", "arrays", None]
    assert not read.all("img")
    assert read.text("title") == HOSTILE[0]
    facts, _ = read_page(path)
    assert facts["rows"]["image"] == HOSTILE
    assert facts["points"][0] == HOSTILE[0]


def test_refused_bodies_have_their_reason_and_nan_is_no_number(tmp_path):
    shown = make_shown(4)
    pose, betas = shown.after.pose.copy(), shown.after.betas.copy()
    pose[1], betas[2] = np.nan, 1e300
    after = shown.after._replace(pose=pose, betas=betas)
    status = np.array([0, Status.NOT_FINITE, Status.UNLIKELY, Status.FILLED], np.int8)
    result = replace(shown.result, status=status)
    path = write_report(tmp_path / "page.html", replace(shown, after=after, result=result))
    facts, arrays = read_page(path)
    rows = facts["rows"]
    assert rows["status"] == ["refined", "not_finite", "unlikely", "filled"]
    assert rows["reason"][1] == Status.NOT_FINITE.reason
    assert rows["fitted"] == [True, False, False, True]
    assert rows["change"][1] is None and rows["change"][0] > 0
    assert np.isnan(arrays["after.root"][1:3]).all() and np.isfinite(arrays["after.root"][[0, 3]]).all()
    vertices, _ = decoded(arrays, "after", 0)
    exact = shown.body.forward(*(part[0] for part in shown.after)).vertices
    assert np.linalg.norm(vertices - exact, axis=-1).max() < 1e-3
    assert f"1: {Status.UNLIKELY.reason}" in path.read_text(encoding="utf-8")


def test_keypoints_of_an_exchanged_body_are_put_right():
    shown = make_shown(3)
    mirror = np.asarray(shown.layout.mirror)
    own = figures_of(replace(shown, truth=None)).keypoints
    swapped = replace(
        shown,
        keypoints_2d=shown.keypoints_2d[:, mirror],
        result=replace(shown.result, swapped=np.array([1, 1, 0], np.int8)),
    )
    put_right = figures_of(swapped).keypoints
    # Which of a pair is nearer is not certain where the body fits badly.
    assert np.isclose(put_right[:2], own[:2]).all(axis=-1).mean() > 0.8
    np.testing.assert_array_equal(put_right[2], own[2, mirror])


def test_little_is_needed(tmp_path):
    """A result and a camera: no estimate, truth, keypoints or image size."""
    full = make_shown(2)
    shown = replace(
        full, before=None, truth=None, keypoints_2d=None, confidence=None, layout=None, image_size=None
    )
    facts, arrays = read_page(write_report(tmp_path / "page.html", shown))
    assert facts["stages"] == ["after"]
    assert facts["points"] is None and facts["rows"]["change"] is None
    assert "keypoints" not in arrays


def test_wrong_arguments_and_files_that_exist(tmp_path):
    shown = make_shown(1)
    path = tmp_path / "page.html"
    with pytest.raises(InputError, match="shown: expected a Shown, as shown_of returns, got RefineResult"):
        write_report(path, shown.result)
    with pytest.raises(InputError, match="shown: expected at least one body, got none"):
        write_report(path, shown.take(np.array([], int)))
    with pytest.raises(InputError, match="people: expected at least 1, got 0"):
        write_report(path, shown, people=0)
    path.write_text("mine")
    with pytest.raises(InputError, match="expected a new file, got one that exists"):
        write_report(path, shown)
    assert path.read_text() == "mine"
    write_report(path, shown, force=True)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_what_must_be_known_of_other_bodies(tmp_path):
    told = []
    shown = make_shown(1)
    named = replace(shown.body, name="smpl_neutral")
    write_report(tmp_path / "page.html", replace(shown, body=named), tell=told.append)
    assert told == ["The page holds a mesh of smpl_neutral: its licence says who may have it."]
    told.clear()
    bent = kitro_np.load_body(correctives=True)
    write_report(tmp_path / "page.html", replace(shown, body=bent), tell=told.append, force=True)
    assert told == ["Pose blend shapes are left out of the meshes; joints and figures are exact."]


def test_the_command_writes_a_page_of_what_refine_wrote(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", "-o", "in.npz", "--count", "6"]) == 0
    assert main(["refine", "in.npz", "-o", "out.npz"]) == 0
    assert main(["report", "out.npz", "-o", "out.html"]) == 0
    assert re.search(r"wrote out\.html: \d\.\d MB, opens in a browser\n$", capsys.readouterr().out)
    facts, _ = read_page(tmp_path / "out.html")
    assert len(facts["rows"]["frame"]) == 6 and facts["stages"] == ["before", "after", "truth"]
    assert main(["report", "out.npz", "-o", "out.html"]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["report", "out.npz", "-o", "out.html", "--force", "--people", "0"]) == 2
    assert "people: expected at least 1, got 0" in capsys.readouterr().err


def test_the_script_is_built_from_its_sources():
    """The digest of web/build.mjs, computed here without Node."""
    names = sorted(path.name for path in (WEB / "src").glob("*.js"))
    digest = hashlib.sha256()
    for name in [*(f"src/{one}" for one in names), "build.mjs", "package-lock.json"]:
        content = (WEB / name).read_text(encoding="utf-8").replace("\r\n", "\n")
        digest.update(f"{name}\n{content}".encode())
    head = SCRIPT.read_text(encoding="utf-8")[:3000]
    assert f"sources: {digest.hexdigest()}" in head, "web/src changed: cd web && npm ci && npm run build"
    assert "three.js" in head and "Permission is hereby granted" in head


def test_the_script_fits_in_a_page():
    text = SCRIPT.read_text(encoding="utf-8")
    assert "</script" not in text and "<!--" not in text
    assert len(text) < 700_000
