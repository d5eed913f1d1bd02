"""Videos: tracks of true people in front of a camera, their detections, and estimates of every frame.

Motion is that of whole recordings. Errors are as large as in single images (``errors.py``); here they are
split into what is constant over a track, what drifts, and what is independent from frame to frame. These
parts were measured on a development set of 25 tracks, 2965 frames at 30 fps on version 1 of the open body,
whose detections err like those of a real person in two cameras.

Calibration. Errors of the estimates in mm, and of second differences in mm/frame²: in the development set,
and the mean and standard deviation of six seeds, on version 1 with a `shape_noise` of 0.9 and by default:

========================  ===========  =======================  =======================
                          development  version 1                default
========================  ===========  =======================  =======================
MPJPE / PA-MPJPE          73.8 / 41.5  75.7 ± 4.0 / 40.7 ± 1.8  74.3 ± 3.8 / 43.0 ± 2.1
joints about the pelvis,
second differences               22.5              22.9 ± 1.0               21.3 ± 1.0
pelvis, the same                 57.1              57.4 ± 2.7               57.8 ± 2.7
joints of the rest pose          40.5              39.9 ± 3.7               36.7 ± 3.5
========================  ===========  =======================  =======================

In the development set, and in 200 tracks on version 1: the rms of a track's mean, of what varies within it,
and of the step between two frames over the square root of 2, which is the white part where the rest drifts
slowly:

======================  =======================  =======================
                        development              version 1
======================  =======================  =======================
betas                   0.774 / 0.435 / 0.180    0.775 / 0.449 / 0.181
depth, %                4.73 / 2.80 / 0.60       5.00 / 2.90 / 0.58
detections, % of the
person's height         0.81 / 0.84 / 0.33       0.80 / 0.83 / 0.33
frames with exchanges   3.3% legs, 3.6% arms     3.6% legs, 3.9% arms
frames without any      3.2%                     3.7%
======================  =======================  =======================
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..arrays.arguments import check_integer, check_number
from ..body import BodyModel, Skeleton
from ..body.families import has_body_joints
from ..body.kinematics import forward_kinematics
from ..body.load import default_body
from ..camera import default_intrinsics, project
from ..errors import InputError
from .detections import DetectionErrors, draw_detections
from .draws import Draws
from .drift import OverTime
from .errors import EstimateErrors, at_mean, deviations_of, turn_joints
from .frames import Frames
from .motion import Motion, cmu_recordings
from .recordings import CutTracks, cut_tracks
from .run import MAX_COUNT, errors_for, rounded
from .scenes import PERSON, draw_image_sizes, draw_places, draw_views
from .simulated import SimulatedVideo
from .sway import Sway

DEFAULT_TRACKS, DEFAULT_FRAMES, DEFAULT_FPS = 25, 128, 30.0
"""As many as the development set of videos has."""

MAX_TRACKS, MAX_FPS = 10_000, 1000
"""Most tracks, and frames per second: noise that drifts is drawn for seconds around a track, in memory."""

SCENE = replace(PERSON, distance=(3, 7), off_centre=(0.15, 0.1))
"""As for single images, but a person has room to walk."""

NEAREST = 1.5
"""Least distance of a joint from the image plane, in metres: people who walk up to it start further off."""


@dataclass(frozen=True)
class VideoErrors:
    """Errors of the estimates and detections of a video.

    Parameters
    ----------
    sizes : EstimateErrors, optional
        How large they are, as in single images; by default those of the level "cliff".
    factor : OverTime
        Parts of the logarithm of the factor that is common to a body's joints: of the track, and of the
        moment.
    pose, betas, depth, shift : OverTime
        Parts of the errors of each joint's rotation, of each beta, of the depth, and of the translation
        across the viewing direction.
    detections : DetectionErrors
    sway : Sway
    """

    sizes: EstimateErrors | None = None
    factor: OverTime = field(default=OverTime(0.75, ((0.66, 0.5),), 0))
    pose: OverTime = field(default=OverTime(0.5, ((0.8, 1 / 3), (0.3, 0.1)), 0.11))
    betas: OverTime = field(default=OverTime(0.8, ((0.56, 0.4),), 0.2))
    depth: OverTime = field(default=OverTime(0.78, ((0.57, 0.4),), 0.09))
    shift: OverTime = field(default=OverTime(0.5, ((0.84, 0.25),), 0.18))
    detections: DetectionErrors = field(default=DetectionErrors())
    sway: Sway = field(default=Sway())


def simulate_video(
    motion: Motion | None = None,
    body: BodyModel | None = None,
    *,
    tracks: int = DEFAULT_TRACKS,
    frames: int = DEFAULT_FRAMES,
    fps: float = DEFAULT_FPS,
    errors: VideoErrors | EstimateErrors | str | None = None,
    seed: int = 0,
) -> SimulatedVideo:
    """Simulate videos: people who move in front of a camera, and their estimates and detections.

    Parameters
    ----------
    motion : Motion, optional
        Recordings with a frame rate, y up. By default those embedded: 18 of CMU's, of 1.5 to 4.3 seconds.
        Every recording is used once before any is repeated.
    body : BodyModel, optional
        With SMPL's kinematic tree; by default the embedded open body. Joints of SMPL-H and SMPL-X beyond the
        body's 22 have no errors.
    tracks : int
        Number of people, each in front of a camera of their own.
    frames : int
        Frames of a track, fewer where a recording is shorter; at most a million in all tracks.
    fps : float
        Frames per second; between recorded frames, motion is interpolated.
    errors : VideoErrors, EstimateErrors or str, optional
        Errors of estimates and detections, or their size alone, or one of LEVELS without errors of the whole
        body.
    seed : int
        The same seed gives the same tracks up to rounding; track 7 is the same for any number of `tracks`.

    Returns
    -------
    SimulatedVideo

    Raises
    ------
    InputError
        If the body has not SMPL's kinematic tree, the motion no frame rate, an argument is invalid, or the
        errors overflow.
    """
    body = default_body() if body is None else body
    tracks = check_integer("tracks", tracks, least=1)
    frames = check_integer("frames", frames, least=1)
    if tracks > MAX_TRACKS:
        raise InputError(f"tracks: expected at most {MAX_TRACKS}, got {tracks}; use further seeds for more.")
    if tracks * frames > MAX_COUNT:
        raise InputError(f"frames: expected at most {MAX_COUNT} in all tracks, got {tracks * frames}.")
    fps = check_number("fps", fps, least=1)
    if fps > MAX_FPS:
        raise InputError(f"fps: expected at most {MAX_FPS}, got {fps:g}.")
    draws = Draws(check_integer("seed", seed, least=0), tracks)
    errors = _video_errors(body, errors)
    motion = cmu_recordings() if motion is None else motion
    cut = cut_tracks(motion, body.skeleton, draws, frames, fps)
    with np.errstate(all="ignore"):
        video = _observe(body, cut, errors, draws, motion.notice)
    if not all(np.isfinite(array).all() for array in (video.pose, video.betas, video.transl)):
        raise InputError(
            "errors: expected estimates that are finite, got an overflow; the errors are too large."
        )
    return video


def _observe(
    body: BodyModel, cut: CutTracks, errors: VideoErrors, draws: Draws, notice: str
) -> SimulatedVideo:
    """Place tracks in front of cameras, project their joints, and simulate estimates and detections."""
    skeleton, frames, track = body.skeleton, cut.frames, cut.frames.track
    sizes = errors.sizes
    assert sizes is not None
    assumed = default_intrinsics(draw_image_sizes(SCENE, draws))
    focal = assumed[:, 0, 0] * draws.uniform("focal", *sizes.focal_ratio)
    camera = assumed.copy()
    camera[:, 0, 0] = camera[:, 1, 1] = focal
    betas = rounded(draws.normal("betas", skeleton.num_betas))[track]
    rest = skeleton.rest_joints(betas)

    views = draw_views(SCENE, draws)[track]
    pose = cut.pose.copy()
    pose[:, 0] = views @ pose[:, 0]
    around = forward_kinematics(skeleton, pose, betas).joints - rest[:, :1]
    pelvis = np.einsum("nij,nj->ni", views, cut.path)
    joints = around + pelvis[:, None]
    places = _places(joints, frames, draw_places(SCENE, 2 * assumed[:, :2, 2], focal, draws))[track]
    pelvis += places
    turns = errors.sway.draw(draws, frames)
    pose[:, 0] = turns @ pose[:, 0]
    pose = rounded(pose)
    transl = rounded(np.einsum("nij,nj->ni", turns, pelvis) - rest[:, 0])

    joints = forward_kinematics(skeleton, pose, betas).joints + transl[:, None]
    focal, assumed, camera = focal[track], assumed[track], camera[track]
    keypoints_2d = project(joints, camera)
    heights = np.ptp(rest[..., 1], axis=1) * focal / joints[:, 0, 2]
    detections, confidence = draw_detections(
        skeleton, keypoints_2d, heights, sizes.keypoint_noise, frames, errors.detections, draws
    )

    found, found_betas = _wrong_bodies(skeleton, pose, betas, frames, errors, sizes, draws)
    found_transl = transl
    if not sizes.camera_known:
        depth = transl[:, 2] * assumed[:, 0, 0] / focal
        depth *= np.exp(sizes.depth * frames.draw(errors.depth, draws, "depth"))
        shift = sizes.shift * frames.draw(errors.shift, draws, "shift", 2)
        posed = forward_kinematics(skeleton, found, found_betas).joints
        found_transl = at_mean(posed, depth, keypoints_2d, assumed, shift)
    return SimulatedVideo(
        pose=found.astype(np.float32),
        betas=found_betas.astype(np.float32),
        transl=found_transl.astype(np.float32),
        intrinsics=camera if sizes.camera_known else assumed,
        keypoints_2d=keypoints_2d,
        keypoints_2d_noisy=detections,
        true_pose=pose.astype(np.float32),
        true_betas=betas.astype(np.float32),
        true_transl=transl.astype(np.float32),
        true_focal=focal,
        clip=cut.clip,
        category=cut.category,
        notice=notice,
        body=body.name,
        confidence=confidence.astype(np.float32),
        track=track,
        frame=frames.number,
        fps=frames.fps,
        extrinsics=_extrinsics(turns, views, places),
    )


def _extrinsics(turns: np.ndarray, views: np.ndarray, places: np.ndarray) -> np.ndarray:
    """From the world, where motion is recorded, to cameras that stood but for their turns: (N, 4, 4)."""
    found = np.zeros((len(turns), 4, 4))
    found[:, :3, :3] = turns @ views
    found[:, :3, 3] = np.einsum("nij,nj->ni", turns, places)
    found[:, 3, 3] = 1
    return found


def _places(joints: np.ndarray, frames: Frames, middles: np.ndarray) -> np.ndarray:
    """Where tracks go, (tracks, 3): with the mean of their joints in the middle, but no joint too near."""
    ends = np.cumsum(frames.lengths)[:-1]
    places = middles - np.array([part.mean(axis=(0, 1)) for part in np.split(joints, ends)])
    nearest = np.array([part[..., 2].min() for part in np.split(joints, ends)]) + places[:, 2]
    places[:, 2] += np.maximum(NEAREST - nearest, 0)
    return places


def _wrong_bodies(
    skeleton: Skeleton,
    pose: np.ndarray,
    betas: np.ndarray,
    frames: Frames,
    errors: VideoErrors,
    sizes: EstimateErrors,
    draws: Draws,
) -> tuple[np.ndarray, np.ndarray]:
    """Estimate pose (N, J, 3, 3) and betas (N, S), each wrong as in :mod:`~kitro_np.simulate.errors`."""
    of_track = errors.factor.constant * draws.even_normal("body")
    of_moment = frames.draw(replace(errors.factor, constant=0.0), draws, "factor")
    factor = np.exp(sizes.spread * (of_track[frames.track] + of_moment))
    noise = frames.draw(errors.pose, draws, "rotation", skeleton.num_joints, 3)
    found = turn_joints(skeleton, pose, factor[:, None, None] * deviations_of(sizes) * noise)
    shape_noise = frames.draw(errors.betas, draws, "shape", betas.shape[1])
    return found, sizes.shape_slope * betas + sizes.shape_noise * shape_noise


def _video_errors(body: BodyModel, errors: VideoErrors | EstimateErrors | str | None) -> VideoErrors:
    """Return errors, given, by size or by level, with rotation errors for each joint of the body."""
    if not has_body_joints(body.skeleton.parents):
        raise InputError(
            f"body: expected SMPL's kinematic tree for a video, got another tree of {body.num_joints} joints."
        )
    video = errors if isinstance(errors, VideoErrors) else VideoErrors()
    sizes = errors_for(body, video.sizes if isinstance(errors, VideoErrors) else errors)
    if sizes.of_whole_body or sizes.swapped:
        raise InputError(
            "errors: expected none of the whole body in a video, got turn, flatten, agreement or swapped."
        )
    return replace(video, sizes=sizes)
