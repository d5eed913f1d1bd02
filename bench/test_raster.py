"""Time of drawing the open body in full HD, on one thread."""

import time

import numpy as np

from kitro_np import load_body
from kitro_np.report.raster import Raster

SIZE = (1920, 1080)
MOST_MS = 40.0
PASSES = 12
"""The fastest counts: shared machines change their pace."""


def test_milliseconds_of_a_body_in_full_hd():
    body = load_body()
    camera = np.array([[1500.0, 0, 960], [0, 1500, 540], [0, 0, 1]])
    pose = np.broadcast_to(np.eye(3), (24, 3, 3)) * np.array([1.0, -1, -1])[:, None]
    pose = np.concatenate([pose[:1], np.broadcast_to(np.eye(3), (23, 3, 3))])
    vertices = body.forward(pose, np.zeros(10), np.array([0, 0.2, 2.9])).vertices
    picture = np.full((SIZE[1], SIZE[0], 3), 240, np.uint8)
    times = []
    for _ in range(PASSES):
        start = time.perf_counter()
        raster = Raster([(vertices, body.faces)], camera, SIZE)
        middle = time.perf_counter()
        raster.shade(picture, [(0.5, 0.6, 0.8)])
        times.append((middle - start, time.perf_counter() - middle))
    drawn, shaded = 1e3 * np.array(min(times, key=sum))
    seen = np.mean(raster.triangle >= 0)
    print(f"\n{drawn:.1f} ms to draw, {shaded:.1f} ms to shade, {100 * seen:.0f}% of the pixels")
    assert drawn + shaded < MOST_MS
