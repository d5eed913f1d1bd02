"""Tables and remarks that show what the paper publishes beside what is measured here, and tell them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..evaluation.evaluate import METRICS
from .page import Cell, Table
from .plan import USUAL
from .published import SOURCE, Published
from .runs import Measured
from .sets import DataSet

NOT_RUN = "published only"
"""In place of our row's name where it is not run here."""


def beside(
    data: DataSet,
    ours: Mapping[str, Measured],
    published: Sequence[Published],
    pairs: Mapping[str, str],
    stem: str,
    metrics: Sequence[str] = tuple(USUAL),
) -> Table:
    """Make a table of our rows and the paper's: first ours, then those that we do not run.

    Parameters
    ----------
    data : DataSet
        That ours were measured on.
    ours : dict
        What was measured, by the row's name.
    published : sequence of Published
        The paper's rows.
    pairs : dict
        Names of the paper's rows by those of ours, of the rows that both have.
    stem : str
        Name of the CSV file.
    metrics : sequence of str
        Ours to show.
    """
    titles, theirs = _theirs(published)
    nothing: list[Cell] = [None] * len(titles)
    rows = [
        [label, *(one.mean(name) for name in metrics), *theirs.get(pairs.get(label, ""), nothing)]
        for label, one in ours.items()
    ]
    shown = {pairs.get(label) for label in ours}
    rows += [[NOT_RUN, *[None] * len(metrics), *cells] for row, cells in theirs.items() if row not in shown]
    whose = "ours, simulated" if data.simulated else "ours"
    return Table([data.name, *(f"{whose}: {METRICS[name]}" for name in metrics), *titles], rows, stem)


def published_only(published: Sequence[Published], stem: str) -> Table:
    """Make a table of rows of the paper's that none of ours stand beside."""
    titles, theirs = _theirs(published)
    return Table(titles, list(theirs.values()), stem)


def _theirs(published: Sequence[Published]) -> tuple[list[str], dict[str, list[Cell]]]:
    """Give the header of the paper's cells, and the cells by the row's name, which is the first of them."""
    cells: dict[str, dict[tuple[str, str], float]] = {}
    for one in published:
        cells.setdefault(one.row, {}).update({(one.data, name): error for name, error in one.errors.items()})
    columns = list(dict.fromkeys(column for row in cells.values() for column in row))
    titles = ["row in the paper", *(f"paper, {place}: {METRICS[name]}" for place, name in columns)]
    return titles, {row: [row, *map(given.get, columns)] for row, given in cells.items()}


def told_apart(data_sets: Sequence[DataSet], published: Sequence[Published]) -> list[str]:
    """Say where the columns and rows of :func:`beside` come from."""
    tables = " and ".join(f"Table {number}" for number in sorted({one.table for one in published}))
    places = " and ".join(dict.fromkeys(one.data for one in published))
    remarks = [f'Columns "paper" are published: {SOURCE}, {tables}, measured on {places}.']
    if all(data.simulated for data in data_sets):
        remarks[0] += (
            ' Columns "ours" are measured here on simulated data: compare orders and gains, not digits.'
        )
    else:
        remarks[0] += ' Columns "ours" are measured here, on the data that a table\'s first column names.'
    if any("*" in one.row for one in published):
        remarks.append("*: run by the paper's authors.")
    return remarks
