"""Keypoints: layouts of 2D detectors, and their points on a body."""
