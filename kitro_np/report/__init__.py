"""Pictures and pages of refined people."""
