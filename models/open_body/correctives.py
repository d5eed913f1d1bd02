"""Step 10: fit pose correctives, pose blend shapes that give bent joints their volume back.

Linear blend skinning takes means of rotation matrices, which shrink what they turn: a ring of skin around a
joint collapses by the cosine of half the bend. The target keeps every ring rigid: it turns about its own
centre by the mean rotation, in the manner of Le and Hodgins (Real-Time Skeletal Skinning with Optimized
Centers of Rotation, ACM Transactions on Graphics 35(4), 2016); a ring is the skin that is moved as much by
the joint. Unlike dual quaternions, that does not bulge. Skin on the inside of a bend is left to linear
blending, since there is no room for it.

Each joint is bent alone, at random within what people can do, and the nine entries of R - I are regressed on
the target minus linear blending, through the blended transform of the pose, for each vertex that the joint
moves in part.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from ..shared.smpl_skeleton import JOINT, JOINT_NAMES, PARENTS
from .smooth_weights import other_side, spread

BENDS = {
    "hip": ((-120, 30), (-40, 40), (-30, 50)),
    "knee": ((-5, 140), (-15, 15), (-10, 10)),
    "ankle": ((-40, 45), (-20, 20), (-25, 25)),
    "foot": ((-45, 30), (-5, 5), (-5, 5)),
    "spine1": ((-15, 50), (-30, 30), (-25, 25)),
    "spine2": ((-15, 40), (-30, 30), (-25, 25)),
    "spine3": ((-15, 40), (-30, 30), (-25, 25)),
    "neck": ((-40, 45), (-50, 50), (-35, 35)),
    "head": ((-30, 35), (-40, 40), (-25, 25)),
    "collar": ((-15, 15), (-25, 25), (-20, 30)),
    "shoulder": ((-60, 60), (-100, 40), (-85, 85)),
    "elbow": ((-70, 70), (-145, 5), (-10, 10)),
    "wrist": ((-80, 80), (-30, 30), (-70, 70)),
    "hand": ((-10, 10), (-10, 10), (-80, 30)),
}
"""Lowest and highest components of the axis-angle vectors that left and central joints take, in degrees."""

POSES = 160
"""Random bends of each joint."""

GAIN = 0.7
"""Share of the target that is wanted: with all of it, elbows and knees look pointed."""

ALIKE = 0.1
"""Skin with weights this close belongs to one ring."""

LEAST = 2e-3
"""Of w (1 - w), for the weight w of a joint and what hangs on it: vertices with less are not corrected."""

RIDGE = 1e-3

SMOOTHING = 0.006
"""How far the coefficients spread over the skin, in metres."""

MIRROR = np.array([-1.0, 1.0, 1.0])


def fit_correctives(
    template: np.ndarray, joints: np.ndarray, weights: np.ndarray, faces: np.ndarray, mirror: np.ndarray
) -> np.ndarray:
    """Return posedirs (v, 3, 207), the same on both sides, for weights (v, 24) of the template (v, 3)."""
    found = np.zeros((len(template), len(JOINT_NAMES), 3, 9))
    reach = np.full(len(template), SMOOTHING)
    signs = MIRROR[:, None] * np.outer(MIRROR, MIRROR).ravel()
    for joint, name in enumerate(JOINT_NAMES):
        if joint == 0 or name.startswith("right"):
            continue
        own = weights[:, hanging_on(joint)].sum(axis=1)
        moved = own * (1 - own) > LEAST
        centres = ring_centres(template, faces, own, moved)
        coefficients = np.zeros((len(template), 27))
        along = limb_direction(joints, joint)
        coefficients[moved] = fit_joint(template[moved] - centres, own[moved], along, bends_of(name, joint))
        coefficients = np.where(moved[:, None], spread(coefficients, template, faces, reach), 0)
        coefficients = coefficients.reshape(-1, 3, 9)
        mirrored = coefficients[mirror] * signs
        if name.startswith("left"):
            found[:, joint], found[:, JOINT[other_side(name)]] = coefficients, mirrored
        else:
            found[:, joint] = (coefficients + mirrored) / 2
    return found[:, 1:].transpose(0, 2, 1, 3).reshape(len(template), 3, -1)


def hanging_on(joint: int) -> list[int]:
    """Return a joint and all below it."""
    below = [joint]
    for child in range(joint + 1, len(PARENTS)):
        if PARENTS[child] in below:
            below.append(child)
    return below


def limb_direction(joints: np.ndarray, joint: int) -> np.ndarray:
    """Return the direction of what hangs on a joint: towards its children, or on from its parent."""
    children = [child for child, parent in enumerate(PARENTS) if parent == joint]
    start, end = (joint, children) if children else (PARENTS[joint], [joint])
    along = joints[end].mean(axis=0) - joints[start]
    return along / np.linalg.norm(along)


def bends_of(name: str, seed: int) -> Rotation:
    """Draw the bends of a joint."""
    low, high = np.array(BENDS[name.split("_")[-1]], float).T
    vectors = np.random.default_rng(seed).uniform(low, high, size=(POSES, 3))
    return Rotation.from_rotvec(np.radians(vectors))


def ring_centres(points: np.ndarray, faces: np.ndarray, own: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Return the centre of the ring of skin of each moved vertex: (moved, 3)."""
    corners = points[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    weight = own[faces].mean(axis=1)
    area *= weight * (1 - weight)
    shares = area * np.exp(-(((own[moved][:, None] - weight) / ALIKE) ** 2))
    return shares @ corners.mean(axis=1) / shares.sum(axis=1, keepdims=True)


def fit_joint(arms: np.ndarray, own: np.ndarray, along: np.ndarray, bends: Rotation) -> np.ndarray:
    """Return coefficients (v, 27) of vertices with weights `own`, `arms` (v, 3) off their rings' centres."""
    rotations = bends.as_matrix()
    blended = own[:, None, None, None] * rotations + (1 - own)[:, None, None, None] * np.eye(3)
    wanted = np.einsum("vnab,vb->vna", mean_rotations(own, bends) - blended, arms)
    wanted *= GAIN * (1 - insideness(arms, along, bends))[..., None]
    features = (rotations - np.eye(3)).reshape(len(rotations), 9)
    squares = np.einsum("vnab,vnac,nf,ng->vbfcg", blended, blended, features, features, optimize=True)
    products = np.einsum("vnab,vna,nf->vbf", blended, wanted, features, optimize=True)
    system = squares.reshape(-1, 27, 27) / len(rotations) + RIDGE * np.eye(27)
    return np.linalg.solve(system, products.reshape(-1, 27, 1) / len(rotations))[..., 0]


def mean_rotations(own: np.ndarray, bends: Rotation) -> np.ndarray:
    """Return the mean (v, n, 3, 3) of bends, by weight, and of no bend: that of their quaternions."""
    quaternions = own[:, None, None] * bends.as_quat(canonical=True)
    quaternions[..., 3] += 1 - own[:, None]
    return Rotation.from_quat(quaternions.reshape(-1, 4)).as_matrix().reshape(*quaternions.shape[:2], 3, 3)


def insideness(arms: np.ndarray, along: np.ndarray, bends: Rotation) -> np.ndarray:
    """How far each vertex is on the inside of each bend (v, n): 1 where the limb goes, 0 behind its sides."""
    vectors = bends.as_rotvec()
    goes = np.cross(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), along)
    towards = arms / np.linalg.norm(arms, axis=1, keepdims=True) @ goes.T
    ramp = np.clip(towards + 0.2, 0, 1)
    return ramp * ramp * (3 - 2 * ramp)
