"""The paper's figures, and those that its supplement describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..body import SMPL_JOINT_NAMES
from ..evaluation.metrics import share_improved
from ..keypoints.landmarks import has_body_joints
from .page import Cell, Page, Table
from .plan import COLOURS, KITRO, METHODS, USUAL, Plan, axes_of, named, steps_for, usual_row
from .published import IMPROVED
from .runs import Measured, Run
from .sets import DataSet, Sets

CHAINS = {
    "arm": ("collar", "shoulder", "elbow", "wrist", "hand"),
    "leg": ("hip", "knee", "ankle", "foot"),
}
"""SMPL's joints of a person's limbs from the trunk outwards; left and right are averaged."""

ITERATIONS = tuple(range(11))
NOISE = (0.0, 0.002, 0.005, 0.008, 0.012, 0.02)
"""Spread of keypoints, as a share of the person's height in the image; 0.012 is a good detector's."""


def _of_methods(data: DataSet) -> dict[str, Run]:
    return {method: Run(data, steps_for(data, *steps)) for method, steps in METHODS.items()}


def figure_1(sets: Sets) -> Plan:
    """Plan Fig. 1: errors in the image and in depth, and of the joints along the limbs."""
    data = sets.people[0]

    def page(found: Mapping[str, Measured]) -> Page:
        means: dict[str, list[Cell]] = {
            method: [one.mean("keypoint_error"), one.mean("depth_error")] for method, one in found.items()
        }
        limbs = _limbs_of(data)
        chains = {
            limb: {method: _along(found[method].joint_error, joints) for method in METHODS}
            for limb, joints in limbs.items()
        }
        rows: list[list[Cell]] = [
            [joint, *(chains[limb][method][k] for method in METHODS)]
            for limb, joints in limbs.items()
            for k, joint in enumerate(joints)
        ]

        def draw_errors(figure: Any) -> None:
            for axes, k, label in zip(
                axes_of(figure, 1, 2), (0, 1), ("2D error, pixels", "depth error, mm"), strict=True
            ):
                values = [means[method][k] for method in METHODS]
                bars = axes.bar(
                    list(METHODS), values, color=[COLOURS[method] for method in METHODS], width=0.6
                )
                axes.bar_label(bars, fmt="%.1f")
                axes.set(ylabel=label)

        def draw_joints(figure: Any) -> None:
            for axes, (limb, joints) in zip(axes_of(figure, 1, 2), limbs.items(), strict=True):
                for method in METHODS:
                    axes.plot(joints, chains[limb][method], "o-", color=COLOURS[method], label=method)
                axes.set(title=limb, ylabel="error about the pelvis, mm", ylim=(0, None))
            axes.legend(frameon=False)

        errors = Table(
            [data.name, "2D error, pixels", "depth error, mm"],
            [[method, *row] for method, row in means.items()],
            "fig1a",
        )
        if not limbs:
            return Page([errors], ["This body has not SMPL's limbs."], {"fig1a": draw_errors})
        return Page(
            [errors, Table(["error about the pelvis, mm", *METHODS], rows, "fig1b")],
            ["Errors of joints are means of left and right."],
            {"fig1a": draw_errors, "fig1b": draw_joints},
        )

    return Plan(_of_methods(data), page)


def _limbs_of(data: DataSet) -> dict[str, tuple[str, ...]]:
    """Joints of the limbs that a body has: SMPL-H and SMPL-X have fingers where SMPL has a hand."""
    if not has_body_joints(data.body.skeleton):
        return {}
    smpl = data.body.num_joints == len(SMPL_JOINT_NAMES)
    return {
        limb: tuple(joint for joint in joints if smpl or joint != "hand") for limb, joints in CHAINS.items()
    }


def _along(errors: Any, joints: tuple[str, ...]) -> list[float]:
    return [
        float(np.mean([errors[SMPL_JOINT_NAMES.index(f"{side}_{joint}")] for side in ("left", "right")]))
        for joint in joints
    ]


def figure_5(sets: Sets) -> Plan:
    """Plan Fig. 5: errors against the number of loops."""
    runs = {
        named(data.name, str(count)): Run(data, steps_for(data, {**KITRO, "iterations": count}))
        for data in sets.people
        for count in ITERATIONS
    }

    def page(found: Mapping[str, Measured]) -> Page:
        tables, remarks, figures = [], [], {}
        for k, data in enumerate(sets.people, start=1):
            stem = f"fig5-{k}" if len(sets.people) > 1 else "fig5"
            own = [found[named(data.name, str(count))] for count in ITERATIONS]
            rows = [usual_row(str(count), one) for count, one in zip(ITERATIONS, own, strict=True)]
            tables.append(Table([f"{data.name}: iterations", *USUAL.values()], rows, stem))
            errors = [one.mean("mpjpe") for one in own]
            remarks.append(f"{data.name}: {_flattens(errors)}")

            def draw(figure: Any, own: list[Measured] = own, name: str = data.name) -> None:
                axes = axes_of(figure)
                for metric, title in USUAL.items():
                    axes.plot(ITERATIONS, [one.mean(metric) for one in own], "o-", label=title)
                axes.set(xlabel="iterations", ylabel="mm", ylim=(0, None), title=name)
                axes.legend(frameon=False)

            figures[stem] = draw
        return Page(tables, remarks, figures)

    return Plan(runs, page)


def _flattens(errors: list[float]) -> str:
    """Say how early a curve that begins with the estimate's error reaches what it falls in all."""
    fall = errors[0] - min(errors)
    if not fall > 0:
        return "MPJPE does not fall."
    shares = [100 * (errors[0] - errors[count]) / fall for count in (4, 5)]
    early, later = (f"{share:.0f}%" for share in shares)
    return f"{early} of what MPJPE falls in all is reached after 4 iterations, {later} after 5."


def improved(sets: Sets) -> Plan:
    """Plan the distribution of what bodies gain."""
    data = sets.people[0]

    def page(found: Mapping[str, Measured]) -> Page:
        before = found["estimate"].mpjpe
        gains = {method: before - found[method].mpjpe for method in METHODS if method != "estimate"}
        rows = []
        for method, gain in gains.items():
            known = IMPROVED.values() if method == "kitro" else [None] * len(IMPROVED)
            quantiles = np.nanpercentile(gain, (5, 50, 95))
            share = 100 * share_improved(before, found[method].mpjpe)
            rows.append([method, share, *known, *map(float, quantiles)])
        header = [
            data.name,
            f"{'ours, simulated' if data.simulated else 'ours'}: improved, %",
            *(f"paper, {place}: improved, %" for place in IMPROVED),
            *("gain, 5th percentile", "median", "95th"),
        ]

        def draw(figure: Any) -> None:
            axes = axes_of(figure)
            edges = np.arange(-100, 181, 10)
            for method, gain in gains.items():
                inside = np.clip(gain[np.isfinite(gain)], edges[0], edges[-1])
                axes.hist(inside, edges, histtype="step", linewidth=1.8, color=COLOURS[method], label=method)
            axes.axvline(0, color="0.3", linewidth=1)
            axes.set(
                xlabel="fall of MPJPE, mm (the outermost bins hold what is beyond)",
                ylabel="bodies",
                title=data.name,
            )
            axes.legend(frameon=False)

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

    def page(found: Mapping[str, Measured]) -> Page:
        rows: list[Any] = []
        curves: dict[str, list[float]] = {method: [] for method in METHODS}
        for share in NOISE:
            for method, curve in curves.items():
                one = found[named(method, str(0.0 if method == "estimate" else share))]
                curve.append(one.mean("mpjpe"))
                rows.append([f"{100 * share:.1f}% {method}", *(one.mean(name) for name in USUAL)])

        def draw(figure: Any) -> None:
            axes = axes_of(figure)
            for method, curve in curves.items():
                axes.plot([100 * share for share in NOISE], curve, "o-", color=COLOURS[method], label=method)
            axes.axvline(1.2, color="0.55", linewidth=1, linestyle="--")
            axes.annotate(
                "a good detector",
                (1.2, 0.02),
                xycoords=("data", "axes fraction"),
                rotation=90,
                ha="right",
                color="0.35",
            )
            axes.set(
                xlabel="noise of keypoints, % of the person's height in the image",
                ylabel="MPJPE, mm",
                ylim=(0, None),
                title=data.name,
            )
            axes.legend(frameon=False)

        return Page(
            [Table([f"{data.name}: noise", *USUAL.values()], rows, "noise")],
            ["Gaussian noise on both coordinates of every keypoint."],
            {"noise": draw},
        )

    return Plan(runs, page)


def hypotheses(sets: Sets) -> Plan:
    """Plan how often a bone is on the right side of its ray: the estimate's, and the refined one's."""
    data = sets.people[0]

    def page(found: Mapping[str, Measured]) -> Page:
        names = data.body.skeleton.joint_names
        shares = {method: 100 * np.asarray(found[method].right_branch, float) for method in METHODS}
        rows: list[Any] = [
            [name, *(float(shares[method][j]) for method in METHODS)] for j, name in enumerate(names) if j > 0
        ]
        rows.append(["all bones", *(float(shares[method][1:].mean()) for method in METHODS)])

        def draw(figure: Any) -> None:
            axes = axes_of(figure)
            places = np.arange(1, len(names))
            for k, method in enumerate(METHODS):
                axes.bar(
                    places + 0.2 * (k - 1.5), shares[method][1:], 0.2, color=COLOURS[method], label=method
                )
            axes.set_xticks(places, names[1:], rotation=60, ha="right", fontsize=8)
            axes.set(ylabel="bones on the right side, %", ylim=(40, 107), title=data.name)
            axes.legend(frameon=False, ncols=4, loc="upper center")

        return Page(
            [Table(["bone, by its child", *(f"{method}, %" for method in METHODS)], rows, "hypotheses")],
            [
                "Of the two places on its ray where a child joint can be, one is away from the camera, one "
                "towards it: how often a bone points to the side where the true one points."
            ],
            {"hypotheses": draw},
        )

    return Plan(_of_methods(data), page)
