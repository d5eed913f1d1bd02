"""What several of the builds need."""
