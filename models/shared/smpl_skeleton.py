"""SMPL's 24 joints."""

# fmt: off
JOINT_NAMES = [
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee",
    "spine2", "left_ankle", "right_ankle", "spine3", "left_foot", "right_foot",
    "neck", "left_collar", "right_collar", "head", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
]
# fmt: on
JOINT = {name: number for number, name in enumerate(JOINT_NAMES)}
PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]


def mirror_name(name: str) -> str:
    """Name the joint on the other side of the body; a joint of the midline is its own."""
    if name.startswith("left_"):
        return name.replace("left_", "right_")
    return name.replace("right_", "left_")


MIRROR = [JOINT[mirror_name(name)] for name in JOINT_NAMES]
"""The joint on the other side of the body."""
