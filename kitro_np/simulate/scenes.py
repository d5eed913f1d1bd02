"""Scenes: positions and orientations of people and hands in front of a camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays.rotations import matrix_from_axis_angle
from .draws import Draws

UPRIGHT = np.diag([1.0, -1.0, -1.0])
"""Rotation from world coordinates, y up, to camera coordinates, y down."""


@dataclass(frozen=True)
class Scene:
    """Distribution of cameras.

    Parameters
    ----------
    image_size : (width, height)
        In pixels.
    sideways : float
        Fraction of images with width and height exchanged.
    distance : (near, far)
        Range of the depth of the mean joint, in metres.
    off_centre : (x, y)
        Largest distance of the mean joint from the image's centre, relative to the image's size.
    standing : bool
        Whether poses are upright, and the camera looks from any side; otherwise from any direction.
    """

    image_size: tuple[int, int]
    sideways: float
    distance: tuple[float, float]
    off_centre: tuple[float, float]
    standing: bool


PERSON = Scene((1920, 1080), 0.38, (2, 8), (0.28, 0.14), standing=True)
"""As in 3DPW: a hand-held phone, outdoors."""

PITCH, ROLL = (-5.3, 7.2), (0.0, 3.0)
"""Mean and standard deviation of a hand-held camera's angles, in degrees; a negative pitch looks down."""

HAND_CROP = Scene((224, 224), 0, (0.4, 0.8), (0.05, 0.05), standing=False)
"""A crop around a hand at arm's length."""


def draw_image_sizes(scene: Scene, draws: Draws) -> np.ndarray:
    """Width and height of each image, (N, 2), in pixels."""
    size = np.array(scene.image_size, dtype=float)
    sideways = draws.uniform("turned", 0, 1) < scene.sideways  # another name would change every seed
    return np.where(sideways[:, None], size[::-1], size)


def draw_views(scene: Scene, draws: Draws) -> np.ndarray:
    """Rotations (N, 3, 3) from world to camera coordinates."""
    if not scene.standing:
        quaternion = draws.normal("view", 4)
        vector = quaternion[:, 1:]
        length = np.linalg.norm(vector, axis=1)
        # The direction of a Gaussian quaternion is uniform on the sphere, so the rotation is uniform.
        angle = 2 * np.arctan2(length, quaternion[:, 0])
        return matrix_from_axis_angle(vector * (angle / length)[:, None])
    x, y, z = np.eye(3)
    yaw = draws.uniform("yaw", -np.pi, np.pi, 1)
    pitch, roll = (
        np.radians(mean + spread * draws.normal(name, 1))
        for name, (mean, spread) in (("pitch", PITCH), ("roll", ROLL))
    )
    return (
        matrix_from_axis_angle(roll * z)
        @ matrix_from_axis_angle(pitch * x)
        @ UPRIGHT
        @ matrix_from_axis_angle(yaw * y)
    )


def draw_places(scene: Scene, sizes: np.ndarray, focal: np.ndarray, draws: Draws) -> np.ndarray:
    """Mean joint in camera space, (N, 3), in metres."""
    depth = draws.uniform("distance", *scene.distance)
    pixels = sizes * draws.uniform("place", -1, 1, 2) * np.array(scene.off_centre)
    return depth[:, None] * np.concatenate([pixels / focal[:, None], np.ones((len(depth), 1))], axis=1)
