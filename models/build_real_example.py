"""Build the set of ``kitro-np eval --example real`` from a file of detections, estimates and ground truth.

Run ``python -m models.build_real_example SET.npz -o kitro_np/data/balancing.npz``. Truth and estimates are
placed on the open body: the truth is fitted to the triangulated keypoints, simulated estimates keep their
errors, and the network's is the body with betas of zero, fitted to MediaPipe's 3D landmarks. Poses become
axis-angle vectors, a third of the size of rotation matrices.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from kitro_np import load_body

from .shared.command_line import read_paths, run
from .shared.errors import BuildError
from .shared.npz import write_npz
from .shared.real_person import place_on

PROGRAM = "python -m models.build_real_example"

NEEDED = (
    "GT_theta", "GT_beta", "GT_cam", "pred_theta", "pred_beta", "pred_cam", "mediapipe_theta",
    "mediapipe_cam", "mediapipe_world",
)  # fmt: skip
"""Keys of truth and estimates on the body that the set is on."""

KEPT = (
    "keypoints_body25b", "keypoints_mediapipe33", "triangulated_body25b", "intrinsics", "camera", "frame",
    "fps", "LICENSE",
)  # fmt: skip
"""Keys of arrays that stay as they are."""


def build_example(path: Path) -> dict[str, np.ndarray]:
    """Place truth and estimates on the open body, poses as axis-angle vectors (..., 24, 3)."""
    with np.load(path) as data:
        if missing := [key for key in (*NEEDED, *KEPT) if key not in data]:
            raise BuildError(f"{path} lacks {', '.join(missing)}.")
        people = {key: data[key] for key in (*NEEDED, *KEPT)}
    body = load_body()
    placed = place_on(body, people)
    for key in ("GT_theta", "pred_theta", "mediapipe_theta"):
        vectors = Rotation.from_matrix(placed[key].reshape(-1, 3, 3)).as_rotvec()
        placed[key] = vectors.reshape(placed[key].shape[:-1])
    kept = {key: people[key] for key in KEPT}
    single = {key: value.astype(np.float32) for key, value in placed.items()}
    return {**single, **kept, "body": np.array(body.name)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the set and write the example."""
    options = read_paths(PROGRAM, __doc__, "set", arguments)

    def build() -> list[str]:
        write_npz(options.output, build_example(options.set))
        return [f"wrote {options.output}"]

    return run(PROGRAM, build)


if __name__ == "__main__":
    sys.exit(main())
