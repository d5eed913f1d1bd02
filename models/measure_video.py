"""Measure what ``map`` makes of videos, beside each frame alone and beside smoothing.

Run ``python -m models.measure_video [VIDEO.npz ...]``. The files hold simulated videos as ``kitro-np simulate
--video`` writes them; without any, two are simulated on each version of the open body. The real person of the
example comes after them, with a network's estimates and with simulated ones whose errors are correlated in
time. Columns: MPJPE and PA-MPJPE in mm; acceleration error of joints about the root and of the root, in mm
per squared frame; error of the shape in mm; the share of frames worse than their estimate by 20 mm; MPJPE of
frames without detection; joints' error over their spread (root mean square). "Smoothed" is each frame alone,
then the mean of betas and a Savitzky-Golay filter of 15 frames of rotations and the root's place.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

from kitro_np import BodyModel, KeypointLayout, load_body, refine
from kitro_np.arrays.rotations import matrix_from_axis_angle
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.evaluation import motion
from kitro_np.evaluation.metrics import LSP14, joint_errors, pa_joint_errors
from kitro_np.formats.estimates import Tracks
from kitro_np.paper.smooth import smoothed
from kitro_np.posterior.priors import pose_spread
from kitro_np.simulate import simulate_video
from kitro_np.simulate.draws import Draws
from kitro_np.simulate.video import VideoErrors

from .shared.command_line import Parser
from .shared.real_person import matrices

COLUMNS = ("MPJPE", "PA", "accel", "root", "shape", "worse", "unseen", "e/spread")
FAR_OFF = 20.0
LEAST_SCORE = 0.3


@dataclass(frozen=True)
class Video:
    """Tracks of people: estimates, detections and the truth, N rows."""

    name: str
    body: BodyModel
    pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray
    keypoints_2d: np.ndarray
    confidence: np.ndarray
    intrinsics: np.ndarray
    track: np.ndarray
    frame: np.ndarray
    fps: float
    true_pose: np.ndarray
    true_betas: np.ndarray
    true_transl: np.ndarray
    depth_factor: np.ndarray
    layout: str | KeypointLayout = "smpl24"


def simulated(name: str, arrays: dict[str, np.ndarray], body: BodyModel) -> Iterator[Video]:
    """Return a simulated video with noisy, and with exact keypoints."""
    part = {key: arrays[key].astype(np.float64) for key in arrays if arrays[key].dtype.kind == "f"}
    count = len(part["pred_theta"])
    for kind, key in (("noisy", "keypoints_2d_noisy"), ("exact", "keypoints_2d")):
        yield Video(
            f"{name}, {kind}", body, part["pred_theta"], part["pred_beta"], part["pred_cam"], part[key],
            part["confidence"] if kind == "noisy" else np.ones(part[key].shape[:2]), part["intrinsics"],
            arrays["track"], arrays["frame"], float(arrays["fps"]),
            matrices(part["GT_pose"].reshape(count, -1, 3)), part["GT_beta"], part["GT_cam"],
            part["GT_focal"] / part["intrinsics"][:, 0, 0],
        )  # fmt: skip


def real() -> Iterator[Video]:
    """Return the videos of the example's person."""
    with as_file(files("kitro_np") / "data" / "balancing.npz") as path, np.load(path) as file:
        data = {key: file[key] for key in file.files}
    body = load_body(str(data["body"]))
    points = data["keypoints_body25b"].astype(np.float64)
    score = np.where(points[..., 2] < LEAST_SCORE, 0.0, points[..., 2])
    pose, betas, transl = (
        matrices(data["GT_theta"]),
        *(data[f"GT_{key}"].astype(float) for key in ("beta", "cam")),
    )
    estimates = {
        "network": (matrices(data["mediapipe_theta"]), *(data[f"mediapipe_{key}"] for key in ("beta", "cam")))
    }
    for seed in range(3):
        estimates[f"simulated {seed}"] = wrong_over_time(body, pose, betas, transl, float(data["fps"]), seed)
    for name, (given, shape, place) in estimates.items():
        for layout, number in (("coco17", 17), ("body25b", 25)):
            yield Video(
                f"real, {layout}, {name}", body, given, shape.astype(float), place.astype(float),
                points[:, :number, :2], score[:, :number], data["intrinsics"].astype(float), data["camera"],
                data["frame"], float(data["fps"]), pose, betas, transl, np.ones(len(pose)), layout,
            )  # fmt: skip


def wrong_over_time(
    body: BodyModel, pose: np.ndarray, betas: np.ndarray, transl: np.ndarray, fps: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimates of two tracks of the same length, with errors as :class:`VideoErrors` has them."""
    errors, draws, count = VideoErrors(), Draws(seed, 2), len(pose) // 2

    def draw(part: Any, name: str, *shape: int) -> np.ndarray:
        return part.draw(draws, name, count, fps, *shape).reshape(len(pose), *shape)

    spread = pose_spread(body.skeleton)[:, :1]
    turned = matrix_from_axis_angle(spread * draw(errors.pose, "pose", len(spread), 3)) @ pose
    shape = 0.2 * betas + 0.9 * draw(errors.betas, "betas", betas.shape[1])
    return turned, shape, transl * (1 + 0.057 * draw(errors.depth, "depth"))[:, None]


def measure(video: Video) -> list[str]:
    """Return a video's lines of the table."""
    truth = forward_kinematics(video.body.skeleton, video.true_pose, video.true_betas).joints
    runs = motion.find_runs(video.track, video.frame)
    unseen = ~(video.confidence > 0).any(axis=1)

    def errors(bodies: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
        joints = forward_kinematics(video.body.skeleton, bodies[0], bodies[1]).joints
        return joints, 1000 * np.mean(joint_errors(joints, truth, LSP14), axis=1)

    given = (video.pose, video.betas, video.transl)
    before = errors(given)[1]

    def line(name: str, bodies: tuple[np.ndarray, ...], spread: np.ndarray | None = None) -> str:
        joints, mpjpe = errors(bodies)
        roots, true_roots = joints[:, 0] + bodies[2], truth[:, 0] + video.true_transl
        numbers = [
            mpjpe.mean(),
            1000 * np.mean(pa_joint_errors(joints, truth, LSP14)),
            motion.mean_of(motion.acceleration_error(joints, truth, runs)),
            motion.mean_of(motion.root_acceleration_error(roots, true_roots, runs, video.depth_factor)),
            motion.mean_of(motion.shape_error(video.body.skeleton, bodies[1], video.true_betas)),
            100 * np.mean(mpjpe > before + FAR_OFF),
            mpjpe[unseen].mean() if unseen.any() else np.nan,
        ]
        if spread is not None:
            away = np.linalg.norm((joints - joints[:, :1]) - (truth - truth[:, :1]), axis=-1)
            numbers.append(np.sqrt(np.nanmean((away[:, 1:] / spread[:, 1:]) ** 2)))
        return (
            f"{name:<12}"
            + "".join(f"{number:>9.1f}" for number in numbers[:7])
            + "".join(f"{number:>9.2f}" for number in numbers[7:])
        )

    common = {"body": video.body, "keypoint_layout": video.layout, "uncertainty": True}
    common["confidence"] = video.confidence
    arguments = (*given, video.keypoints_2d, video.intrinsics)
    alone = refine(*arguments, **common)
    together = refine(*arguments, **common, tracks=video.track, frames=video.frame, fps=video.fps)
    single = (alone.pose, alone.betas, alone.transl)
    return [
        video.name,
        line("  estimate", given),
        line("  each alone", single, alone.joint_spread),
        line("  smoothed", smoothed(video.body, Tracks(video.track, video.frame, video.fps), *single)),
        line("  video", (together.pose, together.betas, together.transl), together.joint_spread),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = Parser(
        prog="python -m models.measure_video",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="VIDEO.npz")
    parser.add_argument(
        "--body", default="open_v1", help="of files that do not name theirs (default open_v1)"
    )
    options = parser.parse_args(arguments)
    print(" " * 12 + "".join(f"{name:>9}" for name in COLUMNS))
    for video in videos(options.files, options.body):
        print("\n".join(measure(video)), flush=True)
    return 0


def videos(paths: list[Path], body: str) -> Iterator[Video]:
    """Return all videos to be measured."""
    for path in paths:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        yield from simulated(path.name, arrays, load_body(str(arrays.get("body", body))))
    if not paths:
        for name in ("open_v1", "open_v2"):
            for seed in (1, 2):
                model = load_body(name)
                arrays = simulate_video(body=model, seed=seed).arrays()
                yield from simulated(f"{name}, seed {seed}", arrays, model)
    yield from real()


if __name__ == "__main__":
    sys.exit(main())
