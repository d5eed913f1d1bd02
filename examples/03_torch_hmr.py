"""Refine what a network of torch returned, here HMR2's, without leaving torch.

Usage: python examples/03_torch_hmr.py
"""

import torch

import kitro_np
from kitro_np.arrays.rotations import matrix_from_axis_angle


def refine_output(output, batch, detections, body):
    """Refine HMR2's output for a batch of crops; detections are (N, 17, 3) in pixels of the full image."""
    smpl = {name: value.detach() for name, value in output["pred_smpl_params"].items()}
    pose = torch.cat([smpl["global_orient"], smpl["body_pose"]], dim=1)
    box = torch.cat([batch["box_center"], batch["box_size"][:, None]], dim=1)
    focal_length = 5000 / 256 * batch["img_size"].amax(dim=1)
    # The crop's camera is not the image's: K and translation are converted together.
    camera = kitro_np.crop_to_full_image(output["pred_cam"].detach(), box, batch["img_size"], focal_length)
    return kitro_np.refine(
        pose, smpl["betas"], camera.transl, detections, camera.intrinsics, keypoint_layout="coco17", body=body
    )


def stand_ins():
    """Return tensors as HMR2 gives them for a batch of crops, and OpenPose's detections of COCO's points."""
    views = kitro_np.example("real")
    pose = torch.from_numpy(matrix_from_axis_angle(views["pose"]))
    intrinsics, transl = torch.from_numpy(views["intrinsics"]), torch.from_numpy(views["transl"])
    size, side = 2 * intrinsics[:, :2, 2], torch.full((200,), 400.0)
    focal_length = 5000 / 256 * size.amax(dim=1)
    seen = kitro_np.with_focal_length(intrinsics, transl, focal_length).transl
    scale = 2 * focal_length / (seen[:, 2] * side)
    output = {
        "pred_cam": torch.cat([scale[:, None], seen[:, :2]], dim=1),
        "pred_smpl_params": {
            "global_orient": pose[:, :1], "body_pose": pose[:, 1:], "betas": torch.from_numpy(views["betas"]),
        },
    }  # fmt: skip
    batch = {"img_size": size, "box_center": size / 2, "box_size": side}
    return output, batch, torch.from_numpy(views["keypoints_2d"][:, :17])


if __name__ == "__main__":
    result = refine_output(*stand_ins(), body="open")  # "smpl" for HMR2's own
    print(result.summary())
    print(f"vertices: {type(result.vertices()).__name__} of shape {tuple(result.vertices().shape)}")
