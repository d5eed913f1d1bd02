"""The most probable body (method "map") given its estimate, its keypoints and a prior of human motion.

``priors.py`` holds the priors; ``projection.py`` projects the body's points and gives their Jacobians;
``gauss_newton.py`` computes one Gauss-Newton step; ``scales.py`` estimates the scale of the estimate's error
and the noise of the keypoints; ``acceptance.py`` decides whether the keypoints are this body's; ``fit.py``
combines them.
"""
