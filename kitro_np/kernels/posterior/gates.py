"""Gates of a tile: how far each keypoint is from its prior prediction, at the estimate."""

from __future__ import annotations

from ...posterior.gates import PAIR_MARGIN
from ...posterior.priors import BETAS_PRECISION, KEYPOINT_DOF
from ..jit import kernel
from ..lanes import full, load, sqrt, store, where
from ..vector_math import dot, load2, load3, load9, rows3, store_all, transform
from .gauss_newton import backwards, cholesky, forwards
from .projection import point_jacobians
from .robust import weigh
from .scalars import NOISE, SWAP, TURNED


@kernel
def gate_keypoints(tree, chains, tile, memory):
    """Fused twin of kitro_np.posterior.gates.gate_keypoints, after linearise_prior: fills weight, inlier.

    At the estimate betas and translation equal their prior means, so only rotations have a right side.
    """
    one = full(tile.betas, 1.0)
    for a in range(chains.moving.size):
        j = chains.moving[a]
        factor = cholesky(load9(memory.prior_block, j))
        store_all(
            memory.joint_step, 3 * j, backwards(factor, forwards(factor, load3(memory.prior_right_side, j)))
        )
        store_all(memory.covariance, 9 * (chains.first_block[j] + chains.depth[j]), factor)
    noise = load(memory.scalars, NOISE)
    # Once left and right have been put right, counterparts do not count.
    sides_right = where(load(memory.scalars, SWAP) > -0.5, 0.0, one)
    sides_right = where(load(memory.scalars, TURNED) > 0.5, 0.0, sides_right)
    for k in range(chains.point_joint.size):
        point_jacobians(tree, chains, tile, memory, k, one)
        mean_u, mean_v, uu, uv, vv = _predicted(chains, memory, k)
        u, v = load(memory.residual, 2 * k) - mean_u, load(memory.residual, 2 * k + 1) - mean_v
        uu, vv = uu + noise * noise, vv + noise * noise
        determinant = uu * vv - uv * uv
        squared = (vv * u * u - 2.0 * uv * u * v + uu * v * v) / determinant
        store(memory.inlier, k, squared)
        store(memory.affine_weight, k, sqrt(determinant))
        twin = chains.point_mirror[k]
        own_u, own_v = load2(tile.keypoints, k)
        twin_u, twin_v = load2(tile.keypoints, twin)
        u, v = u + twin_u - own_u, v + twin_v - own_v
        store(memory.weight, k, (vv * u * u - 2.0 * uv * u * v + uu * v * v) / determinant)
    for k in range(chains.point_joint.size):
        twin = chains.point_mirror[k]
        if twin < k:
            continue
        squared, twin_squared = load(memory.inlier, k), load(memory.inlier, twin)
        exchanged, twin_exchanged = load(memory.weight, k), load(memory.weight, twin)
        both = load(memory.confidence, k) * load(memory.confidence, twin) > 0.0
        own = (KEYPOINT_DOF + squared) * (KEYPOINT_DOF + twin_squared)
        other = (KEYPOINT_DOF + exchanged) * (KEYPOINT_DOF + twin_exchanged)
        likelier = where(both, where(PAIR_MARGIN * other < own, sides_right, 0.0), 0.0) > 0.5
        if twin != k:
            weigh(
                memory, twin, where(likelier, twin_exchanged, twin_squared), load(memory.affine_weight, twin)
            )
        weigh(memory, k, where(likelier, exchanged, squared), load(memory.affine_weight, k))


@kernel
def _predicted(chains, memory, k):
    """Prior prediction of a point from its projection, J_k L^-1 p, and its covariance J_k L^-1 J_k^T."""
    border = memory.border_step.shape[0]
    transl_jacobian_u, transl_jacobian_v = (
        rows3(memory.border_jacobian_u, border - 3),
        rows3(memory.border_jacobian_v, border - 3),
    )
    covariance = load9(memory.transl_covariance, 0)
    by_u = transform(covariance, transl_jacobian_u)
    uu, uv, vv = (
        dot(by_u, transl_jacobian_u),
        dot(by_u, transl_jacobian_v),
        dot(transform(covariance, transl_jacobian_v), transl_jacobian_v),
    )
    mean_u, mean_v = 0.0 * uu, 0.0 * uu
    for s in range(border - 3):
        u, v = load(memory.border_jacobian_u, s), load(memory.border_jacobian_v, s)
        uu, uv, vv = (
            uu + u * u / BETAS_PRECISION,
            uv + u * v / BETAS_PRECISION,
            vv + v * v / BETAS_PRECISION,
        )
    for d in range(chains.point_above[k]):
        j = chains.chain[chains.point_joint[k], d]
        factor = load9(memory.covariance, chains.first_block[j] + chains.depth[j])
        rotvec = load3(memory.joint_step, j)
        mean_u = mean_u + dot(rotvec, load3(memory.joint_jacobian_u, d))
        mean_v = mean_v + dot(rotvec, load3(memory.joint_jacobian_v, d))
        by_u, by_v = (
            forwards(factor, load3(memory.joint_jacobian_u, d)),
            forwards(factor, load3(memory.joint_jacobian_v, d)),
        )
        uu, uv, vv = uu + dot(by_u, by_u), uv + dot(by_u, by_v), vv + dot(by_v, by_v)
    return mean_u, mean_v, uu, uv, vv
