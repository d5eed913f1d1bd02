"""Videos: one person of one shape in motion; the most probable bodies of all frames of a track."""
