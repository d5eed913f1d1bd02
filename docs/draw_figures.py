"""Draw the figures of the pages in docs/ with the package itself, into docs/figures/.

Run it in the repository's root: python docs/draw_figures.py [FOLDER]. It needs kitro-np[report].
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Ellipse
from PIL import Image

import kitro_np
from kitro_np.kitro.rays import bone_rays, intersect
from kitro_np.report import overlay, shown_of
from kitro_np.report.explain import explain_kitro, explain_map
from kitro_np.report.explain.kitro_picture import picture_of_kitro
from kitro_np.report.explain.map_picture import picture_of_map

FOLDER = Path(__file__).parent / "figures"
FIGURES = (
    "before_after.png", "rays.svg", "tree.svg", "evidence.svg", "spreads.svg", "weights.svg", "refused.svg",
)  # fmt: skip

FRAME, WRIST = 0, 20
"""Body of the example clip whose tree is drawn, and the left wrist."""

ELBOW_AWAY, FOREARM, PLANE = 1.2, 0.3, 0.35
"""In the figure of the rays, in metres: the elbow and the image from the camera, and the bone."""

VIEW, STRANGER = 40, 196
"""View of the real example that is drawn, and the one whose keypoints it gets where it is refused."""

LEFT_ARM = (18, 20, 22)
"""Joints that no keypoint shows in the figure of spreads."""

WIDE = 1500
"""Width of the picture of bodies, in pixels."""

DRAWN = (0, 1, 2, 4, 5, 7, 8, 10, 11, 12, 15, 16, 17, 18, 19, 20, 21, 22, 23)
"""Joints whose spread is drawn: not those of the trunk."""

BLUE, GREEN, ORANGE, INK, SOFT = "#2563a8", "#2a7d46", "#c2571a", "#222222", "#6b6b6b"

STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans", "sans-serif"],
    "font.size": 11,
    "svg.fonttype": "none",
    "svg.hashsalt": "kitro-np",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "path.simplify": True,
}


def main(folder: Path) -> None:
    """Draw all figures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    before_after(folder / "before_after.png")
    clip = kitro_np.example()
    tree = explain_kitro(**clip, row=FRAME)
    (folder / "tree.svg").write_bytes(picture_of_kitro(tree))
    with mpl.rc_context(STYLE):
        rays(folder / "rays.svg")
        evidence(folder / "evidence.svg")
        spreads(folder / "spreads.svg")
    views: Any = kitro_np.example("real")
    (folder / "weights.svg").write_bytes(picture_of_map(explain_map(**views, row=VIEW)))
    views["keypoints_2d"] = views["keypoints_2d"].copy()
    views["keypoints_2d"][VIEW] = anothers_keypoints(views["keypoints_2d"])
    (folder / "refused.svg").write_bytes(picture_of_map(explain_map(**views, row=VIEW)))


def anothers_keypoints(keypoints_2d: np.ndarray) -> np.ndarray:
    """Keypoints of another view, moved and scaled to where those of VIEW are."""
    own, others = keypoints_2d[VIEW], keypoints_2d[STRANGER].copy()
    centre, size = own[:, :2].mean(axis=0), own[:, 1].std()
    others[:, :2] = (others[:, :2] - others[:, :2].mean(axis=0)) / others[:, 1].std() * size + centre
    return others


def before_after(path: Path) -> None:
    """Draw an estimate, the refined body, its keypoints, and the refined body from the side."""
    views: Any = kitro_np.example("real")
    names = ("pose", "betas", "transl", "keypoints_2d", "intrinsics")
    one: Any = {name: views[name][VIEW : VIEW + 1] for name in names}
    layout = views["keypoint_layout"]
    result = kitro_np.refine(**one, keypoint_layout=layout, body=views["body"])
    shown = shown_of(
        result,
        estimate=[one[name] for name in names[:3]],
        keypoints_2d=one["keypoints_2d"],
        keypoint_layout=layout,
        intrinsics=one["intrinsics"],
    )
    picture = overlay(None, shown, panels=("before", "after", "keypoints", "side"), crop=True)
    small = Image.fromarray(picture).resize(
        (WIDE, round(WIDE * picture.shape[0] / picture.shape[1])), Image.Resampling.LANCZOS
    )
    small.save(path, optimize=True)


# --------------------------------------------------------------------------------------------- the rays


def rays(path: Path) -> None:
    """Draw the two places where a wrist can be, as in Fig. 3 of the paper."""
    ray_angle, bone_angle = np.radians(9.5), np.radians(68)
    elbow = np.array([[[0.0, 0.0, ELBOW_AWAY]]])
    on_plane = np.array([[[0.0, np.tan(ray_angle)]]])
    bone = bone_rays(elbow, np.full((1, 1, 1), FOREARM), np.zeros((1, 1, 2)), on_plane, np.eye(3)[None])
    solutions, distances = intersect(bone, np.full((1, 1, 1), ELBOW_AWAY))
    ends = solutions[0, 0][:, [2, 1]]  # along the elbow's ray, and across
    estimate = FOREARM * np.array([np.cos(bone_angle), np.sin(bone_angle)])
    cosines = ends @ estimate / FOREARM / np.linalg.norm(ends, axis=1)
    centre = np.array([ELBOW_AWAY, 0.0])

    figure = Figure(figsize=(9.6, 4.7), layout="constrained")
    axes = figure.subplots()
    axes.set_aspect("equal")
    axes.axis("off")
    far = ELBOW_AWAY + 1.5 * FOREARM
    axes.plot([0, far], [0, far * np.tan(ray_angle)], color=INK, lw=1.3)
    axes.plot([0, far], [0, 0], color=SOFT, lw=1.3, ls=(0, (5, 4)))
    axes.add_patch(Circle(centre, FOREARM, fc="#f3f6fa", ec=SOFT, lw=1.2, zorder=0))
    axes.plot([PLANE, PLANE], [-0.16, 0.22], color=INK, lw=2)
    axes.plot([0, PLANE, PLANE, 0], [0, 0.22, -0.16, 0], color=SOFT, lw=0.8)
    axes.plot([PLANE, PLANE], [0, PLANE * np.tan(ray_angle)], "o", ms=8, color=ORANGE, mec="white", zorder=4)
    axes.plot(*np.stack([centre, centre + estimate]).T, color=SOFT, lw=3, ls=(0, (2, 1.2)))
    for end, colour in zip(ends, (BLUE, GREEN), strict=True):
        axes.plot(*np.stack([centre, centre + end]).T, color=colour, lw=5, solid_capstyle="round")
        axes.plot(*(centre + end), "o", ms=10, color=colour, mec="white", zorder=4)
    axes.plot(*centre, "o", ms=10, color=INK, mec="white", zorder=4)
    axes.plot(0, 0, "o", ms=7, color=INK)
    axes.text(0, -0.04, "camera", ha="center", va="top")
    axes.text(
        PLANE, -0.18, "image, with the\nkeypoints of elbow and wrist", ha="center", va="top", color=ORANGE
    )
    axes.text(0.41, 0.105, "the wrist's ray", rotation=np.degrees(ray_angle), rotation_mode="anchor")
    axes.text(0.56, -0.045, "the elbow's ray", color=SOFT)
    axes.text(ELBOW_AWAY, -0.04, "elbow", ha="center", va="top")
    axes.text(
        ELBOW_AWAY,
        -FOREARM + 0.05,
        "all wrists that a forearm\nof this length allows",
        ha="center",
        color=SOFT,
    )
    axes.text(*(centre + estimate + [0.0, 0.02]), "the estimate's forearm", color=SOFT, va="bottom")
    for k, (name, colour, place, side) in enumerate((
        ("away", BLUE, ends[0] + [0.06, -0.03], "left"),
        ("towards", GREEN, ends[1] + [-0.02, 0.03], "right"),
    )):  # fmt: skip
        text = f"{name}, {float(distances[0, 0, k, 0]):.2f} m: cosine {cosines[k]:.2f}"
        axes.text(*(centre + place), text.replace("-", "\N{MINUS SIGN}"), color=colour, weight="bold",
                  ha=side, va="bottom" if k else "top")  # fmt: skip
    axes.set_xlim(-0.1, far + 0.16)
    axes.set_ylim(-FOREARM - 0.03, 0.44)
    save(figure, path)


# ----------------------------------------------------------------------------------------- the evidence


def evidence(path: Path) -> None:
    """Draw how a keypoint and an estimate make a wrist: Gaussians in the plane of the camera's ray."""
    prior = np.diag([0.10**2, 0.075**2])  # along the view and across it, in metres
    seen = np.array([0.0, 1 / 0.012**2])  # a keypoint's precision: none along the view
    start, keypoint = np.array([0.03, -0.065]), 0.045
    spread = np.linalg.inv(np.linalg.inv(prior) + np.diag(seen))
    mean = spread @ (np.linalg.inv(prior) @ start + seen * [0, keypoint])

    figure = Figure(figsize=(9.6, 3.7), layout="constrained")
    axes = figure.subplots()
    axes.axhspan(keypoint - 0.012, keypoint + 0.012, color=ORANGE, alpha=0.22, lw=0)
    axes.axhline(keypoint, color=ORANGE, lw=1)
    for centre, covariance, colour in ((start, prior, SOFT), (mean, spread, BLUE)):
        wide, high = 2 * np.sqrt(np.diag(covariance))
        axes.add_patch(Ellipse(centre, wide, high, fc=colour, alpha=0.25, lw=0))
        axes.add_patch(Ellipse(centre, wide, high, fill=False, ec=colour, lw=1.6))
        axes.plot(*centre, "o", ms=8, color=colour, mec="white", zorder=4)
    axes.annotate("", mean, start, arrowprops={"arrowstyle": "->", "color": INK, "lw": 1.4, "shrinkA": 6})
    axes.text(start[0], start[1] - 0.025, "estimate and motion prior", color=SOFT, ha="center", va="top")
    axes.text(0.36, keypoint + 0.018, "keypoint: sharp across the view only",
              color=ORANGE, ha="right", va="bottom")  # fmt: skip
    axes.text(
        mean[0], keypoint + 0.018, "most probable wrist", color=BLUE, ha="center", va="bottom", weight="bold"
    )
    axes.annotate("", (-0.23, -0.12), (-0.37, -0.12), arrowprops={"arrowstyle": "->", "color": SOFT})
    axes.text(-0.30, -0.115, "the camera looks this way", color=SOFT, ha="center", va="bottom")
    axes.set_aspect("equal")
    axes.set_xlim(-0.4, 0.37)
    axes.set_ylim(-0.155, 0.105)
    axes.set_xlabel("along the view, m")
    axes.set_ylabel("across it, m")
    save(figure, path)


def spreads(path: Path) -> None:
    """Draw the joints' spreads that `map` gives: with all keypoints, and without those of the left arm."""
    views: Any = kitro_np.example("real")
    names = ("pose", "betas", "transl", "keypoints_2d", "intrinsics")
    two = {name: np.stack([views[name][VIEW]] * 2) for name in names}
    points = kitro_np.find_layout(views["keypoint_layout"], kitro_np.load_body(views["body"])).names
    two["keypoints_2d"][1, [points.index("left_elbow"), points.index("left_wrist")]] = np.nan
    result = kitro_np.refine(
        **two, keypoint_layout=views["keypoint_layout"], body=views["body"], uncertainty=True
    )
    joints = result.joints()
    joints = joints - joints[:, :1]
    parents = result.body.skeleton.parents
    figure = Figure(figsize=(9.6, 4.5))
    for k in range(4):
        row, side = divmod(k, 2)
        axes = figure.add_axes((0.25 * k, 0.0, 0.25, 0.84))
        flat = joints[row][:, [2, 1]] if side else joints[row][:, :2]
        for joint, parent in enumerate(parents):
            if parent >= 0:
                axes.plot(*flat[[parent, joint]].T, color=INK, lw=1.8, zorder=2)
        for joint in DRAWN:
            unseen = row == 1 and joint in LEFT_ARM
            colour = ORANGE if unseen else BLUE
            spread = result.joint_spread[row, joint]
            axes.add_patch(Circle(flat[joint], spread, fc=colour, alpha=0.35, lw=0))
        middle = (flat.min(axis=0) + flat.max(axis=0)) / 2
        axes.set_aspect("equal")
        axes.set_xlim(middle[0] - 0.66, middle[0] + 0.66)
        axes.set_ylim(middle[1] + 1.05, middle[1] - 1.0)
        axes.axis("off")
        figure.text(
            0.25 * k + 0.125, 0.86, ("from the camera", "from the side")[side], color=SOFT, ha="center"
        )
        if not side:
            wrist = 1000 * result.joint_spread[row, WRIST]
            what = "elbow and wrist not seen" if row else "all keypoints seen"
            text = f"{what}: left wrist \N{PLUS-MINUS SIGN} {wrist:.0f} mm"
            figure.text(
                0.25 * k + 0.25, 0.94, text, color=ORANGE if row else BLUE, ha="center", weight="bold"
            )
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as SVG, the same bytes each time."""
    FigureCanvasAgg(figure)
    figure.savefig(path, format="svg", metadata={"Date": None}, bbox_inches="tight", pad_inches=0.08)
    text = path.read_text(encoding="utf-8")
    path.write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "agg")
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
