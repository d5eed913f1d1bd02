"""What programs return for images: lists of people, each a dict, in lists of images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .source import KeypointsSource, number_frames


def numpy_of(value: Any) -> Any:
    """Return a tensor as a NumPy array; anything else as it is."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def are_people(content: Any, keys: set[str]) -> bool:
    """Whether all parts of a list, or of its lists, are people with these keys."""
    if not isinstance(content, (list, tuple)) or not content:
        return False
    if all(isinstance(one, Mapping) for one in content):
        return all(keys <= {*one} for one in content)
    lists = [one for one in content if isinstance(one, (list, tuple))]
    people = [one for part in lists for one in part]
    return (
        len(lists) == len(content)
        and bool(people)
        and all(isinstance(one, Mapping) and keys <= {*one} for one in people)
    )


def images_of(source: KeypointsSource) -> list[tuple[int, str, Any]]:
    """Return the frame, the name and the people of each image."""
    if source.is_folder:
        pieces = list(source.pieces())
        numbers, note = number_frames([name for name, _ in pieces])
        if note:
            source.notes.append(note)
        return [(frame, name, people) for frame, (name, people) in zip(numbers, pieces, strict=True)]
    content = source.single("this program")
    if isinstance(content, Mapping):
        return [(0, "", [content])]
    if all(isinstance(one, Mapping) for one in content):
        return [(0, "", content)]
    return [(frame, "", people) for frame, people in enumerate(content)]
