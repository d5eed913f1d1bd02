"""A plan: the runs that an experiment needs, and the page it makes of what they measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from .page import Cell, Page
from .runs import Measured, Run, Step
from .sets import DataSet

KITRO: Step = {"method": "kitro"}
SMPLIFY: Step = {"method": "smplify"}

MAP: Step = {"method": "map"}

METHODS: dict[str, tuple[Step, ...]] = {
    "estimate": (),
    "smplify": (SMPLIFY,),
    "kitro": (KITRO,),
    "map": (MAP,),
}
"""What the paper compares, whose other competitors are networks, and this package's own method."""

USUAL = {"mpjpe": "MPJPE", "pa_mpjpe": "PA-MPJPE", "pve": "PVE"}
"""What the paper's tables show, in millimetres."""


class Plan(NamedTuple):
    """The runs of an experiment under names of its own, and its page of them."""

    runs: Mapping[str, Run]
    page: Callable[[Mapping[str, Measured]], Page]


def steps_for(data: DataSet, *steps: Step) -> tuple[Step, ...]:
    """Return steps with the camera left alone where it is known, as the paper does for hands."""
    fixed = {"camera_update": "fixed"} if data.hand else {}
    return tuple({**step, **fixed} if step["method"] == "kitro" else step for step in steps)


def usual_row(label: str, measured: Measured) -> list[Cell]:
    """Row of the usual errors."""
    return [label, *(measured.mean(name) for name in USUAL)]


def named(*names: str) -> str:
    """Name of a run: the names of what it depends on."""
    return " / ".join(map(str, names))
