"""Fused twins of kitro_np.kitro."""
