"""BodyModel: an SMPL-format body, from parameters to joints and vertices."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj

from ..errors import InputError
from ..geometry import rotate
from ..poses import as_matrices
from .kinematics import forward_kinematics
from .skeleton import Skeleton

BLOCK = 32
"""Bodies that are skinned at once: 32 bodies' blended transforms take about 10 MB in float32."""


class BodyOutput(NamedTuple):
    """Joints (..., J, 3) and vertices (..., V, 3), in metres."""

    joints: Any
    vertices: Any


@dataclass(frozen=True, eq=False)
class BodyModel:
    """A body in SMPL's format: shape blend, pose blend, linear blend skinning.

    Parameters
    ----------
    name : str
    v_template : (V, 3) array
        Mean body, in metres.
    shapedirs : (V, 3, S) array
        Displacement per unit of each beta.
    posedirs : (V, 3, 9 (J - 1)) array or None
        Displacement per entry of R_j - I for all joints but the root.
    J_regressor : (J, V) array
        Rest joints as weighted sums of vertices.
    weights : (V, J) array
        Skinning weights.
    faces : (F, 3) array of int
    skeleton : Skeleton
        What refinement needs; see :meth:`from_arrays`.
    """

    name: str
    v_template: Any
    shapedirs: Any
    posedirs: Any
    J_regressor: Any
    weights: Any
    faces: Any
    skeleton: Skeleton
    _kinds: dict[Any, BodyModel] = field(default_factory=dict, repr=False)

    @classmethod
    def from_arrays(
        cls,
        name: str,
        v_template: Any,
        shapedirs: Any,
        posedirs: Any,
        J_regressor: Any,  # noqa: N803 - SMPL's own name
        weights: Any,
        faces: Any,
        parents: Any,
        joint_names: Any = None,
    ) -> BodyModel:
        """Build a body whose skeleton follows from its joint regressor, in float64."""
        regressor = np.asarray(J_regressor, dtype=np.float64)
        template = regressor @ np.asarray(v_template, dtype=np.float64)
        directions = np.asarray(shapedirs, dtype=np.float64).reshape(len(v_template), -1)
        joint_shapedirs = (regressor @ directions).reshape(len(regressor), 3, -1)
        skeleton = Skeleton(parents, template, joint_shapedirs, joint_names)
        return cls(name, v_template, shapedirs, posedirs, J_regressor, weights, faces, skeleton)

    @property
    def num_joints(self) -> int:
        """Number of joints J."""
        return self.skeleton.num_joints

    @property
    def num_betas(self) -> int:
        """Number of shape coefficients S."""
        return self.skeleton.num_betas

    @property
    def num_vertices(self) -> int:
        """Number of vertices V."""
        return int(self.v_template.shape[0])

    def forward(self, pose: Any, betas: Any = None, transl: Any = None) -> BodyOutput:
        """Pose the body: joints and vertices (SMPL, Eq. 2-10 of Loper et al. 2015).

        Parameters
        ----------
        pose : (..., J, 3, 3), (..., J, 3) or (..., 3 J) array
            Local rotation matrices, or axis-angle vectors in radians.
        betas : (..., S') array, optional
            At most S coefficients; zeros by default.
        transl : (..., 3) array, optional
            In metres, added to everything; zeros by default.

        Returns
        -------
        BodyOutput
            In the kind and dtype of `pose`.

        Raises
        ------
        InputError
            If a shape does not fit the body.
        """
        model, lead, matrices, betas, transl = self._read(pose, betas, transl)
        xp = array_namespace(matrices)
        blocks = [
            model._skin(matrices[i : i + BLOCK, ...], betas[i : i + BLOCK, :], transl[i : i + BLOCK, :])
            for i in range(0, max(matrices.shape[0], 1), BLOCK)
        ]
        joints = xp.concat([b.joints for b in blocks], axis=0)
        vertices = xp.concat([b.vertices for b in blocks], axis=0)
        return BodyOutput(
            xp.reshape(joints, (*lead, self.num_joints, 3)),
            xp.reshape(vertices, (*lead, self.num_vertices, 3)),
        )

    def joints(self, pose: Any, betas: Any = None, transl: Any = None) -> Any:
        """Posed joints alone, (..., J, 3), without touching a vertex; parameters as in :meth:`forward`."""
        model, lead, matrices, betas, transl = self._read(pose, betas, transl)
        xp = array_namespace(matrices)
        joints = forward_kinematics(model.skeleton, matrices, betas).joints + transl[:, None, :]
        return xp.reshape(joints, (*lead, self.num_joints, 3))

    def like(self, array: Any) -> BodyModel:
        """Return this body with arrays of the kind, dtype and device of `array`."""
        xp = array_namespace(array)
        kind = {"dtype": array.dtype, "device": device(array)}
        key = (xp.__name__, str(array.dtype), str(device(array)))
        if key not in self._kinds:
            names = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights")
            parts = {name: getattr(self, name) for name in names}
            parts = {name: None if part is None else xp.asarray(part, **kind) for name, part in parts.items()}
            self._kinds[key] = replace(self, **parts, skeleton=self.skeleton.like(array), _kinds={})
        return self._kinds[key]

    def _read(self, pose: Any, betas: Any, transl: Any) -> tuple[BodyModel, tuple[int, ...], Any, Any, Any]:
        pose = pose if is_array_api_obj(pose) else np.asarray(pose)
        xp = array_namespace(pose)
        if not xp.isdtype(pose.dtype, "real floating"):
            pose = xp.astype(pose, xp.float64)
        matrices, lead = as_matrices(pose, self.num_joints)
        kind = {"dtype": pose.dtype, "device": device(pose)}
        count = matrices.shape[0]
        model = self.like(pose)

        def rows(name: str, value: Any, width: int) -> Any:
            if value is None:
                return xp.zeros((count, width), **kind)
            value = xp.asarray(value, **kind)
            if tuple(value.shape[:-1]) != lead or value.ndim == 0 or value.shape[-1] > width:
                wanted = (*lead, width)
                raise InputError(f"{name}: expected shape {wanted}, got {tuple(value.shape)}.")
            value = xp.reshape(value, (-1, value.shape[-1]))
            if value.shape[1] == width:
                return value
            if name == "transl":
                raise InputError(f"transl: expected shape {(*lead, 3)}, got {(*lead, value.shape[1])}.")
            return xp.concat([value, xp.zeros((count, width - value.shape[1]), **kind)], axis=1)

        return model, lead, matrices, rows("betas", betas, self.num_betas), rows("transl", transl, 3)

    def _skin(self, pose: Any, betas: Any, transl: Any) -> BodyOutput:
        xp = array_namespace(pose)
        count, flat = pose.shape[0], 3 * self.num_vertices
        posed = forward_kinematics(self.skeleton, pose, betas)
        shapedirs = xp.reshape(self.shapedirs, (flat, self.num_betas))
        shaped = xp.reshape(self.v_template, (1, flat)) + xp.matmul(betas, xp.matrix_transpose(shapedirs))
        if self.posedirs is not None:
            eye = xp.eye(3, dtype=pose.dtype, device=device(pose))
            feature = xp.reshape(pose[:, 1:, :, :] - eye, (count, -1))
            posedirs = xp.reshape(self.posedirs, (flat, -1))
            shaped = shaped + xp.matmul(feature, xp.matrix_transpose(posedirs))
        shaped = xp.reshape(shaped, (count, self.num_vertices, 3))
        # A joint's transform takes its rest place to its posed place: x -> G (x - J) + X.
        shift = posed.joints - rotate(posed.global_rotations, self.skeleton.rest_joints(betas))
        transforms = xp.concat([posed.global_rotations, shift[..., None]], axis=-1)
        transforms = xp.reshape(transforms, (count, self.num_joints, 12))
        blended = xp.reshape(xp.matmul(self.weights, transforms), (count, self.num_vertices, 3, 4))
        vertices = rotate(blended[..., :3], shaped) + blended[..., 3]
        return BodyOutput(posed.joints + transl[:, None, :], vertices + transl[:, None, :])


@lru_cache(maxsize=16)
def with_betas(skeleton: Skeleton, num_betas: int) -> Skeleton:
    """Return the skeleton with its first `num_betas` shape coefficients only."""
    if num_betas == skeleton.num_betas:
        return skeleton
    return Skeleton(
        skeleton.parents,
        skeleton.joint_template,
        skeleton.joint_shapedirs[:, :, :num_betas],
        skeleton.joint_names,
    )
