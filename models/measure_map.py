"""Measure method "map" on the cases of its verdict: what it accepts, and what becomes of the bodies.

Run ``python -m models.measure_map [FILE.npz] [--shipped]``. FILE.npz holds simulated bodies as ``kitro-np
simulate`` writes them; by default 512 are simulated. If it does not name its body, --body does. Each body is
refined with the motion prior of the other half of the clips, or with --shipped with that of all. Columns:
MPJPE in mm of the estimates, of every body refined, and with refused bodies as their estimates; the shares
accepted, not worse among these, and worse by more than 10 mm; the share whose left and right were exchanged;
and of accepted bodies the joints' error over their spread (root mean square), and the share of joints within
it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kitro_np import BodyModel, load_body
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.posterior.most_probable import most_probable
from kitro_np.posterior.priors import MotionPrior, cmu_motion_prior
from kitro_np.refinement.method import Execution
from kitro_np.refinement.request import Arguments, read_request
from kitro_np.simulate import Simulated, simulate

from .shared.command_line import Parser
from .verdict_cases import Case, cases_of, cut_off, errors_of, leg_on_the_other, motion_priors, scored

COLUMNS = ("before", "every", "safe", "accept", "better", "harmed", "swapped", "e/spread", "within")


def read_simulated(path: Path) -> Simulated:
    """Read a file that ``kitro-np simulate`` wrote, or one like it."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return Simulated(
        arrays["pred_theta"], arrays["pred_beta"], arrays["pred_cam"], arrays["intrinsics"],
        arrays["keypoints_2d"], arrays["keypoints_2d_noisy"], arrays["GT_theta"], arrays["GT_beta"],
        arrays["GT_cam"], arrays["GT_focal"], arrays["clip"], arrays["category"],
        body=str(arrays.get("body", "")),
    )  # fmt: skip


def measure(case: Case, body: BodyModel, priors: Sequence[MotionPrior]) -> str:
    """Return a case's line of the table."""
    before = errors_of(body, case.pose, case.betas, case)
    after, accepted, swapped = (np.empty(len(before)) for _ in range(3))
    ratios = []
    for k in (0, 1):
        own = np.flatnonzero(case.fold == k)
        part = replace(case, true_pose=case.true_pose[own], true_betas=case.true_betas[own])
        arguments = Arguments(
            case.pose[own], case.betas[own], case.transl[own], case.keypoints_2d[own], case.intrinsics[own],
            confidence=case.confidence[own],
        )  # fmt: skip
        request = read_request(arguments, body, case.layout)
        refined, diagnostics = most_probable(
            request, Execution("numba"), priors[k], safe=False, uncertainty=True, landmarks=False
        )
        after[own] = errors_of(body, refined.pose, refined.betas, part)
        accepted[own], swapped[own] = diagnostics.quality > 0, diagnostics.swapped
        ours, true = (
            forward_kinematics(body.skeleton, *pair).joints
            for pair in ((refined.pose, refined.betas), (part.true_pose, part.true_betas))
        )
        away = np.linalg.norm((ours - ours[:, :1]) - (true - true[:, :1]), axis=-1)[:, 1:]
        ratios.append((away / diagnostics.joint_spread[:, 1:])[diagnostics.quality > 0])
    ratio = np.concatenate(ratios)
    chosen = accepted > 0
    safe = np.where(chosen, after, before)
    better = (after <= before)[chosen].mean() if chosen.any() else 1.0
    spread = np.sqrt(np.mean(ratio**2)) if chosen.any() else np.nan
    within = np.mean(ratio < 1) if chosen.any() else np.nan
    return (
        f"{case.name:44s} {before.mean():7.1f} {after.mean():7.1f} {safe.mean():7.1f} {chosen.mean():7.1%} "
        f"{better:7.0%} {np.mean(safe > before + 10):7.1%} {swapped.mean():7.1%} {spread:8.2f} {within:7.0%}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = Parser(
        prog="python -m models.measure_map",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, nargs="?", help="simulated bodies (default: 512 new ones)")
    parser.add_argument("--body", default="open", help="open (the default) or open_v1")
    parser.add_argument("--shipped", action="store_true", help="use the motion of all clips")
    options = parser.parse_args(arguments)
    rng = np.random.default_rng(1)
    simulated = read_simulated(options.file) if options.file else simulate(count=512)
    body = load_body(simulated.body or options.body)
    cases = cases_of(simulated, body, rng)
    for case in (cases[1], cases[2]):
        cases += [cut_off(case, confidence, 0.0) for confidence in (0.02, 0.1, 0.3, 1.0)]
        cases += [leg_on_the_other(case, 0.3, rng), scored(case, rng)]
    shipped = cmu_motion_prior(body.skeleton)
    priors = [shipped, shipped] if options.shipped else motion_priors(body)
    print(" " * 44, *(f"{name:>7s}" for name in COLUMNS))
    for case in cases:
        print(measure(case, body, priors))
    return 0


if __name__ == "__main__":
    sys.exit(main())
