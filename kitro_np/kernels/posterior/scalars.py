"""Rows of Memory.scalars: what is one number a body."""

NUM_VISIBLE = 0
"""How many keypoints are seen."""

PIXELS_PER_METRE = 1
"""Pixels of a metre at the body, for a person."""

POSE_SCALE = 2
"""How far the estimate's pose is off, over what is usual."""

NOISE = 3
"""Spread of the keypoints, in pixels."""

SHIFT = 4
"""How far all keypoints are off together, in pixels."""

GAIN = 5
"""What another assignment of left and right gains."""

MISSED = 6
"""Sum of squared residuals after a step, each in its spread."""

SURPRISE = 7
"""Squared distance of the keypoints from what was to be expected, in its spread."""

VOLUME, FIRST_VOLUME = 8, 9
"""Logarithm of the determinant of that spread, in this step and in the first."""

QUALITY, EVIDENCE = 10, 11
"""As kitro_np.RefineResult has them."""

COUNT = 12
"""How many rows there are."""
