"""Shown: refined people with all that a picture or page shows of them, checked once."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arrays.arguments import real_array
from ..arrays.interchange import as_numpy
from ..arrays.poses import as_matrices
from ..body.kinematics import forward_kinematics
from ..body.load import default_body
from ..body.model import BodyModel
from ..camera import project
from ..errors import InputError
from ..formats.estimates import EstimateFile
from ..formats.refined import ESTIMATE
from ..keypoints.layouts import KeypointLayout, find_layout
from ..keypoints.placing import place_points
from ..matching.refine import RefinedPeople
from ..result import RefineResult, frames_of_video

__all__ = ["PosedBodies", "Shown", "shown_of", "shown_of_file"]

STAGES = ("before", "after", "truth")
"""Bodies that can be shown: the estimate, the refined one, the ground truth."""


MARGIN = 0.11
"""Around the joints of people, over the larger side of their box: heads, hands and feet reach beyond them."""

Box = tuple[int, int, int, int]
"""Left, top, right and bottom of a part of an image, in pixels; the last two are one behind."""


class PosedBodies(NamedTuple):
    """Bodies in the camera's frame, N rows of float64."""

    pose: np.ndarray  # (N, J, 3, 3)
    betas: np.ndarray  # (N, S)
    transl: np.ndarray  # (N, 3)

    def take(self, rows: Any) -> PosedBodies:
        """Return some of the bodies."""
        return PosedBodies(*(part[rows] for part in self))


@dataclass(frozen=True, eq=False)
class Shown:
    """Refined people with what they came from, N rows; None where it is not known.

    Attributes
    ----------
    body : BodyModel
    after : PosedBodies
        Refined; of refused bodies the estimate.
    before, truth : PosedBodies or None
        The estimates, and the ground truth.
    intrinsics : (N, 3, 3) array
    keypoints_2d : (N, K, 2) array or None
        In pixels; NaN where they are not visible.
    confidence : (N, K) array or None
        0 where a keypoint is not visible.
    layout : KeypointLayout or None
        Of the keypoints.
    frame, person : (N,) array of int64
    image_size : (2,) array or None
        Width and height in pixels.
    image_name : (N,) array of str or None
    fps : float or None
    result : RefineResult
        With one leading axis and NumPy arrays.
    """

    body: BodyModel
    after: PosedBodies
    before: PosedBodies | None
    truth: PosedBodies | None
    intrinsics: np.ndarray
    keypoints_2d: np.ndarray | None
    confidence: np.ndarray | None
    layout: KeypointLayout | None
    frame: np.ndarray
    person: np.ndarray
    image_size: np.ndarray | None
    image_name: np.ndarray | None
    fps: float | None
    result: RefineResult[np.ndarray]

    def __len__(self) -> int:
        return len(self.frame)

    def stage(self, name: str) -> PosedBodies | None:
        """Return the bodies of one of STAGES."""
        bodies: PosedBodies | None = getattr(self, name)
        return bodies

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of the image in pixels; where it is not known, twice the principal point."""
        if self.image_size is not None:
            width, height = self.image_size
        else:
            width, height = 2 * np.median(self.intrinsics[:, :2, 2], axis=0)
        return max(1, round(float(width))), max(1, round(float(height)))

    def joints(self, bodies: PosedBodies) -> np.ndarray:
        """Joints of bodies in the camera's frame, (N, J, 3), in metres."""
        skeleton = self.body.skeleton.like(bodies.pose)
        return np.asarray(
            forward_kinematics(skeleton, bodies.pose, bodies.betas).joints + bodies.transl[:, None]
        )

    def in_image(self, points: np.ndarray) -> np.ndarray:
        """Return where each row's camera sees points (N, P, 3), in pixels: (N, P, 2), NaN behind it."""
        front = np.where(points[..., 2:] > 0, points, np.nan)
        return np.asarray(project(front, self.intrinsics))

    def keypoints_of(self, bodies: PosedBodies) -> np.ndarray:
        """Return where the keypoints of bodies are expected, (N, K, 2); NaN where a body has none."""
        assert self.layout is not None
        skeleton = self.body.skeleton.like(bodies.pose)
        placed = place_points(skeleton, self.layout, bodies.pose, bodies.betas) + bodies.transl[:, None]
        placed[:, np.asarray(self.layout.joints) < 0] = np.nan
        return self.in_image(placed)

    def cut(self, box: Box) -> Shown:
        """Return the same people in a part of the image."""
        left, top, right, bottom = box
        intrinsics = self.intrinsics.copy()
        intrinsics[:, :2, 2] -= (left, top)
        points = None if self.keypoints_2d is None else self.keypoints_2d - (left, top)
        size = np.array([right - left, bottom - top], np.float64)
        return replace(self, intrinsics=intrinsics, keypoints_2d=points, image_size=size)

    def scaled(self, size: tuple[int, int]) -> Shown:
        """Return the same people in an image that was resized."""
        factor = np.array(size, np.float64) / self.size
        intrinsics = self.intrinsics.copy()
        intrinsics[:, :2] *= factor[:, None]
        points = None if self.keypoints_2d is None else self.keypoints_2d * factor
        return replace(
            self, intrinsics=intrinsics, keypoints_2d=points, image_size=np.array(size, np.float64)
        )

    def people_box(self, margin: float = MARGIN) -> Box:
        """Return the part of the image that shows all people of all frames, before and after."""
        parts = [] if self.keypoints_2d is None else [self.keypoints_2d]
        for name in ("before", "after"):
            if (bodies := self.stage(name)) is not None:
                parts.append(self.in_image(self.joints(bodies)))
        points = np.concatenate([part.reshape(-1, 2) for part in parts])
        inside = np.all(np.isfinite(points), axis=1) & np.all((points >= 0) & (points <= self.size), axis=1)
        if not inside.any():
            return (0, 0, *self.size)
        lowest, highest = points[inside].min(axis=0), points[inside].max(axis=0)
        room = margin * (highest - lowest).max()
        left, top = np.floor(np.maximum(lowest - room, 0)).astype(int)
        right, bottom = np.ceil(np.minimum(highest + room, self.size)).astype(int)
        return int(left), int(top), int(right), int(bottom)

    def take(self, rows: np.ndarray) -> Shown:
        """Return some of the rows."""

        def of(part: Any) -> Any:
            return None if part is None else part[rows]

        return Shown(
            self.body, self.after.take(rows),
            None if self.before is None else self.before.take(rows),
            None if self.truth is None else self.truth.take(rows),
            self.intrinsics[rows], of(self.keypoints_2d), of(self.confidence), self.layout,
            self.frame[rows], self.person[rows], self.image_size, of(self.image_name), self.fps,
            self.result[rows],
        )  # fmt: skip


def shown_of(
    bodies: RefineResult[Any] | RefinedPeople,
    *,
    estimate: tuple[Any, Any, Any] | None = None,
    truth: tuple[Any, Any, Any] | None = None,
    keypoints_2d: Any = None,
    confidence: Any = None,
    keypoint_layout: str | KeypointLayout | None = None,
    intrinsics: Any = None,
    frame: Any = None,
    person: Any = None,
    image_size: Any = None,
    image_name: Any = None,
    fps: float | None = None,
    body: BodyModel | None = None,
) -> Shown:
    """Return what is shown of a result.

    Parameters
    ----------
    bodies : RefineResult or RefinedPeople
        Of a :class:`RefinedPeople` all else is known.
    estimate, truth : tuple of pose, betas and transl, optional
        In the result's leading shape, pose as matrices or axis-angle.
    keypoints_2d, confidence, intrinsics, image_size
        As of :func:`kitro_np.refine`; the intrinsics are needed.
    keypoint_layout : str or KeypointLayout, optional
        "smpl24" by default.
    frame, person : (...) array of int, optional
        By default those of a video's result, else the leading axis counts the frames of one person.
    image_name : (...) array of str, optional
    fps : float, optional
    body : BodyModel, optional
        By default the result's.

    Raises
    ------
    InputError
        If the result's body or camera is not known, or shapes do not fit.
    """
    if isinstance(bodies, RefinedPeople):
        own, seen = bodies.estimates, bodies.keypoints
        return shown_of(
            bodies.result,
            estimate=(own.pose, own.betas, own.transl),
            keypoints_2d=seen.points,
            confidence=seen.confidence,
            keypoint_layout=seen.layout,
            intrinsics=own.intrinsics if intrinsics is None else intrinsics,
            frame=own.frame,
            person=own.person,
            image_size=own.image_size or seen.image_size if image_size is None else image_size,
            image_name=own.image_name,
            fps=own.fps if fps is None else fps,
            body=body,
        )
    if not isinstance(bodies, RefineResult):
        raise InputError(f"bodies: expected a RefineResult or RefinedPeople, got {type(bodies).__name__}.")
    body = bodies.body if body is None else body  # type: ignore[assignment] # a Skeleton is refused below
    if not isinstance(body, BodyModel):
        raise InputError("body: expected a BodyModel, whose surface is drawn, got a result without one.")
    if intrinsics is None:
        raise InputError("intrinsics: expected a camera matrix, got none.")
    result = bodies.numpy().with_matrices()
    lead = result.status.shape
    count = math.prod(lead)
    flat = result.map_arrays(lambda array: array.reshape(count, *array.shape[len(lead) :]))
    layout, points, scores = None, None, None
    if keypoints_2d is not None:
        layout = find_layout("smpl24" if keypoint_layout is None else keypoint_layout, body)
        points, scores = _keypoints(keypoints_2d, confidence, lead, layout.num_points)
    names = None if image_name is None else np.broadcast_to(np.asarray(image_name), lead).reshape(count)
    if frame is None and person is None:
        frame, person = frames_of_video(result)
    fps = result.fps if fps is None else fps
    frames, people = _frames(frame, person, lead)
    return Shown(
        body,
        PosedBodies(*(np.asarray(part, np.float64) for part in (flat.pose, flat.betas, flat.transl))),
        None if estimate is None else _bodies("estimate", estimate, lead, body),
        None if truth is None else _bodies("truth", truth, lead, body),
        _cameras(intrinsics, lead),
        points,
        scores,
        layout,
        frames,
        people,
        None if image_size is None else _image_size(image_size),
        names,
        None if fps is None else float(fps),
        flat,
    )


def shown_of_file(path: str | os.PathLike[str], body: BodyModel | None = None) -> Shown:
    """Read what is shown of a complete result, as ``kitro-np refine`` writes it.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is no complete result, or its body is not embedded and not given.
    """
    path = Path(path)
    file = EstimateFile(path)
    if file.get("status") is None and file.get("reprojection_error") is None:
        raise InputError(
            f"{path}: expected a result of kitro-np refine, got a file that it did not write; "
            "run kitro-np refine on it first."
        )
    result = RefineResult.load(path, body)
    used = result.body if body is None else body
    if used is None and not result.body_name:
        used = default_body()
    if not isinstance(used, BodyModel):
        raise InputError(f"{path}: expected --body, the file of {result.body_name}, got none.")
    lead = result.status.shape
    names = [f"{ESTIMATE}{name}" for name in ("pose", "betas", "transl")]
    estimate: Any = None
    if file.get(names[0]) is not None:
        estimate = [file.required(name) for name in names]
    try:
        true = file.truth(used, lead)
        camera = file.camera_truth(lead)
        transl = result.transl if camera is None else camera.transl  # else where the refined body is
        truth = (true.pose, true.betas, transl)
    except InputError:  # there is none on this body; a picture goes without
        truth = None
    size, image_name = file.optional("image_size"), file.get("image_name")
    try:
        return shown_of(
            result,
            estimate=estimate,
            truth=truth,
            keypoints_2d=file.optional("keypoints_2d"),
            confidence=file.optional("confidence"),
            keypoint_layout=file.layout or None,
            intrinsics=file.optional("intrinsics"),
            frame=file.integers("frame"),
            person=file.labels("person" if file.get("track") is None else "track", lead),
            image_size=size,
            image_name=None if image_name is None or image_name.dtype.kind != "U" else image_name,
            fps=file.fps,
            body=used,
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _bodies(name: str, parts: Any, lead: tuple[int, ...], body: BodyModel) -> PosedBodies:
    """Check pose, betas and transl, and flatten their leading axes."""
    count, joints = math.prod(lead), body.num_joints
    if isinstance(parts, Mapping) or len(parts) != 3:
        raise InputError(f"{name}: expected pose, betas and transl, got {type(parts).__name__}.")
    pose, betas, transl = (np.asarray(as_numpy(real_array(name, part)), np.float64) for part in parts)
    forms = ((*lead, joints, 3, 3), (*lead, joints, 3), (*lead, 3 * joints))
    if pose.shape not in forms or betas.shape[:-1] != lead or transl.shape != (*lead, 3):
        got = f"{pose.shape}, {betas.shape} and {transl.shape}"
        raise InputError(f"{name}: expected pose {forms[0]}, betas {(*lead, body.num_betas)} and transl "
                         f"{(*lead, 3)}, got {got}.")  # fmt: skip
    matrices, _ = as_matrices(pose, joints)
    return PosedBodies(
        matrices.reshape(count, joints, 3, 3), betas.reshape(count, -1), transl.reshape(count, 3)
    )


def _keypoints(
    keypoints_2d: Any, confidence: Any, lead: tuple[int, ...], number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return keypoints (N, K, 2), NaN where they are not visible, and confidences (N, K), 0 there."""
    points = np.array(as_numpy(real_array("keypoints_2d", keypoints_2d)), np.float64)
    if points.shape not in ((*lead, number, 2), (*lead, number, 3)):
        raise InputError(f"keypoints_2d: expected shape {(*lead, number, 2)}, got {points.shape}.")
    if points.shape[-1] == 3:
        points, confidence = points[..., :2], points[..., 2]
    scores = np.ones(points.shape[:-1])
    if confidence is not None:
        given = np.asarray(as_numpy(confidence))
        if given.shape != scores.shape:
            raise InputError(f"confidence: expected shape {scores.shape}, got {given.shape}.")
        scores = np.array(given, np.float64)
    missing = ~(scores > 0) | ~np.isfinite(points).all(axis=-1)
    scores[missing], points[missing] = 0, np.nan
    return points.reshape(-1, number, 2), scores.reshape(-1, number)


def _cameras(intrinsics: Any, lead: tuple[int, ...]) -> np.ndarray:
    cameras = np.asarray(as_numpy(real_array("intrinsics", intrinsics)), np.float64)
    if cameras.shape not in ((3, 3), (*lead, 3, 3)):
        raise InputError(f"intrinsics: expected shape (3, 3) or {(*lead, 3, 3)}, got {cameras.shape}.")
    return np.broadcast_to(cameras, (*lead, 3, 3)).reshape(-1, 3, 3)


def _frames(frame: Any, person: Any, lead: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the frame and person of each row, (N,) each; the first axis is time if nothing is given."""
    count = math.prod(lead)
    first = lead[0] if lead else 1
    parts = []
    for name, given in (("frame", frame), ("person", person)):
        if given is None:
            axis = np.arange(first)[:, None] if name == "frame" else np.zeros((first, 1), np.int64)
            others = count // max(first, 1)
            across = np.arange(others) if name == "person" and frame is None else np.zeros(others, np.int64)
            parts.append((axis + across).reshape(count).astype(np.int64))
            continue
        array = np.asarray(given)
        if array.size != count or array.dtype.kind not in "iu":
            raise InputError(f"{name}: expected {count} integers, got {array.dtype} of shape {array.shape}.")
        parts.append(array.reshape(count).astype(np.int64))
    return parts[0], parts[1]


def _image_size(size: Any) -> np.ndarray:
    """Return one image size; the first of those of several images."""
    sizes = np.asarray(as_numpy(real_array("image_size", size)), np.float64).reshape(-1, 2)
    if not len(sizes) or not (np.isfinite(sizes[0]).all() and (sizes[0] > 0).all()):
        raise InputError(f"image_size: expected a positive width and height, got {sizes[:1].tolist()}.")
    return np.asarray(sizes[0])
