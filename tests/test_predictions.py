"""Best of several hypotheses, and errors over predicted spreads, against the formulas written out."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

import kitro_np
from kitro_np.cli.main import main
from kitro_np.evaluation.metrics import mpjpe
from kitro_np.evaluation.predictions import Spread, measure_best, measure_spread


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("predictions") / "in.npz"
    assert main(["simulate", "-o", str(path), "--count", "24", "-q"]) == 0
    return path


@pytest.fixture(scope="module")
def result(file):
    with np.load(file) as data:
        arrays = [data[k] for k in ("pred_theta", "pred_beta", "pred_cam", "keypoints_2d", "intrinsics")]
        return kitro_np.refine(*arrays, uncertainty=True, hypotheses=3)


def truth_of(file):
    with np.load(file) as data:
        return data["GT_theta"], data["GT_beta"]


def test_eval_shows_what_was_asked_for(file, result, capsys):
    asked = ["--uncertainty", "--hypotheses", "3"]
    assert main(["eval", str(file), *asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    body, truth = kitro_np.load_body(), truth_of(file)
    true = body.joints(*truth)
    errors = [
        mpjpe(body.joints(result.hypotheses.pose[:, h], result.hypotheses.betas[:, h]), true)
        for h in range(3)
    ]
    assert found["best"]["count"] == 3
    assert found["best"]["errors"]["mpjpe"] == pytest.approx(1000 * np.min(errors, axis=0).mean(), rel=1e-4)
    assert found["best"]["errors"]["pve"] < found["after"]["pve"]
    joints = body.joints(result.pose, result.betas)
    distance = np.linalg.norm((joints - joints[:, :1]) - (true - true[:, :1]), axis=-1)
    ratio = (distance[:, 1:] / result.joint_spread[:, 1:])[result.accepted]
    expected = np.sqrt((ratio**2).mean()), (ratio <= 1).mean(), (ratio <= 2).mean()
    np.testing.assert_allclose([*found["spread"].values()], expected, rtol=1e-3)
    assert main(["eval", str(file), *asked]) == 0
    shown = capsys.readouterr().out
    assert f"\nbest of 3 hypotheses: MPJPE {found['best']['errors']['mpjpe']:.2f}, PA-MPJPE " in shown
    assert f"\nerror over spread {found['spread']['error_over_spread']:.2f}; " in shown
    assert max(map(len, shown.splitlines()[:7])) < 80


def test_nothing_is_shown_that_was_not_asked_for(file, capsys):
    for asked, name in ((["--uncertainty"], "spread"), (["--hypotheses", "2"], "best"), ([], None)):
        assert main(["eval", str(file), *asked, "--json"]) == 0
        assert {"spread", "best"} & set(json.loads(capsys.readouterr().out)) == ({name} if name else set())


def test_spread_is_of_accepted_bodies_and_bodies_may_differ(file, result):
    body, truth = kitro_np.load_body(), truth_of(file)
    usual = measure_spread(body, result, truth)
    assert isinstance(usual, Spread)
    copy = kitro_np.load_body(correctives=False)
    assert measure_spread(body, result, truth, [body, copy] * 12) == usual
    refused = SimpleNamespace(**{**vars(result), "accepted": np.zeros(24, bool)})
    assert measure_spread(body, refused, truth) is None
    assert measure_spread(body, SimpleNamespace(joint_spread=None), truth) is None
    assert measure_best(body, SimpleNamespace(hypotheses=None), truth, None) is None
