"""Write the paper's experiments to a folder: a page with tables and figures for each, and an index."""

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
from .sets import DataSet, Sets
from .tables import table_1, table_2, table_3, table_4, table_5
from .video import VideoSet, count_of_rows, measure_videos, video_page

EXPERIMENTS: dict[str, tuple[str, Callable[[Sets], Plan]]] = {
    "1": ("Table 1: what each part of the method contributes", table_1),
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
"""Titles and plans of the experiments, by their names for --table."""

VIDEO = "video"
VIDEO_TITLE = "Videos: all frames of a track together"
"""Name and title of the page of videos, which only :func:`write_videos` writes."""

INDEX = "README.md"
TITLE = "# KITRO's experiments"
"""The index page, and its first line."""

Progress = Callable[[int], AbstractContextManager[Callable[[int], None] | None]]


def write_paper(
    sets: Sets, folder: Path, names: Sequence[str] = tuple(EXPERIMENTS), progress: Progress | None = None
) -> list[Path]:
    """Run experiments and write their pages.

    Measurements are cached in the subfolder ``runs``, so that an interrupted call can be resumed.

    Parameters
    ----------
    sets : Sets
    folder : path
        Created if it does not exist.
    names : sequence of str
        Names in EXPERIMENTS.
    progress : callable, optional
        Called with the number of runs; returns a context manager of a function that is called with the number
        of runs finished since the last call.

    Returns
    -------
    list of path
        The pages.

    Raises
    ------
    InputError
        If a name is not in EXPERIMENTS; if `folder` is a file, is read-only, or has another README.md; or if
        matplotlib is missing.
    """
    names = [one_of("table", name, EXPERIMENTS) for name in names]
    _prepare(folder)
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
    data_sets = {id(data): data for group in sets for data in group}.values()
    _write_index(data_sets, folder)
    return pages


def write_videos(videos: VideoSet, folder: Path, progress: Progress | None = None) -> Path:
    """Measure videos and write their page; parameters and errors as of :func:`write_paper`."""
    _prepare(folder)
    with progress(count_of_rows(videos)) if progress else nullcontext() as report:
        page = video_page(videos, measure_videos(videos, report))
    page.write(folder, VIDEO, VIDEO_TITLE)
    _write_index([videos.data], folder)
    return folder / f"{VIDEO}.md"


def _prepare(folder: Path) -> None:
    """Make the folder; InputError if pages cannot be written to it."""
    if find_spec("matplotlib") is None:
        raise InputError(
            "paper: expected matplotlib to be installed, got an environment without it; "
            "pip install 'kitro-np[report]'."
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder to write to, got a file.")
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: expected a writable folder, got a read-only one.")
    index = folder / INDEX
    if index.exists() and not (index.is_file() and index.read_bytes().startswith(TITLE.encode())):
        raise InputError(f"{index}: expected no file, or one that this command wrote, got another file.")


def _stem(name: str) -> str:
    return f"table{name}" if name.isdigit() else name


def _refused(measured: Iterable[Measured]) -> list[str]:
    """Return a remark on the number of bodies that could not be refined, if there are any."""
    count, total = max((int(np.sum(run.refused)), len(run.refused)) for run in measured)
    if not count:
        return []
    return [
        f"Up to {count} of {total} bodies could not be refined by a row's method; "
        "their estimates are measured instead."
    ]


def _write_index(data_sets: Iterable[DataSet], folder: Path) -> None:
    """Write the index of all pages in the folder, of this and of previous calls."""
    titles = {name: title for name, (title, _) in EXPERIMENTS.items()} | {VIDEO: VIDEO_TITLE}
    existing = {name: title for name, title in titles.items() if (folder / f"{_stem(name)}.md").exists()}
    lines = [
        TITLE,
        f"By kitro_np {__version__}. Lengths are in millimetres unless stated otherwise.",
    ]
    lines.append("\n".join(f"- [{title}]({_stem(name)}.md)" for name, title in existing.items()))
    lines.append("Data of the last call:")
    lines.append("\n".join(f"- {data.name}: {len(data.estimates.pose)} bodies" for data in data_sets))
    text = "\n\n".join(lines) + "\n"
    atomic_write(folder / INDEX, lambda file: file.write(text.encode()))
