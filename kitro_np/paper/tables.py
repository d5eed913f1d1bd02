"""The paper's tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .comparison import comparison_table, published_table, source_remarks
from .page import Page
from .plan import KITRO, MAP, METHODS, SMPLIFY, USUAL, Plan, named, steps_for
from .published import Published, of_table, published
from .runs import Measured, Run, Step
from .sets import DataSet, Sets

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
"""Rows of Table 1."""

PAIRS_1 = {
    "estimate": "CLIFF*",
    "full method": "KITRO",
    "camera fixed": "t fixed as t_0",
    "camera, hard update": "t hard update (Eq. 5)",
    "camera, focal length 5000": "large focal length (5000)",
    "betas fixed": "betas fixed as betas_0",
    "betas from 2D joints (Eq. 3)": "betas from L_j2D (Eq. 3)",
    "pose fixed": "pose fixed as pose_0",
    "pose, greedy, hard": "greedy, hard update",
    "pose, greedy, soft": "greedy, soft update",
    "pose, tree, hard": "decision tree, hard update",
}
"""The paper's names of these rows; the estimate is Table 2's."""

PAIRS_2 = {"estimate": "CLIFF*", "smplify": "CLIFF + SMPLify*", "kitro": "CLIFF + KITRO"}
PAIRS_4 = {"estimate": "CLIFF"}
PAIRS_5 = {
    "estimate": "MANO baseline*",
    "smplify": "MANO baseline + SMPLify*",
    "kitro": "MANO baseline + KITRO",
}
"""The paper's names of rows in the other tables that are measured here."""

ORDERS = [
    *(("full method", row) for row in ABLATIONS if row != "full method"),
    ("pose, greedy, soft", "pose, greedy, hard"),
    ("pose, tree, hard", "pose, greedy, hard"),
    ("betas from 2D joints (Eq. 3)", "betas fixed"),
]
"""Pairs of rows of which the first has smaller errors in the paper."""


def table_1(sets: Sets) -> Plan:
    """Plan Table 1: what each part of the method contributes."""
    runs = {
        named(data.name, row): Run(data, ({**KITRO, **step},))
        for data in sets.people
        for row, step in ABLATIONS.items()
    }
    runs |= {named(data.name, "estimate"): Run(data) for data in sets.people}

    paper_rows = (published("2", "CLIFF*", "3DPW"), *of_table("1"))

    def page(measured: Mapping[str, Measured]) -> Page:
        tables, remarks = [], []
        for data, stem in _stems(sets.people, "table1"):
            rows = {row: measured[named(data.name, row)] for row in ("estimate", *ABLATIONS)}
            tables.append(comparison_table(data, rows, paper_rows, PAIRS_1, stem))
            remarks.append(_order_remark(data.name, rows))
        return Page(tables, [*remarks, *source_remarks(sets.people, paper_rows)])

    return Plan(runs, page)


def _order_remark(name: str, rows: Mapping[str, Measured]) -> str:
    """Return a remark on the rows whose order by MPJPE differs from the paper's."""
    errors = {row: measured.mean("mpjpe") for row, measured in rows.items()}
    differences = [
        f"{better} ({errors[better]:.2f}) is not better than {worse} ({errors[worse]:.2f})"
        for better, worse in ORDERS
        if not errors[better] < errors[worse]
    ]
    if differences:
        return f"{name}: {'; '.join(differences)}, in mm of MPJPE."
    return (
        f"{name}: the full method is better than every row that leaves out or changes a part of it, a soft "
        "update better than a hard one, the tree better than greedy choices, Eq. 3 better than fixed betas "
        "(MPJPE)."
    )


def table_2(sets: Sets) -> Plan:
    """Plan Table 2: methods on CLIFF's estimates."""
    paper_rows = of_table("2")

    def page(measured: Mapping[str, Measured]) -> Page:
        tables = [
            comparison_table(data, _by_method(measured, data), paper_rows, PAIRS_2, stem)
            for data, stem in _stems(sets.people, "table2")
        ]
        remark = '"Other protocol" uses the gender of each person.'
        return Page(tables, [*source_remarks(sets.people, paper_rows), remark])

    return Plan(_runs_of_methods(sets.people), page)


def table_3(sets: Sets) -> Plan:
    """Plan Table 3: methods on other networks' estimates; for networks without a set, published rows only."""
    networks: dict[str, list[Published]] = {}
    for row in of_table("3"):
        networks.setdefault(row.row.split(" + ")[0], []).append(row)

    def page(measured: Mapping[str, Measured]) -> Page:
        tables, remaining = [], dict(networks)
        for data, stem in _stems(sets.bases, "table3"):
            network = next((name for name in networks if _is_of(data, name)), "")
            remaining.pop(network, None)
            pairs = {
                "estimate": network,
                "smplify": f"{network} + SMPLify*",
                "kitro": f"{network} + KITRO",
            }
            by_method = _by_method(measured, data)
            tables.append(comparison_table(data, by_method, networks.get(network, ()), pairs, stem))
        rest = [row for rows in remaining.values() for row in rows]
        if rest:
            tables.append(published_table(rest, "table3-published"))
        return Page(tables, source_remarks(sets.bases, of_table("3")))

    return Plan(_runs_of_methods(sets.bases), page)


def _is_of(data: DataSet, network: str) -> bool:
    """Whether the name of a set contains that of the network as a word."""
    return network.lower() in re.split(r"[\W_]+", data.name.lower())


def _runs_of_methods(data_sets: Sequence[DataSet]) -> dict[str, Run]:
    return {
        named(data.name, method): Run(data, steps_for(data, *steps))
        for data in data_sets
        for method, steps in METHODS.items()
    }


def _by_method(measured: Mapping[str, Measured], data: DataSet) -> dict[str, Measured]:
    return {method: measured[named(data.name, method)] for method in METHODS}


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
"""Rows of Table 4."""


def table_4(sets: Sets) -> Plan:
    """Plan Table 4: refinement of bodies that are already refined."""
    runs = {
        named(data.name, row): Run(data, steps_for(data, *steps))
        for data in sets.people
        for row, steps in TWICE.items()
    }

    paper_rows = of_table("4")

    def page(measured: Mapping[str, Measured]) -> Page:
        tables = [
            comparison_table(
                data, {row: measured[named(data.name, row)] for row in TWICE}, paper_rows, PAIRS_4, stem
            )
            for data, stem in _stems(sets.people, "table4")
        ]
        remark = "The paper refines results of CLIFFr, which is not run here; SMPLify replaces it."
        return Page(tables, [*source_remarks(sets.people, paper_rows), remark])

    return Plan(runs, page)


def table_5(sets: Sets) -> Plan:
    """Plan Table 5: hands with a known camera."""
    paper_rows = of_table("5")
    base, refined = (
        published("5", PAIRS_5[method], "FreiHAND").errors["pa_mpjpe"] for method in ("estimate", "kitro")
    )

    def page(measured: Mapping[str, Measured]) -> Page:
        tables = [
            comparison_table(data, _by_method(measured, data), paper_rows, PAIRS_5, stem, (*USUAL, "pa_pve"))
            for data, stem in _stems(sets.hands, "table5")
        ]
        remarks = [
            *source_remarks(sets.hands, paper_rows),
            "All joints are compared. The translation is known: KITRO keeps it, SMPLify changes it.",
        ]
        for data in sets.hands:
            before, after = (
                measured[named(data.name, method)].mean("pa_mpjpe") for method in ("estimate", "kitro")
            )
            decrease = f"{_decrease(before, after)}; in the paper by {_decrease(base, refined)}"
            remarks.append(f"{data.name}: KITRO reduces PA-MPJPE by {decrease}.")
        return Page(tables, remarks)

    return Plan(_runs_of_methods(sets.hands), page)


def _decrease(before: float, after: float) -> str:
    return f"{100 * (1 - after / before):.0f}%"


def _stems(data_sets: Sequence[DataSet], name: str) -> list[tuple[DataSet, str]]:
    """Return each data set with the name of its files, numbered if there are several."""
    several = len(data_sets) > 1
    return [(data, f"{name}-{k}" if several else name) for k, data in enumerate(data_sets, start=1)]
