"""Variants: where the authors' released code and the paper differ, and the paper's ablations."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import one_of

UPDATES = {
    "camera_update": ("soft", "hard", "fixed"),
    "shape_update": ("bone_length", "joints_2d", "fixed"),
    "pose_update": ("soft", "hard", "fixed"),
    "search": ("tree", "greedy"),
}
"""Options of the updates: each method's own first, then those of the paper's ablations (Table 1)."""


@dataclass(frozen=True)
class Variant:
    """Switches between the variants of the method; see ``released`` and ``paper``.

    Attributes
    ----------
    name : str
    softmax_scores : bool
        An edge's score is the softmax over both solutions' cosines (Eq. 15) instead of (cos + 1) / 2.
    trunk_in_every_limb : bool
        A bone's score counts once for every leaf below it instead of once.
    tree_targets : bool
        Rotate to the tree's own solution, blended by its edge's softmax weight (Eq. 17), instead of solving
        and weighing each bone again from the updated joints.
    rewind : bool
        Reject a joint's update unless it decreases the 2D error of its children.
    shift_keypoints : bool
        Solve each bone relative to its parent's projection.
    mean_loss : bool
        The loss of Eq. 9 is the mean over bones instead of the sum.
    camera_update : {"soft", "hard", "fixed"}
        t <- (t* + t) / 2 (Eq. 6), t <- t*, or the estimate's.
    shape_update : {"bone_length", "joints_2d", "fixed"}
        Betas fitted to projected bone lengths (Eq. 9) or to the keypoints (Eq. 3), or the estimate's.
    pose_update : {"soft", "hard", "fixed"}
        Rotate bones to a blend of solution and current bone (Eq. 17), to the solution, or not at all.
    search : {"tree", "greedy"}
        The path with the largest product of scores (Eq. 16), or the better branch at each bone.
    """

    name: str
    softmax_scores: bool
    trunk_in_every_limb: bool
    tree_targets: bool
    rewind: bool
    shift_keypoints: bool
    mean_loss: bool
    camera_update: str = "soft"
    shape_update: str = "bone_length"
    pose_update: str = "soft"
    search: str = "tree"


VARIANTS = {
    "released": Variant(
        "released",
        softmax_scores=False,
        trunk_in_every_limb=True,
        tree_targets=False,
        rewind=True,
        shift_keypoints=True,
        mean_loss=True,
    ),
    "paper": Variant(
        "paper",
        softmax_scores=True,
        trunk_in_every_limb=False,
        tree_targets=True,
        rewind=False,
        shift_keypoints=False,
        mean_loss=False,
    ),
}
"""All variants; the published results come from ``released``."""


def find_variant(name: str, **updates: str) -> Variant:
    """Return the variant called `name` with the updates given; InputError names the choices."""
    for update, choice in updates.items():
        one_of(update, choice, UPDATES[update])
    return replace(VARIANTS[one_of("variant", name, VARIANTS)], **updates)  # type: ignore[arg-type]
