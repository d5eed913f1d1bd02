"""The paper's tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from .page import Page, Table
from .plan import KITRO, MAP, METHODS, SMPLIFY, Plan, named, steps_for, usual_header, usual_row
from .published import BASES_3DPW, CLIFF_3DPW, HAND, KITRO_3DPW, KITRO_HAND, NONE, Figures
from .runs import Measured, Run, Step
from .sets import NETWORKS, DataSet, Sets

PUBLISHED_ON = "The paper's figures are for CLIFF's estimates on 3DPW; - where they could not be checked."

ABLATIONS: dict[str, Step] = {
    "full method": {},
    "camera fixed": {"camera_update": "fixed"},
    "camera, hard update": {"camera_update": "hard"},
    "camera, focal length 5000": {"focal_length": 5000.0},
    "betas fixed": {"shape_update": "fixed"},
    "betas from 2D joints (Eq. 3)": {"shape_update": "joints_2d"},
    "pose fixed": {"pose_update": "fixed"},
    "pose, greedy, hard": {"search": "greedy", "pose_update": "hard"},
    "pose, greedy, soft": {"search": "greedy"},
    "pose, tree, hard": {"pose_update": "hard"},
}
"""The rows of Table 1."""

ORDERS = [
    *(("full method", row) for row in ABLATIONS if row != "full method"),
    ("pose, greedy, soft", "pose, greedy, hard"),
    ("pose, tree, hard", "pose, greedy, hard"),
    ("betas from 2D joints (Eq. 3)", "betas fixed"),
]
"""Rows that come out better than others if the parts of the method are worth what the paper says."""


def table_1(sets: Sets) -> Plan:
    """Plan Table 1: what each part of the method is worth."""
    runs = {
        named(data.name, row): Run(data, ({**KITRO, **step},))
        for data in sets.people
        for row, step in ABLATIONS.items()
    }
    runs |= {named(data.name, "estimate"): Run(data) for data in sets.people}

    def page(found: Mapping[str, Measured]) -> Page:
        tables, remarks = [], []
        for data, stem in _stems(sets.people, "table1"):
            own = {row: found[named(data.name, row)] for row in ("estimate", *ABLATIONS)}
            known = {"estimate": CLIFF_3DPW, "full method": KITRO_3DPW}
            rows = [usual_row(row, measured, known.get(row, NONE)) for row, measured in own.items()]
            tables.append(Table(usual_header(data.name, published=True), rows, stem))
            remarks.append(_orders(data.name, own))
        return Page(tables, [*remarks, PUBLISHED_ON])

    return Plan(runs, page)


def _orders(name: str, own: Mapping[str, Measured]) -> str:
    """Say which rows do not order as the method's worth would have it, by MPJPE."""
    errors = {row: measured.mean("mpjpe") for row, measured in own.items()}
    upset = [
        f"{better} ({errors[better]:.2f}) is not better than {worse} ({errors[worse]:.2f})"
        for better, worse in ORDERS
        if not errors[better] < errors[worse]
    ]
    if upset:
        return f"{name}: {'; '.join(upset)}, in mm of MPJPE."
    return (
        f"{name}: the full method is better than every row that leaves out or changes a part of it, a soft "
        "update better than a hard one, the tree better than greedy choices, Eq. 3 better than fixed betas "
        "(MPJPE)."
    )


def table_2(sets: Sets) -> Plan:
    """Plan Table 2: methods on CLIFF's estimates."""
    known = {"estimate": CLIFF_3DPW, "kitro": KITRO_3DPW}
    return _methods(sets.people, "table2", lambda data, method: known.get(method, NONE), [PUBLISHED_ON])


def table_3(sets: Sets) -> Plan:
    """Plan Table 3: methods on other networks' estimates."""

    def published(data: DataSet, method: str) -> Figures:
        known = {f"simulated, errors like {NETWORKS[key]}": NETWORKS[key] for key in NETWORKS}
        network = known.get(data.name, data.name)
        return BASES_3DPW.get(network, NONE) if method == "estimate" else NONE

    return _methods(sets.bases, "table3", published, ["The paper's figures are for 3DPW."])


def _methods(
    data_sets: Sequence[DataSet],
    name: str,
    published: Callable[[DataSet, str], Figures],
    remarks: list[str],
) -> Plan:
    runs = {
        named(data.name, method): Run(data, steps_for(data, *steps))
        for data in data_sets
        for method, steps in METHODS.items()
    }

    def page(found: Mapping[str, Measured]) -> Page:
        tables = []
        for data, stem in _stems(data_sets, name):
            rows = [
                usual_row(method, found[named(data.name, method)], published(data, method))
                for method in METHODS
            ]
            tables.append(Table(usual_header(data.name, published=True), rows, stem))
        return Page(tables, remarks)

    return Plan(runs, page)


TWICE: dict[str, tuple[Step, ...]] = {
    "estimate": (),
    "smplify": (SMPLIFY,),
    "smplify, then kitro": (SMPLIFY, KITRO),
    "kitro": (KITRO,),
    "kitro, then kitro": (KITRO, KITRO),
    "kitro, then smplify": (KITRO, SMPLIFY),
    "map": (MAP,),
    "kitro, then map": (KITRO, MAP),
}
"""The rows of Table 4."""


def table_4(sets: Sets) -> Plan:
    """Plan Table 4: refinement on top of a result that is refined already."""
    runs = {
        named(data.name, row): Run(data, steps_for(data, *steps))
        for data in sets.people
        for row, steps in TWICE.items()
    }

    def page(found: Mapping[str, Measured]) -> Page:
        tables = [
            Table(
                usual_header(data.name, published=False),
                [usual_row(row, found[named(data.name, row)], None) for row in TWICE],
                stem,
            )
            for data, stem in _stems(sets.people, "table4")
        ]
        return Page(tables, ["The paper's own figures could not be checked and are left out."])

    return Plan(runs, page)


def table_5(sets: Sets) -> Plan:
    """Plan Table 5: hands, their camera known."""
    known = {"estimate": HAND, "kitro": KITRO_HAND}
    plan = _methods(sets.hands, "table5", lambda data, method: known.get(method, NONE), [])

    def page(found: Mapping[str, Measured]) -> Page:
        remarks = [
            "All joints count. The translation is known: KITRO leaves it, SMPLify moves it. The paper's "
            "figures are for real hands."
        ]
        for data in sets.hands:
            before, after = (
                found[named(data.name, method)].mean("pa_mpjpe") for method in ("estimate", "kitro")
            )
            remarks.append(
                f"{data.name}: PA-MPJPE falls by {100 * (1 - after / before):.0f}% (the paper: 48%)."
            )
        return Page(plan.page(found).tables, remarks)

    return Plan(plan.runs, page)


def _stems(data_sets: Sequence[DataSet], name: str) -> list[tuple[DataSet, str]]:
    """Give each data set the name of its files: a number where there are several."""
    several = len(data_sets) > 1
    return [(data, f"{name}-{k}" if several else name) for k, data in enumerate(data_sets, start=1)]
