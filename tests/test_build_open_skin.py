"""How models/open_body/ makes the skin bend: weights spread over it, and pose correctives."""

import importlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def body():
    """Import the build with its steps, which is not part of the installed package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        importlib.import_module("models.open_body.__main__")
        yield importlib.import_module("models.open_body")


def tube(rings: int = 41, around: int = 16, radius: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Return points and triangles of a tube along x, from -0.4 to 0.4."""
    x, angle = np.meshgrid(
        np.linspace(-0.4, 0.4, rings), 2 * np.pi * np.arange(around) / around, indexing="ij"
    )
    points = np.stack([x, radius * np.cos(angle), radius * np.sin(angle)], axis=-1).reshape(-1, 3)
    ring, turn = np.meshgrid(np.arange(rings - 1), np.arange(around), indexing="ij")
    a, b = ring * around + turn, ring * around + (turn + 1) % around
    lower, upper = np.stack([a, b, a + around], axis=-1), np.stack([b, b + around, a + around], axis=-1)
    return points, np.concatenate([lower.reshape(-1, 3), upper.reshape(-1, 3)])


def test_weights_spread_as_far_as_they_should(body):
    """A step on a tube becomes as wide as its reach makes it, and sums of weights stay one."""
    points, faces = tube(rings=161)
    step = (points[:, 0] > 0.001).astype(float)
    fields = np.stack([step, 1 - step], axis=1)
    widths = []
    for reach in (0.02, 0.04):
        spread = body.smooth_weights.spread(fields, points, faces, np.full(len(points), reach))
        assert np.allclose(spread.sum(axis=1), 1) and spread.min() > -1e-9
        slope = np.gradient(spread[:, 0].reshape(161, -1)[:, 0])
        x = points[:, 0].reshape(161, -1)[:, 0]
        widths.append(np.sqrt((slope * (x - 0.0025) ** 2).sum() / slope.sum()))
    assert np.allclose(widths, np.sqrt(2) * np.array([0.02, 0.04]), rtol=0.05)


def test_weights_keep_four_joints_and_fade_out(body):
    """The fifth is taken from the others, so that what falls out was almost zero before."""
    weights = np.array([[0.4, 0.3, 0.1, 0.1, 0.06, 0.04], [0.5, 0.5, 0, 0, 0, 0]])
    kept = body.smooth_weights.above_the_fifth(weights)
    assert np.allclose(kept[0], np.array([0.34, 0.24, 0.04, 0.04, 0, 0]) / 0.66)
    assert np.allclose(kept[1], weights[1])


def test_weights_become_the_same_on_both_sides(body):
    """Mirrored vertices have mirrored weights; central joints are their own mirror image."""
    names = list(body.smooth_weights.JOINT_NAMES)
    left, right, spine = (names.index(name) for name in ("left_hip", "right_hip", "spine1"))
    weights = np.zeros((2, len(names)))
    weights[0, [left, spine]] = 0.8, 0.2
    weights[1, [right, spine]] = 0.6, 0.4
    even = body.smooth_weights.same_on_both_sides(weights, np.array([1, 0]))
    assert np.allclose(even[0, [left, right, spine]], [0.7, 0, 0.3])
    assert np.allclose(even[1, [left, right, spine]], [0, 0.7, 0.3])


def test_what_hangs_on_a_joint(body):
    """The left elbow moves forearm and hand, and nothing else."""
    names = list(body.correctives.JOINT_NAMES)
    below = body.correctives.hanging_on(names.index("left_elbow"))
    assert [names[joint] for joint in below] == ["left_elbow", "left_wrist", "left_hand"]


def test_correctives_keep_the_volume_of_a_bent_tube(body):
    """A tube loses volume where linear blending bends it; corrected it keeps more, but not on the inside."""
    points, faces = tube()
    own = 1 / (1 + np.exp(-points[:, 0] / 0.02))
    moved = own * (1 - own) > body.correctives.LEAST
    centres = body.correctives.ring_centres(points, faces, own, moved)
    middle = np.abs(points[moved, 0]) < 0.03
    assert np.abs(centres[:, 1:]).max() < 1e-9
    assert np.abs(centres[middle, 0] - points[moved][middle, 0]).max() < 0.01
    bends = body.correctives.Rotation.from_rotvec(
        np.radians([[0, -angle, 0] for angle in range(10, 141, 10)])
    )
    arms, along = points[moved] - centres, np.array([1.0, 0, 0])
    fitted = body.correctives.fit_joint(arms, own[moved], along, bends)
    offsets = np.zeros((len(points), 3, 9))
    offsets[moved] = fitted.reshape(-1, 3, 9)

    bend = body.correctives.Rotation.from_rotvec([0, -np.pi / 2, 0]).as_matrix()  # towards +z
    blended = own[:, None, None] * bend + (1 - own)[:, None, None] * np.eye(3)
    plain = np.einsum("vab,vb->va", blended, points)
    moves = np.einsum("vab,vbf,f->va", blended, offsets, (bend - np.eye(3)).ravel())
    volume = importlib.import_module("models.shared.skin_faults").enclosed_volume
    near = faces[(np.abs(points[:, 0]) < 0.09)[faces].all(axis=1)]
    rest, lost, kept = (volume(skin, near) for skin in (points, plain, plain + moves))
    assert lost < 0.9 * rest and lost + 0.4 * (rest - lost) < kept < rest
    inside, outside = points[:, 2] > 0.045, points[:, 2] < -0.045
    sizes = np.linalg.norm(moves, axis=1)
    assert sizes[inside].max() < 0.2 * sizes[outside].max()


def test_packed_correctives_are_read_back(body):
    """Within half a step of each joint, axis and entry; what is zero stays zero and takes no room."""
    from kitro_np.body.correctives import unpack_correctives

    rng = np.random.default_rng(0)
    posedirs = rng.normal(size=(30, 3, 2, 9)) * rng.uniform(1e-3, 1, size=(3, 2, 9))
    posedirs[10:, :, 0] = posedirs[:25, :, 1] = 0
    packed = body.packed_correctives.pack_correctives(posedirs.reshape(30, 3, 18))
    assert packed["correctives"].dtype == np.int8 and len(packed["correctives"]) == 10 + 5
    assert set(packed["correctives_of"][:, 0]) == {1, 2}
    read = unpack_correctives(*packed.values(), 30).reshape(posedirs.shape)
    step = packed["correctives_step"].transpose(1, 0, 2)
    assert (np.abs(read - posedirs) <= 0.5001 * step).all() and (read[posedirs == 0] == 0).all()
