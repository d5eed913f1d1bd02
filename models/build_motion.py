"""Build the motion of ``kitro-np simulate --video``: whole recordings, in the world, 30 frames a second.

Run ``python -m models.build_motion VIDEO.npz -o kitro_np/data/cmu_motion.npz``. VIDEO.npz holds tracks of
people in front of a camera: ``GT_pose`` (N, 72), ``GT_beta`` and ``GT_cam`` on version 1 of the open body,
``track``, ``clip``, ``fps`` and ``LICENSE``. Isolated poses of the same clips in the world, those of
``kitro_np/data/cmu_poses.npz``, tell how the camera is turned. Tracks whose camera sways, and those that
mostly repeat the frames of another one, are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from kitro_np import load_body
from kitro_np.body.kinematics import forward_kinematics

from .shared.command_line import read_paths, run
from .shared.errors import BuildError
from .shared.npz import write_npz

PROGRAM = "python -m models.build_motion"

POSES = Path(__file__).parents[1] / "kitro_np" / "data" / "cmu_poses.npz"

ALIKE = 0.7
"""Mean difference of the joints' vectors, in degrees, up to which an isolated pose is a frame of a track."""

STANDING = 0.1
"""Turn of a camera that stands, in degrees, between all frames that are isolated poses, too.

Of the development set's cameras six turn by 4 to 10 degrees, the others by 0.00.
"""

RESTING = 0.006
"""Median speed of the slowest joint in metres a frame, up to which feet or hands rest, and so the camera.

It decides where one frame alone is an isolated pose. Where the camera sways it is 0.007 or more, where it
stands 0.001 to 0.005, unless people run.
"""

OVERLAP = 0.5
"""Share of a track's frames that an earlier one may have."""

DEGREES, METRES = 0.01, 0.001
"""Units of the file: vectors are within 0.005 degrees a number, paths within half a millimetre."""

KEYS = ("GT_pose", "GT_beta", "GT_cam", "track", "clip", "fps", "LICENSE")


class Track(NamedTuple):
    """A person in the world, y up."""

    clip: str
    start: int
    pose: np.ndarray
    """Axis-angle vectors (T, 24, 3)."""
    path: np.ndarray
    """The pelvis, (T, 3), in metres."""


def place_in_world(
    clip: str, pose: np.ndarray, joints: np.ndarray, poses: np.ndarray, frames: np.ndarray, step: int
) -> Track | None:
    """Turn a track into the world by isolated poses (M, 24, 3); None if the camera sways.

    `pose` and `joints`, (T, 24, 3), are those in the camera; `frames` are the numbers of the isolated poses
    in the recording, of which the track has every one in `step`.
    """
    apart = np.degrees(np.abs(pose[:, None, 1:] - poses[None, :, 1:]).mean(axis=(2, 3)))
    row, nearest = np.unravel_index(apart.argmin(), apart.shape)
    if apart[row, nearest] > ALIKE:
        raise BuildError(f"no pose of {POSES.name} is a frame of a track of {clip}.")
    start = int(frames[nearest] - step * row)
    rows, rest = np.divmod(frames - start, step)
    known = (rest == 0) & (rows >= 0) & (rows < len(pose))
    cameras = Rotation.from_rotvec(pose[rows[known], 0]) * Rotation.from_rotvec(poses[known, 0]).inv()
    to_world = cameras[0].inv()
    speeds = np.linalg.norm(np.diff(joints, axis=0), axis=-1).min(axis=1)
    if np.degrees((cameras * to_world).magnitude().max()) > STANDING:
        return None
    if np.count_nonzero(known) == 1 and np.median(speeds) > RESTING:
        return None
    pose = pose.copy()
    pose[:, 0] = (to_world * Rotation.from_rotvec(pose[:, 0])).as_rotvec()
    path = to_world.apply(joints[:, 0])
    return Track(clip, start, pose, path - path.mean(axis=0))


def repeats(track: Track, kept: list[Track], step: int) -> bool:
    """Whether more than a share of OVERLAP of the frames are those of a track that is kept."""
    return any(
        len(track.pose) - abs(track.start - other.start) / step > OVERLAP * len(track.pose)
        for other in kept
        if other.clip == track.clip
    )


def read_tracks(video: dict[str, np.ndarray], poses: dict[str, np.ndarray]) -> list[Track]:
    """Return the tracks whose camera stands, each in the world."""
    skeleton = load_body("open_v1").skeleton
    pose = video["GT_pose"].reshape(-1, 24, 3).astype(float)
    matrices = Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(-1, 24, 3, 3)
    joints = forward_kinematics(skeleton, matrices, video["GT_beta"].astype(float)).joints
    joints += video["GT_cam"][:, None]
    step = round(float(poses["fps"] / video["fps"]))
    kept: list[Track] = []
    for number in np.unique(video["track"]):
        rows = video["track"] == number
        clip = str(video["clip"][rows][0])
        same = poses["clips"] == clip
        known = poses["poses"][same].astype(float), poses["frames"][same]
        track = place_in_world(clip, pose[rows], joints[rows], *known, step)
        if track is not None and not repeats(track, kept, step):
            kept.append(track)
    return kept


def steps(series: np.ndarray, unit: float) -> np.ndarray:
    """Write a series (T, C) as whole units: the first row, then each row's difference from the one before.

    Differences wrap around at 16 bits, which their sum undoes: vectors of 180 degrees may change sign.
    """
    whole = np.round(series / unit)
    if np.abs(whole).max() > np.iinfo(np.int16).max:
        raise BuildError("a track leaves the range of 16 bits.")
    return np.diff(whole.astype(np.int16), axis=0, prepend=np.int16(0))


def build_motion(path: Path) -> dict[str, np.ndarray]:
    """Read tracks and write recordings, one below the other."""
    with np.load(path) as data:
        if missing := [key for key in KEYS if key not in data]:
            raise BuildError(f"{path} lacks {', '.join(missing)}.")
        video = {key: data[key] for key in KEYS}
    with np.load(POSES) as data:
        known = dict(data)
    category = dict(zip(known["clips"].tolist(), known["categories"].tolist(), strict=True))
    tracks = read_tracks(video, known)
    poses = [np.degrees(track.pose).reshape(-1, 72) for track in tracks]
    return {
        "pose_steps": np.concatenate([steps(vectors, DEGREES) for vectors in poses]),
        "path_steps": np.concatenate([steps(track.path, METRES) for track in tracks]),
        "units": np.array([DEGREES, METRES]),
        "lengths": np.array([len(track.pose) for track in tracks]),
        "clips": np.array([track.clip for track in tracks]),
        "categories": np.array([category[track.clip] for track in tracks]),
        "fps": video["fps"],
        "LICENSE": video["LICENSE"],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the tracks and write the motion."""
    options = read_paths(PROGRAM, __doc__, "video", arguments)

    def build() -> list[str]:
        motion = build_motion(options.video)
        write_npz(options.output, motion)
        clips, frames = len(motion["lengths"]), motion["lengths"].sum()
        return [f"wrote {options.output}: {clips} recordings, {frames} frames"]

    return run(PROGRAM, build)


if __name__ == "__main__":
    sys.exit(main())
