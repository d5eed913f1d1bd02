"""Refine with a detector's keypoints and scores: OpenPose's of a real person.

Usage: python examples/02_detector_scores.py
"""

import numpy as np

import kitro_np

views = kitro_np.example("real")
scored = views["keypoints_2d"]  # (200, 25, 3): x, y in pixels, and the detector's score
print(f"scores are {scored[..., 2].min():.2f} to {scored[..., 2].max():.2f}")

result = kitro_np.refine(
    views["pose"], views["betas"], views["transl"], scored, views["intrinsics"],
    keypoint_layout="body25b", body=views["body"], min_confidence=0.3, uncertainty=True,
)  # fmt: skip

print(result.summary())
print(f"the detector errs by {np.median(result.noise):.1f} pixels, as the bodies tell")
spread = 1000 * np.median(result.joint_spread, axis=0)
for name in ("left_knee", "left_wrist", "left_foot"):
    print(f"{name} is known to {spread[result.body.skeleton.joint_names.index(name)]:.0f} mm")
