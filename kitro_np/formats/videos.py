"""Videos of a file: the tracks, frames, rate and moving camera that :func:`kitro_np.refine` takes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..refinement.tracks import USUAL_FPS, is_rigid
from .estimates import EstimateFile, Tracks

NOT_UNIQUE = "Two bodies are one person in one frame: each frame is refined alone."
NO_IDENTITIES = "The estimates have no identities: each frame is refined alone."
HYPOTHESES = "Hypotheses are of single frames: each frame is refined alone."
NOT_RIGID = "Extrinsics are no rotations and translations: the camera is taken to rest."


class VideoRows(NamedTuple):
    """Arguments of :func:`kitro_np.refine` that refine files as videos.

    Attributes
    ----------
    tracks, frames : array of int64
        In the leading shape of the estimates.
    fps : float or None
        Frames per second; None if the file does not tell.
    extrinsics : (..., 4, 4) or (..., 3, 4) array or None
        From world to camera, if the camera moves.
    """

    tracks: np.ndarray
    frames: np.ndarray
    fps: float | None = None
    extrinsics: np.ndarray | None = None

    @property
    def people(self) -> int:
        """Number of tracks."""
        return len(np.unique(self.tracks))

    def __str__(self) -> str:
        tracks = f"{self.people} track{'' if self.people == 1 else 's'}"
        known = "" if self.fps is not None else ", which the file does not say"
        return f"as videos: {tracks} at {self.fps or USUAL_FPS:g} fps{known}"


def rows_of_videos(
    tracks: Any, frames: Any, fps: float | None = None, extrinsics: Any = None
) -> tuple[VideoRows | None, str]:
    """Return the videos of estimates, and a sentence on what is left out.

    Parameters
    ----------
    tracks, frames : array of int
        In the leading shape of the estimates.
    fps : float, optional
    extrinsics : (..., 4, 4) or (..., 3, 4) array, optional
        From world to camera coordinates.

    Returns
    -------
    VideoRows or None
        None if no person has two frames, or one has two bodies in one frame.
    str
        Empty if nothing is to say.
    """
    track, frame = np.asarray(tracks, np.int64), np.asarray(frames, np.int64)
    names, counts = np.unique(track, return_counts=True)
    if not (counts > 1).any():
        return None, ""
    if len(np.unique(np.stack([track.ravel(), frame.ravel()], axis=1), axis=0)) < track.size:
        return None, NO_IDENTITIES if names.tolist() == [0] else NOT_UNIQUE
    if extrinsics is not None and not is_rigid(extrinsics).all():
        return VideoRows(track, frame, fps), NOT_RIGID
    return VideoRows(track, frame, fps, extrinsics), ""


def videos_of_file(
    file: EstimateFile, lead: tuple[int, ...], fps: float | None = None
) -> tuple[VideoRows | None, str]:
    """Return the videos of a file of arrays, see :func:`rows_of_videos`.

    They are the keys track, or person and frame, of each body, and fps and extrinsics, which may be missing.

    Parameters
    ----------
    file : EstimateFile
    lead : tuple of int
        Leading shape of the estimates.
    fps : float, optional
        Instead of the file's.
    """
    if file.get("track") is not None:
        tracks = file.tracks(lead)
        assert tracks is not None
        track, frame = tracks.track, tracks.frame
    elif file.get("person") is not None and file.get("frame") is not None:
        # These are of files that may have no video's order, too, such as several sequences in one.
        persons = file.labels("person", lead)
        assert persons is not None
        track, frame = persons, file.one_each("frame", lead)
    else:
        return None, ""
    rate = file.fps if fps is None else fps
    return rows_of_videos(track.reshape(lead), frame.reshape(lead), rate, _extrinsics(file, lead))


def tracks_of_file(file: EstimateFile, lead: tuple[int, ...]) -> Tracks | None:
    """Return the tracks of a file with its extrinsics, if they are of a camera that moves.

    Parameters are those of :meth:`kitro_np.formats.estimates.EstimateFile.tracks`.
    """
    tracks, extrinsics = file.tracks(lead), _extrinsics(file, lead)
    if tracks is None or extrinsics is None or not is_rigid(extrinsics).all():
        return tracks
    return tracks._replace(extrinsics=extrinsics.reshape(len(tracks.track), *extrinsics.shape[-2:]))


def as_tracks(videos: VideoRows) -> Tracks:
    """Return the tracks of videos, flattened."""
    extrinsics, count = videos.extrinsics, videos.tracks.size
    if extrinsics is not None:
        extrinsics = extrinsics.reshape(count, *extrinsics.shape[-2:])
    return Tracks(videos.tracks.ravel(), videos.frames.ravel(), videos.fps, extrinsics)


def in_time(lead: tuple[int, ...], fps: float | None = None) -> VideoRows:
    """Return the videos of bodies whose first leading axis is time, and of which further ones are people."""
    numbers = np.indices(lead)
    frames = numbers[0] if lead else np.zeros((), np.int64)
    people = np.arange(frames.size, dtype=np.int64) % max(int(np.prod(lead[1:])), 1)
    return VideoRows(people.reshape(lead), frames, fps)


def timed(tracks: Tracks | None, fps: float | None) -> Tracks | None:
    """Return tracks with another frame rate, if one is given."""
    return tracks if tracks is None or fps is None else tracks._replace(fps=fps)


def _extrinsics(file: EstimateFile, lead: tuple[int, ...]) -> np.ndarray | None:
    """Read extrinsics of a camera that moves, (*lead, 4, 4) or (*lead, 3, 4); None if there are none."""
    extrinsics = file.optional("extrinsics")
    if extrinsics is None or (lead and extrinsics.shape in ((4, 4), (3, 4))):
        return None  # one of all frames: the camera rests
    shapes = [(*lead, *tail) for tail in ((4, 4), (3, 4))]
    if extrinsics.shape not in shapes:
        raise InputError(
            f"{file.path}: extrinsics: expected shape {' or '.join(map(str, shapes))}, "
            f"got {extrinsics.shape}."
        )
    return extrinsics
