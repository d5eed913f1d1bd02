"""Make smplx_forward.npz: a tiny synthetic body in SMPL's format, posed by the package smplx.

Run with smplx 0.1.28 and torch 2.13.0 (CPU): python make_smplx_fixture.py. Nothing of any licensed
body goes in: every number of the model is drawn at random here.
"""

from pathlib import Path

import numpy as np
import smplx
import torch
from smplx.utils import Struct

PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
VERTICES, JOINTS, BETAS, BODIES = 80, 24, 10, 6


def make_model(random: np.random.Generator) -> dict[str, np.ndarray]:
    weights = random.random((VERTICES, JOINTS)) ** 8
    regressor = random.random((JOINTS, VERTICES)) ** 8
    return {
        "v_template": random.normal(0, 0.5, (VERTICES, 3)).astype(np.float32),
        "shapedirs": random.normal(0, 0.03, (VERTICES, 3, BETAS)).astype(np.float32),
        "posedirs": random.normal(0, 0.02, (VERTICES, 3, 9 * (JOINTS - 1))).astype(np.float32),
        "J_regressor": (regressor / regressor.sum(1, keepdims=True)).astype(np.float32),
        "weights": (weights / weights.sum(1, keepdims=True)).astype(np.float32),
        "f": random.integers(0, VERTICES, (20, 3)),
    }


def main() -> None:
    random = np.random.default_rng(20240617)
    model = make_model(random)
    kintree = np.array([PARENTS, range(JOINTS)])
    # smplx takes the vertices of nose, eyes, toes and fingertips too; all of them are vertex 0 here.
    vertex_ids = dict.fromkeys(smplx.vertex_ids.vertex_ids["smplh"], 0)
    body = smplx.SMPL(
        "",
        data_struct=Struct(**model, kintree_table=kintree),
        vertex_ids=vertex_ids,
        dtype=torch.float64,
        batch_size=BODIES,
    )
    pose = random.normal(0, 0.6, (BODIES, JOINTS, 3))
    pose[0] = 0
    betas, transl = random.normal(0, 1.5, (BODIES, BETAS)), random.normal(0, 2, (BODIES, 3))
    tensors = [torch.tensor(a) for a in (betas, pose[:, 1:].reshape(BODIES, -1), pose[:, 0], transl)]
    out = body(**dict(zip(("betas", "body_pose", "global_orient", "transl"), tensors, strict=True)))
    np.savez_compressed(
        Path(__file__).with_name("smplx_forward.npz"),
        **model,
        parents=PARENTS,
        pose=pose,
        betas=betas,
        transl=transl,
        joints=out.joints[:, :JOINTS].detach().numpy(),
        vertices=out.vertices.detach().numpy(),
    )


if __name__ == "__main__":
    main()
