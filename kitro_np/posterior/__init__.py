"""The most probable body (method "map") given its estimate, its keypoints and a prior of human motion.

``priors.py`` holds the priors; ``projection.py`` projects the body's points and gives their Jacobians;
``gates.py`` and ``robust.py`` weigh the keypoints; ``gauss_newton.py`` computes one Gauss-Newton step;
``swaps.py`` and ``facing.py`` put left and right right; ``scales.py`` estimates the scale of the estimate's
error and the noise of the keypoints; ``fit.py`` combines them. ``verdict.py`` judges the result,
``spread.py`` says how far off it may be, and ``hypotheses.py`` what else it may be.
"""
