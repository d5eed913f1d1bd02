"""The tree of ``kitro``: both solutions of every bone of one body, their scores, and the path taken."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...arrays.arguments import check_integer
from ...errors import InputError
from ...keypoints.layouts import KeypointLayout
from ...kitro.algorithm import loops_of
from ...kitro.method import Kitro
from ...kitro.rays import signed_distance
from ...kitro.tree import BoneBranches, branch_products, grow_branches
from ...refinement.method import resolve_method
from .row import body_of_row, names_of

BRANCHES = ("away", "towards")
"""Names of branch 0 and 1: away from the camera, and towards it."""


@dataclass(frozen=True, eq=False)
class KitroExplanation:
    """Why ``kitro`` bends each bone of one body away from the camera or towards it, in one loop.

    Rows are bones, named by their child; the root's is NaN. Where there are two columns, the first is the
    branch away from the camera, the second that towards it, both after the selected path to the bone.

    Attributes
    ----------
    row : int
        Of the body, through all leading axes.
    method : Kitro
    iteration : int
        Loop of Algorithm 1, from 1.
    joint_names : tuple of str
    parents : tuple of int
    selection : (J,) array of int
        0 away, 1 towards, -1 at the root.
    path_score : float
        Product of the edge scores along the selected path (Eq. 16).
    root_distance : float
        From the camera, in metres.
    solutions : (J, 2, 3) array
        From the parent to the child, in metres (Eq. 12-13).
    distances : (J, 2) array
        Of the child from the camera, in metres.
    cosines : (J, 2) array
        Between each solution and the estimate's bone.
    edge_scores : (J, 2) array
        What is multiplied along the path (Eq. 15).
    edge_weights : (J, 2) array
        Softmax of the cosines, by which a bone is rotated towards its solution (Eq. 17).
    powers : (J,) array of int
        How often the bone's score counts in the product.
    products : (J, 2) array
        Of the branch's score and the best scores of all bones below it.
    reachable : (J,) array of bool
        Whether the child's ray meets the sphere of the bone's length; else both solutions are its nearest
        point.
    tree : tuple of BoneBranches
        The whole tree: all 2^d hypotheses of each bone at depth d, for children 1 to J - 1.
    """

    row: int
    method: Kitro
    iteration: int
    joint_names: tuple[str, ...]
    parents: tuple[int, ...]
    selection: np.ndarray
    path_score: float
    root_distance: float
    solutions: np.ndarray
    distances: np.ndarray
    cosines: np.ndarray
    edge_scores: np.ndarray
    edge_weights: np.ndarray
    powers: np.ndarray
    products: np.ndarray
    reachable: np.ndarray
    tree: tuple[BoneBranches, ...]

    @property
    def other_path(self) -> np.ndarray:
        """Best product of all bones below with the branch that is not taken, over the one taken: (J,).

        Near 1 the choice is open, near 0 it is clear; 1 also where both branches are one.
        """
        taken = np.maximum(self.selection, 0)[:, None]
        products = (
            np.take_along_axis(self.products, taken, 1),
            np.take_along_axis(self.products, 1 - taken, 1),
        )
        with np.errstate(all="ignore"):
            return np.asarray((products[1] / products[0])[:, 0])

    @property
    def overruled(self) -> np.ndarray:
        """Where the bone itself agrees better with the other branch, but the bones below it do not: (J,)."""
        taken = np.maximum(self.selection, 0)
        return np.asarray((self.selection >= 0) & (np.argmax(self.cosines, axis=1) != taken) & self.reachable)

    def as_dict(self) -> dict[str, Any]:
        """Return numbers, names and lists, as JSON has them; without the whole tree."""
        bones = [
            {
                "joint": self.joint_names[j],
                "parent": self.joint_names[self.parents[j]],
                "branch": BRANCHES[self.selection[j]],
                "reachable": bool(self.reachable[j]),
                "overruled": bool(self.overruled[j]),
                "counts": int(self.powers[j]),
                "other_path": float(self.other_path[j]),
                "branches": {
                    name: {
                        "solution": self.solutions[j, k].tolist(),
                        "distance": float(self.distances[j, k]),
                        "cosine": float(self.cosines[j, k]),
                        "edge_score": float(self.edge_scores[j, k]),
                        "edge_weight": float(self.edge_weights[j, k]),
                        "product": float(self.products[j, k]),
                    }
                    for k, name in enumerate(BRANCHES)
                },
            }
            for j in range(1, len(self.parents))
        ]
        return {
            "method": "kitro",
            "row": self.row,
            "variant": self.method.variant,
            "iteration": self.iteration,
            "iterations": self.method.iterations,
            "path_score": self.path_score,
            "root_distance": self.root_distance,
            "bones": bones,
        }


def explain_kitro(
    pose: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    intrinsics: Any = None,
    *,
    row: int = 0,
    iteration: int | None = None,
    method: Kitro | None = None,
    body: Any = None,
    keypoint_layout: str | KeypointLayout = "smpl24",
    image_size: Any = None,
    focal_length: Any = None,
) -> KitroExplanation:
    """Explain the branches that ``kitro`` selects for one body: the decision tree, as in Fig. 4 of the paper.

    Parameters
    ----------
    pose, betas, transl, keypoints_2d, intrinsics, body, keypoint_layout, image_size, focal_length
        As of :func:`kitro_np.refine`.
    row : int
        Which body, counted through all leading axes.
    iteration : int, optional
        Loop of Algorithm 1, from 1; by default the last one, whose branches are in the result.
    method : Kitro, optional
        With its options.

    Returns
    -------
    KitroExplanation

    Raises
    ------
    InputError
        If an argument is invalid, there is no such row or loop, or that body cannot be refined.
    """
    kitro = Kitro() if method is None else resolve_method(method, {})
    if not isinstance(kitro, Kitro):
        raise InputError(f"method: expected a Kitro, got {type(kitro).__name__}.")
    if kitro.iterations < 1:
        raise InputError("iterations: expected at least 1, whose branches are explained, got 0.")
    last = kitro.iterations if iteration is None else check_integer("iteration", iteration, least=1)
    if last > kitro.iterations:
        raise InputError(f"iteration: expected one of 1 to {kitro.iterations}, got {last}.")
    given = {
        "pose": pose, "betas": betas, "transl": transl, "keypoints_2d": keypoints_2d,
        "intrinsics": intrinsics, "image_size": image_size, "focal_length": focal_length,
    }  # fmt: skip
    one = body_of_row(kitro, given, row, body, keypoint_layout)
    skeleton, variant = one.skeleton, kitro.switches
    with np.errstate(all="ignore"):
        start, keypoints, camera = one.arrays[:3], one.arrays[3], one.arrays[4]
        *_, loop = loops_of(
            skeleton, start[0], start[1], start[2], keypoints, camera, variant, last, kitro.shape_steps
        )
        grown = grow_branches(skeleton, start[0], loop.betas, loop.joints, keypoints, camera, variant)
        products, path_score = branch_products(skeleton, grown, variant)
    count = skeleton.num_joints
    pairs = {
        name: np.full((count, 2), np.nan) for name in ("distance", "cosine", "edge_score", "edge_weight")
    }
    solutions, product = np.full((count, 2, 3), np.nan), np.full((count, 2), np.nan)
    selection = np.asarray(loop.branches.selection[0])
    place = [0] * count  # among the hypotheses of each joint
    for child, parent in enumerate(skeleton.parents[1:], start=1):
        own, above = grown[child - 1], place[parent]
        for name, values in pairs.items():
            values[child] = getattr(own, name)[0].reshape(-1, 2)[above]
        solutions[child] = own.solutions[0].reshape(-1, 2, 3)[above]
        product[child] = products[child - 1].product[0, above]
        place[child] = 2 * above + int(selection[child])
    powers = np.array(skeleton.limb_counts) if variant.trunk_in_every_limb else np.ones(count, int)
    return KitroExplanation(
        one.row,
        replace(kitro),
        last,
        names_of(skeleton),
        tuple(skeleton.parents),
        selection,
        float(path_score[0]),
        float(signed_distance(loop.joints[:, 0, :])[0, 0]),
        solutions,
        pairs["distance"],
        pairs["cosine"],
        pairs["edge_score"],
        pairs["edge_weight"],
        powers.astype(int),
        product,
        np.any(solutions[:, 0] != solutions[:, 1], axis=1),
        tuple(grown),
    )
