"""The paper's figures, and those described in its supplement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..body.families import SMPL, has_body_joints
from ..evaluation.metrics import share_improved
from ..simulate.errors import CLIFF
from .page import Cell, Page, Table
from .plan import KITRO, METHODS, USUAL, Plan, named, steps_for, usual_row
from .published import BEST_KEYPOINT_ERROR, CONVERGED, IMPROVED
from .runs import Measured, Run
from .sets import DataSet, Sets
from .style import add_legend, axes_of, draw_bar, draw_curve, draw_level, draw_steps

CHAINS = {
    "arm": ("collar", "shoulder", "elbow", "wrist", "hand"),
    "leg": ("hip", "knee", "ankle", "foot"),
}
"""SMPL's joints of the limbs from the trunk outwards; left and right are averaged."""

ITERATIONS = tuple(range(11))
"""Iterations of ``kitro`` in Fig. 5."""

DETECTOR = CLIFF.keypoint_noise
"""Noise of a good detector's keypoints, relative to the person's height in the image (simulate/errors.py)."""

NOISE = (0.0, 0.002, 0.005, 0.008, DETECTOR, 0.02)
"""Noise of the keypoints in the experiment on noise, relative to the person's height in the image."""

GAINS = np.arange(-100, 181, 10)
"""Edges of the histogram of gains, in millimetres of MPJPE."""


def _method_runs(data: DataSet) -> dict[str, Run]:
    return {method: Run(data, steps_for(data, *steps)) for method, steps in METHODS.items()}


def figure_1(sets: Sets) -> Plan:
    """Plan Fig. 1: errors in the image and in depth, and of the joints along the limbs."""
    data = sets.people[0]

    def page(measured: Mapping[str, Measured]) -> Page:
        means = {
            method: [run.mean("keypoint_error"), run.mean("depth_error")] for method, run in measured.items()
        }
        limbs = _limbs_of(data)
        chains = {
            limb: {method: _limb_errors(measured[method].joint_error, joints) for method in METHODS}
            for limb, joints in limbs.items()
        }
        rows: list[list[Cell]] = [
            [joint, *(chains[limb][method][k] for method in METHODS)]
            for limb, joints in limbs.items()
            for k, joint in enumerate(joints)
        ]

        def draw_errors(figure: Any) -> None:
            panels = axes_of(figure, "Errors in the image and in depth", data.name, 2)
            for k, (axes, label) in enumerate(
                zip(panels, ("2D error, pixels", "depth error, mm"), strict=True)
            ):
                for position, method in enumerate(METHODS):
                    draw_bar(axes, method, position, means[method][k])
                axes.set_xticks(range(len(METHODS)), METHODS)
                axes.set(ylabel=label)
                axes.margins(y=0.12)
                add_legend(axes)

        def draw_joints(figure: Any) -> None:
            panels = axes_of(figure, "Errors along the limbs", data.name, len(limbs))
            for axes, (limb, joints) in zip(panels, limbs.items(), strict=True):
                for method in METHODS:
                    draw_curve(axes, method, joints, chains[limb][method])
                axes.set(title=limb, ylabel="error relative to the pelvis, mm", ylim=(0, None))
                add_legend(axes)

        errors = Table(
            [data.name, "2D error, pixels", "depth error, mm"],
            [[method, *row] for method, row in means.items()],
            "fig1a",
        )
        best = (
            f"In the paper the mean 2D error of the best network of its time is {BEST_KEYPOINT_ERROR:g} "
            "pixels on 3DPW."
        )
        if not limbs:
            return Page([errors], [best, "This body lacks SMPL's limbs."], {"fig1a": draw_errors})
        return Page(
            [errors, Table(["error relative to the pelvis, mm", *METHODS], rows, "fig1b")],
            [best, "Errors of joints are means of left and right."],
            {"fig1a": draw_errors, "fig1b": draw_joints},
        )

    return Plan(_method_runs(data), page)


def _limbs_of(data: DataSet) -> dict[str, tuple[str, ...]]:
    """Joints of a body's limbs, without hands for SMPL-H and SMPL-X, which have fingers instead."""
    if not has_body_joints(data.body.skeleton.parents):
        return {}
    smpl = data.body.num_joints == len(SMPL.joint_names)
    return {
        limb: tuple(joint for joint in joints if smpl or joint != "hand") for limb, joints in CHAINS.items()
    }


def _limb_errors(errors: Any, joints: tuple[str, ...]) -> list[float]:
    """Errors of a limb's joints, as means of left and right."""
    return [
        float(np.mean([errors[SMPL.joint_names.index(f"{side}_{joint}")] for side in ("left", "right")]))
        for joint in joints
    ]


def figure_5(sets: Sets) -> Plan:
    """Plan Fig. 5: errors against the number of iterations, and those of the other methods."""
    others = [method for method in METHODS if method not in ("estimate", "kitro")]
    runs = {
        named(data.name, str(count)): Run(data, steps_for(data, {**KITRO, "iterations": count}))
        for data in sets.people
        for count in ITERATIONS
    }
    runs |= {
        named(data.name, method): Run(data, steps_for(data, *METHODS[method]))
        for data in sets.people
        for method in others
    }

    def page(measured: Mapping[str, Measured]) -> Page:
        early, late = CONVERGED
        tables, remarks, figures = [], [], {}
        for k, data in enumerate(sets.people, start=1):
            stem = f"fig5-{k}" if len(sets.people) > 1 else "fig5"
            iterated = [measured[named(data.name, str(count))] for count in ITERATIONS]
            rest = {method: measured[named(data.name, method)] for method in others}
            rows = [usual_row(str(count), run) for count, run in zip(ITERATIONS, iterated, strict=True)]
            rows += [usual_row(method, run) for method, run in rest.items()]
            tables.append(Table([f"{data.name}: iterations of kitro", *USUAL.values()], rows, stem))
            remarks.append(f"{data.name}: {_convergence([run.mean('mpjpe') for run in iterated])}")
            figures[stem] = partial(_draw_figure_5, data.name, iterated, rest)
        remarks.append(f"In the paper errors converge after {early} to {late} iterations.")
        return Page(tables, remarks, figures)

    return Plan(runs, page)


def _draw_figure_5(name: str, iterated: list[Measured], rest: Mapping[str, Measured], figure: Any) -> None:
    figure.set_size_inches(9, 4.2)
    span = (ITERATIONS[0], ITERATIONS[-1])
    for axes, (metric, title) in zip(
        axes_of(figure, "Errors against iterations", name, len(USUAL)), USUAL.items(), strict=True
    ):
        for method in METHODS:
            if method == "kitro":
                draw_curve(axes, method, ITERATIONS, [run.mean(metric) for run in iterated])
            else:
                run = iterated[0] if method == "estimate" else rest[method]
                draw_level(axes, method, span, run.mean(metric))
        axes.set(
            title=title, xlabel="iterations of kitro", ylabel="mm", ylim=(0, None), xticks=ITERATIONS[::2]
        )
        add_legend(axes)


def _convergence(errors: list[float]) -> str:
    """Return a remark on how early the error, from the estimate's on, reaches its total decrease."""
    decrease = errors[0] - min(errors)
    if not decrease > 0:
        return "MPJPE does not decrease."
    early, late = CONVERGED
    first, second = (100 * (errors[0] - errors[count]) / decrease for count in CONVERGED)
    after = f"after {early} iterations, {second:.0f}% after {late}"
    return f"{first:.0f}% of the total decrease of MPJPE is reached {after}."


def improved(sets: Sets) -> Plan:
    """Plan the distribution of the bodies' gains."""
    data = sets.people[0]

    def page(measured: Mapping[str, Measured]) -> Page:
        before = measured["estimate"].mpjpe
        gains = {method: before - measured[method].mpjpe for method in METHODS if method != "estimate"}
        rows = []
        for method, gain in gains.items():
            paper = IMPROVED.values() if method == "kitro" else [None] * len(IMPROVED)
            percentiles = np.nanpercentile(gain, (5, 50, 95))
            percentage = 100 * share_improved(before, measured[method].mpjpe)
            rows.append([method, percentage, *paper, *map(float, percentiles)])
        header = [
            data.name,
            f"{'ours, simulated' if data.simulated else 'ours'}: improved, %",
            *(f"paper, {name}: improved, %" for name in IMPROVED),
            *("gain, 5th percentile", "median", "95th"),
        ]

        def draw(figure: Any) -> None:
            (axes,) = axes_of(figure, "Gains of bodies", data.name)
            axes.axvline(0, color="0.3", linewidth=1)
            for method, gain in gains.items():
                draw_steps(axes, method, np.clip(gain[np.isfinite(gain)], GAINS[0], GAINS[-1]), GAINS)
            axes.set(xlabel="decrease of MPJPE, mm (outermost bins include all beyond)", ylabel="bodies")
            add_legend(axes)

        remarks = [
            "Gains are decreases of MPJPE in mm. The paper's percentage is of KITRO on CLIFF's estimates."
        ]
        return Page([Table(header, rows, "improved")], remarks, {"improved": draw})

    return Plan(_method_runs(data), page)


def noise(sets: Sets) -> Plan:
    """Plan the errors against the noise of the keypoints."""
    data = sets.people[0]
    runs = {
        named(method, str(level)): run
        for level in NOISE
        for method, run in _method_runs(data.with_noise(level) if level else data).items()
        if level == 0 or method != "estimate"
    }

    def page(measured: Mapping[str, Measured]) -> Page:
        rows: list[Any] = []
        curves: dict[str, list[float]] = {method: [] for method in METHODS}
        for level in NOISE:
            for method, curve in curves.items():
                run = measured[named(method, str(0.0 if method == "estimate" else level))]
                curve.append(run.mean("mpjpe"))
                rows.append([f"{100 * level:.1f}% {method}", *(run.mean(name) for name in USUAL)])

        def draw(figure: Any) -> None:
            (axes,) = axes_of(figure, "Errors against the noise of keypoints", data.name)
            axes.axvline(
                100 * DETECTOR, color="0.4", linewidth=1, linestyle=(0, (6, 4)), label="a good detector"
            )
            for method, curve in curves.items():
                draw_curve(axes, method, [100 * level for level in NOISE], curve)
            axes.set(
                xlabel="noise of keypoints, % of the person's height in the image",
                ylabel="MPJPE, mm",
                ylim=(0, None),
            )
            add_legend(axes)

        return Page(
            [Table([f"{data.name}: noise", *USUAL.values()], rows, "noise")],
            ["Gaussian noise on both coordinates of every keypoint."],
            {"noise": draw},
        )

    return Plan(runs, page)


def hypotheses(sets: Sets) -> Plan:
    """Plan how often a bone is on the true side of its ray, before and after refinement."""
    data = sets.people[0]

    def page(measured: Mapping[str, Measured]) -> Page:
        names = data.body.skeleton.joint_names
        percentages = {method: 100 * np.asarray(measured[method].right_branch, float) for method in METHODS}
        rows: list[Any] = [
            [name, *(float(percentages[method][j]) for method in METHODS)]
            for j, name in enumerate(names)
            if j > 0
        ]
        groups = _joints_by_name(names)
        rows.append(["all bones", *(float(percentages[method][1:].mean()) for method in METHODS)])

        def draw(figure: Any) -> None:
            positions = np.arange(len(groups))
            figure.set_size_inches(max(7, 0.35 * len(groups) + 1), 4.2)
            (axes,) = axes_of(figure, "How often a bone points to the true side", data.name)
            axes.grid(False, axis="x")
            for position in positions[1::2]:
                axes.axvspan(position - 0.5, position + 0.5, color="0.95", zorder=0)
            for k, method in enumerate(METHODS):
                means = [float(percentages[method][joints].mean()) for joints in groups.values()]
                draw_curve(axes, method, positions + 0.17 * (k - 1.5), means, joined=False)
            axes.set_xticks(positions, groups, rotation=45, ha="right", rotation_mode="anchor")
            axes.set(ylabel="bones on the true side, %", xlim=(-0.5, len(groups) - 0.5))
            add_legend(axes, ncols=len(METHODS), loc="lower center", bbox_to_anchor=(0.5, 1.0))

        return Page(
            [Table(["bone, by its child", *(f"{method}, %" for method in METHODS)], rows, "hypotheses")],
            [
                "A child joint can be at two positions on its ray, one towards the camera, one away from it: "
                "how often a bone points to the same side as the true one.",
                "The figure shows means of left and right.",
            ],
            {"hypotheses": draw},
        )

    return Plan(_method_runs(data), page)


def _joints_by_name(names: Sequence[str]) -> dict[str, list[int]]:
    """Joints except the root, grouped by their names without the side."""
    groups: dict[str, list[int]] = {}
    for joint, name in list(enumerate(names))[1:]:
        groups.setdefault(name.removeprefix("left_").removeprefix("right_"), []).append(joint)
    return groups
