"""The most probable body (method "map"): estimate, keypoints and human motion as evidence with spreads.

``evidence.py`` says how far off each thing may be; ``linear.py`` where the body's points fall and what moves
them; ``step.py`` is a Gauss-Newton step; ``scales.py`` finds how good the estimate is and how exact the
keypoints are; ``verdict.py`` whether the keypoints are this body's at all; ``fit.py`` puts them together.
"""
