"""Fused twins of kitro_np.keypoints."""
