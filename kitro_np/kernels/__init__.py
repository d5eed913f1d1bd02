"""Fused Numba twins of the stages, one file per stage, on several bodies at once in SIMD lanes."""
