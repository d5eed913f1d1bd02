"""Write the paper's experiments to a folder: each a page with tables and figures, and one that links them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .. import __version__
from ..errors import InputError, one_of
from ..safe_io.atomic_write import atomic_write
from .curves import figure_1, figure_5, hypotheses, improved, noise
from .plan import Plan
from .runs import Measured, Runs
from .sets import Sets
from .tables import table_1, table_2, table_3, table_4, table_5

EXPERIMENTS: dict[str, tuple[str, Callable[[Sets], Plan]]] = {
    "1": ("Table 1: what each part of the method is worth", table_1),
    "2": ("Table 2: methods on CLIFF's estimates", table_2),
    "3": ("Table 3: methods on other networks' estimates", table_3),
    "4": ("Table 4: refinement of refined bodies", table_4),
    "5": ("Table 5: hands", table_5),
    "fig1": ("Fig. 1: errors in the image, in depth, and along the limbs", figure_1),
    "fig5": ("Fig. 5: errors against iterations", figure_5),
    "improved": ("How many bodies improve", improved),
    "noise": ("Errors against the noise of keypoints", noise),
    "hypotheses": ("How often a bone points to the true side", hypotheses),
}
"""Titles and plans, by the name that --table takes."""

INDEX = "README.md"
TITLE = "# KITRO's experiments"
"""The page that links the others, and how it begins."""

Progress = Callable[[int], AbstractContextManager[Callable[[int], None] | None]]


def write_paper(
    sets: Sets, folder: Path, names: Sequence[str] = tuple(EXPERIMENTS), progress: Progress | None = None
) -> list[Path]:
    """Run experiments and write their pages.

    What was measured stays in the folder ``runs`` of `folder`: a call that was stopped goes on from there.

    Parameters
    ----------
    sets : Sets
    folder : path
        Made if there is none.
    names : sequence of str
        Of EXPERIMENTS.
    progress : callable, optional
        Called with the number of runs; a context manager that gives a function of how many were just done.

    Returns
    -------
    list of path
        The pages.

    Raises
    ------
    InputError
        If a name is none of EXPERIMENTS, `folder` is a file, closed or another's, as its README.md shows, or
        matplotlib is missing.
    """
    names = [one_of("table", name, EXPERIMENTS) for name in names]
    if find_spec("matplotlib") is None:
        raise InputError("paper: expected matplotlib, got none; pip install 'kitro-np[report]'.")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder to write to, got a file.")
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: expected a folder that can be written, got a closed one.")
    index = folder / INDEX
    if index.exists() and not (index.is_file() and index.read_bytes().startswith(TITLE.encode())):
        raise InputError(f"{index}: expected none, or one that this command wrote, got another.")
    plans = {name: EXPERIMENTS[name][1](sets) for name in names}
    runs = Runs(folder / "runs")
    pages = []
    bar = progress(sum(len(plan.runs) for plan in plans.values())) if progress else nullcontext()
    with bar as report:
        for name, plan in plans.items():
            measured = {}
            for label, run in plan.runs.items():
                measured[label] = runs.measure(run)
                if report is not None:
                    report(1)
            pages.append(folder / f"{_stem(name)}.md")
            page = plan.page(measured)
            page = replace(page, remarks=[*page.remarks, *_refused(measured.values())])
            page.write(folder, _stem(name), EXPERIMENTS[name][0])
    _write_index(sets, folder)
    return pages


def _stem(name: str) -> str:
    return f"table{name}" if name.isdigit() else name


def _refused(measured: Iterable[Measured]) -> list[str]:
    """Say how many bodies could not be refined, if there are any."""
    count, total = max((int(np.sum(one.refused)), len(one.refused)) for one in measured)
    if not count:
        return []
    return [f"Up to {count} of {total} bodies could not be refined by a row's method and count as they were."]


def _write_index(sets: Sets, folder: Path) -> None:
    """Link all pages that are there, of this call and of those before."""
    there = {
        name: title for name, (title, _) in EXPERIMENTS.items() if (folder / f"{_stem(name)}.md").exists()
    }
    data = {id(one): one for part in sets for one in part}.values()
    lines = [
        TITLE,
        f"By kitro_np {__version__}. Lengths are in millimetres unless they say otherwise.",
    ]
    lines.append("\n".join(f"- [{title}]({_stem(name)}.md)" for name, title in there.items()))
    lines.append("The last call's data:")
    lines.append("\n".join(f"- {one.name}: {len(one.estimates.pose)} bodies" for one in data))
    text = "\n\n".join(lines) + "\n"
    atomic_write(folder / INDEX, lambda file: file.write(text.encode()))
