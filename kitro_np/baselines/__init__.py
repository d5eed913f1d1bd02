"""Baselines: what other methods do with the same estimates and keypoints."""
