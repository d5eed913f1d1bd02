"""Build the set of ``kitro-np eval --example real`` from a file of detections, estimates and ground truth.

Run ``python -m models.build_real_example SET.npz -o kitro_np/data/balancing.npz``. What the example needs is
kept, and poses become axis-angle vectors, a third of the size of rotation matrices. A set that does not name
its body is on version 1 of the open body.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from .shared.command_line import check_output, output_parser, run
from .shared.errors import BuildError
from .shared.npz import write_npz

PROGRAM = "python -m models.build_real_example"

POSES = ("GT_theta", "pred_theta", "mediapipe_theta")
"""Keys of rotation matrices (..., 24, 3, 3)."""

KEPT = (
    "GT_beta", "GT_cam", "pred_beta", "pred_cam", "mediapipe_beta", "mediapipe_cam", "keypoints_body25b",
    "keypoints_mediapipe33", "intrinsics", "camera", "frame", "fps", "LICENSE",
)  # fmt: skip
"""Keys of arrays that stay as they are."""


def build_example(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays that the example needs, poses as axis-angle vectors (..., 24, 3)."""
    with np.load(path) as data:
        if missing := [key for key in (*POSES, *KEPT) if key not in data]:
            raise BuildError(f"{path} lacks {', '.join(missing)}.")
        poses = {key: data[key] for key in POSES}
        kept = {key: data[key] for key in KEPT}
        kept["body"] = data["body"] if "body" in data else np.array("open_v1")
    vectors = {
        key: Rotation.from_matrix(pose.reshape(-1, 3, 3)).as_rotvec().reshape(pose.shape[:-1])
        for key, pose in poses.items()
    }
    return {**{key: vector.astype(np.float32) for key, vector in vectors.items()}, **kept}


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = output_parser(PROGRAM, __doc__)
    parser.add_argument("set", type=Path)
    options = parser.parse_args(arguments)
    check_output(parser, options.output, replace=True)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the set and write the example."""
    options = parse_arguments(arguments)

    def build() -> list[str]:
        write_npz(options.output, build_example(options.set))
        return [f"wrote {options.output}"]

    return run(PROGRAM, build)


if __name__ == "__main__":
    sys.exit(main())
