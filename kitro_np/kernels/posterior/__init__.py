"""Fused twins of kitro_np.posterior, under the same names."""
