"""Build scripts of the data that the package ships.

Run them in the repository's root, for example ``python -m models.open_body``.
"""
