"""Safe file access: read files without trusting their contents, and write them atomically."""
