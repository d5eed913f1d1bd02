"""The steps of models/open_body/ that need neither anny nor torch, and its command line."""

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


@pytest.fixture(scope="module")
def shared(body):
    """What it imported from models/shared/."""
    return importlib.import_module("models.shared")


def sheet(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a flat square sheet of size x size vertices as points and triangles."""
    x, y = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 1, size))
    points = np.stack([x.ravel(), y.ravel(), np.zeros(size * size)], axis=1)
    corner = (np.arange(size - 1)[:, None] * size + np.arange(size - 1)).ravel()
    lower = np.stack([corner, corner + 1, corner + size], axis=1)
    upper = np.stack([corner + 1, corner + size + 1, corner + size], axis=1)
    return points, np.concatenate([lower, upper])


@pytest.mark.parametrize(
    ("bone", "joint"),
    [
        ("upperleg02.L", "left_hip"),
        ("toe3-1.R", "right_foot"),
        ("spine05", "pelvis"),
        ("pelvis.L", "pelvis"),
        ("breast.R", "spine3"),
        ("metacarpal2.L", "left_wrist"),
        ("finger1-1.R", "right_hand"),
        ("eye.L", "head"),
        ("jaw", "head"),
    ],
)
def test_every_bone_has_its_joint(body, bone, joint):
    """Rig bones are handed to the SMPL joint of their side."""
    assert body.weights.joint_of_bone(bone) == joint


def test_rotations_do_as_they_say(shared):
    """A quarter turn about z takes x to y, and the shortest rotation reaches its end."""
    assert np.allclose(shared.skinning.axis_rotation("z", np.pi / 2) @ [1, 0, 0], [0, 1, 0])
    start, end = np.array([1.0, 2, 3]), np.array([-3.0, 1, 2])
    rotated = shared.skinning.rotation_between(start, end) @ start
    assert np.allclose(rotated / np.linalg.norm(rotated), end / np.linalg.norm(end))


def test_smoothing_flattens_a_bump_and_nothing_else(body):
    """A thin plate over a bump in a flat sheet is flat, and unmasked vertices stay bit for bit."""
    flat, faces = sheet(15)
    middle = np.linalg.norm(flat[:, :2] - 0.5, axis=1)
    bumped = flat.copy()
    bumped[:, 2] = np.where(middle < 0.15, 0.2, 0)
    mask = np.clip((0.35 - middle) / 0.1, 0, 1)
    smoothed = body.chest.smooth_chest(bumped, faces, mask, bumped)
    assert np.abs(smoothed[:, 2]).max() < 1e-6
    assert (smoothed[mask == 0] == bumped[mask == 0]).all()


def test_moved_skin_makes_joints_exact(body):
    """After the move, the template's joints are the wanted ones."""
    rng = np.random.default_rng(0)
    template = rng.normal(size=(50, 3))
    regressor = np.zeros((24, 50))
    for row, weights in zip(regressor, rng.dirichlet([1, 1, 1], 24), strict=True):
        row[rng.choice(50, 3, replace=False)] = weights
    expected = regressor @ template + rng.normal(size=(24, 3)) * 1e-3
    moved = body.exact_joints.make_joints_exact(template, regressor, expected)
    assert np.abs(regressor @ moved - expected).max() < 1e-9


def test_joints_follow_betas(body):
    """Joints that are linear in the betas of adults are found as their template and directions."""
    rng = np.random.default_rng(1)
    template, directions = rng.normal(size=(30, 3)), rng.normal(size=(30, 3, 10))
    joints = rng.normal(size=(24, 3, 11))
    betas = rng.normal(size=(80, 10))
    adults = template + np.einsum("vck,nk->nvc", directions, betas)
    placed = joints[..., 0] + np.einsum("jck,nk->njc", joints[..., 1:], betas)
    assert np.allclose(body.shape.joints_by_betas(placed, adults, template, directions), joints)


def test_spines_lie_alike_in_all_adults(body):
    """Between pelvis and neck, at their mean share of the way and off the line, times the length."""
    rng = np.random.default_rng(2)
    joint = importlib.import_module("models.shared.smpl_skeleton").JOINT
    joints = rng.normal(size=(5, 24, 3))
    joints[:, joint["pelvis"]], joints[:, joint["neck"]] = 0, np.arange(1, 6)[:, None] * [0, 0.1, 0.02]
    moved = body.joints._with_even_spines(joints.copy())
    spines = [joint[f"spine{number}"] for number in (1, 2, 3)]
    sizes = np.arange(1, 6)[:, None, None]
    assert np.allclose(moved[:, spines] / sizes, moved[:1, spines])
    others = np.delete(np.arange(24), spines)
    assert np.array_equal(moved[:, others], joints[:, others])


LABELS = ["gender", "muscle", "weight"]


@pytest.fixture(scope="module")
def crowd(body):
    """Many people with phenotypes: half of them women, muscle and weight as sampled."""
    rng = np.random.default_rng(3)
    phenotypes = np.column_stack(
        [np.arange(4000) % 2, rng.normal(0.5, 0.18, 4000), rng.normal(0.52, 0.2, 4000)]
    )
    return phenotypes, body.people.draw_people(phenotypes, LABELS, rng)


def test_people_are_those_of_the_tables(body, crowd):
    """Means and spreads of men and women, as published (Gordon et al. 2014), in millimetres."""
    phenotypes, people = crowd
    female = phenotypes[:, 0] == 1
    published = {
        "stature": (1756.2, 68.6, 1628.5, 64.2),
        "biacromialbreadth": (415.7, 19.2, 365.3, 18.3),
        "waistcircumference": (940.6, 111.7, 860.9, 99.9),
        "crotchheight": (845.9, 46.5, 782.3, 44.6),
    }
    for name, (men, men_spread, women, women_spread) in published.items():
        measured = 1e3 * np.array([person.measures[name] for person in people])
        for sex, mean, spread in ((~female, men, men_spread), (female, women, women_spread)):
            assert abs(measured[sex].mean() - mean) < 4 * spread / np.sqrt(sex.sum()), name
            assert measured[sex].std() == pytest.approx(spread, rel=0.06), name


def test_people_are_as_fat_and_muscular_as_their_phenotypes(crowd):
    """Given stature, the waist follows weight; given both, the biceps follows muscle, exactly."""
    phenotypes, people = crowd
    men = phenotypes[:, 0] == 0
    names = ("stature", "waistcircumference", "bicepscircumferenceflexed")
    measured = np.array([[person.measures[name] for name in names] for person in people])[men]
    muscle, weight = ((phenotypes[men, 1] - 0.5) / 0.18, (phenotypes[men, 2] - 0.52) / 0.2)
    for known, found, score in ((1, 1, weight), (2, 2, muscle)):
        design = np.column_stack([np.ones(len(measured)), measured[:, :known]])
        left = measured[:, found] - design @ np.linalg.lstsq(design, measured[:, found], rcond=None)[0]
        assert np.corrcoef(left, score)[0, 1] > 0.999


def test_joints_are_at_their_shares_of_stature(body, crowd):
    """On average; each person's follow the person's own measures."""
    _, people = crowd
    stature = np.mean([person.measures["stature"] for person in people])
    for name, (share, measure) in body.people.SHARES.items():
        lengths = np.array([person.joints[name] for person in people])
        assert lengths.mean() / stature == pytest.approx(share, rel=0.01), name
        assert np.corrcoef(lengths, [person.measures[measure] for person in people])[0, 1] > 0.9999


def mannequin() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A body of tubes in T-pose: skin (v, 3), the 24 joints, and how far each vertex belongs to an arm."""
    joint = importlib.import_module("models.shared.smpl_skeleton").JOINT
    around = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(around), np.sin(around)], 1)

    def tube(along: int, places: np.ndarray, centre: np.ndarray, radii: tuple[float, float]) -> np.ndarray:
        flat = [k for k in range(3) if k != along]
        points = np.tile(np.array(centre, float), (len(places), len(ring), 1))
        points[..., along] = places[:, None]
        points[..., flat] += ring * radii
        return points.reshape(-1, 3)

    step = 0.01
    legs = [tube(1, np.arange(0, 0.83, step), (side * 0.09, 0, 0), (0.06, 0.07)) for side in (1, -1)]
    feet = [leg[: 24 * 6] * [1, 1, 1] + [0, 0, 0.08] for leg in legs]
    trunk = tube(1, np.arange(0.83, 1.46, step), (0, 0, 0), (0.16, 0.11))
    head = tube(1, np.arange(1.46, 1.7, step), (0, 0, 0), (0.07, 0.09))
    arms = [tube(0, side * np.arange(0.2, 0.87, step), (0, 1.4, 0), (0.04, 0.04)) for side in (1, -1)]
    crotch = np.array([[0, 0.82, 0.0]])
    skin = np.concatenate([*legs, *feet, trunk, head, crotch, *arms])
    arm = np.zeros(len(skin))
    arm[-sum(map(len, arms)) :] = 1
    heights = {"pelvis": 0.95, "spine1": 1.0, "spine2": 1.15, "spine3": 1.28, "neck": 1.45, "head": 1.55}
    joints = np.zeros((24, 3))
    for name, height in heights.items():
        joints[joint[name], 1] = height
    sided = {"hip": (0.09, 0.87), "knee": (0.09, 0.5), "ankle": (0.09, 0.08), "foot": (0.09, 0.02),
             "collar": (0.02, 1.38), "shoulder": (0.18, 1.4), "elbow": (0.44, 1.4), "wrist": (0.68, 1.4),
             "hand": (0.78, 1.4)}  # fmt: skip
    for name, (x, y) in sided.items():
        joints[joint[f"left_{name}"]], joints[joint[f"right_{name}"]] = (x, y, 0), (-x, y, 0)
    return skin, joints, arm


def test_an_adult_gets_the_proportions_of_a_person(body, crowd):
    """Joints are where the person's are, girths and breadths as measured, and nothing folds."""
    skeleton = importlib.import_module("models.shared.smpl_skeleton")
    joint = skeleton.JOINT
    skin, joints, arm = mannequin()
    crotch = body.proportions.crotch_of(skin)
    assert skin[crotch].tolist() == [0, 0.82, 0]
    for person in crowd[1][:6]:
        placed, at = body.proportions.give_proportions(skin, joints, arm, crotch, person)
        wanted, measures = person.joints, person.measures
        assert placed[:, 1].min() == pytest.approx(0, abs=1e-9)
        assert np.ptp(placed[:, 1]) == pytest.approx(measures["stature"])
        assert placed[crotch, 1] == pytest.approx(measures["crotchheight"])
        for name in ("ankle", "knee", "hip", "shoulder"):
            assert at[joint[f"left_{name}"], 1] == pytest.approx(wanted[name]), name
        shoulder, elbow, wrist = (at[joint[f"left_{name}"], 0] for name in ("shoulder", "elbow", "wrist"))
        assert shoulder == pytest.approx(wanted["shoulder_half_breadth"])
        assert elbow - shoulder == pytest.approx(wanted["upper_arm"])
        assert wrist - elbow == pytest.approx(wanted["forearm"])
        assert at[joint["left_hip"], 0] == pytest.approx(wanted["hip_half_breadth"])
        assert np.allclose(at[:, 0], -at[skeleton.MIRROR, 0])
        found = body.girths.measure(placed, arm, body.proportions.parts_of(person))
        for name in ("waistbreadth", "waistdepth", "hipbreadth", "calfcircumference", "wristcircumference"):
            assert found[name] == pytest.approx(person.wanted(name), rel=0.03), name
        of_leg = (skin[:, 0] > 0) & (skin[:, 1] < 0.8) & (arm == 0)
        order = np.argsort(skin[of_leg, 1], kind="stable")
        assert np.diff(placed[of_leg, 1][order]).min() > -1e-9


def test_girths_are_those_of_ellipses(body):
    """The girth of a tube and the breadth and depth of another."""
    skin, _, arm = mannequin()
    part = body.girths.Part
    parts = [
        part("trunk", 1.1, ("breadth", "depth")),
        part("leg", 0.4, ("girth",)),
        part("arm", 0.5, ("arm",)),
        part("trunk", 1.6, ("head",)),
    ]
    found = body.girths.measure(skin, arm, parts)
    assert (found["breadth"], found["depth"]) == pytest.approx((0.32, 0.22))
    assert found["girth"] == pytest.approx(2 * np.pi * np.sqrt((0.06**2 + 0.07**2) / 2), rel=0.01)
    assert found["arm"] == pytest.approx(2 * np.pi * 0.04, rel=0.01)
    assert found["head"] == pytest.approx(0.14)


def test_a_row_is_sparse_and_sums_to_one(shared):
    """A joint that is the mean of two vertices of every adult is found as that."""
    vertices = np.random.default_rng(2).normal(size=(60, 40, 3))
    row = shared.regressor_row.fit_row(vertices - vertices[:, [3, 7]].mean(axis=1, keepdims=True))
    assert np.flatnonzero(row).tolist() == [3, 7]
    assert np.allclose(row[[3, 7]], 0.5)


def test_wrong_arguments_give_one_sentence(body, tmp_path, capsys):
    """Each wrong argument ends the run with one line that names it."""
    there = tmp_path / "there.npz"
    there.touch()
    for arguments, word in (
        (["-o", str(there)], "--force"),
        (["-o", str(tmp_path / "body.txt")], ".npz"),
        (["-o", str(tmp_path / "no" / "body.npz")], "does not exist"),
        (["-o", str(tmp_path / "body.npz"), "--adults", "few"], "--adults"),
        (["-o", str(tmp_path / "body.npz"), "--vertices", "5"], "--vertices"),
    ):
        with pytest.raises(SystemExit) as stop:
            body.__main__.main(arguments)
        said = capsys.readouterr().err
        assert stop.value.code == 2
        assert word in said
        assert said.count("\n") == 1
