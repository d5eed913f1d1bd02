"""Read keypoints of any detector: one function for all formats."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...arrays.arguments import check_number
from ...errors import InputError, one_of
from ...keypoints.detectors import LAYOUTS
from ...safe_io.memory import budget_of_file, memory_limit
from ...safe_io.refused import RefusedError
from ..people import PeopleKeypoints
from .registry import KeypointFormat, find_keypoint_format
from .source import KeypointsSource, open_source, read_content


def read_keypoints(
    keypoints: Any,
    layout: str | None = None,
    *,
    image_size: tuple[float, float] | None = None,
    annotations: Any = None,
    max_memory: int | str | None = None,
) -> PeopleKeypoints:
    """Read the keypoints that a detector found, from its files or its objects.

    Recognised by content: OpenPose, MMPose, Sapiens, AlphaPose, COCO, Ultralytics (JSON, text),
    easy_ViTPose, rtmlib and other arrays, Hugging Face transformers, MediaPipe, SAM 3D Body, WHAM's tracks,
    and .npz files of this package. Nothing in a file is executed.

    Parameters
    ----------
    keypoints : path or object
        A file, a folder with a file for each image, or what such a file holds or the program returns.
    layout : str, optional
        One of :data:`kitro_np.LAYOUTS`; by default what the format or the number of points tells. Of
        OpenPose's models BODY_25 and BODY_25B, the points that are near the nose tell.
    image_size : (width, height), optional
        In pixels; needed where points are in units of the image, as MediaPipe's.
    annotations : path or mapping, optional
        COCO's annotation file, whose images a results file of COCO names by number only.
    max_memory : int or str, optional
        Most memory that the file's contents may take, in bytes or as "16GB"; see :func:`memory_limit`.

    Returns
    -------
    PeopleKeypoints
        A row for each person in each frame, sorted by frame.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If the format is unknown, or something is wrong or missing in the file.
    """
    with memory_limit(max_memory), budget_of_file("keypoints"):
        source = open_source(keypoints)
        try:
            return _read(source, layout, image_size, annotations)
        except RefusedError as reason:
            raise InputError(f"{source.name}: expected {reason.expected}, got {reason.got}.") from None


def _read(source: KeypointsSource, layout: str | None, image_size: Any, annotations: Any) -> PeopleKeypoints:
    if layout is not None:
        source.layout = one_of("layout", layout, LAYOUTS)
    if image_size is not None:
        source.image_size = _size(image_size)
    if annotations is not None:
        source.annotations = _annotations(annotations)
    form = find_keypoint_format(source)
    try:
        return form.read(source)
    except InputError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        kind = type(error).__name__
        raise InputError(
            f"{source.name}: expected {form.name}'s layout, got one that is damaged or new ({kind})."
        ) from error


def find_keypoint_reader(keypoints: Any) -> KeypointFormat | None:
    """Return the format that recognises a file or folder; None if none does, or it is damaged.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    try:
        return find_keypoint_format(open_source(keypoints))
    except InputError:
        return None


def _size(image_size: Any) -> tuple[float, float]:
    try:
        width, height = image_size
    except (TypeError, ValueError):
        raise InputError(f"image_size: expected width and height in pixels, got {image_size!r}.") from None
    width, height = (check_number("image_size", float(side), least=1) for side in (width, height))
    return width, height


def _annotations(value: Any) -> Mapping[str, Any]:
    is_path = isinstance(value, (str, os.PathLike))
    content = read_content(Path(value)) if is_path else value
    if not (isinstance(content, Mapping) and isinstance(content.get("images"), (list, tuple))):
        name = str(value) if is_path else "annotations"
        raise InputError(f"{name}: expected COCO's annotation file with the key images, got another.")
    return content
