"""Evaluation: which metrics and protocols its table carries."""

from dataclasses import replace

import numpy as np
import pytest
import smpl_files as make

from kitro_np import BodyModel, InputError, load_body
from kitro_np.evaluation.evaluate import METRICS, evaluate
from kitro_np.evaluation.metrics import SMPL24, Protocol, measure, regressed_protocol


@pytest.fixture(scope="module")
def pairs(sim):
    """Estimate, refined body and truth of eight bodies; a NaN in the third estimate."""
    keys = (("pred_theta", "pred_beta"), ("ref_exact_theta", "ref_exact_beta"), ("GT_theta", "GT_beta"))
    pairs = [tuple(sim[key][:8].astype(float) for key in pair) for pair in keys]
    pairs[0][0][2, 5] = np.nan
    return pairs


@pytest.mark.parametrize("protocol", ["LSP", "SMPL", "regressed"])
def test_every_metric_in_millimetres(open_body, pairs, protocol):
    own = {"LSP": {}, "SMPL": {"protocol": SMPL24}}.get(
        protocol, {"protocol": regressed_protocol(open_body.J_regressor)}
    )
    found = evaluate(open_body, *pairs, metrics=tuple(METRICS), **own)
    estimate, refined, truth = (open_body.forward(*pair) for pair in pairs)
    for side, body in ((found.before, estimate), (found.after, refined)):
        for name, expected in measure(body, truth, METRICS, **own).items():
            np.testing.assert_allclose(side[name], 1000 * expected)
    assert found.measured.tolist() == [body != 2 for body in range(8)]
    of_joints = ("mpjpe", "pa_mpjpe", "depth_error")  # need no vertices without a regressor
    for name, errors in evaluate(open_body, *pairs, metrics=of_joints, **own).before.items():
        np.testing.assert_allclose(errors, found.before[name], rtol=1e-12)
    figures = found.as_dict()
    assert figures["after"]["pa_pve"] == np.mean(found.after["pa_pve"][found.measured])


def test_table_shows_what_was_asked_for(open_body, pairs):
    usual = evaluate(open_body, *pairs)
    assert list(usual.as_dict()["before"]) == ["mpjpe", "pa_mpjpe", "pve"]
    assert [line.split()[0] for line in usual.table().splitlines()] == [
        "mm", "MPJPE", "PA-MPJPE", "PVE", "MPJPE", "1",
    ]  # fmt: skip
    more = evaluate(open_body, *pairs, metrics=("pa_mpjpe", "depth_error"))
    lines = more.table().splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["mm", "PA-MPJPE", "depth"]
    assert lines[3].startswith("PA-MPJPE improved in ")
    assert lines[1] == usual.table().splitlines()[2]


def test_table_carries_errors_of_the_callers_own(open_body, pairs):
    usual = evaluate(open_body, *pairs)
    pixels = {"2D, px": np.arange(8.0)}
    more = replace(usual, before={**usual.before, **pixels}, after={**usual.after, **pixels})
    # The mean of 0 to 7 without the 2 of the body that is left out.
    assert f"{'2D, px':<10}{26 / 7:>9.2f}{26 / 7:>9.2f}" in more.table().splitlines()


def test_each_true_body_is_posed_by_its_own_model(open_body, pairs):
    taller = BodyModel.from_arrays(
        "taller",
        1.1 * open_body.v_template,
        *(getattr(open_body, name) for name in ("shapedirs", "posedirs", "J_regressor", "weights", "faces")),
        open_body.skeleton.parents,
    )
    mixed = [taller if row in (1, 4, 5) else open_body for row in range(8)]
    found = evaluate(open_body, *pairs, truth_bodies=mixed)
    alone = {one: evaluate(open_body, *pairs, truth_bodies=[one] * 8) for one in (taller, open_body)}
    for metric in found.after:
        for row, one in enumerate(mixed):
            np.testing.assert_array_equal(found.after[metric][row], alone[one].after[metric][row])
        assert np.array_equal(
            alone[open_body].after[metric], evaluate(open_body, *pairs).after[metric], equal_nan=True
        )
    assert np.all(alone[taller].after["pve"][[0, 1]] > 1.3 * alone[open_body].after["pve"][[0, 1]])


def test_true_bodies_that_do_not_fit(open_body, pairs, tmp_path):
    with pytest.raises(InputError, match=r"^truth_bodies: expected 8 body models, got 2\.$"):
        evaluate(open_body, *pairs, truth_bodies=[open_body] * 2)
    other = load_body(make.write_npz(tmp_path / "other.npz", make.body(joints=24)))
    expected = f"^truth_bodies: expected the body's {open_body.num_vertices} vertices, got 20"
    with pytest.raises(InputError, match=expected):
        evaluate(open_body, *pairs, truth_bodies=[open_body, other] * 4)


def test_errors_of_joints_are_kept_on_request(open_body, pairs):
    usual = evaluate(open_body, *pairs)
    assert usual.joints_before == usual.joints_after == {}
    found = evaluate(open_body, *pairs, metrics=tuple(METRICS), per_joint=True)
    assert set(found.joints_after) == {"mpjpe", "pa_mpjpe", "depth_error"}
    for name, errors in found.joints_before.items():
        assert errors.shape == (8, 14)
        np.testing.assert_allclose(errors.mean(axis=1), found.before[name])
    assert np.isnan(found.joints_before["mpjpe"][2]).all()


def test_protocols_name_their_joints(open_body):
    assert SMPL24.names_of(open_body) == open_body.skeleton.joint_names
    assert regressed_protocol(np.ones((17, 3))).names_of(open_body)[:2] == ("right_ankle", "right_knee")
    assert Protocol("own", (3, 1), (0,), np.ones((4, 3))).names_of(open_body) == ("3", "1")


def test_a_hand_has_a_protocol_of_its_own(tmp_path):
    hand = load_body(make.write_npz(tmp_path / "hand.npz", make.body(joints=16)))
    still = np.tile(np.eye(3), (2, 16, 1, 1)), np.zeros((2, 10))
    found = evaluate(hand, still, still, still, protocol=Protocol("hand", tuple(range(16)), (0,)))
    assert found.as_dict()["before"] == {"mpjpe": 0, "pa_mpjpe": pytest.approx(0, abs=1e-9), "pve": 0}


def test_wrong_metrics_and_regressors_are_named(open_body, pairs):
    known = "mpjpe, pa_mpjpe, pve, pa_pve, depth_error"
    with pytest.raises(InputError, match=f"^metrics: expected one of {known}, got 'mpvpe'"):
        evaluate(open_body, *pairs, metrics=("mpvpe",))
    expected = f"^body: expected the regressor's 30 vertices, got {open_body.num_vertices}"
    with pytest.raises(InputError, match=expected):
        evaluate(open_body, *pairs, protocol=regressed_protocol(np.ones((17, 30))))
