"""People in files of other programs: estimates and keypoints, a row for each person in each frame.

Readers give these records whatever the program; matching, refining, checking and writing take them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from typing_extensions import Self


class _Rows:
    """Records whose arrays have one row for each person in each frame."""

    def __len__(self) -> int:
        frame: np.ndarray = self.frame  # type: ignore[attr-defined]
        return len(frame)

    def take(self, rows: Any) -> Self:
        """Return the rows with these indices, or of a slice or mask."""
        parts: dict[str, Any] = {}
        for part in fields(self):  # type: ignore[arg-type]
            value = getattr(self, part.name)
            if isinstance(value, np.ndarray):
                parts[part.name] = value[rows]
            elif part.name == "joints_2d" and value is not None:
                parts[part.name] = value.take(rows)
        return replace(self, **parts)  # type: ignore[type-var]


@dataclass(frozen=True, eq=False)
class PeopleKeypoints(_Rows):
    """Keypoints of people, N rows.

    Attributes
    ----------
    points : (N, K, 2) array of float64
        In pixels of the full image; NaN where a keypoint is missing.
    confidence : (N, K) array of float64
        The detector's scores, 0 where a keypoint is missing; ones if it gives none.
    layout : str
        Name of the layout.
    frame : (N,) array of int64
        Index of the image, from 0.
    person : (N,) array of int64 or None
        Identity that the program tracks; None if it does not: rows of a frame are then in its order.
    image_name : (N,) array of str or None
    image_size : (width, height) or None
        In pixels.
    box : (N, 4) array or None
        x, y, width and height in pixels.
    source : str
        Format of the file, for people to read.
    notes : tuple of str
        Sentences on what was found or left out.
    """

    points: np.ndarray
    confidence: np.ndarray
    layout: str
    frame: np.ndarray
    person: np.ndarray | None = None
    image_name: np.ndarray | None = None
    image_size: tuple[float, float] | None = None
    box: np.ndarray | None = None
    source: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.frame)
        _check("points", self.points, (count, None, 2))
        _check("confidence", self.confidence, self.points.shape[:2])
        _check("person", self.person, (count,))
        _check("image_name", self.image_name, (count,))
        _check("box", self.box, (count, 4))


@dataclass(frozen=True, eq=False)
class PeopleEstimates(_Rows):
    """Estimated bodies of people in the camera's frame, N rows.

    A vertex X of the posed body, in the coordinates of the body model, is at X + transl, x to
    the right, y down, z forwards, and is seen at intrinsics (X + transl).

    Attributes
    ----------
    pose : (N, J, 3, 3) array of float64
        Local rotations.
    betas : (N, S) array of float64
    transl : (N, 3) array of float64
        In metres.
    frame : (N,) array of int64
        Index of the image, from 0.
    person : (N,) array of int64
        Identity that the program tracks; 0 if there is one person.
    intrinsics : (N, 3, 3) array of float64 or None
        Camera that the translation belongs to; None if the file does not tell: an image size may give it.
    camera : str
        What camera that is, in words; if `intrinsics` is None, what is needed to know it.
    body : str
        Body model: "smpl", "smplh", "smplx" or an embedded one.
    image_size : (width, height) or None
        In pixels.
    image_name : (N,) array of str or None
    fps : float or None
    extrinsics : (N, 4, 4) array or None
        From world to camera coordinates.
    keypoints : PeopleKeypoints or None
        Keypoints that come with the estimates.
    joints_2d : PeopleKeypoints or None
        The program's own 2D joints of these bodies, with the same rows, to check the camera by.
    source : str
        Format of the file, for people to read.
    notes : tuple of str
        Sentences on what was found or left out.
    path : Path or None
        The file or folder that was read.
    stands_in : bool
        Whether the body takes the place of another, in its mean shape: betas are no estimate.
    up : {"camera", "y", "z"}
        Axis of the world that points up, if the bodies are in a world instead of a camera.
    row : (N,) array of int64 or None
        Place of each body among all in the file, where some were left out or more is written back to it.
    """

    pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray
    frame: np.ndarray
    person: np.ndarray
    intrinsics: np.ndarray | None = None
    camera: str = ""
    body: str = "smpl"
    image_size: tuple[float, float] | None = None
    image_name: np.ndarray | None = None
    fps: float | None = None
    extrinsics: np.ndarray | None = None
    keypoints: PeopleKeypoints | None = None
    joints_2d: PeopleKeypoints | None = None
    source: str = ""
    notes: tuple[str, ...] = ()
    path: Path | None = None
    up: str = "camera"
    stands_in: bool = False
    row: np.ndarray | None = None

    def __post_init__(self) -> None:
        count = len(self.frame)
        _check("pose", self.pose, (count, None, 3, 3))
        _check("betas", self.betas, (count, None))
        _check("transl", self.transl, (count, 3))
        _check("person", self.person, (count,))
        _check("intrinsics", self.intrinsics, (count, 3, 3))
        _check("extrinsics", self.extrinsics, (count, 4, 4))
        _check("image_name", self.image_name, (count,))
        _check("row", self.row, (count,))


def _check(name: str, array: np.ndarray | None, shape: tuple[int | None, ...]) -> None:
    if array is None:
        return
    fits = array.ndim == len(shape) and all(
        expected in (None, size) for expected, size in zip(shape, array.shape, strict=True)
    )
    if not fits:
        sizes = ", ".join("any" if size is None else str(size) for size in shape)
        raise InputError(f"{name}: expected shape ({sizes}), got {array.shape}.")
