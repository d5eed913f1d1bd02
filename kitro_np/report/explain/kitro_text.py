"""Text of an explanation of ``kitro``: a line a bone."""

from __future__ import annotations

import numpy as np

from .kitro_tree import BRANCHES, KitroExplanation
from .wording import fitted, shortened

MOST = 34
"""Bones in the table; of a body with more, those whose choice is most open."""


def heading_of_kitro(found: KitroExplanation) -> str:
    """Return which body, loop and product are explained."""
    return (
        f"Row {found.row} by kitro ({found.method.variant}), loop {found.iteration} of "
        f"{found.method.iterations}: the best path's product is {found.path_score:.3g}"
    )


def text_of_kitro(found: KitroExplanation) -> list[str]:
    """Return lines that say which branch each bone takes, and why."""
    bones = np.arange(1, len(found.parents))
    ratio = found.other_path
    shown = bones
    if len(bones) > MOST:
        shown = np.sort(bones[np.argsort(-np.nan_to_num(ratio[bones]), kind="stable")][:MOST])
    lines = [
        heading_of_kitro(found),
        f"{found.joint_names[0]} {found.root_distance:.2f} m from the camera; cosines are between each "
        "solution and the",
        "estimate's bone; other path: best product with the other branch, over the best",
        "",
        f"{'bone to':<17}{'takes':<9}{'cos away':>8}{'cos towards':>13}{'other path':>12}{'distance':>11}",
    ]
    for j in shown:
        taken = found.selection[j]
        note = "  !" if found.overruled[j] else "" if found.reachable[j] else "  -"
        away, towards = (f"{value:+.3f}" for value in found.cosines[j])
        lines.append(
            f"{shortened(found.joint_names[j], 16):<17}{BRANCHES[taken]:<9}{away:>8}{towards:>13}"
            f"{ratio[j]:>12.3f}{found.distances[j, taken]:>9.2f} m{note}"
        )
    if len(shown) < len(bones):
        lines.append(f"and {len(bones) - len(shown)} more bones, whose choice is clearer")
    if found.overruled[shown].any():
        lines.append("!  the other branch has the larger cosine: bones below it decide")
    if not found.reachable[shown].all():
        lines.append("-  the ray misses the sphere of the bone's length: both branches are one")
    return fitted(lines)
