"""Errors against the truth: metrics, protocols, tables."""
