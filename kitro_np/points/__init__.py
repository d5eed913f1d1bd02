"""Fits of bodies to 3D points: landmarks, lifted joints, triangulated keypoints."""
