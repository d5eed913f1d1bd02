"""Fused twins of kitro_np.posterior.video, under the same names."""
