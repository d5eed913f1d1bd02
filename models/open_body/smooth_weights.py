"""Step 9: spread the skinning weights over the skin, so that it folds less where joints bend.

The rig's weights change abruptly in groin and armpit, where triangles then turn over. Weights spread like
heat in the skin, as far as each joint can bear it: hips and shoulders need much; elbows and knees little,
since wider bends lose more volume.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import splu

from ..shared.smpl_skeleton import JOINT, JOINT_NAMES
from .chest import cotangents

ROUNDS = 2
"""Of spreading: two leave softer ends than one that is as wide."""

REACH = {
    "pelvis": 0.022, "hip": 0.035, "spine1": 0.022, "spine2": 0.022, "spine3": 0.02, "collar": 0.02,
    "shoulder": 0.02, "elbow": 0.006, "knee": 0.005, "wrist": 0.007, "hand": 0.003, "ankle": 0.008,
    "foot": 0.008, "neck": 0.01, "head": 0.01,
}  # fmt: skip
"""How far weights spread at each joint, in metres; both rounds make a standard deviation of twice that."""

NEAR = 0.07
"""Joints blend their reaches over this distance, in metres."""


def smooth_weights(
    weights: np.ndarray, template: np.ndarray, joints: np.ndarray, faces: np.ndarray, mirror: np.ndarray
) -> np.ndarray:
    """Return weights (v, 24) spread over the template (v, 3), same on both sides, at most four a vertex."""
    reach = reaches(template, joints)
    for _ in range(ROUNDS):
        weights = spread(weights, template, faces, reach)
    return above_the_fifth(same_on_both_sides(np.maximum(weights, 0), mirror))


def reaches(template: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """How far weights spread at each vertex (v,): as at the nearest joints."""
    squares = ((template[:, None] - joints) ** 2).sum(axis=-1)
    squares -= squares.min(axis=1, keepdims=True)
    shares = np.exp(-squares / 2 / NEAR**2)
    return shares @ [REACH[name.split("_")[-1]] for name in JOINT_NAMES] / shares.sum(axis=1)


def spread(fields: np.ndarray, points: np.ndarray, faces: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Spread fields (v, k) over the skin by an implicit step of heat flow, which keeps sums over the k.

    A step across a straight edge becomes one whose slope has the standard deviation 2 ** 0.5 * reach.
    """
    start, end, pull = cotangents(points, faces)
    count = len(points)
    flow = pull / 2 * (reach[start] ** 2 + reach[end] ** 2) / 2
    flows = coo_array((flow, (start, end)), shape=(count, count)).tocsr()
    a, b, c = (points[faces[:, k]] for k in range(3))
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    own = np.bincount(faces.ravel(), np.repeat(areas / 3, 3), minlength=count)
    system = diags_array(own) + diags_array(flows.sum(axis=1)) - flows
    return splu(system.tocsc()).solve(own[:, None] * fields)


def above_the_fifth(weights: np.ndarray) -> np.ndarray:
    """Keep the four largest weights of each vertex, less the fifth, scaled to a sum of one.

    What is left out thus fades to zero first, and equal weights of both sides stay equal.
    """
    fifth = np.sort(weights, axis=1)[:, [-5]]
    weights = np.maximum(weights - fifth, 0)
    return weights / weights.sum(axis=1, keepdims=True)


def same_on_both_sides(weights: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Return the mean of the weights (v, 24) and their mirror image."""
    other = [JOINT[other_side(name)] for name in JOINT_NAMES]
    return (weights + weights[mirror][:, other]) / 2


def other_side(name: str) -> str:
    """Name the joint on the other side."""
    side, _, stem = name.partition("_")
    return {"left": "right_", "right": "left_"}.get(side, side) + stem
