"""OBJ, a mesh as text: all programs that show meshes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..safe_io.atomic_write import atomic_write
from .bodies import Bodies
from .meshes import meshes_of
from .names import files_of_bodies
from .registry import Export


def write_obj(path: Path, bodies: Bodies, force: bool) -> list[Path]:
    """Write a file for each body: y up, in metres."""
    faces = np.asarray(bodies.mesh_body.faces) + 1  # OBJ counts from 1
    triangles = "f %d %d %d\n" * len(faces) % tuple(faces.ravel().tolist())
    line = "v %.6f %.6f %.6f\n" * bodies.mesh_body.num_vertices
    targets = files_of_bodies(path, bodies, force)
    for target, vertices in zip(targets, meshes_of(bodies), strict=True):
        text = line % tuple((vertices + 0.0).ravel().tolist()) + triangles
        atomic_write(target, lambda file, text=text: file.write(text.encode()))  # type: ignore[misc]
    return targets


EXPORT = Export("obj", ".obj", "meshes as text", write_obj, ("up",), timed=False)
