"""The paper's tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .beside import beside, published_only, told_apart
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
"""The rows of Table 1."""

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
"""What the paper calls them; the estimate is Table 2's."""

PAIRS_2 = {"estimate": "CLIFF*", "smplify": "CLIFF + SMPLify*", "kitro": "CLIFF + KITRO"}
PAIRS_4 = {"estimate": "CLIFF"}
PAIRS_5 = {
    "estimate": "MANO baseline*",
    "smplify": "MANO baseline + SMPLify*",
    "kitro": "MANO baseline + KITRO",
}
"""Rows of the other tables that both have, ours first."""

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

    theirs = (published("2", "CLIFF*", "3DPW"), *of_table("1"))

    def page(measured: Mapping[str, Measured]) -> Page:
        tables, remarks = [], []
        for data, stem in _stems(sets.people, "table1"):
            own = {row: measured[named(data.name, row)] for row in ("estimate", *ABLATIONS)}
            tables.append(beside(data, own, theirs, PAIRS_1, stem))
            remarks.append(_orders(data.name, own))
        return Page(tables, [*remarks, *told_apart(sets.people, theirs)])

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
    theirs = of_table("2")

    def page(measured: Mapping[str, Measured]) -> Page:
        tables = [
            beside(data, _by_method(measured, data), theirs, PAIRS_2, stem)
            for data, stem in _stems(sets.people, "table2")
        ]
        remark = '"Other protocol" knows the gender of each person.'
        return Page(tables, [*told_apart(sets.people, theirs), remark])

    return Plan(_runs_of_methods(sets.people), page)


def table_3(sets: Sets) -> Plan:
    """Plan Table 3: methods on other networks' estimates; networks that no set is of are published only."""
    networks: dict[str, list[Published]] = {}
    for one in of_table("3"):
        networks.setdefault(one.row.split(" + ")[0], []).append(one)

    def page(measured: Mapping[str, Measured]) -> Page:
        tables, left = [], dict(networks)
        for data, stem in _stems(sets.bases, "table3"):
            network = next((name for name in networks if _is_of(data, name)), "")
            left.pop(network, None)
            pairs = {
                "estimate": network,
                "smplify": f"{network} + SMPLify*",
                "kitro": f"{network} + KITRO",
            }
            own = _by_method(measured, data)
            tables.append(beside(data, own, networks.get(network, ()), pairs, stem))
        rest = [one for rows in left.values() for one in rows]
        if rest:
            tables.append(published_only(rest, "table3-published"))
        return Page(tables, told_apart(sets.bases, of_table("3")))

    return Plan(_runs_of_methods(sets.bases), page)


def _is_of(data: DataSet, network: str) -> bool:
    """Whether a set's name holds the network's as a word."""
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
"""The rows of Table 4."""


def table_4(sets: Sets) -> Plan:
    """Plan Table 4: refinement on top of a result that is refined already."""
    runs = {
        named(data.name, row): Run(data, steps_for(data, *steps))
        for data in sets.people
        for row, steps in TWICE.items()
    }

    theirs = of_table("4")

    def page(measured: Mapping[str, Measured]) -> Page:
        tables = [
            beside(data, {row: measured[named(data.name, row)] for row in TWICE}, theirs, PAIRS_4, stem)
            for data, stem in _stems(sets.people, "table4")
        ]
        remark = "The paper refines what CLIFFr refined, which is not run here: SMPLify takes its place."
        return Page(tables, [*told_apart(sets.people, theirs), remark])

    return Plan(runs, page)


def table_5(sets: Sets) -> Plan:
    """Plan Table 5: hands, their camera known."""
    theirs = of_table("5")
    base, refined = (
        published("5", PAIRS_5[method], "FreiHAND").errors["pa_mpjpe"] for method in ("estimate", "kitro")
    )

    def page(measured: Mapping[str, Measured]) -> Page:
        tables = [
            beside(data, _by_method(measured, data), theirs, PAIRS_5, stem, (*USUAL, "pa_pve"))
            for data, stem in _stems(sets.hands, "table5")
        ]
        remarks = [
            *told_apart(sets.hands, theirs),
            "All joints count. The translation is known: KITRO leaves it, SMPLify moves it.",
        ]
        for data in sets.hands:
            before, after = (
                measured[named(data.name, method)].mean("pa_mpjpe") for method in ("estimate", "kitro")
            )
            falls = f"{_fall(before, after)} off PA-MPJPE; in the paper {_fall(base, refined)}"
            remarks.append(f"{data.name}: KITRO takes {falls}.")
        return Page(tables, remarks)

    return Plan(_runs_of_methods(sets.hands), page)


def _fall(before: float, after: float) -> str:
    return f"{100 * (1 - after / before):.0f}%"


def _stems(data_sets: Sequence[DataSet], name: str) -> list[tuple[DataSet, str]]:
    """Give each data set the name of its files: a number where there are several."""
    several = len(data_sets) > 1
    return [(data, f"{name}-{k}" if several else name) for k, data in enumerate(data_sets, start=1)]
