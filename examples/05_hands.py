"""Refine hands: MANO's 16 joints and 21 keypoints, left and right.

Usage: python examples/05_hands.py
"""

import numpy as np

import kitro_np
from kitro_np.simulate import simulate

for side in ("right", "left"):
    hand = kitro_np.load_body("open_hand", gender=side)  # or "mano"
    # A network and a detector stand in: estimates with their errors, and keypoints.
    data = simulate(count=50, body=hand, seed=1)
    result = kitro_np.refine(
        data.pose, data.betas, data.transl, data.keypoints_2d, data.intrinsics, body=hand
    )
    true = hand.joints(data.true_pose, data.true_betas)
    errors = [
        1000 * np.linalg.norm(about(hand.joints(pose, betas)) - about(true), axis=-1).mean()
        for about in [lambda joints: joints - joints[:, :1]]
        for pose, betas in ((data.pose, data.betas), (result.pose, result.betas))
    ]
    print(f"{side}: {errors[0]:.1f} mm before, {errors[1]:.1f} mm after; {result.summary()}")
