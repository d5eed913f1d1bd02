"""Kernels of kitro_np.points: a body after the other, in float64."""
