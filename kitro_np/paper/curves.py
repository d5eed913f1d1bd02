"""The paper's figures, and those that its supplement describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..body.families import SMPL, has_body_joints
from ..evaluation.metrics import share_improved
from .look import add_legend, axes_of, draw_bar, draw_curve, draw_level, draw_steps
from .page import Cell, Page, Table
from .plan import KITRO, METHODS, USUAL, Plan, named, steps_for, usual_row
from .published import BEST_KEYPOINT_ERROR, CONVERGED, IMPROVED
from .runs import Measured, Run
from .sets import DataSet, Sets

CHAINS = {
    "arm": ("collar", "shoulder", "elbow", "wrist", "hand"),
    "leg": ("hip", "knee", "ankle", "foot"),
}
"""SMPL's joints of a person's limbs from the trunk outwards; left and right are averaged."""

ITERATIONS = tuple(range(11))
DETECTOR = 0.012
NOISE = (0.0, 0.002, 0.005, 0.008, DETECTOR, 0.02)
"""Spread of keypoints, as a share of the person's height in the image: a good detector's, and all."""


def _of_methods(data: DataSet) -> dict[str, Run]:
    return {method: Run(data, steps_for(data, *steps)) for method, steps in METHODS.items()}


def figure_1(sets: Sets) -> Plan:
    """Plan Fig. 1: errors in the image and in depth, and of the joints along the limbs."""
    data = sets.people[0]

    def page(measured: Mapping[str, Measured]) -> Page:
        means = {
            method: [one.mean("keypoint_error"), one.mean("depth_error")] for method, one in measured.items()
        }
        limbs = _limbs_of(data)
        chains = {
            limb: {method: _along(measured[method].joint_error, joints) for method in METHODS}
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
                for place, method in enumerate(METHODS):
                    draw_bar(axes, method, place, means[method][k])
                axes.set_xticks(range(len(METHODS)), METHODS)
                axes.set(ylabel=label)
                axes.margins(y=0.12)
                add_legend(axes)

        def draw_joints(figure: Any) -> None:
            panels = axes_of(figure, "Errors along the limbs", data.name, len(limbs))
            for axes, (limb, joints) in zip(panels, limbs.items(), strict=True):
                for method in METHODS:
                    draw_curve(axes, method, joints, chains[limb][method])
                axes.set(title=limb, ylabel="error about the pelvis, mm", ylim=(0, None))
                add_legend(axes)

        errors = Table(
            [data.name, "2D error, pixels", "depth error, mm"],
            [[method, *row] for method, row in means.items()],
            "fig1a",
        )
        best = f"The paper: the then best network's mean 2D error on 3DPW is {BEST_KEYPOINT_ERROR:g} pixels."
        if not limbs:
            return Page([errors], [best, "This body has not SMPL's limbs."], {"fig1a": draw_errors})
        return Page(
            [errors, Table(["error about the pelvis, mm", *METHODS], rows, "fig1b")],
            [best, "Errors of joints are means of left and right."],
            {"fig1a": draw_errors, "fig1b": draw_joints},
        )

    return Plan(_of_methods(data), page)


def _limbs_of(data: DataSet) -> dict[str, tuple[str, ...]]:
    """Joints of the limbs that a body has: SMPL-H and SMPL-X have fingers where SMPL has a hand."""
    if not has_body_joints(data.body.skeleton.parents):
        return {}
    smpl = data.body.num_joints == len(SMPL.joint_names)
    return {
        limb: tuple(joint for joint in joints if smpl or joint != "hand") for limb, joints in CHAINS.items()
    }


def _along(errors: Any, joints: tuple[str, ...]) -> list[float]:
    return [
        float(np.mean([errors[SMPL.joint_names.index(f"{side}_{joint}")] for side in ("left", "right")]))
        for joint in joints
    ]


def figure_5(sets: Sets) -> Plan:
    """Plan Fig. 5: errors against the number of loops, and those of the methods that have none."""
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
            own = [measured[named(data.name, str(count))] for count in ITERATIONS]
            rest = {method: measured[named(data.name, method)] for method in others}
            rows = [usual_row(str(count), one) for count, one in zip(ITERATIONS, own, strict=True)]
            rows += [usual_row(method, one) for method, one in rest.items()]
            tables.append(Table([f"{data.name}: iterations of kitro", *USUAL.values()], rows, stem))
            remarks.append(f"{data.name}: {_flattens([one.mean('mpjpe') for one in own])}")
            figures[stem] = partial(_draw_figure_5, data.name, own, rest)
        remarks.append(f"The paper: errors converge after {early} to {late} iterations.")
        return Page(tables, remarks, figures)

    return Plan(runs, page)


def _draw_figure_5(name: str, own: list[Measured], rest: Mapping[str, Measured], figure: Any) -> None:
    figure.set_size_inches(9, 4.2)
    span = (ITERATIONS[0], ITERATIONS[-1])
    for axes, (metric, title) in zip(
        axes_of(figure, "Errors against iterations", name, len(USUAL)), USUAL.items(), strict=True
    ):
        for method in METHODS:
            if method == "kitro":
                draw_curve(axes, method, ITERATIONS, [one.mean(metric) for one in own])
            else:
                level = own[0] if method == "estimate" else rest[method]
                draw_level(axes, method, span, level.mean(metric))
        axes.set(
            title=title, xlabel="iterations of kitro", ylabel="mm", ylim=(0, None), xticks=ITERATIONS[::2]
        )
        add_legend(axes)


def _flattens(errors: list[float]) -> str:
    """Say how early a curve that begins with the estimate's error reaches what it falls in all."""
    fall = errors[0] - min(errors)
    if not fall > 0:
        return "MPJPE does not fall."
    early, late = CONVERGED
    first, second = (100 * (errors[0] - errors[count]) / fall for count in CONVERGED)
    after = f"after {early} iterations, {second:.0f}% after {late}"
    return f"{first:.0f}% of what MPJPE falls in all is reached {after}."


def improved(sets: Sets) -> Plan:
    """Plan the distribution of what bodies gain."""
    data = sets.people[0]

    def page(measured: Mapping[str, Measured]) -> Page:
        before = measured["estimate"].mpjpe
        gains = {method: before - measured[method].mpjpe for method in METHODS if method != "estimate"}
        rows = []
        for method, gain in gains.items():
            known = IMPROVED.values() if method == "kitro" else [None] * len(IMPROVED)
            quantiles = np.nanpercentile(gain, (5, 50, 95))
            share = 100 * share_improved(before, measured[method].mpjpe)
            rows.append([method, share, *known, *map(float, quantiles)])
        header = [
            data.name,
            f"{'ours, simulated' if data.simulated else 'ours'}: improved, %",
            *(f"paper, {place}: improved, %" for place in IMPROVED),
            *("gain, 5th percentile", "median", "95th"),
        ]

        def draw(figure: Any) -> None:
            (axes,) = axes_of(figure, "What bodies gain", data.name)
            edges = np.arange(-100, 181, 10)
            axes.axvline(0, color="0.3", linewidth=1)
            for method, gain in gains.items():
                draw_steps(axes, method, np.clip(gain[np.isfinite(gain)], edges[0], edges[-1]), edges)
            axes.set(xlabel="fall of MPJPE, mm (the outermost bins hold what is beyond)", ylabel="bodies")
            add_legend(axes)

        remarks = ["Gains are falls of MPJPE in mm. The paper gives the share of KITRO on CLIFF's estimates."]
        return Page([Table(header, rows, "improved")], remarks, {"improved": draw})

    return Plan(_of_methods(data), page)


def noise(sets: Sets) -> Plan:
    """Plan the errors against the noise of keypoints."""
    data = sets.people[0]
    runs = {
        named(method, str(share)): run
        for share in NOISE
        for method, run in _of_methods(data.with_noise(share) if share else data).items()
        if share == 0 or method != "estimate"
    }

    def page(measured: Mapping[str, Measured]) -> Page:
        rows: list[Any] = []
        curves: dict[str, list[float]] = {method: [] for method in METHODS}
        for share in NOISE:
            for method, curve in curves.items():
                one = measured[named(method, str(0.0 if method == "estimate" else share))]
                curve.append(one.mean("mpjpe"))
                rows.append([f"{100 * share:.1f}% {method}", *(one.mean(name) for name in USUAL)])

        def draw(figure: Any) -> None:
            (axes,) = axes_of(figure, "Errors against the noise of keypoints", data.name)
            axes.axvline(
                100 * DETECTOR, color="0.4", linewidth=1, linestyle=(0, (6, 4)), label="a good detector"
            )
            for method, curve in curves.items():
                draw_curve(axes, method, [100 * share for share in NOISE], curve)
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
    """Plan how often a bone is on the true side of its ray: the estimate's, and the refined one's."""
    data = sets.people[0]

    def page(measured: Mapping[str, Measured]) -> Page:
        names = data.body.skeleton.joint_names
        shares = {method: 100 * np.asarray(measured[method].right_branch, float) for method in METHODS}
        rows: list[Any] = [
            [name, *(float(shares[method][j]) for method in METHODS)] for j, name in enumerate(names) if j > 0
        ]
        sides = _both_sides(names)
        rows.append(["all bones", *(float(shares[method][1:].mean()) for method in METHODS)])

        def draw(figure: Any) -> None:
            places = np.arange(len(sides))
            figure.set_size_inches(max(7, 0.35 * len(sides) + 1), 4.2)
            (axes,) = axes_of(figure, "How often a bone points to the true side", data.name)
            axes.grid(False, axis="x")
            for place in places[1::2]:
                axes.axvspan(place - 0.5, place + 0.5, color="0.95", zorder=0)
            for k, method in enumerate(METHODS):
                means = [float(shares[method][joints].mean()) for joints in sides.values()]
                draw_curve(axes, method, places + 0.17 * (k - 1.5), means, joined=False)
            axes.set_xticks(places, sides, rotation=45, ha="right", rotation_mode="anchor")
            axes.set(ylabel="bones on the true side, %", xlim=(-0.5, len(sides) - 0.5))
            add_legend(axes, ncols=len(METHODS), loc="lower center", bbox_to_anchor=(0.5, 1.0))

        return Page(
            [Table(["bone, by its child", *(f"{method}, %" for method in METHODS)], rows, "hypotheses")],
            [
                "Of the two places on its ray where a child joint can be, one is away from the camera, one "
                "towards it: how often a bone points to the side where the true one points.",
                "The figure shows means of left and right.",
            ],
            {"hypotheses": draw},
        )

    return Plan(_of_methods(data), page)


def _both_sides(names: Sequence[str]) -> dict[str, list[int]]:
    """Joints but the root by their names without the side."""
    measured: dict[str, list[int]] = {}
    for joint, name in list(enumerate(names))[1:]:
        measured.setdefault(name.removeprefix("left_").removeprefix("right_"), []).append(joint)
    return measured
