"""Picture of an explanation of ``kitro``: the decision tree, as in Fig. 4 of the paper.

The tree grows to the right, a column a depth. Each node on the selected path has two branches: up is away
from the camera, down towards it.
"""

from __future__ import annotations

import numpy as np

from .drawing import BLUE, FAINT, GREEN, INK, LETTER, PAPER, RED, SOFT, WIDTH, Drawing
from .kitro_text import heading_of_kitro
from .kitro_tree import BRANCHES, KitroExplanation
from .wording import shortened

TOP, ROW, SIDE, BRANCH = 132, 112, 48, 40
"""Height of the heading and of a limb's row, width of the margin, and distance of two branches, in pixels."""

NODE, OTHER = 8, 5
"""Radii of nodes that are taken and that are not."""

OPEN = 0.9
"""Ratio of the other path's product from which on a choice is open."""

COLOURS = (BLUE, GREEN)
"""Of branches away from the camera and towards it."""


def picture_of_kitro(found: KitroExplanation) -> bytes:
    """Draw the decision tree of a body, and return an SVG file."""
    places, rows = _places(found)
    drawing = Drawing(TOP + rows * ROW + 10, heading_of_kitro(found))
    _legend(drawing)
    ratio, overruled = found.other_path, found.overruled
    for j in range(1, len(found.parents)):
        start, (x, y) = places[found.parents[j]], places[j]
        taken = int(found.selection[j])
        side = -1 if taken else 1  # the other branch is above if this one is towards the camera
        other = (x, y + side * BRANCH)
        drawing.line(start, other, SOFT, 1.3, dashes="4 3")
        drawing.line(start, (x, y), COLOURS[taken], 4)
        _cosine(drawing, start, other, found.cosines[j, 1 - taken], SOFT, 0.8)
    for j in range(1, len(found.parents)):
        start, (x, y) = places[found.parents[j]], places[j]
        taken = int(found.selection[j])
        side = -1 if taken else 1
        _cosine(drawing, start, (x, y), found.cosines[j, taken], COLOURS[taken], 0.55, bold=True)
        drawing.circle((x, y + side * BRANCH), OTHER, PAPER, SOFT, 1.5)
        text = "no other" if not found.reachable[j] else f"\N{MULTIPLICATION SIGN}{ratio[j]:.2f}"
        colour = RED if found.reachable[j] and ratio[j] > OPEN else SOFT
        if found.parents.count(j) > 1:  # branches leave to the right, up and down
            base = y + side * BRANCH + (17 if side > 0 else -9)
            drawing.text(x, base, text, 12, colour=colour, anchor="middle", halo=True)
        else:
            drawing.text(x + 9, y + side * BRANCH + 4, text, 12, colour=colour, halo=True)
        drawing.circle(
            (x, y), NODE, COLOURS[taken], RED if overruled[j] else PAPER, 3 if overruled[j] else 1.5
        )
        name = shortened(found.joint_names[j], 15)
        below = side < 0
        drawing.text(x, y + (22 if below else -27), name, 12, anchor="middle", halo=True, weight="bold")
        drawing.text(
            x, y + (37 if below else -13), f"{found.distances[j, taken]:.2f} m", 11, colour=SOFT,
            anchor="middle", halo=True,
        )  # fmt: skip
    x, y = places[0]
    drawing.circle((x, y), NODE, INK)
    drawing.text(x + 3, y - 14, found.joint_names[0], 12, anchor="end", weight="bold", halo=True)
    drawing.text(x + 3, y + 23, f"{found.root_distance:.2f} m", 11, colour=SOFT, anchor="end", halo=True)
    return drawing.as_bytes()


def _places(found: KitroExplanation) -> tuple[list[tuple[float, float]], int]:
    """Place joints: leaves one below the other, left limbs above right ones, parents amid their children."""
    parents = found.parents
    children: list[list[int]] = [[] for _ in parents]
    depth = [0] * len(parents)
    for j, parent in enumerate(parents[1:], start=1):
        children[parent].append(j)
        depth[j] = depth[parent] + 1
    rows, height = 0, np.zeros(len(parents))

    def sided(j: int) -> int:
        words = found.joint_names[j].split("_")
        return -1 if "left" in words else 1 if "right" in words else 0

    def place(j: int) -> None:
        nonlocal rows
        if not children[j]:
            height[j], rows = rows, rows + 1
            return
        for child in sorted(children[j], key=sided):
            place(child)
        own = [height[child] for child in children[j]]
        height[j] = (min(own) + max(own)) / 2

    place(0)
    step = (WIDTH - 2 * SIDE - 16) / max(max(depth), 1)
    places = [(SIDE + step * depth[j], TOP + ROW * (height[j] + 0.5)) for j in range(len(parents))]
    return places, rows


def _cosine(
    drawing: Drawing, start: tuple[float, float], end: tuple[float, float], cosine: float, colour: str,
    share: float, *, bold: bool = False,
) -> None:  # fmt: skip
    """Write a cosine at its edge."""
    x, y = (a + share * (b - a) for a, b in zip(start, end, strict=True))
    text = f"{cosine:.2f}".replace("-", "\N{MINUS SIGN}")
    wide = 12 * LETTER * len(text) + 2
    drawing.box(x - wide / 2, y - 7, wide, 14, PAPER)
    drawing.text(x, y + 4, text, 12, colour=colour, anchor="middle", weight="bold" if bold else "normal")


def _legend(drawing: Drawing) -> None:
    y = 66
    drawing.text(
        20, y, "Each bone has two solutions on its keypoint's ray; at the edges their cosines with the "
        "estimate's bone. Orange \N{MULTIPLICATION SIGN}: an open choice.", 13, colour=SOFT,
    )  # fmt: skip
    y += 26
    for x, name, colour in ((20, BRANCHES[0], COLOURS[0]), (170, BRANCHES[1], COLOURS[1])):
        drawing.line((x, y - 4), (x + 30, y - 4), colour, 4)
        drawing.circle((x + 30, y - 4), NODE, colour)
        drawing.text(x + 45, y, f"taken, {name}", 13)
    drawing.line((340, y - 4), (370, y - 4), SOFT, 1.3, dashes="4 3")
    drawing.circle((370, y - 4), OTHER, PAPER, SOFT, 1.5)
    drawing.text(382, y, "not taken; \N{MULTIPLICATION SIGN} best product with it, over the best", 13)
    drawing.circle((738, y - 4), NODE, PAPER, RED, 3)
    drawing.text(752, y, "decided by the bones after it", 13)
    drawing.line((20, y + 16), (WIDTH - 20, y + 16), FAINT)
