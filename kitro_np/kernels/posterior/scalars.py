"""Rows of Memory.scalars: one number per body each."""

NUM_VISIBLE = 0
"""Number of visible keypoints."""

PIXELS_PER_METRE = 1
"""At the body's depth, times its size (1 for a person)."""

POSE_SCALE = 2
"""Factor on the standard deviations of the estimate's pose."""

NOISE = 3
"""Standard deviation of the keypoints, in pixels."""

TURN_PRECISION = 4
"""Factor on the precision of the root's rotation, nu / (nu + d^2)."""

SWAP = 5
"""Number of the order of the points that was put right; -1 for none."""

TURNED = 6
"""1 where the estimate was reflected in depth, else 0."""

LANDMARKS = 7
"""1 where the estimate is one of landmarks, else 0."""

SQUARED_RESIDUAL = 8
"""Sum of squared residuals after a step, each over its variance."""

MAHALANOBIS = 9
"""Squared Mahalanobis distance of the keypoints from their prior prediction, r^T S^-1 r, of the last step."""

LOG_DETERMINANT = 10
"""Logarithm of |S|, of the last step."""

AFFINE_TURN, AFFINE_SQUEEZE, AFFINE_DETAIL = 11, 12, 13
"""As kitro_np.posterior.verdict.Affine has them."""

QUALITY, EVIDENCE = 14, 15
"""As kitro_np.RefineResult has them."""

INFORMATION = 16
"""Factor of the precision of all keypoints."""

COUNT = 17
"""Number of rows."""
