"""Bodies to write: people and frames of a result, of estimates or of arrays, checked once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays.arguments import check_number, real_array
from ..arrays.interchange import as_numpy
from ..arrays.poses import as_matrices
from ..arrays.rotations import nearest_rotation, quaternion_from_matrix
from ..body.kinematics import PosedSkeleton, forward_kinematics
from ..body.load import load_body
from ..body.model import BodyModel
from ..body.names import embedded_body
from ..body.skeleton import Skeleton
from ..errors import InputError, one_of
from ..formats.people import PeopleEstimates
from ..matching.known_body import known_body
from ..matching.refine import RefinedPeople
from ..result import RefineResult, frames_of_video
from .axes import AXES, turn

__all__ = ["BLOCK", "Bodies", "Person", "Tell", "read_bodies"]

Tell = Callable[[str], object]
"""Takes a sentence on what a file cannot hold, or what was assumed."""

BLOCK = 64
"""Bodies whose vertices are computed at a time: some 10 MB in float64."""

FPS = 30.0
"""Frames per second where nothing says how many."""

MOST_FRAMES = 1_000_000
"""Of a person, those between others included: nine hours of video."""

SAME_BETAS = 1e-6
"""Largest difference of betas that are the same: of float32 numbers that were averaged."""

KEYS = ("pose", "betas", "transl", "frame", "person", "intrinsics", "image_size", "image_name", "fps")
"""What a mapping of arrays may have; the first is required."""


@dataclass(frozen=True, eq=False)
class Person:
    """One person's bodies, T frames in ascending order.

    Attributes
    ----------
    number : int
        Identity.
    frame : (T,) array of int64
    pose : (T, J, 3, 3) array of float64
    betas : (T, S) array of float64
        As many as the body's.
    transl : (T, 3) array of float64
    body : BodyModel or Skeleton
    """

    number: int
    frame: np.ndarray
    pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray
    body: BodyModel | Skeleton

    @property
    def name(self) -> str:
        """Name of this person in files."""
        return f"person_{self.number}"

    @cached_property
    def skeleton(self) -> Skeleton:
        """Skeleton in float64."""
        return skeleton_of(self.body).like(np.zeros(0))

    @cached_property
    def mean_betas(self) -> np.ndarray:
        """Mean of the betas, (S,)."""
        return self.betas[0] if self.one_shape else self.betas.mean(axis=0)

    @cached_property
    def one_shape(self) -> bool:
        """Whether all frames have the same betas."""
        return bool(np.all(np.abs(self.betas - self.betas[0]) <= SAME_BETAS))

    @cached_property
    def rest_joints(self) -> np.ndarray:
        """Rest joints of the mean betas, (J, 3)."""
        rest: np.ndarray = self.skeleton.rest_joints(self.mean_betas[None])[0]
        return rest

    @cached_property
    def root(self) -> np.ndarray:
        """Position of the root joint, (T, 3), in camera space."""
        return np.asarray(self.skeleton.rest_joints(self.betas)[:, 0] + self.transl)

    def take(self, rows: np.ndarray) -> Person:
        """Return some frames of this person."""
        return Person(
            self.number, self.frame[rows], self.pose[rows], self.betas[rows], self.transl[rows], self.body
        )

    def posed(self, rows: Any = slice(None)) -> PosedSkeleton:
        """Joints in camera space and global rotations of some frames."""
        posed = forward_kinematics(self.skeleton, self.pose[rows], self.betas[rows])
        return PosedSkeleton(posed.joints + self.transl[rows][:, None], posed.global_rotations)

    def of_one_shape(self) -> Person:
        """Return this person with the mean of the betas in every frame; the root joint stays where it is."""
        betas = np.broadcast_to(self.mean_betas, self.betas.shape)
        transl = self.root - self.rest_joints[0]
        return Person(self.number, self.frame, self.pose, betas, transl, self.body)

    @cached_property
    def error_of_one_shape(self) -> float:
        """Largest distance between a joint of the mean betas and of the body, in metres."""
        difference = self.of_one_shape().posed().joints - self.posed().joints
        return float(np.linalg.norm(difference, axis=-1).max())

    def turned(self, up: str) -> Person:
        """Return this person in axes of :data:`AXES`."""
        rest = self.skeleton.rest_joints(self.betas)[:, 0]
        pose, transl = turn(self.pose, self.transl, rest, AXES[one_of("up", up, AXES)])
        return Person(self.number, self.frame, pose, self.betas, transl, self.body)

    def without_gaps(self) -> Person:
        """Return this person with a body in every frame from the first to the last.

        Rotations between two frames are turned evenly from one to the other, the rest is linear.
        """
        start, last = int(self.frame[0]), int(self.frame[-1])
        if last - start + 1 == len(self.frame):
            return self
        if last - start + 1 > MOST_FRAMES:
            raise InputError(
                f"frame: expected at most {MOST_FRAMES:,} frames from a person's first to the last, "
                f"got {last - start + 1:,}."
            )
        frame = np.arange(start, last + 1)
        after = np.clip(np.searchsorted(self.frame, frame), 1, len(self.frame) - 1)
        before = after - 1
        share = (frame - self.frame[before]) / (self.frame[after] - self.frame[before])
        part = share[:, None]
        pose = np.empty((len(frame), *self.pose.shape[1:]))
        known = np.isin(frame, self.frame)
        pose[known] = self.pose
        a, b = self.pose[before[~known]], self.pose[after[~known]]
        pose[~known] = a @ _fraction(np.swapaxes(a, -1, -2) @ b, share[~known][:, None])
        betas = (1 - part) * self.betas[before] + part * self.betas[after]
        root = (1 - part) * self.root[before] + part * self.root[after]
        transl = root - self.skeleton.rest_joints(betas)[:, 0]
        return Person(self.number, frame, pose, betas, transl, self.body)


@dataclass(frozen=True, eq=False)
class Bodies:
    """Bodies of people in the camera's frame, N rows: x to the right, y down, z forwards, in metres.

    Attributes
    ----------
    pose, betas, transl, frame, person, intrinsics, image_size, image_name
        As of :class:`kitro_np.formats.people.PeopleEstimates`.
    body : BodyModel or Skeleton
    fps : float
    tell : callable
        Takes what a file cannot hold.
    options : mapping
        Of the format.
    given : object
        What :func:`kitro_np.write` was given.
    """

    pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray
    frame: np.ndarray
    person: np.ndarray
    body: BodyModel | Skeleton
    fps: float
    tell: Tell
    intrinsics: np.ndarray | None = None
    image_size: tuple[float, float] | None = None
    image_name: np.ndarray | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    given: Any = None

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def first_frame(self) -> int:
        """First frame of all people, which is at time 0."""
        return int(self.frame.min())

    @property
    def last_frame(self) -> int:
        """Last frame of all people."""
        return int(self.frame.max())

    @property
    def mesh_body(self) -> BodyModel:
        """The body, which must have a mesh."""
        if not isinstance(self.body, BodyModel):
            raise InputError("body: expected a BodyModel, which has a mesh, got a Skeleton.")
        return self.body

    def people(self) -> Iterator[Person]:
        """Yield each person, in ascending order of identity."""
        for number in np.unique(self.person):
            yield self.of_person(np.flatnonzero(self.person == number))

    def in_order(self) -> Person:
        """All rows as they are, of whichever person: for files that keep no motion."""
        return Person(0, self.frame, self.pose, self.betas, self.transl, self.body)

    def of_person(self, rows: np.ndarray) -> Person:
        """Return the rows of one person in the order of their frames."""
        rows = rows[np.argsort(self.frame[rows], kind="stable")]
        frame, number = self.frame[rows], int(self.person[rows[0]])
        twice = frame[1:][np.diff(frame) == 0]
        if twice.size:
            raise InputError(f"frame: expected each frame once for person {number}, got {twice[0]} twice.")
        return Person(number, frame, self.pose[rows], self.betas[rows], self.transl[rows], self.body)

    def tracks(self) -> Iterator[Person]:
        """Yield each person in one shape, with a body in every frame; told what that changes."""
        shapes: list[tuple[float, str]] = []
        late: list[tuple[float, str]] = []
        for person in self.every_frame():
            if not person.one_shape:
                shapes.append((1000 * person.error_of_one_shape, person.name))
            if person.frame[0] != self.first_frame:
                late.append((float(person.frame[0]) - self.first_frame, person.name))
            yield person.of_one_shape()
        if shapes:
            error, who = most_of(shapes)
            self.tell(
                f"{who}: one shape for all frames, the mean of the betas: "
                f"joints are off by up to {error:.1f} mm."
            )
        if late:
            frames, who = most_of(late)
            self.tell(f"{who}: the file begins {_frames(int(frames))} after that of the first to be seen.")

    def every_frame(self) -> Iterator[Person]:
        """Yield each person with a body in every frame; told where gaps were filled."""
        gaps: list[tuple[float, str]] = []
        for person in self.people():
            full = person.without_gaps()
            missing = len(full.frame) - len(person.frame)
            if missing:
                gaps.append((missing, person.name))
            yield full
        if gaps:
            total = int(sum(missing for missing, _ in gaps))
            self.tell(f"{most_of(gaps)[1]}: {_frames(total)} without an estimate were interpolated.")


def read_bodies(
    bodies: Any,
    body: Any,
    fps: float | None,
    tell: Tell,
    *,
    timed: bool = True,
    **given: Any,
) -> Bodies:
    """Check what is to be written; parameters as of :func:`kitro_np.write`, `timed` as of :class:`Export`.

    Raises
    ------
    InputError
        If it is of another type, an array has the wrong shape, or no body can be posed.
    """
    parts = _parts(bodies, known=body is not None or given.get("body") is not None, tell=tell)
    given = {name: value for name, value in given.items() if value is not None}
    if isinstance(bodies, RefineResult) and not {"person", "frame"} & given.keys():
        parts |= dict(zip(("frame", "person"), frames_of_video(bodies), strict=True))
        if bodies.track is not None and parts["person"] is None:
            tell("Frames of a track come more than once: people and frames are those of the leading axes.")
    parts |= given
    model = _body(body, parts.pop("body", None))
    skeleton = skeleton_of(model)
    matrices, lead = as_matrices(_floats("pose", parts["pose"]), skeleton.num_joints)
    count = len(matrices)
    rows: dict[str, Any] = {
        "betas": _betas(parts.get("betas"), lead, count, skeleton.num_betas),
        "transl": _rows("transl", parts.get("transl", np.zeros((*lead, 3))), lead, (3,)),
        "frame": _integers("frame", parts.get("frame"), lead, 0),
        "person": _integers("person", parts.get("person"), lead, 1),
    }
    if parts.get("intrinsics") is not None:
        rows["intrinsics"] = _rows("intrinsics", parts["intrinsics"], lead, (3, 3))
    names = parts.get("image_name")
    rows["image_name"] = None if names is None else np.asarray(names).reshape(count)
    finite = np.isfinite(matrices).all(axis=(1, 2, 3))
    for name in ("betas", "transl"):
        finite &= np.isfinite(rows[name]).all(axis=1)
    if not finite.any():
        raise InputError(f"bodies: expected at least one body of finite numbers, got none of {count}.")
    if not finite.all():
        lost = count - int(finite.sum())
        tell(f"{lost} of {count} bodies are left out: their pose, betas or transl is NaN or infinite.")
    up = one_of("up", parts.get("up", "camera"), AXES)
    if up != "camera":
        rest = skeleton.like(np.zeros(0)).rest_joints(rows["betas"])[:, 0]
        matrices, rows["transl"] = turn(matrices, rows["transl"], rest, AXES[up].T)
    size = parts.get("image_size")
    kept: dict[str, Any] = {name: None if row is None else row[finite] for name, row in rows.items()}
    return Bodies(
        pose=nearest_rotation(matrices[finite]),
        body=model,
        fps=_fps(fps, parts.get("fps"), tell, still=not timed or len(np.unique(rows["frame"])) == 1),
        tell=tell,
        given=bodies,
        image_size=None if size is None else (float(size[0]), float(size[1])),
        **kept,
    )


def skeleton_of(body: BodyModel | Skeleton) -> Skeleton:
    """Return the skeleton of a body."""
    return body.skeleton if isinstance(body, BodyModel) else body


def _parts(bodies: Any, *, known: bool, tell: Tell) -> dict[str, Any]:
    """Return arrays, and the body or its name, by name; `known` says that the caller names the body."""
    if isinstance(bodies, RefineResult):
        result = bodies.numpy()
        parts: dict[str, Any] = {name: getattr(result, name) for name in ("pose", "betas", "transl")}
        parts |= {"frame": result.frame, "person": result.track, "fps": result.fps}
        return {**parts, "body": result.body if result.body is not None else result.body_name or None}
    if isinstance(bodies, RefinedPeople):
        return {**_parts(bodies.refined, known=True, tell=tell), "body": bodies.result.body}
    if isinstance(bodies, PeopleEstimates):
        names = (*KEYS, "body", "up")
        parts = {name: getattr(bodies, name) for name in names}
        if not known and bodies.body:
            own = known_body(bodies)
            if own.note:
                tell(own.note)
            parts |= {**own.place(bodies)._asdict(), "body": own.model}
        return {name: value for name, value in parts.items() if value is not None}
    if isinstance(bodies, Mapping):
        unknown = [str(name) for name in bodies if name not in (*KEYS, "body", "up")]
        if unknown or bodies.get("pose") is None:
            got = ", ".join(map(str, bodies)) or "nothing"
            raise InputError(f"bodies: expected pose and any of {', '.join(KEYS[1:])}, got {got}.")
        return {str(name): value for name, value in bodies.items() if value is not None}
    raise InputError(
        "bodies: expected a RefineResult, RefinedPeople, PeopleEstimates or a mapping with pose, betas and "
        f"transl, got {type(bodies).__name__}."
    )


def _body(given: Any, own: Any) -> BodyModel | Skeleton:
    body = given if given is not None else own
    if isinstance(body, BodyModel | Skeleton):
        return body
    if body is None:
        raise InputError('body: expected the body of the betas, such as "smpl", got none.')
    embedded = embedded_body(body) if isinstance(body, str) else None
    return embedded if embedded is not None else load_body(body)


def _floats(name: str, value: Any) -> np.ndarray:
    return np.asarray(as_numpy(real_array(name, value)), dtype=np.float64)


def _rows(name: str, value: Any, lead: tuple[int, ...], tail: tuple[int, ...]) -> np.ndarray:
    """Return an argument as (N, *tail); one without leading axes holds for all bodies."""
    array = _floats(name, value)
    if array.shape not in ((*lead, *tail), tail):
        raise InputError(f"{name}: expected shape {(*lead, *tail)}, got {array.shape}.")
    return np.broadcast_to(array, (*lead, *tail)).reshape(-1, *tail)


def _betas(value: Any, lead: tuple[int, ...], count: int, num_betas: int) -> np.ndarray:
    """Return betas (N, S), padded with zeros."""
    if value is None:
        return np.zeros((count, num_betas))
    array = _floats("betas", value)
    if array.ndim and not array[..., num_betas:].any():  # as AMASS has more than a body
        array = array[..., :num_betas]
    width = array.shape[-1] if array.ndim else num_betas + 1
    if width > num_betas:
        raise InputError(f"betas: expected at most {num_betas}, those of the body, got shape {array.shape}.")
    rows = _rows("betas", array, lead, (width,))
    return np.concatenate([rows, np.zeros((count, num_betas - width))], axis=1)


def _integers(name: str, value: Any, lead: tuple[int, ...], axis: int) -> np.ndarray:
    """Return an identity or a frame of each body, (N,); by default its index along a leading axis."""
    if value is None:
        if len(lead) > 2:
            raise InputError(f"{name}: expected frames and people as leading axes, got shape {lead}.")
        if axis >= len(lead):
            return np.zeros(int(np.prod(lead)), np.int64)
        return np.indices(lead)[axis].ravel().astype(np.int64)
    array = np.asarray(as_numpy(real_array(name, value)))
    if array.shape not in (lead, ()) or np.any(array != np.floor(array)):
        raise InputError(f"{name}: expected whole numbers of shape {lead}, got {array.dtype} {array.shape}.")
    if array.dtype.kind == "u" and array.max(initial=0) > np.iinfo(np.int64).max:
        raise InputError(f"{name}: expected numbers below 2**63, got {array.max()}.")
    return np.broadcast_to(array, lead).ravel().astype(np.int64)


def _fps(given: Any, own: Any, tell: Tell, *, still: bool) -> float:
    fps = given if given is not None else own
    if fps is not None:
        number = check_number("fps", fps, least=0)
        if number > 0:
            return number
        raise InputError(f"fps: expected a positive number, got {fps}.")
    if not still:
        tell(f"Nothing says how many frames a second there are: {FPS:g} is assumed.")
    return FPS


def _fraction(rotation: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Turn by a share of the angle of each rotation."""
    quaternion = quaternion_from_matrix(rotation)
    sine = np.linalg.norm(quaternion[..., 1:], axis=-1)
    angle = 2 * np.arctan2(sine, quaternion[..., 0])
    axis = quaternion[..., 1:] / np.maximum(sine, np.finfo(float).tiny)[..., None]
    half = share * angle / 2
    w, (x, y, z) = np.cos(half), np.moveaxis(np.sin(half)[..., None] * axis, -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def most_of(found: list[tuple[float, str]]) -> tuple[float, str]:
    """Return the largest number, and whose they are: a name, or how many people and the largest one's."""
    number, name = max(found)
    return number, name if len(found) == 1 else f"{len(found)} people, most {name}"


def _frames(number: int) -> str:
    return f"{number} frame" if number == 1 else f"{number} frames"
