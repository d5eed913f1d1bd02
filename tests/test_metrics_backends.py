"""Every metric on the arrays of every library that is installed, against NumPy."""

import numpy as np
import pytest
from backends import TOLERANCE, assert_near
from bodies import make_batch, make_skeleton

from kitro_np.body import BodyOutput
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.evaluation.metrics import (
    LSP14,
    SMPL24,
    depth_errors,
    joint_errors,
    keypoint_errors,
    measure,
    pa_joint_errors,
    regressed_protocol,
    sequence_means,
    share_improved,
)


@pytest.fixture(params=TOLERANCE)
def dtype(request):
    return request.param


EVERY = ("mpjpe", "pa_mpjpe", "pve", "pa_pve", "depth_error")


@pytest.fixture(scope="module")
def sides():
    """Joints of five bodies twice, with and without noise, one of them nowhere; cameras and keypoints."""
    skeleton = make_skeleton("smpl")
    batch = make_batch(skeleton, 5, seed=16)
    truth = forward_kinematics(skeleton, batch.pose, batch.betas).joints + batch.transl[:, None, :]
    joints = truth + np.random.default_rng(16).normal(0, 0.1, truth.shape)
    joints[3] = np.nan
    return joints, truth, batch.keypoints_2d, batch.intrinsics


@pytest.mark.parametrize("protocol", [LSP14, SMPL24], ids=["LSP", "SMPL"])
@pytest.mark.parametrize("metric", [joint_errors, pa_joint_errors, depth_errors])
def test_errors_of_each_joint(backend, dtype, sides, metric, protocol):
    given = [backend.array(part.astype(dtype)) for part in sides[:2]]
    assert_near(backend, metric(*given, protocol), metric(*sides[:2], protocol), dtype)


def test_keypoint_errors(backend, dtype, sides):
    joints, _, *camera = sides
    given = [backend.array(part.astype(dtype)) for part in (joints, *camera)]
    assert_near(backend, keypoint_errors(*given), keypoint_errors(joints, *camera), dtype)


@pytest.mark.parametrize("kind", ["NumPy's", "of the library"])
def test_errors_of_each_body(backend, dtype, sides, kind):
    """A regressor that is a NumPy array serves bodies of any kind."""
    regressor = np.random.default_rng(17).random((17, 24)) / 12
    own = regressor if kind == "NumPy's" else backend.array(regressor)
    bodies = [BodyOutput(joints, joints) for joints in sides[:2]]
    given = [BodyOutput(*(backend.array(part.astype(dtype)) for part in body)) for body in bodies]
    expected = measure(*bodies, EVERY, regressed_protocol(regressor))
    found = measure(*given, EVERY, regressed_protocol(own))
    for name in EVERY:
        assert_near(backend, found[name], expected[name], dtype)


def test_many_bodies(backend, dtype, sides):
    before, after = (backend.array(np.array(part, dtype)) for part in ([1, 2, np.nan, 4], [2, 1, 1, 3]))
    assert share_improved(before, after) == 2 / 3
    assert sequence_means(before, ["b", "b", "a", "a"]) == {"b": 1.5, "a": 4.0}
