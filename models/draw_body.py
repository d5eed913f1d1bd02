"""Draw the pictures of docs/body.md: docs/body.png and docs/body_proportions.svg.

Run ``python -m models.draw_body``; it needs matplotlib, the extra ``report``. The first shows the open body
from four sides and in some poses; the second its joints' heights and lengths over stature beside those of
tables.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

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

WIDE, HIGH = 0.94, 1.13
"""Half of what a panel shows, in metres."""

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
    "knees bent": both("knee", 120, 0, 0),
}
"""Rotation vectors in degrees."""

PANELS = [
    ("T pose", 0), ("T pose", 45), ("T pose", 90), ("T pose", 180),
    ("arms down", 20), ("arms up", 20), ("sitting", 50), ("knees bent", 60),
]  # fmt: skip
"""Poses, and degrees that the body is turned by."""


def posed(body: BodyModel, name: str, turn: float) -> np.ndarray:
    """Vertices (V, 3) of a pose, turned about the vertical."""
    pose = np.zeros((1, 24, 3))
    for joint, degrees in POSES[name].items():
        pose[0, JOINT[joint]] = np.radians(degrees)
    vertices = body.forward(pose, np.zeros((1, body.num_betas))).vertices[0]
    return vertices @ Rotation.from_euler("y", turn, degrees=True).as_matrix().T


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
    middle = (vertices.min(0) + vertices.max(0)) / 2
    axes.set(xlim=middle[0] + [-WIDE, WIDE], ylim=middle[1] + [-HIGH, HIGH], aspect="equal")
    axes.axis("off")


def draw_body(body: BodyModel) -> Figure:
    """Draw the body in all panels, two rows."""
    figure = Figure(figsize=(9, 5.4), layout="constrained")
    for axes, (name, turn) in zip(figure.subplots(2, 4).flat, PANELS, strict=True):
        draw_skin(axes, posed(body, name, turn), body.faces)
        axes.set_title(name, fontsize=9)
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
    draw_body(bodies["open_v2"]).savefig(folder / "body.png", dpi=100, metadata={"Software": None})
    draw_proportions(bodies).savefig(folder / "body_proportions.svg", metadata={"Date": None})
    print(f"wrote {folder / 'body.png'} and {folder / 'body_proportions.svg'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
