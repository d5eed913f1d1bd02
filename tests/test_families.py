"""Families of bodies: the records against bodies, against one another, and against what is publicly known."""

import numpy as np
import pytest

from kitro_np import find_layout, load_body
from kitro_np.body.families import (
    BODY_JOINTS,
    BODY_PARENTS,
    EMBEDDED,
    FAMILIES,
    LICENSED,
    has_body_joints,
)
from kitro_np.body.locate import file_names
from kitro_np.body.names import embedded_body, meaning, other_body
from kitro_np.keypoints.landmarks import OPEN_VERTICES, mirrored


@pytest.mark.parametrize("name", FAMILIES)
def test_a_record_is_a_tree_with_a_name_for_each_joint(name):
    family = FAMILIES[name]
    assert len(family.parents) == len(family.joint_names) == len({*family.joint_names})
    assert family.parents[0] == -1
    assert all(0 <= parent < joint for joint, parent in enumerate(family.parents[1:], start=1))
    assert family.is_hand == (name in ("mano", "open_hand"))
    assert has_body_joints(family.parents) != family.is_hand
    if not family.is_hand:
        assert family.joint_names[:22] == BODY_JOINTS
        assert family.parents[:22] == BODY_PARENTS


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_bodies_are_what_their_records_say(name):
    family, body = FAMILIES[name], load_body(name)
    assert body.skeleton.parents == family.parents
    assert body.num_vertices == family.num_vertices
    if not family.is_hand:
        assert body.skeleton.joint_names == family.joint_names


def test_public_numbers_of_joints_and_vertices():
    sizes = {name: (len(FAMILIES[name].parents), FAMILIES[name].num_vertices) for name in LICENSED}
    assert sizes == {"smpl": (24, 6890), "smplh": (52, 6890), "smplx": (55, 10475), "mano": (16, 778)}
    smplx = FAMILIES["smplx"]
    assert [smplx.parents[smplx.joint_names.index(f"{side}_index1")] for side in ("left", "right")] == [
        20,
        21,
    ]
    assert smplx.parents[smplx.joint_names.index("jaw")] == BODY_JOINTS.index("head")


def test_left_and_right_mirror_each_other_in_every_tree():
    for family in FAMILIES.values():
        if family.is_hand:
            continue
        names = family.joint_names
        for joint, name in enumerate(names[1:], start=1):
            own, other = family.parents[joint], family.parents[names.index(mirrored(name))]
            assert names[other] == mirrored(names[own]), name


def test_every_licensed_family_has_files_and_a_home():
    for name in LICENSED:
        family = FAMILIES[name]
        assert family.home.startswith("https://")
        for kind in family.kinds:
            names = file_names(name, kind)
            assert len(names) == len(family.file_names)
            assert not any("{" in one for one in names)
    assert np.all([FAMILIES[name].file_names == () for name in EMBEDDED])


def test_the_open_body_is_the_second_version():
    assert load_body("open") is load_body("open_v2") is load_body("Open_V2")
    assert load_body("open").name == "open_v2"
    first = load_body("open_v1")
    assert first.name == "open_v1"
    assert load_body("open_v1", num_betas=3).name == "open_v1"
    np.testing.assert_array_equal(first.faces, load_body("open").faces)
    assert np.abs(first.v_template - load_body("open").v_template).max() > 0.005


def test_the_versions_share_their_landmarks():
    """Exactly: by the mesh, and for a bare skeleton of either version by its joints."""
    for version in ("open_v1", "open_v2"):
        body = load_body(version)
        layout, bare = find_layout("halpe26", body), find_layout("halpe26", body.skeleton)
        np.testing.assert_allclose(bare.offsets, layout.offsets, rtol=0, atol=1e-7)
        eye = body.v_template[OPEN_VERTICES["left_eye"]] - body.skeleton.joint_template[15]
        np.testing.assert_allclose(layout.offsets[layout.names.index("left_eye")], eye, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "family", "kind"),
    [
        ("open", "open_v2", None),
        ("open_v1", "open_v1", None),
        ("smpl", "smpl", None),
        ("SMPL_MALE", "smpl", "male"),
        ("open_hand_left", "open_hand", "left"),
        ("smplx_neutral", "smplx", "neutral"),
        ("basicModel_m_lbs_10_207_0_v1.0.0", "smpl", "male"),
        ("basicmodel_neutral_lbs_10_207_0_v1.1.0", "smpl", "neutral"),
        ("female_model", "smplh", "female"),
        ("MANO_LEFT", "mano", "left"),
    ],
)
def test_what_the_name_of_a_body_means(name, family, kind):
    assert meaning(name) == (FAMILIES[family], kind)


def test_names_of_unknown_bodies():
    assert meaning("basicmodel_m") is meaning("smpl_") is meaning("model") is meaning("") is None
    assert embedded_body("SMPL_MALE") is embedded_body("mine") is embedded_body("") is None
    assert embedded_body("open_hand_left") is load_body("open_hand", gender="left")
    assert embedded_body("open_v1") is load_body("open_v1")


@pytest.mark.parametrize(
    ("name", "used", "remedy"),
    [
        ("open_v1", "open_v2", "add --body open_v1"),
        ("open_v1", "SMPL_MALE", "add --body open_v1"),
        ("SMPL_MALE", "open_v2", "add --body smpl --gender male"),
        ("SMPL_MALE", "smpl_female", "add --body smpl --gender male"),
        ("open_hand_left", "open_hand_right", "add --body open_hand --gender left"),
        ("mine", "open_v2", "give its file with --body"),
        ("open", "open_v2", None),
        ("smpl", "SMPL_MALE", None),
        ("basicmodel_neutral_lbs_10_207_0_v1.1.0", "SMPL_NEUTRAL", None),
        ("Mine", "mine", None),
        ("", "open_v2", None),
        ("open_v1", "", None),
    ],
)
def test_what_is_said_of_two_bodies(name, used, remedy):
    found = other_body("F.npz", name, "refined", used)
    assert found == (
        f"F.npz is on {name} but bodies are refined on {used}: betas mean other shapes; {remedy}."
        if remedy
        else ""
    )
