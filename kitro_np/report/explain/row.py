"""Row: one body of a call's arguments, checked as :func:`kitro_np.refine` checks them, and its outcome."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np

from ...api import check_confidence, check_layout, read_body
from ...arrays.arguments import as_confidence, check_integer, real_array
from ...arrays.interchange import as_numpy
from ...body.skeleton import Skeleton
from ...errors import InputError
from ...refinement.chunks import arrays_of
from ...refinement.method import Execution, Method
from ...refinement.outcome import Outcome
from ...refinement.request import Arguments, Request, read_request
from ...refinement.validity import Status

ASSESSED = (Status.REFINED, Status.UNLIKELY, Status.SWAPPED)
"""Of bodies that went through a method to its end, returned or refused."""


class BodyOfRow(NamedTuple):
    """A row of a call's arguments.

    Attributes
    ----------
    row : int
    request : Request
        Of that body alone.
    skeleton : Skeleton
        With arrays of the computation's dtype.
    arrays : list of array
        Pose, betas, transl, keypoints_2d and intrinsics, (1, ...) each, in that dtype.
    outcome : Outcome
        What the method returns for it.
    """

    row: int
    request: Request
    skeleton: Skeleton
    arrays: list[Any]
    outcome: Outcome

    @property
    def status(self) -> Status:
        """Outcome in one word."""
        return Status(int(self.outcome.refined.status[0]))


def body_of_row(
    method: Method,
    arguments: dict[str, Any],
    row: Any,
    body: Any = None,
    keypoint_layout: Any = "smpl24",
) -> BodyOfRow:
    """Read and refine one row of the arguments of :func:`kitro_np.refine`, by the array stages.

    Parameters
    ----------
    method : Method
    arguments : dict
        Arrays and camera, by the names of :class:`kitro_np.refinement.request.Arguments`.
    row : int
        Which body, counted through all leading axes.
    body : BodyModel, Skeleton, str or path, optional
    keypoint_layout : str or KeypointLayout

    Raises
    ------
    InputError
        If an argument is invalid, there is no such row, or that body cannot be fitted, which says why.
    """
    row = check_integer("row", row, least=0)
    check_layout(method, keypoint_layout)
    pose = real_array("pose", arguments["pose"])
    confidence = arguments.get("confidence")
    if confidence is not None:
        arguments = {**arguments, "confidence": as_confidence(pose, confidence)}
    given = {name: None if part is None else _on_host(part) for name, part in arguments.items()}
    request = read_request(Arguments(**given), read_body(body), keypoint_layout)
    check_confidence(method, request, scored=confidence is None)
    if not request.count:
        raise InputError("row: expected a file or arrays with bodies, got none.")
    if row >= request.count:
        raise InputError(f"row: expected one of 0 to {request.count - 1}, got {row}.")
    one = request.some(slice(row, row + 1))
    with np.errstate(all="ignore"):
        found = BodyOfRow(
            row, one, one.skeleton.like(np.zeros(1, one.dtype)), arrays_of(one),
            method.run(one, Execution("array")),
        )  # fmt: skip
    if found.status not in ASSESSED:
        raise InputError(
            f"row {row}: expected a body that can be refined, got one returned as its estimate: "
            f"{found.status.reason}."
        )
    return found


def names_of(skeleton: Skeleton) -> tuple[str, ...]:
    """Return the names of a skeleton's joints; of one without names their numbers."""
    names = tuple(skeleton.joint_names)
    return names or tuple(f"joint {k}" for k in range(skeleton.num_joints))


def _on_host(part: Any) -> Any:
    return part if isinstance(part, (int, float, tuple, list, str, os.PathLike)) else as_numpy(part)
