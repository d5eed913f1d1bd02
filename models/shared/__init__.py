"""Code shared by several builds."""
