"""Files of tracked points, written as Pose2Sim writes them, fitted and animated where they are."""

import numpy as np
import pytest
from gltf_reader import GltfFile
from test_fit_points import placed

import kitro_np
from kitro_np import InputError, fit_points, read_points

MARKERS = {
    "RHip": "right_hip", "RKnee": "right_knee", "RAnkle": "right_ankle", "RBigToe": "right_big_toe",
    "RHeel": "right_heel", "LHip": "left_hip", "LKnee": "left_knee", "LAnkle": "left_ankle",
    "LBigToe": "left_big_toe", "LHeel": "left_heel", "Neck": "neck", "Nose": "nose",
    "RShoulder": "right_shoulder", "RElbow": "right_elbow", "RWrist": "right_wrist",
    "LShoulder": "left_shoulder", "LElbow": "left_elbow", "LWrist": "left_wrist",
}  # fmt: skip


def write_trc(path, points, units="m", extra=()):
    """Write points (T, K, 3) of MARKERS, and of other markers at the origin."""
    names = [*MARKERS, *extra]
    shown = np.concatenate([points, np.zeros((len(points), len(extra), 3))], axis=1)
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"60\t60\t{len(points)}\t{len(names)}\t{units}\t60\t0\t{len(points)}",
        "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t",
        "\t\t" + "\t".join(f"{axis}{k + 1}" for k in range(len(names)) for axis in "XYZ"),
    ]
    for number, row in enumerate(shown.reshape(len(points), -1)):
        cells = ["" if np.isnan(value) else f"{value}" for value in row]
        lines.append("\t".join([str(number + 1), f"{number / 60}", *cells]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def motion(open_body):
    """The clip's points of MARKERS in a world whose y points up."""
    clip = kitro_np.example()
    names = kitro_np.find_layout("halpe26", open_body).names
    points = placed(open_body, "halpe26", clip["pose"].astype(np.float64))
    return points[:, [names.index(name) for name in MARKERS.values()]] * [1, -1, -1]


@pytest.mark.parametrize(("units", "length"), [("m", 1), ("mm", 1000)])
def test_points_of_a_file_become_an_animation(tmp_path, motion, units, length):
    path = write_trc(tmp_path / "walk.trc", length * motion, units, extra=("r.ASIS_study",))
    markers = read_points(path)
    np.testing.assert_allclose(markers.points, motion, atol=1e-12)
    assert markers.layout.names == tuple(MARKERS.values()) and markers.left_out == ("r.ASIS_study",)
    assert markers.fps == 60 and markers.frame.tolist() == list(range(60))

    fit = fit_points(markers.points, markers.layout)
    assert np.nanmean(fit.distance) < 0.005
    bodies = {"pose": fit.pose, "betas": fit.betas, "transl": fit.transl, "up": "y", "body": fit.body}
    file = GltfFile(kitro_np.write(tmp_path / "walk.glb", bodies, fps=markers.fps, tell=None))
    (node,) = file.named("person_0_mesh")
    for frame in (0, 30):
        joints = file.skinned(node, frame / 60)[1]
        for joint, marker in ((20, "LWrist"), (18, "LElbow"), (7, "LAnkle"), (5, "RKnee")):
            place = motion[frame, [*MARKERS].index(marker)]
            np.testing.assert_allclose(joints[joint], place, atol=0.03)


def test_missing_points_are_nan(tmp_path, motion):
    points = motion.copy()
    points[3, 5] = np.nan
    markers = read_points(write_trc(tmp_path / "a.trc", points))
    np.testing.assert_array_equal(np.isnan(markers.points), np.isnan(points))


def test_other_files_are_refused(tmp_path, motion):
    with pytest.raises(FileNotFoundError, match=r"no\.trc: expected a \.trc file, got none"):
        read_points(tmp_path / "no.trc")
    with pytest.raises(InputError, match="got a folder"):
        read_points(tmp_path)
    path = write_trc(tmp_path / "a.trc", motion)
    text = path.read_text()
    for changed, message in (
        ("", "got another or one that is damaged"),
        (text.replace("\tm\t", "\tparsec\t"), "got another or one that is damaged"),
        (text.split("\n1\t")[0], "expected rows of points, got none"),
        ("\n".join([*text.splitlines()[:3], "Frame#\tTime\tC7\t\t\tT10", *text.splitlines()[4:]]), "got C7"),
        (text.replace("1\t0.0\t", "1\tzero\t"), "expected numbers in its rows"),
    ):
        path.write_text(changed)
        with pytest.raises(InputError, match=message):
            read_points(path)
