"""Time of drawing the open body in full HD, and a picture of three panels, on one thread."""

import time

import numpy as np

import kitro_np
from kitro_np import load_body
from kitro_np.report import overlay, shown_of
from kitro_np.report.raster import Raster

SIZE = (1920, 1080)
MOST_MS = 40.0
MOST_PICTURE_MS = 300.0
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


def test_milliseconds_of_a_picture_of_three_panels():
    """Of a person who is 1000 pixels high, before, after, and with arrows to the keypoints."""
    clip = kitro_np.example()
    names = ("pose", "betas", "transl")
    one = {name: clip[name][:1] for name in (*names, "keypoints_2d")}
    points, camera = one["keypoints_2d"], clip["intrinsics"][:1].copy()
    factor = 1000 / np.ptp(points[0, :, 1])
    camera[:, :2] *= factor
    shown = shown_of(
        kitro_np.refine(**one, intrinsics=clip["intrinsics"][:1], body=clip["body"]),
        estimate=[one[name] for name in names], keypoints_2d=factor * points, intrinsics=camera,
    )  # fmt: skip
    times = []
    for _ in range(PASSES):
        start = time.process_time()
        picture = overlay(None, shown, panels=("before", "after", "keypoints"))
        times.append(time.process_time() - start)
    print(f"\n{1e3 * min(times):.0f} ms of a picture of {picture.shape[1]} x {picture.shape[0]} pixels")
    assert 1e3 * min(times) < MOST_PICTURE_MS
