"""Result: refined bodies and what is known about each."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

import numpy as np
from array_api_compat import array_namespace

from .arrays.interchange import as_numpy
from .arrays.poses import as_matrices, pose_tail
from .body.kinematics import posed_joints
from .body.model import BodyModel
from .body.skeleton import Skeleton
from .errors import InputError
from .refinement.outcome import Hypotheses
from .refinement.validity import Status
from .safe_io.npz import NpzArrays, write_npz
from .typing import ArrayT

if TYPE_CHECKING:
    from typing_extensions import Self

ARRAYS = (
    "pose", "betas", "transl", "selection", "path_score", "reprojection_error", "status",
    "quality", "swapped", "noise", "evidence", "joint_spread",
)  # fmt: skip
"""Fields that are arrays; None where the method does not give them."""

ALWAYS = ("pose", "betas", "transl", "reprojection_error", "status")
"""Those that every method gives."""

HYPOTHESIS = "hypothesis_"
"""How the names of the hypotheses' arrays begin in a file."""


@dataclass(frozen=True, eq=False, repr=False)
class RefineResult(Generic[ArrayT]):
    """Refined bodies; arrays of the same kind, dtype and leading shape as the estimate's.

    It has a length, an index and slices along the first leading axis. What the method does not give is None.

    Attributes
    ----------
    pose : (..., J, 3, 3) array, or axis-angle where the estimate's pose was
        Local rotations.
    betas : (..., S) array
    transl : (..., 3) array
        Camera translation in metres.
    selection : (..., J) array of int8 or None
        Of ``kitro``: branch taken at each bone, named by its child, in the last iteration: 0 away from the
        camera, 1 towards it; -1 at the root and where nothing was refined.
    path_score : (...) array or None
        Of ``kitro``: product of the edge scores along the path, in [0, 1]; NaN where nothing was refined.
    reprojection_error : (...) array
        Mean distance between projected joints and keypoints, in pixels.
    status : (...) array of int8
        A :class:`kitro_np.Status`: 0 where the body was refined, else the reason why it came back
        as its estimate.
    quality : (...) array or None
        Of ``map``, as all below: log-likelihood per number by which the keypoints are the body's rather than
        not; a body is accepted if it is positive.
    swapped : (...) array of int8 or None
        1 where the keypoints fit better with left and right exchanged.
    noise : (...) array or None
        Standard deviation of the keypoints about the body, in pixels.
    evidence : (...) array or None
        Logarithm of the marginal likelihood of the keypoints, given the estimate; it compares hypotheses of
        one body.
    joint_spread : (..., J) array or None
        Standard deviation of each joint about the root, in metres, if it was asked for.
    hypotheses : Hypotheses or None
        Probable bodies, if they were asked for.
    method : str
        Name of the method that ran.
    options : dict
        Its options.
    body : BodyModel, Skeleton or None
        What the estimate is for; :meth:`joints` and :meth:`vertices` pose it.
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
    noise: ArrayT | None = None
    evidence: ArrayT | None = None
    joint_spread: ArrayT | None = None
    hypotheses: Hypotheses | None = None
    method: str = ""
    options: dict[str, Any] | None = None
    body: BodyModel | Skeleton | None = None

    @property
    def accepted(self) -> ArrayT:
        """Whether each body was refined; else it came back as its estimate."""
        status: Any = self.status
        accepted: ArrayT = status == 0
        return accepted

    def __len__(self) -> int:
        lead = self.status.shape
        if not lead:
            raise TypeError("a result of a single body has no length")
        return lead[0]

    def __iter__(self) -> Iterator[Self]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, index: Any) -> Self:
        """Return some of the bodies: a number, a slice, a mask, or one of these for each leading axis."""
        len(self)
        which = (*index, ...) if isinstance(index, tuple) else (index, ...)
        return self._map(lambda array: array[which])

    def __repr__(self) -> str:
        lead = ", ".join(map(str, self.status.shape))
        return f"RefineResult({lead or 'one body'}: {self.summary()})"

    def arrays(self) -> dict[str, ArrayT]:
        """Return the arrays that the method gives, by name; not the hypotheses'."""
        given = {name: getattr(self, name) for name in ARRAYS}
        return {name: array for name, array in given.items() if array is not None}

    def numpy(self) -> RefineResult[np.ndarray]:
        """Return this result with NumPy arrays: in the same memory where it is the CPU's."""
        return self._map(as_numpy)  # type: ignore[return-value] # as_numpy changes the arrays' kind

    @staticmethod
    def concat(results: Sequence[RefineResult[ArrayT]]) -> RefineResult[ArrayT]:
        """Join results along the first leading axis, such as those of pieces of a long video.

        Raises
        ------
        InputError
            If there are none, one is of a single body, or they are of different methods or arrays.
        """
        results = list(results)
        if not results:
            raise InputError("results: expected at least one, got none.")
        first = results[0]
        for other in results:
            if not other.status.shape:
                raise InputError("results: expected batches of bodies, got a single body.")
            if [*other.arrays()] != [*first.arrays()] or other.method != first.method:
                raise InputError(
                    f"results: expected {first.method} with {', '.join(first.arrays())}, "
                    f"got {other.method} with {', '.join(other.arrays())}."
                )
            if (other.hypotheses is None) != (first.hypotheses is None):
                raise InputError("results: expected all with hypotheses or none, got both.")
        xp = array_namespace(first.status)
        names = [*first.arrays()]
        joined = {name: xp.concat([getattr(r, name) for r in results], axis=0) for name in names}
        others = [result.hypotheses for result in results if result.hypotheses is not None]
        if others:
            joined["hypotheses"] = Hypotheses(
                *(xp.concat(parts, axis=0) for parts in zip(*others, strict=True))
            )
        same_body = all(result.body is first.body for result in results)
        return replace(first, **joined, body=first.body if same_body else None)

    def joints(self, body: BodyModel | Skeleton | None = None) -> ArrayT:
        """Posed joints in camera space, (..., J, 3), in metres.

        Parameters
        ----------
        body : BodyModel or Skeleton, optional
            In place of the one that the estimate is for; a result that was loaded has none.
        """
        body = self._body(body)
        if isinstance(body, Skeleton):
            matrices, lead = as_matrices(self.pose, body.num_joints)
            bare: ArrayT = posed_joints(body, matrices, self.betas, self.transl, lead)
            return bare
        joints: ArrayT = body.joints(self.pose, self.betas, self.transl)
        return joints

    def vertices(self, body: BodyModel | None = None) -> ArrayT:
        """Posed vertices in camera space, (..., V, 3), in metres; `body` as for :meth:`joints`."""
        known = self._body(body)
        if isinstance(known, Skeleton):
            raise InputError("body: expected a BodyModel, whose mesh can be posed, got a Skeleton.")
        vertices: ArrayT = known.forward(self.pose, self.betas, self.transl).vertices
        return vertices

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
        """How many bodies have each status that occurs."""
        xp, status = array_namespace(self.status), self.status
        known = {s: int(xp.sum(xp.astype(xp.equal(status, int(s)), xp.int64))) for s in Status}
        return {status: count for status, count in known.items() if count}

    def summary(self) -> str:
        """One line for a person: how many bodies were refined, by what, and why others were not."""
        counts = self.counts()
        refined = counts.pop(Status.REFINED, 0)
        line = f"{refined} {'body' if refined == 1 else 'bodies'} refined"
        if self.method:
            line += f" by {self.method}"
        if counts:
            reasons = "; ".join(f"{count}: {status.reason}" for status, count in counts.items())
            others = sum(counts.values())
            line += f", {others} returned as {'it was' if others == 1 else 'they were'} ({reasons})"
        return line

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Write this result to an .npz file, whole or not at all: every array under its name.

        Hypotheses go to hypothesis_pose and so on, the method and its options to method and options (JSON).

        Parameters
        ----------
        path : path
        force : bool
            Write over an existing file.

        Raises
        ------
        InputError
            If the file exists and `force` is not set, or it cannot be written.
        """
        own = self.numpy()
        arrays: dict[str, Any] = dict(own.arrays())
        if own.hypotheses is not None:
            arrays |= {f"{HYPOTHESIS}{name}": part for name, part in own.hypotheses._asdict().items()}
        arrays["method"] = np.array(self.method)
        arrays["options"] = np.array(json.dumps(self.options or {}))
        return write_npz(path, arrays, force=force)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], body: BodyModel | Skeleton | None = None
    ) -> RefineResult[np.ndarray]:
        """Read a result that :meth:`save` wrote; nothing in the file is executed.

        Parameters
        ----------
        path : path
        body : BodyModel or Skeleton, optional
            What it is for: files do not hold it.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        InputError
            If it is no result.
        """
        file = NpzArrays(Path(path), max_elements=None)
        missing = [name for name in ALWAYS if name not in file]
        if missing:
            raise InputError(
                f"{path}: expected the keys {', '.join(missing)}, got {', '.join(file) or 'none'}."
            )
        given: dict[str, Any] = {name: file.get(name) for name in ARRAYS}
        names = [f"{HYPOTHESIS}{name}" for name in Hypotheses._fields]
        if all(name in file for name in names):
            given["hypotheses"] = Hypotheses(*(file[name] for name in names))
        method = str(file["method"]) if "method" in file else ""
        options = _options(path, str(file["options"]) if "options" in file else "{}")
        result = RefineResult(**given, method=method, options=options, body=body)
        result._check_shapes(path)
        return result

    def _check_shapes(self, path: Any) -> None:
        lead = self.status.shape
        for name, array in self.arrays().items():
            if array.shape[: len(lead)] != lead or array.dtype.kind not in "fiu":  # type: ignore[attr-defined]
                raise InputError(
                    f"{path}: {name}: expected numbers of {lead} bodies, got shape {array.shape}, "
                    f"dtype {array.dtype}."
                )

    def _map(self, change: Any) -> Self:
        """Apply a function to every array."""
        changed = {name: change(array) for name, array in self.arrays().items()}
        if self.hypotheses is not None:
            changed["hypotheses"] = Hypotheses(*map(change, self.hypotheses))
        return replace(self, **changed)

    def _body(self, body: BodyModel | Skeleton | None) -> BodyModel | Skeleton:
        known = self.body if body is None else body
        if not isinstance(known, (BodyModel, Skeleton)):
            got = "none" if known is None else type(known).__name__
            raise InputError(f"body: expected a BodyModel or a Skeleton, got {got}.")
        pose_tail(tuple(self.pose.shape), known.num_joints)
        return known


def _options(path: Any, text: str) -> dict[str, Any]:
    try:
        options = json.loads(text)
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise InputError(f"{path}: options: expected a JSON object, got {text[:40]!r}.")
    return options
