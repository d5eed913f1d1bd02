"""AMASS' .npz: the SMPL add-on of Blender, motion models, body visualisers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError
from ..safe_io.npz import write_npz
from .bodies import Bodies
from .names import files_of_people
from .registry import Export
from .smpl_pose import smpl_body, vectors_of, with_fingers

NUM_BETAS = 16
"""Betas in AMASS, at least."""


def write_amass(path: Path, bodies: Bodies, force: bool) -> list[Path]:
    """Write a file for each person: z up, SMPL-H's 52 joints for SMPL's 24, both keys of the frame rate."""
    body = smpl_body(bodies, "AMASS' .npz")
    joints, own = bodies.options.get("joints"), bodies.pose.shape[1]
    if joints not in (None, own) and (joints, own) != (52, 24):
        raise InputError(f"joints: expected {'24 or 52' if own == 24 else own}, got {joints!r}.")
    fingers = own == 24 and joints != 24
    people = list(bodies.tracks())
    targets = files_of_people(path, [person.number for person in people], force)
    for person in people:
        person = person.turned(bodies.options.get("up", "z"))
        vectors = vectors_of(person)
        if fingers:
            vectors = with_fingers(vectors, person, bodies)
        betas = person.betas[0]
        arrays = {
            "trans": person.transl,
            "poses": vectors.reshape(len(vectors), -1),
            "betas": np.pad(betas, (0, max(0, NUM_BETAS - len(betas)))),
            "gender": np.array(body.gender),
            # SMPL-H's files and SMPL-X's have different keys; readers know one of them.
            "mocap_framerate": np.array(bodies.fps),
            "mocap_frame_rate": np.array(bodies.fps),
        }
        if body.family == "smplx":
            arrays["surface_model_type"] = np.array("smplx")
        write_npz(targets[person.number], arrays, force=force)
    return list(targets.values())


EXPORT = Export("amass", ".npz", "motion as in AMASS", write_amass, ("joints", "up"))
