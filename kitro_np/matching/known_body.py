"""The body that estimates are on, or the open body in its place where there is no file of it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..body import BodyModel, load_body
from ..body.families import BODY_JOINTS
from ..body.load import default_body
from ..formats.people import PeopleEstimates

ROOTS = {
    "smpl": (-0.0018, -0.2233, 0.0282),
    "smplh": (-0.0018, -0.2233, 0.0282),
    "smplx": (0.0031, -0.3514, 0.0120),
}
"""Root joint of the mean body, in metres: for those who have no file of it."""


class BodyArguments(NamedTuple):
    """Estimates as arguments of a body: pose (N, J, 3, 3), betas (N, S) and transl (N, 3)."""

    pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray


class KnownBody(NamedTuple):
    """A body that there is.

    Attributes
    ----------
    model : BodyModel
    root : (3,) array or None
        If the body takes another's place, that one's root joint: it is kept, betas are not, which mean
        other shapes.
    note : str
        A sentence if so; else empty.
    """

    model: BodyModel
    root: np.ndarray | None = None
    note: str = ""

    def place(self, estimates: PeopleEstimates) -> BodyArguments:
        """Return estimates on this body: joints that it lacks are left out, those it has more are at rest."""
        model, count, given = self.model, len(estimates), estimates.pose.shape[1]
        joints = model.num_joints
        pose, betas, transl = estimates.pose, estimates.betas[:, : model.num_betas], estimates.transl
        if given != joints:
            # Bodies with other hands or a face share the joints of the body.
            shared = min(given, joints, len(BODY_JOINTS))
            pose = np.broadcast_to(np.eye(3), (count, joints, 3, 3)).copy()
            pose[:, :shared] = estimates.pose[:, :shared]
        if self.root is not None:
            betas = np.zeros((count, model.num_betas))
            transl = transl + self.root - np.asarray(model.skeleton.host.joint_template)[0]
        return BodyArguments(pose, np.ascontiguousarray(betas), np.ascontiguousarray(transl))

    def hold(self, estimates: PeopleEstimates) -> PeopleEstimates:
        """Return estimates on this body, named by it."""
        stands_in = estimates.stands_in or self.root is not None
        placed = self.place(estimates)._asdict()
        return replace(estimates, **placed, body=self.model.name, stands_in=stands_in)


def known_body(estimates: PeopleEstimates, body: BodyModel | str | None = None) -> KnownBody:
    """Return the body given, else the estimates' own; without a file of that, the open body.

    Raises
    ------
    FileNotFoundError
        If there is no file of the body given.
    """
    if isinstance(body, BodyModel):
        return KnownBody(body)
    name = estimates.body if body is None else body
    try:
        return KnownBody(load_body(name))
    except FileNotFoundError:
        if body is not None or name not in ROOTS:
            raise
    model = default_body()
    note = (
        f"There is no file of {name}: {model.name} takes its place, from its mean shape. "
        "models/README.md says where the file goes."
    )
    return KnownBody(model, np.array(ROOTS[name]), note)
