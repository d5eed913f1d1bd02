"""Keypoint layouts: which points a detector gives, in which order, and where on the body they sit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from array_api_compat import is_numpy_array

from ..arrays.arguments import check_integer, real_array
from ..arrays.read_only import read_only
from ..body import BodyModel, Skeleton
from ..body.families import BODY_JOINTS, FAMILIES, has_body_joints
from ..errors import InputError, one_of
from .detectors import LAYOUTS, POINTS
from .landmarks import mirrored, place_landmarks

SMPLH, SMPLX = FAMILIES["smplh"], FAMILIES["smplx"]


@dataclass(frozen=True, eq=False)
class KeypointLayout:
    """Where a detector's K keypoints sit on a body: each is a point fixed in the frame of one joint.

    Point k of a posed body is X_k = X_a + G_a (offset_k + by_betas_k betas), with its joint a at X_a, turned
    by G_a. NumPy arrays are read-only, copies where the given ones are not.

    Parameters
    ----------
    name : str
    names : sequence of K str
        The points, in the detector's order.
    joints : sequence of K int
        Joint of the body that each point is fixed to; -1 for a point that is nowhere on this body and never
        used.
    offsets : (K, 3) array
        Metres from that joint, in the rest pose.
    by_betas : (K, 3, S) array, optional
        Change of the offset per unit of each beta; none by default.
    mirror : sequence of K int, optional
        Number of each point's left-right twin, its own if it has none. By default, names that differ in left
        and right only are twins.
    spread : (K,) array, optional
        How loosely each point is defined, relative to the others; ones by default.

    Raises
    ------
    InputError
        If a part has no K entries, is not finite, or `mirror` does not come back to where it began.
    """

    name: str
    names: tuple[str, ...]
    joints: tuple[int, ...]
    offsets: Any
    by_betas: Any = None
    mirror: tuple[int, ...] = None  # type: ignore[assignment]
    spread: Any = None

    def __post_init__(self) -> None:
        names = tuple(self.names) if not isinstance(self.names, str) else ()
        count = len(names)
        if not count or not all(isinstance(name, str) for name in names):
            raise InputError(f"names: expected the names of the points, got {self.names!r}.")
        by_betas = np.zeros((count, 3, 0)) if self.by_betas is None else self.by_betas
        spread = np.ones(count) if self.spread is None else self.spread
        mirror = _twins(names) if self.mirror is None else self.mirror
        parts: dict[str, Any] = {
            "name": str(self.name),
            "names": names,
            "joints": _whole_numbers("joints", self.joints, count),
            "offsets": _floats("offsets", self.offsets, (count, 3)),
            "by_betas": _floats("by_betas", by_betas, (count, 3, None)),
            "mirror": _checked_mirror(_whole_numbers("mirror", mirror, count)),
            "spread": _floats("spread", spread, (count,)),
        }
        if not np.all(parts["spread"] > 0):
            raise InputError(f"spread: expected positive numbers, got {parts['spread'].min():g}.")
        for name, value in parts.items():
            object.__setattr__(self, name, value)

    @property
    def num_points(self) -> int:
        """Number of points K."""
        return len(self.names)

    @property
    def num_betas(self) -> int:
        """Number of shape coefficients S that move the points."""
        return int(self.by_betas.shape[2])

    def pick(self, points: Sequence[int], name: str | None = None) -> KeypointLayout:
        """Return the layout of some of these points, in another order.

        Parameters
        ----------
        points : sequence of int
            Number, in this layout, of each point of the new one; none twice. A point whose twin is left out
            has none.
        name : str, optional

        Raises
        ------
        InputError
            If a number is none of a point, or is there twice.
        """
        chosen = [check_integer("points", point, least=0) for point in points]
        if not chosen or max(chosen) >= self.num_points or len({*chosen}) < len(chosen):
            raise InputError(f"points: expected different numbers below {self.num_points}, got {chosen}.")
        place = {point: k for k, point in enumerate(chosen)}
        return KeypointLayout(
            self.name if name is None else name,
            tuple(self.names[point] for point in chosen),
            tuple(self.joints[point] for point in chosen),
            self.offsets[chosen],
            self.by_betas[chosen],
            tuple(place.get(self.mirror[point], place[point]) for point in chosen),
            self.spread[chosen],
        )


def find_layout(layout: str | KeypointLayout, body: BodyModel | Skeleton) -> KeypointLayout:
    """Return a layout for a body, with as many coefficients a point as the body has betas.

    Parameters
    ----------
    layout : str or KeypointLayout
        One of :data:`LAYOUTS`, or a layout of the caller's. ``"smpl24"`` are the body's own joints, however
        many. ``"h36m17"`` has the right leg first, as the published skeleton: pelvis, right hip, knee and
        ankle, left leg, spine, thorax, neck, head, left shoulder, elbow and wrist, right arm. For data with
        the left leg and the right arm first: ``find_layout("h36m17", body).pick((0, 4, 5, 6, 1, 2, 3, 7, 8,
        9, 10, 14, 15, 16, 11, 12, 13))``.
    body : BodyModel or Skeleton
        All layouts but ``"smpl24"`` need the 22 joints that SMPL, SMPL-H and SMPL-X have in common.

    Raises
    ------
    InputError
        If there is no such layout, or the body lacks joints of it.
    """
    skeleton = body.skeleton if isinstance(body, BodyModel) else body
    if isinstance(layout, KeypointLayout):
        return _fitted(layout, skeleton)
    layout = one_of("keypoint_layout", layout, LAYOUTS)
    if layout == "smpl24":
        return _own_joints(skeleton)
    if not has_body_joints(skeleton.parents):
        raise InputError(
            f"keypoint_layout: expected 'smpl24' for a body without SMPL's joints, got {layout!r}."
        )
    return _of_landmarks(layout, body)


@lru_cache(maxsize=16)
def _of_landmarks(layout: str, body: BodyModel | Skeleton) -> KeypointLayout:
    given = POINTS[layout]
    skeleton = body.skeleton if isinstance(body, BodyModel) else body
    placed = place_landmarks(body, {landmark for landmark in given.values() if landmark})
    count = len(given)
    joints, spread = np.full(count, -1), np.ones(count)
    offsets, by_betas = np.zeros((count, 3)), np.zeros((count, 3, skeleton.num_betas))
    for k, landmark in enumerate(given.values()):
        if landmark is not None:
            joints[k], offsets[k], by_betas[k], spread[k] = placed[landmark]
    return KeypointLayout(layout, tuple(given), tuple(joints), offsets, by_betas, spread=spread)


@lru_cache(maxsize=16)
def _own_joints(skeleton: Skeleton) -> KeypointLayout:
    """Take all joints of a skeleton as they are."""
    count = skeleton.num_joints
    by_betas = np.zeros((count, 3, skeleton.num_betas))
    return KeypointLayout(
        "smpl24", _joint_names(skeleton), tuple(range(count)), np.zeros((count, 3)), by_betas
    )


def _joint_names(skeleton: Skeleton) -> tuple[str, ...]:
    """Name the joints so that left can be told from right, in SMPL-H and SMPL-X too, whose files do not."""
    if not has_body_joints(skeleton.parents):
        return skeleton.joint_names
    for family in (SMPLH, SMPLX):
        if skeleton.num_joints == len(family.joint_names):
            return family.joint_names
    return (*BODY_JOINTS, *skeleton.joint_names[len(BODY_JOINTS) :])


@lru_cache(maxsize=16)
def _fitted(layout: KeypointLayout, skeleton: Skeleton) -> KeypointLayout:
    """Return a caller's layout with as many coefficients as the body has betas.

    The same one every time: what kernels work on is kept for each layout.
    """
    highest = max(layout.joints)
    if highest >= skeleton.num_joints:
        point = layout.names[layout.joints.index(highest)]
        raise InputError(
            f"keypoint_layout: expected joints below {skeleton.num_joints}, the body's, got joint {highest} "
            f"for {point!r}."
        )
    if layout.num_betas == skeleton.num_betas:
        return layout
    by_betas = np.zeros((layout.num_points, 3, skeleton.num_betas))
    shared = min(layout.num_betas, skeleton.num_betas)
    by_betas[:, :, :shared] = layout.by_betas[:, :, :shared]
    own = (layout.name, layout.names, layout.joints, layout.offsets)
    return KeypointLayout(*own, by_betas, layout.mirror, layout.spread)


def _twins(names: tuple[str, ...]) -> tuple[int, ...]:
    """Find for each point the one whose name has left for right, or right for left."""
    numbers = {name: k for k, name in enumerate(names)}
    if len(numbers) < len(names):
        raise InputError("mirror: expected it to be given, since names of points are there twice.")
    return tuple(numbers.get(mirrored(name), k) for k, name in enumerate(names))


def _whole_numbers(name: str, values: Any, count: int) -> tuple[int, ...]:
    try:
        numbers = tuple(values)
    except TypeError:
        raise InputError(f"{name}: expected {count} whole numbers, got {values!r}.") from None
    if len(numbers) != count:
        raise InputError(f"{name}: expected {count} numbers, one a point, got {len(numbers)}.")
    return tuple(check_integer(name, number, least=-1) for number in numbers)


def _checked_mirror(mirror: tuple[int, ...]) -> tuple[int, ...]:
    for point, twin in enumerate(mirror):
        if not 0 <= twin < len(mirror) or mirror[twin] != point:
            raise InputError(f"mirror: expected twins that name each other, got {twin} for point {point}.")
    return mirror


def _floats(name: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    array = real_array(name, value)
    if not is_numpy_array(array):
        raise InputError(f"{name}: expected a NumPy array or a sequence, got {type(array).__name__}.")
    array = array.astype(np.float64)
    fits = array.ndim == len(shape) and all(
        expected in (None, size) for expected, size in zip(shape, array.shape, strict=True)
    )
    if not fits:
        expected = ", ".join("S" if size is None else str(size) for size in shape)
        comma = "," if len(shape) == 1 else ""
        raise InputError(f"{name}: expected shape ({expected}{comma}), got {array.shape}.")
    if not np.all(np.isfinite(array)):
        raise InputError(f"{name}: expected finite numbers, got NaN or infinity.")
    return read_only(array)
