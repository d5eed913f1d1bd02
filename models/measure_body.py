"""Measure how human the open body's proportions are, in both of its versions.

Run ``python -m models.measure_body``. It prints the joints' heights and the lengths between them over stature
beside those of anthropometric tables; the fit of the body to the triangulated keypoints of a real person
(those of ``kitro-np eval --example real``, 100 frames of one camera, one shape, free poses); and its fits to
people made at random from the tables, in poses of the demo's clip. Betas are in standard deviations.
"""

from __future__ import annotations

import sys

import numpy as np

from kitro_np import BodyModel, example, find_layout, load_body
from kitro_np.arrays.rotations import matrix_from_axis_angle
from kitro_np.evaluation.examples import real_example

from .open_body.people import SHARES
from .open_body.report import shares_of
from .shared.fit_to_points import fit_to_points, posed_points
from .shared.table_people import LIMBS, random_people, skeleton_of

VERSIONS = ("open_v1", "open_v2")

FRAMES = 100
"""Of the real person, from the first camera."""

PEOPLE, EVERY = 20, 6
"""How many people are made, and every how manieth pose of the clip each is given."""

TABLES = {
    **{
        name: share
        for name, (share, _) in SHARES.items()
        if "half" not in name and name not in ("neck", "head_below_top")
    },
    "upper_arm": 0.186,
    "forearm": 0.146,
}
"""Shares of stature in Drillis and Contini's table."""


def real_fit(body: BodyModel) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance of each point of BODY_25B in mm, and betas, of the fit to the real person."""
    people = real_example()
    layout = find_layout("body25b", body)
    pose = matrix_from_axis_angle(people.truth.pose[:FRAMES].astype(np.float64))
    fit = fit_to_points(body.skeleton, layout, people.triangulated[:FRAMES].astype(np.float64), pose)
    return 1e3 * np.nanmean(fit.distance, axis=0), fit.betas


def table_fits(body: BodyModel) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance of the limbs' joints in mm and largest beta of each fit to people of the tables."""
    pose = example()["pose"][::EVERY].astype(np.float64)
    layout = find_layout("smpl24", body)
    none = np.zeros((len(pose), 3))
    errors, betas = [], []
    for person in random_people(PEOPLE, np.random.default_rng(0)):
        skeleton = skeleton_of(person, load_body("open_v2").skeleton)
        every = posed_points(skeleton, find_layout("smpl24", skeleton), pose, np.zeros(0), none)
        points = np.full_like(every, np.nan)
        points[:, LIMBS] = every[:, LIMBS]
        fit = fit_to_points(body.skeleton, layout, points, pose)
        errors.append(1e3 * np.nanmean(fit.distance))
        betas.append(np.abs(fit.betas).max())
    return np.array(errors), np.array(betas)


def main() -> int:
    """Print the tables."""
    bodies = {name: load_body(name) for name in VERSIONS}
    found = {
        name: shares_of(body.v_template.astype(float), body.skeleton.joint_template)
        for name, body in bodies.items()
    }
    print(f"{'over stature':34s}{'table':>8s}" + "".join(f"{name:>10s}" for name in VERSIONS))
    for share, value in TABLES.items():
        print(f"{share:34s}{value:8.3f}" + "".join(f"{found[name][share]:10.4f}" for name in VERSIONS))
    lines: dict[str, list[str]] = {}
    for body in bodies.values():
        distance, betas = real_fit(body)
        errors, largest = table_fits(body)
        for title, value in (
            ("real person, shoulders to ankles, mm", distance[5:17].mean()),
            ("real person, all points, mm", distance.mean()),
            ("real person, largest beta", np.abs(betas).max()),
            ("people of the tables, limbs, mm", errors.mean()),
            ("the worst of them, mm", errors.max()),
            ("largest beta among them", largest.max()),
        ):
            lines.setdefault(title, []).append(f"{value:10.1f}")
    for title, values in lines.items():
        print(f"{title:42s}" + "".join(values))
    return 0


if __name__ == "__main__":
    sys.exit(main())
