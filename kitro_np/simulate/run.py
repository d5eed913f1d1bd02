"""Simulate: true bodies in front of a camera, their keypoints, and an estimate of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..arrays.arguments import check_integer, real_array
from ..arrays.poses import as_matrices
from ..body import BodyModel, Skeleton
from ..body.families import BODY_JOINTS, FAMILIES, SMPL, has_body_joints
from ..body.kinematics import forward_kinematics
from ..body.load import default_body
from ..camera import default_intrinsics, project
from ..errors import InputError, one_of
from ..typing import ArrayLike
from .draws import Draws
from .errors import HAND, LEVELS, EstimateErrors, wrong_betas, wrong_pose, wrong_transl
from .fingers import draw_hands, is_hand
from .motion import Motion, cmu_poses
from .scenes import HAND_CROP, PERSON, Scene, draw_image_sizes, draw_places, draw_views
from .simulated import Simulated
from .whole_body import draw_sides, misplace, swap_sides

FAMILY_JOINTS = tuple(len(FAMILIES[name].parents) for name in ("smpl", "smplh", "smplx"))
"""Joints of the families whose poses are taken for any body."""

NUM_BODY = len(BODY_JOINTS)
"""The 22 joints shared by SMPL, SMPL-H and SMPL-X, before those of hands and face."""

ROTATION_TOLERANCE = 1e-2
"""Largest deviation of a pose from a rotation: more than the rounding of half precision."""

DEFAULT_COUNT = 512
"""Bodies simulated by default, as many as the calibration's development set has."""

MAX_COUNT = 1_000_000
"""Most bodies in a simulation: all are in memory."""


def simulate(
    poses: Motion | ArrayLike | None = None,
    body: BodyModel | None = None,
    *,
    count: int = DEFAULT_COUNT,
    errors: EstimateErrors | str | None = None,
    seed: int = 0,
) -> Simulated:
    """Simulate a benchmark: true bodies, their keypoints in a camera, and estimates like a network's.

    Parameters
    ----------
    poses : Motion or array, optional
        Poses of people, y up: a :class:`~kitro_np.simulate.Motion` or its `poses`. By default the embedded
        CMU mocap. Every pose is used once before any is repeated. Poses of hands are sampled by
        :mod:`~kitro_np.simulate.fingers`.
    body : BodyModel, optional
        With SMPL's kinematic tree or a hand's 16 joints; by default the embedded open body. Joints of SMPL-H
        and SMPL-X beyond the body's 22 have no errors, and stay in the rest pose if the poses lack them.
    count : int
        Number of bodies, at most a million.
    errors : EstimateErrors or str, optional
        Errors of the estimates, or one of LEVELS; by default "cliff", or HAND for a hand.
    seed : int
        The same seed gives the same bodies up to rounding; body 7 is the same for every `count`.

    Returns
    -------
    Simulated

    Raises
    ------
    InputError
        If the body has another kinematic tree, an argument is invalid, or the errors overflow.
    """
    body = default_body() if body is None else body
    count = check_integer("count", count, least=1)
    if count > MAX_COUNT:
        raise InputError(
            f"count: expected at most {MAX_COUNT}, got {count}; use further seeds for more bodies."
        )
    draws = Draws(check_integer("seed", seed, least=0), count)
    skeleton = body.skeleton
    errors = errors_for(body, errors)
    if is_hand(skeleton):
        if errors.swapped:
            raise InputError(f"swapped: expected 0 for a hand, which has no sides, got {errors.swapped:g}.")
        if poses is not None:
            raise InputError("poses: expected None for a hand, whose poses are sampled, got poses.")
        scene, notice = HAND_CROP, ""
        local, grip = draw_hands(skeleton, draws)
        clip = np.full(draws.count, "drawn")
        category = np.select([grip < 1 / 3, grip < 2 / 3], ["open", "half closed"], "closed")
    else:
        motion = cmu_poses() if poses is None else poses
        motion = motion if isinstance(motion, Motion) else Motion(real_array("poses", motion))
        scene, notice = PERSON, motion.notice
        matrices = matrices_of(motion.poses, skeleton)
        indices = draws.shuffled("pose", len(matrices))
        local, (clip, category) = matrices[indices], motion.labels(indices)
    with np.errstate(all="ignore"):
        simulated = _observe(
            skeleton, local, scene, errors, draws, clip=clip, category=category, notice=notice, body=body.name
        )
    floats = [array for array in simulated.arrays().values() if array.dtype.kind == "f"]
    if not all(np.isfinite(array).all() for array in floats):
        raise InputError(
            "errors: expected estimates that are finite, got an overflow; the errors are too large."
        )
    return simulated


def _observe(
    skeleton: Skeleton,
    local: np.ndarray,
    scene: Scene,
    errors: EstimateErrors,
    draws: Draws,
    **labels: Any,
) -> Simulated:
    """Place poses in front of a camera, project their joints, and simulate estimates.

    True bodies are rounded to float32 first, so that the keypoints are their exact projections.
    """
    pose = local.copy()
    pose[:, 0] = draw_views(scene, draws) @ pose[:, 0]
    pose, betas = rounded(pose), rounded(draws.normal("betas", skeleton.num_betas))
    joints = forward_kinematics(skeleton, pose, betas).joints

    assumed = default_intrinsics(draw_image_sizes(scene, draws))
    true_focal = assumed[:, 0, 0] * draws.uniform("focal", *errors.focal_ratio)
    camera = assumed.copy()
    camera[:, 0, 0] = camera[:, 1, 1] = true_focal
    centres = draw_places(scene, 2 * assumed[:, :2, 2], true_focal, draws)
    transl = rounded(centres - joints.mean(axis=1))
    keypoints_2d = project(joints + transl[:, None, :], camera)
    sides = np.ptp(keypoints_2d, axis=1)
    extent = sides[:, 1] if scene.standing else sides.max(axis=1)
    noise = errors.keypoint_noise * extent[:, None, None] * draws.normal("keypoints", skeleton.num_joints, 2)

    estimate = draw_estimates(skeleton, pose, betas, transl, keypoints_2d, true_focal, assumed, errors, draws)
    return Simulated(
        pose=estimate[0].astype(np.float32),
        betas=estimate[1].astype(np.float32),
        transl=estimate[2].astype(np.float32),
        intrinsics=camera if errors.camera_known else assumed,
        keypoints_2d=keypoints_2d,
        keypoints_2d_noisy=keypoints_2d + noise,
        true_pose=pose.astype(np.float32),
        true_betas=betas.astype(np.float32),
        true_transl=transl.astype(np.float32),
        true_focal=true_focal,
        **labels,
    )


def draw_estimates(
    skeleton: Skeleton,
    pose: np.ndarray,
    betas: np.ndarray,
    transl: np.ndarray,
    keypoints_2d: np.ndarray,
    true_focal: np.ndarray,
    assumed: np.ndarray,
    errors: EstimateErrors,
    draws: Draws,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw estimates of bodies: pose (N, J, 3, 3), betas (N, S) and transl (N, 3).

    Parameters
    ----------
    skeleton : Skeleton
    pose, betas, transl : (N, J, 3, 3), (N, S) and (N, 3) array
        True bodies.
    keypoints_2d : (N, J, 2) array
        Their joints in the image, in pixels.
    true_focal : (N,) array
        In pixels.
    assumed : (N, 3, 3) array
        Intrinsics that the estimates assume, unless the camera is known.
    errors : EstimateErrors
    draws : Draws
    """
    places = forward_kinematics(skeleton, pose, betas).joints + transl[:, None, :]
    facing = pose
    if errors.swapped:
        sides = draw_sides(skeleton, errors, draws)
        facing = swap_sides(pose, sides)
        places, keypoints_2d = (
            np.take_along_axis(points, sides[..., None], axis=1) for points in (places, keypoints_2d)
        )
    found = wrong_pose(skeleton, facing, errors, draws)
    if errors.of_whole_body:
        whole = is_hand(skeleton) or skeleton.num_joints == len(SMPL.parents)
        num_placed = skeleton.num_joints if whole else NUM_BODY
        found = misplace(skeleton, found, betas, places, errors, draws, num_placed)
    found_betas = wrong_betas(betas, errors, draws)
    if errors.camera_known:
        return found, found_betas, transl
    joints = forward_kinematics(skeleton, found, found_betas).joints
    found_transl = wrong_transl(joints, transl[:, 2], keypoints_2d, true_focal, assumed, errors, draws)
    return found, found_betas, found_transl


def rounded(array: np.ndarray) -> np.ndarray:
    """Round to float32, as truth is written, and go on in float64."""
    return array.astype(np.float32).astype(np.float64)


def usual_errors(body: BodyModel, level: str | None = None) -> EstimateErrors:
    """Return the errors of a level of LEVELS for a body, by default "cliff"; HAND for a hand.

    Raises
    ------
    InputError
        If the body is no hand and has not SMPL's kinematic tree, or there is no such level for it.
    """
    skeleton = body.skeleton
    if is_hand(skeleton):
        if level is not None:
            raise InputError(f"level: expected None for a hand, got {level!r}.")
        return HAND
    if not has_body_joints(skeleton.parents):
        raise InputError(
            f"body: expected SMPL's kinematic tree or a hand's 16 joints, got another tree of "
            f"{skeleton.num_joints} joints."
        )
    return LEVELS["cliff" if level is None else one_of("level", level, LEVELS)]


def errors_for(body: BodyModel, errors: EstimateErrors | str | None) -> EstimateErrors:
    """Return errors, given or by level, with rotation errors for each joint of the body."""
    if not isinstance(errors, EstimateErrors):
        errors = usual_errors(body, errors)
    count, expected = len(errors.degrees), body.num_joints
    usual_count = len(usual_errors(body).degrees)  # raises for a body with another kinematic tree
    if count == expected:
        return errors
    if count != usual_count:
        counts = " or ".join(map(str, sorted({usual_count, expected})))
        raise InputError(f"errors: expected degrees of {counts} joints, got {count}.")
    padded = (*errors.degrees[:NUM_BODY], *(0.0,) * (expected - NUM_BODY))
    return replace(errors, degrees=padded)


def matrices_of(poses: Any, skeleton: Skeleton) -> np.ndarray:
    """Poses (M, J, 3, 3) of a skeleton, from poses of its joints or of SMPL's, SMPL-H's or SMPL-X's."""
    poses = real_array("poses", poses)
    joints, shape = skeleton.num_joints, tuple(poses.shape)
    tails = {tail: n for n in (*FAMILY_JOINTS, joints) for tail in ((n, 3, 3), (n, 3), (3 * n,))}
    if shape[1:] not in tails or not shape[0]:
        raise InputError(
            f"poses: expected shape (M, {joints}, 3) or (M, {3 * joints}) of axis-angle vectors or "
            f"(M, {joints}, 3, 3) of rotation matrices, with M at least 1, got {shape}."
        )
    if not np.isfinite(poses).all():
        raise InputError("poses: expected finite numbers, got NaN or infinity.")
    matrices, _ = as_matrices(poses.astype(np.float64), tails[shape[1:]])
    deviation = np.abs(matrices @ np.swapaxes(matrices, -1, -2) - np.eye(3)).max()
    if deviation > ROTATION_TOLERANCE or np.linalg.det(matrices).min() < 0:
        raise InputError("poses: expected rotation matrices, got other matrices.")
    if matrices.shape[1] == joints:
        return matrices
    padded = np.tile(np.eye(3), (len(matrices), joints, 1, 1))
    padded[:, :NUM_BODY] = matrices[:, :NUM_BODY]
    return padded
