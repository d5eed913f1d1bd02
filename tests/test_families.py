"""Families of bodies: the records against bodies, against one another, and against what is publicly known."""

import numpy as np
import pytest

from kitro_np import load_body
from kitro_np.body.families import (
    BODY_JOINTS,
    BODY_PARENTS,
    EMBEDDED,
    FAMILIES,
    LICENSED,
    has_body_joints,
)
from kitro_np.body.locate import file_names
from kitro_np.keypoints.landmarks import mirrored


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
