"""Files of trackers and detectors, as these write them, of a scene's estimates and keypoints."""

import json

import joblib
import numpy as np

SIZE = 1280, 720


def write_track(path, estimates, dump=joblib.dump):
    """A track file of PHALP: a dict for each frame, lists of people, by joblib."""
    focal = 5000 / 256 * max(SIZE)
    tree = {}
    for frame in range(int(estimates.frame.max()) + 1):
        rows = np.flatnonzero(estimates.frame == frame)
        # As large in the image with PHALP's focal length as with the scene's.
        far = estimates.transl[rows] * [1, 1, focal / estimates.intrinsics[0, 0, 0]]
        people = estimates.person[rows].tolist()
        tree[f"out/demo/{frame + 1:06d}.jpg"] = {
            "time": frame,
            "shot": 0,
            "tid": people,
            "tracked_ids": people,
            "tracked_time": [0] * len(rows),
            "bbox": [np.zeros(4)] * len(rows),
            "camera": list(far),
            "camera_bbox": [np.zeros(3)] * len(rows),
            "size": [[SIZE[1], SIZE[0]]] * len(rows),
            "smpl": [
                {
                    "global_orient": estimates.pose[row, :1],
                    "body_pose": estimates.pose[row, 1:],
                    "betas": estimates.betas[row],
                }
                for row in rows
            ],
        }
    dump(tree, path)


def write_openpose(folder, keypoints):
    """A file for each frame, people in the detector's order, missing points as zeros."""
    folder.mkdir()
    for frame in range(int(keypoints.frame.max()) + 1):
        people = []
        for row in np.flatnonzero(keypoints.frame == frame):
            scored = np.column_stack([keypoints.points[row], keypoints.confidence[row]])
            people.append({"pose_keypoints_2d": np.nan_to_num(scored).ravel().tolist()})
        name = f"video_{frame:012d}_keypoints.json"
        (folder / name).write_text(json.dumps({"version": 1.3, "people": people}))
