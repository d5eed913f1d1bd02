"""Simulate: true bodies before a camera, their keypoints, and an estimate of each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..arrays.arguments import check_integer, real_array
from ..arrays.poses import as_matrices
from ..body import BodyModel, Skeleton
from ..body.families import BODY_JOINTS, has_body_joints
from ..body.kinematics import forward_kinematics
from ..body.load import default_body
from ..camera import default_intrinsics, project
from ..errors import InputError, one_of
from .draws import Draws
from .errors import HAND, LEVELS, EstimateErrors, wrong_betas, wrong_pose, wrong_transl
from .fingers import draw_hands, is_hand
from .motion import Motion, cmu_motion
from .scenes import HAND_CROP, PERSON, Scene, draw_image_sizes, draw_places, draw_views
from .simulated import Simulated

SHARED = len(BODY_JOINTS)
"""Joints that SMPL, SMPL-H and SMPL-X have in common; then come hands and faces."""

ROUNDING = 1e-2
"""How far poses in half precision may be off rotations, and more."""

MOST = 1_000_000
"""Bodies at once: they are made in memory."""


def simulate(
    poses: Any = None,
    body: BodyModel | None = None,
    *,
    count: int = 512,
    errors: EstimateErrors | str | None = None,
    seed: int = 0,
) -> Simulated:
    """Simulate a benchmark: bodies that are known, what a camera sees of them, and a network's estimates.

    Parameters
    ----------
    poses : Motion or array, optional
        People's poses, y up; :class:`~kitro_np.simulate.Motion`, or its `poses` alone. By default real ones
        that travel with the package (CMU mocap). Each is drawn once before any is drawn again. A hand's are
        drawn by :mod:`~kitro_np.simulate.fingers`.
    body : BodyModel, optional
        With SMPL's tree of joints, or a hand's 16; the embedded open body by default. Joints of SMPL-H and
        SMPL-X beyond the body's 22 stay at rest where the poses have none of them, and do not err.
    count : int
        How many bodies, at most a million.
    errors : EstimateErrors or str, optional
        How the estimates err, or one of LEVELS, "cliff" by default. A hand's are HAND by default.
    seed : int
        Whoever gives the same seed gets the same bodies, to rounding. Body 7 is the same for every `count`.

    Returns
    -------
    Simulated

    Raises
    ------
    InputError
        If the body has another tree, an argument is wrong, or errors are so large that numbers overflow.
    """
    body = default_body() if body is None else body
    count = check_integer("count", count, least=1)
    if count > MOST:
        raise InputError(f"count: expected at most {MOST}, got {count}; another seed gives other bodies.")
    draws = Draws(check_integer("seed", seed, least=0), count)
    skeleton = body.skeleton
    errors = _fitting_errors(body, errors)
    if is_hand(skeleton):
        if poses is not None:
            raise InputError("poses: expected none for a hand, whose fingers are drawn, got some.")
        scene, notice = HAND_CROP, ""
        local, grip = draw_hands(skeleton, draws)
        clip = np.full(draws.count, "drawn")
        category = np.select([grip < 1 / 3, grip < 2 / 3], ["open", "half closed"], "closed")
    else:
        motion = cmu_motion() if poses is None else poses if isinstance(poses, Motion) else Motion(poses)
        scene, notice = PERSON, motion.notice
        given = _matrices(motion.poses, skeleton)
        which = draws.shuffled("pose", len(given))
        local, (clip, category) = given[which], motion.labels(which)
    with np.errstate(all="ignore"):
        made = _picture(skeleton, local, scene, errors, draws, clip=clip, category=category, notice=notice)
    numbers = [array for array in made.arrays().values() if array.dtype.kind == "f"]
    if not all(np.isfinite(array).all() for array in numbers):
        raise InputError("errors: expected estimates that are finite, got overflow; they are too large.")
    return made


def _picture(
    skeleton: Skeleton,
    local: np.ndarray,
    scene: Scene,
    errors: EstimateErrors,
    draws: Draws,
    **labels: Any,
) -> Simulated:
    """Put poses before a camera and estimate them.

    What is known of the truth is rounded to float32 first, so that keypoints are its projections.
    """
    pose = local.copy()
    pose[:, 0] = draw_views(scene, draws) @ pose[:, 0]
    pose, betas = _rounded(pose), _rounded(draws.normal("betas", skeleton.num_betas))
    joints = forward_kinematics(skeleton, pose, betas).joints

    assumed = default_intrinsics(draw_image_sizes(scene, draws))
    true_focal = assumed[:, 0, 0] * draws.uniform("focal", *errors.focal_ratio)
    camera = assumed.copy()
    camera[:, 0, 0] = camera[:, 1, 1] = true_focal
    places = draw_places(scene, 2 * assumed[:, :2, 2], true_focal, draws)
    transl = _rounded(places - joints.mean(axis=1))
    keypoints_2d = project(joints + transl[:, None, :], camera)
    sides = np.ptp(keypoints_2d, axis=1)
    extent = sides[:, 1] if scene.standing else sides.max(axis=1)
    noise = errors.keypoint_noise * extent[:, None, None] * draws.normal("keypoints", skeleton.num_joints, 2)

    found_pose = wrong_pose(skeleton, pose, errors, draws)
    found_betas = wrong_betas(betas, errors, draws)
    if errors.camera_known:
        intrinsics, found_transl = camera, transl
    else:
        found_joints = forward_kinematics(skeleton, found_pose, found_betas).joints
        intrinsics = assumed
        found_transl = wrong_transl(
            found_joints, transl[:, 2], keypoints_2d, true_focal, intrinsics, errors, draws
        )
    small = np.float32
    return Simulated(
        pose=found_pose.astype(small),
        betas=found_betas.astype(small),
        transl=found_transl.astype(small),
        intrinsics=intrinsics,
        keypoints_2d=keypoints_2d,
        keypoints_2d_noisy=keypoints_2d + noise,
        true_pose=pose.astype(small),
        true_betas=betas.astype(small),
        true_transl=transl.astype(small),
        true_focal=true_focal,
        **labels,
    )


def _rounded(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32).astype(np.float64)


def usual_errors(body: BodyModel, level: str | None = None) -> EstimateErrors:
    """Errors of a level for a body: of LEVELS, "cliff" by default; a hand has but one, HAND.

    Raises
    ------
    InputError
        If the body is neither a hand nor has SMPL's tree of joints, or there is no such level for it.
    """
    skeleton = body.skeleton
    if is_hand(skeleton):
        if level is not None:
            raise InputError(f"level: expected none for a hand, got {level!r}.")
        return HAND
    if not has_body_joints(skeleton.parents):
        raise InputError(
            f"body: expected SMPL's tree of joints or a hand's 16, got another tree, of "
            f"{skeleton.num_joints} joints."
        )
    return LEVELS["cliff" if level is None else one_of("level", level, LEVELS)]


def _fitting_errors(body: BodyModel, errors: EstimateErrors | str | None) -> EstimateErrors:
    """Errors with one spread a joint of the body: those given, or the usual ones."""
    if not isinstance(errors, EstimateErrors):
        errors = usual_errors(body, errors)
    given, expected = len(errors.degrees), body.num_joints
    smpl = usual_errors(body).degrees
    if given == expected:
        return errors
    if given != len(smpl):
        counts = " or ".join(map(str, sorted({len(smpl), expected})))
        raise InputError(f"errors: expected degrees of {counts} joints, got {given}.")
    padded = (*errors.degrees[:SHARED], *(0.0,) * (expected - SHARED))
    return replace(errors, degrees=padded)


def _matrices(poses: Any, skeleton: Skeleton) -> np.ndarray:
    """Poses (M, J, 3, 3) of a skeleton, from those of its own joints or of SMPL's 24."""
    poses = real_array("poses", poses)
    joints, shape = skeleton.num_joints, tuple(poses.shape)
    tails = {tail: n for n in (24, joints) for tail in ((n, 3, 3), (n, 3), (3 * n,))}
    if shape[1:] not in tails or not shape[0]:
        raise InputError(
            f"poses: expected shape (M, {joints}, 3) or (M, {3 * joints}) of axis-angle vectors or "
            f"(M, {joints}, 3, 3) of rotation matrices, with M at least 1, got {shape}."
        )
    if not np.isfinite(poses).all():
        raise InputError("poses: expected finite numbers, got NaN or infinity.")
    matrices, _ = as_matrices(poses.astype(np.float64), tails[shape[1:]])
    off = np.abs(matrices @ np.swapaxes(matrices, -1, -2) - np.eye(3)).max()
    if off > ROUNDING or np.linalg.det(matrices).min() < 0:
        raise InputError("poses: expected rotation matrices, got others.")
    if matrices.shape[1] == joints:
        return matrices
    padded = np.tile(np.eye(3), (len(matrices), joints, 1, 1))
    padded[:, :SHARED] = matrices[:, :SHARED]
    return padded
