"""BodyModel: an SMPL-format body, from parameters to joints and vertices."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj

from ..arrays.arguments import check_integer, like_pose, real_array
from ..arrays.engines import CPU_ENGINES, choose_engine, on_device_of
from ..arrays.interchange import Interchange, interchange_for
from ..arrays.poses import as_matrices, pose_tail
from ..arrays.read_only import read_only, read_only_like
from ..errors import InputError
from .kinematics import forward_kinematics
from .skeleton import Skeleton
from .skinning import forward_body

BLOCK = 32
"""Bodies that the array engine skins at once: their blended transforms take about 10 MB in float32."""

KERNEL_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
"""What the kernels compute in."""

FLOATS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights")
"""Arrays of a body that hold real numbers."""


class BodyOutput(NamedTuple):
    """Joints (..., J, 3) and vertices (..., V, 3), in metres."""

    joints: Any
    vertices: Any


@dataclass(frozen=True, eq=False)
class BodyModel:
    """A body in SMPL's format: shape blend, pose blend, linear blend skinning.

    NumPy arrays are read-only, copies where the given ones are not.

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
    _kinds_of_kernels: dict[Any, Any] = field(default_factory=dict, repr=False)
    _origin: BodyModel | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in (*FLOATS, "faces"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

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
        body = cls(name, v_template, shapedirs, posedirs, J_regressor, weights, faces, skeleton)
        body.check_shapes()
        return body

    def check_shapes(self) -> None:
        """Raise InputError if an array does not fit the others: kernels read memory by these shapes."""
        joints, betas, vertices = self.num_joints, self.num_betas, self.num_vertices
        shapes = {
            "v_template": (vertices, 3),
            "shapedirs": (vertices, 3, betas),
            "posedirs": (vertices, 3, 9 * (joints - 1)),
            "J_regressor": (joints, vertices),
            "weights": (vertices, joints),
        }
        for name, shape in shapes.items():
            given = getattr(self, name)
            if tuple(np.shape(given) if given is not None else shape) != shape:
                raise InputError(f"{name}: expected shape {shape}, got {tuple(np.shape(given))}.")

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

    def forward(
        self,
        pose: Any,
        betas: Any = None,
        transl: Any = None,
        *,
        engine: str | None = None,
        threads: int | None = None,
    ) -> BodyOutput:
        """Pose the body: joints and vertices (SMPL, Eq. 2-10 of Loper et al. 2015).

        Parameters
        ----------
        pose : (..., J, 3, 3), (..., J, 3) or (..., 3 J) array
            Local rotation matrices, or axis-angle vectors in radians.
        betas : (..., S') array, optional
            At most S coefficients; zeros by default.
        transl : (..., 3) array, optional
            In metres, added to everything; zeros by default.
        engine : {None, "numba", "array"}
            None takes fused kernels for arrays in the CPU's memory and the array stages for others.
        threads : int, optional
            Threads of the numba engine; as many as the process may use cores by default.

        Returns
        -------
        BodyOutput
            In the kind and dtype of `pose`.

        Raises
        ------
        InputError
            If an argument is wrong: its shape does not fit the body, it holds no real numbers, or it is not
            of pose's kind.
        """
        if threads is not None:
            threads = check_integer("threads", threads, least=1)
        exchange = _interchange(pose, engine)
        if exchange is not None:
            own = exchange.arguments(pose, betas=betas, transl=transl)
            posed = self.forward(**own, engine="numba", threads=threads)
            return BodyOutput(*(_returned(exchange, part, pose) for part in posed))
        given = self._read(pose, betas, transl)
        if choose_engine(engine, given.pose, CPU_ENGINES) == "numba":
            joints, vertices = self._kernels(given.pose.dtype).forward(*given.rows, threads)
        else:
            with on_device_of(given.pose):
                joints, vertices = self._run_stages(given)
        return BodyOutput(given.back(joints, self.num_joints), given.back(vertices, self.num_vertices))

    def joints(self, pose: Any, betas: Any = None, transl: Any = None, *, engine: str | None = None) -> Any:
        """Posed joints alone, (..., J, 3), without touching a vertex; parameters as in :meth:`forward`."""
        if engine in (None, "numba") and type(pose) is np.ndarray:
            # Plain arrays go to the kernel as they are: the other checks take longer than the kernel.
            kernels = self._kinds_of_kernels.get(pose.dtype)
            if kernels is not None and kernels.takes(pose, betas, transl):
                return kernels.joints(pose, betas, transl)
        exchange = _interchange(pose, engine)
        if exchange is not None:
            own = exchange.arguments(pose, betas=betas, transl=transl)
            return _returned(exchange, self.joints(**own, engine="numba"), pose)
        given = self._read(pose, betas, transl)
        if choose_engine(engine, given.pose, CPU_ENGINES) == "numba":
            joints = self._kernels(given.pose.dtype).joints(*given.rows)
        else:
            with on_device_of(given.pose):
                matrices, _ = as_matrices(given.pose, self.num_joints)
                joints = forward_kinematics(self.skeleton.like(given.pose), matrices, given.betas).joints
                joints = joints + given.transl[:, None, :]
        return given.back(joints, self.num_joints)

    def like(self, array: Any) -> BodyModel:
        """Return this body with arrays of the kind, dtype and device of `array`."""
        key = (array_namespace(array).__name__, str(array.dtype), str(device(array)))
        if key not in self._kinds:
            given = {name: getattr(self, name) for name in FLOATS}
            parts = {name: read_only_like(part, array) for name, part in given.items() if part is not None}
            self._kinds[key] = replace(
                self,
                **parts,
                skeleton=self.skeleton.like(array),
                _kinds={},
                _kinds_of_kernels={},
                _origin=self._origin or self,
            )
        return self._kinds[key]

    def _read(self, pose: Any, betas: Any, transl: Any) -> _Given:
        """Check the arguments, and give them one leading axis."""
        pose = real_array("pose", pose)
        xp = array_namespace(pose)
        if not xp.isdtype(pose.dtype, "real floating"):
            pose = xp.astype(pose, xp.float64)
        dtype = pose.dtype
        if dtype not in (xp.float32, xp.float64):
            pose = xp.astype(pose, xp.float32)  # from half precision, the only other there is
        tail = pose_tail(tuple(pose.shape), self.num_joints)
        lead = tuple(pose.shape[: pose.ndim - len(tail)])
        count = math.prod(lead)
        rows = {"betas": (betas, self.num_betas), "transl": (transl, 3)}
        betas, transl = (self._rows(name, *row, pose, lead) for name, row in rows.items())
        form = (3, 3) if len(tail) == 3 else (3,)
        return _Given(xp.reshape(pose, (count, self.num_joints, *form)), betas, transl, lead, dtype)

    def _rows(self, name: str, value: Any, width: int, pose: Any, lead: tuple[int, ...]) -> Any:
        """Return an argument as (N, width), filled up with zeros."""
        xp = array_namespace(pose)
        kind = {"dtype": pose.dtype, "device": device(pose)}
        count = math.prod(lead)
        if value is None:
            return xp.zeros((count, width), **kind)
        value = xp.astype(like_pose(pose, name, value), pose.dtype, copy=False)
        given = value.shape[-1] if value.ndim else width + 1
        if tuple(value.shape[:-1]) != lead or given > width or (given < width and name != "betas"):
            raise InputError(f"{name}: expected shape {(*lead, width)}, got {tuple(value.shape)}.")
        value = xp.reshape(value, (count, given))
        if given == width:
            return value
        return xp.concat([value, xp.zeros((count, width - given), **kind)], axis=1)

    def _kernels(self, dtype: Any) -> Any:
        """Return the kernels of this body for a dtype."""
        if dtype not in self._kinds_of_kernels:
            # Imported on first use: Numba is the slowest import of all.
            from ..kernels.body.run import BodyKernels

            self._kinds_of_kernels[dtype] = BodyKernels(self._origin or self, dtype)
        return self._kinds_of_kernels[dtype]

    def _run_stages(self, given: _Given) -> tuple[Any, Any]:
        """Run the array engine over blocks of bodies."""
        xp = array_namespace(given.pose)
        model = self.like(given.pose)
        matrices, _ = as_matrices(given.pose, self.num_joints)
        blocks = []
        count = matrices.shape[0]
        for start in range(0, max(count, 1), BLOCK):
            own = slice(start, min(start + BLOCK, count))
            joints, vertices = forward_body(
                model.skeleton,
                model.v_template,
                model.shapedirs,
                model.posedirs,
                model.weights,
                matrices[own, ...],
                given.betas[own, :],
            )
            moved = given.transl[own, None, :]
            blocks.append((joints + moved, vertices + moved))
        joints, vertices = (xp.concat(parts, axis=0) for parts in zip(*blocks, strict=True))
        return joints, vertices


def _interchange(pose: Any, engine: str | None) -> Interchange | None:
    """Return the way from a pose's library to the kernels, where its arrays lie in the CPU's memory."""
    return interchange_for(pose) if engine in (None, "numba") and is_array_api_obj(pose) else None


def _returned(exchange: Interchange, points: np.ndarray, pose: Any) -> Any:
    """Return points in the kind of a pose, and in its dtype if it has fractions."""
    xp = array_namespace(pose)
    returned = exchange.outward(points)
    floating = xp.isdtype(pose.dtype, "real floating")
    return xp.astype(returned, pose.dtype, copy=False) if floating else returned


class _Given(NamedTuple):
    """Checked arguments with one leading axis: pose in either form, betas, transl; what the caller gave."""

    pose: Any
    betas: Any
    transl: Any
    lead: tuple[int, ...]
    dtype: Any

    def back(self, points: Any, number: int) -> Any:
        """Return so many points of N bodies in the caller's leading shape and dtype."""
        xp = array_namespace(points)
        return xp.reshape(xp.astype(points, self.dtype, copy=False), (*self.lead, number, 3))

    @property
    def rows(self) -> tuple[Any, ...]:
        """Pose, betas and transl as the kernels read them: a vector of an axis-angle pose is (3, 1)."""
        pose = self.pose if self.pose.ndim == 4 else self.pose[..., None]
        # Numba would compile once more for arrays that are read-only or not aligned.
        return tuple(np.require(part, None, ["C", "A", "W"]) for part in (pose, self.betas, self.transl))


@lru_cache(maxsize=16)
def with_betas(skeleton: Skeleton, num_betas: int) -> Skeleton:
    """Return the same skeleton for the same number of betas: what is laid out for kernels hangs on it."""
    return skeleton.with_betas(num_betas)
