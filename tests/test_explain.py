"""Explanations of one body: their numbers are those of the result, and add up to it."""

import json
from dataclasses import replace
from itertools import product
from xml.etree import ElementTree

import numpy as np
import pytest
import recorded
from recorded import refine

import kitro_np
from kitro_np import InputError, Kitro, Map, Status
from kitro_np.camera import project
from kitro_np.posterior.algorithm import fit_arguments
from kitro_np.posterior.fit import assess, converge
from kitro_np.posterior.priors import cmu_motion_prior
from kitro_np.posterior.verdict import FEATURES, TOO_FEW_INLIERS, coefficients_of
from kitro_np.report.explain import explain_kitro, explain_map
from kitro_np.report.explain.kitro_picture import picture_of_kitro
from kitro_np.report.explain.kitro_text import text_of_kitro
from kitro_np.report.explain.map_picture import picture_of_map
from kitro_np.report.explain.map_text import text_of_map
from kitro_np.report.explain.reasons import USUAL
from kitro_np.report.explain.wording import bar, odds_in_words, shortened

ROW = 5
SVG = "{http://www.w3.org/2000/svg}"

VARIANTS = {
    "released": Kitro(),
    "paper": Kitro(variant="paper"),
    "greedy": Kitro(search="greedy"),
    "two loops": Kitro(iterations=2),
}


@pytest.fixture(scope="module")
def real():
    """200 views of a real person with a detector's keypoints, in float64."""
    data = kitro_np.example("real")
    return {key: part.astype(np.float64) if hasattr(part, "dtype") else part for key, part in data.items()}


@pytest.fixture(scope="module")
def real_result(real):
    return kitro_np.refine(**real)


@pytest.fixture(scope="module")
def tree(sim_batch):
    return explain_kitro(*sim_batch, row=ROW, body=recorded.BODY)


@pytest.fixture(scope="module")
def fit(real):
    return explain_map(**real, row=ROW)


def changed(real, **parts):
    """Row ROW of the real keypoints with changes by the names of points: offsets in pixels."""
    keypoints = real["keypoints_2d"].copy()
    layout = kitro_np.find_layout(real["keypoint_layout"], kitro_np.load_body(real["body"]))
    for name, offset in parts.items():
        keypoints[ROW, layout.names.index(name), :2] += offset
    return {**real, "keypoints_2d": keypoints}


# ----------------------------------------------------------------------------------------------- kitro


@pytest.mark.parametrize("method", VARIANTS.values(), ids=VARIANTS)
def test_the_tree_is_that_of_the_result(sim_batch, method):
    result = refine(*sim_batch, method=method)
    for row in (0, ROW, 63):
        found = explain_kitro(*sim_batch, row=row, body=recorded.BODY, method=method)
        np.testing.assert_array_equal(found.selection, result.selection[row])
        np.testing.assert_allclose(found.path_score, result.path_score[row], rtol=1e-6)
        assert found.iteration == method.iterations


@pytest.mark.parametrize("name", ["released", "paper"])
def test_the_path_score_is_the_product_along_the_path(sim_batch, name):
    found = explain_kitro(*sim_batch, row=ROW, body=recorded.BODY, method=VARIANTS[name])
    bones = np.arange(1, 24)
    scores = found.edge_scores[bones, found.selection[bones]]
    np.testing.assert_allclose(np.prod(scores ** found.powers[bones]), found.path_score)
    expected = found.edge_weights if name == "paper" else (found.cosines + 1) / 2
    np.testing.assert_allclose(found.edge_scores[bones], expected[bones])
    np.testing.assert_allclose(np.sum(found.edge_weights[bones], axis=1), 1)


def test_products_are_those_of_all_paths(tree):
    """Of the left arm below its collar, all branches, one by one."""
    names = list(tree.joint_names)
    limb = [names.index(f"left_{part}") for part in ("collar", "shoulder", "elbow", "wrist", "hand")]
    place, j = 0, limb[0]
    path = []
    while j > 0:
        path.insert(0, j)
        j = tree.parents[j]
    for j in path[:-1]:
        place = 2 * place + int(tree.selection[j])
    best = np.zeros(2)
    for choice in product((0, 1), repeat=len(limb)):
        own, score = place, 1.0
        for j, branch in zip(limb, choice, strict=True):
            own = 2 * own + branch
            score *= float(tree.tree[j - 1].edge_score[0, own]) ** tree.powers[j]
        best[choice[0]] = max(best[choice[0]], score)
    np.testing.assert_allclose(tree.products[limb[0]], best)
    taken = tree.selection[limb[0]]
    np.testing.assert_allclose(tree.other_path[limb[0]], best[1 - taken] / best[taken])


def test_both_solutions_have_the_bones_length(tree):
    lengths = np.linalg.norm(tree.solutions[1:], axis=-1)
    reached = tree.reachable[1:]
    np.testing.assert_allclose(lengths[reached, 0], lengths[reached, 1])
    assert np.all(tree.distances[1:, 0] >= tree.distances[1:, 1])
    assert np.all(tree.other_path[1:] <= 1 + 1e-12)
    assert not tree.overruled[0]


def test_an_earlier_loop(sim_batch):
    found = explain_kitro(*sim_batch, row=ROW, body=recorded.BODY, iteration=2)
    result = refine(*sim_batch, method=Kitro(iterations=2))
    np.testing.assert_array_equal(found.selection, result.selection[ROW])
    assert found.iteration == 2
    assert "loop 2 of 10" in text_of_kitro(found)[0]


def test_where_a_ray_misses_there_is_no_other_branch(sim_batch):
    keypoints = sim_batch.keypoints_2d.copy()
    keypoints[ROW, 22] += [400, 0]  # the left hand, farther than its bone is long
    found = explain_kitro(*sim_batch._replace(keypoints_2d=keypoints), row=ROW, body=recorded.BODY)
    assert not found.reachable[22]
    assert found.other_path[22] == 1
    assert any("misses the sphere" in line for line in text_of_kitro(found))
    assert "no other" in picture_of_kitro(found).decode()


# ------------------------------------------------------------------------------------------------- map


def test_quality_is_the_sum_of_its_parts(real, real_result, fit):
    parts = [share.contribution for share in fit.verdict.features]
    np.testing.assert_allclose(fit.verdict.usual + sum(parts), real_result.quality[ROW], rtol=1e-6)
    np.testing.assert_allclose(fit.quality, fit.verdict.log_odds)
    skeleton = kitro_np.load_body(real["body"]).skeleton
    coefficients, constant = coefficients_of(skeleton)
    values = np.array([share.value for share in fit.verdict.features])
    np.testing.assert_allclose(coefficients @ values + constant, fit.quality)
    assert [share.name for share in fit.verdict.features] == list(FEATURES)
    reasons = fit.verdict.reasons
    assert sorted(name for reason in reasons for name in reason.features) == sorted(FEATURES)
    np.testing.assert_allclose(sum(reason.contribution for reason in reasons), sum(parts))
    sizes = [abs(reason.contribution) for reason in reasons]
    assert sizes == sorted(sizes, reverse=True)


def test_the_fit_is_that_of_the_result(real_result, fit):
    assert fit.status == real_result.status[ROW] == Status.REFINED
    assert fit.accepted
    np.testing.assert_allclose(fit.noise, real_result.noise[ROW], rtol=1e-6)
    error = np.nanmean(fit.residual_after)
    np.testing.assert_allclose(error, real_result.reprojection_error[ROW], rtol=1e-6)
    assert fit.swapped == real_result.swapped[ROW]
    assert fit.turned == real_result.turned[ROW]


def test_weights_are_those_of_the_fit(real, fit):
    """By the stages, of all bodies at once."""
    body = kitro_np.load_body(real["body"])
    layout = kitro_np.find_layout(real["keypoint_layout"], body)
    skeleton = body.skeleton.like(real["pose"])
    rotations = kitro_np.arrays.poses.as_matrices(real["pose"], 24)[0]
    points, scores = real["keypoints_2d"][..., :2], real["keypoints_2d"][..., 2]
    cameras = np.broadcast_to(real["intrinsics"], (len(points), 3, 3))
    seen = fit_arguments(skeleton, layout, rotations, real["betas"], real["transl"], points, cameras, scores)
    found = converge(
        skeleton, layout, seen.pose, seen.betas, seen.transl, seen.keypoints_2d, seen.confidence,
        seen.intrinsics, cmu_motion_prior(skeleton.host),
    )  # fmt: skip
    np.testing.assert_allclose(fit.inverse_spread, found.last.weights[ROW])
    np.testing.assert_allclose(fit.inlier, found.last.inlier[ROW])
    np.testing.assert_allclose(fit.quality, assess(found).quality[ROW])
    # Shares of all unknowns' precisions add up to the effective number of parameters.
    kept = found.last.step.covariance[ROW] * found.last.linear_prior.precision[ROW]
    others = len(kept) - 72 - np.sum(kept[72:])
    total = 3 * np.sum(fit.evidence_share) + others
    np.testing.assert_allclose(total, found.last.step.effective_parameters[ROW])


def test_pulls_add_up_to_the_bends(fit):
    np.testing.assert_allclose(np.sum(fit.pulls, axis=0) + fit.prior_pulls, fit.rotations, atol=1e-10)
    np.testing.assert_allclose(np.sum(fit.bend_parts, axis=0), fit.angles, atol=1e-8)
    assert np.all((fit.evidence_share > -1e-12) & (fit.evidence_share < 1))
    assert np.all((fit.weight >= 0) & (fit.weight <= 1))
    still = ~fit.moving
    assert still.any()
    assert np.all(fit.pulls[:, still] == 0)
    np.testing.assert_allclose(fit.evidence_share[still], 0, atol=1e-9)


def test_an_outlier_weighs_and_pulls_nothing(real):
    found = explain_map(**changed(real, right_ankle=(0, -300)), row=ROW)
    k = found.point_names.index("right_ankle")
    assert found.outlier[k]
    assert found.weight[k] < 1e-3
    assert found.pull_angles[k].max() < 0.1
    assert found.residual_before[k] > 200
    assert any(line.startswith("right_ankle") and "100%" in line for line in text_of_map(found))


def test_another_bodys_keypoints_are_refused_in_words(real):
    keypoints = real["keypoints_2d"].copy()
    keypoints[ROW] = keypoints[60]
    data = {**real, "keypoints_2d": keypoints}
    result = kitro_np.refine(**data)
    found = explain_map(**data, row=ROW)
    assert result.status[ROW] == found.status
    np.testing.assert_allclose(found.quality, result.quality[ROW], rtol=1e-6)
    assert found.status == Status.UNLIKELY
    assert not found.accepted
    lines = text_of_map(found)
    assert "refused" in lines[0]
    assert any(line.startswith("Why it was refused") for line in lines)
    unsafe = explain_map(**data, row=ROW, method=Map(safe=False))
    assert unsafe.accepted
    assert "not judged" in text_of_map(unsafe)[0]


def test_exchanged_sides_are_told(real):
    layout = kitro_np.find_layout(real["keypoint_layout"], kitro_np.load_body(real["body"]))
    keypoints = real["keypoints_2d"].copy()
    keypoints[ROW] = keypoints[ROW][list(layout.mirror)]
    found = explain_map(**{**real, "keypoints_2d": keypoints}, row=ROW)
    assert found.swapped
    assert found.swap_gain > found.swap_margin
    assert any("exchanged, and put right" in line for line in text_of_map(found))


def test_where_nearly_all_are_outliers_that_alone_decides(real):
    random = np.random.default_rng(0)
    keypoints = real["keypoints_2d"].copy()
    keypoints[ROW, :, :2] += random.uniform(-900, 900, (keypoints.shape[1], 2))
    data = {**real, "keypoints_2d": keypoints}
    found = explain_map(**data, row=ROW)
    assert found.too_few_inliers
    assert found.quality == kitro_np.refine(**data).quality[ROW] == TOO_FEW_INLIERS
    assert any("fewer than 4 keypoints" in line for line in text_of_map(found))
    assert ElementTree.fromstring(picture_of_map(found)) is not None


def test_options_of_map_are_those_of_the_result(real):
    for method in (Map(motion_prior=False), Map(estimate="landmarks"), Map(min_confidence=0.5)):
        result = kitro_np.refine(**real, method=method)
        found = explain_map(**real, row=ROW, method=method)
        np.testing.assert_allclose(found.quality, result.quality[ROW], rtol=1e-6)
    assert explain_map(**real, row=ROW, method=Map(video=True, hypotheses=0)).method == Map()


def test_the_usual_body_is_that_of_the_real_example(real):
    """To a third of a log odds for each feature."""
    features = [explain_map(**real, row=row).verdict.features for row in range(0, 200, 12)]
    for k, name in enumerate(FEATURES):
        median = np.median([each[k].value for each in features])
        assert abs(features[0][k].coefficient * (median - USUAL[name])) < 1 / 3, name


def test_a_body_without_a_person():
    hand = kitro_np.load_body("open_hand")
    count = len(hand.skeleton.parents)
    pose = np.broadcast_to(np.eye(3), (1, count, 3, 3)).copy()
    betas, transl = np.zeros((1, hand.num_betas)), np.array([[0.0, 0.0, 0.6]])
    camera = np.array([[800.0, 0, 320], [0, 800, 240], [0, 0, 1]])
    keypoints = project(hand.joints(pose, betas, transl), camera[None]) + np.array([3.0, 1.0])
    arguments = (pose, betas, transl, keypoints, camera)
    result = kitro_np.refine(*arguments, body=hand)
    found = explain_map(*arguments, body=hand)
    np.testing.assert_allclose(found.quality, result.quality[0], rtol=1e-6)
    result = kitro_np.refine(*arguments, body=hand, method="kitro")
    np.testing.assert_array_equal(explain_kitro(*arguments, body=hand).selection, result.selection[0])


def test_leading_axes_are_counted_through(sim_batch):
    shaped = [part.reshape(4, 16, *part.shape[1:]) for part in sim_batch]
    found = explain_map(*shaped, row=ROW, body=recorded.BODY)
    expected = explain_map(*sim_batch, row=ROW, body=recorded.BODY)
    assert found.quality == expected.quality
    single = explain_map(*(part[ROW] for part in sim_batch), body=recorded.BODY)
    assert single.quality == expected.quality


# ------------------------------------------------------------------------------- text, pictures, mistakes


def test_text_fits_a_terminal(real, tree, fit):
    for lines in (text_of_kitro(tree), text_of_map(fit), text_of_map(explain_map(**real, row=0))):
        assert 10 < len(lines) <= 45
        assert max(map(len, lines)) <= 80


def test_pictures_are_well_formed(tree, fit):
    for picture in (picture_of_kitro(tree), picture_of_map(fit)):
        root = ElementTree.fromstring(picture)
        assert root.tag == f"{SVG}svg"
        assert root.get("width") == "1000"
        background = root.find(f"{SVG}rect")
        assert (background.get("width"), background.get("height")) == ("1000", root.get("height"))
        sizes = [float(text.get("font-size")) for text in root.iter(f"{SVG}text")]
        assert min(sizes) >= 11
        texts = [text.text for text in root.iter(f"{SVG}text")]
        assert all(texts)
        for element in root.iter():
            for name in ("x", "y", "x1", "y1", "cx", "cy"):
                value = float(element.get(name, 0))
                assert np.isfinite(value)
                assert -1 <= value <= max(1000, float(root.get("height"))) + 1


def test_pictures_show_every_joint(tree, fit):
    drawn = picture_of_kitro(tree).decode()
    assert all(f">{name}<" in drawn for name in tree.joint_names)
    drawn = picture_of_map(fit).decode()
    shown = [name for name, moves in zip(fit.joint_names, fit.moving, strict=True) if moves]
    assert all(f">{name}<" in drawn for name in shown)


def test_names_that_markup_would_take_for_its_own(fit):
    odd = tuple(f"<&{name}>" for name in fit.point_names)
    root = ElementTree.fromstring(picture_of_map(replace(fit, point_names=odd)))
    assert any("<&" in (text.text or "") for text in root.iter(f"{SVG}text"))


def test_numbers_are_json(tree, fit):
    for found in (tree, fit):
        assert json.loads(json.dumps(found.as_dict()))["row"] == ROW
    bones = tree.as_dict()["bones"]
    assert len(bones) == 23
    assert {"away", "towards"} == set(bones[0]["branches"])


def test_mistakes_are_a_sentence(sim_batch, real):
    given = {"body": recorded.BODY}
    with pytest.raises(InputError, match=r"^row: expected one of 0 to 63, got 64\.$"):
        explain_map(*sim_batch, row=64, **given)
    with pytest.raises(InputError, match="row: expected"):
        explain_map(*sim_batch, row=-1, **given)
    with pytest.raises(InputError, match="iteration: expected one of 1 to 10, got 11"):
        explain_kitro(*sim_batch, iteration=11, **given)
    with pytest.raises(InputError, match="iterations: expected at least 1"):
        explain_kitro(*sim_batch, method=Kitro(iterations=0), **given)
    with pytest.raises(InputError, match="method: expected a Kitro, got Map"):
        explain_kitro(*sim_batch, method=Map(), **given)
    with pytest.raises(InputError, match="method: expected a Map, got Kitro"):
        explain_map(*sim_batch, method=Kitro(), **given)
    keypoints = real["keypoints_2d"][:, :24]
    with pytest.raises(InputError, match="does not weigh keypoints"):
        explain_kitro(real["pose"], real["betas"], real["transl"], keypoints, real["intrinsics"])
    transl = sim_batch.transl.copy()
    transl[3] = np.nan
    for explain in (explain_map, explain_kitro):
        with pytest.raises(
            InputError,
            match=r"^row 3: expected .* got .*NaN, infinity or a number beyond 1e9 in its input\.$",
        ):
            explain(*sim_batch._replace(transl=transl), row=3, **given)
    with pytest.raises(InputError, match="row: expected a file or arrays with bodies"):
        explain_map(*(part[:0] for part in sim_batch[:4]), sim_batch.intrinsics[0], **given)


def test_wording():
    assert shortened("left_hand_middle_finger_4", 10) == "left_hand\N{HORIZONTAL ELLIPSIS}"
    assert bar(0.5, 4) == "##.."
    assert bar(2, 4) == "####"
    assert odds_in_words(0) == "50%"
    assert odds_in_words(-1000) == "0.0%"
