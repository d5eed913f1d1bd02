"""Overlay: people drawn on the image that they were seen in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from ..arrays.rotations import matrix_from_axis_angle
from ..errors import InputError, one_of
from ..matching.refine import RefinedPeople
from ..result import RefineResult
from .colours import (
    BLANK,
    BONE,
    FAR,
    KEYPOINT,
    LEFT,
    MIDDLE,
    NEAR,
    PEOPLE,
    RIGHT,
    STAGE_COLOURS,
    WAS,
    Colour,
    between,
)
from .images import read_image
from .raster import Raster
from .shown import STAGES, Box, PosedBodies, Shown, shown_of
from .strokes import Strokes, label, legend

__all__ = ["draw_panels", "overlay"]

Panel = Literal["before", "after", "truth", "keypoints", "side"]
Mode = Literal["mesh", "skeleton"]

PANELS: tuple[Panel, ...] = get_args(Panel)
"""What can be side by side: the stages, residuals of the keypoints, and the refined bodies from the side."""

MODES: tuple[Mode, ...] = get_args(Mode)

SAMPLES = 2
"""Along each side of a pixel, so that outlines are smooth."""

MARGIN = 2
"""Pixels around bodies that are drawn anew."""

OPACITY = 0.9
"""Of bodies on an image."""

LEGEND = 0.72
"""Size of the letters of a legend over those of a panel's name."""

LARGE_RESIDUAL = 0.06
"""In metres at the body: an arrow this long is as red as arrows become."""

SMALLEST_DEPTH = 1e-6
"""In metres, of a body whose residuals are drawn."""

FADED = np.round(0.45 * np.arange(256) + 0.55 * 255).astype(np.uint8)
"""Of each value from 0 to 255, what it is beneath keypoints."""

USUAL_HEIGHT = 720
"""Height of a picture in pixels on which lines are 1 pixel times their width."""


def overlay(
    image: Any,
    bodies: Shown | RefineResult[Any] | RefinedPeople,
    *,
    frame: int | None = None,
    panels: Panel | Sequence[Panel] = "after",
    mode: Mode = "mesh",
    opacity: float = OPACITY,
    crop: bool | None = None,
    points: bool = True,
    **known: Any,
) -> np.ndarray:
    """Draw people on their image; several panels side by side.

    Parameters
    ----------
    image : (H, W, 3) array of uint8, path or None
        None for a blank one.
    bodies : RefineResult, RefinedPeople or Shown
    frame : int, optional
        Number of the frame whose people are drawn; by default the first one.
    panels : {"before", "after", "truth", "keypoints", "side"} or a sequence of these
        The estimates, the refined bodies or the truth; the refined bodies' skeletons with arrows to their
        keypoints; the refined bodies from the camera's right.
    mode : {"mesh", "skeleton"}
    opacity : float
        Of meshes, from 0 to 1.
    crop : bool, optional
        Show only the part of the image where the people are; by default where there is no image.
    points : bool
        Also show the keypoints on the bodies, if they are known.
    **known
        What a :class:`RefineResult` does not hold: `intrinsics`; for some panels `estimate` (pose, betas and
        transl), `truth`, `keypoints_2d`, `confidence`, `keypoint_layout`; the frame and person of each body
        as `frames` and `people`; `image_size`, `body`.

    Returns
    -------
    (H, W, 3) array of uint8

    Raises
    ------
    InputError
        If something that a panel needs is not known, or the image has another size.
    """
    if isinstance(bodies, Shown):
        shown = bodies
    else:
        renamed = {"frames": "frame", "people": "person"}
        shown = shown_of(bodies, **{renamed.get(name, name): value for name, value in known.items()})
    names = (panels,) if isinstance(panels, str) else tuple(panels)
    if not names:
        raise InputError("panels: expected at least one, got none.")
    number = int(shown.frame.min()) if frame is None and len(shown) else frame
    rows = np.flatnonzero(shown.frame == number)
    if not len(rows):
        raise InputError(f"frame: expected one with people{frames_between(shown)}, got {number}.")
    people = shown.take(rows)
    if not (image is None if crop is None else crop):
        canvas = canvas_of(image, shown)
    else:
        box = people.people_box()
        seen = people.cut(box)
        canvas = canvas_of(None, seen) if image is None else cut_image(canvas_of(image, shown), box)
        people = seen
    return draw_panels(canvas, people, names, mode=mode, opacity=opacity, points=points)


def draw_panels(
    image: np.ndarray,
    shown: Shown,
    panels: Sequence[str],
    *,
    mode: str = "mesh",
    opacity: float = OPACITY,
    points: bool = True,
) -> np.ndarray:
    """Draw all rows of `shown`, people of one frame, on copies of an image, side by side."""
    one_of("mode", mode, MODES)
    if not 0 <= opacity <= 1:
        raise InputError(f"opacity: expected a number from 0 to 1, got {opacity}.")
    for name in panels:
        one_of("panels", name, PANELS)
    width = image.shape[1]
    together = np.concatenate([image] * len(panels), axis=1)
    for k, name in enumerate(panels):
        picture = together[:, k * width : (k + 1) * width]
        if name == "keypoints":
            _draw_residuals(picture, shown)
        elif name == "side":
            picture[:] = BLANK
            _draw_bodies(picture, shown, _from_the_side(shown), "after", mode, 1.0)
        else:
            _draw_bodies(picture, shown, _stage(shown, name), name, mode, opacity)
            if points:
                _draw_keypoints(picture, shown)
        if len(panels) > 1:
            label(picture, name, size=_letters(picture))
        if entries := _legend(shown, name, mode):
            legend(picture, entries, size=LEGEND * _letters(picture))
    return together


def frames_between(shown: Shown) -> str:
    """Return ", from 0 to 59", the numbers of the frames that have people; "" if there are none."""
    return f", from {shown.frame.min()} to {shown.frame.max()}" if len(shown) else ""


def raster_of(shown: Shown, bodies: PosedBodies, size: tuple[int, int]) -> Raster:
    """Return all bodies as their camera sees them."""
    return Raster(_meshes(shown, _vertices(shown, bodies)), shown.intrinsics[0], size)


def colours_of(shown: Shown, stage: str) -> list[Colour]:
    """Colour of each row: of the stage for one person, else of the person."""
    if len(shown) == 1:
        return [STAGE_COLOURS[stage]]
    return [PEOPLE[int(person) % len(PEOPLE)] for person in shown.person]


def canvas_of(image: Any, shown: Shown) -> np.ndarray:
    """Return an image, which may be a path, as an array; a blank one for None."""
    if image is None:
        width, height = shown.size
        return np.full((height, width, 3), BLANK, np.uint8)
    array = image if isinstance(image, np.ndarray) else read_image(image)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        raise InputError(f"image: expected (H, W, 3) of uint8, got {array.shape} of {array.dtype}.")
    check_size(shown, (array.shape[1], array.shape[0]), "image")
    return np.ascontiguousarray(array)


def cut_image(image: np.ndarray, box: Box) -> np.ndarray:
    """Return a part of an image."""
    left, top, right, bottom = box
    return np.ascontiguousarray(image[top:bottom, left:right])


def check_size(shown: Shown, size: tuple[int, int], name: str) -> None:
    """InputError if an image is not of the size that the bodies were seen in, if that is known."""
    if shown.image_size is not None and shown.size != size:
        raise InputError(
            f"{name}: expected {shown.size[0]} x {shown.size[1]} pixels, as the bodies were seen in, "
            f"got {size[0]} x {size[1]}."
        )


def _stage(shown: Shown, name: str) -> PosedBodies:
    bodies = shown.stage(one_of("stage", name, STAGES))
    if bodies is None:
        what = {"before": "estimates", "truth": "ground truth"}[name]
        raise InputError(f"panels: expected a result with {what} for {name!r}, got one without.")
    return bodies


def _vertices(shown: Shown, bodies: PosedBodies) -> np.ndarray:
    """Vertices in the camera's frame: (N, V, 3)."""
    parts = (np.asarray(part, np.float32) for part in bodies)
    return np.asarray(shown.body.forward(*parts).vertices)


def _meshes(shown: Shown, vertices: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    faces = np.asarray(shown.body.faces)
    return [(own, faces) for own in vertices]


def _draw_bodies(
    picture: np.ndarray, shown: Shown, bodies: PosedBodies, stage: str, mode: str, opacity: float
) -> None:
    finite = np.isfinite(bodies.pose).all(axis=(1, 2, 3)) & np.isfinite(bodies.betas).all(axis=1)
    rows = np.flatnonzero(finite & np.isfinite(bodies.transl).all(axis=1))
    if not len(rows):
        return
    colours = [colours_of(shown, stage)[row] for row in rows]
    shown, bodies = shown.take(rows), bodies.take(rows)
    if mode == "skeleton":
        _draw_skeletons(picture, shown, bodies)
        return
    vertices = _vertices(shown, bodies)
    box = _box_of(vertices, shown.intrinsics[0], picture.shape[:2])
    if box is None:
        return
    left, top, right, bottom = box
    part = picture[top:bottom, left:right]
    drawn = np.ascontiguousarray(part)
    camera = shown.intrinsics[0].copy()
    camera[:2, 2] -= (left, top)
    camera[:2] *= SAMPLES
    size = (SAMPLES * part.shape[1], SAMPLES * part.shape[0])
    Raster(_meshes(shown, vertices), camera, size).shade(
        drawn, [np.array(colour) / 255 for colour in colours], opacity
    )
    part[:] = drawn


def _box_of(
    vertices: np.ndarray, camera: np.ndarray, shape: tuple[int, ...]
) -> tuple[int, int, int, int] | None:
    """Part of the picture that bodies may be seen in: left, top, right and bottom; None if there is none."""
    height, width = shape
    points = vertices.reshape(-1, 3).astype(np.float64)
    if np.any(points[:, 2] <= 0):
        return 0, 0, width, height
    image = points[:, :2] / points[:, 2:] * (camera[0, 0], camera[1, 1]) + camera[:2, 2]
    lowest = np.clip(np.floor(image.min(axis=0)) - MARGIN, 0, (width, height)).astype(int)
    highest = np.clip(np.ceil(image.max(axis=0)) + MARGIN, 0, (width, height)).astype(int)
    if np.any(highest <= lowest):
        return None
    return int(lowest[0]), int(lowest[1]), int(highest[0]), int(highest[1])


def _from_the_side(shown: Shown) -> PosedBodies:
    """Refined bodies, turned by a quarter about the vertical through their middle."""
    bodies = shown.after
    joints = shown.joints(bodies)
    middle = np.nanmean(joints.reshape(-1, 3), axis=0)
    turn = matrix_from_axis_angle(np.array([0.0, np.pi / 2, 0.0]))
    pose = bodies.pose.copy()
    pose[:, 0] = turn @ pose[:, 0]
    root = joints[:, 0] - bodies.transl
    moved = (joints[:, 0] - middle) @ turn.T + middle
    return PosedBodies(pose, bodies.betas, moved - root)


def _letters(picture: np.ndarray) -> float:
    """Size of the letters of a panel's name."""
    return max(11.0, picture.shape[0] / 36)


def _legend(shown: Shown, panel: str, mode: str) -> list[tuple[Sequence[Colour], str]]:
    """Say what the colours of a panel's lines mean, where its name does not."""
    if panel == "keypoints":
        steps = [between(NEAR, FAR, share) for share in (0.0, 0.5, 1.0)]
        refined = (steps, f"refined to keypoint, red from {100 * LARGE_RESIDUAL:.0f} cm on")
        return [refined] if shown.before is None else [([WAS], "estimate to keypoint"), refined]
    return [([LEFT], "left"), ([RIGHT], "right")] if mode == "skeleton" else []


def _thickness(picture: np.ndarray) -> float:
    return max(0.6, picture.shape[0] / USUAL_HEIGHT)


def _draw_skeletons(picture: np.ndarray, shown: Shown, bodies: PosedBodies) -> None:
    strokes = Strokes(_thickness(picture))
    joints = shown.joints(bodies)
    parents = np.asarray(shown.body.skeleton.parents)
    sides = _sides(shown)
    order = np.argsort(-joints[:, 0, 2])  # the farthest first
    for image in shown.in_image(joints)[order]:
        for joint in range(1, len(parents)):
            strokes.line(image[parents[joint]], image[joint], 3.2, sides[joint])
        for joint in range(len(parents)):
            strokes.dot(image[joint], 2.6, sides[joint], (255, 255, 255))
    strokes.onto(picture)


def _sides(shown: Shown) -> list[Colour]:
    """Colour of each joint by its side, as it lies at rest."""
    across = np.asarray(shown.body.skeleton.host.joint_template, np.float64)[:, 0]
    across = across - across[0]
    width = np.abs(across).max()
    return [MIDDLE if abs(x) < 0.04 * width else LEFT if x > 0 else RIGHT for x in across]


def _draw_keypoints(picture: np.ndarray, shown: Shown) -> None:
    """Draw the keypoints that are visible."""
    if shown.keypoints_2d is None:
        return
    strokes = Strokes(_thickness(picture))
    for place in shown.keypoints_2d.reshape(-1, 2):
        strokes.dot(place, 2.6, KEYPOINT, (255, 255, 255))
    strokes.onto(picture)


def _draw_residuals(picture: np.ndarray, shown: Shown) -> None:
    """Draw refined skeletons, and arrows to the keypoints; thin lines are the estimates' residuals."""
    if shown.keypoints_2d is None or shown.layout is None:
        raise InputError("panels: expected a result with keypoints for 'keypoints', got one without.")
    bodies = shown.after
    picture[:] = FADED[picture]
    strokes, arrows = Strokes(_thickness(picture)), Strokes(_thickness(picture))
    joints = shown.in_image(shown.joints(bodies))
    parents = np.asarray(shown.body.skeleton.parents)
    expected = shown.keypoints_of(bodies)
    before = None if shown.before is None else shown.keypoints_of(shown.before)
    for row in range(len(shown)):
        image, seen = joints[row], shown.keypoints_2d[row]
        if before is not None:
            for start, end in zip(before[row], seen, strict=True):
                strokes.line(start, end, 1.6, WAS)
        for joint in range(1, len(parents)):
            strokes.line(image[parents[joint]], image[joint], 2.2, BONE)
        metre = shown.intrinsics[row, 0, 0] / max(bodies.transl[row, 2], SMALLEST_DEPTH)
        for start, end in zip(expected[row], seen, strict=True):
            if np.isfinite(start).all() and np.isfinite(end).all():
                far = min(1.0, float(np.hypot(*(end - start))) / (LARGE_RESIDUAL * metre))
                arrows.arrow(start, end, 2.2, between(NEAR, FAR, far))
        for end in seen:
            strokes.dot(end, 2.4, KEYPOINT, (255, 255, 255))
    strokes.onto(picture)
    arrows.onto(picture)  # above the dots, which would hide short ones
