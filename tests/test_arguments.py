"""Every wrong argument gives one InputError, in one sentence that starts with the argument's name."""

import array_api_strict
import numpy as np
import pytest
from bodies import make_batch, make_skeleton

try:
    import torch
except ImportError:
    torch = None

from kitro_np import InputError, Kitro, Skeleton, refine

SKELETON = make_skeleton("smpl", num_betas=10)
GOOD = dict(
    zip(("pose", "betas", "transl", "keypoints_2d", "intrinsics"), make_batch(SKELETON, 4), strict=True)
)
LONG_CHAIN = Skeleton(range(-1, 20), np.ones((21, 3)), np.zeros((21, 3, 10)))

WRONG = [
    # Shapes
    ("pose", np.zeros((4, 23, 3, 3))),
    ("pose", np.zeros((4, 24, 3, 2))),
    ("pose", np.zeros((4, 24, 6))),
    ("pose", np.zeros((4, 70))),
    ("pose", 3.0),
    ("betas", np.zeros((4, 11))),
    ("betas", np.zeros((3, 10))),
    ("betas", np.zeros(11)),
    ("betas", 0.0),
    ("transl", np.zeros((4, 2))),
    ("transl", np.zeros((5, 3))),
    ("transl", np.zeros(3)),
    ("keypoints_2d", np.zeros((4, 24, 4))),
    ("confidence", np.zeros((4, 23))),
    ("confidence", [[1.0], [0.5, 2]]),
    ("keypoints_2d", np.zeros((4, 17, 2))),
    ("keypoints_2d", np.zeros((24, 2))),
    ("intrinsics", np.zeros((3, 3, 3))),
    ("intrinsics", np.eye(4)),
    ("intrinsics", 1000.0),
    ("intrinsics", None),
    # Numbers
    ("pose", "bodies.npz"),
    ("pose", None),
    ("pose", GOOD["pose"] + 0j),
    ("pose", GOOD["pose"].astype(np.longdouble)),
    ("pose", GOOD["pose"].astype(bool)),
    ("pose", GOOD["pose"].astype(object)),
    ("betas", [[0.0] * 10] * 3 + [[0.0] * 9]),
    ("betas", [["a"] * 10] * 4),
    ("transl", {"x": 1}),
    ("transl", GOOD["transl"].astype("datetime64[s]")),
    ("keypoints_2d", [[1, 2], [3]]),
    ("keypoints_2d", np.ma),
    # Cameras
    ("intrinsics", np.zeros((3, 3))),
    ("intrinsics", np.diag([1000.0, -1000, 1])),
    ("intrinsics", np.array([[1000.0, 5, 500], [0, 1000, 500], [0, 0, 1]])),
    ("intrinsics", np.full((3, 3), np.nan)),
    # Kinds of arrays
    ("betas", array_api_strict.asarray(GOOD["betas"])),
    ("intrinsics", array_api_strict.asarray(GOOD["intrinsics"])),
    # Names and settings
    ("body", "smp"),
    ("body", 3),
    ("body", SKELETON.parents),
    ("body", LONG_CHAIN),
    ("method", "eft"),
    ("method", 3),
    ("method", None),
    ("method", Kitro),
    ("engine", "cuda"),
    ("engine", 1),
    ("strict", 1),
    ("progress", 3),
    ("chunk_size", 0),
    ("threads", 0),
    ("threads", -1),
    ("threads", 1.5),
    *(("min_confidence", value) for value in (-0.1, np.nan, np.inf, True, "0.3", None, [0.3])),
]


def described(value):
    shape = getattr(value, "shape", None)  # a module's is a function, whose address differs between processes
    return f"{type(value).__name__}{shape}" if isinstance(shape, tuple) else repr(value)[:30]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=[f"{n}-{described(v)}" for n, v in WRONG])
def test_wrong_argument(name, value, engine):
    arguments = {"body": SKELETON, "engine": engine, **GOOD, name: value}
    with pytest.raises(InputError) as caught:
        refine(**arguments)
    message = str(caught.value)
    assert message.startswith(f"{name}: expected ")
    assert message.endswith(".")
    assert "\n" not in message
    assert ", got " in message


@pytest.mark.parametrize("size", [(1920,), (0, 1080), (-5, 5), (np.nan, 4), "HD", [(1, 2)] * 3, 7])
def test_wrong_image_size(size, engine):
    for given in (GOOD, {**GOOD, "intrinsics": None}):
        with pytest.raises(InputError, match=r"^image_size: expected .*\.$"):
            refine(**given, image_size=size, body=SKELETON, engine=engine)


def test_an_image_size_beside_intrinsics_is_maps(engine):
    refine(**GOOD, image_size=(1920, 1080), body=SKELETON, engine=engine)
    for method in ("kitro", "smplify"):
        with pytest.raises(InputError, match=r"^image_size: expected None where .* got both; .*map"):
            refine(**GOOD, image_size=(1920, 1080), body=SKELETON, engine=engine, method=method)


@pytest.mark.parametrize("xp", [np, array_api_strict], ids=["numpy", "array_api_strict"])
def test_a_mask_is_a_confidence(xp):
    """True is seen and counts as 1, False is not seen."""
    batch = {name: xp.asarray(value) for name, value in GOOD.items()}
    visible = np.arange(4 * 24).reshape(4, 24) % 5 > 0
    given = (visible, visible.astype(float), np.ones(visible.shape))
    masked, expected, every = (
        np.asarray(refine(**batch, body=SKELETON, confidence=xp.asarray(values), safe=False).pose)
        for values in given
    )
    assert np.array_equal(masked, expected)
    assert not np.array_equal(masked, every)


@pytest.mark.skipif(torch is None, reason="no torch")
def test_an_engine_that_is_asked_for_by_name_runs_or_raises():
    tensors = {name: torch.asarray(value) for name, value in GOOD.items()}
    for given in (GOOD, tensors):
        with pytest.raises(InputError, match=r"^engine: expected arrays on a GPU for 'cuda', got "):
            refine(**given, body=SKELETON, method="kitro", engine="cuda")


def test_input_error_is_a_value_error():
    with pytest.raises(ValueError, match=r"^method: expected one of kitro, map, smplify, got 'x'"):
        refine(**GOOD, method="x")
