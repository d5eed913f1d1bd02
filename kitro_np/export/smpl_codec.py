"""The .smpl layout of smplcodec: Meshcapade's programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..safe_io.npz import write_npz
from .bodies import Bodies
from .names import files_of_people
from .registry import Export
from .smpl_pose import NUM_BODY, smpl_body, vectors_of

CODEC = 2
"""Version of the layout."""

VERSIONS = {"smpl": 0, "smplh": 1, "smplx": 2}
GENDERS = {"neutral": 0, "male": 1, "female": 2}

FINGERS = 15
"""Joints of a hand."""

HEAD = 3
"""SMPL-X's jaw and eyes."""


def write_smpl(path: Path, bodies: Bodies, force: bool) -> list[Path]:
    """Write a file for each person; y up."""
    body = smpl_body(bodies, "a .smpl file")
    people = list(bodies.tracks())
    targets = files_of_people(path, [person.number for person in people], force)
    for person in people:
        person = person.turned(bodies.options.get("up", "y"))
        arrays = {
            "codecVersion": np.int32(CODEC),
            "smplVersion": np.int32(VERSIONS[body.family]),
            "gender": np.int32(GENDERS[body.gender]),
            "shapeParameters": person.betas[0].astype(np.float32),
            "frameCount": np.int32(len(person.frame)),
            "frameRate": np.float32(bodies.fps),
            "bodyTranslation": person.transl.astype(np.float32),
            **_parts(vectors_of(person).astype(np.float32), body.family),
        }
        write_npz(targets[person.number], arrays, force=force)
    return list(targets.values())


EXPORT = Export("smpl", ".smpl", "motion in smplcodec's layout", write_smpl, ("up",))


def _parts(vectors: np.ndarray, family: str) -> dict[str, np.ndarray]:
    """Return the pose by the names of its parts."""
    if family == "smpl":
        return {"bodyPose": vectors}
    parts = {"bodyPose": vectors[:, :NUM_BODY]}
    if family == "smplx":
        parts["headPose"] = vectors[:, NUM_BODY : NUM_BODY + HEAD]
    parts["leftHandPose"] = vectors[:, -2 * FINGERS : -FINGERS]
    parts["rightHandPose"] = vectors[:, -FINGERS:]
    return parts
