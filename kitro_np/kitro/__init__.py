"""KITRO (CVPR 2024): Algorithm 1, one file a step."""
