"""Protocols: which joints of a body are compared with the truth, and about which root."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from ..arrays.arguments import real_array
from ..arrays.read_only import read_only_like
from ..body import BodyModel, BodyOutput
from ..body.families import SMPL
from ..errors import InputError

LSP_JOINTS = (8, 5, 2, 1, 4, 7, 21, 19, 17, 16, 18, 20, 12, 15)
"""The 14 LSP-like joints among SMPL's 24: right leg, left leg, right arm, left arm, neck, head."""

HIPS = (1, 2)
"""SMPL joints whose middle is the pelvis of the LSP-like protocol."""

H36M_JOINTS = (6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10)
"""The same 14 joints among the 17 rows of Human3.6M's regressor."""

H36M_HIPS = (4, 1)
"""Rows of Human3.6M's regressor whose middle is the pelvis, as the authors and VIBE have it."""

H36M_PELVIS = (0,)
"""The row of Human3.6M's regressor that is the pelvis, as SPIN has it."""


@dataclass(frozen=True, eq=False)
class Protocol:
    """Which joints are compared, and about which root.

    Parameters
    ----------
    name : str
    joints : tuple of int
        Joints that count.
    root : tuple of int
        Joints whose middle is the root: it is subtracted before joints are compared as they are.
    regressor : (R, V) array, optional
        Joints as weighted sums of a posed body's vertices; the numbers above are its rows. Without one they
        are joints of the skeleton.
    names : tuple of str, optional
        Of the joints that count; by default the skeleton's, or the numbers of a regressor's rows.
    """

    name: str
    joints: tuple[int, ...]
    root: tuple[int, ...]
    regressor: Any = None
    names: tuple[str, ...] | None = None

    def names_of(self, body: BodyModel) -> tuple[str, ...]:
        """Names of the joints that count, K of them."""
        if self.names is not None:
            return self.names
        if self.regressor is not None:
            return tuple(str(row) for row in self.joints)
        return tuple(body.skeleton.joint_names[j] for j in self.joints)

    def joints_of(self, body: BodyOutput) -> Any:
        """All joints that the protocol picks from: (N, R, 3), regressed, or the skeleton's."""
        if self.regressor is None:
            return body.joints
        xp = array_namespace(body.vertices)
        return xp.matmul(read_only_like(self.regressor, body.vertices), body.vertices)

    def pick(self, joints: Any) -> Any:
        """Joints that count, where they are: (N, K, 3) of (N, R, 3)."""
        return _select(joints, self.joints)

    def pick_about_root(self, joints: Any) -> Any:
        """Joints that count, from the root: (N, K, 3) of (N, R, 3)."""
        xp = array_namespace(joints)
        return self.pick(joints) - xp.mean(_select(joints, self.root), axis=1, keepdims=True)

    def check_body(self, body: BodyModel) -> None:
        """Raise InputError if a body lacks what is compared, as a hand lacks SMPL's joints."""
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
"""The 14 LSP-like joints about the middle of the hips: what can be measured without a regressor."""


def usual_protocol(body: BodyModel) -> Protocol:
    """Return LSP14; for a body that lacks its joints, as a hand does, all joints about the root."""
    if body.num_joints > max(LSP_JOINTS):
        return LSP14
    return Protocol("all joints", tuple(range(body.num_joints)), (0,))


SMPL24 = Protocol("SMPL, 24 joints", tuple(range(24)), (0,))
"""All of SMPL's joints about its pelvis."""


def regressed_protocol(regressor: Any, root: tuple[int, ...] | None = None) -> Protocol:
    """Protocol of the 14 joints that a regressor finds among a body's vertices (J14).

    Parameters
    ----------
    regressor : (17, V) or (24, V) array, or path to an .npy file
        Human3.6M's rows (J_regressor_h36m.npy), or rows in the order of SMPL's joints.
    root : tuple of int, optional
        Rows whose middle is the root. By default the two hips, as in the authors' evaluation; SPIN's takes
        the regressor's own pelvis, :data:`H36M_PELVIS`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If that is no array of numbers with 17 or 24 rows.
    """
    if isinstance(regressor, str | os.PathLike):
        regressor = _read_npy(regressor)
    regressor = real_array("regressor", regressor)
    known = {17: (H36M_JOINTS, H36M_HIPS), 24: (LSP_JOINTS, HIPS)}
    if regressor.ndim != 2 or regressor.shape[0] not in known:
        raise InputError(
            f"regressor: expected shape (17, vertices) or (24, vertices), got {tuple(regressor.shape)}."
        )
    joints, hips = known[regressor.shape[0]]
    names = tuple(SMPL.joint_names[j] for j in LSP_JOINTS)
    return Protocol("J14", joints, hips if root is None else root, regressor, names)


def _read_npy(path: str | os.PathLike[str]) -> np.ndarray:
    with open(path, "rb") as file:
        try:
            return np.lib.format.read_array(file, allow_pickle=False)
        except ValueError as error:
            raise InputError(f"regressor: expected an .npy file of numbers, got {path} ({error}).") from None


def _select(joints: Any, which: tuple[int, ...]) -> Any:
    xp = array_namespace(joints)
    return xp.stack([joints[:, j, :] for j in which], axis=1)
