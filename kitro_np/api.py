"""Refinement: Algorithm 1, and the public call around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from array_api_compat import array_namespace, device

from .arrays.arguments import true_or_false, whole_number
from .arrays.engines import CPU_ENGINES, ENGINES, choose_engine, on_device_of
from .arrays.poses import pose_tail
from .arrays.rotations import axis_angle_from_matrix
from .body.kinematics import forward_kinematics
from .body.load import default_body
from .body.skeleton import Skeleton
from .camera import solve_translation, update_translation
from .errors import InputError, one_of
from .kitro.rotate import rotate_joints
from .kitro.shape import fit_shape
from .kitro.tree import select_branches
from .kitro.variants import UPDATES, Variant, find_variant
from .posterior.hypotheses import find_hypotheses, find_likely
from .refinement.chunks import drawn_error, run_stages, where
from .refinement.request import Request, read_request
from .refinement.validity import Status, outcome_status
from .result import Hypotheses, Judged, Refined, RefineResult
from .smplify.descent import smplify_arrays

METHODS = ("map", "kitro", "smplify")
"""Refinement methods on offer: the most probable body, KITRO, and a baseline of gradient descent."""

METHOD_ENGINES = {"map": CPU_ENGINES, "kitro": ENGINES, "smplify": CPU_ENGINES}
"""What each of them runs on."""

OF_KITRO = {
    "variant": "released",
    "iterations": 10,
    "shape_steps": 10,
    **{update: choices[0] for update, choices in UPDATES.items()},
}
"""Arguments that mean nothing to another method, and their defaults."""

OF_MAP = {
    "confidence": None,
    "keypoint_layout": "smpl24",
    "motion_prior": True,
    "safe": True,
    "uncertainty": False,
    "hypotheses": 0,
}
"""The same of ``map``."""


def refine(
    pose: Any,
    betas: Any,
    transl: Any,
    keypoints_2d: Any,
    intrinsics: Any = None,
    *,
    body: Any = None,
    method: str | None = None,
    confidence: Any = None,
    keypoint_layout: Any = "smpl24",
    motion_prior: bool = True,
    safe: bool = True,
    uncertainty: bool = False,
    hypotheses: int = 0,
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
    keypoints_2d : (..., K, 2) array
        In pixels, in the order of `keypoint_layout`: by default those of the body's joints. Of
        ``method="map"`` NaN is not seen; KITRO has no weights, and one written as (0, 0) spoils its limb.
    intrinsics : (3, 3) or (..., 3, 3) array, optional
        Camera matrix [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels.
    body : BodyModel or Skeleton, optional
        The embedded open body by default. Pass the body that the estimate is for.
    method : {None, "map", "kitro", "smplify"}
        The most probable body given estimate, keypoints and human motion (:mod:`kitro_np.posterior`); KITRO
        as published; or SMPLify to compare with (:mod:`kitro_np.smplify.descent`). None is ``map``, but
        ``kitro`` where one of its arguments is given, or the engine ``cuda``.
    confidence : (..., K) array, optional
        Of ``map``: relative precision of each keypoint, as detectors score them, or a mask; 0, False or NaN
        is not seen. A joint that moves no keypoint that is seen keeps the estimate's rotation.
    keypoint_layout : str or KeypointLayout
        Of ``map``: where the keypoints sit on the body, one of :data:`kitro_np.LAYOUTS` or your own.
    motion_prior : bool
        Of ``map``: count on people holding their joints as people do; never of hands.
    safe : bool
        Of ``map``: give back the estimate of a body that its keypoints are unlikely to improve: of another
        person, with left and right swapped, or fewer than 4.
    uncertainty : bool
        Of ``map``: find the spread of the joints, too.
    hypotheses : int
        Of ``map``: find so many likely bodies of each, with their probabilities.
    variant : {"released", "paper"}
        Of ``kitro``, like all to `shape_steps`: the authors' released code, which their published numbers
        come from, or the paper to the letter.
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
    updates = {
        "camera_update": camera_update,
        "shape_update": shape_update,
        "pose_update": pose_update,
        "search": search,
    }
    of_kitro = {"variant": variant, "iterations": iterations, "shape_steps": shape_steps, **updates}
    of_map = {
        "confidence": confidence,
        "keypoint_layout": keypoint_layout,
        "motion_prior": motion_prior,
        "safe": safe,
        "uncertainty": uncertainty,
        "hypotheses": hypotheses,
    }
    method = find_method(method, of_kitro, of_map, engine)
    if progress is not None and not callable(progress):
        raise InputError(f"progress: expected a function or None, got {progress!r}.")
    chosen_variant = find_variant(variant, **updates)
    motion_prior = true_or_false("motion_prior", motion_prior)
    safe, uncertainty = true_or_false("safe", safe), true_or_false("uncertainty", uncertainty)
    hypotheses = whole_number("hypotheses", hypotheses, least=0)
    iterations = whole_number("iterations", iterations, least=0)
    shape_steps = whole_number("shape_steps", shape_steps, least=0)
    if threads is not None:
        threads = whole_number("threads", threads, least=1)
    if chunk_size is not None:
        chunk_size = whole_number("chunk_size", chunk_size, least=1)
    with on_device_of(pose):
        body = default_body() if body is None else body
        request = read_request(
            pose, betas, transl, keypoints_2d, intrinsics, image_size, body, focal_length,
            keypoint_layout, confidence,
        )  # fmt: skip
        steps = (chosen_variant, iterations, shape_steps, chunk_size, progress)
        judged, likely = None, None
        # Numba is the slowest import of all: it waits for the first call.
        match method, choose_engine(engine, request.pose, METHOD_ENGINES[method]):
            case "map", chosen_engine:
                how: dict[str, Any] = {"safe": safe, "spread": uncertainty}
                how |= {"motion_prior": motion_prior, "threads": threads}
                refined, judged = find_likely(request, chosen_engine, chunk_size, progress, **how)
                if hypotheses:
                    likely = find_hypotheses(request, refined, chosen_engine, hypotheses, **how)
            case "smplify", "numba":
                from .kernels.smplify.run import run_smplify

                refined = run_smplify(request, chunk_size, progress, threads=threads)
            case "smplify", _:
                refined = run_stages(request, smplify_arrays, chunk_size, progress)
            case _, "numba":
                from .kernels.kitro.run import run_kernels

                refined = run_kernels(request, *steps, threads=threads)
            case _, "cuda":
                from .kernels.kitro.run_gpu import run_gpu

                refined = run_gpu(request, *steps)
            case _:
                loops = partial(
                    refine_arrays, variant=chosen_variant, iterations=iterations, shape_steps=shape_steps
                )
                refined = run_stages(request, loops, chunk_size, progress)
        if strict:
            _raise_if_any_failed(refined.status)
        changed = method != "kitro" or iterations > 0
        return _give_back(request, refined, judged, likely, pose, betas, transl, changed=changed)


def find_method(
    method: str | None, of_kitro: Mapping[str, Any], of_map: Mapping[str, Any], engine: str | None
) -> str:
    """Return the method asked for, by name or by an argument of its own.

    Arguments of another method are refused: they change nothing, and nobody should believe that they do.
    """
    given = {
        "kitro": [name for name, value in of_kitro.items() if _differs(value, OF_KITRO[name])],
        "map": [name for name, value in of_map.items() if _differs(value, OF_MAP[name])],
    }
    if method is None:
        method = "kitro" if (given["kitro"] and not given["map"]) or engine == "cuda" else "map"
    one_of("method", method, METHODS)
    for owner, names in given.items():
        if names and method != owner:
            raise InputError(
                f"{names[0]}: expected method={owner!r}, whose argument it is, got method={method!r}."
            )
    return method


def _differs(value: Any, default: Any) -> bool:
    return value is not default and not (isinstance(value, str | int) and value == default)


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
    error = drawn_error(skeleton, pose, betas, transl, keypoints_2d, intrinsics)
    status = outcome_status(skeleton, pose, betas, transl)
    return Refined(pose, betas, transl, selection, path_score, error, status)


def _raise_if_any_failed(status: Any) -> None:
    xp = array_namespace(status)
    failed = status != 0
    count = int(xp.sum(xp.astype(failed, xp.int64)))
    if count:
        first = int(xp.argmax(xp.astype(failed, xp.int8)))
        reason = Status(int(status[first])).reason
        raise InputError(f"body {first}: expected a body that can be refined, got {reason} ({count} in all).")


def _give_back(
    request: Request,
    refined: Refined,
    judged: Judged | None,
    likely: Hypotheses | None,
    pose: Any,
    betas: Any,
    transl: Any,
    *,
    changed: bool,
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
        **_verdicts(judged, lead),
        hypotheses=None if likely is None else _with_lead(likely, lead),
    )


def _verdicts(judged: Judged | None, lead: tuple[int, ...]) -> dict[str, Any]:
    known = {} if judged is None else judged._asdict()
    return {
        name: array_namespace(part).reshape(part, (*lead, *part.shape[1:]))
        for name, part in known.items()
        if part is not None
    }


def _with_lead(likely: Hypotheses, lead: tuple[int, ...]) -> Hypotheses:
    xp = array_namespace(likely.pose)
    return Hypotheses(*(xp.reshape(part, (*lead, *part.shape[1:])) for part in likely))


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
    return xp.reshape(where(good, vectors, own), estimate.shape)
