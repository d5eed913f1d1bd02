"""Videos: all frames of a track refined together, beside each frame alone and beside smoothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..api import refine
from ..body import BodyModel, load_body
from ..errors import InputError
from ..evaluation.evaluate import METRICS, evaluate
from ..evaluation.protocols import Protocol, usual_protocol
from ..evaluation.video import VIDEO_TITLES, MovingBodies, VideoEvaluation, evaluate_video
from ..formats.estimates import CameraTruth, EstimateFile, Tracks
from ..formats.videos import tracks_of_file
from ..simulate import simulate_video
from ..simulate.video import DEFAULT_FRAMES, DEFAULT_TRACKS
from .page import Cell, Page, Table
from .sets import DataSet, file_set
from .smooth import WINDOW, smoothed
from .style import MethodStyle, add_legend, axes_of

FULL, QUICK = (DEFAULT_TRACKS, DEFAULT_FRAMES), (6, 64)
"""Tracks and their frames of the simulated set, with and without --quick."""

FAR_OFF = 20.0
"""Frames are far worse than their estimate by this many millimetres of MPJPE."""

ESTIMATE, ALONE, SMOOTHED, VIDEO = "estimate", "each frame", f"each frame, smoothed over {WINDOW}", "video"
"""Rows: estimates, `map` of each frame alone, that smoothed, and `map` of all frames of a track."""

OF_MOTION = ("accel", "root_accel", "jitter", "sliding", "shape", "wa_mpjpe", "w_mpjpe", "rte")
"""Measures of motion in the table."""

STYLES = {
    ESTIMATE: MethodStyle("#000000", "", ":", ""),
    ALONE: MethodStyle("#E69F00", "", "--", ""),
    VIDEO: MethodStyle("#009E73", "", "-", ""),
}
"""Styles of the curves, in colours of Okabe and Ito."""


class Keypoints(NamedTuple):
    """Keypoints (N, J, 2) of a video, and their confidences (N, J) or None."""

    points: np.ndarray
    confidence: np.ndarray | None

    @property
    def unseen(self) -> np.ndarray:
        """Frames without detection, (N,)."""
        seen = np.isfinite(self.points).all(axis=-1)
        if self.confidence is not None:
            seen &= self.confidence > 0
        return ~seen.any(axis=-1)


@dataclass(frozen=True, eq=False)
class VideoSet:
    """Estimates of tracks with ground truth.

    Parameters
    ----------
    data : DataSet
    tracks : Tracks
    camera : CameraTruth or None
    keypoints : dict of str to Keypoints
        By what they are, such as "noisy"; the last are drawn.
    """

    data: DataSet
    tracks: Tracks
    camera: CameraTruth | None
    keypoints: Mapping[str, Keypoints]


class MeasuredVideo(NamedTuple):
    """Errors of each frame's body, (N,) in millimetres, and the means of measures of motion."""

    mpjpe: np.ndarray
    pa_mpjpe: np.ndarray
    motion: VideoEvaluation


def simulated_videos(tracks: int = FULL[0], frames: int = FULL[1]) -> VideoSet:
    """Simulate videos on the embedded body."""
    body = load_body()
    video = simulate_video(body=body, tracks=tracks, frames=frames)
    name = f"simulated videos, {tracks} tracks"
    data = DataSet(name, body, video.estimates, video.truth, usual_protocol(body), simulated=True)
    return VideoSet(
        data,
        Tracks(video.track, video.frame, video.fps),
        CameraTruth(video.true_transl, video.true_focal),
        {
            "exact": Keypoints(video.keypoints_2d, None),
            "noisy": Keypoints(video.keypoints_2d_noisy, video.confidence),
        },
    )


def videos_of_data(
    path: Path, body: BodyModel | None = None, protocol: Protocol | None = None, *, image_size: Any = None
) -> VideoSet:
    """Read a video set from a file, as ``kitro-np eval`` does; parameters as of :func:`file_set`.

    Its keypoints_2d_noisy, if any, are used beside keypoints_2d, and have its confidence.

    Raises
    ------
    FileNotFoundError, InputError
        As of :func:`file_set`, and if the file has no tracks.
    """
    data = file_set(path, body, protocol, image_size=image_size)
    file, (count, joints) = EstimateFile(path), data.estimates.keypoints_2d.shape[:2]
    shape = file.estimates(need_intrinsics=False).lead(data.body.num_joints)
    tracks = tracks_of_file(file, shape)
    if tracks is None:
        raise InputError(f"{path}: expected the key track or person for --video, got none.")
    camera = file.camera_truth(shape)
    if camera is not None:
        focal = camera.focal_length
        camera = CameraTruth(camera.transl.reshape(count, 3), None if focal is None else focal.ravel())
    confidence, noisy = (file.optional(key) for key in ("confidence", "keypoints_2d_noisy"))
    if confidence is not None:
        confidence = confidence.reshape(count, joints)
    given = data.estimates.keypoints_2d[..., :2]
    if noisy is None:
        return VideoSet(data, tracks, camera, {"": Keypoints(given, confidence)})
    detected = Keypoints(noisy.reshape(count, joints, 2), confidence)
    return VideoSet(data, tracks, camera, {"exact": Keypoints(given, None), "noisy": detected})


def measure_videos(
    videos: VideoSet, progress: Callable[[int], None] | None = None
) -> dict[tuple[str, str], MeasuredVideo]:
    """Measure every row: by the keypoints, empty for the estimate, and the row's name."""
    found = {}
    for keypoints, row, bodies in _rows(videos):
        found[keypoints, row] = _measured(videos, bodies)
        if progress is not None:
            progress(1)
    return found


def count_of_rows(videos: VideoSet) -> int:
    """Return how many rows :func:`measure_videos` measures."""
    return 1 + 3 * len(videos.keypoints)


def video_page(videos: VideoSet, measured: Mapping[tuple[str, str], MeasuredVideo]) -> Page:
    """Make the page: a table of all rows, and the errors over the frames of one track."""
    data, before = videos.data, measured["", ESTIMATE]
    names = [name for name in OF_MOTION if name in before.motion.before]
    header = [
        data.name,
        *(METRICS[name] for name in ("mpjpe", "pa_mpjpe")),
        *(VIDEO_TITLES[name] for name in names),
        f"worse by {FAR_OFF:g} mm, %",
        "MPJPE of frames without detection",
    ]
    last = [*videos.keypoints][-1]
    rows: list[list[Cell]] = []
    for (keypoints, row), run in measured.items():
        unseen = videos.keypoints[keypoints or last].unseen
        label = f"{row}, {keypoints} keypoints" if keypoints else row
        worse = None if row == ESTIMATE else 100 * float(np.mean(run.mpjpe > before.mpjpe + FAR_OFF))
        errors = [_mean(run.mpjpe), _mean(run.pa_mpjpe)]
        rows.append(
            [label, *errors, *(run.motion.after[name] for name in names), worse, _mean(run.mpjpe[unseen])]
        )
    after = measured[last, VIDEO]
    track = _usual_track(videos.tracks, before.mpjpe, after.mpjpe)
    curves = {row: measured["" if row == ESTIMATE else last, row].mpjpe for row in (ESTIMATE, ALONE, VIDEO)}
    unseen = videos.keypoints[last].unseen
    tracks = len(np.unique(videos.tracks.track))
    remarks = [
        f"{tracks} tracks, {len(unseen)} frames at {after.motion.fps:g} fps; {100 * unseen.mean():.1f}% of "
        "them without detection. Errors of single frames are in mm.",
        f'"{ALONE}" and "{VIDEO}" are the method map. Smoothed bodies have the mean of a track\'s betas, and '
        f"a Savitzky-Golay filter of {WINDOW} frames has gone over their rotations and the root's place.",
        f"The figure shows track {track}, whose gain is the median of all tracks; frames without detection "
        "are grey.",
    ]
    draw = partial(_draw, data.name, videos.tracks, track, curves, unseen)
    return Page([Table(header, rows, "video")], remarks, {"video-frames": draw})


def _rows(videos: VideoSet) -> Iterator[tuple[str, str, MovingBodies]]:
    """Yield keypoints, name and bodies of each row."""
    given, body, tracks = videos.data.estimates, videos.data.body, videos.tracks
    yield "", ESTIMATE, MovingBodies(given.pose, given.betas, given.transl)
    rows: dict[str, Any] = {
        "tracks": tracks.track,
        "frames": tracks.frame,
        "fps": tracks.fps,
        "extrinsics": tracks.extrinsics,
    }
    for name, keypoints in videos.keypoints.items():
        alone, together = (
            refine(
                given.pose, given.betas, given.transl, keypoints.points, given.intrinsics,
                body=body, confidence=keypoints.confidence, **times,
            )
            for times in ({}, rows)
        )  # fmt: skip
        single = (alone.pose, alone.betas, alone.transl)
        yield name, ALONE, MovingBodies(*single)
        yield name, SMOOTHED, MovingBodies(*smoothed(body, tracks, *single))
        yield name, VIDEO, MovingBodies(together.pose, together.betas, together.transl)


def _measured(videos: VideoSet, bodies: MovingBodies) -> MeasuredVideo:
    data, camera = videos.data, videos.camera
    given, truth = data.estimates, data.truth
    errors = evaluate(
        data.body, (given.pose, given.betas), (bodies.pose, bodies.betas), truth,
        metrics=("mpjpe", "pa_mpjpe"), protocol=data.protocol,
    ).after  # fmt: skip
    factor: np.ndarray | float = 1.0
    if camera is not None and camera.focal_length is not None:
        factor = camera.focal_length / np.asarray(given.intrinsics)[:, 0, 0]
    moving = MovingBodies(*truth, None if camera is None else camera.transl)
    motion = evaluate_video(data.body, bodies, bodies, moving, videos.tracks, depth_factor=factor)
    return MeasuredVideo(errors["mpjpe"], errors["pa_mpjpe"], motion)


def _mean(errors: np.ndarray) -> float | None:
    finite = errors[np.isfinite(errors)]
    return float(finite.mean()) if len(finite) else None


def _usual_track(tracks: Tracks, before: np.ndarray, after: np.ndarray) -> int:
    """Return the track whose gain is the median."""
    gains = {}
    for track in np.unique(tracks.track).tolist():
        gain = (before - after)[tracks.track == track]
        if np.isfinite(gain).any():
            gains[track] = float(np.nanmean(gain))
    return int(sorted(gains, key=lambda track: gains[track])[len(gains) // 2])


def _draw(
    name: str,
    tracks: Tracks,
    track: int,
    curves: Mapping[str, np.ndarray],
    unseen: np.ndarray,
    figure: Any,
) -> None:
    """Draw errors over the frames of a track."""
    own = np.flatnonzero(tracks.track == track)
    own = own[np.argsort(tracks.frame[own])]
    frame = tracks.frame[own]
    (axes,) = axes_of(figure, f"Errors over the frames of track {track}", name)
    for number in frame[unseen[own]]:
        axes.axvspan(number - 0.5, number + 0.5, color="0.9", linewidth=0, zorder=0)
    for row, errors in curves.items():
        style = STYLES[row]
        axes.plot(frame, errors[own], color=style.colour, linestyle=style.line, label=row)
    axes.set(xlabel="frame", ylabel="MPJPE, mm", ylim=(0, None), xlim=(frame[0] - 0.5, frame[-1] + 0.5))
    add_legend(axes)
