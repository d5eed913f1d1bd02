"""Methods as objects: their options, whose an option is, and that none is ever guessed."""

import dataclasses
import typing

import numpy as np
import pytest
from bodies import make_batch, make_skeleton
from same import assert_identical

import kitro_np
from kitro_np import InputError, Kitro, Map, SMPLify, refine
from kitro_np.kernels.posterior.algorithm import fit_bodies_with_spread
from kitro_np.kitro.method import KitroOptions
from kitro_np.posterior.method import MapOptions
from kitro_np.refinement.method import METHODS, Execution, Method, option, resolve_method
from kitro_np.refinement.outcome import Outcome
from kitro_np.smplify.method import SMPLifyOptions

SKELETON = make_skeleton("chain")
BATCH = make_batch(SKELETON, 3)
KINDS = {"map": Map, "kitro": Kitro, "smplify": SMPLify}

OTHER_VALUES = {
    "motion_prior": False, "safe": False, "uncertainty": True, "hypotheses": 2, "min_confidence": 0.5,
    "estimate": "network", "video": True, "contacts": "feet",
    "variant": "paper", "iterations": 3, "shape_steps": 0,
    "camera_update": "hard",
    "shape_update": "joints_2d", "pose_update": "fixed", "search": "greedy",
    "root_steps": 4, "steps": 5,
}  # fmt: skip
"""Of every option, a value that is not its default."""


def options_of(kind):
    return [field.name for field in dataclasses.fields(kind)]


def test_each_method_is_known_by_its_name():
    assert METHODS == KINDS
    assert sorted(OTHER_VALUES) == sorted(name for kind in KINDS.values() for name in options_of(kind))


@pytest.mark.parametrize("name", KINDS)
def test_a_method_is_frozen_and_compared_by_its_options(name):
    kind = KINDS[name]
    first = options_of(kind)[0]
    other = kind(**{first: OTHER_VALUES[first]})
    assert kind() == kind() != other
    assert len({kind(), kind(), other}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(other, first, None)


@pytest.mark.parametrize("name", KINDS)
def test_a_name_with_options_is_the_object(name):
    kind = KINDS[name]
    for key in options_of(kind):
        options = {key: OTHER_VALUES[key]}
        assert resolve_method(name, options) == kind(**options) != kind()
        assert resolve_method(kind(), options) == kind(**options)
    assert resolve_method(name.upper(), {}) == kind()


def test_kitro_by_name_and_as_an_object_are_the_same():
    by_name = refine(*BATCH, body=SKELETON, method="kitro", iterations=2, variant="Paper")
    as_object = refine(*BATCH, body=SKELETON, method=Kitro(variant="paper", iterations=2))
    assert_identical(by_name, as_object)
    assert by_name.method == as_object.method == "kitro"
    assert by_name.options == dataclasses.asdict(Kitro(variant="paper", iterations=2))


def test_the_default_is_map_whatever_else_is_given():
    for given in ({}, {"engine": "array"}, {"chunk_size": 2}, {"threads": 1}):
        assert refine(*BATCH, body=SKELETON, **given).method == "map"


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("key", OTHER_VALUES)
def test_an_option_of_another_method_names_its_owner(name, key):
    owner = next(method for method, kind in KINDS.items() if key in options_of(kind))
    if owner == name:
        assert resolve_method(name, {key: OTHER_VALUES[key]}) != KINDS[name]()
        return
    for method in (name, KINDS[name]()):
        with pytest.raises(InputError) as caught:
            refine(*BATCH, body=SKELETON, method=method, **{key: OTHER_VALUES[key]})
        assert str(caught.value) == (
            f"{key}: expected method={owner!r}, whose option it is, got method={name!r}."
        )


def test_a_name_that_is_nearly_right_is_told():
    for method, given, message in (
        ("kitor", {}, "method: expected one of .*'kitor' (did you mean 'kitro'?)."),
        ("kitro", {"iteration": 2}, "iteration: .* (did you mean 'iterations'?)."),
        ("kitro", {"variant": "relaesed"}, "variant: .* (did you mean 'released'?)."),
        ("map", {"keypoint_layout": "coco"}, "keypoint_layout: .* (did you mean 'coco17'?)."),
    ):
        start, _, end = message.partition(".*")
        with pytest.raises(InputError) as caught:
            refine(*BATCH, body=kitro_np.load_body(), method=method, **given)
        assert str(caught.value).startswith(start.strip())
        assert str(caught.value).endswith(end.strip())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (Kitro, {"variant": "x"}),
        (Kitro, {"variant": None}),
        (Kitro, {"variant": ["released"]}),
        (Kitro, {"search": "other"}),
        (Kitro, {"iterations": -1}),
        (Kitro, {"iterations": 2.5}),
        (Kitro, {"iterations": "10"}),
        (Kitro, {"iterations": None}),
        (Kitro, {"shape_steps": 1.0}),
        (Map, {"safe": 1}),
        (Map, {"uncertainty": "yes"}),
        (Map, {"hypotheses": -1}),
        (Map, {"hypotheses": True}),
        (SMPLify, {"steps": -2}),
    ],
)
def test_wrong_options(kind, options):
    (name,) = options
    with pytest.raises(InputError, match=rf"^{name}: expected .*, got .*\.$"):
        kind(**options)


@pytest.mark.parametrize("method", ["kitro", "smplify", Kitro(), SMPLify()])
def test_methods_without_weights_refuse_what_needs_them(method):
    body = kitro_np.load_body()
    batch = make_batch(body.skeleton, 2)
    scores = np.ones((2, 24))
    scored = np.concatenate([batch.keypoints_2d, scores[..., None]], axis=-1)
    with pytest.raises(InputError, match=r"^confidence: expected method='map', .*, got '(kitro|smplify)'\.$"):
        refine(*batch, body=body, method=method, confidence=scores)
    with pytest.raises(InputError, match=r"^keypoint_layout: expected 'smpl24' with method=.*, got 'coco17'"):
        refine(*batch, body=body, method=method, keypoint_layout="coco17")
    with pytest.raises(InputError, match=r"^keypoints_2d: expected \(x, y\) with method=.*\(x, y, score\)"):
        refine(*batch._replace(keypoints_2d=scored), body=body, method=method)


def test_a_new_method_enters_itself():
    """Its own folder and nothing else: no list of methods is kept."""
    try:

        @dataclasses.dataclass(frozen=True)
        class Still(Method, name="still"):
            times: int = option(1, "how often to do nothing", least=1)

            def run(self, request, execution: Execution) -> Outcome:
                return Kitro(iterations=0).run(request, execution)

        assert resolve_method("still", {"times": 2}) == Still(times=2)
        result = refine(*BATCH, body=SKELETON, method="still")
        assert result.method == "still"
        assert result.selection is None
        np.testing.assert_array_equal(result.pose, BATCH.pose)
        with pytest.raises(InputError, match="expected method='still', whose option it is"):
            refine(*BATCH, body=SKELETON, times=3)
    finally:
        METHODS.pop("still", None)


@pytest.mark.parametrize(
    ("kind", "options"), [(Map, MapOptions), (Kitro, KitroOptions), (SMPLify, SMPLifyOptions)]
)
def test_options_that_type_checkers_know_are_the_methods_fields(kind, options):
    hints = typing.get_type_hints(options)
    assert [*hints] == options_of(kind)
    assert hints == {name: typing.get_type_hints(kind)[name] for name in hints}


def test_warmup_compiles_all_variants_and_refuses_other_names():
    assert Map.kernel_variants() == (Map(), Map(uncertainty=True), Map(video=True, uncertainty=True))
    done = []
    kitro_np.warmup("map", "float32", progress=done.append)
    assert done == [1]
    assert fit_bodies_with_spread.signatures
    for wrong in ("maps", ["kitro", "x"], None, 3):
        with pytest.raises(InputError, match=r"^methods: expected .*, got .*\.$"):
            kitro_np.warmup(wrong)
    with pytest.raises(InputError, match=r"^dtypes: expected one of float32, float64, got 'float16'"):
        kitro_np.warmup("map", "float16")
