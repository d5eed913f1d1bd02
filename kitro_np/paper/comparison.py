"""Tables that compare the paper's published errors with those measured here, and remarks on their sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..evaluation.evaluate import METRICS
from .page import Cell, Table
from .plan import USUAL
from .published import SOURCE, Published
from .runs import Measured
from .sets import DataSet

NOT_RUN = "published only"
"""Name of a row that is not run here."""


def comparison_table(
    data: DataSet,
    measured: Mapping[str, Measured],
    published: Sequence[Published],
    pairs: Mapping[str, str],
    stem: str,
    metrics: Sequence[str] = tuple(USUAL),
) -> Table:
    """Make a table of the rows measured here, next to the paper's, and of the paper's other rows.

    Parameters
    ----------
    data : DataSet
        Data set of the measurements.
    measured : dict
        Measurements by the row's name.
    published : sequence of Published
        The paper's rows.
    pairs : dict
        From names of rows measured here to those of the paper, for rows in both.
    stem : str
        Name of the CSV file.
    metrics : sequence of str
        Metrics to show.
    """
    titles, paper_cells = _paper_cells(published)
    empty: list[Cell] = [None] * len(titles)
    rows = [
        [label, *(run.mean(name) for name in metrics), *paper_cells.get(pairs.get(label, ""), empty)]
        for label, run in measured.items()
    ]
    paired = {pairs.get(label) for label in measured}
    rows += [
        [NOT_RUN, *[None] * len(metrics), *cells] for row, cells in paper_cells.items() if row not in paired
    ]
    source = "ours, simulated" if data.simulated else "ours"
    return Table([data.name, *(f"{source}: {METRICS[name]}" for name in metrics), *titles], rows, stem)


def published_table(published: Sequence[Published], stem: str) -> Table:
    """Make a table of the paper's rows alone."""
    titles, cells = _paper_cells(published)
    return Table(titles, list(cells.values()), stem)


def _paper_cells(published: Sequence[Published]) -> tuple[list[str], dict[str, list[Cell]]]:
    """Return the titles of the paper's columns, and by the row's name its cells, of which it is the first."""
    errors: dict[str, dict[tuple[str, str], float]] = {}
    for row in published:
        errors.setdefault(row.row, {}).update({(row.data, name): error for name, error in row.errors.items()})
    columns = list(dict.fromkeys(column for by_column in errors.values() for column in by_column))
    titles = ["row in the paper", *(f"paper, {data}: {METRICS[name]}" for data, name in columns)]
    return titles, {name: [name, *map(by_column.get, columns)] for name, by_column in errors.items()}


def source_remarks(data_sets: Sequence[DataSet], published: Sequence[Published]) -> list[str]:
    """Return remarks on the sources of the columns of :func:`comparison_table`."""
    tables = " and ".join(f"Table {number}" for number in sorted({row.table for row in published}))
    data_names = " and ".join(dict.fromkeys(row.data for row in published))
    remarks = [f'Columns "paper" are published: {SOURCE}, {tables}, measured on {data_names}.']
    if all(data.simulated for data in data_sets):
        remarks[0] += (
            ' Columns "ours" are measured here on simulated data: compare orders and gains, not digits.'
        )
    else:
        remarks[0] += ' Columns "ours" are measured here, on the data named in the first column of a table.'
    if any("*" in row.row for row in published):
        remarks.append("*: run by the paper's authors.")
    return remarks
