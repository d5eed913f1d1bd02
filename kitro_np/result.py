"""Result of a refinement: bodies, status and diagnostics."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

import numpy as np
from array_api_compat import array_namespace

from .arrays.interchange import as_numpy
from .arrays.poses import as_matrices, pose_tail
from .body.kinematics import posed_joints
from .body.model import BodyModel
from .body.names import KEY, embedded_body, name_in, same_body
from .body.skeleton import Skeleton
from .errors import InputError, listed
from .refinement.outcome import Hypotheses
from .refinement.validity import Status
from .safe_io.npz import NpzArrays, write_npz
from .typing import Array, ArrayT

if TYPE_CHECKING:
    from types import EllipsisType

    from typing_extensions import Self

    Index = int | slice | EllipsisType | None | Array | Sequence[int] | Sequence[bool]

ARRAYS = (
    "pose", "betas", "transl", "selection", "path_score", "reprojection_error", "status",
    "quality", "swapped", "turned", "noise", "evidence", "joint_spread", "track", "frame",
)  # fmt: skip
"""Fields that are arrays; None if the method does not compute them."""

REQUIRED = ("pose", "betas", "transl", "reprojection_error", "status")
"""Arrays that every method computes."""

PER_JOINT: dict[str, tuple[int | None, ...]] = {"selection": (None,), "joint_spread": (None,)}
"""Fields with an entry per joint, and the rest of their shape."""

OF_VIDEO = ("track", "frame", "fps")
"""Fields that only bodies refined as a video have."""

HYPOTHESIS = "hypothesis_"
"""Prefix of the names of the hypotheses' arrays in a file."""

CORRECTIVES = "correctives"
"""Key of files on an embedded body with pose blend shapes, which its name does not say."""

MAX_OPTIONS = 10**5
"""Characters of a method's options in a file: a thousand times what they take."""

MAX_SHOWN = 40
"""Characters of invalid options that a message repeats."""


@dataclass(frozen=True, eq=False, repr=False)
class RefineResult(Generic[ArrayT]):
    """Refined bodies, as arrays of the same kind, dtype and leading shape as the estimate.

    It has a length, and can be indexed and sliced along the leading axes. Fields that the method does not
    compute are None.

    Attributes
    ----------
    pose : (..., J, 3, 3) array, or axis-angle vectors if the estimate's pose was
        Local rotations.
    betas : (..., S) array
    transl : (..., 3) array
        Camera translation in metres.
    selection : (..., J) array of int8 or None
        ``kitro``: branch selected in the last iteration at each bone, indexed by its child joint: 0 away
        from the camera, 1 towards it; -1 at the root and for bodies that were not refined.
    path_score : (...) array or None
        ``kitro``: product of the edge scores along the path, in [0, 1]; NaN for bodies that were not refined.
    reprojection_error : (...) array
        Mean distance between projected joints and keypoints, in pixels; of a refined body, after left and
        right were put right.
    status : (...) array of int8
        A :class:`kitro_np.Status`: 0 if the body was refined, else the reason why its estimate is returned.
    quality : (...) array or None
        ``map``, as all below: logarithm of the odds that the refined body is better than its estimate; a body
        is accepted if it is positive.
    swapped : (...) array of int8 or None
        1 if left and right of all keypoints, or of legs, arms, feet or hands, were exchanged; they were put
        right before the fit.
    turned : (...) array of int8 or None
        1 if the estimate took the person's front for the back, as the face tells; it was reflected in depth
        before the fit.
    noise : (...) array or None
        Standard deviation of the keypoints about the projected body, in pixels.
    evidence : (...) array or None
        Logarithm of the marginal likelihood of the keypoints, given the estimate; it compares hypotheses of
        one body.
    joint_spread : (..., J) array or None
        Standard deviation of each joint about the root, in metres, if requested.
    track, frame : (...) array of int or None
        Of a video: whose body it is, and in which frame, as given to :func:`kitro_np.refine`, else by the
        leading axes. Of tracks named by texts the place of the text, in sorted order.
    fps : float or None
        Frames per second of a video, if they were given.
    hypotheses : Hypotheses or None
        Probable bodies, if requested.
    method : str
        Name of the method.
    options : dict
        Options of the method; ``video`` is True if the bodies were refined as a video.
    body : BodyModel, Skeleton or None
        Body of the estimate; :meth:`joints` and :meth:`vertices` pose it.
    body_name : str
        Name of the body that the betas are of, such as open_v2; empty for a bare skeleton.
    hint_source : object
        What :attr:`hint` is the text of.
    """

    pose: ArrayT
    betas: ArrayT
    transl: ArrayT
    selection: ArrayT | None
    path_score: ArrayT | None
    reprojection_error: ArrayT
    status: ArrayT
    quality: ArrayT | None = None
    swapped: ArrayT | None = None
    turned: ArrayT | None = None
    noise: ArrayT | None = None
    evidence: ArrayT | None = None
    joint_spread: ArrayT | None = None
    track: ArrayT | None = None
    frame: ArrayT | None = None
    fps: float | None = None
    hypotheses: Hypotheses | None = None
    method: str = ""
    options: dict[str, Any] | None = None
    body: BodyModel | Skeleton | None = None
    body_name: str = ""
    hint_source: object = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.body_name and isinstance(self.body, BodyModel):
            object.__setattr__(self, "body_name", self.body.name)

    @property
    def hint(self) -> str:
        """A sentence that says what mistake the input of ``map`` looks like; empty if there is none.

        Where most bodies were refused, or put right alike. It is found when it is first read, which takes as
        long as some refinements of at most 100 bodies.
        """
        return str(self.hint_source)

    @property
    def accepted(self) -> ArrayT:
        """Whether each body was refined; else its estimate is returned."""
        status: Any = self.status
        accepted: ArrayT = status == 0
        return accepted

    def __len__(self) -> int:
        lead = self.status.shape
        if not lead:
            raise TypeError("a result of a single body has no length")
        return lead[0]

    def __bool__(self) -> bool:
        return True  # whatever its length, so that `if result` asks whether there is one

    def __iter__(self) -> Iterator[Self]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, index: Index | tuple[Index, ...]) -> Self:
        """Select bodies by an integer, a slice or a mask, or by one of these for each leading axis."""
        len(self)
        parts = index if isinstance(index, tuple) else (index,)
        # A library may take a mask alone, or one ellipsis; the axes after the given ones are whole anyway.
        plain = all(isinstance(part, (int, slice)) for part in parts)
        key = (*parts, ...) if plain else index
        return self.map_arrays(lambda array: array[key])

    def __repr__(self) -> str:
        lead = ", ".join(map(str, self.status.shape)) or "one body"
        on = f" on {self.body_name}" if self.body_name else ""
        return f"RefineResult({lead}{on}: {self.summary()})"

    def arrays(self) -> dict[str, ArrayT]:
        """Return the arrays that the method computed, by name, without the hypotheses'."""
        arrays = {name: getattr(self, name) for name in ARRAYS}
        return {name: array for name, array in arrays.items() if array is not None}

    def numpy(self) -> RefineResult[np.ndarray]:
        """Return this result with NumPy arrays, which share the CPU's memory."""
        return self.map_arrays(as_numpy)  # type: ignore[return-value] # as_numpy changes the type of the arrays

    @staticmethod
    def concat(results: Sequence[RefineResult[ArrayT]]) -> RefineResult[ArrayT]:
        """Concatenate results along the first leading axis, such as those of parts of a long video.

        `fps`, the body and the hint are kept if they are the same for all.

        Raises
        ------
        InputError
            If there are none, one is of a single body, or their methods, arrays or bodies differ.
        """
        results = list(results)
        if not results:
            raise InputError("results: expected at least one, got none.")
        for result in results:
            if not isinstance(result, RefineResult):
                raise InputError(f"results: expected RefineResults, got {type(result).__name__}.")
            if not result.status.shape:
                raise InputError("results: expected batches of bodies, got a single body.")
        first = results[0]
        for other in results[1:]:
            if other._form() != first._form():
                raise InputError(f"results: expected {first._form()}, got {other._form()}.")
            if _on_two_bodies(first.body_name, other.body_name):
                raise InputError(
                    f"results: expected all on {first.body_name}, got one on {other.body_name}, whose betas "
                    "mean other shapes."
                )
        xp = array_namespace(first.status)
        names = [*first.arrays()]
        joined = {name: xp.concat([getattr(r, name) for r in results], axis=0) for name in names}
        hypotheses = [result.hypotheses for result in results if result.hypotheses is not None]
        if hypotheses:
            joined["hypotheses"] = Hypotheses(
                *(xp.concat(parts, axis=0) for parts in zip(*hypotheses, strict=True))
            )
        same_body = all(result.body is first.body for result in results)
        same_name = all(result.body_name == first.body_name for result in results)
        hints = {result.hint for result in results if result.hint}
        return replace(
            first,
            **joined,
            fps=first.fps if all(result.fps == first.fps for result in results) else None,
            body=first.body if same_body else None,
            body_name=first.body_name if same_name else "",
            hint_source=hints.pop() if len(hints) == 1 else "",
        )

    def joints(self, body: BodyModel | Skeleton | None = None) -> ArrayT:
        """Posed joints in camera space, (..., J, 3), in metres.

        Parameters
        ----------
        body : BodyModel or Skeleton, optional
            By default the body of the estimate; required for a loaded result whose file names no embedded
            body.

        Raises
        ------
        InputError
            If there is no body, or it does not fit the pose.
        """
        body = self._body(body)
        if isinstance(body, Skeleton):
            matrices, lead = as_matrices(self.pose, body.num_joints)
            joints: ArrayT = posed_joints(body, matrices, self.betas, self.transl, lead)
            return joints
        return body.joints(self.pose, self.betas, self.transl)

    def vertices(self, body: BodyModel | None = None) -> ArrayT:
        """Posed vertices in camera space, (..., V, 3), in metres; parameters and errors as :meth:`joints`."""
        model = self._body(body)
        if isinstance(model, Skeleton):
            raise InputError("body: expected a BodyModel, which has a mesh, got a Skeleton.")
        return model.forward(self.pose, self.betas, self.transl).vertices

    def with_matrices(self) -> Self:
        """Return this result with poses as rotation matrices (..., J, 3, 3)."""
        if self.pose.shape[len(self.status.shape) :][-2:] == (3, 3):
            return self
        tail = self.pose.shape[len(self.status.shape) :]
        joints = tail[0] if len(tail) == 2 else tail[0] // 3
        xp = array_namespace(self.pose)
        matrices, lead = as_matrices(self.pose, joints)
        return replace(self, pose=xp.reshape(matrices, (*lead, joints, 3, 3)))

    def counts(self) -> dict[Status, int]:
        """Return the number of bodies with each status, for those that occur."""
        xp, status = array_namespace(self.status), self.status
        counts = {s: int(xp.sum(xp.astype(xp.equal(status, int(s)), xp.int64))) for s in Status}
        return {status: count for status, count in counts.items() if count}

    def summary(self) -> str:
        """Return one line: how many bodies were refined and by which method, what was put right, the hint."""
        counts = self.counts()
        refined, filled = counts.pop(Status.REFINED, 0), counts.pop(Status.FILLED, 0)
        line = f"{refined} {'body' if refined == 1 else 'bodies'} refined"
        if self.method:
            line += f" by {self.method}"
        if filled:
            line += f", {filled} filled from {'its' if filled == 1 else 'their'} neighbours"
        if counts:
            reasons = "; ".join(f"{count}: {status.reason}" for status, count in counts.items())
            others = sum(counts.values())
            line += f", {others} returned as {'it was' if others == 1 else 'they were'} ({reasons})"
        put_right = [
            f"{count} {what}"
            for what, count in (
                ("with left and right exchanged", self._refined_with(self.swapped)),
                ("facing the wrong way", self._refined_with(self.turned)),
            )
            if count
        ]
        if put_right:
            line += f"; of the refined, put right: {', '.join(put_right)}"
        return f"{line}. {self.hint}" if self.hint else line

    def _refined_with(self, flag: ArrayT | None) -> int:
        if flag is None:
            return 0
        xp = array_namespace(flag)
        refined: Any = self.accepted
        return int(xp.sum(xp.astype(xp.equal(flag, 1) & refined, xp.int64)))

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Write this result to an .npz file atomically, each array under its name.

        Hypotheses are written as hypothesis_pose and so on; the method, its options (JSON), a hint, the
        body's name and fps as method, options, hint, body and fps; correctives is true if an embedded body
        has them.

        Parameters
        ----------
        path : path
        force : bool
            Overwrite an existing file.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        InputError
            If the file exists and `force` is not set, or it cannot be written.
        """
        return write_npz(path, self.stored(), force=force)

    def stored(self) -> dict[str, Any]:
        """Return the arrays that :meth:`save` writes, by their keys in the file."""
        result = self.numpy()
        arrays: dict[str, Any] = dict(result.arrays())
        if result.hypotheses is not None:
            arrays |= {f"{HYPOTHESIS}{name}": part for name, part in result.hypotheses._asdict().items()}
        arrays["method"] = np.array(self.method)
        arrays["options"] = np.array(json.dumps(self.options or {}))
        if self.fps is not None:
            arrays["fps"] = np.array(self.fps)
        if self.hint:
            arrays["hint"] = np.array(self.hint)
        if self.body_name:
            arrays[KEY] = np.array(self.body_name)
        has_correctives = isinstance(self.body, BodyModel) and self.body.posedirs is not None
        if has_correctives and embedded_body(self.body_name) is not None:
            arrays[CORRECTIVES] = np.array(True)
        return arrays

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], body: BodyModel | Skeleton | None = None
    ) -> RefineResult[np.ndarray]:
        """Read a result that :meth:`save` wrote; nothing in the file is executed.

        Parameters
        ----------
        path : path
        body : BodyModel or Skeleton, optional
            Body of the estimate; by default the one that the file names, if it is an embedded one. Files
            contain no other bodies.

        Returns
        -------
        RefineResult

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        InputError
            If it is no result, it is damaged, or `body` is another body than the one that it names.
        """
        file = NpzArrays(Path(path), max_elements=None)
        missing = [name for name in REQUIRED if name not in file]
        if missing:
            raise InputError(f"{path}: expected the keys {', '.join(missing)}, got {listed(file)}.")
        arrays: dict[str, Any] = {name: file.get(name) for name in ARRAYS if name not in OF_VIDEO}
        names = [f"{HYPOTHESIS}{name}" for name in Hypotheses._fields]
        if all(name in file for name in names):
            arrays["hypotheses"] = Hypotheses(*(file[name] for name in names))
        method = str(file["method"]) if "method" in file else ""
        options = _options(path, str(file["options"]) if "options" in file else "{}")
        if options.get("video") is True:  # else such keys are of what was refined
            arrays |= _of_video(path, file)
        hint = str(file["hint"]) if "hint" in file else ""
        name = name_in(file)
        if body is None:
            body = embedded_body(name, correctives=_says_correctives(file))
        elif isinstance(body, BodyModel) and _on_two_bodies(name, body.name):
            raise InputError(
                f"body: expected {name}, which {path} is on, got {body.name}, on which betas mean other "
                "shapes."
            )
        result = RefineResult(
            **arrays, method=method, options=options, body=body, body_name=name, hint_source=hint
        )
        result._check_shapes(path)
        return result

    def _check_shapes(self, path: Any) -> None:
        """Check arrays of a file: numbers, in shapes that fit one another, and statuses that exist."""
        lead = self.status.shape
        arrays: dict[str, Any] = dict(self.arrays())
        tails: dict[str, tuple[int | None, ...]] = {"betas": (None,), "transl": (3,), **PER_JOINT}
        if self.hypotheses is not None:
            count = self.hypotheses.probability.shape[-1:]
            arrays |= {f"{HYPOTHESIS}{name}": part for name, part in self.hypotheses._asdict().items()}
            tails |= {f"{HYPOTHESIS}pose": (*count, None, 3, 3), f"{HYPOTHESIS}betas": (*count, None)}
            tails |= {f"{HYPOTHESIS}transl": (*count, 3), f"{HYPOTHESIS}probability": count}
        for name, array in arrays.items():
            tail = array.shape[len(lead) :]
            expected = tails.get(name, tail if name == "pose" else ())
            fits = len(tail) == len(expected) and all(
                size in (None, own) for size, own in zip(expected, tail, strict=True)
            )
            kinds, what = ("iu", "integers") if name in OF_VIDEO else ("fiu", "numbers")
            if array.shape[: len(lead)] != lead or array.dtype.kind not in kinds or not fits:
                shape = ", ".join("n" if size is None else str(size) for size in (*lead, *expected))
                raise InputError(
                    f"{path}: {name}: expected {what} of shape ({shape}), got shape {array.shape}, "
                    f"dtype {array.dtype}."
                )
        tail = self.pose.shape[len(lead) :]
        if tail[-2:] != (3, 3) and tail[-1:] != (3,) and not (len(tail) == 1 and tail[0] % 3 == 0):
            raise InputError(f"{path}: pose: expected rotations of joints, got shape {self.pose.shape}.")
        status: Any = self.status
        unknown = np.setdiff1d(status, [int(one) for one in Status])
        if unknown.size:
            raise InputError(f"{path}: status: expected values of Status, got {unknown[0]}.")

    def map_arrays(self, change: Callable[[Any], Any]) -> Self:
        """Return this result with a function applied to every array, the hypotheses' too."""
        changed = {name: change(array) for name, array in self.arrays().items()}
        if self.hypotheses is not None:
            changed["hypotheses"] = Hypotheses(*map(change, self.hypotheses))
        return replace(self, **changed)

    def _form(self) -> str:
        """Describe method, options and arrays but for the number of bodies, for :meth:`concat`."""
        arrays: dict[str, Any] = dict(self.arrays())
        if self.hypotheses is not None:
            arrays |= {f"{HYPOTHESIS}{name}": part for name, part in self.hypotheses._asdict().items()}
        library = array_namespace(self.status).__name__.removeprefix("array_api_compat.")
        shapes = ", ".join(f"{name} (N, {str(tuple(part.shape[1:]))[1:]}" for name, part in arrays.items())
        return f"{library} arrays of {self.method or 'an unknown method'} {self.options or {}}: {shapes}"

    def _body(self, body: BodyModel | Skeleton | None) -> BodyModel | Skeleton:
        body = self.body if body is None else body
        if not isinstance(body, (BodyModel, Skeleton)):
            got = "none" if body is None else type(body).__name__
            raise InputError(f"body: expected a BodyModel or a Skeleton, got {got}.")
        pose_tail(tuple(self.pose.shape), body.num_joints)
        return body


def frames_of_video(result: RefineResult[Any]) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the frame and the track of each body of a video; (None, None) if it is none.

    Nor if a frame of a track comes more than once, as in results of several videos that were joined.
    """
    if result.track is None or result.frame is None:
        return None, None
    frame, track = as_numpy(result.frame), as_numpy(result.track)
    rows = np.lexsort((frame.ravel(), track.ravel()))
    same = [part.ravel()[rows][1:] == part.ravel()[rows][:-1] for part in (frame, track)]
    return (None, None) if np.any(same[0] & same[1]) else (frame, track)


def _on_two_bodies(first: str, second: str) -> bool:
    """Whether two names mean different bodies; of no name it is not known."""
    return bool(first and second) and not same_body(first, second)


def _says_correctives(file: NpzArrays) -> bool:
    """Whether a file says that its body has correctives, as :meth:`RefineResult.save` does."""
    value = file.get(CORRECTIVES)
    return value is not None and value.dtype.kind == "b" and not value.shape and bool(value)


def _of_video(path: Any, file: NpzArrays) -> dict[str, Any]:
    """Return track, frame and fps of a file; none of the first two without the other."""
    found: dict[str, Any] = {name: file.get(name) for name in OF_VIDEO}
    if found["track"] is None or found["frame"] is None:
        found |= {"track": None, "frame": None}
    elif found["track"].dtype.kind == "U":  # a file keeps the names of its tracks
        names = found["track"]
        found["track"] = np.unique(names, return_inverse=True)[1].reshape(names.shape)
    fps = found["fps"]
    if fps is not None:
        number = float(fps.item()) if fps.size == 1 and fps.dtype.kind in "fiu" else math.nan
        if not 0 < number < math.inf:
            got = f"{number:g}" if fps.size == 1 else f"shape {fps.shape}"
            raise InputError(f"{path}: fps: expected a positive number, got {got}.")
        found["fps"] = number
    return found


def _options(path: Any, text: str) -> dict[str, Any]:
    try:
        options = json.loads(text) if len(text) <= MAX_OPTIONS else None
    except (ValueError, RecursionError):
        options = None
    if not isinstance(options, dict):
        raise InputError(f"{path}: options: expected a JSON object, got {text[:MAX_SHOWN]!r}.")
    return options
