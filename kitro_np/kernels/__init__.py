"""Fused Numba twins of the stages, one file a stage, over lanes of bodies in lockstep."""
