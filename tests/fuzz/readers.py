"""Every reader of files, by name: the suffix of its files and what reads one to the end."""

from functools import cache
from itertools import islice

import kitro_np
from kitro_np.evaluation.protocols import regressed_protocol
from kitro_np.formats.estimates import EstimateFile
from kitro_np.formats.estimates_in.read import find_reader
from kitro_np.formats.keypoints_in.read import find_keypoint_reader
from kitro_np.formats.registry import find_format
from kitro_np.formats.threedpw import read_3dpw
from kitro_np.simulate.motion import read_motion


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
        lambda: [file.get(key) for key in islice(file._arrays, 40)],
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
}
