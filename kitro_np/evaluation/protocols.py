"""Protocols: the joints that are compared with the ground truth, and their root."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from ..arrays.arguments import real_array
from ..arrays.read_only import read_only_like
from ..body import BodyModel, BodyOutput
from ..body.families import SMPL
from ..errors import InputError
from ..safe_io.npz import read_npy_file
from ..safe_io.refused import RefusedError
from ..typing import Array, ArrayLike, ArrayT

LSP_JOINTS = (8, 5, 2, 1, 4, 7, 21, 19, 17, 16, 18, 20, 12, 15)
"""The 14 LSP-like joints among SMPL's 24: right leg, left leg, right arm, left arm, neck, head."""

HIPS = (1, 2)
"""SMPL joints whose mean is the pelvis of the LSP-like protocol."""

H36M_JOINTS = (6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10)
"""The same 14 joints among the 17 rows of Human3.6M's regressor."""

H36M_HIPS = (4, 1)
"""Rows of Human3.6M's regressor whose mean is the pelvis, as in the authors' code and VIBE."""

H36M_PELVIS = (0,)
"""Row of Human3.6M's regressor that is the pelvis, as in SPIN."""


@dataclass(frozen=True, eq=False)
class Protocol:
    """Joints to compare, and their root.

    Parameters
    ----------
    name : str
    joints : tuple of int
        Joints to compare.
    root : tuple of int
        Joints whose mean is the root, which is subtracted for metrics without similarity alignment.
    regressor : (R, V) array, optional
        Joints as weighted sums of a posed body's vertices; `joints` and `root` are then its rows, otherwise
        joints of the skeleton.
    names : tuple of str, optional
        Names of `joints`; by default the skeleton's, or the row numbers of a regressor.
    """

    name: str
    joints: tuple[int, ...]
    root: tuple[int, ...]
    regressor: Array | None = None
    names: tuple[str, ...] | None = None

    def names_of(self, body: BodyModel) -> tuple[str, ...]:
        """Names of the K joints to compare."""
        if self.names is not None:
            return self.names
        if self.regressor is not None:
            return tuple(str(row) for row in self.joints)
        return tuple(body.skeleton.joint_names[j] for j in self.joints)

    def joints_of(self, body: BodyOutput[ArrayT]) -> ArrayT:
        """All joints that the protocol selects from, regressed or the skeleton's: (N, R, 3)."""
        if self.regressor is None:
            return body.joints
        xp = array_namespace(body.vertices)
        return xp.matmul(read_only_like(self.regressor, body.vertices), body.vertices)

    def pick(self, joints: ArrayT) -> ArrayT:
        """Joints to compare: (N, K, 3) from (N, R, 3)."""
        return _select(joints, self.joints)

    def pick_about_root(self, joints: ArrayT) -> ArrayT:
        """Joints to compare, relative to the root: (N, K, 3) from (N, R, 3)."""
        xp = array_namespace(joints)
        return self.pick(joints) - xp.mean(_select(joints, self.root), axis=1, keepdims=True)

    def check_body(self, body: BodyModel) -> None:
        """Raise InputError if a body lacks joints to compare, as a hand lacks SMPL's."""
        if self.regressor is not None:
            expected = self.regressor.shape[1]
            if body.num_vertices != expected:
                raise InputError(
                    f"body: expected the regressor's {expected} vertices, got {body.num_vertices}."
                )
            return
        expected = max(*self.joints, *self.root) + 1
        if body.num_joints < expected:
            raise InputError(f"body: expected SMPL's first {expected} joints, got {body.num_joints} joints.")


LSP14 = Protocol("LSP-like, 14 joints", LSP_JOINTS, HIPS)
"""The 14 LSP-like joints relative to the mean of the hips: the protocol that needs no regressor."""


def usual_protocol(body: BodyModel) -> Protocol:
    """Return LSP14, or for a body without its joints, such as a hand, all joints relative to the root."""
    if body.num_joints > max(LSP_JOINTS):
        return LSP14
    return Protocol("all joints", tuple(range(body.num_joints)), (0,))


SMPL24 = Protocol("SMPL, 24 joints", tuple(range(len(SMPL.parents))), (0,))
"""All joints of SMPL relative to its pelvis."""

REGRESSORS = {17: (H36M_JOINTS, H36M_HIPS), len(SMPL.parents): (LSP_JOINTS, HIPS)}
"""Joints and root among the rows of a regressor, by its number of rows: Human3.6M's or SMPL's joints."""


def regressed_protocol(
    regressor: ArrayLike | str | os.PathLike[str], root: tuple[int, ...] | None = None
) -> Protocol:
    """Protocol of the 14 joints regressed from a body's vertices (J14).

    Parameters
    ----------
    regressor : (17, V) or (24, V) array_like, or path to an .npy file
        Human3.6M's rows (J_regressor_h36m.npy), or rows in the order of SMPL's joints.
    root : tuple of int, optional
        Rows whose mean is the root. By default the two hips, as in the authors' evaluation; SPIN uses the
        regressor's pelvis, :data:`H36M_PELVIS`.

    Returns
    -------
    Protocol

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is no array of numbers with 17 or 24 rows.
    """
    if isinstance(regressor, str | os.PathLike):
        regressor = _read_npy(regressor)
    array = real_array("regressor", regressor)
    if array.ndim != 2 or array.shape[0] not in REGRESSORS:
        raise InputError(
            f"regressor: expected shape (17, vertices) or (24, vertices), got {tuple(array.shape)}."
        )
    joints, hips = REGRESSORS[array.shape[0]]
    names = tuple(SMPL.joint_names[j] for j in LSP_JOINTS)
    return Protocol("J14", joints, hips if root is None else root, array, names)


def _read_npy(path: str | os.PathLike[str]) -> np.ndarray:
    try:
        return read_npy_file(Path(path), "model")
    except RefusedError as reason:
        raise InputError(
            f"regressor: expected an .npy file of numbers, got {path}, which is none: it should have "
            f"{reason.expected}, and has {reason.got}."
        ) from None


def _select(joints: Any, indices: tuple[int, ...]) -> Any:
    xp = array_namespace(joints)
    return xp.stack([joints[:, j, :] for j in indices], axis=1)
