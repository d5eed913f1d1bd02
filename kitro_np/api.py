"""The public API: refine bodies, in arrays of any library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.resources import as_file, files
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, overload

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj

from .arrays.arguments import as_confidence, check_bool, check_integer, like_pose, real_array
from .arrays.engines import ENGINES, choose_engine, on_device_of
from .arrays.interchange import Interchange, interchange_for
from .arrays.poses import pose_tail
from .arrays.rotations import axis_angle_from_matrix, nearest_rotation
from .arrays.select import where_bodies
from .body.families import LICENSED
from .body.load import default_body, load_body
from .body.locate import find_model_file
from .body.model import KERNEL_DTYPES, BodyModel
from .body.names import name_in
from .body.skeleton import Skeleton
from .errors import InputError, one_of
from .keypoints.detectors import LayoutName
from .keypoints.layouts import KeypointLayout
from .kitro.method import Kitro
from .posterior.method import Map
from .refinement.hints import Hint, find_hint
from .refinement.method import METHODS, Execution, Method, resolve_method
from .refinement.outcome import Hypotheses, Outcome, Refined, where_outcomes
from .refinement.request import Arguments, Request, read_request, skeleton_of
from .refinement.validity import Status, all_within, was_fitted
from .result import RefineResult
from .safe_io.npz import NpzArrays
from .smplify.method import SMPLify
from .typing import ArrayLike, ArrayT, EngineName, FloatName, Nested

__all__ = ["Kitro", "Map", "SMPLify", "example", "refine", "warmup"]

MethodName = Literal["map", "kitro", "smplify"]
"""Names of the methods."""

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .kitro.method import KitroOptions
    from .posterior.method import MapOptions
    from .smplify.method import SMPLifyOptions

    class CommonArguments(TypedDict, total=False):
        """Arguments of every method."""

        body: BodyModel | Skeleton | str | PathLike[str] | None
        image_size: ArrayLike | None
        focal_length: ArrayLike | float | None
        engine: EngineName | None
        threads: int | None
        chunk_size: int | None
        strict: bool
        progress: Callable[[int], None] | None

    class DetectionArguments(TypedDict, total=False):
        """Arguments of methods that take a detector's keypoints."""

        confidence: ArrayLike | None
        keypoint_layout: LayoutName | KeypointLayout
        tracks: ArrayLike | Sequence[str] | None
        frames: ArrayLike | None
        fps: float | None
        extrinsics: ArrayLike | None

    class MapArguments(CommonArguments, DetectionArguments, MapOptions, total=False):
        """Arguments and options of ``map``."""

    class KitroArguments(CommonArguments, KitroOptions, total=False):
        """Arguments and options of ``kitro``."""

    class SMPLifyArguments(CommonArguments, SMPLifyOptions, total=False):
        """Arguments and options of ``smplify``."""

    class AllArguments(
        CommonArguments, DetectionArguments, MapOptions, KitroOptions, SMPLifyOptions, total=False
    ):
        """Arguments of :func:`refine` with a method as an object, or a pose in lists."""


@overload
def refine(
    pose: ArrayT,
    betas: ArrayLike,
    transl: ArrayLike,
    keypoints_2d: ArrayLike,
    intrinsics: ArrayLike | None = None,
    *,
    method: Literal["map"] = "map",
    **arguments: Unpack[MapArguments],
) -> RefineResult[ArrayT]: ...


@overload
def refine(
    pose: ArrayT,
    betas: ArrayLike,
    transl: ArrayLike,
    keypoints_2d: ArrayLike,
    intrinsics: ArrayLike | None = None,
    *,
    method: Literal["kitro"],
    **arguments: Unpack[KitroArguments],
) -> RefineResult[ArrayT]: ...


@overload
def refine(
    pose: ArrayT,
    betas: ArrayLike,
    transl: ArrayLike,
    keypoints_2d: ArrayLike,
    intrinsics: ArrayLike | None = None,
    *,
    method: Literal["smplify"],
    **arguments: Unpack[SMPLifyArguments],
) -> RefineResult[ArrayT]: ...


@overload
def refine(
    pose: ArrayT,
    betas: ArrayLike,
    transl: ArrayLike,
    keypoints_2d: ArrayLike,
    intrinsics: ArrayLike | None = None,
    *,
    method: Method,
    **arguments: Unpack[AllArguments],
) -> RefineResult[ArrayT]: ...


@overload
def refine(
    pose: Sequence[Nested],
    betas: ArrayLike,
    transl: ArrayLike,
    keypoints_2d: ArrayLike,
    intrinsics: ArrayLike | None = None,
    *,
    method: MethodName | Method = "map",
    **arguments: Unpack[AllArguments],
) -> RefineResult[np.ndarray]: ...


def refine(
    pose: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    intrinsics: Any = None,
    *,
    body: Any = None,
    method: Any = "map",
    confidence: Any = None,
    keypoint_layout: Any = "smpl24",
    image_size: Any = None,
    focal_length: Any = None,
    tracks: Any = None,
    frames: Any = None,
    fps: float | None = None,
    extrinsics: Any = None,
    engine: Any = None,
    threads: int | None = None,
    chunk_size: int | None = None,
    strict: bool = False,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> RefineResult[Any]:
    """Refine body estimates so that they agree with 2D keypoints.

    Parameters
    ----------
    pose : (..., J, 3, 3) array
        Local rotation matrices of the estimate, or axis-angle vectors (..., J, 3) or (..., 3 J) in radians;
        the result has the same form. SMPL has J = 24. Without leading axes it is a single body. Matrices
        are accepted if they deviate from a rotation by at most 1e-2.
    betas : (..., S) array
        Shape coefficients, at most as many as the body has; (S,) applies to all bodies.
    transl : (..., 3) array
        Camera translation in metres; the camera looks along +z, image y points down.
    keypoints_2d : (..., K, 2) or (..., K, 3) array
        (x, y) in pixels, or (x, y, score), in the order of `keypoint_layout`: by default that of the body's
        joints. NaN, (0, 0) and masked entries are not visible.
    intrinsics : (3, 3) or (..., 3, 3) array, optional
        Camera matrix [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels.
    body : BodyModel, Skeleton, str or path, optional
        Body model of the estimate, or a name or file for :func:`load_body`; by default the embedded open
        body.
    method : {"map", "kitro", "smplify"} or Method
        ``map``: the most probable body given the estimate, the keypoints and a prior from human motion.
        ``kitro``: KITRO as published. ``smplify``: SMPLify, for comparison. ``Kitro(iterations=5)`` is the
        same as ``"kitro"`` with ``iterations=5``.
    confidence : (..., K) array, optional
        ``map``: relative precision of each keypoint, as detectors score them, or a mask; 0, False or NaN
        is not visible, nor is one below 1/1024 of the body's median. A joint that moves no visible keypoint
        keeps the estimate's rotation.
    keypoint_layout : str or KeypointLayout
        ``map``: points of the keypoints on the body, one of :data:`kitro_np.LAYOUTS` or a custom layout.
    image_size : (2,) or (..., 2) array_like, optional
        Width and height in pixels, instead of `intrinsics`: K = [[f, 0, W/2], [0, f, H/2], [0, 0, 1]]; with
        ``map`` also beside `intrinsics`. There keypoints that are not inside the image, or lie on its border,
        are not visible; where the size is not known, three or more that share the smallest or largest x or y.
    focal_length : float or (...) array_like, optional
        Without `intrinsics`: f in pixels, by default sqrt(W^2 + H^2) (Eq. 4). It does not change the
        translation; :func:`kitro_np.with_focal_length` changes the focal length of an estimate.
    tracks : (...) array of integers or texts, optional
        ``map``: the person of each body in a video. All frames of a track are refined together: in one shape,
        and moving smoothly. Rows come in any order.
    frames : (...) array of integers, optional
        Frame of each body. Without `tracks` the first leading axis is time, and each entry of further axes a
        track. By default the frames of a track follow one another.
    fps : float, optional
        Frames per second, by default 30.
    extrinsics : (..., 4, 4) or (..., 3, 4) array, optional
        From world to camera coordinates in metres, for a camera that moves: then motion is smooth in the
        world.
    engine : {None, "numba", "array", "cuda"}
        None selects fused kernels for arrays in the CPU's memory (numba), and for ``map`` and ``kitro`` on a
        GPU if numba-cuda is installed (cuda); otherwise the array stages (array).
    threads : int, optional
        Threads of the numba engine; by default as many as cores available to the process.
    chunk_size : int, optional
        Bodies that each thread processes at a time; fewer need less memory. By default 512 (numba), as many
        as the GPU holds threads (cuda, rounded up to whole warps of 32; in float32 28 kB each for map, 40 kB
        for kitro, together at most 2 GB) or as many as fit into 64 MB (array, 60 kB per body in float32; on a
        GPU ten times as many).
    strict : bool
        Raise InputError if any body cannot be refined, instead of returning its estimate.
    progress : callable, optional
        Called from the calling thread with the number of bodies finished since the last call.
    **options
        Options of the method: see :class:`kitro_np.Map`, :class:`kitro_np.Kitro`,
        :class:`kitro_np.SMPLify`.

    Returns
    -------
    RefineResult
        Arrays of the same kind, dtype and leading shape as the arguments. For a body that cannot be refined
        the estimate is returned, with the reason in ``status``; if ``map`` refuses most bodies, or had
        to put most right, ``hint`` says what mistake the input looks like, such as x and y exchanged.

    Raises
    ------
    FileNotFoundError
        If `body` is a file that does not exist.
    InputError
        If an argument is invalid, or with ``strict=True`` if a body cannot be refined.

    Notes
    -----
    Everything is computed in float64 if the pose is float64, else in float32. A body whose betas or transl
    are beyond the dtypes given, such as float16, has diverged. The result of a body does not depend on the
    other bodies, nor on the number of threads.
    """
    chosen = resolve_method(method, options)
    strict = check_bool("strict", strict)
    body = read_body(body)
    engine = None if engine is None else one_of("engine", engine, ENGINES)
    check_layout(chosen, keypoint_layout)
    # A body that is not finite concerns itself alone: its numbers raise nothing, and its status tells.
    with np.errstate(all="ignore"):
        pose_array = real_array("pose", pose)
        confidence = as_confidence(pose_array, confidence) if confidence is not None else None
        arguments = Arguments(
            pose_array, betas, transl, keypoints_2d, intrinsics, confidence, image_size, focal_length,
            tracks, frames, fps, extrinsics,
        )  # fmt: skip
        _check_video(chosen, arguments)
        _check_image_size(chosen, arguments)
        exchange = None if engine == "array" else interchange_for(arguments.pose)
        if exchange is not None:
            arguments = _to_numpy(exchange, arguments)
        with on_device_of(arguments.pose):
            request = read_request(arguments, body, keypoint_layout)
            check_confidence(chosen, request, scored=confidence is None)
            execution = _read_execution(engine, threads, chunk_size, progress, arguments.pose, chosen)
            outcome = _within_dtypes(
                chosen.run(request, execution), chosen, request, execution, {"betas": betas, "transl": transl}
            )
            hint = _hint(chosen, request, outcome, execution)
            if strict:
                _raise_if_any_failed(outcome.refined.status, hint)
            result = _result(chosen, body, request, outcome, half=_is_half(pose_array))
        if exchange is not None:
            result = result.map_arrays(exchange.from_numpy)
        return _with_given_dtypes(replace(result, hint_source=hint), (pose, betas, transl))


WARMUP_COUNTS = (1, 20)
"""Bodies posed by :func:`warmup`: few and many bodies use different kernels (kernels/body/run.py)."""


def warmup(
    methods: MethodName | Sequence[MethodName] = ("map", "kitro"),
    dtypes: FloatName | Sequence[FloatName] = ("float32", "float64"),
    progress: Callable[[int], None] | None = None,
) -> None:
    """Compile the kernels of methods and of posing a body now, so that no later call has to.

    Parameters
    ----------
    methods : {"map", "kitro", "smplify"} or a sequence of these
    dtypes : {"float32", "float64"} or a sequence of these
    progress : callable, optional
        Called with 1 after each of `dtypes`.

    Raises
    ------
    InputError
        If a name is unknown.
    """
    names = [one_of("methods", name, METHODS) for name in _names("methods", methods)]
    chosen = [method for name in names for method in METHODS[name].kernel_variants()]
    kernel_dtypes = [dtype.name for dtype in KERNEL_DTYPES]
    chosen_dtypes = [one_of("dtypes", name, kernel_dtypes) for name in _names("dtypes", dtypes)]
    data = example()
    body = load_body(data["body"])
    arrays = [data["pose"], data["betas"], data["transl"], data["keypoints_2d"], data["intrinsics"]]
    for dtype in chosen_dtypes:
        few = [array[:2].astype(dtype) for array in arrays]  # two frames make a video
        for method in chosen:
            refine(few[0], few[1], few[2], few[3], few[4], body=body, method=method)
        for count in WARMUP_COUNTS:
            poses = np.broadcast_to(few[0][:1], (count, *few[0].shape[1:]))
            body.forward(poses)
            body.joints(poses)
        if progress is not None:
            progress(1)


class Example(TypedDict):
    """Arguments of :func:`refine`, as :func:`example` returns them."""

    pose: np.ndarray  # (N, 24, 3, 3); axis-angle (N, 24, 3) of the real one
    betas: np.ndarray  # (N, 10)
    transl: np.ndarray  # (N, 3)
    keypoints_2d: np.ndarray  # (N, 24, 2); (N, 25, 3) of the real one
    intrinsics: np.ndarray  # (N, 3, 3)
    body: str  # name of the body


class RealExample(Example):
    """An example with a detector's keypoints."""

    keypoint_layout: LayoutName


@overload
def example(name: Literal["clip"] = "clip") -> Example: ...


@overload
def example(name: Literal["real"]) -> RealExample: ...


def example(name: str = "clip") -> Example:
    """Return an example as arguments: ``refine(**example())``.

    Parameters
    ----------
    name : {"clip", "real"}
        "clip" is two seconds of real motion, with simulated estimates and exact keypoints. "real" are 200
        views of a real person, with OpenPose's detections, simulated estimates, and the `keypoint_layout`
        besides.

    Raises
    ------
    InputError
        If there is no such example.
    """
    clip = one_of("name", name, ("clip", "real")) == "clip"
    with as_file(files(__package__) / "data" / ("demo_clip.npz" if clip else "balancing.npz")) as path:
        file = NpzArrays(path)
        pose, betas, transl = (file[f"pred_{part}"] for part in ("theta", "beta", "cam"))
        intrinsics, body = file["intrinsics"], name_in(file)
        if clip:
            return Example(
                pose=pose, betas=betas, transl=transl, keypoints_2d=file["keypoints_2d"],
                intrinsics=intrinsics, body=body,
            )  # fmt: skip
        return RealExample(
            pose=pose[0], betas=betas[0], transl=transl[0], keypoints_2d=file["keypoints_body25b"],
            intrinsics=intrinsics, body=body, keypoint_layout="body25b",
        )  # fmt: skip


def _names(argument: str, names: Any) -> Sequence[Any]:
    if isinstance(names, str):
        return (names,)
    if not isinstance(names, Iterable):
        raise InputError(f"{argument}: expected a name or a sequence of names, got {names!r}.")
    return tuple(names)


def read_body(body: Any) -> BodyModel | Skeleton:
    """Return the body: the default one, one loaded by its name or file, or the object given."""
    if body is None:
        return default_body()
    if isinstance(body, (str, PathLike)):
        return _loaded(fspath(body))
    skeleton_of(body)
    checked: BodyModel | Skeleton = body
    return checked


def _loaded(name: str) -> BodyModel:
    """Return a body by its name or file; a file is read again only if it has changed."""
    path = find_model_file(name.lower()) if name.lower() in LICENSED else Path(name)
    if not path.is_file():
        return load_body(name)
    about = path.stat()
    return _load_file(name, path.resolve(), about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=4)
def _load_file(name: str, path: Path, mtime_ns: int, size: int) -> BodyModel:
    return load_body(name if name.lower() in LICENSED else path)


def check_layout(method: Method, layout: Any) -> None:
    """Refuse a detector's layout for a method that takes the body's own joints only."""
    if method.takes_detections or (isinstance(layout, str) and layout.lower() == "smpl24"):
        return
    name = layout.name if isinstance(layout, KeypointLayout) else layout
    raise InputError(
        f"keypoint_layout: expected 'smpl24' with method={method.name!r}, got {name!r}; "
        f"method={_takers_of_detections()} supports other layouts."
    )


def _check_video(method: Method, given: Arguments) -> None:
    """Refuse tracks for a method that takes every frame alone."""
    if method.takes_videos:
        return
    for name in ("tracks", "frames", "fps", "extrinsics"):
        if getattr(given, name) is not None:
            takers = " or ".join(repr(name) for name, kind in METHODS.items() if kind.takes_videos)
            raise InputError(f"{name}: expected method={takers}, which refines videos, got {method.name!r}.")


def _check_image_size(method: Method, given: Arguments) -> None:
    """Refuse an image size beside intrinsics for a method that would ignore it."""
    if method.takes_detections or given.intrinsics is None or given.image_size is None:
        return
    raise InputError(
        f"image_size: expected None where intrinsics are given with method={method.name!r}, got both; "
        f"method={_takers_of_detections()} looks where the image ends."
    )


def check_confidence(method: Method, request: Request, *, scored: bool) -> None:
    """Refuse confidences for a method that does not weigh keypoints, instead of ignoring them."""
    if method.takes_detections or request.confidence is None:
        return
    takers = _takers_of_detections()
    if scored:
        raise InputError(
            f"keypoints_2d: expected (x, y) with method={method.name!r}, which does not weigh keypoints, "
            f"got (x, y, score); method={takers} supports scores."
        )
    raise InputError(f"confidence: expected method={takers}, which weighs keypoints, got {method.name!r}.")


def _takers_of_detections() -> str:
    return " or ".join(repr(method.name) for method in METHODS.values() if method.takes_detections)


def _to_numpy(exchange: Interchange, arguments: Arguments) -> Arguments:
    """Check that all arrays are of one library and device, and convert them to NumPy."""
    names = ("betas", "transl", "keypoints_2d", "intrinsics", "confidence", "extrinsics")
    parts = {name: getattr(arguments, name) for name in names}
    arrays = {
        name: exchange.to_numpy(like_pose(arguments.pose, name, part))
        for name, part in parts.items()
        if part is not None
    }
    # The camera's sizes may be of NumPy, whatever the library of the pose.
    sizes = {name: getattr(arguments, name) for name in ("image_size", "focal_length")}
    sizes = {
        name: exchange.to_numpy(part) if is_array_api_obj(part) and not isinstance(part, np.ndarray) else part
        for name, part in sizes.items()
    }
    return replace(arguments, pose=exchange.to_numpy(arguments.pose), **arrays, **sizes)


def _read_execution(
    engine: Any, threads: Any, chunk_size: Any, progress: Any, array: Any, method: Method
) -> Execution:
    if progress is not None and not callable(progress):
        raise InputError(f"progress: expected a callable or None, got {progress!r}.")
    return Execution(
        choose_engine(engine, array, method.engines),
        None if threads is None else check_integer("threads", threads, least=1),
        None if chunk_size is None else check_integer("chunk_size", chunk_size, least=1),
        progress,
    )


def _hint(method: Method, request: Request, outcome: Outcome, execution: Execution) -> Hint | str:
    """Say what the input looks like, if the method judges bodies, and most are refused or put right."""
    if not (isinstance(method, Map) and method.safe):
        return ""

    def accepts(other: Request) -> Any:
        # Each frame alone; with uncertainty as before: that has kernels of its own.
        judge, other = replace(method, hypotheses=0, video=False), replace(other, tracks=None)
        engine = "numba" if execution.engine == "cuda" else execution.engine
        quiet = replace(execution, engine=engine, chunk_size=None, progress=None)
        return judge.run(other, quiet).refined.status == 0

    return find_hint(request, outcome, accepts)


def _raise_if_any_failed(status: Any, hint: Hint | str) -> None:
    xp = array_namespace(status)
    failed = ~was_fitted(status)
    count = int(xp.sum(xp.astype(failed, xp.int64)))
    if count:
        first = int(xp.argmax(xp.astype(failed, xp.int8)))
        reason = Status(int(status[first])).reason
        more = f" {hint}" if str(hint) else ""
        raise InputError(
            f"body {first}: expected a body that can be refined, got {reason} ({count} in all).{more}"
        )


def _result(
    method: Method, body: BodyModel | Skeleton, request: Request, outcome: Outcome, *, half: bool
) -> RefineResult[Any]:
    """Return an outcome in the leading shape of the arguments."""
    lead = request.lead

    def with_lead(part: Any) -> Any:
        return array_namespace(part).reshape(part, (*lead, *part.shape[1:]))

    refined = outcome.refined
    arrays = {name: with_lead(part) for name, part in refined._asdict().items() if name != "pose"}
    if not method.gives_branches:
        arrays |= {"selection": None, "path_score": None}
    diagnostics = {} if outcome.diagnostics is None else outcome.diagnostics._asdict()
    arrays |= {name: with_lead(part) for name, part in diagnostics.items() if part is not None}
    hypotheses = None if outcome.hypotheses is None else Hypotheses(*map(with_lead, outcome.hypotheses))
    options, fps, tracks = dict(vars(method)), None, outcome.tracks
    if tracks is not None:
        xp, on = array_namespace(refined.pose), device(refined.pose)
        arrays |= {
            name: with_lead(xp.asarray(part, device=on))
            for name, part in (("track", tracks.track), ("frame", tracks.number))
        }
        options["video"], fps = True, tracks.rate
    return RefineResult(
        _pose_as_given(request, refined, changed=method.changes_pose, half=half),
        **arrays,
        fps=fps,
        hypotheses=hypotheses,
        method=method.name,
        options=options,
        body=body,
    )


def _is_half(pose: Any) -> bool:
    """Whether poses are in half precision, below the float32 that they are refined in."""
    xp = array_namespace(pose)
    return bool(xp.isdtype(pose.dtype, "real floating")) and pose.dtype not in (xp.float32, xp.float64)


def _pose_as_given(request: Request, refined: Refined, *, changed: bool, half: bool) -> Any:
    """Return the refined poses as matrices or axis-angle vectors, as in the estimate.

    An estimate that is returned is bitwise the caller's. Matrices that will be rounded to half precision are
    orthonormalised first, so that they are accepted as input again.
    """
    xp = array_namespace(refined.pose)
    estimate = request.given_pose
    replaced = was_fitted(refined.status) if changed else xp.zeros_like(refined.status, dtype=xp.bool)
    if len(pose_tail(tuple(estimate.shape), request.skeleton.num_joints)) == 3:
        pose = refined.pose
        if half:
            pose = where_bodies(replaced, nearest_rotation(pose), pose)
        return xp.reshape(pose, estimate.shape)
    vectors = axis_angle_from_matrix(refined.pose)
    estimate_vectors = xp.astype(xp.reshape(estimate, vectors.shape), vectors.dtype)
    return xp.reshape(where_bodies(replaced, vectors, estimate_vectors), estimate.shape)


def _within_dtypes(
    outcome: Outcome, method: Method, request: Request, execution: Execution, given: dict[str, Any]
) -> Outcome:
    """Return bodies as their estimates, DIVERGED, that are not finite in the dtypes that were given.

    Half precision ends at 65504. Rotations are far below; `given` are the caller's betas and transl.
    """
    refined = outcome.refined
    xp = array_namespace(refined.status)
    bounds = {name: _largest_float(like) for name, like in given.items()}
    own = float(xp.finfo(refined.transl.dtype).max)
    smaller = {name: largest for name, largest in bounds.items() if largest is not None and largest < own}
    if not smaller:  # nothing is read, which a GPU would be waited for
        return outcome
    lost = xp.zeros_like(refined.status, dtype=xp.bool)
    for name, largest in smaller.items():
        sources = (refined,) if outcome.hypotheses is None else (refined, outcome.hypotheses)
        lost = lost | ~all_within(largest, *(getattr(source, name) for source in sources))
    lost = lost & was_fitted(refined.status)
    if not bool(xp.any(lost)):
        return outcome
    # No method refines a body whose camera has skew, nor looks at the skew: what it then returns is all that
    # it says of an estimate, such as its error.
    skew = xp.asarray([[0, 1, 0], [0, 0, 0], [0, 0, 0]], dtype=request.dtype, device=device(lost))
    cameras = (
        xp.astype(request.intrinsics, request.dtype) + xp.astype(lost, request.dtype)[:, None, None] * skew
    )
    kept = method.run(replace(request, intrinsics=cameras), replace(execution, progress=None))
    status = xp.full_like(refined.status, int(Status.DIVERGED))
    return where_outcomes(lost, kept._replace(refined=kept.refined._replace(status=status)), outcome)


def _largest_float(like: Any) -> float | None:
    """Return the largest number of an array's dtype; None if it is no array of floating-point numbers."""
    if not is_array_api_obj(like):
        return None
    xp = array_namespace(like)
    return float(xp.finfo(like.dtype).max) if xp.isdtype(like.dtype, "real floating") else None


def _with_given_dtypes(result: RefineResult[Any], arguments: tuple[Any, Any, Any]) -> RefineResult[Any]:
    """Return pose, betas and transl in the floating-point dtypes of the arguments."""
    changed: dict[str, Any] = {}
    for name, like in zip(("pose", "betas", "transl"), arguments, strict=True):
        value = getattr(result, name)
        dtype = getattr(like, "dtype", None)
        xp = array_namespace(value)
        if is_array_api_obj(like) and dtype != value.dtype and xp.isdtype(dtype, "real floating"):
            changed[name] = xp.astype(value, dtype, copy=False)
            if result.hypotheses is not None:
                hypotheses = changed.get("hypotheses", result.hypotheses)
                part = xp.astype(getattr(hypotheses, name), dtype, copy=False)
                changed["hypotheses"] = hypotheses._replace(**{name: part})
    return replace(result, **changed) if changed else result
