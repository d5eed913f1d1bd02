"""All steps of the hand, from the sampled hands to its arrays."""

from __future__ import annotations

from ..shared.errors import BuildError
from ..shared.shape_space import is_held_out
from ..shared.skinning import four_largest
from ..shared.smpl_arrays import smpl_arrays
from .cut import cut_mesh
from .hands import Hands
from .regressor import fit_regressor
from .report import report_of
from .shape import hand_components
from .simplify import border_loops, simplify_hand
from .skeleton import JOINT_NAMES, PARENTS

BEHIND_WRIST = 0.012  # metres from the wrist's joint to the cut


def build_hand(hands: Hands, vertices: int) -> tuple[dict, list[str]]:
    """Build the hand from the samples; return its arrays and the lines of the report."""
    mean = hands.vertices.mean(0)
    cut = cut_mesh(mean, hands.faces, hands.joints[:, 0, 0].mean() + BEHIND_WRIST)
    kept, faces = simplify_hand(cut.of(mean), cut, vertices)
    if border_loops(faces) != 1:
        raise BuildError("the hand must have one border, at the wrist; the base mesh is another.")
    skins = cut.of(hands.vertices)[:, kept]
    weights = four_largest(cut.of(hands.weights)[kept])

    held_out = is_held_out(len(skins))
    fitted = skins[~held_out]
    template, directions = hand_components(fitted)
    regressor = fit_regressor(fitted, hands.joints[~held_out])
    hand = smpl_arrays(template, directions, regressor, weights, faces, (JOINT_NAMES, PARENTS))
    return hand, report_of(hand, fitted, skins[held_out], hands.joints[held_out])
