"""Files: estimates in, results out."""
