"""COCO's JSON of keypoints: labels for detectors, from projected bodies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..camera import project
from ..errors import InputError
from ..keypoints.layouts import find_layout
from ..posterior.projection import place_points, points_on
from ..safe_io.atomic_write import atomic_write, check_output
from .bodies import Bodies
from .registry import Export

LABELLED = 2
"""COCO's flag of a keypoint that is in the image; 0 is one that has no place."""

ROWS = 1024
"""Bodies that are projected at a time."""


def write_coco(path: Path, bodies: Bodies, force: bool) -> list[Path]:
    """Write images, annotations and the category of people."""
    target = check_output(path, force=force)
    if bodies.intrinsics is None:
        raise InputError("intrinsics: expected camera matrices, which project the keypoints, got none.")
    layout = find_layout(bodies.options.get("layout", "coco17"), bodies.body)
    category = {"id": 1, "name": "person", "keypoints": list(layout.names), "skeleton": []}

    def write(file: BinaryIO) -> None:
        for number, (name, items) in enumerate(
            (("images", _images(bodies)), ("annotations", _annotations(bodies, layout)))
        ):
            file.write(f'{"," if number else "{"}\n"{name}": ['.encode())
            for place, item in enumerate(items):
                file.write((",\n" if place else "\n").encode() + json.dumps(item).encode())
            file.write(b"\n]")
        file.write(f',\n"categories": [{json.dumps(category)}]\n}}\n'.encode())

    atomic_write(target, write)
    return [target]


EXPORT = Export(
    "coco", ".json", "projected keypoints as COCO annotations", write_coco, ("layout",), timed=False
)


def _images(bodies: Bodies) -> Iterator[dict[str, Any]]:
    """Yield the image of each frame, whose id is the frame."""
    frames, rows = np.unique(bodies.frame, return_index=True)
    for frame, row in zip(frames.tolist(), rows.tolist(), strict=True):
        name = f"{frame:06d}" if bodies.image_name is None else str(bodies.image_name[row])
        image: dict[str, Any] = {"id": frame, "file_name": name}
        if bodies.image_size is not None:
            image["width"], image["height"] = map(round, bodies.image_size)
        yield image


def _annotations(bodies: Bodies, layout: Any) -> Iterator[dict[str, Any]]:
    """Yield the keypoints of each body, by frames and people."""
    rows = bodies.in_order()
    points = points_on(rows.skeleton, layout, rows.pose)
    known = np.array(layout.joints) >= 0
    order = np.lexsort((bodies.person, bodies.frame))
    for start in range(0, len(order), ROWS):
        some = order[start : start + ROWS]
        parts = (part[some] for part in (rows.pose, rows.betas, rows.transl))
        places = place_points(rows.skeleton, points, *parts).points
        seen = known & (places[..., 2] > 0)
        depth = np.where(seen, places[..., 2], 1.0)
        pixels = project(
            np.concatenate([places[..., :2], depth[..., None]], axis=-1), np.asarray(bodies.intrinsics)[some]
        )
        if bodies.image_size is not None:
            seen &= np.all((pixels >= 0) & (pixels < bodies.image_size), axis=-1)
        for offset, row in enumerate(some.tolist()):
            yield {
                "id": start + offset + 1,
                "image_id": int(bodies.frame[row]),
                "category_id": 1,
                "track_id": int(bodies.person[row]),
                "iscrowd": 0,
                **_keypoints(pixels[offset], seen[offset]),
            }


def _keypoints(pixels: np.ndarray, seen: np.ndarray) -> dict[str, Any]:
    flags = np.where(seen, LABELLED, 0).tolist()
    places = np.where(seen[:, None], pixels, 0.0).round(3).tolist()
    inside = pixels[seen] if seen.any() else np.zeros((1, 2))
    corner, size = inside.min(axis=0), np.ptp(inside, axis=0)
    return {
        "keypoints": [value for (x, y), flag in zip(places, flags, strict=True) for value in (x, y, flag)],
        "num_keypoints": int(seen.sum()),
        "bbox": np.concatenate([corner, size]).round(3).tolist(),
        "area": round(float(np.prod(size)), 3),
    }
