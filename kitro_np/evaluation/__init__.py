"""Errors against the ground truth: metrics, protocols, tables."""
