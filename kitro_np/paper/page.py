"""A page of the report: tables, figures and remarks."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..safe_io.atomic_write import atomic_write

Cell = str | float | None

FORMS: dict[str, dict[str, str | None]] = {"png": {"Software": None}, "svg": {"Creator": None, "Date": None}}
"""Formats of figures, and metadata that matplotlib omits, since they change with its version or the date."""


@dataclass(frozen=True)
class Table:
    """Rows under a header; an unknown cell is None.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequence of str, float or None
    stem : str
        Name of the CSV file.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    stem: str

    def markdown(self) -> str:
        """Format the table as Markdown."""
        is_text = [any(isinstance(row[k], str) for row in self.rows) for k in range(len(self.header))]
        rule = ["---" if left else "---:" for left in is_text]
        lines = [[_format(cell) for cell in row] for row in (self.header, rule, *self.rows)]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def csv(self) -> str:
        """Format the table as CSV, with numbers in full precision and empty unknown cells."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.header)
        writer.writerows(self.rows)
        return text.getvalue()


@dataclass(frozen=True)
class Page:
    """Results of an experiment.

    Parameters
    ----------
    tables : sequence of Table
    remarks : sequence of str
        Sentences below the tables.
    figures : dict
        Functions that draw on an empty matplotlib figure, by the file's name without suffix.
    """

    tables: Sequence[Table]
    remarks: Sequence[str] = ()
    figures: Mapping[str, Callable[[Any], None]] = field(default_factory=dict)

    def write(self, folder: Path, name: str, title: str) -> None:
        """Write NAME.md, a CSV file for each table, and a PNG and an SVG file for each figure."""
        parts = [f"# {title}"]
        for table in self.tables:
            parts.append(table.markdown())
            _write(folder / f"{table.stem}.csv", table.csv())
        for stem, draw in self.figures.items():
            for form in FORMS:
                atomic_write(folder / f"{stem}.{form}", partial(save_figure, draw, form))
            parts.append(f"![{stem}]({stem}.png)\n\n[as SVG]({stem}.svg)")
        parts += self.remarks
        _write(folder / f"{name}.md", "\n\n".join(parts) + "\n")


def _format(cell: Cell) -> str:
    if cell is None or cell != cell:  # NaN
        return "-"
    # The name of a data set is that of its file, which may contain the separator of cells.
    return cell.replace("|", "\\|") if isinstance(cell, str) else f"{cell:.2f}"


def _write(path: Path, text: str) -> None:
    atomic_write(path, lambda file: file.write(text.encode()))


def save_figure(draw: Callable[[Any], None], form: str, file: Any) -> None:
    """Draw without a display and write reproducible bytes, independent of matplotlib's settings."""
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style.context(["default", {"svg.hashsalt": "kitro_np"}]):
        figure = Figure(figsize=(7, 4.2), layout="constrained", dpi=150)
        FigureCanvasAgg(figure)
        draw(figure)
        figure.savefig(file, format=form, metadata=FORMS[form])
