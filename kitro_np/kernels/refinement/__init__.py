"""Fused twins of kitro_np.refinement."""
