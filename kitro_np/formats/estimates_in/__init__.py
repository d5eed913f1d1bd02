"""Estimates of other programs: a file for each family of them, behind `read_estimates`."""
