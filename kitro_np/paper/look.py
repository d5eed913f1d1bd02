"""The look of figures: each method has its colour, marker, line and hatch, the same in all of them."""

from __future__ import annotations

from typing import Any, NamedTuple

LONGEST = 70
"""Letters of a data set's name that fit above a figure; of a longer one, as paths are, the end is shown."""


class Look(NamedTuple):
    """How a method is drawn."""

    colour: str
    marker: str
    line: str
    hatch: str


LOOKS = {
    "estimate": Look("#000000", "s", ":", ""),
    "smplify": Look("#D55E00", "^", "--", "//"),
    "kitro": Look("#0072B2", "o", "-", "\\\\"),
    "map": Look("#009E73", "D", "-.", "xx"),
}
"""Colours of Okabe and Ito, which colour-blind readers tell apart; no two methods share a mark."""


def axes_of(figure: Any, title: str, name: str, panels: int = 1) -> list[Any]:
    """Return panels side by side under a title and the data set's name, their grids behind what is drawn."""
    shown = name if len(name) <= LONGEST else f"\N{HORIZONTAL ELLIPSIS}{name[1 - LONGEST :]}"
    figure.suptitle(f"{title}\n{shown}", fontsize=11, parse_math=False)
    axes = list(figure.subplots(1, panels, squeeze=False)[0])
    for one in axes:
        one.grid(alpha=0.3)
        one.set_axisbelow(True)
        one.spines[["top", "right"]].set_visible(False)
    return axes


def draw_curve(axes: Any, method: str, x: Any, y: Any, *, joined: bool = True) -> None:
    """Draw a method's values as marks on its line, or not `joined` as marks alone."""
    look = LOOKS[method]
    line = look.line if joined else "none"
    axes.plot(x, y, color=look.colour, marker=look.marker, linestyle=line, markersize=5, label=method)


def draw_level(axes: Any, method: str, x: tuple[float, float], value: float) -> None:
    """Draw a method's one value from here to there, its mark near the end, where no curve has one."""
    look = LOOKS[method]
    axes.plot(
        [x[0], 0.05 * x[0] + 0.95 * x[1], x[1]],
        [value] * 3,
        color=look.colour,
        marker=look.marker,
        linestyle=look.line,
        markersize=5,
        markevery=[1],
        label=method,
    )


def draw_bar(axes: Any, method: str, x: float, height: float) -> None:
    """Draw a method's value as a bar with the figure above it."""
    look = LOOKS[method]
    bar = axes.bar(
        x,
        height,
        width=0.6,
        color=look.colour,
        hatch=look.hatch,
        edgecolor="white",
        linewidth=0,
        label=method,
    )
    axes.bar_label(bar, fmt="%.1f", padding=2)


def draw_steps(axes: Any, method: str, values: Any, edges: Any) -> None:
    """Draw the outline of a method's histogram."""
    look = LOOKS[method]
    axes.hist(
        values, edges, histtype="step", linewidth=1.8, color=look.colour, linestyle=look.line, label=method
    )


def add_legend(axes: Any, **how: Any) -> None:
    """Add a legend that what it lies on shines through."""
    axes.legend(**{"framealpha": 0.85, "edgecolor": "none", "fontsize": 9, "handlelength": 3, **how})
