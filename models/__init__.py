"""Builds of the data that the package ships.

Run them from the repository's root: ``python -m models.open_body`` and the like.
"""
