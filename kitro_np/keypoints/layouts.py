"""Keypoint layouts: the points of a detector, their order, and their positions on the body."""

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
    """Positions of a detector's K keypoints on a body, each fixed in the frame of one joint.

    Point k of a posed body is X_k = X_a + G_a (offset_k + by_betas_k betas), where joint a has the position
    X_a and the global rotation G_a. NumPy arrays are read-only; writable ones are copied.

    Parameters
    ----------
    name : str
        Name of the layout.
    names : sequence of K str
        Names of the points, in the detector's order.
    joints : sequence of K int
        Joint that each point is fixed to; -1 for a point that this body lacks, which is ignored.
    offsets : (K, 3) array
        Offset from that joint in the rest pose, in metres.
    by_betas : (K, 3, S) array, optional
        Change of the offset per unit of each beta, in metres; zero by default.
    mirror : sequence of K int, optional
        Index of each point's left-right counterpart; its own index if it has none. By default, names that
        differ only in left and right are counterparts.
    spread : (K,) array, optional
        Standard deviation of each point's definition relative to the others; ones by default.

    Raises
    ------
    InputError
        If an array does not have K entries or is not finite, or `mirror` is no involution.
    """

    name: str
    names: tuple[str, ...]
    joints: tuple[int, ...]
    offsets: np.ndarray
    by_betas: np.ndarray = None  # type: ignore[assignment]
    mirror: tuple[int, ...] = None  # type: ignore[assignment]
    spread: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        names = tuple(self.names) if not isinstance(self.names, str) else ()
        count = len(names)
        if not count or not all(isinstance(name, str) for name in names):
            raise InputError(f"names: expected a sequence of the points' names, got {self.names!r}.")
        by_betas = np.zeros((count, 3, 0)) if self.by_betas is None else self.by_betas
        spread = np.ones(count) if self.spread is None else self.spread
        mirror = _mirror_of(names) if self.mirror is None else self.mirror
        parts: dict[str, Any] = {
            "name": str(self.name),
            "names": names,
            "joints": _integers("joints", self.joints, count),
            "offsets": _floats("offsets", self.offsets, (count, 3)),
            "by_betas": _floats("by_betas", by_betas, (count, 3, None)),
            "mirror": _checked_mirror(_integers("mirror", mirror, count)),
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
        """Return the layout of a subset of these points, in the given order.

        Parameters
        ----------
        points : sequence of int
            Index in this layout of each point of the new one, without duplicates. A point whose counterpart
            is omitted has none.
        name : str, optional
            Name of the new layout; by default that of this one.

        Raises
        ------
        InputError
            If there is no index, a duplicate, or an index out of range.
        """
        indices = [check_integer("points", point, least=0) for point in points]
        if not indices or max(indices) >= self.num_points or len({*indices}) < len(indices):
            raise InputError(f"points: expected distinct indices below {self.num_points}, got {indices}.")
        new_index = {index: k for k, index in enumerate(indices)}
        return KeypointLayout(
            self.name if name is None else name,
            tuple(self.names[index] for index in indices),
            tuple(self.joints[index] for index in indices),
            self.offsets[indices],
            self.by_betas[indices],
            tuple(new_index.get(self.mirror[index], new_index[index]) for index in indices),
            self.spread[indices],
        )


def find_layout(layout: str | KeypointLayout, body: BodyModel | Skeleton) -> KeypointLayout:
    """Return a layout for a body, with as many coefficients for each point as the body has betas.

    Parameters
    ----------
    layout : str or KeypointLayout
        One of :data:`LAYOUTS`, or a custom layout. ``"smpl24"`` denotes all joints of the body, whatever
        their number. ``"h36m17"`` has the right leg first, as the published skeleton: pelvis, right hip,
        knee and ankle, left leg, spine, thorax, neck, head, left shoulder, elbow and wrist, right arm. For
        data with the left leg and the right arm first: ``find_layout("h36m17", body).pick((0, 4, 5, 6, 1, 2,
        3, 7, 8, 9, 10, 14, 15, 16, 11, 12, 13))``.
    body : BodyModel or Skeleton
        All layouts but ``"smpl24"`` need the 22 joints shared by SMPL, SMPL-H and SMPL-X.

    Returns
    -------
    KeypointLayout

    Raises
    ------
    InputError
        If there is no such layout, or the body lacks a joint of it.
    """
    skeleton = body.skeleton if isinstance(body, BodyModel) else body
    if isinstance(layout, KeypointLayout):
        return _with_num_betas(layout, skeleton)
    layout = one_of("keypoint_layout", layout, LAYOUTS)
    if layout == "smpl24":
        return _all_joints(skeleton)
    if not has_body_joints(skeleton.parents):
        raise InputError(
            f"keypoint_layout: expected 'smpl24' for a body without SMPL's joints, got {layout!r}."
        )
    return _of_landmarks(layout, body)


@lru_cache(maxsize=16)
def _of_landmarks(layout: str, body: BodyModel | Skeleton) -> KeypointLayout:
    """Return a detector's layout, from the landmarks on the body."""
    points = POINTS[layout]
    skeleton = body.skeleton if isinstance(body, BodyModel) else body
    placed = place_landmarks(body, {landmark for landmark in points.values() if landmark})
    count = len(points)
    joints, spread = np.full(count, -1), np.ones(count)
    offsets, by_betas = np.zeros((count, 3)), np.zeros((count, 3, skeleton.num_betas))
    for k, landmark in enumerate(points.values()):
        if landmark is not None:
            joints[k], offsets[k], by_betas[k], spread[k] = placed[landmark]
    return KeypointLayout(layout, tuple(points), tuple(joints), offsets, by_betas, spread=spread)


@lru_cache(maxsize=16)
def _all_joints(skeleton: Skeleton) -> KeypointLayout:
    """Return the layout of all joints of a skeleton."""
    count = skeleton.num_joints
    by_betas = np.zeros((count, 3, skeleton.num_betas))
    return KeypointLayout(
        "smpl24", _joint_names(skeleton), tuple(range(count)), np.zeros((count, 3)), by_betas
    )


def _joint_names(skeleton: Skeleton) -> tuple[str, ...]:
    """Name the joints with their sides, for SMPL-H and SMPL-X, too, whose files do not."""
    if not has_body_joints(skeleton.parents):
        return skeleton.joint_names
    for family in (SMPLH, SMPLX):
        if skeleton.num_joints == len(family.joint_names):
            return family.joint_names
    return (*BODY_JOINTS, *skeleton.joint_names[len(BODY_JOINTS) :])


@lru_cache(maxsize=16)
def _with_num_betas(layout: KeypointLayout, skeleton: Skeleton) -> KeypointLayout:
    """Return a custom layout with as many coefficients as the body has betas.

    The result is cached: the kernels' layout is cached for each KeypointLayout object.
    """
    highest = max(layout.joints)
    if highest >= skeleton.num_joints:
        point = layout.names[layout.joints.index(highest)]
        raise InputError(
            f"keypoint_layout: expected joints below {skeleton.num_joints}, as the body has, "
            f"got joint {highest} for {point!r}."
        )
    if layout.num_betas == skeleton.num_betas:
        return layout
    by_betas = np.zeros((layout.num_points, 3, skeleton.num_betas))
    shared = min(layout.num_betas, skeleton.num_betas)
    by_betas[:, :, :shared] = layout.by_betas[:, :, :shared]
    return KeypointLayout(
        layout.name, layout.names, layout.joints, layout.offsets, by_betas, layout.mirror, layout.spread
    )


def _mirror_of(names: tuple[str, ...]) -> tuple[int, ...]:
    """Index of each point's left-right counterpart, by its name; its own index if there is none."""
    indices = {name: k for k, name in enumerate(names)}
    if len(indices) < len(names):
        raise InputError("mirror: expected a sequence, since some points share a name, got None.")
    return tuple(indices.get(mirrored(name), k) for k, name in enumerate(names))


def _integers(name: str, values: Any, count: int) -> tuple[int, ...]:
    try:
        numbers = tuple(values)
    except TypeError:
        raise InputError(f"{name}: expected {count} integers, got {values!r}.") from None
    if len(numbers) != count:
        raise InputError(f"{name}: expected {count} integers, one for each point, got {len(numbers)}.")
    return tuple(check_integer(name, number, least=-1) for number in numbers)


def _checked_mirror(mirror: tuple[int, ...]) -> tuple[int, ...]:
    for point, counterpart in enumerate(mirror):
        if not 0 <= counterpart < len(mirror) or mirror[counterpart] != point:
            raise InputError(
                f"mirror: expected pairs of points that refer to each other, "
                f"got {counterpart} for point {point}."
            )
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
