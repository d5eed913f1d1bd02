"""Raster: which triangle is seen in each pixel of an image, how far away, and how it is lit.

The ray r of a pixel meets a triangle with corners a, b, c where A r, B r and C r are not negative, with
A = cross(b, c) / det(a, b, c) and so on. Their sum is the inverse depth, and divided by it they are the
weights of the corners, right in perspective. Nothing need be clipped (Olano and Greer, Triangle scan
conversion using 2D homogeneous coordinates, 1997).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..jit import entry
from ..records import refer

NEAR = 1e-3
"""Corners nearer than this, in metres, have no place in the image: the triangle may be seen anywhere."""


# Light, and directions towards it: x is right, y down, z away from the camera.
KEY = (-0.4364, -0.6547, -0.6172)
"""Direction towards the main light: over the camera's left shoulder."""

FILL = (0.8018, -0.2673, -0.5345)
"""Towards the second light."""

SKY, GROUND = 0.50, 0.26
"""Light from above and from below."""

KEY_SHARE, FILL_SHARE = 0.52, 0.14

SHINE_SQUARES, SHINE_SHARE = 4, 0.10
"""How often the cosine of the main light's reflection is squared, which makes it sharp; its strength."""

RIM_SHARE = 0.18
"""Of surfaces that turn away, which sets a body off from its background."""


class MeshRows(NamedTuple):
    """A mesh in the camera's frame, in metres."""

    vertices: Any  # (V, 3) float64
    faces: Any  # (F, 3) int32
    normals: Any  # (V, 3) float64, written by find_normals
    planes: Any  # (F, 9) float64: A, B and C in pixels, written by draw_mesh


class CanvasRows(NamedTuple):
    """Image of what is nearest."""

    inverse_depth: Any  # (H, W) float32, 0 where nothing is
    triangle: Any  # (H, W) int32, -1 where nothing is


class PictureRows(NamedTuple):
    """A picture, what it was before, and the colour of what is drawn onto it."""

    rgb: Any  # (H / samples, W / samples, 3) uint8
    ground: Any  # the same: the picture without any mesh
    samples: Any  # (1,) int64: along each side of a pixel
    colour: Any  # (3,) float64, from 0 to 1
    rays: Any  # (4,) float64: 1 / fx, 1 / fy, cx, cy


@entry
def find_normals(mesh):
    """Find the normals of vertices: sums of their triangles', each as long as its triangle is large."""
    for v in range(mesh.vertices.shape[0]):
        for axis in range(3):
            mesh.normals[v, axis] = 0.0
    for f in range(mesh.faces.shape[0]):
        i, j, k = mesh.faces[f, 0], mesh.faces[f, 1], mesh.faces[f, 2]
        px = mesh.vertices[j, 0] - mesh.vertices[i, 0]
        py = mesh.vertices[j, 1] - mesh.vertices[i, 1]
        pz = mesh.vertices[j, 2] - mesh.vertices[i, 2]
        qx = mesh.vertices[k, 0] - mesh.vertices[i, 0]
        qy = mesh.vertices[k, 1] - mesh.vertices[i, 1]
        qz = mesh.vertices[k, 2] - mesh.vertices[i, 2]
        x, y, z = py * qz - pz * qy, pz * qx - px * qz, px * qy - py * qx
        for corner in range(3):
            v = mesh.faces[f, corner]
            mesh.normals[v, 0] += x
            mesh.normals[v, 1] += y
            mesh.normals[v, 2] += z
    for v in range(mesh.vertices.shape[0]):
        x, y, z = mesh.normals[v, 0], mesh.normals[v, 1], mesh.normals[v, 2]
        length = math.sqrt(x * x + y * y + z * z)
        if length > 0.0:
            mesh.normals[v, 0] = x / length
            mesh.normals[v, 1] = y / length
            mesh.normals[v, 2] = z / length


@entry
def draw_mesh(mesh, canvas, fx, fy, cx, cy, offset):
    """Draw the triangles of a mesh where they are nearest; their numbers begin at `offset`."""
    height, width = canvas.triangle.shape
    for f in range(mesh.faces.shape[0]):
        i, j, k = mesh.faces[f, 0], mesh.faces[f, 1], mesh.faces[f, 2]
        ax, ay, az = mesh.vertices[i, 0], mesh.vertices[i, 1], mesh.vertices[i, 2]
        bx, by, bz = mesh.vertices[j, 0], mesh.vertices[j, 1], mesh.vertices[j, 2]
        dx, dy, dz = mesh.vertices[k, 0], mesh.vertices[k, 1], mesh.vertices[k, 2]
        nearest, farthest = min(az, bz, dz), max(az, bz, dz)
        if not farthest > NEAR or not math.isfinite(ax + ay + az + bx + by + bz + dx + dy + dz):
            continue
        left, right, top, bottom = 0, width - 1, 0, height - 1
        if nearest > NEAR:
            u, v, w = fx * ax / az + cx, fx * bx / bz + cx, fx * dx / dz + cx
            lowest, highest = min(u, v, w), max(u, v, w)
            if not (highest >= 0.0 and lowest <= width):
                continue
            lowest, highest = max(lowest, 0.0), min(highest, width + 1.0)  # whole numbers hold these
            left, right = max(0, math.ceil(lowest - 0.5)), min(width - 1, math.floor(highest - 0.5))
            u, v, w = fy * ay / az + cy, fy * by / bz + cy, fy * dy / dz + cy
            lowest, highest = min(u, v, w), max(u, v, w)
            if not (highest >= 0.0 and lowest <= height):
                continue
            lowest, highest = max(lowest, 0.0), min(highest, height + 1.0)  # whole numbers hold these
            top, bottom = max(0, math.ceil(lowest - 0.5)), min(height - 1, math.floor(highest - 0.5))
        px, py, pz = by * dz - bz * dy, bz * dx - bx * dz, bx * dy - by * dx
        qx, qy, qz = dy * az - dz * ay, dz * ax - dx * az, dx * ay - dy * ax
        rx, ry, rz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        determinant = ax * px + ay * py + az * pz
        if determinant == 0.0:
            continue
        # In pixels, a ray is ((x - cx) / fx, (y - cy) / fy, 1).
        share_x, share_y, share = 1.0 / (determinant * fx), 1.0 / (determinant * fy), 1.0 / determinant
        px, py, pz = px * share_x, py * share_y, pz * share
        qx, qy, qz = qx * share_x, qy * share_y, qz * share
        rx, ry, rz = rx * share_x, ry * share_y, rz * share
        pz, qz, rz = pz - px * cx - py * cy, qz - qx * cx - qy * cy, rz - rx * cx - ry * cy
        planes = mesh.planes
        planes[f, 0], planes[f, 1], planes[f, 2] = px, py, pz
        planes[f, 3], planes[f, 4], planes[f, 5] = qx, qy, qz
        planes[f, 6], planes[f, 7], planes[f, 8] = rx, ry, rz
        sx, sy, sz = px + qx + rx, py + qy + ry, pz + qz + rz
        for y in range(top, bottom + 1):
            centre = y + 0.5
            first, last = float(left), float(right)
            for edge in range(3):
                slope = planes[f, 3 * edge]
                rest = planes[f, 3 * edge + 1] * centre + planes[f, 3 * edge + 2]
                if slope > 0.0:
                    first = max(first, -rest / slope - 0.5)
                elif slope < 0.0:
                    last = min(last, -rest / slope - 0.5)
                elif rest < 0.0:
                    last = -1.0
            if not first <= last:
                continue
            start = sy * centre + sz
            for x in range(math.ceil(first), math.floor(last) + 1):
                inverse = sx * (x + 0.5) + start
                if inverse > canvas.inverse_depth[y, x]:
                    canvas.inverse_depth[y, x] = inverse
                    canvas.triangle[y, x] = offset + f


@entry
def shade_mesh(mesh, canvas, picture, offset, opacity):
    """Colour the pixels where a mesh is seen: smooth normals, two lights, sky and ground, a bright rim.

    A pixel of the picture is the mean of its samples, those of other meshes and of the background included.
    """
    height, width = picture.rgb.shape[:2]
    count, samples = mesh.faces.shape[0], picture.samples[0]
    share = opacity / (samples * samples)
    for row in range(height):
        for column in range(width):
            red, green, blue, seen = 0.0, 0.0, 0.0, 0
            for y in range(samples * row, samples * (row + 1)):
                for x in range(samples * column, samples * (column + 1)):
                    f = canvas.triangle[y, x] - offset
                    if f < 0 or f >= count:
                        continue
                    u, v = x + 0.5, y + 0.5
                    nx, ny, nz = 0.0, 0.0, 0.0
                    for corner in range(3):
                        c = 3 * corner
                        weight = mesh.planes[f, c] * u + mesh.planes[f, c + 1] * v + mesh.planes[f, c + 2]
                        vertex = mesh.faces[f, corner]
                        nx += weight * mesh.normals[vertex, 0]
                        ny += weight * mesh.normals[vertex, 1]
                        nz += weight * mesh.normals[vertex, 2]
                    length = math.sqrt(nx * nx + ny * ny + nz * nz)
                    length = length if length > 0.0 else 1.0
                    nx, ny, nz = nx / length, ny / length, nz / length
                    rx = (u - picture.rays[2]) * picture.rays[0]
                    ry = (v - picture.rays[3]) * picture.rays[1]
                    size = math.sqrt(rx * rx + ry * ry + 1.0)
                    rx, ry, rz = rx / size, ry / size, 1.0 / size
                    towards = -(nx * rx + ny * ry + nz * rz)
                    if towards < 0.0:  # the inside of an open mesh
                        nx, ny, nz, towards = -nx, -ny, -nz, -towards
                    key = max(0.0, nx * KEY[0] + ny * KEY[1] + nz * KEY[2])
                    fill = max(0.0, nx * FILL[0] + ny * FILL[1] + nz * FILL[2])
                    up = 0.5 - 0.5 * ny
                    light = GROUND + (SKY - GROUND) * up + KEY_SHARE * key + FILL_SHARE * fill
                    mirrored = 2.0 * towards
                    hx, hy, hz = rx + mirrored * nx, ry + mirrored * ny, rz + mirrored * nz
                    shine = max(0.0, hx * KEY[0] + hy * KEY[1] + hz * KEY[2])
                    for _ in range(SHINE_SQUARES):
                        shine = shine * shine
                    shine = shine * SHINE_SHARE
                    turned = 1.0 - towards
                    rim = turned * turned * turned * RIM_SHARE * up
                    red += min(1.0, picture.colour[0] * light + shine + rim)
                    green += min(1.0, picture.colour[1] * light + shine + rim)
                    blue += min(1.0, picture.colour[2] * light + shine + rim)
                    seen += 1
            if seen:
                lit = (red, green, blue)
                for channel in range(3):
                    under = seen * float(picture.ground[row, column, channel])
                    mixed = picture.rgb[row, column, channel] + share * (255.0 * lit[channel] - under)
                    picture.rgb[row, column, channel] = np.uint8(min(255.0, max(0.0, mixed)) + 0.5)


def mesh_rows(vertices: np.ndarray, faces: np.ndarray) -> MeshRows:
    """Lay out a mesh: vertices (V, 3) and faces (F, 3)."""
    own = np.ascontiguousarray(vertices, np.float64)
    triangles = np.ascontiguousarray(faces, np.int32)
    return MeshRows(own, triangles, np.empty_like(own), np.zeros((len(triangles), 9)))


def draw(mesh: MeshRows, canvas: CanvasRows, camera: np.ndarray, offset: int) -> None:
    """Draw a mesh seen by a camera (3, 3)."""
    fx, fy, cx, cy = (float(camera[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    draw_mesh(refer(mesh), refer(canvas), fx, fy, cx, cy, offset)


def shade(
    mesh: MeshRows,
    canvas: CanvasRows,
    rgb: np.ndarray,
    ground: np.ndarray,
    camera: np.ndarray,
    colour: np.ndarray,
    offset: int,
    opacity: float,
) -> None:
    """Colour a mesh that was drawn; `rgb` may be smaller than the canvas by a whole number."""
    rays = np.array([1 / camera[0, 0], 1 / camera[1, 1], camera[0, 2], camera[1, 2]])
    samples = np.array([canvas.triangle.shape[0] // rgb.shape[0]])
    table, picture = refer(mesh), refer(PictureRows(rgb, ground, samples, colour, rays))
    find_normals(table)
    shade_mesh(table, refer(canvas), picture, offset, float(opacity))
