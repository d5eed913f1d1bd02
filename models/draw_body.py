"""Draw the pictures of docs/body.md: docs/body.png and docs/body_proportions.svg.

Run ``python -m models.draw_body``; it needs matplotlib, the extra ``report``. The first shows the open body
from four sides and in some poses, with bent joints near, an elbow without and with correctives; the second
its joints' heights and lengths over stature beside those of tables.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from scipy.spatial.transform import Rotation

from kitro_np import BodyModel, load_body

from .measure_body import TABLES, VERSIONS
from .open_body.report import shares_of
from .shared.command_line import Parser
from .shared.smpl_skeleton import JOINT

DOCS = Path(__file__).resolve().parents[1] / "docs"

MARGIN = 0.02
"""Around the body in a panel, in metres."""

LIGHT = np.array([0.35, 0.5, 0.8])
SKIN = np.array([0.72, 0.76, 0.82])
"""Direction of the light, and colour of the skin."""


def both(name: str, x: float, y: float, z: float) -> dict[str, tuple[float, float, float]]:
    """Rotation vectors in degrees of a joint's left and, mirrored, of its right."""
    return {f"left_{name}": (x, y, z), f"right_{name}": (x, -y, -z)}


POSES = {
    "T pose": {},
    "arms down": {**both("shoulder", 0, 0, -68), **both("collar", 0, 0, -8)},
    "arms up": {**both("shoulder", 0, 0, 60), **both("collar", 0, 0, 25)},
    "sitting": {
        **both("hip", -90, 0, 0),
        **both("knee", 90, 0, 0),
        **both("shoulder", 0, -60, -40),
        **both("elbow", 0, -60, 0),
    },
    "knee bent": {"right_hip": (-50, 0, 0), "right_knee": (120, 0, 0)},
    "elbows bent": {**both("shoulder", -90, 0, 0), **both("elbow", 0, -120, 0)},
}
"""Rotation vectors in degrees."""

PIXELS = 195
"""Side of a panel."""


class Panel(NamedTuple):
    """What a panel shows."""

    title: str
    pose: str
    turn: float  # degrees that the body is turned by, about the vertical
    near: str = ""  # joint of a close-up; without, the whole body is shown
    half: float = 0.0  # half of a close-up's side, in metres
    correctives: bool = False


PANELS = [
    Panel("front", "T pose", 0),
    Panel("half side", "T pose", 45),
    Panel("side", "T pose", 90),
    Panel("back", "T pose", 180),
    Panel("arms up", "arms up", 20),
    Panel("arms down", "arms down", 20),
    Panel("sitting", "sitting", 50),
    Panel("knee bent", "knee bent", 90, "right_knee", 0.3),
    Panel("elbow bent", "elbows bent", 0, "left_elbow", 0.2),
    Panel("elbow bent, correctives", "elbows bent", 0, "left_elbow", 0.2, correctives=True),
]


def posed(body: BodyModel, panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (V, 3) and joints (24, 3) of a panel's pose, turned about the vertical."""
    pose = np.zeros((1, 24, 3))
    for joint, degrees in POSES[panel.pose].items():
        pose[0, JOINT[joint]] = np.radians(degrees)
    found = body.forward(pose, np.zeros((1, body.num_betas)))
    turn = Rotation.from_euler("y", panel.turn, degrees=True).as_matrix().T
    return found.vertices[0] @ turn, found.joints[0] @ turn


def draw_skin(axes: Axes, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Draw the triangles that face the viewer, the far ones first, with smooth shading."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    smooth = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(smooth, faces[:, corner], normals)
    shading = smooth[faces].mean(1)
    shading /= np.linalg.norm(shading, axis=1, keepdims=True) + 1e-12
    bright = 0.3 + 0.7 * np.clip(shading @ LIGHT / np.linalg.norm(LIGHT), 0, 1)
    seen = np.flatnonzero(normals[:, 2] > 0)
    seen = seen[np.argsort(corners[seen, :, 2].mean(1))]
    colours = np.clip(SKIN * bright[seen, None], 0, 1)
    axes.add_collection(
        PolyCollection(corners[seen, :, :2], facecolors=colours, edgecolors=colours, linewidths=0.2)
    )
    axes.set_aspect("equal")
    axes.axis("off")


def draw_body(body: BodyModel, corrected: BodyModel) -> Figure:
    """Draw the body, in some panels with correctives, in two rows."""
    columns = len(PANELS) // 2
    figure = Figure(figsize=(columns * PIXELS / 100, 2 * (PIXELS + 20) / 100), layout="constrained")
    for axes, panel in zip(figure.subplots(2, columns).flat, PANELS, strict=True):
        vertices, joints = posed(corrected if panel.correctives else body, panel)
        draw_skin(axes, vertices, body.faces)
        shown, half = vertices[:, :2], panel.half
        if panel.near:
            shown = shown[np.abs(shown - joints[JOINT[panel.near], :2]).max(1) < half]
        low, high = shown.min(0), shown.max(0)
        x, y = (low + high) / 2
        half = half or (high - low).max() / 2 + MARGIN
        axes.set(xlim=(x - half, x + half), ylim=(y - half, y + half))
        axes.set_title(panel.title, fontsize=9)
    return figure


def draw_proportions(bodies: dict[str, BodyModel]) -> Figure:
    """Draw how far each body's shares are from the tables', in percent."""
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    axes = figure.subplots()
    rows = np.arange(len(TABLES))[::-1]
    axes.axvspan(-2, 2, color="#dddddd", label="within 2%")
    for (name, body), mark, colour in zip(bodies.items(), "os", ("#c8402b", "#1f6fb4"), strict=True):
        found = shares_of(body.v_template.astype(float), body.skeleton.joint_template)
        off = [100 * (found[share] / value - 1) for share, value in TABLES.items()]
        axes.plot(off, rows, mark, color=colour, label=name)
    labels = [f"{share.replace('_', ' ')} ({value:.3f})" for share, value in TABLES.items()]
    axes.set_yticks(rows, labels)
    axes.set_xlabel("percent more than in the table")
    axes.axvline(0, color="#888888", linewidth=0.8)
    axes.legend(loc="lower right", fontsize=8)
    return figure


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw both pictures."""
    parser = Parser(
        prog="python -m models.draw_body",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", default=DOCS, help="folder to write to (default: docs)"
    )
    folder = parser.parse_args(arguments).output
    if not folder.is_dir():
        parser.error(f"the folder {folder} does not exist.")
    mpl.rcParams["svg.hashsalt"] = "kitro_np"
    bodies = {name: load_body(name) for name in VERSIONS}
    corrected = load_body("open_v2", correctives=True)
    draw_body(bodies["open_v2"], corrected).savefig(folder / "body.png", dpi=100, metadata={"Software": None})
    draw_proportions(bodies).savefig(folder / "body_proportions.svg", metadata={"Date": None})
    print(f"wrote {folder / 'body.png'} and {folder / 'body_proportions.svg'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
