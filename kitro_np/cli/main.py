"""Command line: kitro-np refine, eval, simulate, paper, demo, info, warmup."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..api import METHODS, OF_KITRO, find_method, refine
from ..arrays.engines import CPU_ENGINES, ENGINES
from ..arrays.libraries import describe_backends
from ..arrays.threads import usable_cores
from ..body import BodyModel, load_body
from ..body.load import EMBEDDED, LICENSED
from ..body.locate import find_model_file, kinds_of, search_folders
from ..body.model import KERNEL_DTYPES
from ..errors import InputError
from ..evaluation.measures import Measures, Report, add_measures, read_measures
from ..formats.confidences import read_seen
from ..formats.estimates import EstimateFile, Estimates
from ..formats.results import check_output, free_name, write_npz, write_result
from ..keypoints.layouts import LAYOUTS
from ..kitro.variants import UPDATES, VARIANTS
from ..paper.command import INDEX
from ..paper.options import add_paper, paper
from ..result import RefineResult
from ..simulate.options import add_simulation, simulation

NOBODY_READS = 1
WRONG_INPUT = 2
STOPPED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 where the input is wrong.

    It is 1 where whoever read the output has gone, as ``head`` does.
    """
    try:
        try:
            options = _parser().parse_args(arguments)
            return int(options.run(options))
        finally:
            # Here rather than at exit, so that a broken pipe is noticed while it can be handled.
            print(end="", flush=True)
    except BrokenPipeError:
        # The interpreter flushes once more at exit, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS
    except (InputError, OSError) as problem:
        print(f"kitro-np: error: {_sentence(problem)}", file=sys.stderr)
        return WRONG_INPUT
    except KeyboardInterrupt:
        print("kitro-np: stopped; nothing was written.", file=sys.stderr)
        return STOPPED


def run_refine(options: argparse.Namespace) -> int:
    """Refine the bodies of a file and write the result."""
    check_output(options.output, force=options.force)
    file = EstimateFile(options.input)
    estimates, body = _read(file, options)
    _write(options.output, _refine(file, estimates, body, options), force=options.force)
    return 0


def run_eval(options: argparse.Namespace) -> int:
    """Refine the bodies of a file and print their errors against the truth in it."""
    result, report = _refine_and_evaluate(options.input, options, read_measures(options))
    if options.json:
        print(json.dumps(report.as_dict(), allow_nan=False))
    else:
        print(report.text())
        print(result.summary())
    return 0


def run_demo(options: argparse.Namespace) -> int:
    """Refine the embedded clip on the open body; print its errors and where the result is."""
    output = options.output or free_name("kitro-np-demo", ".npz")
    check_output(output, force=options.force)
    with as_file(files("kitro_np") / "data" / "demo_clip.npz") as clip:
        result, report = _refine_and_evaluate(clip, options, Measures())
    print(f"A clip of {len(result.pose)} frames of real motion (CMU mocap), simulated estimates, open body:")
    print(report.text())
    _write(output, result, force=options.force)
    return 0


def run_simulate(options: argparse.Namespace) -> int:
    """Write bodies that are known, their keypoints, and estimates that err as a network's do."""
    check_output(options.output, force=options.force)
    body = load_body(options.body, gender=options.gender, folder=options.models)
    arrays = simulation(body, options).arrays()
    target = write_npz(options.output, arrays, force=options.force)
    print(f"wrote {target}: {options.count} simulated {'body' if options.count == 1 else 'bodies'}")
    return 0


def run_paper(options: argparse.Namespace) -> int:
    """Run the paper's experiments on simulated data, or on files, and write pages with tables and figures.

    What was measured is kept: after a stop, the same command goes on from there.
    """
    try:
        pages = paper(options, lambda runs: _progress(runs, "measure", unit="runs"))
    except KeyboardInterrupt:
        print("kitro-np: stopped; the same command goes on from there.", file=sys.stderr)
        return STOPPED
    count = "1 page" if len(pages) == 1 else f"{len(pages)} pages"
    print(f"wrote {options.output / INDEX} and {count} beside it")
    return 0


def run_warmup(options: argparse.Namespace) -> int:
    """Compile the kernels and keep their machine code on disk, so that no later call waits for that."""
    body = load_body("open")
    with as_file(files("kitro_np") / "data" / "demo_clip.npz") as clip:
        estimates = EstimateFile(clip).estimates()
    with _progress(len(KERNEL_DTYPES), "compile", unit="dtypes") as progress:
        for dtype in KERNEL_DTYPES:
            few = [part[:1].astype(dtype) for part in estimates if part is not None]
            for method in ("map", "kitro"):
                refine(*few, method=method)
            # One body and many have kernels of their own.
            for count in (1, 20):
                pose = np.broadcast_to(few[0], (count, *few[0].shape[1:]))
                body.forward(pose)
                body.joints(pose)
            if progress is not None:
                progress(1)
    print(f"compiled kernels: {kernel_cache()}")
    return 0


def run_info(options: argparse.Namespace) -> int:
    """Print versions, threads, engines and where models are looked for."""
    print(f"kitro-np {__version__}, Python {platform.python_version()} on {platform.platform()}")
    names = ("numpy", "numba", "scipy", "array-api-compat")
    print("versions: " + ", ".join(f"{name} {version(name)}" for name in names))
    print(f"threads: {usable_cores()} by default")
    print(f"engines: {', '.join(ENGINES)}")
    print("arrays:")
    for name, state in describe_backends().items():
        print(f"  {name}: {state}")
    print(f"compiled kernels: {kernel_cache()}")
    print(f"bodies: {' and '.join(EMBEDDED)} (embedded)")
    for name in LICENSED:
        found = dict(_model_files(name, options.models))
        for gender, path in found.items():
            print(f"  {name} {gender}: {path}")
        if not found:
            print(f"  {name}: not found")
    print("models are looked for in:")
    for folder in search_folders(options.models):
        print(f"  {folder}{'' if folder.is_dir() else ' (does not exist)'}")
    return 0


def kernel_cache() -> str:
    """Where machine code is kept: beside the kernels, or in the user's cache folder if that is closed."""
    from ..kernels.kitro.algorithm import refine_bodies

    # A kernel that is not compiled has no stats, and one that is not kept has no path.
    path = getattr(getattr(refine_bodies, "stats", None), "cache_path", None)
    return str(path) if path else "not kept: no folder can be written, or Numba's compiler is off"


def _model_files(name: str, folder: Path | None) -> Iterator[tuple[str, Path]]:
    """Yield the genders of a licensed body that are there, and their files."""
    for gender in kinds_of(name):
        with suppress(FileNotFoundError):
            yield gender, find_model_file(name, gender, folder)


def _read(file: EstimateFile, options: argparse.Namespace) -> tuple[Estimates, BodyModel]:
    estimates = file.estimates(options.keypoints_key, need_intrinsics=options.image_size is None)
    if options.image_size is not None:
        estimates = estimates._replace(intrinsics=None)
    return estimates, load_body(options.body, gender=options.gender, folder=options.models)


def _refine(
    file: EstimateFile, estimates: Estimates, body: BodyModel, options: argparse.Namespace
) -> RefineResult:
    layout, confidence = options.keypoint_layout, None
    of_kitro = {name: getattr(options, name) for name in OF_KITRO}
    if find_method(options.method, of_kitro, {}, options.engine) == "map":
        layout, confidence = read_seen(file, estimates, body, layout, options.confidence_key)
    elif options.confidence_key is not None:
        raise InputError("confidence-key: expected the method map, whose option it is, got another.")
    with _progress(math.prod(estimates.lead(body.num_joints)), "refine") as progress:
        return refine(
            *estimates,
            body=body,
            method=options.method,
            confidence=confidence,
            keypoint_layout=layout,
            motion_prior=options.motion_prior,
            safe=options.safe,
            uncertainty=options.uncertainty,
            hypotheses=options.hypotheses,
            variant=options.variant,
            **{update: getattr(options, update) for update in UPDATES},
            focal_length=options.focal_length,
            iterations=options.iterations,
            shape_steps=options.shape_steps,
            engine=options.engine,
            image_size=options.image_size,
            strict=options.strict,
            threads=options.threads,
            progress=progress,
        )


def _refine_and_evaluate(
    path: Any, options: argparse.Namespace, measures: Measures
) -> tuple[RefineResult, Report]:
    """Refine the bodies of a file and measure them; the truth is checked first, for refining takes long."""
    file = EstimateFile(path)
    estimates, body = _read(file, options)
    truth = measures.read_truth(file, estimates, body, options)
    result = _refine(file, estimates, body, options)
    with _progress(result.status.size, "measure") as progress:
        return result, measures.compare(body, estimates, result, truth, progress, options.image_size)


def _write(path: Any, result: RefineResult, *, force: bool) -> None:
    target = write_result(path, result, force=force)
    print(result.summary())
    print(f"wrote {target}")


@contextmanager
def _progress(total: int, what: str, unit: str = "bodies") -> Iterator[Callable[[int], None] | None]:
    """Draw a bar on a terminal, where tqdm is installed; else say nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    try:
        from tqdm import tqdm
    except ImportError:
        yield None
        return
    with tqdm(total=total, desc=what, unit=unit, leave=False, dynamic_ncols=True) as bar:
        yield lambda done: bar.update(done) and None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kitro-np", description="Refine SMPL bodies so that they agree with 2D keypoints (KITRO)."
    )
    parser.add_argument("--version", action="version", version=f"kitro-np {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    keys = "pred_theta, pred_beta, pred_cam, or pose, betas, transl; with intrinsics, keypoints_2d"

    command = commands.add_parser(
        "refine", help="refine the bodies of a file", description=run_refine.__doc__
    )
    command.add_argument("input", metavar="IN", help=f"estimates, .npz or torch's .pt: {keys}")
    command.add_argument("-o", "--output", metavar="OUT.npz", required=True, help="where to write the result")
    command.add_argument("--force", action="store_true", help="write over an existing file")
    _add_refinement(command)
    command.set_defaults(run=run_refine)

    command = commands.add_parser("eval", help="errors before and after", description=run_eval.__doc__)
    command.add_argument("input", metavar="IN", help="as refine, with GT_theta or GT_pose, and GT_beta")
    command.add_argument("--json", action="store_true", help="print one line of JSON, lengths in millimetres")
    add_measures(command)
    _add_refinement(command)
    command.set_defaults(run=run_eval)

    command = commands.add_parser("demo", help="refine an embedded clip", description=run_demo.__doc__)
    command.add_argument(
        "-o", "--output", metavar="OUT.npz", help="kitro-np-demo.npz by default, or the next free name"
    )
    command.add_argument("--force", action="store_true", help="write over an existing file")
    command.set_defaults(run=run_demo, **_refinement_defaults())

    command = commands.add_parser("simulate", help="make a benchmark", description=run_simulate.__doc__)
    command.add_argument("-o", "--output", metavar="OUT.npz", required=True, help="where to write the bodies")
    command.add_argument("--force", action="store_true", help="write over an existing file")
    _add_body(command)
    add_simulation(command)
    command.set_defaults(run=run_simulate)

    command = commands.add_parser("paper", help="the paper's experiments", description=run_paper.__doc__)
    add_paper(command)
    _add_body(command)
    command.set_defaults(run=run_paper)

    command = commands.add_parser("warmup", help="compile the kernels now", description=run_warmup.__doc__)
    command.set_defaults(run=run_warmup)

    command = commands.add_parser("info", help="versions, engines, models", description=run_info.__doc__)
    command.add_argument("--models", metavar="DIR", type=Path, help="folder to look for model files in first")
    command.set_defaults(run=run_info)
    return parser


def _add_body(command: argparse.ArgumentParser) -> None:
    """Add the options that :func:`kitro_np.load_body` takes."""
    add = command.add_argument
    add("--body", default="open", help="open, open_hand, smpl, or a .pkl or .npz file (default: open)")
    add("--gender", default="neutral", help="of a licensed body; of a hand right or left (default: neutral)")
    add("--models", metavar="DIR", type=Path, help="folder to look for model files in first")


def _add_refinement(command: argparse.ArgumentParser) -> None:
    """Add the options that :func:`kitro_np.refine` and the loading of a body take."""
    _add_body(command)
    add = command.add_argument
    add("--keypoints-key", default="keypoints_2d", metavar="KEY", help="key of the keypoints in the file")
    add("--image-size", nargs=2, type=float, metavar=("W", "H"), help="in pixels, instead of intrinsics")
    add("--method", choices=METHODS, help="default: map, or kitro if an option of its own is given")
    group = command.add_argument_group("of the method map")
    add = group.add_argument
    text = f"points that the keypoints are: {', '.join(LAYOUTS)}; of the body's joints, which to use"
    add("--keypoint-layout", choices=LAYOUTS, default=LAYOUTS[0], metavar="NAME", help=text)
    add("--confidence-key", metavar="KEY", help="key of their confidences (default: confidence, if there)")
    add("--no-motion-prior", dest="motion_prior", action="store_false", help="expect no usual poses")
    add("--unsafe", dest="safe", action="store_false", help="keep what keypoints hardly improve")
    add("--uncertainty", action="store_true", help="find the joints' spread, too")
    add("--hypotheses", type=int, default=0, metavar="H", help="find so many likely bodies of each, too")
    group = command.add_argument_group("of the method kitro")
    add = group.add_argument
    add("--variant", choices=tuple(VARIANTS), default="released")
    for update, choices in UPDATES.items():
        flag = f"--{update.replace('_', '-')}"
        add(flag, choices=choices, default=choices[0], metavar="HOW", help=f"{', '.join(choices)} (Table 1)")
    add("--iterations", type=int, default=10, metavar="N", help="loops of Algorithm 1 (default: 10)")
    add("--shape-steps", type=int, default=10, metavar="N", help="steps on betas a loop (default: 10)")
    add = command.add_argument
    add("--focal-length", type=float, metavar="PX", help="in place of the intrinsics' one")
    add("--engine", choices=CPU_ENGINES, help="kernels (numba, the default) or array stages")
    add("--threads", type=int, metavar="N", help="default: all cores of this process")
    add("--strict", action="store_true", help="fail if any body cannot be refined")


def _refinement_defaults() -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    _add_refinement(parser)
    return vars(parser.parse_args([]))


def _sentence(problem: Exception) -> str:
    """Return an exception's message; an operating system's own names the file."""
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.filename}: {problem.strerror}." if problem.filename else f"{problem.strerror}."
    return str(problem)


if __name__ == "__main__":
    sys.exit(main())
