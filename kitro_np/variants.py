"""Variants: where the authors' released code and the paper part ways."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import one_of


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
    """

    name: str
    softmax_scores: bool
    trunk_in_every_limb: bool
    tree_targets: bool
    rewind: bool
    shift_keypoints: bool
    mean_loss: bool


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


def find_variant(name: str) -> Variant:
    """Return the variant called `name`; InputError names the choices."""
    return VARIANTS[one_of("variant", name, VARIANTS)]
