"""Measure how the skins of bodies bend: triangles that turn over or cross each other, and lost volume.

Run ``python -m models.measure_skin [BODY...] [--people N] [--correctives]``; bodies are names or files as of
load_body, by default open_v1 and open_v2. Rows are set poses, then the truth of the demo clip: sums, and the
lowest volumes, of its 60 poses. Columns: triangles turned over; pairs of triangles that cross, but do not in
the T-pose; and the volume around elbows, knees and hips over that in the T-pose, in percent. Each is given
with betas of zero (the clip has its own) and, after a slash, on average of N random people.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.resources import as_file, files

import numpy as np
from scipy.spatial.transform import Rotation

from kitro_np import BodyModel, InputError, load_body
from kitro_np.body.kinematics import forward_kinematics

from .shared.command_line import Parser, number_between
from .shared.crossings import crossing_pairs
from .shared.skin_faults import enclosed_volume, faces_near, flipped
from .shared.smpl_skeleton import JOINT, JOINT_NAMES

PROGRAM = "python -m models.measure_skin"

ARMS_DOWN = {"shoulder": (0, 0, -70), "collar": (0, 0, -8)}

SET_POSES: dict[str, dict[str, tuple[float, float, float]]] = {
    "arms down": ARMS_DOWN,
    "arms up": {"shoulder": (0, 0, 60), "collar": (0, 0, 25)},
    "sitting": {"hip": (-90, 0, 0), "knee": (90, 0, 0), "shoulder": (0, -40, -40), "elbow": (0, -60, 0)},
    "knees 120": {"knee": (120, 0, 0)},
    "elbows 120": {"elbow": (0, -120, 0)},
    "forearms turned 80": {"wrist": (80, 0, 0)},
}
"""Axis-angle vectors in degrees of left joints, mirrored for the right ones."""

RADII = {"elbow": 0.09, "knee": 0.13, "hip": 0.17}
"""How far around a joint its volume is measured, in metres."""


def pose_of(degrees: dict[str, tuple[float, float, float]]) -> np.ndarray:
    """Return a pose (24, 3, 3) that is the same on both sides."""
    vectors = np.zeros((len(JOINT_NAMES), 3))
    for name, (x, y, z) in degrees.items():
        vectors[JOINT[f"left_{name}"]] = x, y, z
        vectors[JOINT[f"right_{name}"]] = x, -y, -z
    return Rotation.from_rotvec(np.radians(vectors)).as_matrix()


def clip_truth() -> tuple[np.ndarray, np.ndarray]:
    """Poses (60, 24, 3, 3) and betas (60, 10) of the demo clip's truth."""
    with as_file(files("kitro_np") / "data" / "demo_clip.npz") as path, np.load(path) as clip:
        return clip["GT_theta"].astype(float), clip["GT_beta"].astype(float)


def faults(body: BodyModel, poses: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """Return flips, crossings and volumes in percent, (n, 5), of a person in poses (n, 24, 3, 3)."""
    person = np.tile(betas, (len(poses), 1))
    rest = body.forward(np.eye(3)[None].repeat(len(JOINT_NAMES), 0), betas)
    shape, faces = np.asarray(rest.vertices), np.asarray(body.faces)
    skin = np.asarray(body.forward(poses, person).vertices)
    turned = forward_kinematics(body.skeleton, poses, person).global_rotations
    patches = [patch_of(shape, rest.joints, faces, name) for name in RADII]
    volumes = [enclosed_volume(shape, patch) for patch in patches]
    known = code_pairs(crossing_pairs(shape, faces), len(faces))

    found = np.empty((len(poses), 2 + len(RADII)))
    for k, points in enumerate(skin):
        found[k, 0] = flipped(shape, points, faces, np.asarray(body.weights), turned[k]).sum()
        crossings = code_pairs(crossing_pairs(points, faces), len(faces))
        found[k, 1] = (~np.isin(crossings, known)).sum()
        for column, (patch, volume) in enumerate(zip(patches, volumes, strict=True), 2):
            found[k, column] = 100 * enclosed_volume(points, patch) / volume
    return found


def patch_of(shape: np.ndarray, joints: np.ndarray, faces: np.ndarray, name: str) -> np.ndarray:
    """Return the triangles around both joints of a name."""
    centres = (joints[JOINT[side + name]] for side in ("left_", "right_"))
    return np.concatenate([faces_near(shape, faces, centre, RADII[name]) for centre in centres])


def code_pairs(pairs: np.ndarray, count: int) -> np.ndarray:
    """Return one number for each pair of numbers below `count`."""
    return pairs[:, 0] * count + pairs[:, 1]


def table(body: BodyModel, people: np.ndarray) -> list[str]:
    """Return a body's lines; people are the random betas (n, 10)."""
    poses = np.stack([pose_of(degrees) for degrees in SET_POSES.values()])
    clip, own = clip_truth()
    persons, person_of = np.unique(own, axis=0, return_inverse=True)
    mean_shape = faults(body, poses, np.zeros(body.num_betas))
    on_clip = summed(
        np.concatenate([faults(body, clip[person_of == k], person) for k, person in enumerate(persons)])
    )
    others = np.mean([faults(body, poses, person) for person in people], axis=0)
    others_on_clip = np.mean([summed(faults(body, clip, person)) for person in people], axis=0)
    lines = [f"{body.name:20}" + "".join(f"{name:>17}" for name in ("turned over", "crossing", *RADII))]
    for name, first, second in zip(
        (*SET_POSES, "demo clip"), (*mean_shape, on_clip), (*others, others_on_clip), strict=True
    ):
        lines.append(
            f"{name:20}" + "".join(f"{a:8.0f} /{b:7.1f}" for a, b in zip(first, second, strict=True))
        )
    return lines


def summed(found: np.ndarray) -> np.ndarray:
    """Sum the counts of all poses, and take the lowest volumes."""
    return np.concatenate([found[:, :2].sum(axis=0), found[:, 2:].min(axis=0)])


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bodies", nargs="*", default=["open_v1", "open_v2"], metavar="BODY")
    parser.add_argument("--people", type=number_between(1, 1000), default=4, help="random people (default 4)")
    parser.add_argument("--correctives", action="store_true", help="with pose blend shapes of the open body")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of each body."""
    options = parse_arguments(arguments)
    people = np.random.default_rng(0).normal(size=(options.people, 10))
    try:
        for name in options.bodies:
            print(*table(load_body(name, correctives=options.correctives or None), people), "", sep="\n")
    except (InputError, OSError) as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
