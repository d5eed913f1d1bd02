"""Refiner: a refinement as a function from a dict of arrays to a dict of arrays, for all that has rows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..api import check_layout, read_body, refine
from ..arrays.arguments import check_bool, check_integer
from ..arrays.engines import CPU_ENGINES
from ..body.families import FAMILIES
from ..body.load import default_body
from ..body.model import BodyModel
from ..body.names import embedded_body
from ..body.skeleton import Skeleton
from ..errors import InputError, listed, one_of
from ..formats.detections import Detections, read_detections
from ..formats.estimates import KEYS, EstimateFile, Estimates
from ..keypoints.detectors import LAYOUTS
from ..keypoints.layouts import find_layout
from ..refinement.method import Method, resolve_method
from ..refinement.tracks import check_fps
from ..result import HYPOTHESIS, RefineResult

TRACKS = ("track", "tracks", "person")
"""Names of the column that says whose body it is; person only beside frames."""

FRAMES = ("frame", "frames")

CONSTANTS = ("body", "layout", "fps")
"""What is the same for all rows of a batch, whether it comes once or in every row."""

OF_ROWS = ("intrinsics", "extrinsics", "pose")
"""Columns that programs without shapes write flat."""


class Refiner:
    """A refinement of batches: a dict of arrays in, a dict of arrays out, row by row.

    It is small, can be pickled, and keeps nothing between calls, so it goes wherever rows are: to
    :func:`kitro_np.stream`, shards on the disk, ``map_batches`` of Ray Data, or a pool of one's own.

    Columns have the names of the arguments of :func:`kitro_np.refine`: pose, betas, transl, keypoints_2d,
    intrinsics, confidence, image_size, focal_length, track, frame, fps, extrinsics; or those of KITRO's data,
    pred_theta, pred_beta, pred_cam. The result's columns have the names of :class:`kitro_np.RefineResult`,
    with the camera's intrinsics; columns of other names are passed through.

    Parameters
    ----------
    body : BodyModel, Skeleton, str or path, optional
        By default the column body says it, if it names an embedded body; else the open body.
    method : {"map", "kitro", "smplify"} or Method
    keypoint_layout : str, optional
        By default the column layout says it, else the body's joints.
    keypoints_key, confidence_key : str, optional
        Other names of the columns keypoints_2d and confidence.
    joints_of : str, optional
        Of keypoints of all the body's joints take those of this layout, as a detector's.
    image_size : (width, height), optional
    intrinsics : (3, 3) array, optional
        Camera of all rows.
    focal_length : float, optional
        With `image_size` the camera's, else the one that estimates are converted to.
    each_frame : bool
        Refine each frame alone. By default rows with tracks are refined as videos if the method can, and a
        batch must hold whole tracks.
    fps : float, optional
    engine : {"numba", "array"}, optional
    threads : int, optional
        By default 1: engines run one batch a core.
    strict : bool
        Raise InputError if any body cannot be refined.
    **options
        Options of the method.

    Raises
    ------
    InputError
        If an argument is invalid.

    Examples
    --------
    >>> refiner = kitro_np.Refiner(method="map", uncertainty=True)
    >>> refined = refiner({"pose": pose, "betas": betas, ...})
    >>> refined["joint_spread"]
    """

    def __init__(
        self,
        *,
        body: BodyModel | Skeleton | str | PathLike[str] | None = None,
        method: Method | str = "map",
        keypoint_layout: str | None = None,
        keypoints_key: str = "keypoints_2d",
        confidence_key: str | None = None,
        joints_of: str | None = None,
        image_size: Any = None,
        intrinsics: Any = None,
        focal_length: float | None = None,
        each_frame: bool = False,
        fps: float | None = None,
        engine: str | None = None,
        threads: int | None = 1,
        strict: bool = False,
        **options: Any,
    ) -> None:
        self.method = resolve_method(method, options)
        self.body = None if body is None else read_body(body)
        if keypoint_layout is not None and isinstance(keypoint_layout, str):
            keypoint_layout = one_of("keypoint_layout", keypoint_layout, LAYOUTS)
            check_layout(self.method, keypoint_layout)
        if joints_of is not None and keypoint_layout is not None:
            raise InputError("joints_of: expected none with keypoint_layout, got both.")
        if confidence_key is not None and not self.method.takes_detections:
            raise InputError(
                f"confidence_key: expected method='map', which weighs keypoints, got {self.method.name!r}."
            )
        self.keypoint_layout = keypoint_layout
        self.keypoints_key, self.confidence_key = keypoints_key, confidence_key
        self.joints_of = None if joints_of is None else one_of("joints_of", joints_of, LAYOUTS)
        self.image_size = None if image_size is None else tuple(float(side) for side in image_size)
        self.intrinsics = None if intrinsics is None else np.asarray(intrinsics, np.float64)
        self.focal_length = focal_length
        self.each_frame = check_bool("each_frame", each_frame)
        self.fps = None if fps is None else check_fps(fps)
        self.engine = None if engine is None else one_of("engine", engine, CPU_ENGINES)
        self.threads = None if threads is None else check_integer("threads", threads, least=1)
        self.strict = check_bool("strict", strict)

    def __call__(self, arrays: Mapping[str, Any], name: str = "batch") -> dict[str, Any]:
        """Refine a batch.

        Parameters
        ----------
        arrays : mapping of str to array
            Columns: arrays whose first axis are the rows. body, layout and fps may be single values.
        name : str
            What errors call the batch, such as its file.

        Returns
        -------
        dict of str to array
            NumPy arrays of the result; intrinsics; and what was passed through, the very objects.

        Raises
        ------
        InputError
            If a column is missing or does not fit.
        """
        return self.run(arrays, name)[0]

    def run(self, arrays: Mapping[str, Any], name: str = "batch") -> tuple[dict[str, Any], RefineResult[Any]]:
        """Refine a batch; return the arrays as a call does, and the result that they are of."""
        batch = _Batch(arrays, name, self.reads)
        body = self.body_of(batch.body_name)
        layout = self.joints_of or self.layout(batch)
        batch.give_shapes(body, find_layout(layout, body).num_points, self.keypoints_key)
        estimates = self.read(batch)
        result = self.refine(batch, estimates, body, self._videos(batch))
        refined: dict[str, Any] = result.arrays()
        if result.hypotheses is not None:
            refined |= {f"{HYPOTHESIS}{name}": part for name, part in result.hypotheses._asdict().items()}
        camera = np.asarray(estimates.intrinsics, result.pose.dtype)
        refined["intrinsics"] = np.broadcast_to(camera, (*result.status.shape, 3, 3))
        for own in ("track", "frame"):  # those given are passed on as they are, texts too
            refined.pop(own, None)
        taken = self.takes
        passed = {key: value for key, value in arrays.items() if key not in taken and key not in refined}
        return refined | passed, result

    def layout(self, file: EstimateFile) -> str:
        """Return the layout of a file's keypoints."""
        return self.keypoint_layout or file.layout or LAYOUTS[0]

    def read(self, file: EstimateFile) -> Estimates:
        """Read a file's estimates, with the camera of the settings."""
        size = self.size_of(file)
        focal: Any = self.focal_length
        estimates = file.estimates(
            self.keypoints_key, need_intrinsics=self.intrinsics is None and size is None
        )
        if self.image_size is None and estimates.intrinsics is not None:
            size = None  # the rows have a camera
        if self.intrinsics is None and size is not None and focal is None:
            focal = file.optional("focal_length")
        return estimates.with_camera(self.intrinsics, size, focal)

    def size_of(self, file: EstimateFile) -> Any:
        """Return the size of a file's images; None if it is not known."""
        return file.optional("image_size") if self.image_size is None else np.asarray(self.image_size)

    def detections(self, file: EstimateFile, estimates: Estimates, body: BodyModel) -> Detections:
        """Read a file's detections, for a method that takes them."""
        shape, layout = estimates.keypoints_2d.shape, find_layout(self.layout(file), body)
        count, joints = shape[-2] if len(shape) > 1 else 0, body.num_joints
        if self.joints_of is not None:
            if count != joints:
                raise InputError(f"joints_of: expected keypoints of the body's {joints} joints, got {count}.")
            return read_detections(file, estimates, body, self.joints_of, self.confidence_key)
        if count != layout.num_points:
            own = layout.name
            how = f"; --joints-of {own} (joints_of={own!r}) takes those of its joints"
            raise InputError(
                f"{file.path}: {self.keypoints_key}: expected {layout.num_points} points, as {own} has, "
                f"got {count}{how if count == joints else ''}."
            )
        return read_detections(file, estimates, body, layout, self.confidence_key)

    def refine(
        self,
        file: EstimateFile,
        estimates: Estimates,
        body: BodyModel | Skeleton,
        videos: Mapping[str, Any],
        progress: Callable[[int], None] | None = None,
    ) -> RefineResult[Any]:
        """Refine estimates that were read of a file; `videos` are the arguments of videos, if it is one."""
        known: dict[str, Any]
        if self.method.takes_detections:
            assert isinstance(body, BodyModel)
            known = {**self.detections(file, estimates, body)._asdict(), "image_size": self.size_of(file)}
        else:  # a method that does not support layouts refuses them
            layout = self.joints_of or self.layout(file)
            known = {"keypoints_2d": estimates.keypoints_2d, "keypoint_layout": layout}
        known |= {**videos, "progress": progress}
        return refine(
            estimates.pose,
            estimates.betas,
            estimates.transl,
            intrinsics=estimates.intrinsics,
            **known,
            body=body,
            method=self.method,
            engine=self.engine,  # type: ignore[arg-type]
            threads=self.threads,
            strict=self.strict,
        )

    @property
    def takes(self) -> frozenset[str]:
        """Names of columns that are estimates or keypoints: they are not passed through."""
        names = {name for keys in KEYS.values() for name in keys}
        return frozenset(names | {self.keypoints_key, self.confidence_key or "confidence", "keypoints_2d"})

    @property
    def reads(self) -> frozenset[str]:
        """Names of all columns that are read; the others need not be arrays."""
        known = {*CONSTANTS, *TRACKS, *FRAMES, "extrinsics", "image_size", "focal_length"}
        return self.takes | known

    def is_video(self, names: Any) -> str | None:
        """Return the column by which rows with columns of these names are refined as videos, if they are."""
        if self.each_frame or not self.method.takes_videos or int(getattr(self.method, "hypotheses", 0)):
            return None
        found = next((name for name in TRACKS if name in names), None)
        alone = found == "person" and not any(name in names for name in FRAMES)
        return None if alone else found

    def body_of(self, own: str) -> BodyModel | Skeleton:
        """Return the body of rows that name `own` as theirs."""
        return _body_named(own) if self.body is None else self.body

    def settings(self) -> dict[str, Any]:
        """Return all that results depend on, to be compared and kept as JSON."""
        camera = None if self.intrinsics is None else self.intrinsics.tolist()
        return {
            "body": None if self.body is None else _describe(self.body),
            "method": self.method.name,
            "options": {name: _plain(value) for name, value in asdict(self.method).items()},  # type: ignore[call-overload]
            "keypoint_layout": self.keypoint_layout,
            "keypoints_key": self.keypoints_key,
            "confidence_key": self.confidence_key,
            "joints_of": self.joints_of,
            "image_size": None if self.image_size is None else list(self.image_size),
            "intrinsics": camera,
            "focal_length": self.focal_length,
            "each_frame": self.each_frame,
            "fps": self.fps,
            "engine": self.engine,
            "strict": self.strict,
        }

    def _videos(self, batch: _Batch) -> dict[str, Any]:
        """Return the arguments of videos, if the batch is refined as one."""
        key = self.is_video(batch.arrays)
        if key is None:
            return {}
        frames = next((batch.arrays[name] for name in FRAMES if name in batch.arrays), None)
        return {
            "tracks": batch.arrays[key],
            "frames": frames,
            "fps": batch.fps if self.fps is None else self.fps,
            "extrinsics": batch.optional("extrinsics"),
        }


class _Batch(EstimateFile):
    """A batch, read as files of estimates are."""

    def __init__(self, arrays: Mapping[str, Any], name: str, reads: frozenset[str]) -> None:
        if not isinstance(arrays, Mapping):
            raise InputError(f"{name}: expected a dict of arrays, got {type(arrays).__name__}.")
        self.path = Path(name)
        self._names = [*arrays]
        self._arrays = self.arrays = {
            key: self._array(key, value) for key, value in arrays.items() if key in reads
        }

    def _keys(self) -> str:
        return listed(self._names)

    def _array(self, key: str, value: Any) -> Any:
        if key in TRACKS and isinstance(value, np.ndarray) and value.dtype == object:
            return value.astype(str) if all(isinstance(one, str) for one in value.flat) else value
        array = value if isinstance(value, np.ndarray) else np.asarray(value)
        if key in CONSTANTS and array.ndim:
            if array.dtype == object:
                array = array.astype(str)
            if array.size and (array != array.flat[0]).any():
                raise InputError(f"{self.path}: {key}: expected the same in all rows, got several.")
            return array.reshape(-1)[0] if array.size else np.array("")
        return array

    def give_shapes(self, body: Any, points: int, keypoints_key: str) -> None:
        """Give shapes to columns that come flat: nine numbers of a matrix, or x and y of points in turn."""
        joints, arrays = body.num_joints, self.arrays
        # What is a layout's and the body's, too, is the layout's: 48 numbers are 16 points with scores.
        sizes = {2 * joints: 2, 3 * joints: 3, 2 * points: 2, 3 * points: 3}
        shapes = {"intrinsics": (9, (3, 3)), "extrinsics": (16, (4, 4)), keypoints_key: (0, ())}
        shapes |= dict.fromkeys(KEYS["pose"], (9 * joints, (joints, 3, 3)))
        of_none: dict[str, tuple[int, ...]] = {name: shape for name, (_, shape) in shapes.items() if shape}
        of_none |= {keypoints_key: (points, 2), **dict.fromkeys(KEYS["transl"], (3,))}
        of_none |= dict.fromkeys(KEYS["betas"], (body.num_betas,))
        for name, shape in of_none.items():  # lists of no rows have no length
            if name in arrays and arrays[name].ndim and not len(arrays[name]):
                arrays[name] = np.zeros((0, *shape), arrays[name].dtype)
        for name, (count, shape) in shapes.items():
            array = arrays.get(name)
            if array is None or array.ndim != 2:
                continue
            found = array.shape[1]
            if name == keypoints_key:
                if found not in sizes:
                    raise InputError(
                        f"{self.path}: {name}: expected {points} points in a row, {2 * points} or "
                        f"{3 * points} numbers, got {found} numbers."
                    )
                arrays[name] = array.reshape(len(array), found // sizes[found], sizes[found])
            elif array.shape[1] == count and count:
                arrays[name] = array.reshape(len(array), *shape)


@lru_cache(maxsize=8)
def _body_named(own: str) -> BodyModel:
    return embedded_body(own) or default_body()


def _describe(body: BodyModel | Skeleton) -> dict[str, str]:
    """Return the name of a body, and for one that is not embedded a digest of its arrays."""
    name = getattr(body, "name", "")
    if name in FAMILIES and isinstance(body, BodyModel) and body is _body_named(name):
        return {"name": name}
    digest = hashlib.sha256()
    parts = vars(body) if isinstance(body, BodyModel) else {"rest": vars(body)}
    for key in sorted(parts):
        if not key.startswith("_"):
            _add_to(digest, parts[key])
    return {"name": name, "sha256": digest.hexdigest()}


def _add_to(digest: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping):
        for key in sorted(map(str, value)):
            if not key.startswith("_"):
                _add_to(digest, value[key])
    elif isinstance(value, (str, int, float, tuple)):
        digest.update(repr(value).encode())


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)
