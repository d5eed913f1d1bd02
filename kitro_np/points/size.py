"""Scale of points: one number for all bodies, from lengths that no pose changes."""

from __future__ import annotations

import numpy as np

from .problem import PointsProblem

SHORTEST = 0.08
"""Of the lengths that count, in metres on the body."""


def rigid_pairs(problem: PointsProblem) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of points (P, 2) that are rigid to each other, and their distance (P,) on the mean body.

    A point is rigid in the frame of its joint, and at the joint itself also in that of the parent.
    """
    layout, skeleton = problem.layout, problem.skeleton
    at_joint = np.linalg.norm(layout.offsets, axis=1) < 0.02
    frames = [
        {joint, skeleton.parents[joint]} if at_joint[k] else {joint}
        for k, joint in enumerate(problem.anchors.tolist())
    ]
    template = np.asarray(skeleton.joint_template, dtype=np.float64)
    rest = template[problem.anchors] + layout.offsets
    pairs = [
        (first, second)
        for first in range(layout.num_points)
        for second in range(first)
        if layout.joints[first] >= 0 <= layout.joints[second] and frames[first] & frames[second] - {-1}
    ]
    numbers = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    lengths = np.linalg.norm(rest[numbers[:, 0]] - rest[numbers[:, 1]], axis=1)
    kept = lengths > SHORTEST
    return numbers[kept], lengths[kept]


def scale_of_points(problem: PointsProblem) -> float:
    """Median ratio of lengths between points to those on the mean body; 1 if there is no such pair."""
    pairs, lengths = rigid_pairs(problem)
    seen = (problem.weights > 0)[:, pairs].all(axis=2)
    if not seen.any():
        return 1.0
    found = np.linalg.norm(problem.points[:, pairs[:, 0]] - problem.points[:, pairs[:, 1]], axis=2)
    return float(np.median((found / lengths)[seen]))
