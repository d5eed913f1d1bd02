"""Keypoint layouts: the points of a detector, their order, and their positions on the body."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from array_api_compat import is_numpy_array

from ..arrays.arguments import check_integer, real_array
from ..arrays.read_only import read_only
from ..body import BodyModel, Skeleton
from ..body.families import BODY_JOINTS, FAMILIES, has_body_joints
from ..errors import InputError, did_you_mean, one_of
from .detectors import FINGER_POINTS, HAND_LAYOUTS, LAYOUTS, POINTS, LayoutName
from .fingers import has_fingers, is_hand, place_fingers
from .landmarks import LANDMARKS, mirrored, place_landmarks

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

    @staticmethod
    def join(*layouts: KeypointLayout, name: str | None = None) -> KeypointLayout:
        """Return one layout of the points of several, in their order: OpenPose's body and hands, for example.

        Points without a counterpart in their own layout get the one in another that their names tell, such as
        those of a left and of a right hand.

        Parameters
        ----------
        *layouts : KeypointLayout
            Of the same body. Their points' names must differ; see :meth:`rename`.
        name : str, optional
            Name of the new layout; by default theirs with a + between them.

        Raises
        ------
        InputError
            If there is no layout, or two points have the same name.

        Examples
        --------
        >>> body = kitro_np.load_body("smplh")
        >>> whole = kitro_np.find_layout("wholebody133", body)
        >>> body25 = kitro_np.find_layout("body25", body)
        >>> hands = whole.pick(range(91, 112)), whole.pick(range(112, 133))
        >>> openpose = kitro_np.KeypointLayout.join(body25, *hands, name="openpose67")
        """
        for layout in layouts:
            if not isinstance(layout, KeypointLayout):
                raise InputError(f"layouts: expected KeypointLayouts, got {type(layout).__name__}.")
        if not layouts:
            raise InputError("layouts: expected at least one, got none.")
        names = tuple(point for layout in layouts for point in layout.names)
        if len({*names}) < len(names):
            twice = next(point for k, point in enumerate(names) if point in names[:k])
            raise InputError(
                f"layouts: expected points with different names, got {twice!r} twice; "
                f'layout.rename({{"{twice}": "..."}}) gives it another.'
            )
        starts = np.cumsum([0, *(layout.num_points for layout in layouts)])
        parts = zip(starts.tolist(), layouts, strict=False)
        mirror = [start + twin for start, layout in parts for twin in layout.mirror]
        by_name = _mirror_of(names)
        for k, twin in enumerate(by_name):
            if mirror[k] == k and mirror[twin] == twin:
                mirror[k], mirror[twin] = twin, k
        betas = max(layout.num_betas for layout in layouts)
        return KeypointLayout(
            "+".join(layout.name for layout in layouts) if name is None else name,
            names,
            tuple(joint for layout in layouts for joint in layout.joints),
            np.concatenate([layout.offsets for layout in layouts]),
            np.concatenate([_padded(layout.by_betas, betas) for layout in layouts]),
            tuple(mirror),
            np.concatenate([layout.spread for layout in layouts]),
        )

    def rename(self, names: Mapping[str, str], name: str | None = None) -> KeypointLayout:
        """Return this layout with other names for some of its points; all else is unchanged.

        Parameters
        ----------
        names : dict of str to str
            New name of each point that gets one, by its old name.
        name : str, optional
            Name of the new layout; by default that of this one.

        Raises
        ------
        InputError
            If there is no point of an old name, or two points would have the same name.
        """
        for old in names:
            if old not in self.names:
                raise InputError(
                    f"names: expected names of points of {self.name!r}, "
                    f"got {old!r}{did_you_mean(str(old), self.names)}."
                )
        renamed = tuple(names.get(point, point) for point in self.names)
        if len({*renamed}) < len({*self.names}):
            twice = next(point for k, point in enumerate(renamed) if point in renamed[:k])
            raise InputError(f"names: expected different names for all points, got {twice!r} twice.")
        return KeypointLayout(
            self.name if name is None else name,
            renamed,
            self.joints,
            self.offsets,
            self.by_betas,
            self.mirror,
            self.spread,
        )


def layouts_of(body: BodyModel | Skeleton) -> tuple[LayoutName, ...]:
    """Names of the layouts that a body takes: those of whole bodies, those of hands, or only its joints."""
    parents = (body.skeleton if isinstance(body, BodyModel) else body).parents
    if has_body_joints(parents):
        return tuple(name for name in LAYOUTS if name not in HAND_LAYOUTS)
    return (LAYOUTS[0], *HAND_LAYOUTS) if is_hand(parents) else LAYOUTS[:1]


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
        All layouts but ``"smpl24"`` need the 22 joints shared by SMPL, SMPL-H and SMPL-X, or for
        ``"hand21"`` (wrist, then each finger from palm to tip, from the thumb on: OpenPose, MediaPipe) and
        ``"hand21_interhand"`` (from tip to palm, the wrist last) a hand with MANO's. On SMPL-H and SMPL-X
        fingers have their joints and tips; on other bodies only knuckles have a place.

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
    _check_takes(skeleton, layout)
    return _of_landmarks(layout, body)


def landmarks_of(layout: str, body: BodyModel | Skeleton) -> dict[str, str | None]:
    """Landmark of each point of a layout on a body, by the point's name; None for those that it lacks."""
    skeleton = body.skeleton if isinstance(body, BodyModel) else body
    if layout == "smpl24":
        return {name: name for name in _joint_names(skeleton)}
    fingers = FINGER_POINTS.get(layout, {}) if has_fingers(skeleton.parents) else {}
    return {**POINTS[layout], **fingers}


def _check_takes(skeleton: Skeleton, layout: str) -> None:
    """Raise InputError for a hand's layout on a body, a body's on a hand, or any on another skeleton."""
    if layout in layouts_of(skeleton):
        return
    if layout in HAND_LAYOUTS and has_body_joints(skeleton.parents):
        expected = "a layout of whole bodies for this body (fingers: 'wholebody133')"
    elif is_hand(skeleton.parents):
        first, *others = layouts_of(skeleton)
        expected = f"{first!r}, {', '.join(map(repr, others[:-1]))} or {others[-1]!r} for a hand"
    elif layout in HAND_LAYOUTS:
        expected = "'smpl24' for a skeleton that is no hand with MANO's joints"
    else:
        expected = "'smpl24' for a body without SMPL's joints"
    raise InputError(f"keypoint_layout: expected {expected}, got {layout!r}.")


@lru_cache(maxsize=16)
def _of_landmarks(layout: str, body: BodyModel | Skeleton) -> KeypointLayout:
    """Return a detector's layout, from the landmarks on the body."""
    points = landmarks_of(layout, body)
    skeleton = body.skeleton if isinstance(body, BodyModel) else body
    fingers = place_fingers(body)
    others = {landmark for landmark in points.values() if landmark in LANDMARKS and landmark not in fingers}
    placed = {**fingers, **(place_landmarks(body, others) if others else {})}
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
    by_betas = _padded(layout.by_betas[:, :, : skeleton.num_betas], skeleton.num_betas)
    return KeypointLayout(
        layout.name, layout.names, layout.joints, layout.offsets, by_betas, layout.mirror, layout.spread
    )


def _padded(by_betas: np.ndarray, betas: int) -> np.ndarray:
    """Change per beta for more betas, which do not move the points."""
    return np.pad(by_betas, ((0, 0), (0, 0), (0, betas - by_betas.shape[2])))


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
                f"mirror: expected pairs that refer to each other, got {counterpart} for point {point}."
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
