"""Make authors_estimates.pt: three bodies of sim3dpw_excerpt.npz under the keys of the KITRO authors' file.

Run with torch 2.13.0: python make_torch_fixture.py. Its tensors are views as they occur in practice: of a
storage of their own, of rows and columns of a shared one, of a single matrix repeated; one array is NumPy's.
"""

from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

BODIES = 3


def main() -> None:
    here = Path(__file__).parent
    with np.load(here / "sim3dpw_excerpt.npz") as file:
        sim = {key: file[key] for key in file.files}
    estimates = torch.from_numpy(np.concatenate([sim["pred_beta"], sim["pred_cam"]], axis=1)[: BODIES + 1])
    scored = torch.nn.functional.pad(torch.from_numpy(sim["keypoints_2d"][:BODIES]), (0, 1), value=1)
    truth = Rotation.from_matrix(sim["GT_theta"][:BODIES].reshape(-1, 3, 3)).as_rotvec()
    data = {
        "pred_theta": torch.from_numpy(sim["pred_theta"][:BODIES]).clone(),
        "pred_beta": estimates[:BODIES, :10],
        "pred_cam": estimates[:BODIES, 10:],
        "intrinsics": torch.from_numpy(sim["intrinsics"][0]).expand(BODIES, 3, 3),
        "keypoints_2d": scored[..., :2],
        "GT_pose": torch.from_numpy(truth.reshape(BODIES, 72)),
        "GT_beta": sim["GT_beta"][:BODIES],
        "imagename": [f"clip/image_{number:05d}.jpg" for number in range(BODIES)],
    }
    torch.save(data, here / "authors_estimates.pt")


if __name__ == "__main__":
    main()
