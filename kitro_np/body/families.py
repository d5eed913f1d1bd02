"""Families of body models, one record each: kinematic tree, joint names, mesh size and file names.

SMPL, SMPL-H and SMPL-X share their first 22 joints; a MANO hand is a wrist and five chains.
"""

from __future__ import annotations

from dataclasses import dataclass

BODY_JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle",
    "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
)  # fmt: skip
"""The 22 joints shared by SMPL, SMPL-H and SMPL-X."""

BODY_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
"""Their parents."""

FINGERS = tuple(f"{finger}{n}" for finger in ("index", "middle", "pinky", "ring", "thumb") for n in (1, 2, 3))
"""Joints of a hand in MANO's order, the wrist excluded."""

GENDERS = ("neutral", "female", "male")
SIDES = ("right", "left")
"""The variants of a model's files, the default first: right and left for MANO, genders for the others."""

JOINTS_PER_FINGER = 3


def _finger_parents(wrist: int, first: int) -> tuple[int, ...]:
    """Parents of a hand's finger joints, numbered from `first`: five chains from the wrist."""
    return tuple(wrist if k % JOINTS_PER_FINGER == 0 else first + k - 1 for k in range(len(FINGERS)))


def _hands() -> tuple[str, ...]:
    return tuple(f"{side}_{finger}" for side in ("left", "right") for finger in FINGERS)


@dataclass(frozen=True)
class Family:
    """A family of body models.

    Parameters
    ----------
    name : str
    parents : tuple of int
        Parent of each joint; -1 for the root.
    joint_names : tuple of str
    num_vertices : int
        Vertices of its mesh.
    kinds : tuple of str
        Genders or sides that have a file each, the default first.
    embedded : str, optional
        The file in this package, for a model that ships with it.
    file_names : tuple of str
        Names of its files, with {gender}, {GENDER} or {letter} in place of the kind. The first that exists
        is used, so newer releases come first.
    subfolders : tuple of str
        Subfolders of every search folder: the folder itself, then the layouts of smplx and smplfitter, then
        those of the unpacked downloads.
    home : str
        Web page that offers its files, under the licence given there.
    """

    name: str
    parents: tuple[int, ...]
    joint_names: tuple[str, ...]
    num_vertices: int
    kinds: tuple[str, ...] = GENDERS
    embedded: str | None = None
    file_names: tuple[str, ...] = ()
    subfolders: tuple[str, ...] = ()
    home: str = ""

    @property
    def is_hand(self) -> bool:
        """Whether this is a hand model."""
        return self.kinds == SIDES


_SMPL = ((*BODY_PARENTS, 20, 21), (*BODY_JOINTS, "left_hand", "right_hand"))
_HAND = ((-1, *_finger_parents(0, 1)), ("wrist", *FINGERS))

_FAMILIES = {
    family.name: family
    for family in (
        Family("open_v2", *_SMPL, 6887, embedded="open_body.npz"),
        Family("open_v1", *_SMPL, 6887, embedded="open_body_v1.npz"),
        Family("open_hand", *_HAND, 778, SIDES, embedded="open_hand.npz"),
        # Names are compared case-insensitively: the releases contain basicModel_f_ and basicmodel_m_.
        Family(
            "smpl",
            *_SMPL,
            6890,
            file_names=(
                "SMPL_{GENDER}.pkl",
                "SMPL_{GENDER}.npz",
                "basicmodel_{letter}_lbs_10_207_0_v1.1.0.pkl",
                "basicmodel_{letter}_lbs_10_207_0_v1.1.0.npz",
                "basicmodel_{letter}_lbs_10_207_0_v1.0.0.pkl",
            ),
            subfolders=(
                "",
                "smpl",
                "models/smpl",
                "body_models/smpl",
                "smpl/models",
                "SMPL_python_v.1.1.0/smpl/models",
                "SMPL_python_v.1.0.0/smpl/models",
                "smplify_public/code/models",
            ),
            home="https://smpl.is.tue.mpg.de",
        ),
        Family(
            "smplh",
            (*BODY_PARENTS, *_finger_parents(20, 22), *_finger_parents(21, 37)),
            (*BODY_JOINTS, *_hands()),
            6890,
            file_names=("SMPLH_{GENDER}.pkl", "SMPLH_{GENDER}.npz", "{gender}/model.npz"),
            subfolders=("", "smplh", "models/smplh", "body_models/smplh", "smplh16"),
            home="https://mano.is.tue.mpg.de",
        ),
        Family(
            "smplx",
            (*BODY_PARENTS, 15, 15, 15, *_finger_parents(20, 25), *_finger_parents(21, 40)),
            (*BODY_JOINTS, "jaw", "left_eye", "right_eye", *_hands()),
            10475,
            file_names=("SMPLX_{GENDER}.npz", "SMPLX_{GENDER}.pkl"),
            subfolders=("", "smplx", "models/smplx", "body_models/smplx"),
            home="https://smpl-x.is.tue.mpg.de",
        ),
        Family(
            "mano",
            *_HAND,
            778,
            SIDES,
            file_names=("MANO_{GENDER}.pkl", "MANO_{GENDER}.npz"),
            subfolders=("", "mano", "models/mano", "body_models/mano", "mano_v1_2/models"),
            home="https://mano.is.tue.mpg.de",
        ),
    )
}

FAMILIES = {"open": _FAMILIES["open_v2"], **_FAMILIES}
"""All families, by name; "open" is the current version of the open body."""

EMBEDDED = tuple(name for name, family in FAMILIES.items() if family.embedded)
"""Bodies that ship with this package (CC0)."""

LICENSED = tuple(name for name, family in FAMILIES.items() if not family.embedded)
"""Bodies whose files the user must obtain; nothing of them ships with this package."""

SMPL = FAMILIES["smpl"]
MANO = FAMILIES["mano"]


def has_body_joints(parents: tuple[int, ...]) -> bool:
    """Whether a tree begins with the 22 joints shared by SMPL, SMPL-H and SMPL-X."""
    return parents[: len(BODY_PARENTS)] == BODY_PARENTS
