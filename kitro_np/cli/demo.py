"""Command demo."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from ..api import refine
from ..body import load_body
from ..body.model import BodyModel
from ..errors import InputError
from ..evaluation.evaluate import MILLIMETRES
from ..evaluation.metrics import LSP14, mpjpe, pa_mpjpe
from ..evaluation.report import Measures
from ..export.write import write
from ..formats.estimates import EstimateFile
from ..formats.refined import Inputs, write_refined
from ..report.example import real_person
from ..report.page.write import write_report
from ..report.render import Look, render
from ..report.shown import Shown, shown_of_file
from ..streaming.refiner import Refiner
from .eval import refine_and_measure
from .exit_status import ExitStatus
from .parser import Commands, Options, add_command
from .progress import elapsed_time, progress_bar
from .refinement import Refinement, write_result
from .voice import remark, say_written, warn

FOLDER = "kitro-np-demo"
"""Folder that is written to by default, anew in every run."""

FILES = ("clip.npz", "clip.html", "person.npz", "person.png", "person.html", "person.glb")

PICTURED = 89
"""Number of the frame of the picture."""


HYPOTHESES = 3
"""Of each frame of the simulated clip: other bodies that its keypoints allow, with their probabilities."""


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(
        commands, "demo", run, "refine two embedded videos, and show them", reads_files=False
    )
    about = f"folder for what is written (default {FOLDER}, anew in every run)"
    command.add_argument("-o", "--output", metavar="DIR", default=FOLDER, help=about)
    command.add_argument("--force", action="store_true", help="overwrite files of another folder")


def run(options: Options) -> int:
    """Refine an embedded clip and a real person; print their errors; write pictures and an animation."""
    folder = Path(options.output)
    _check_folder(folder, own=options.output == FOLDER, force=options.force)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _clip(folder)
        remark("")
        _person(folder)
    finally:
        with suppress(OSError):  # stopped before there was anything
            folder.rmdir()
    return ExitStatus.DONE


def _check_folder(folder: Path, *, own: bool, force: bool) -> None:
    """InputError if something would be lost."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: expected a folder, got a file.")
    there = [name for name in FILES if (folder / name).exists()]
    if there and not own and not force:
        raise InputError(
            f"{folder / there[0]}: expected a new file, got one that exists; pass --force to overwrite it."
        )


def _clip(folder: Path) -> None:
    """Refine the simulated clip, and print its errors."""
    with as_file(files("kitro_np") / "data" / "demo_clip.npz") as clip:
        file = EstimateFile(clip)
        refinement = Refinement(Refiner(threads=None), load_body(file.body_name))
        result, report = refine_and_measure(file, refinement, Measures())
        inputs = refinement.inputs(file, refinement.refiner.read(file))
    about = "real motion (CMU mocap), simulated estimates"
    remark(f"A clip of {len(result)} frames of {about}, body {report.body}:")
    remark(report.text())
    path = folder / "clip.npz"
    write_result(path, result, inputs._replace(source="demo"), force=True)
    with elapsed_time("draw"):
        shown = _with_hypotheses(shown_of_file(path))
        page = write_report(folder / "clip.html", shown, title="Simulated clip", force=True)
    say_written(page, ": opens in a browser")


def _with_hypotheses(shown: Shown) -> Shown:
    """Add the hypotheses of each frame alone, which the page says: those of a video there are not."""
    assert shown.before is not None
    assert shown.keypoints_2d is not None
    assert shown.layout is not None
    alone = refine(
        *shown.before, shown.keypoints_2d, shown.intrinsics, body=shown.body, confidence=shown.confidence,
        keypoint_layout=shown.layout, hypotheses=HYPOTHESES,
    )  # fmt: skip
    return replace(shown, result=replace(shown.result, hypotheses=alone.hypotheses))


def _person(folder: Path) -> None:
    """Refine the real person seen by one camera as a video, and show it."""
    with elapsed_time("refine a real person"):
        shown = real_person()
    assert shown.before is not None
    assert shown.truth is not None
    remark(f"A real person, {len(shown)} frames, a detector's keypoints (OpenPose), MediaPipe's estimates:")
    true = _joints(shown.body, shown.truth)
    remark("mm           before    after")
    for name, measure in (("MPJPE", mpjpe), ("PA-MPJPE", pa_mpjpe)):
        errors = [
            MILLIMETRES * measure(_joints(shown.body, bodies), true, LSP14).mean()
            for bodies in (shown.before, shown.after)
        ]
        remark(f"{name:<10}{errors[0]:>9.2f}{errors[1]:>9.2f}")
    remark(shown.result.summary())
    say_written(_write_result(folder / "person.npz", shown))
    with progress_bar(3, "draw", unit="files") as progress:
        done = progress or (lambda _: None)
        picture = _picture(folder / "person.png", shown, PICTURED)
        done(1)
        page = write_report(folder / "person.html", shown, title="Real person", force=True)
        done(1)
        animation = write(
            folder / "person.glb", shown.result, intrinsics=shown.intrinsics[0], fps=shown.fps,
            force=True, tell=lambda _: None,
        )  # fmt: skip
        done(1)
    if picture is not None:
        say_written(picture, ": before, after, and what is left to the keypoints")
    say_written(page, ": opens in a browser")
    say_written(animation, ": opens in viewers and Blender")


def _write_result(path: Path, shown: Shown) -> Path:
    """Write the person's complete result, to be drawn again."""
    assert shown.before is not None
    assert shown.truth is not None
    assert shown.keypoints_2d is not None
    truth = dict(zip(("GT_pose", "GT_beta", "GT_cam"), shown.truth, strict=True))
    inputs = Inputs(
        *shown.before, shown.keypoints_2d, shown.intrinsics, shown.confidence, "body25b", shown.frame,
        track=shown.person, fps=shown.fps, source="demo", truth=truth,
    )  # fmt: skip
    return write_refined(path, shown.result, inputs, force=True)


def _picture(path: Path, shown: Shown, frame: int) -> Path | None:
    """Draw the person; without the library for pictures say how to get it."""
    try:
        return render(path, shown, look=Look(crop=True), frames=[frame], force=True)[0]
    except InputError as problem:
        warn(problem)
        return None


def _joints(body: BodyModel, bodies: Any) -> np.ndarray:
    return np.asarray(body.joints(bodies.pose, bodies.betas))
