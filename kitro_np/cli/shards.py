"""Shards of a data set in the command refine: a folder or a pattern instead of a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import InputError, printable
from ..formats.estimates_in.read import find_reader
from ..refinement.validity import Status
from ..streaming import RefinedShards, Refiner, refine_shards
from ..streaming.shards import READERS, is_pattern
from .exit_status import ExitStatus, status_of
from .parser import Options, Parser, integer
from .progress import progress_bar
from .refinement import read_refiner
from .source import opened
from .summary import print_json
from .timing import stopwatch
from .voice import LOG, remark, say_written, warn

FLAGS = ("workers", "ray", "resume")
"""Options that only shards have."""

OF_FILES = ("to", "bake", "up", "unit", "keypoints", "annotations", "format", "threads")
"""Options that shards do not have."""


def add_shards(command: Parser) -> None:
    """Add the options of shards."""
    group = command.add_argument_group("shards in a folder, into another")
    add = group.add_argument
    add("--resume", action="store_true", help="go on where a run that was stopped or killed ended")
    text = "processes, each on a core and some 200 MB (default: one for each core)"
    add("--workers", type=integer, metavar="N", help=text)
    text = "on a Ray cluster: its address, or local for one on this machine; it must see IN and OUT"
    add("--ray", metavar="ADDRESS", help=text)


def is_sharded(options: Options) -> bool:
    """Whether the input is shards: a pattern, Parquet, or a folder of shards that is no program's."""
    given = options.input
    if any(getattr(options, name) for name in FLAGS):
        return True
    if is_pattern(given) or Path(given).suffix.lower() == ".parquet":
        return True
    if not os.path.isdir(given) or options.format is not None:
        return False
    if not os.listdir(given) and options.to is None and not Path(options.output).suffix:
        return True  # of which there are none
    holds = any(Path(name).suffix.lower() in READERS for _, _, names in os.walk(given) for name in names)
    return holds and find_reader(opened(given)) is None


def run_shards(options: Options) -> int:
    """Refine shards, and say what was done."""
    for name in OF_FILES:
        if getattr(options, name):
            how = "; --workers is for shards" if name == "threads" else ""
            raise InputError(f"--{name}: expected none with shards, got {getattr(options, name)}{how}.")
    refiner = read_refiner(options, threads=1)  # of each process
    LOG.info("shards of %s to %s, method %s", options.input, options.output, refiner.method.name)
    with _bar() as progress, stopwatch() as watch:
        try:
            done = refine_shards(
                options.input,
                options.output,
                refiner=refiner,
                workers=options.workers,
                ray=options.ray,
                resume=options.resume,
                force=options.force,
                progress=progress,
            )
        except (KeyboardInterrupt, OSError):
            warn("the same command with --resume goes on where this ended.")
            raise
    remark(done.summary())
    for names, hint in _together(done.hints):
        warn(f"hint for {names}: {hint}")
    for names, reason in _together(done.set_aside):
        warn(f"set aside: {names}: {reason}")
    say_written(done.folder)
    if options.json:
        print_json(_as_dict(done, refiner, watch.seconds))
    if done.set_aside:
        return ExitStatus.SET_ASIDE
    return status_of(done.counts.get(Status.REFINED, 0), done.bodies)


def _together(texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the names of shards of which the same is said, and what: one mistake can be in all of them."""
    groups: dict[str, list[str]] = {}
    for name, text in texts.items():
        groups.setdefault(text.removeprefix(f"{printable(name, None)}: "), []).append(printable(name))
    for text, names in groups.items():
        others = f" and {len(names) - 1} other{'' if len(names) == 2 else 's'}" if len(names) > 1 else ""
        yield f"{names[0]}{others}", text


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """Show a bar whose number of bodies is known when the shards have been opened."""
    with ExitStack() as stack:

        @cache
        def opened_bar(total: int) -> Callable[[int], None] | None:
            return stack.enter_context(progress_bar(total, "refine"))

        def show(rows: int, total: int) -> None:
            if (update := opened_bar(total)) is not None:
                update(rows)

        yield show


def _as_dict(done: RefinedShards, refiner: Refiner, seconds: float) -> dict[str, Any]:
    counts = done.counts.items()
    return {
        "method": refiner.method.name,
        "options": refiner.settings()["options"],
        "output": str(done.folder),
        "shards": done.shards,
        "set_aside": done.set_aside,
        "kept": done.kept,
        "videos": done.videos,
        "bodies": done.bodies,
        "counts": {status.name.lower(): count for status, count in counts},
        "reasons": {status.name.lower(): status.reason for status, _ in counts if status != Status.REFINED},
        "seconds": round(seconds, 4),
        "bodies_per_second": round((done.bodies - done.kept_bodies) / seconds, 1),
    }
