"""Raster: bodies drawn by a camera without OpenGL, nearest first, with maps of depth, parts and people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..kernels.report.raster import MeshRows


class Raster:
    """Meshes as a camera sees them: for each pixel the nearest triangle.

    Pixel (0, 0) has its centre at (0.5, 0.5), as where cx is half of the width.

    Parameters
    ----------
    meshes : sequence of ((V, 3) array, (F, 3) array)
        Vertices in the camera's frame in metres, and faces.
    intrinsics : (3, 3) array
    size : (int, int)
        Width and height in pixels.
    """

    def __init__(
        self, meshes: Sequence[tuple[np.ndarray, np.ndarray]], intrinsics: np.ndarray, size: tuple[int, int]
    ) -> None:
        from ..kernels.report import raster as kernels

        width, height = size
        self.intrinsics = np.asarray(intrinsics, np.float64)
        self._kernels = kernels
        self._canvas = kernels.CanvasRows(
            np.zeros((height, width), np.float32), np.full((height, width), -1, np.int32)
        )
        self._meshes: list[MeshRows] = []
        self._starts = [0]
        for vertices, faces in meshes:
            mesh = kernels.mesh_rows(vertices, faces)
            kernels.draw(mesh, self._canvas, self.intrinsics, self._starts[-1])
            self._meshes.append(mesh)
            self._starts.append(self._starts[-1] + len(mesh.faces))

    @property
    def triangle(self) -> np.ndarray:
        """Number of the triangle seen, counted over all meshes, -1 where none is: (H, W) of int32."""
        triangle: np.ndarray = self._canvas.triangle
        return triangle

    @property
    def depth(self) -> np.ndarray:
        """Depth z in metres, 0 where nothing is: (H, W) of float32."""
        inverse = self._canvas.inverse_depth
        return np.divide(1, inverse, out=np.zeros_like(inverse), where=inverse > 0)

    @property
    def mesh(self) -> np.ndarray:
        """Number of the mesh seen, -1 where none is: (H, W) of int32."""
        found = np.searchsorted(self._starts, self.triangle, side="right") - 1
        return np.where(self.triangle < 0, -1, found).astype(np.int32)

    def labels(self, of_triangles: Sequence[np.ndarray], nothing: int) -> np.ndarray:
        """Return a label of each pixel's triangle, `nothing` where there is none: (H, W).

        Parameters
        ----------
        of_triangles : sequence of (F,) array
            Of each mesh.
        nothing : int
        """
        every = np.concatenate([*of_triangles, np.full(1, nothing)])
        return np.asarray(every[self.triangle])

    def shade(self, rgb: np.ndarray, colours: Sequence[Any], opacity: float = 1.0) -> None:
        """Draw the meshes onto a picture.

        Parameters
        ----------
        rgb : (H / S, W / S, 3) array of uint8, C-ordered
            Changed. Smaller than the raster by a whole number S, its pixels are means of S x S samples.
        colours : sequence of (3,)
            Of each mesh, from 0 to 1.
        opacity : float
            From 0 to 1.
        """
        ground = rgb if len(self._meshes) == 1 else rgb.copy()  # a pixel is read before it is written
        for mesh, colour, start in zip(self._meshes, colours, self._starts, strict=False):
            own = np.asarray(colour, np.float64)
            self._kernels.shade(mesh, self._canvas, rgb, ground, self.intrinsics, own, start, opacity)
