"""Style of figures: each method has the same colour, marker, line and hatch in all of them."""

from __future__ import annotations

from typing import Any, NamedTuple

MAX_NAME = 70
"""Characters of a data set's name that fit above a figure; of a longer name the end is shown."""

MARKER_SIZE = 5
"""In points."""


class MethodStyle(NamedTuple):
    """Style of a method in figures."""

    colour: str
    marker: str
    line: str
    hatch: str


STYLES = {
    "estimate": MethodStyle("#000000", "s", ":", ""),
    "smplify": MethodStyle("#D55E00", "^", "--", "//"),
    "kitro": MethodStyle("#0072B2", "o", "-", "\\\\"),
    "map": MethodStyle("#009E73", "D", "-.", "xx"),
}
"""Styles by method, in colours of Okabe and Ito, which are distinguishable for colour-blind readers."""


def axes_of(figure: Any, title: str, name: str, panels: int = 1) -> list[Any]:
    """Return panels side by side under a title and the data set's name, with grids behind the data."""
    shown = name if len(name) <= MAX_NAME else f"\N{HORIZONTAL ELLIPSIS}{name[1 - MAX_NAME :]}"
    figure.suptitle(f"{title}\n{shown}", fontsize=11, parse_math=False)
    all_axes = list(figure.subplots(1, panels, squeeze=False)[0])
    for axes in all_axes:
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return all_axes


def draw_curve(axes: Any, method: str, x: Any, y: Any, *, joined: bool = True) -> None:
    """Draw a method's values as markers, joined by a line unless `joined` is False."""
    style = STYLES[method]
    line = style.line if joined else "none"
    axes.plot(
        x, y, color=style.colour, marker=style.marker, linestyle=line, markersize=MARKER_SIZE, label=method
    )


def draw_level(axes: Any, method: str, x: tuple[float, float], value: float) -> None:
    """Draw a method's value as a horizontal line, with a marker near its end, away from those of curves."""
    style = STYLES[method]
    axes.plot(
        [x[0], 0.05 * x[0] + 0.95 * x[1], x[1]],
        [value] * 3,
        color=style.colour,
        marker=style.marker,
        linestyle=style.line,
        markersize=MARKER_SIZE,
        markevery=[1],
        label=method,
    )


def draw_bar(axes: Any, method: str, x: float, height: float) -> None:
    """Draw a method's value as a bar with the number above it."""
    style = STYLES[method]
    bar = axes.bar(
        x,
        height,
        width=0.6,
        color=style.colour,
        hatch=style.hatch,
        edgecolor="white",
        linewidth=0,
        label=method,
    )
    axes.bar_label(bar, fmt="%.1f", padding=2)


def draw_steps(axes: Any, method: str, values: Any, edges: Any) -> None:
    """Draw the outline of a method's histogram."""
    style = STYLES[method]
    axes.hist(
        values, edges, histtype="step", linewidth=1.8, color=style.colour, linestyle=style.line, label=method
    )


def add_legend(axes: Any, **options: Any) -> None:
    """Add a translucent legend."""
    axes.legend(**{"framealpha": 0.85, "edgecolor": "none", "fontsize": 9, "handlelength": 3, **options})
