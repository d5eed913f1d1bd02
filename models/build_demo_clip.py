"""Build the clip of ``kitro-np demo``: real motion, and estimates like a network's.

Run ``python -m models.build_demo_clip POSES.npz -o kitro_np/data/demo_clip.npz``. POSES.npz holds real
poses: ``poses`` (M, 24, 3) axis-angle, ``clips`` (M,), ``frames`` (M,) at 120 fps, ``LICENSE``. Poses of
one clip are interpolated to 30 fps on the open body. The simulated estimates have errors that are smooth in
time: joint rotations, betas shrunk towards the mean, depth, and a focal length taken from the image diagonal.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation, Slerp

from kitro_np import default_intrinsics, load_body
from kitro_np.body.kinematics import global_rotations
from kitro_np.camera import project

from .shared.command_line import read_paths, run
from .shared.npz import write_npz

PROGRAM = "python -m models.build_demo_clip"

IMAGE_SIZE = (1920, 1080)
TRUE_FOCAL = 1830.0
CLIP, FIRST_FRAME, FRAMES = "cmu_05_06", 197, 60
"""Two seconds of dance; the given poses lie at most 16 of the 120 frames a second apart."""

DEGREES = np.array([5, 10, 10, 5, 11, 11, 5, 12, 12, 5, 8, 8, 10, 5, 5, 10, 11, 10, 16, 16, 14, 13, 8, 8])
"""Mean rotation error of each joint, measured for an HMR network on real images."""

VIEW_SHARE = 0.3
"""Share of that about the viewing axis: a network sees rotations in the image plane."""


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], frames: float) -> np.ndarray:
    """Noise over time, correlated over some frames, with mean square 1: few such frames have a mean, too."""
    noise = gaussian_filter1d(rng.normal(size=shape), frames, axis=0, mode="wrap")
    return noise / np.sqrt(np.mean(noise**2))


def true_motion(poses: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Poses (FRAMES, 24, 3, 3) at 30 fps, between the given ones by spherical interpolation."""
    times = FIRST_FRAME + 4.0 * np.arange(FRAMES)
    joints = [Slerp(frames, Rotation.from_rotvec(poses[:, j]))(times).as_matrix() for j in range(24)]
    return np.stack(joints, axis=1)


def read_clip(path: Path) -> tuple[np.ndarray, str]:
    """Return the clip's poses (FRAMES, 24, 3, 3) at 30 fps and the file's licence."""
    with np.load(path) as data:
        chosen = data["clips"] == CLIP
        order = np.argsort(data["frames"][chosen])
        poses, frames = (data[key][chosen][order].astype(float) for key in ("poses", "frames"))
        return true_motion(poses, frames), str(data["LICENSE"])


def build_clip(true_pose: np.ndarray, notice: str) -> dict[str, np.ndarray]:
    """Simulate a network's estimates of the motion and the keypoints of its frames."""
    rng = np.random.default_rng(4)
    body = load_body("open")
    true_betas = np.tile(rng.normal(size=10), (FRAMES, 1))
    true_transl = np.tile([0.1, 0.15, 5.0], (FRAMES, 1))
    assumed = default_intrinsics(IMAGE_SIZE)
    camera = assumed.copy()
    camera[[0, 1], [0, 1]] = TRUE_FOCAL
    joints = body.joints(true_pose, true_betas, true_transl)

    # The angle of a Gaussian rotation vector with standard deviation s is 1.6 s on average.
    error = np.radians(DEGREES / 1.6)[None, :, None] * smooth_noise(rng, (FRAMES, 24, 3), 4)
    error[..., 2] *= VIEW_SHARE
    turn = Rotation.from_rotvec(error.reshape(-1, 3)).as_matrix().reshape(true_pose.shape)
    above = global_rotations(body.skeleton, true_pose)[:, np.maximum(body.skeleton.parents, 0)]
    above[:, 0] = np.eye(3)
    pose = np.swapaxes(above, -1, -2) @ turn @ above @ true_pose
    betas = 0.4 * true_betas + 0.5 * smooth_noise(rng, (FRAMES, 10), 8)
    depth = true_transl[:, 2:] * assumed[0, 0] / TRUE_FOCAL + 0.15 * smooth_noise(rng, (FRAMES, 1), 8)
    transl = np.concatenate([true_transl[:, :2] + 0.02 * smooth_noise(rng, (FRAMES, 2), 8), depth], axis=1)

    return {
        "pred_theta": pose.astype(np.float32),
        "pred_beta": betas.astype(np.float32),
        "pred_cam": transl.astype(np.float32),
        "intrinsics": np.tile(assumed, (FRAMES, 1, 1)).astype(np.float32),
        "keypoints_2d": project(joints, np.tile(camera, (FRAMES, 1, 1))).astype(np.float32),
        "GT_theta": true_pose.astype(np.float32),
        "GT_beta": true_betas.astype(np.float32),
        "body": np.array(body.name),
        "LICENSE": np.array(notice),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the poses, simulate the estimates and write the clip."""
    options = read_paths(PROGRAM, __doc__, "poses", arguments)

    def build() -> list[str]:
        write_npz(options.output, build_clip(*read_clip(options.poses)))
        return [f"wrote {options.output}"]

    return run(PROGRAM, build)


if __name__ == "__main__":
    sys.exit(main())
