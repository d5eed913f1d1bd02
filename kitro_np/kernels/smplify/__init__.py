"""Fused twins of kitro_np.smplify."""
