"""Refine people of a file with a detector's keypoints: matched, checked, refined, kept together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..api import refine
from ..arrays.arguments import check_bool, real_array
from ..body import BodyModel
from ..body.names import other_body
from ..camera import default_intrinsics
from ..errors import InputError
from ..formats.estimates_in.read import read_size
from ..formats.people import PeopleEstimates, PeopleKeypoints
from ..formats.refined import Inputs, write_refined
from ..formats.videos import HYPOTHESES, VideoRows, rows_of_videos
from ..posterior.method import Map
from ..refinement.method import Method, option_names, resolve_method
from ..result import RefineResult
from .check import ProjectionCheck, check_own_joints, check_projection
from .known_body import known_body
from .match import Match, match_people
from .read import keypoints_of, people_of

if TYPE_CHECKING:
    from ..keypoints.detectors import LayoutName
    from ..typing import ArrayLike

__all__ = ["RefinedPeople", "refine_people"]


@dataclass(frozen=True, eq=False, repr=False)
class RefinedPeople:
    """Refined people, with all that they were refined from; N rows.

    Attributes
    ----------
    estimates : PeopleEstimates
        On the body of the result.
    keypoints : PeopleKeypoints
        Of each estimate; not visible where it has none.
    result : RefineResult
    check : ProjectionCheck
        Whether estimates and keypoints belong to one camera.
    match : Match or None
        Whose keypoints are whose; None for keypoints that came with the estimates.
    notes : tuple of str
        Sentences on what was found, assumed or left out.
    videos : VideoRows or None
        Tracks whose frames were refined together; None if each frame was refined alone.
    """

    estimates: PeopleEstimates
    keypoints: PeopleKeypoints
    result: RefineResult[np.ndarray]
    check: ProjectionCheck
    match: Match | None = None
    notes: tuple[str, ...] = ()
    videos: VideoRows | None = None

    def __len__(self) -> int:
        return len(self.estimates)

    def __repr__(self) -> str:
        people = len(np.unique(self.estimates.person))
        return f"RefinedPeople({people} people, {self.result.summary()})"

    @property
    def refined(self) -> PeopleEstimates:
        """The refined bodies in place of the estimates."""
        result = self.result
        return replace(self.estimates, pose=result.pose, betas=result.betas, transl=result.transl)

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Write all to an .npz file, from which it can be refined or drawn again.

        :meth:`kitro_np.RefineResult.load` reads the result, :func:`kitro_np.read_estimates` the estimates
        with their keypoints.

        Parameters
        ----------
        path : path
        force : bool
            Overwrite an existing file.

        Returns
        -------
        Path

        Raises
        ------
        InputError
            If the file exists and `force` is not set, or it cannot be written.
        """
        own, seen = self.estimates, self.keypoints
        inputs = Inputs(
            pose=own.pose,
            betas=own.betas,
            transl=own.transl,
            intrinsics=own.intrinsics,
            keypoints_2d=seen.points,
            confidence=seen.confidence,
            layout=seen.layout,
            frame=own.frame,
            person=own.person,
            image_name=own.image_name,
            image_size=own.image_size or seen.image_size,
            fps=own.fps,
            extrinsics=own.extrinsics,
            source=f"{own.source} {own.path or ''}".strip(),
            stands_in=own.stands_in or None,
        )
        return write_refined(path, self.result, inputs, force=force)


def refine_people(
    estimates: PeopleEstimates | str | os.PathLike[str] | Mapping[str, Any],
    keypoints: PeopleKeypoints | str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    body: BodyModel | str | None = None,
    method: str | Method = "map",
    video: bool = True,
    layout: str | None = None,
    image_size: tuple[float, float] | None = None,
    intrinsics: ArrayLike | None = None,
    **options: Any,
) -> RefinedPeople:
    """Refine the people of a tracker's file with the keypoints of a detector's.

    Each estimate gets the keypoints nearest to it, over all frames of a track; see :func:`match_people`. One
    that has none is filled from its neighbours in a video; else it stays as it is.

    Parameters
    ----------
    estimates : PeopleEstimates, path or object
        A path or object is read by :func:`read_estimates`.
    keypoints : PeopleKeypoints, path or object, optional
        A path or object is read by :func:`read_keypoints`. By default those that come with the estimates.
    body : BodyModel or str, optional
        The body that the estimates are on; by default the one that they name. If there is no file of it, the
        open body takes its place: joints keep their rotations and the root its place, shape is the mean.
    method : str or Method
        As of :func:`refine`.
    video : bool
        With ``map``, refine all frames of a person together: in one shape and moving smoothly, in the world
        if the estimates have extrinsics. Frames without keypoints are filled from their neighbours. If two
        bodies of a frame are one person, each frame is refined alone, and `notes` say so.
    layout : str, optional
        Of the keypoints, where their file does not tell.
    image_size : (width, height), optional
        In pixels, where the files do not tell.
    intrinsics : (3, 3) or (N, 3, 3) array, optional
        Camera in pixels, instead of the estimates' own.
    **options
        Of the method, and of :func:`refine`: engine, threads, chunk_size, strict, progress.

    Returns
    -------
    RefinedPeople

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If a file cannot be read, the camera is not known, or there are no keypoints.
    """
    for name in ("confidence", "keypoint_layout", "focal_length", "tracks", "frames", "fps", "extrinsics"):
        if name in options:
            raise InputError(f"{name}: expected what the files hold, got another.")
    video = check_bool("video", video)
    given_size = None if image_size is None else read_size(image_size)
    estimates = people_of(estimates, image_size=given_size, body=body)
    if given_size is not None and estimates.image_size not in (None, given_size):
        width, height = estimates.image_size
        raise InputError(
            f"image_size: expected {width:g} x {height:g}, as {estimates.path or 'the estimates'} says, "
            f"got {given_size[0]:g} x {given_size[1]:g}."
        )
    size = estimates.image_size or given_size
    estimates = _with_camera(estimates, intrinsics, size)
    if keypoints is not None:
        keypoints = keypoints_of(keypoints, layout, image_size=size)
    own_body = known_body(estimates, body)
    model = own_body.model
    named = estimates.body if own_body.root is None else ""  # the note says it
    placed = own_body.hold(estimates)
    mine, match = _keypoints(placed, keypoints, layout, model)
    matched = match is None or (match.row >= 0).mean() > 0.5
    # Keypoints that few estimates match say more of the cause than those few.
    check = check_projection(placed, mine if matched or keypoints is None else keypoints, model)
    chosen = resolve_method(method, {})
    own_options = {name: options.pop(name) for name in [*options] if name in option_names(type(chosen))}
    if placed.stands_in and isinstance(chosen, Map) and chosen.estimate == "auto":
        # Betas of 0 would be taken for a sign of bodies fitted to landmarks.
        own_options.setdefault("estimate", "network")
    chosen = resolve_method(chosen, own_options)
    videos, note = _videos(placed, chosen) if video else (None, "")
    if videos is not None:
        options |= videos._asdict()
    elif isinstance(chosen, Map):
        chosen = replace(chosen, video=False)  # the people are no successive frames of one
    if chosen.takes_detections:
        options |= {"confidence": mine.confidence, "image_size": mine.image_size or size}
    result = refine(
        placed.pose,
        placed.betas,
        placed.transl,
        mine.points,
        placed.intrinsics,
        keypoint_layout=cast("LayoutName", mine.layout),
        body=model,
        method=chosen,
        **options,
    )
    notes = [*estimates.notes, *mine.notes, own_body.note, *(match.notes if match else ()), str(check)]
    notes.append(other_body(str(estimates.path or "estimates"), named, "refined", model.name))
    notes += [check_own_joints(placed, model), note]
    said = tuple(dict.fromkeys(note for note in notes if note))
    return RefinedPeople(placed, mine, result, check, match, said, videos)


def _videos(estimates: PeopleEstimates, method: Method) -> tuple[VideoRows | None, str]:
    """Return the videos of the people, if they are refined as such, and a sentence on why not."""
    if not method.takes_videos:
        return None, ""
    videos, note = rows_of_videos(estimates.person, estimates.frame, estimates.fps, estimates.extrinsics)
    if videos is not None and isinstance(method, Map) and method.hypotheses:
        return None, HYPOTHESES
    return videos, note


def _with_camera(
    estimates: PeopleEstimates, intrinsics: Any, size: tuple[float, float] | None
) -> PeopleEstimates:
    """Return estimates with the camera given, their own, or the one that an image's size gives."""
    count = len(estimates)
    if estimates.up != "camera":
        name = estimates.path or "estimates"
        raise InputError(f"{name}: expected bodies in front of a camera, got a motion in the world.")
    if intrinsics is not None:
        given = np.asarray(real_array("intrinsics", intrinsics), dtype=np.float64)
        if given.shape not in ((3, 3), (count, 3, 3)):
            raise InputError(f"intrinsics: expected shape (3, 3) or {(count, 3, 3)}, got {given.shape}.")
        camera = "as given"
    elif estimates.intrinsics is not None:
        return estimates
    elif size is not None:
        given, camera = default_intrinsics(size), "focal length sqrt(W^2 + H^2), centre of the image"
    else:
        name = estimates.path or "estimates"
        raise InputError(
            f"{name}: expected a camera, intrinsics or image_size, got none ({estimates.camera})."
        )
    matrices = np.broadcast_to(given, (count, 3, 3))
    return replace(estimates, intrinsics=matrices, camera=camera, image_size=estimates.image_size or size)


def _keypoints(
    estimates: PeopleEstimates, keypoints: PeopleKeypoints | None, layout: str | None, body: BodyModel
) -> tuple[PeopleKeypoints, Match | None]:
    """Return keypoints with the rows of the estimates, and the match if they had to be matched."""
    name = estimates.path or "estimates"
    if keypoints is None:
        keypoints = estimates.keypoints
        if keypoints is None:
            raise InputError(
                f"{name}: expected keypoints in it, or given (--keypoints, keypoints=), got none."
            )
        if layout is not None:
            keypoints = replace(keypoints, layout=layout)
        if not keypoints.layout:
            raise InputError(
                f"{name}: expected the layout of its {keypoints.points.shape[1]} keypoints, got none."
            )
        same = np.array_equal(keypoints.frame, estimates.frame)
        if same and (keypoints.person is None or np.array_equal(keypoints.person, estimates.person)):
            return keypoints, None
        if keypoints.person is not None:
            return _joined(estimates, keypoints), None
    found = match_people(estimates, keypoints, body)
    return found.keypoints(estimates, keypoints), found


def _joined(estimates: PeopleEstimates, keypoints: PeopleKeypoints) -> PeopleKeypoints:
    """Return the keypoints of the same person and frame: identities are the estimates' own."""
    assert keypoints.person is not None
    rows = {
        key: row
        for row, key in enumerate(zip(keypoints.frame.tolist(), keypoints.person.tolist(), strict=True))
    }
    keys = zip(estimates.frame.tolist(), estimates.person.tolist(), strict=True)
    row = np.array([rows.get(key, -1) for key in keys], np.int64)
    nothing = np.zeros(0, np.int64)
    return Match(row, np.full(len(row), np.nan), nothing).keypoints(estimates, keypoints)
