"""Variants: where the authors' released code and the paper part ways, and what can be left out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import one_of

UPDATES = {
    "camera_update": ("soft", "hard", "fixed"),
    "shape_update": ("bone_length", "joints_2d", "fixed"),
    "pose_update": ("soft", "hard", "fixed"),
    "search": ("tree", "greedy"),
}
"""The method's updates, each first as it is, then as the paper's ablations have it (Table 1)."""


@dataclass(frozen=True)
class Variant:
    """Switches between the readings of the method; see ``released`` and ``paper``.

    Attributes
    ----------
    name : str
    softmax_scores : bool
        An edge's score is the softmax over both solutions' cosines (Eq. 15) instead of (cos + 1) / 2.
    trunk_in_every_limb : bool
        A bone's score counts once for every limb below it instead of once.
    tree_targets : bool
        Rotate to the tree's own solution, blended by its edge's softmax weight (Eq. 17), instead of
        solving and weighing each bone again from the joints as they then stand.
    rewind : bool
        Drop a joint's update unless it brings its children nearer to their keypoints.
    shift_keypoints : bool
        Solve each bone relative to its parent's projection.
    mean_loss : bool
        The loss of Eq. 9 is the mean over bones instead of the sum.
    camera_update : {"soft", "hard", "fixed"}
        t <- (t* + t) / 2 (Eq. 6), or t*, or as the estimate has it.
    shape_update : {"bone_length", "joints_2d", "fixed"}
        Betas from projected bone lengths (Eq. 9), from the distances of joints to keypoints (Eq. 3), or as
        the estimate has them.
    pose_update : {"soft", "hard", "fixed"}
        Joints turn to the blend of solution and current bone (Eq. 17), to the solution, or not at all.
    search : {"tree", "greedy"}
        The path with the greatest product of scores (Eq. 16), or at each bone the better of both branches.
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
"""The readings on offer: the published numbers come from ``released``."""


def find_variant(name: str, **updates: str) -> Variant:
    """Return the variant called `name` with the updates given; InputError names the choices."""
    for update, choice in updates.items():
        one_of(update, choice, UPDATES[update])
    return replace(VARIANTS[one_of("variant", name, VARIANTS)], **updates)  # type: ignore[arg-type]
