"""Measure how human the open body's proportions are, in both of its versions.

Run ``python -m models.measure_body``. It prints the joints' heights and the lengths between them over stature
beside those of anthropometric tables; the fit of the body to the triangulated keypoints of a real person
(those of ``kitro-np eval --example real``, 100 frames of one camera, one shape, free poses); and its fits to
people made at random from the tables, in poses of the demo's clip. Betas are in standard deviations. Last,
how far the points of estimates of the real person are from the triangulated ones, before and after method
"map".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.resources import as_file, files

import numpy as np

from kitro_np import BodyModel, example, find_layout, load_body, refine
from kitro_np.arrays.rotations import matrix_from_axis_angle
from kitro_np.evaluation.examples import real_example

from .open_body.people import SHARES
from .open_body.report import shares_of
from .shared.command_line import Parser
from .shared.fit_to_points import fit_to_points, posed_points
from .shared.real_person import place_on, point_distances
from .shared.table_people import LIMBS, random_people, skeleton_of

VERSIONS = ("open_v1", "open_v2")

PARTS = ("theta", "beta", "cam")
"""Of an estimate, by their keys."""

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


def thigh_over_shank(body: BodyModel) -> tuple[float, float]:
    """Lengths of thigh over shank, between joints and between COCO's points."""
    layout, joints = find_layout("coco17", body), body.skeleton.joint_template
    points = joints[np.array(layout.joints)] + layout.offsets
    numbers = [layout.names.index(f"left_{name}") for name in ("hip", "knee", "ankle")]
    ratios = []
    for hip, knee, ankle in (joints[[1, 4, 7]], points[numbers]):
        ratios.append(float(np.linalg.norm(hip - knee) / np.linalg.norm(knee - ankle)))
    return ratios[0], ratios[1]


def refined_points(body: BodyModel) -> dict[str, list[float]]:
    """Distances in mm of estimates' points from triangulated ones, before and after `map`, by row.

    Estimates of the real person are placed on the body: simulated ones keep their errors, the network's its
    pose. All 25 points of BODY_25B count, about the mean of shoulders and hips.
    """
    people = real_example()
    with as_file(files("kitro_np") / "data" / "balancing.npz") as path, np.load(path) as file:
        placed = place_on(body, {key: file[key] for key in file.files})
    rows: dict[str, list[float]] = {}
    for case in people.cases:
        runs = [(*(placed[f"mediapipe_{part}"] for part in PARTS),)]
        if "network" not in case.name:
            runs = [(*run,) for run in zip(*(placed[f"pred_{part}"] for part in PARTS), strict=True)]
        found = []
        for pose, betas, transl in runs:
            estimate = (part.astype(np.float32) for part in (pose, betas, transl))
            result = refine(
                *estimate,
                case.keypoints_2d,
                people.intrinsics,
                confidence=case.confidence,
                keypoint_layout=case.layout,
                body=body,
            )
            pairs = ((pose, betas), (result.pose, result.betas))
            found.append([np.nanmean(point_distances(body, *pair, people.triangulated)) for pair in pairs])
        rows[case.name] = [float(value) for value in 1e3 * np.mean(found, axis=0)]
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    Parser(
        prog="python -m models.measure_body",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    bodies = {name: load_body(name) for name in VERSIONS}
    found = {
        name: shares_of(body.v_template.astype(float), body.skeleton.joint_template)
        for name, body in bodies.items()
    }
    print(f"{'over stature':34s}{'table':>8s}" + "".join(f"{name:>10s}" for name in VERSIONS))
    for share, value in TABLES.items():
        print(f"{share:34s}{value:8.3f}" + "".join(f"{found[name][share]:10.4f}" for name in VERSIONS))
    ratios = [thigh_over_shank(body) for body in bodies.values()]
    for title, number in (("thigh over shank, joints", 0), ("thigh over shank, COCO's points", 1)):
        print(f"{title:42s}" + "".join(f"{ratio[number]:10.3f}" for ratio in ratios))
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
        for case, pair in refined_points(body).items():
            lines.setdefault(f"map, {case}, all points, mm", []).append("{:10.1f}{:6.1f}".format(*pair))
    for title, values in lines.items():
        print(f"{title:42s}" + "".join(values))
    return 0


if __name__ == "__main__":
    sys.exit(main())
