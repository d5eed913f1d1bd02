"""The command line: main.py, a module for each command, and shared options."""
