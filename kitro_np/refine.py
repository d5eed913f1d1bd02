"""Refinement: Algorithm 1, and the public call around it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array

from .arguments import whole_number
from .baselines.smplify import smplify_arrays
from .body.kinematics import forward_kinematics
from .body.load import default_body
from .body.skeleton import Skeleton
from .camera import project, solve_translation, update_translation
from .checks import Status, estimate_status, outcome_status
from .door import Request, read_request
from .engine import CPU_ENGINES, ENGINES, choose_engine, on_cuda, on_device_of
from .errors import InputError, one_of
from .geometry import axis_angle_from_matrix
from .metrics import reprojection_error
from .poses import pose_tail
from .result import Refined, RefineResult
from .rotate import rotate_joints
from .shape import fit_shape
from .tree import select_branches
from .variants import Variant, find_variant

METHODS = ("kitro", "smplify")
"""Refinement methods on offer: KITRO, and a baseline that fits by gradient descent."""

METHOD_ENGINES = {"kitro": ENGINES, "smplify": CPU_ENGINES}
"""What each of them runs on."""

OF_KITRO = {"variant": "released", "iterations": 10, "shape_steps": 10}
"""Arguments that mean nothing to another method, and their defaults."""

NUMBERS_A_BRANCH, NUMBERS_A_JOINT = 12, 65
"""What the array engine holds of each body at its peak, measured: for SMPL 60 kB in float32."""

MEMORY = 64_000_000
"""Bytes that the array engine may take for a chunk of bodies; on a GPU, which idles on less, ten times
as much."""


def refine(
    pose: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    intrinsics: Any = None,
    *,
    body: Any = None,
    method: str = "kitro",
    variant: str = "released",
    camera_update: str = "soft",
    shape_update: str = "bone_length",
    pose_update: str = "soft",
    search: str = "tree",
    iterations: int = 10,
    shape_steps: int = 10,
    engine: str | None = None,
    image_size: Any = None,
    focal_length: float | None = None,
    strict: bool = False,
    threads: int | None = None,
    chunk_size: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> RefineResult:
    """Refine body estimates so that they agree with 2D keypoints (KITRO, Algorithm 1).

    Parameters
    ----------
    pose : (..., J, 3, 3) array
        Local rotation matrices of the estimate; axis-angle vectors (..., J, 3) or (..., 3 J) in
        radians work too, and come back as such. SMPL has J = 24. No leading axis is one body.
        Matrices off a rotation by up to 1e-2 are taken as they are.
    betas : (..., S) array
        Shape coefficients, at most as many as the body has.
    transl : (..., 3) array
        Camera translation in metres; the camera looks along +z, image y points down.
    keypoints_2d : (..., J, 2) array
        Keypoints of the body's joints, in its joint order, in pixels. All count alike: KITRO has no
        weights, so a missing one written as (0, 0) spoils its limb.
    intrinsics : (3, 3) or (..., 3, 3) array, optional
        Camera matrix [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels.
    body : BodyModel or Skeleton, optional
        The embedded open body by default. Pass the body that the estimate is for.
    method : {"kitro", "smplify"}
        KITRO, or SMPLify to compare with (see :mod:`kitro_np.baselines.smplify`), which takes neither
        `variant` nor `iterations` nor `shape_steps`; its array stages serve arrays on a GPU.
    variant : {"released", "paper"}
        The authors' released code, which their published numbers come from, or the paper to the letter.
    camera_update : {"soft", "hard", "fixed"}
        Halfway to the translation that fits best (Eq. 6), all the way, or not at all (Table 1).
    shape_update : {"bone_length", "joints_2d", "fixed"}
        Betas from projected bone lengths (Eq. 9), from distances to the keypoints (Eq. 3), or the estimate's.
    pose_update : {"soft", "hard", "fixed"}
        Turn joints to a blend of solution and current bone (Eq. 17), to the solution, or not at all.
    search : {"tree", "greedy"}
        The path that scores best as a whole (Eq. 16), or at each bone the better branch.
    iterations : int
        Loops of Algorithm 1.
    shape_steps : int
        Adam steps on betas in each loop.
    engine : {None, "numba", "array", "cuda"}
        None takes fused kernels for NumPy arrays (numba), and for arrays on a GPU where numba-cuda is
        installed (cuda); for others the array stages.
    image_size : (2,) or (..., 2) array_like, optional
        Width and height in pixels, instead of `intrinsics` (Eq. 4).
    focal_length : float, optional
        In pixels, instead of the one in `intrinsics`; the estimate's depth grows with it, so that the body
        keeps its size in the image.
    strict : bool
        Raise if any body cannot be refined, instead of returning it as its estimate.
    threads : int, optional
        Threads of the numba engine; as many as the process may use cores by default.
    chunk_size : int, optional
        Bodies to take at once, by each thread; fewer need less memory. By default 512 (numba), 32,768
        (cuda, 40 kB a body in float32) or as many as 64 MB hold (array, 60 kB a body in float32; on a
        GPU ten times as many).
    progress : callable, optional
        Called with the number of bodies just finished, now and then, from the calling thread.

    Returns
    -------
    RefineResult
        Arrays of the same kind, dtype and leading shape as given. A body that cannot be refined
        comes back as its estimate, with the reason in ``status``.

    Raises
    ------
    InputError
        If an argument as a whole is wrong, or with ``strict=True`` a body.

    Notes
    -----
    Everything is computed in float64 if any of the arrays is float64, else in float32.
    The result of a body does not depend on the bodies beside it, nor on the number of threads.

    References
    ----------
    Yang, Gu, Yao. KITRO: Refining Human Mesh by 2D Clues and Kinematic-tree Rotation. CVPR 2024.
    """
    one_of("method", method, METHODS)
    if method != "kitro":
        _refuse_of_kitro(method, variant=variant, iterations=iterations, shape_steps=shape_steps)
    if progress is not None and not callable(progress):
        raise InputError(f"progress: expected a function or None, got {progress!r}.")
    chosen_variant = find_variant(
        variant,
        camera_update=camera_update,
        shape_update=shape_update,
        pose_update=pose_update,
        search=search,
    )
    iterations = whole_number("iterations", iterations, least=0)
    shape_steps = whole_number("shape_steps", shape_steps, least=0)
    if threads is not None:
        threads = whole_number("threads", threads, least=1)
    if chunk_size is not None:
        chunk_size = whole_number("chunk_size", chunk_size, least=1)
    with on_device_of(pose):
        body = default_body() if body is None else body
        request = read_request(pose, betas, transl, keypoints_2d, intrinsics, image_size, body, focal_length)
        steps = (chosen_variant, iterations, shape_steps, chunk_size, progress)
        # Numba is the slowest import of all: it waits for the first call.
        match choose_engine(engine, request.pose, METHOD_ENGINES[method]):
            case "numba" if method == "smplify":
                from .kernels.run_smplify import run_smplify

                refined = run_smplify(request, chunk_size, progress, threads=threads)
            case "numba":
                from .kernels.run import run_kernels

                refined = run_kernels(request, *steps, threads=threads)
            case "cuda":
                from .kernels.run_gpu import run_gpu

                refined = run_gpu(request, *steps)
            case _:
                loops = partial(
                    refine_arrays, variant=chosen_variant, iterations=iterations, shape_steps=shape_steps
                )
                solve = smplify_arrays if method == "smplify" else loops
                refined = _run_stages(request, solve, chunk_size, progress)
        if strict:
            _raise_if_any_failed(refined.status)
        return _give_back(request, refined, pose, betas, transl, changed=method != "kitro" or iterations > 0)


def _refuse_of_kitro(method: str, **given: Any) -> None:
    """Refuse arguments that would change nothing: nobody should believe that they did."""
    for name, value in given.items():
        if value != OF_KITRO[name]:
            raise InputError(
                f"{name}: expected {OF_KITRO[name]!r}, its default, with method={method!r}, got {value!r}."
            )


def refine_arrays(
    skeleton: Skeleton,
    pose: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    intrinsics: Any,
    variant: Variant,
    iterations: int,
    shape_steps: int,
) -> Refined:
    """Algorithm 1 on a batch of valid bodies, with the stages of this package.

    Parameters
    ----------
    skeleton : Skeleton
        With arrays of the kind of `pose`, see :meth:`Skeleton.like`.
    pose : (N, J, 3, 3) array
    betas : (N, S) array
    transl : (N, 3) array
    keypoints_2d : (N, J, 2) array
    intrinsics : (N, 3, 3) array
    variant : Variant
    iterations, shape_steps : int

    Returns
    -------
    Refined
    """
    xp = array_namespace(pose)
    initial_pose = pose
    selection = xp.full(pose.shape[:2], -1, dtype=xp.int64, device=device(pose))
    path_score = xp.ones_like(transl[:, 0])
    loss_scale = 1 / (skeleton.num_joints - 1) if variant.mean_loss else 1.0
    for _ in range(iterations):
        posed = forward_kinematics(skeleton, pose, betas)
        if variant.camera_update != "fixed":
            best = solve_translation(posed.joints, keypoints_2d, intrinsics)
            transl = update_translation(transl, best, hard=variant.camera_update == "hard")
        if variant.shape_update != "fixed":
            betas = fit_shape(
                skeleton, posed.global_rotations, betas, transl, keypoints_2d, intrinsics,
                steps=shape_steps, loss_scale=loss_scale, from_joints=variant.shape_update == "joints_2d",
            )  # fmt: skip
        joints = forward_kinematics(skeleton, pose, betas).joints + transl[:, None, :]
        branches = select_branches(skeleton, initial_pose, betas, joints, keypoints_2d, intrinsics, variant)
        if variant.pose_update != "fixed":
            pose = rotate_joints(
                skeleton, pose, initial_pose, betas, transl, keypoints_2d, intrinsics, branches, variant
            )
        selection, path_score = branches.selection, branches.path_score
    error = _error(skeleton, pose, betas, transl, keypoints_2d, intrinsics)
    status = outcome_status(skeleton, pose, betas, transl)
    return Refined(pose, betas, transl, selection, path_score, error, status)


def _run_stages(
    request: Request,
    solve: Callable[..., Refined],
    chunk_size: int | None,
    progress: Callable[[int], None] | None,
) -> Refined:
    """Run the array engine over chunks of a request: `solve` refines a batch of valid bodies."""
    xp = array_namespace(request.pose)
    like = xp.zeros(1, dtype=request.dtype, device=device(request.pose))
    skeleton = request.skeleton.like(like)
    chunk = chunk_size or _chunk_size(skeleton, like)
    chunks = []
    for start in range(0, max(request.count, 1), chunk):
        stop = min(start + chunk, request.count)
        own = [
            xp.astype(part[start:stop, ...], request.dtype)
            for part in (request.pose, request.betas, request.transl, request.keypoints_2d)
        ]
        intrinsics = (
            request.intrinsics if request.intrinsics.shape[0] == 1 else request.intrinsics[start:stop, ...]
        )
        own.append(xp.broadcast_to(xp.astype(intrinsics, request.dtype), (stop - start, 3, 3)))
        quiet = np.errstate(all="ignore") if is_numpy_array(like) else nullcontext()
        with quiet:
            chunks.append(_refine_usable(skeleton, own, solve))
        if progress is not None:
            progress(stop - start)
    return Refined(*(xp.concat(parts, axis=0) for parts in zip(*chunks, strict=True)))


def _chunk_size(skeleton: Skeleton, like: Any) -> int:
    """Return how many bodies the array engine takes at once: the tree decides, being the largest of all."""
    branches = sum(2**depth for depth in skeleton.depths[1:])
    number = array_namespace(like).finfo(like.dtype).bits // 8
    memory = 10 * MEMORY if on_cuda(like) else MEMORY
    numbers = NUMBERS_A_BRANCH * branches + NUMBERS_A_JOINT * skeleton.num_joints
    return max(1, int(memory // (number * numbers)))


def _refine_usable(skeleton: Skeleton, own: list[Any], solve: Callable[..., Refined]) -> Refined:
    """Refine the bodies of a chunk that can be refined, and return the others as they are."""
    pose, betas, transl = own[:3]
    xp = array_namespace(pose)
    status = estimate_status(skeleton, *own)
    usable = status == 0
    error = _error(skeleton, *own)
    # A stand-in keeps NaN and the like out of the stages, where an SVD would fail the whole batch.
    safe = [_where(usable, part, other) for part, other in zip(own, _stand_in(skeleton, own), strict=True)]
    found = solve(skeleton, *safe)
    status = xp.where(usable, found.status, status)
    good = status == 0
    return Refined(
        _where(good, found.pose, pose),
        _where(good, found.betas, betas),
        _where(good, found.transl, transl),
        xp.astype(_where(good, found.selection, xp.full_like(found.selection, -1)), xp.int8),
        xp.where(good, found.path_score, xp.full_like(found.path_score, xp.nan)),
        xp.where(good, found.reprojection_error, error),
        xp.astype(status, xp.int8),
    )


def _stand_in(skeleton: Skeleton, own: list[Any]) -> list[Any]:
    """Return a body that can be refined, in the shapes of `own`: the rest pose, ten metres away."""
    xp = array_namespace(*own)
    pose, betas, transl, _, intrinsics = map(xp.zeros_like, own)
    eye = xp.eye(3, dtype=pose.dtype, device=device(pose))
    pose, intrinsics = pose + eye, intrinsics + eye
    transl = transl + xp.asarray([0.0, 0.0, 10.0], dtype=transl.dtype, device=device(transl))
    joints = forward_kinematics(skeleton, pose, betas).joints + transl[:, None, :]
    return [pose, betas, transl, project(joints, intrinsics), intrinsics]


def _error(skeleton: Skeleton, pose: Any, betas: Any, transl: Any, keypoints_2d: Any, intrinsics: Any) -> Any:
    joints = forward_kinematics(skeleton, pose, betas).joints + transl[:, None, :]
    return reprojection_error(joints, keypoints_2d, intrinsics)


def _where(mask: Any, chosen: Any, other: Any) -> Any:
    xp = array_namespace(chosen, other)
    return xp.where(xp.reshape(mask, (mask.shape[0], *[1] * (chosen.ndim - 1))), chosen, other)


def _raise_if_any_failed(status: Any) -> None:
    xp = array_namespace(status)
    failed = status != 0
    count = int(xp.sum(xp.astype(failed, xp.int64)))
    if count:
        first = int(xp.argmax(xp.astype(failed, xp.int8)))
        reason = Status(int(status[first])).reason
        raise InputError(f"body {first}: expected a body that can be refined, got {reason} ({count} in all).")


def _give_back(
    request: Request, refined: Refined, pose: Any, betas: Any, transl: Any, *, changed: bool
) -> RefineResult:
    """Put a refined batch into the caller's shapes and dtypes."""
    xp = array_namespace(refined.pose)
    lead = request.lead

    def given(value: Any, like: Any) -> Any:
        dtype = getattr(like, "dtype", None)
        floating = dtype is not None and xp.isdtype(dtype, "real floating")
        return xp.astype(value, dtype, copy=False) if floating else value

    return RefineResult(
        given(_pose_as_given(request, refined, changed=changed), pose),
        xp.reshape(given(refined.betas, betas), (*lead, refined.betas.shape[1])),
        xp.reshape(given(refined.transl, transl), (*lead, 3)),
        xp.reshape(refined.selection, (*lead, refined.selection.shape[1])),
        xp.reshape(refined.path_score, lead),
        xp.reshape(refined.reprojection_error, lead),
        xp.reshape(refined.status, lead),
    )


def _pose_as_given(request: Request, refined: Refined, *, changed: bool) -> Any:
    """Return the refined poses as matrices or axis-angle vectors, whichever the estimate was."""
    xp = array_namespace(refined.pose)
    estimate = request.given_pose
    joints = request.skeleton.num_joints
    if len(pose_tail(tuple(estimate.shape), joints)) == 3:
        return xp.reshape(refined.pose, estimate.shape)
    # An estimate that comes back does not take the way to matrices and back, which is not exact.
    vectors = axis_angle_from_matrix(refined.pose)
    own = xp.astype(xp.reshape(estimate, vectors.shape), vectors.dtype)
    good = refined.status == 0 if changed else xp.zeros_like(refined.status, dtype=xp.bool)
    return xp.reshape(_where(good, vectors, own), estimate.shape)
