"""Every reader of files, by name: the suffix of its files and what reads one to the end."""

import importlib.util
from functools import cache
from itertools import islice

import numpy as np

import kitro_np
from kitro_np.evaluation.protocols import regressed_protocol
from kitro_np.formats.estimates import EstimateFile
from kitro_np.formats.estimates_in.read import find_reader
from kitro_np.formats.keypoints_in.read import find_keypoint_reader
from kitro_np.formats.registry import find_format
from kitro_np.formats.threedpw import read_3dpw
from kitro_np.simulate.motion import read_motion
from kitro_np.streaming.manifest import read_manifest
from kitro_np.streaming.rows import stops_of
from kitro_np.streaming.shards import open_shard


@cache
def body():
    return kitro_np.load_body("open")


def read_model(path):
    kitro_np.load_body(path, num_betas=None)


def read_sequence(path):
    find_format(path)
    read_3dpw(path, body())


def read_arrays(path):
    """Read as refine, eval and explain do, and all other arrays."""
    file = EstimateFile(path)
    wrong = None
    for read in (
        file.estimates,
        lambda: file.tracks((len(file.get("pose")),)) if file.get("pose") is not None else None,
        lambda: file.sequences((3,)),
        lambda: file.body_name + file.layout,
        lambda: file.fps,
        # Whole, as whoever computes with them has them: a view of one number may have millions.
        lambda: [np.ascontiguousarray(file.get(key)).shape for key in islice(file._arrays, 40)],
    ):
        try:
            read()
        except kitro_np.InputError as error:
            wrong = error
    if wrong is not None:
        raise wrong


def read_people(path):
    find_reader(path)
    kitro_np.read_estimates(path, body=body(), image_size=(1280, 720))


def read_points_2d(path):
    find_keypoint_reader(path)
    kitro_np.read_keypoints(path, image_size=(1280, 720))


def read_result(path):
    repr(kitro_np.RefineResult.load(path))


@cache
def refiner():
    """A refiner that has all that it needs in memory."""
    warm = kitro_np.Refiner(each_frame=True)
    warm(kitro_np.example())
    return warm


def read_rows(path):
    """Read a few rows of a shard at a time and refine them, as a run does; tracks stay together."""
    own = refiner()
    shard = open_shard(path, own.reads)
    try:
        labels = shard.column("track") if "track" in shard.names else None
        for rows in islice(shard.batches(stops_of(shard.rows, 2, labels)), 4):
            own.run({**rows.passed, **rows.arrays}, str(path))
    finally:
        shard.close()


READERS = {
    "model_pkl": (".pkl", read_model),
    "model_npz": (".npz", read_model),
    "sequence_pkl": (".pkl", read_sequence),
    "arrays_pt": (".pt", read_arrays),
    "arrays_npz": (".npz", read_arrays),
    "result_npz": (".npz", read_result),
    "estimates_pkl": (".pkl", read_people),
    "estimates_pt": (".pt", read_people),
    "estimates_npz": (".npz", read_people),
    "estimates_npy": (".npy", read_people),
    "estimates_json": (".json", read_people),
    "keypoints_json": (".json", read_points_2d),
    "keypoints_txt": (".txt", read_points_2d),
    "keypoints_pkl": (".pkl", read_points_2d),
    "keypoints_npz": (".npz", read_points_2d),
    "keypoints_pt": (".pt", read_points_2d),
    "markers_trc": (".trc", kitro_np.read_points),
    "motion_npz": (".npz", read_motion),
    "regressor_npy": (".npy", regressed_protocol),
    "shard_npz": (".npz", read_rows),
    "manifest_jsonl": (".jsonl", read_manifest),
}
if importlib.util.find_spec("pyarrow"):
    READERS["shard_parquet"] = (".parquet", read_rows)

UNBOUNDED = {"shard_parquet"}
"""Readers whose process may take more memory than is known before: a run over shards bounds its workers'."""
