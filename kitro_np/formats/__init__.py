"""File formats of estimates and of ground truth, one module each."""
