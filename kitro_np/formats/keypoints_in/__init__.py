"""Keypoints of detectors in their own files and objects, a module for each format."""

from .read import read_keypoints

__all__ = ["read_keypoints"]
