"""Write the corpus, small files that readers take, to be changed: python tests/fuzz/write_corpus.py.

What it holds is invented, but for tests/data/authors_estimates.pt, which tests/data/README.md describes.
"""

import json
import pickle
import sys
from pathlib import Path

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).with_name("corpus")
sys.path.insert(0, str(FOLDER.parents[1]))

import smpl_files as make  # noqa: E402 - tests/ is in the path only now

import kitro_np  # noqa: E402
from kitro_np.streaming.manifest import ShardEntry  # noqa: E402

FRAMES, JOINTS = 3, 24


def arrays(rng):
    """Estimates under this package's keys."""
    return {
        "pose": rng.normal(0, 0.3, (FRAMES, 72)).astype("f4"),
        "betas": np.zeros((FRAMES, 10), "f4"),
        "transl": np.tile(np.array([0, 0, 4], "f4"), (FRAMES, 1)),
        "keypoints_2d": rng.uniform(100, 900, (FRAMES, JOINTS, 2)).astype("f4"),
        "intrinsics": np.array([[1000, 0, 640], [0, 1000, 360], [0, 0, 1]], "f4"),
        "frame": np.arange(FRAMES),
        "track": np.array(["a", "a", "b"]),
        "fps": np.array(30.0),
        "sequence": np.array(["walk"] * FRAMES),
        "layout": np.array("smpl24"),
        "body": np.array("open"),
    }


def sequence(rng):
    """A sequence of 3DPW with one person."""
    return {
        "sequence": "walk_00",
        "poses": [rng.normal(0, 0.3, (FRAMES, 72)).astype("f4")],
        "betas": [np.zeros(10, "f4")],
        "trans": [np.zeros((FRAMES, 3), "f4")],
        "jointPositions": [np.zeros((FRAMES, 72), "f4")],
        "poses2d": [np.ones((FRAMES, 3, 18), "f4")],
        "campose_valid": [np.ones(FRAMES, "u1")],
        "genders": ["m"],
        "cam_poses": np.tile(np.eye(4, dtype="f4"), (FRAMES, 1, 1)),
        "cam_intrinsics": np.eye(3, dtype="f4"),
    }


def phalp(rng):
    """Tracks of PHALP."""
    return {
        f"out/{frame:06d}.jpg": {
            "time": frame,
            "shot": 0,
            "tid": [1],
            "tracked_ids": [1],
            "tracked_time": [0],
            "camera": [np.array([0, 0, 50], "f4")],
            "size": [[720, 1280]],
            "smpl": [
                {
                    "global_orient": np.eye(3, dtype="f4")[None],
                    "body_pose": np.tile(np.eye(3, dtype="f4"), (23, 1, 1)),
                    "betas": np.zeros(10, "f4"),
                }
            ],
        }
        for frame in range(2)
    }


def vibe(rng):
    """Tracks of WHAM's kind, in the world and the camera."""
    return {
        0: {
            "pose": rng.normal(0, 0.3, (FRAMES, 72)).astype("f4"),
            "trans": np.zeros((FRAMES, 3), "f4"),
            "betas": np.zeros((FRAMES, 10), "f4"),
            "frame_ids": np.arange(FRAMES),
        }
    }


def write(name, path_or_bytes):
    (FOLDER / name).write_bytes(path_or_bytes)


def shards(own):
    """Write rows as this package does, and as other programs do: flat lists, with dictionaries and packed."""
    own = own | {"intrinsics": np.stack([own["intrinsics"]] * FRAMES)}
    kitro_np.write_shard(FOLDER / "own.npz", own)
    (FOLDER / "own.npz").rename(FOLDER / "shard_npz-own")
    np.savez_compressed(FOLDER / "own.npz", **own)
    (FOLDER / "own.npz").rename(FOLDER / "shard_npz-packed")
    every = {name: part for name, part in own.items() if part.ndim}
    kitro_np.write_shard(FOLDER / "own.parquet", every)
    (FOLDER / "own.parquet").rename(FOLDER / "shard_parquet-own")
    plain = {name: part if part.ndim == 1 else part.reshape(FRAMES, -1) for name, part in every.items()}
    table = pa.table({name: part.tolist() for name, part in plain.items()})
    pq.write_table(table, FOLDER / "shard_parquet-lists")
    entries = [ShardEntry(f"part-{k}.npz", 64 * "a", 64 * "b", 3, {"refined": 3}) for k in range(2)]
    lines = [
        json.dumps({"kitro_np": "0", "versions": {}, "settings": {}}),
        *(entry.line() for entry in entries),
    ]
    write("manifest_jsonl-own", "".join(f"{line}\n" for line in lines).encode())


def main():
    FOLDER.mkdir(exist_ok=True)
    rng = np.random.default_rng(1)
    members = make.body(6, 2, 3)
    small = {key: value.astype("f4") if value.dtype.kind == "f" else value for key, value in members.items()}
    write("model_pkl-chumpy", make.dump(make.mano(make.body(6, 3, 3))))
    write("model_pkl-plain", make.dump(small, 4, python2=False))
    coo = {**small, "J_regressor": make.sparse(small["J_regressor"], "coo")}
    write("model_pkl-coo", make.dump(coo, 0))
    make.write_npz(FOLDER / "model_npz-x", make.smplx(small))
    write("sequence_pkl-one", make.dump(sequence(rng), 2))
    authors = FOLDER.parents[1] / "data" / "authors_estimates.pt"
    for name in ("arrays_pt", "estimates_pt", "keypoints_pt"):
        write(f"{name}-authors", authors.read_bytes())
    own = arrays(rng)
    for name in ("arrays_npz", "estimates_npz", "keypoints_npz"):
        np.savez_compressed(FOLDER / "own.npz", **own)
        (FOLDER / "own.npz").rename(FOLDER / f"{name}-own")
    result = {
        "pose": own["pose"],
        "betas": own["betas"],
        "transl": own["transl"],
        "status": np.zeros(FRAMES, "u1"),
        "method": np.array("map"),
        "options": np.array('{"hypotheses": 0}'),
        **{name: np.ones(FRAMES, "f4") for name in ("reprojection_error", "quality", "loops")},
        "frame": own["frame"],
        "track": np.arange(FRAMES),
    }
    np.savez_compressed(FOLDER / "own.npz", **result)
    (FOLDER / "own.npz").rename(FOLDER / "result_npz-own")
    joblib.dump(vibe(rng), FOLDER / "estimates_pkl-tracks")
    joblib.dump(phalp(rng), FOLDER / "estimates_pkl-phalp", compress=3)
    write("estimates_pkl-plain", pickle.dumps(phalp(rng), 2))
    np.save(FOLDER / "own.npy", np.array(vibe(rng), dtype=object), allow_pickle=True)
    (FOLDER / "own.npy").rename(FOLDER / "estimates_npy-objects")
    easymocap = [
        {"id": 0, "Rh": [[0.1, 0, 0]], "Th": [[0, 0, 3.0]], "poses": [[0.0] * 72], "shapes": [[0.0] * 10]}
    ]
    write("estimates_json-easymocap", json.dumps(easymocap).encode())
    people = [{"person_id": [-1], "pose_keypoints_2d": rng.integers(1, 900, 75).tolist()} for _ in range(2)]
    write("keypoints_json-openpose", json.dumps({"version": 1.3, "people": people}).encode())
    coco = [{"image_id": 1, "category_id": 1, "keypoints": rng.integers(1, 900, 51).tolist(), "score": 0.9}]
    write("keypoints_json-coco", json.dumps(coco).encode())
    line = " ".join(["0", "0.5 0.5 0.2 0.2", *(f"{x:.3f}" for x in rng.random(51))])
    write("keypoints_txt-ultralytics", f"{line}\n{line}\n".encode())
    joblib.dump([people, people], FOLDER / "keypoints_pkl-opencap")
    header = "PathFileType\t4\t(X/Y/Z)\ta.trc\nDataRate\tUnits\n60\tm\n"
    names = "Frame#\tTime\tRHip\t\t\tLHip\t\t\tNeck\t\t\tNose\t\t\tRKnee\n\t\tX1\tY1\tZ1\n\n"
    rows = "".join(f"{n}\t0.0\t" + "\t".join(["0.5"] * 15) + "\n" for n in range(1, 4))
    write("markers_trc-five", (header + names + rows).encode())
    np.savez(FOLDER / "own.npz", poses=own["pose"], trans=own["transl"], mocap_framerate=np.array(60.0))
    (FOLDER / "own.npz").rename(FOLDER / "motion_npz-amass")
    np.save(FOLDER / "own.npy", np.ones((17, 8), "f4"))
    (FOLDER / "own.npy").rename(FOLDER / "regressor_npy-h36m")
    shards(own)
    print(sum(path.stat().st_size for path in FOLDER.iterdir()), "bytes")


if __name__ == "__main__":
    main()
