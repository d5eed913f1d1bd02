"""What the paper publishes: that it is all there, as it was printed, and is never taken for ours."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kitro_np.paper import EXPERIMENTS, simulated_sets
from kitro_np.paper.beside import NOT_RUN
from kitro_np.paper.plan import METHODS
from kitro_np.paper.published import CONVERGED, IMPROVED, PUBLISHED, of_table, published
from kitro_np.paper.runs import Measured
from kitro_np.paper.tables import ORDERS, PAIRS_1, PAIRS_2, PAIRS_4, PAIRS_5

DOCS = Path(__file__).parents[1] / "docs" / "paper.md"

CELLS = """
1 | t fixed as t_0 | 46.68 28.53 57.76
1 | t hard update (Eq. 5) | 50.21 27.99 61.11
1 | large focal length (5000) | 52.46 32.72 63.61
1 | betas fixed as betas_0 | 69.02 35.00 84.25
1 | betas from L_j2D (Eq. 3) | 52.60 32.60 64.45
1 | pose fixed as pose_0 | 80.03 44.57 95.71
1 | greedy, hard update | 54.91 34.32 67.05
1 | greedy, soft update | 45.94 29.24 56.57
1 | decision tree, hard update | 52.15 32.18 63.82
1 | KITRO | 43.53 27.67 53.44
2 | CLIFF, other protocol | 69.0 43.0 81.2 - -
2 | CLIFF* | 73.67 43.76 91.58 55.18 36.16
2 | DynaBOA | 65.5 40.4 82.0 - -
2 | Pose2Mesh | 65.1 34.6 - 51.1 35.3
2 | CLIFF + CLIFFr, other protocol | 52.8 32.8 61.5 - -
2 | CLIFF + SMPLify* | 66.67 36.11 79.91 45.19 28.07
2 | CLIFF + CLIFFr* | 55.83 32.04 71.95 42.79 25.88
2 | CLIFF + KITRO | 43.53 27.67 53.44 34.50 21.04
3 | SPIN | 102.12 59.97 130.62
3 | SPIN + SMPLify* | 87.06 47.99 102.28
3 | SPIN + KITRO | 67.12 42.46 80.25
3 | EFT | 94.02 54.71 116.23
3 | EFT + SMPLify* | 82.39 44.69 96.50
3 | EFT + KITRO | 49.14 32.34 59.28
3 | PRoM | 67.6 42.0 79.2
3 | PRoM + SMPLify* | 65.21 35.67 78.02
3 | PRoM + KITRO | 42.18 26.72 51.25
4 | CLIFF | 73.67 43.76 91.58
4 | CLIFF + CLIFFr | 55.83 32.04 71.95
4 | CLIFF + CLIFFr + KITRO | 46.96 26.21 57.53
5 | MANO baseline* | 7.82 8.01
5 | MANO baseline + SMPLify* | 4.66 5.07
5 | MANO baseline + KITRO | 4.06 4.58
"""
"""The paper's tables, their columns as COLUMNS says."""

USUAL = [("3DPW", "mpjpe"), ("3DPW", "pa_mpjpe"), ("3DPW", "pve")]
COLUMNS = {
    **dict.fromkeys("134", USUAL),
    "2": [*USUAL, ("Human3.6M", "mpjpe"), ("Human3.6M", "pa_mpjpe")],
    "5": [("FreiHAND", "pa_mpjpe"), ("FreiHAND", "pa_pve")],
}
TITLES = {"mpjpe": "MPJPE", "pa_mpjpe": "PA-MPJPE", "pve": "PVE", "pa_pve": "PA-PVE"}


def printed():
    """Every cell that is not empty: by table, row, data set and metric."""
    cells = {}
    for line in CELLS.strip().splitlines():
        table, row, numbers = line.split(" | ")
        for column, number in zip(COLUMNS[table], numbers.split(), strict=True):
            if number != "-":
                cells[(table, row, *column)] = float(number)
    return cells


def made_up(run):
    """As if measured: the same for a run every time, and nothing that the paper says."""
    random = np.random.default_rng(len(run.steps) + sum(map(ord, str(run.steps))))
    joints = run.data.body.num_joints
    of_bodies = {name: 1000 + random.random(5) for name in Measured._fields}
    per_joint = {name: random.random(joints) for name in ("joint_error", "right_branch")}
    return Measured(**{**of_bodies, **per_joint, "refused": np.zeros(5, bool)})


@pytest.fixture(scope="module")
def sets():
    return simulated_sets(8)


def page(name, sets):
    plan = EXPERIMENTS[name][1](sets)
    return plan.page({label: made_up(run) for label, run in plan.runs.items()})


def test_every_cell_is_there_as_printed():
    held = {
        (one.table, one.row, one.data, name): error for one in PUBLISHED for name, error in one.errors.items()
    }
    assert held == printed()
    assert sum(len(one.errors) for one in PUBLISHED) == len(held)


def test_figures_in_words():
    assert IMPROVED == {"3DPW": 88, "Human3.6M": 92}
    assert CONVERGED == (4, 5)


def test_the_paper_keeps_its_own_orders():
    errors = {row: published("1", PAIRS_1[row], "3DPW").mpjpe for row in PAIRS_1 if row != "estimate"}
    assert all(errors[better] < errors[worse] for better, worse in ORDERS)


@pytest.mark.parametrize(("table", "pairs"), [("1", PAIRS_1), ("2", PAIRS_2), ("4", PAIRS_4), ("5", PAIRS_5)])
def test_rows_that_both_have_are_rows_of_the_paper(table, pairs):
    known = {one.row for one in of_table(table)}
    assert set(pairs.values()) - ({"CLIFF*"} if table == "1" else set()) <= known
    assert len(set(pairs.values())) == len(pairs)


@pytest.mark.parametrize("number", ["1", "2", "3", "4", "5"])
def test_tables_show_every_cell_beside_ours(number, sets):
    shown = {}
    for table in page(number, sets).tables:
        places = {title: k for k, title in enumerate(table.header)}
        for row in table.rows:
            for place, metric in COLUMNS[number]:
                cell = row[places[f"paper, {place}: {TITLES[metric]}"]]
                name = row[places["row in the paper"]]
                if name is not None and cell is not None:
                    shown[number, name, place, metric] = cell
    expected = {key: cell for key, cell in printed().items() if key[0] == number}
    if number == "1":  # the estimate's errors are in Table 2
        for place, metric in USUAL:
            expected["1", "CLIFF*", place, metric] = printed()["2", "CLIFF*", place, metric]
    assert shown == expected


@pytest.mark.parametrize("number", ["1", "2", "3", "4", "5"])
def test_ours_and_theirs_are_told_apart(number, sets):
    """Ours are over 1000 here, as no published error is."""
    found = page(number, sets)
    for table in found.tables:
        for row in table.rows:
            for title, cell in zip(table.header, row, strict=True):
                if isinstance(cell, float):
                    assert title.startswith("ours, simulated: " if cell > 1000 else "paper, "), title
            ours = [cell for title, cell in zip(table.header, row, strict=True) if title.startswith("ours")]
            alone = row[0] == NOT_RUN
            assert all((cell is None) == alone for cell in ours)
            assert not alone or row[table.header.index("row in the paper")]
    (remark,) = [one for one in found.remarks if one.startswith('Columns "paper"')]
    assert f"Table {number}" in remark
    assert "simulated" in remark


def test_rows_that_are_not_run_here(sets):
    (table,) = page("2", sets).tables
    assert [row[0] for row in table.rows[:4]] == list(METHODS)
    names = {row[4] for row in table.rows if row[0] == NOT_RUN}
    assert names == {
        *("CLIFF, other protocol", "DynaBOA", "Pose2Mesh", "CLIFF + CLIFFr*"),
        "CLIFF + CLIFFr, other protocol",
    }


def test_every_network_stands_beside_its_own(sets):
    for network, table in zip(("SPIN", "EFT", "PRoM"), page("3", sets).tables, strict=True):
        assert table.header[0] == f"simulated, errors like {network}"
        names = [row[4] for row in table.rows]
        assert names == [network, f"{network} + SMPLify*", f"{network} + KITRO", None]


@pytest.mark.parametrize(
    ("name", "network"), [("spin_3dpw", "SPIN"), ("EFT", "EFT"), ("left", None), ("mine", None)]
)
def test_networks_of_the_users_own(name, network, sets):
    """Those that the paper has are known by their names; what nothing stands beside is shown alone."""
    own = replace(sets.bases[0], name=name, simulated=False)
    found = page("3", sets._replace(bases=[own]))
    first, rest = found.tables
    assert first.header[:2] == [name, "ours: MPJPE"]
    assert first.rows[0][4] == network
    assert rest.stem == "table3-published"
    alone = {row[0].split(" + ")[0] for row in rest.rows}
    assert alone == {"SPIN", "EFT", "PRoM"} - {network}
    assert "simulated" not in "".join(found.remarks)


def test_shares_that_improve_stand_beside(sets):
    (table,) = page("improved", sets).tables
    cells = dict(zip(table.header, next(row for row in table.rows if row[0] == "kitro"), strict=True))
    assert cells["paper, 3DPW: improved, %"] == 88
    assert cells["paper, Human3.6M: improved, %"] == 92
    assert "ours, simulated: improved, %" in cells


def test_documentation_holds_the_same_cells():
    """Cells of columns and rows that say "paper" are rows of the tables, and all of these are there."""
    known = {tuple(one.errors.values()) for one in PUBLISHED}
    found = set()
    header = []
    for line in DOCS.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            header = []
        elif not header:
            header = cells
        else:
            of_paper = any("paper," in cell for cell in cells)
            for title, cell in zip(header, cells, strict=True):
                if re.fullmatch(r"[\d.]+( / [\d.]+)+", cell) and (of_paper or "paper," in title):
                    found.add(tuple(float(number) for number in cell.split(" / ")))
    assert found == known
