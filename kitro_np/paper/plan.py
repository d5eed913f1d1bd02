"""A plan: the runs of an experiment, and the page of their results."""

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
"""Methods of the paper except networks, and this package's ``map``."""

USUAL = {"mpjpe": "MPJPE", "pa_mpjpe": "PA-MPJPE", "pve": "PVE"}
"""Metrics of the paper's tables, in millimetres, and their titles."""


class Plan(NamedTuple):
    """The runs of an experiment by name, and the function that makes its page from their measurements."""

    runs: Mapping[str, Run]
    page: Callable[[Mapping[str, Measured]], Page]


def steps_for(data: DataSet, *steps: Step) -> tuple[Step, ...]:
    """Return steps for a data set: for hands with a fixed camera, as in the paper."""
    fixed = {"camera_update": "fixed"} if data.hand else {}
    return tuple({**step, **fixed} if step["method"] == "kitro" else step for step in steps)


def usual_row(label: str, measured: Measured) -> list[Cell]:
    """Return a row of the usual errors."""
    return [label, *(measured.mean(name) for name in USUAL)]


def named(*names: str) -> str:
    """Return the name of a run, from the names of what it depends on."""
    return " / ".join(map(str, names))
