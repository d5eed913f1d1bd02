"""Why a page's bodies were accepted or refused: the numbers of ``explain_map``, and where there are none."""

from dataclasses import replace

import numpy as np
import pytest
from pages import make_shown, read_page

import kitro_np
from kitro_np import InputError, Map, Status
from kitro_np.cli.main import main
from kitro_np.report import write_report
from kitro_np.report.explain import explain_map
from kitro_np.report.page.why import EXPLAINED, POINTS, rows_to_explain

OPTIONS = {"min_confidence": 0.3, "motion_prior": False, "estimate": "landmarks"}


def refined(count=5, **options):
    """Bodies that were refined, some of them refused, with keypoints that are missing or uncertain."""
    rng = np.random.default_rng(3)
    shown = make_shown(count)
    points, confidence = shown.keypoints_2d.copy(), rng.uniform(0.2, 1, shown.confidence.shape)
    points[0] += rng.normal(0, 60, points[0].shape)
    confidence[1, 3:6] = 0
    points[1, 3:6] = np.nan
    result = kitro_np.refine(
        *shown.before, points, shown.intrinsics, confidence=confidence, image_size=shown.image_size,
        body=shown.body, **options,
    )  # fmt: skip
    return replace(shown, result=result, keypoints_2d=points, confidence=confidence)


def why_in(path, shown, **given):
    return read_page(write_report(path / "page.html", shown, force=True, **given))[0]["why"]


@pytest.mark.parametrize("options", [{}, OPTIONS], ids=["default", "options"])
def test_the_numbers_are_those_of_explain_map(tmp_path, options):
    shown = refined(**options)
    why = why_in(tmp_path, shown)
    assert why["note"] == ""
    for row, told in enumerate(why["bodies"]):
        found = explain_map(
            *shown.before, shown.keypoints_2d, shown.intrinsics, row=row, method=Map(**options),
            confidence=shown.confidence, image_size=shown.image_size, body=shown.body,
        )  # fmt: skip
        assert told["accepted"] == found.accepted == (shown.result.status[row] == Status.REFINED)
        assert told["verdict"].startswith("accepted" if found.accepted else "refused")
        assert told["sum"] == pytest.approx(found.verdict.log_odds, abs=1e-4)
        if not found.too_few_inliers:
            assert told["sum"] == pytest.approx(shown.result.quality[row], abs=1e-3)
        assert sum(value for _, value in told["parts"]) == pytest.approx(told["sum"], abs=2e-3)
        known = {reason.words: reason.contribution for reason in found.verdict.reasons}
        assert told["parts"][0] == [
            "a usual body that is accepted",
            pytest.approx(found.verdict.usual, abs=1e-4),
        ]
        for words, value in told["parts"][1:-1]:
            assert value == pytest.approx(known[words], abs=1e-4)
        points = np.array(told["points"])
        which = points[:, 0].astype(int)
        assert len(which) == POINTS and found.visible[which].all()
        others = np.setdiff1d(np.flatnonzero(found.visible), which)
        assert found.weight[which].max() <= found.weight[others].min()
        exact = [found.weight, 1 - found.inlier, found.residual_before, found.residual_after]
        np.testing.assert_allclose(points[:, 1:], np.transpose([one[which] for one in exact]), atol=1e-4)


def test_refused_bodies_are_explained_first_then_the_most_changed():
    status = np.array([Status.REFINED, Status.FILLED, Status.UNLIKELY, Status.REFINED, Status.SWAPPED])
    change = np.array([1.0, 9, 0, 2, np.nan])
    assert rows_to_explain(status, change, 9).tolist() == [2, 4, 3, 0]
    assert rows_to_explain(status, change, 3).tolist() == [2, 4, 3]
    assert rows_to_explain(status, None, 3).tolist() == [2, 4, 0]


def test_bodies_without_an_explanation_have_a_sentence(tmp_path):
    shown = make_shown(4, fps=30.0)
    shown.before.pose[2] = np.nan
    status = np.array([Status.UNLIKELY, Status.TOO_FEW_KEYPOINTS, Status.REFINED, Status.REFINED], np.int8)
    shown = replace(shown, result=replace(shown.result, status=status, options={"video": True}))
    why = why_in(tmp_path, shown)
    assert why["note"] == "This is the frame alone: the body shown was refined with its video."
    refused, few, unfit, last = why["bodies"]
    assert refused["parts"] and last["parts"]
    assert few == f"Not judged: {Status.TOO_FEW_KEYPOINTS.reason}."
    assert unfit == "Not explained: this body alone cannot be fitted."
    one = why_in(tmp_path, shown, explained=1)["bodies"]
    assert [isinstance(body, dict) for body in one] == [True, False, False, False]
    assert one[3] == "Not explained: the page explains at most 1, refused first, then the most changed."


def test_a_page_without_explanations_has_no_such_card(tmp_path):
    shown = make_shown(2)
    assert why_in(tmp_path, shown) is not None
    assert why_in(tmp_path, shown, explained=0) is None
    without = {"keypoints_2d": None, "confidence": None, "layout": None}
    for other in (
        replace(shown, before=None),
        replace(shown, **without),
        replace(shown, result=replace(shown.result, method="kitro")),
        replace(shown, result=replace(shown.result, options={"no_such": 1})),
        replace(shown, result=replace(shown.result, status=np.full(2, Status.TOO_FEW_KEYPOINTS, np.int8))),
    ):
        assert why_in(tmp_path, other) is None


def test_how_many_are_explained(tmp_path, monkeypatch, capsys):
    count = EXPLAINED + 3
    shown = make_shown(count, frame=np.zeros(count, int), person=np.arange(count))
    bodies = why_in(tmp_path, shown, people=count)["bodies"]
    assert sum(isinstance(one, dict) for one in bodies) == EXPLAINED
    with pytest.raises(InputError, match="explained: expected at least 0, got -1"):
        write_report(tmp_path / "other.html", shown, explained=-1)
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", "-o", "in.npz", "--count", "3"]) == 0
    assert main(["refine", "in.npz", "-o", "out.npz"]) == 0
    for number in (0, 2):
        assert main(["report", "out.npz", "-o", "out.html", "--explained", str(number), "--force"]) == 0
        why = read_page(tmp_path / "out.html")[0]["why"]
        assert sum(isinstance(one, dict) for one in why["bodies"]) == 2 if number else why is None
