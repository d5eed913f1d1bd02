"""Files read without trusting them, and written whole or not at all."""
