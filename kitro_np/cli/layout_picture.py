"""Picture of a layout: its numbered points on the body's rest pose, with enlarged head, feet and hands."""

from __future__ import annotations

import os
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..body import BodyModel
from ..body.families import has_body_joints
from ..errors import InputError
from ..keypoints.fingers import TIP_LENGTHS
from ..keypoints.layouts import KeypointLayout, find_layout
from ..safe_io.atomic_write import atomic_write, check_output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PIXELS, DPI = 1000, 100
"""Width and height of the picture."""

COLOURS = {"left": "#1f6fb4", "right": "#c8402b", "neither": "#3a3a3a"}
"""Of points by their side."""

LIGHT, SHADE = 0.95, 0.17
"""Grey of the skin that faces the viewer, and how much darker it is where it faces away."""

View = tuple[tuple[int, int], tuple[int, int], int]
"""Axes to the right and up, their signs, and the axis towards the viewer."""

FRONT: View = ((0, 1), (1, 1), 2)
ABOVE: View = ((0, 2), (1, -1), 1)

FONT, LETTER, LINE = 8.5, 7.0, 12.0
"""Size of the numbers in points; width of a digit and height of a line in pixels."""

DOT, GAP = 3.5, 9.0
"""Radius of a point in pixels, and distance of a number's centre from it at which no line is drawn."""

RADII, CROWD, OVERLAP = (0, 5, 10, 18, 28, 40, 55, 72), 48.0, 70.0
"""Distances of a number from its point that are tried, in pixels; that within which points are counted, to
place numbers where it is crowded first; and the distance that is worth an overlap."""

MARGIN = 0.06
"""Margin around what a panel shows, relative to it."""

PARTS: dict[str, tuple[View, tuple[float, float, float, float]]] = {
    "head": (FRONT, (0.03, 0.40, 0.30, 0.27)),
    "feet": (ABOVE, (0.67, 0.40, 0.30, 0.27)),
    "right hand": (ABOVE, (0.03, 0.04, 0.34, 0.34)),
    "left hand": (ABOVE, (0.63, 0.04, 0.34, 0.34)),
}
"""Enlarged parts of a person: view, and place in the picture beside the legs."""

FEWEST = 3
"""Points from which on a part is enlarged."""


class Panel(NamedTuple):
    """A part of the picture.

    Attributes
    ----------
    title : str
        Empty for the whole body.
    view
        One of FRONT and ABOVE.
    place
        (x, y, width, height), relative to the picture.
    points : array of int
        Points that are drawn.
    labelled : array of int
        Points that are numbered.
    skin : (V,) array of bool
        Vertices that are drawn.
    """

    title: str
    view: View
    place: tuple[float, float, float, float]
    points: np.ndarray
    labelled: np.ndarray
    skin: np.ndarray


def write_picture(
    path: str | os.PathLike[str], layout: KeypointLayout, body: BodyModel, *, force: bool = False
) -> Path:
    """Draw a layout's points on a body and write the PNG file; return its path.

    Raises
    ------
    InputError
        If matplotlib is missing, the file is no .png, cannot be written, or exists and `force` is not set.
    """
    if find_spec("matplotlib") is None:
        raise InputError(
            "layouts: expected matplotlib to be installed, got an environment without it; "
            "pip install 'kitro-np[report]'."
        )
    target = check_output(path, force=force, suffixes=(".png",))
    atomic_write(target, partial(_save, layout, body))
    return target


def _save(layout: KeypointLayout, body: BodyModel, file: Any) -> None:
    """Draw without a display, independent of matplotlib's settings."""
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style.context("default"):
        figure = Figure(figsize=(PIXELS / DPI, PIXELS / DPI), dpi=DPI)
        FigureCanvasAgg(figure)
        draw(figure, layout, body)
        figure.savefig(file, format="png", metadata={"Software": None})


def draw(figure: Figure, layout: KeypointLayout, body: BodyModel) -> None:
    """Draw a layout's points on a body's rest pose."""
    joints = np.array(layout.joints)
    places = np.asarray(body.skeleton.joint_template, np.float64)[np.maximum(joints, 0)] + layout.offsets
    shown = np.flatnonzero(joints >= 0)
    panels, rest = [], shown
    for name, of_part in _parts(body).items():
        own = shown[of_part[joints[shown]]]
        if len(own) >= FEWEST:
            skin = of_part[np.asarray(body.weights).argmax(axis=1)]
            panels.append(Panel(name, *PARTS[name], own, own, skin))
            rest = np.setdiff1d(rest, own)
    everywhere = np.ones(body.num_vertices, bool)
    for panel in (Panel("", _best_view(body), (0, 0, 1, 0.93), shown, rest, everywhere), *panels):
        _draw_panel(figure, panel, layout, body, places)
    missing = len(joints) - len(shown)
    note = f", {missing} of them not on this body" if missing else ""
    figure.text(0.5, 0.965, f"{layout.name}: {len(joints)} points{note}", ha="center", fontsize=13)
    if any(_side(name) != "neither" for name in layout.names):
        for side, x in (("right", 0.44), ("left", 0.56)):
            figure.text(x, 0.94, f"\u25cf {side}", color=COLOURS[side], ha="center", fontsize=10)


def _best_view(body: BodyModel) -> View:
    """From the front, or from above if the body is flatter there, as a hand is."""
    extent = np.ptp(np.asarray(body.v_template), axis=0)
    return FRONT if extent[2] <= extent[1] else ABOVE


def _parts(body: BodyModel) -> dict[str, np.ndarray]:
    """Which joints move each part of a person: (J,) of bool each; empty for bodies that are none."""
    if not has_body_joints(body.skeleton.parents):
        return {}
    names = find_layout("smpl24", body).names
    ends = {
        "head": ("head", "jaw", "eye"),
        "feet": ("ankle", "foot"),
        **{
            f"{side} hand": tuple(f"{side}_{word}" for word in ("wrist", "hand", *TIP_LENGTHS))
            for side in ("right", "left")
        },
    }
    return {part: np.array([name.rstrip("123").endswith(ends[part]) for name in names]) for part in PARTS}


def _draw_panel(
    figure: Figure, panel: Panel, layout: KeypointLayout, body: BodyModel, places: np.ndarray
) -> None:
    """Draw the skin, the points and their numbers in one panel."""
    from matplotlib.collections import PolyCollection

    (axes, signs, towards), (x, y, width, height) = panel.view, panel.place
    flat = places[:, axes] * signs
    vertices, faces = np.asarray(body.v_template, np.float64), np.asarray(body.faces)
    skin = vertices[:, axes] * signs
    bounds = PIXELS * np.array([width, height])
    centre, span = _window(np.concatenate([skin[panel.skin], flat[panel.points]]))
    scale = (bounds / span).min()  # pixels per metre
    corner = centre - bounds / scale / 2
    plot = figure.add_axes((x, y, width, height))
    plot.set(xlim=(corner[0], 2 * centre[0] - corner[0]), ylim=(corner[1], 2 * centre[1] - corner[1]))
    plot.set(xticks=[], yticks=[])
    if panel.title:
        plot.set_title(panel.title, fontsize=9, pad=3)
        for edge in plot.spines.values():
            edge.set(color="#b0b0b0", linewidth=0.8)
    else:
        plot.axis("off")
    faces = faces[panel.skin[faces].all(axis=1)]
    triangles, grey = _shaded(vertices, faces, skin, towards)
    plot.add_collection(PolyCollection(list(triangles), facecolors=grey, edgecolors=grey, linewidths=0.4))
    colours = np.array([COLOURS[_side(name)] for name in layout.names])
    plot.scatter(
        flat[panel.points, 0],
        flat[panel.points, 1],
        s=(1.6 * DOT) ** 2,
        c=colours[panel.points],
        edgecolors="white",
        linewidths=0.7,
        zorder=3,
    )
    pixels = (flat - corner) * scale
    groups = _together(pixels, panel.labelled)
    texts = [",".join(map(str, group)) for group in groups]
    points = pixels[[group[0] for group in groups]]
    labels = place_labels(points, texts, bounds, pixels[panel.points])
    for group, text, point, label in zip(groups, texts, points, labels, strict=True):
        colour = colours[group[0]]
        start, end = (corner + place / scale for place in (point, label))
        if np.hypot(*(label - point)) > GAP + LETTER * len(text) / 2:
            plot.plot(*zip(start, end, strict=True), color=colour, linewidth=0.6, zorder=2)
        plot.text(
            end[0], end[1], text, color=colour, fontsize=FONT, ha="center", va="center", zorder=4,
            bbox={"boxstyle": "square,pad=0.05", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
        )  # fmt: skip


def _window(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and size of what a panel shows, with a margin."""
    low, high = points.min(axis=0), points.max(axis=0)
    size = np.maximum(high - low, 0.05)
    return (low + high) / 2, size + 2 * MARGIN * size.max() + 0.01


def _shaded(
    vertices: np.ndarray, faces: np.ndarray, flat: np.ndarray, towards: int
) -> tuple[np.ndarray, np.ndarray]:
    """Triangles in the plane, the farthest first, and their grey: (F, 3, 2) and (F, 3)."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1)
    facing = np.abs(normals[:, towards]) / np.where(length > 0, length, 1)
    order = np.argsort(corners[..., towards].mean(axis=1), kind="stable")
    grey = LIGHT - SHADE * (1 - facing[order])
    return flat[faces[order]], np.repeat(grey[:, None], 3, axis=1)


def _side(name: str) -> str:
    return next((side for side in ("left", "right") if side in name.split("_")), "neither")


def _together(pixels: np.ndarray, points: np.ndarray) -> list[list[int]]:
    """Group points that lie on one another, to share a label."""
    groups: list[list[int]] = []
    for k in points.tolist():
        near = next((group for group in groups if np.hypot(*(pixels[group[0]] - pixels[k])) < DOT / 2), None)
        if near is None:
            groups.append([k])
        else:
            near.append(k)
    return groups


def place_labels(points: np.ndarray, texts: list[str], bounds: np.ndarray, dots: np.ndarray) -> np.ndarray:
    """Place labels near points so that they overlap neither one another nor dots, if there is room.

    Parameters
    ----------
    points : (N, 2) array
        In pixels.
    texts : list of str
    bounds : (2,) array
        Width and height of the panel.
    dots : (M, 2) array
        Centres of all points that are drawn.

    Returns
    -------
    (N, 2) array
        Centres of the labels.
    """
    places = points.copy()
    halves = np.array([[LETTER * len(text) + 2, LINE] for text in texts]).reshape(-1, 2) / 2
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    crowd = [np.sum(np.hypot(*(dots - point).T) < CROWD) for point in points]
    placed: list[int] = []
    for k in np.argsort(crowd, kind="stable")[::-1]:
        outwards = points[k] - points.mean(axis=0)
        outwards = outwards / max(np.hypot(*outwards), 1)
        best = np.inf
        for radius in RADII:
            for direction in directions:
                # The number touches a circle around the point, whatever its width.
                place = points[k] + direction * (radius + DOT + halves[k])
                outside = np.maximum(halves[k] - place, 0) + np.maximum(place + halves[k] - bounds, 0)
                on_dots = (np.abs(dots - place) < halves[k] + DOT).all(axis=1).sum()
                on_labels = (np.abs(places[placed] - place) < halves[k] + halves[placed]).all(axis=1).sum()
                cost = radius - 3 * direction @ outwards + OVERLAP * (on_dots + 3 * on_labels + outside.sum())
                if cost < best:
                    best, places[k] = cost, place
        placed.append(int(k))
    return places
