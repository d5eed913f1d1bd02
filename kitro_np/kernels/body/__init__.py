"""Fused twins of kitro_np.body."""
