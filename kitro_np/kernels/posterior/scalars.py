"""Rows of Memory.scalars: one number per body each."""

NUM_VISIBLE = 0
"""Number of visible keypoints."""

PIXELS_PER_METRE = 1
"""At the body's depth, times its size (1 for a person)."""

POSE_SCALE = 2
"""Factor on the standard deviations of the estimate's pose."""

NOISE = 3
"""Standard deviation of the keypoints, in pixels."""

SHIFT = 4
"""Length of the keypoints' weighted mean residual at the estimate, in pixels."""

SWAP_GAIN = 5
"""Decrease of the squared Mahalanobis distance by swapping left and right."""

SQUARED_RESIDUAL = 6
"""Sum of squared residuals after a step, each over its variance."""

MAHALANOBIS = 7
"""Squared Mahalanobis distance of the keypoints from their prior prediction, r^T S^-1 r."""

LOG_DETERMINANT, FIRST_LOG_DETERMINANT = 8, 9
"""Logarithm of |S|, of this step; and of the keypoints' covariance in pixels, of the first."""

QUALITY, EVIDENCE = 10, 11
"""As kitro_np.RefineResult has them."""

COUNT = 12
"""Number of rows."""
