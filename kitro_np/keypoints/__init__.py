"""Keypoints: where on a body the points of each 2D detector sit."""
