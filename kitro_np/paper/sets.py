"""Data sets of the experiments: simulated, or files of the user."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arrays.poses import as_matrices
from ..body import BodyModel, load_body
from ..body.names import embedded_body
from ..errors import InputError
from ..evaluation.evaluate import check_body
from ..evaluation.protocols import Protocol, usual_protocol
from ..formats.estimates import EstimateFile, Estimates, TrueBodies
from ..refinement.request import Arguments, read_request
from ..simulate import LEVELS, simulate
from ..simulate.fingers import is_hand

QUICK, FULL = 512, 4096
"""Bodies of a simulated set, with and without --quick."""


@dataclass(frozen=True, eq=False)
class DataSet:
    """Estimates of bodies with ground truth.

    Parameters
    ----------
    name : str
    body : BodyModel
    estimates : Estimates
        With rotation matrices, intrinsics and one leading axis.
    truth : TrueBodies
        With rotation matrices and one leading axis.
    protocol : Protocol
        Joints to compare.
    simulated : bool
        Whether the data are simulated.
    """

    name: str
    body: BodyModel
    estimates: Estimates
    truth: TrueBodies
    protocol: Protocol
    simulated: bool = False

    @property
    def hand(self) -> bool:
        """Whether these are hands, whose camera is known."""
        return is_hand(self.body.skeleton)

    @cached_property
    def digest(self) -> str:
        """Digest of everything that results on this set depend on."""
        digest = hashlib.sha256()
        skeleton = self.body.skeleton
        rest = (skeleton.joint_template, skeleton.joint_shapedirs, self.body.v_template, self.body.shapedirs)
        regressor = () if self.protocol.regressor is None else (self.protocol.regressor,)
        for part in (*self.estimates, *self.truth, *rest, *regressor):
            array = np.ascontiguousarray(part)
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(array.data.cast("B") if array.size else b"")
        digest.update(repr((self.protocol.joints, self.protocol.root)).encode())
        return digest.hexdigest()

    def with_noise(self, level: float) -> DataSet:
        """Add Gaussian noise of `level` times the body's height in the image to each keypoint coordinate."""
        keypoints = self.estimates.keypoints_2d
        sides = np.ptp(keypoints, axis=1)
        extent = sides.max(axis=1) if self.hand else sides[:, 1]
        noise = np.random.default_rng(0).normal(0, level, keypoints.shape) * extent[:, None, None]
        estimates = self.estimates._replace(keypoints_2d=keypoints + noise)
        return replace(self, name=f"{self.name}, noise {100 * level:g}%", estimates=estimates)


class Sets(NamedTuple):
    """Data sets of the experiments: people, base estimates of Table 3, and hands."""

    people: Sequence[DataSet]
    bases: Sequence[DataSet]
    hands: Sequence[DataSet]


def simulated_sets(count: int) -> Sets:
    """Simulate the data of all tables: estimates like CLIFF's, like other networks', and of hands."""
    body = load_body()
    people = {
        level: _simulated(f"simulated, errors like {title}", body, level, count)
        for level, title in NETWORKS.items()
    }
    hand = _simulated("simulated hands", load_body("open_hand"), None, count)
    bases = [people[level] for level in NETWORKS if level != "cliff"]
    return Sets([people["cliff"]], bases, [hand])


NETWORKS = {"cliff": "CLIFF", "spin": "SPIN", "eft": "EFT", "prom": "PRoM"}
"""Levels of the simulator, and the networks that they simulate."""
assert set(NETWORKS) <= set(LEVELS)


def _simulated(name: str, body: BodyModel, level: str | None, count: int) -> DataSet:
    simulated = simulate(body=body, count=count, errors=level)
    return DataSet(name, body, simulated.estimates, simulated.truth, usual_protocol(body), simulated=True)


def file_set(
    path: Path, body: BodyModel | None = None, protocol: Protocol | None = None, *, image_size: Any = None
) -> DataSet:
    """Read a data set from a file, as ``kitro-np eval`` does; by default on the file's own body.

    Raises
    ------
    FileNotFoundError, InputError
        If there is no such file, it has no ground truth or arrays of inconsistent shapes, or `image_size` is
        invalid.
    """
    file = EstimateFile(path)
    if body is None:
        body = embedded_body(file.body_name) or load_body()
    protocol = protocol or usual_protocol(body)
    check_body(body, protocol)
    estimates = file.estimates(need_intrinsics=image_size is None)
    lead = estimates.lead(body.num_joints)
    truth = file.truth(body, lead)
    camera = estimates.intrinsics if image_size is None else None
    try:
        request = read_request(Arguments(*estimates[:4], camera, image_size=image_size), body)
    except InputError as problem:
        # The message of `problem` has the form "name: expected ..., got ....".
        raise InputError(f"{path}: {problem}") from None
    estimates = Estimates(
        request.pose,
        request.betas,
        request.transl,
        request.keypoints_2d,
        np.broadcast_to(request.intrinsics, (request.count, 3, 3)),
    )
    true_pose, _ = as_matrices(truth.pose, body.num_joints)
    true_betas = truth.betas.reshape(request.count, truth.betas.shape[-1])
    return DataSet(path.stem, body, estimates, TrueBodies(true_pose, true_betas), protocol)


def file_sets(
    paths: Sequence[Path],
    body: BodyModel | None = None,
    protocol: Protocol | None = None,
    *,
    image_size: Any = None,
) -> list[DataSet]:
    """Read data sets from files, see :func:`file_set`; files of the same name are named by their paths."""
    paths = list(dict.fromkeys(paths))
    stems = [path.stem for path in paths]
    sets = [file_set(path, body, protocol, image_size=image_size) for path in paths]
    return [
        replace(data, name=str(path)) if stems.count(path.stem) > 1 else data
        for path, data in zip(paths, sets, strict=True)
    ]
