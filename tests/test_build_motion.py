"""The build of the recorded motion: from tracks in front of cameras back to people in the world."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import kitro_np
from kitro_np.simulate import LEVELS, Sway, VideoErrors, simulate_video
from kitro_np.simulate.motion import cmu_recordings

TRACKS = 18
"""As many as there are recordings, so that each is used once."""


@pytest.fixture(scope="module")
def script():
    """Import the script, which is not part of the installed package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).resolve().parents[1])
        yield importlib.import_module("models.build_motion")


@pytest.fixture(scope="module")
def seen():
    """All recordings in front of cameras, some of which sway."""
    errors = VideoErrors(replace(LEVELS["cliff"], shape_noise=0.0), sway=Sway(share=0.3))
    body = kitro_np.load_body("open_v1")
    return simulate_video(None, body, tracks=TRACKS, frames=200, errors=errors).arrays()


def test_standing_cameras_give_the_recordings_back(script, seen, tmp_path):
    np.savez(tmp_path / "video.npz", **seen)
    built = script.build_motion(tmp_path / "video.npz")
    recorded = cmu_recordings()
    assert 10 <= len(built["lengths"]) < TRACKS
    np.testing.assert_array_equal(built["units"], [script.DEGREES, script.METRES])
    assert built["pose_steps"].dtype == built["path_steps"].dtype == np.int16
    ends = np.cumsum(built["lengths"])[:-1]
    poses, paths = (np.split(built[key], ends) for key in ("pose_steps", "path_steps"))
    for clip, part, way in zip(built["clips"], poses, paths, strict=True):
        turns = Rotation.from_rotvec(np.radians(0.01 * part.cumsum(axis=0, dtype=np.int16)).reshape(-1, 3))
        candidates = [
            rows
            for rows in recorded.recordings()
            if recorded.clips[rows.start] == clip and rows.stop - rows.start == len(part)
        ]
        errors = [
            (Rotation.from_rotvec(recorded.poses[rows].reshape(-1, 3)).inv() * turns).magnitude().max()
            for rows in candidates
        ]
        assert np.degrees(min(errors)) < 0.1, clip
        path = recorded.path[candidates[int(np.argmin(errors))]]
        np.testing.assert_allclose(
            0.001 * way.cumsum(axis=0), path - path.mean(axis=0), rtol=0, atol=2e-3, err_msg=clip
        )


def test_a_track_that_repeats_another_is_left_out(script):
    pose = np.zeros((40, 24, 3))
    first = script.Track("walk", 1, pose, np.zeros((40, 3)))
    assert script.repeats(script.Track("walk", 41, pose, np.zeros((40, 3))), [first], 4)
    assert not script.repeats(script.Track("walk", 121, pose, np.zeros((40, 3))), [first], 4)
    assert not script.repeats(script.Track("run", 1, pose, np.zeros((40, 3))), [first], 4)


def test_a_file_without_the_keys_is_refused(script, tmp_path, capsys):
    np.savez(tmp_path / "video.npz", GT_pose=np.zeros((3, 72)))
    assert script.main([str(tmp_path / "video.npz"), "-o", str(tmp_path / "out.npz")]) == 1
    assert "lacks GT_beta, GT_cam, track, clip, fps, LICENSE." in capsys.readouterr().err
    assert not (tmp_path / "out.npz").exists()
