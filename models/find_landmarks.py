"""Find the landmarks of the embedded body's and hand's skin by geometry, and print their vertex numbers.

Run ``python -m models.find_landmarks``. It prints ``OPEN_VERTICES`` of ``kitro_np/keypoints/landmarks.py``
and ``OPEN_HAND_TIPS`` of ``kitro_np/keypoints/fingers.py``; a test compares them. Only the body and the hand
themselves are needed: the body's rest pose stands upright (+y up, +z the front, +x its left), arms
horizontal, palms down.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from kitro_np import BodyModel, load_body

from .shared.command_line import Parser

TIP = 0.015  # metres around a vertex within which a fingertip is the outermost one; fingers are 3 cm apart


def find_landmarks(body: BodyModel) -> dict[str, int]:
    """Find the vertex number of every landmark, left ones before right ones."""
    points = np.asarray(body.v_template, dtype=np.float64)
    joint = {name: body.skeleton.joint_template[j] for j, name in enumerate(body.skeleton.joint_names)}
    moved_by = {name: body.weights[:, j] > 0.5 for j, name in enumerate(body.skeleton.joint_names)}
    x, y, z = points.T
    left = x > 0
    parts = parts_of(body)
    skin = parts == np.bincount(parts).argmax()  # the other parts are the eyeballs

    def furthest(where: np.ndarray, direction: np.ndarray) -> int:
        """Return the number of the vertex, among some, that lies furthest in a direction."""
        numbers = np.flatnonzero(where)
        return int(numbers[direction[numbers].argmax()])

    head, toes = moved_by["head"] & skin, moved_by["left_foot"]
    landmarks = {
        "nose": furthest(head & (np.abs(x) < 1e-3), z),
        "head_top": furthest(head, y),
        "left_eye": furthest(~skin & left, z),  # the pupil
        "left_ear": furthest(head & left, x),
        "left_big_toe": furthest(toes & (x < joint["left_foot"][0] - 0.015), z),
        "left_small_toe": furthest(toes & (x > joint["left_foot"][0] + 0.04), z),
        "left_heel": furthest(moved_by["left_ankle"] & (y < joint["left_ankle"][1]), -z),
    }
    fingers = np.flatnonzero(body.weights[:, body.skeleton.joint_names.index("left_hand")] > 0.99)
    tips = [v for v in fingers if x[v] >= x[fingers][near(points[fingers], points[v])].max()]
    tips = sorted(tips, key=lambda v: -z[v])  # from the thumb, which points forward, to the little finger
    names = ("thumb", "index", "middle", "ring", "pinky")
    landmarks |= {f"left_{name}_tip": int(v) for name, v in zip(names, tips, strict=True)}
    return landmarks | {name.replace("left", "right"): mirrored(points, v) for name, v in landmarks.items()}


def find_fingertips(hand: BodyModel) -> dict[str, int]:
    """Find each fingertip of a hand: of the last bone's vertices, the one furthest along the bone before."""
    points = np.asarray(hand.v_template, dtype=np.float64)
    joints = np.asarray(hand.skeleton.joint_template, dtype=np.float64)
    tips = {}
    for finger in ("thumb", "index", "middle", "ring", "pinky"):
        before, last = (hand.skeleton.joint_names.index(f"{finger}{n}") for n in (2, 3))
        own = np.flatnonzero(hand.weights[:, last] > 0.5)
        along = points[own] @ (joints[last] - joints[before])
        tips[f"{finger}_tip"] = int(own[along.argmax()])
    return tips


def parts_of(body: BodyModel) -> np.ndarray:
    """Label each vertex with its connected component of the mesh."""
    edges = np.concatenate([body.faces[:, [0, 1]], body.faces[:, [1, 2]]])
    count = body.num_vertices
    graph = coo_array((np.ones(len(edges)), tuple(edges.T)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def near(points: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Mark the points within the radius of a fingertip."""
    return np.linalg.norm(points - centre, axis=1) < TIP


def mirrored(points: np.ndarray, vertex: int) -> int:
    """Find the vertex at the mirror image of one, itself if it lies on the midline."""
    return int(np.linalg.norm(points - points[vertex] * [-1, 1, 1], axis=1).argmin())


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables of both."""
    parser = Parser(
        prog="python -m models.find_landmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    for model, find in ((load_body("open"), find_landmarks), (load_body("open_hand"), find_fingertips)):
        for name, vertex in find(model).items():
            print(f'    "{name}": {vertex},  # {np.round(1e3 * model.v_template[vertex]).astype(int)} mm')
    return 0


if __name__ == "__main__":
    sys.exit(main())
