"""PLY, a mesh in binary: MeshLab, Open3D, trimesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..safe_io.atomic_write import atomic_write
from .bodies import Bodies
from .meshes import meshes_of
from .names import files_of_bodies
from .registry import Export

HEADER = """ply
format binary_little_endian 1.0
element vertex {vertices}
property float x
property float y
property float z
element face {faces}
property list uchar int vertex_indices
end_header
"""


def write_ply(path: Path, bodies: Bodies, force: bool) -> list[Path]:
    """Write a file for each body: y up, in metres."""
    faces = np.asarray(bodies.mesh_body.faces)
    triangles = np.empty(len(faces), [("count", "u1"), ("corners", "<i4", 3)])
    triangles["count"], triangles["corners"] = 3, faces
    header = HEADER.format(vertices=bodies.mesh_body.num_vertices, faces=len(faces)).encode()
    targets = files_of_bodies(path, bodies, force)
    for target, vertices in zip(targets, meshes_of(bodies), strict=True):
        data = header + vertices.astype("<f4").tobytes() + triangles.tobytes()
        atomic_write(target, lambda file, data=data: file.write(data))  # type: ignore[misc]
    return targets


EXPORT = Export("ply", ".ply", "meshes in binary", write_ply, ("up",), timed=False)
