"""Bodies to measure with: made up from a fixed seed, so that no file is needed."""

from __future__ import annotations

import pickle
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kitro_np import default_intrinsics, load_body
from kitro_np.arrays.rotations import matrix_from_axis_angle
from kitro_np.body.model import BodyModel
from kitro_np.camera import project

DISTINCT = 256
"""Bodies that differ; larger batches repeat them."""

VERTICES = 6890
"""Vertices of SMPL, which some libraries take for granted."""


class Batch(NamedTuple):
    pose: np.ndarray  # (N, 24, 3, 3)
    betas: np.ndarray  # (N, 10)
    transl: np.ndarray  # (N, 3)
    keypoints_2d: np.ndarray  # (N, 24, 2)
    intrinsics: np.ndarray  # (N, 3, 3)


def make_batch(count: int, dtype: str = "float64") -> Batch:
    """Estimates of `count` bodies, off by some 8 degrees a joint, and the keypoints of the truth."""
    which = np.arange(count) % DISTINCT
    return Batch(*(part.astype(dtype)[which] for part in _distinct()))


@lru_cache(maxsize=1)
def _distinct() -> Batch:
    rng = np.random.default_rng(20261123)
    pose = rng.normal(0, 0.3, (DISTINCT, 24, 3))
    pose[:, 0] = rng.normal([np.pi, 0, 0], 0.5, (DISTINCT, 3))  # upright where y points down
    betas = rng.normal(0, 1, (DISTINCT, 10))
    transl = rng.normal([0, 0, 5], 0.3, (DISTINCT, 3))
    intrinsics = np.broadcast_to(default_intrinsics((1000, 1000)), (DISTINCT, 3, 3))
    keypoints = project(load_body().joints(pose, betas, transl), intrinsics)
    estimate = matrix_from_axis_angle(pose + rng.normal(0, 0.15, pose.shape))
    return Batch(estimate, 0.5 * betas, transl + rng.normal(0, 0.1, transl.shape), keypoints, intrinsics)


def smpl_arrays() -> dict[str, np.ndarray]:
    """The open body in SMPL's size: three vertices more, and invented pose blend shapes."""
    body = load_body()
    which = np.minimum(np.arange(VERTICES), body.num_vertices - 1)
    rng = np.random.default_rng(0)
    regressor = np.zeros((24, VERTICES))
    regressor[:, : body.num_vertices] = body.J_regressor
    parents = np.array(body.skeleton.parents)
    return {
        "v_template": np.asarray(body.v_template, np.float64)[which],
        "shapedirs": np.asarray(body.shapedirs, np.float64)[which],
        "posedirs": rng.normal(0, 1e-3, (VERTICES, 3, 207)),
        "J_regressor": regressor,
        "weights": np.asarray(body.weights, np.float64)[which],
        "kintree_table": np.stack([parents, np.arange(24)]),
        "f": np.asarray(body.faces).astype(np.int64),
    }


def write_smpl_files(folder: Path) -> Path:
    """Write that body under the names that the libraries look for; return the plain one."""
    content = pickle.dumps(smpl_arrays(), protocol=2)
    plain = folder / "SMPL_NEUTRAL.pkl"
    for name in (plain.name, "basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl"):
        (folder / name).write_bytes(content)
    np.save(folder / "kid_template.npy", np.zeros((VERTICES, 3)))  # smplfitter's "there is none"
    return plain


def plain_forward(body: BodyModel, pose: np.ndarray, betas: np.ndarray, transl: np.ndarray):
    """Joints and vertices of one body in float64, straight from SMPL's equations: the reference."""
    pose, betas = pose.astype(np.float64), betas.astype(np.float64)
    shaped = body.v_template + np.asarray(body.shapedirs, np.float64) @ betas
    rest = np.asarray(body.J_regressor, np.float64) @ shaped
    if body.posedirs is not None:
        shaped = shaped + np.asarray(body.posedirs, np.float64) @ (pose[1:] - np.eye(3)).ravel()
    moves = []
    for joint, parent in enumerate(body.skeleton.parents):
        own = np.eye(4)
        own[:3, :3] = pose[joint]
        own[:3, 3] = rest[joint] - (rest[parent] if parent >= 0 else 0)
        moves.append(moves[parent] @ own if parent >= 0 else own)
    moves = np.array(moves)
    joints = moves[:, :3, 3].copy()
    moves[:, :3, 3] -= np.einsum("jab,jb->ja", moves[:, :3, :3], rest)
    blended = np.einsum("vj,jab->vab", np.asarray(body.weights, np.float64), moves)
    vertices = np.einsum("vab,vb->va", blended[:, :3, :3], shaped) + blended[:, :3, 3]
    return joints + transl, vertices + transl
