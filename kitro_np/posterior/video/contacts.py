"""Contacts: ankles and feet that rest, and the places where they are held.

A joint X_c of a frame is evidence of three rows, its place less X_c, with precision P. It moves by
w_i x (X_c - X_i) with the rotation w_i of each joint i above it, and with the translation. Its depth is badly
known, so the spread along the viewing ray n is larger: P = w ((I - n n^T) / s_across^2 + n n^T / s_along^2).

Contacts are found in smooth motion, once. Places are found from that motion in turn with it, and are not
evidence of their own: the joints' spread does without them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from ...arrays.interchange import as_numpy
from ...arrays.rotations import cross_matrix
from ...body.families import has_body_joints
from ...body.skeleton import Skeleton
from ..projection import Posed

CONTACT_JOINTS = (7, 8, 10, 11)
"""Joints that are held: ankles and feet."""

REST_SPEED, LIFT_SPEED = 0.25, 0.5
"""Speeds in m/s: a contact is slower than the first once, and than the second throughout."""

REST_SECONDS = 0.1
"""Shortest contact, and the longest without a frame."""

REST_ACROSS, REST_ALONG = 0.012, 0.036
"""Spread of a resting joint about its place, across the viewing ray and along it, in metres."""

REST_DOF = 4.0
"""Degrees of freedom of Student's t of that distance."""

MEAN_STEPS = 3
"""Times that places are averaged, each time with weights by the distance from the last."""


class Rests(NamedTuple):
    """Where the joints of frames are held.

    Attributes
    ----------
    place : (T, F, 3) array
        In camera space, in metres; of joints that do not rest, any place in front of the camera.
    weight : (T, F) array
        Factor on the precision; 0 for joints that do not rest.
    """

    place: Any
    weight: Any


def can_rest(skeleton: Skeleton) -> bool:
    """Whether a body has feet."""
    return has_body_joints(skeleton.parents)


def find_contacts(
    points: np.ndarray, frame: np.ndarray, fps: float, extrinsics: np.ndarray | None = None
) -> np.ndarray:
    """Find the contacts of a track; kernels share this, in NumPy arrays of float64.

    Parameters
    ----------
    points : (T, F, 3) array
        Joints in camera space, of smooth motion.
    frame : (T,) array of int
    fps : float
    extrinsics : (T, 3, 4) array, optional
        From world to camera; by default the camera rests.

    Returns
    -------
    (T, F) array of int64
        Number of the contact that each joint is in, -1 for none. Speed along the viewing ray counts less, as
        the spreads do.
    """
    count, number = points.shape[:2]
    if count < 2:
        return np.full((count, number), -1)
    world, ray = _in_world(points, extrinsics)
    before, after = np.maximum(np.arange(count) - 1, 0), np.minimum(np.arange(count) + 1, count - 1)
    apart = np.diff(frame.astype(np.float64)) > max(REST_SECONDS * fps, 1.0)
    before[1:][apart] += 1
    after[:-1][apart] -= 1
    elapsed = (frame[after] - frame[before]) / fps
    velocity = (world[after] - world[before]) / np.where(elapsed > 0, elapsed, 1.0)[:, None, None]
    speed = np.where(elapsed[:, None] > 0, REST_ACROSS * np.sqrt(_squared(velocity, ray)), np.inf)
    slow = (speed < LIFT_SPEED).T
    broken = np.concatenate([[True], apart])
    begins = slow & (~np.roll(slow, 1, axis=1) | broken)
    group = np.where(slow, np.cumsum(begins).reshape(slow.shape) - 1, -1)
    groups = int(begins.sum())
    rests, first, last = np.zeros(groups, bool), np.full(groups, np.inf), np.full(groups, -np.inf)
    at = np.broadcast_to(frame.astype(np.float64), slow.shape)[slow]
    np.logical_or.at(rests, group[slow], (speed.T < REST_SPEED)[slow])
    np.minimum.at(first, group[slow], at)
    np.maximum.at(last, group[slow], at)
    kept = rests & (last - first + 1 >= REST_SECONDS * fps) & (last > first)
    names = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
    return np.ascontiguousarray(names[group].T)


def rest_places(points: np.ndarray, contacts: np.ndarray, extrinsics: np.ndarray | None = None) -> Rests:
    """Average each contact's joints in the world, robustly; kernels share this, in NumPy arrays of float64.

    Parameters
    ----------
    points : (T, F, 3) array
        Joints in camera space.
    contacts : (T, F) array of int
    extrinsics : (T, 3, 4) array, optional
    """
    world, ray = _in_world(points, extrinsics)
    inside = contacts >= 0
    own, groups = contacts[inside], int(contacts.max(initial=-1)) + 1
    weight = inside.astype(np.float64)
    place = np.broadcast_to(np.asarray([0.0, 0.0, 1.0]), points.shape).copy()
    if not groups:
        return Rests(place, weight)
    for _ in range(MEAN_STEPS):
        total = np.bincount(own, weight[inside], groups)
        mean = np.stack(
            [np.bincount(own, weight[inside] * world[inside][:, k], groups) for k in range(3)], axis=-1
        )
        held = (mean / total[:, None])[own]
        squared = _squared(world[inside] - held, ray[inside])
        weight[inside] = (REST_DOF + 3) / (REST_DOF + squared)
    full = np.zeros(points.shape)
    full[inside] = held
    if extrinsics is not None:
        full = np.einsum("tij,tfj->tfi", extrinsics[:, :, :3], full) + extrinsics[:, None, :, 3]
    place[inside] = full[inside]
    return Rests(place, weight)


def rests_of(
    joints: Any, contacts: np.ndarray | None, frame: np.ndarray, fps: float, extrinsics: Any = None
) -> tuple[Rests, np.ndarray]:
    """Return where a track's joints (T, J, 3) are held, and its contacts, found anew if they are None.

    Parameters
    ----------
    joints : (T, J, 3) array
        In camera space.
    contacts : (T, F) array of int, optional
    frame, fps, extrinsics
        As of :func:`find_contacts`.
    """
    xp = array_namespace(joints)
    points = np.asarray(as_numpy(joints), np.float64)[:, list(CONTACT_JOINTS)]
    extrinsics = None if extrinsics is None else np.asarray(as_numpy(extrinsics), np.float64)
    if contacts is None:
        contacts = find_contacts(points, frame, fps, extrinsics)
    found = rest_places(points, contacts, extrinsics)
    like: dict[str, Any] = {"dtype": joints.dtype, "device": device(joints)}
    return Rests(*(xp.asarray(part, **like) for part in found)), contacts


def rest_evidence(skeleton: Skeleton, posed: Posed, rests: Rests, shapes: int) -> tuple[Any, Any]:
    """Precision (T, U, U) and right side (T, U) of a step that brings resting joints to their places."""
    xp = array_namespace(posed.joints)
    like: dict[str, Any] = {"dtype": posed.joints.dtype, "device": device(posed.joints)}
    count, joints = posed.joints.shape[:2]
    eye = xp.eye(3, **like)
    precision = xp.zeros((count, 3 * joints + shapes + 3, 3 * joints + shapes + 3), **like)
    right_side = xp.zeros((count, 3 * joints + shapes + 3), **like)
    for f, c in enumerate(CONTACT_JOINTS):
        own = posed.joints[:, c, :]
        above, i = set(), skeleton.parents[c]
        while i >= 0:
            above.add(i)
            i = skeleton.parents[i]
        columns = [
            cross_matrix(posed.joints[:, i, :] - own) if i in above else xp.zeros((count, 3, 3), **like)
            for i in range(joints)
        ]
        by_transl = xp.broadcast_to(eye, (count, 3, 3))
        jacobian = xp.concat([*columns, xp.zeros((count, 3, shapes), **like), by_transl], axis=-1)
        place = rests.place[:, f, :]
        ray = place / xp.sqrt(xp.sum(place * place, axis=-1, keepdims=True))
        root = eye / REST_ACROSS + (1 / REST_ALONG - 1 / REST_ACROSS) * ray[:, :, None] * ray[:, None, :]
        root = xp.sqrt(rests.weight[:, f])[:, None, None] * root
        rows = xp.matmul(root, jacobian)
        away = xp.matmul(root, (place - own)[..., None])
        precision = precision + xp.matmul(xp.matrix_transpose(rows), rows)
        right_side = right_side + xp.matmul(xp.matrix_transpose(rows), away)[..., 0]
    return precision, right_side


def _in_world(points: np.ndarray, extrinsics: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Points of camera space in the world, and the directions of their viewing rays."""
    ray = points / np.linalg.norm(points, axis=-1, keepdims=True)
    if extrinsics is None:
        return points, ray
    turn = extrinsics[:, :, :3]
    world = np.einsum("tji,tfj->tfi", turn, points - extrinsics[:, None, :, 3])
    return world, np.einsum("tji,tfj->tfi", turn, ray)


def _squared(away: np.ndarray, ray: np.ndarray) -> np.ndarray:
    """Squared length of vectors (..., 3) in units of the spreads across the viewing ray and along it."""
    along = (away * ray).sum(axis=-1)
    across = (away * away).sum(axis=-1) - along * along
    return np.maximum(across, 0.0) / REST_ACROSS**2 + along * along / REST_ALONG**2
