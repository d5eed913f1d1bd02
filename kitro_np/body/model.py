"""BodyModel: a body in SMPL's format, from parameters to joints and vertices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, overload

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj

from ..arrays.arguments import check_integer, like_pose, real_array
from ..arrays.engines import CPU_ENGINES, ENGINES, choose_engine, on_cuda, on_device_of
from ..arrays.forks import cached_property
from ..arrays.interchange import Interchange, interchange_for
from ..arrays.poses import as_matrices, pose_tail
from ..arrays.read_only import read_only, read_only_like
from ..errors import InputError, one_of
from ..typing import Array, ArrayLike, ArrayT, CpuEngineName, Nested
from .kinematics import forward_kinematics
from .skeleton import Skeleton
from .skinning import Surface, forward_body, lay_out_surface

if TYPE_CHECKING:
    from typing_extensions import Self

MEMORY, GPU_MEMORY = 25_000_000, 1_000_000_000
"""Bytes that array stages may use for a block of bodies; more on a GPU, which small blocks leave idle."""

NUMBERS_PER_VERTEX = 27
"""Numbers that skinning holds per vertex of a body at its peak: a blended transform, and five vectors."""

KERNEL_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
"""Dtypes of the kernels."""

FLOATS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights")
"""Floating-point arrays of a body."""


class _Points(NamedTuple):
    joints: Any
    vertices: Any


class BodyOutput(_Points, Generic[ArrayT]):
    """Joints (..., J, 3) and vertices (..., V, 3), in metres."""

    __slots__ = ()  # a named tuple needs no instance dict; Python 3.10 has no generic NamedTuple

    if TYPE_CHECKING:
        joints: ArrayT
        vertices: ArrayT

        def __new__(cls, joints: ArrayT, vertices: ArrayT) -> Self: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class BodyModel:
    """A body in SMPL's format: shape and pose blend shapes, linear blend skinning.

    NumPy arrays are read-only; writable ones are copied.

    Parameters
    ----------
    name : str
    v_template : (V, 3) array
        Vertices of the mean shape, in metres.
    shapedirs : (V, 3, S) array
        Displacement of the vertices per unit of each beta, in metres.
    posedirs : (V, 3, 9 (J - 1)) array or None
        Displacement per entry of R_j - I for all joints but the root, in metres.
    J_regressor : (J, V) array
        Rest joints as weighted sums of vertices.
    weights : (V, J) array
        Skinning weights.
    faces : (F, 3) array of int
        Triangles.
    skeleton : Skeleton
        Kinematic tree and rest joints; :meth:`from_arrays` derives it.

    References
    ----------
    Loper et al. SMPL: A Skinned Multi-Person Linear Model. ACM Transactions on Graphics 34(6), 2015.
    """

    name: str
    v_template: Array
    shapedirs: Array
    posedirs: Array | None
    J_regressor: Array
    weights: Array
    faces: Array
    skeleton: Skeleton
    _converted: dict[Any, BodyModel] = field(default_factory=dict, repr=False)
    _kernels_by_dtype: dict[Any, Any] = field(default_factory=dict, repr=False)
    _origin: BodyModel | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name in (*FLOATS, "faces"):
            object.__setattr__(self, name, read_only(getattr(self, name)))

    @classmethod
    def from_arrays(
        cls,
        name: str,
        v_template: Array,
        shapedirs: Array,
        posedirs: Array | None,
        J_regressor: Array,  # noqa: N803 - SMPL's name
        weights: Array,
        faces: Array,
        parents: Sequence[int] | Array,
        joint_names: Sequence[str] | None = None,
    ) -> BodyModel:
        """Build a body and derive its skeleton from the joint regressor, in float64.

        Parameters
        ----------
        name, v_template, shapedirs, posedirs, J_regressor, weights, faces
            As of the class; NumPy arrays.
        parents, joint_names
            As of :class:`Skeleton`.

        Returns
        -------
        BodyModel

        Raises
        ------
        InputError
            If `parents` is no tree, or shapes are inconsistent.
        """
        regressor, vertices = np.asarray(J_regressor, dtype=np.float64), v_template.shape[0]
        if regressor.ndim != 2 or regressor.shape[1] != vertices:
            raise InputError(f"J_regressor: expected shape (J, {vertices}), got {tuple(regressor.shape)}.")
        template = _at_joints(regressor, np.asarray(v_template, dtype=np.float64))
        directions = np.asarray(shapedirs, dtype=np.float64).reshape(vertices, -1)
        joint_shapedirs = _at_joints(regressor, directions).reshape(len(regressor), 3, -1)
        skeleton = Skeleton(parents, template, joint_shapedirs, joint_names)
        body = cls(name, v_template, shapedirs, posedirs, J_regressor, weights, faces, skeleton)
        body.check_shapes()
        return body

    def check_shapes(self) -> None:
        """Raise InputError if shapes are inconsistent: kernels read memory by these shapes."""
        joints, betas, vertices = self.num_joints, self.num_betas, self.num_vertices
        shapes = {
            "v_template": (vertices, 3),
            "shapedirs": (vertices, 3, betas),
            "posedirs": (vertices, 3, 9 * (joints - 1)),
            "J_regressor": (joints, vertices),
            "weights": (vertices, joints),
        }
        for name, shape in shapes.items():
            array = getattr(self, name)
            if tuple(np.shape(array) if array is not None else shape) != shape:
                raise InputError(f"{name}: expected shape {shape}, got {tuple(np.shape(array))}.")

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

    @overload
    def forward(
        self,
        pose: ArrayT,
        betas: ArrayLike | None = None,
        transl: ArrayLike | None = None,
        *,
        engine: CpuEngineName | None = None,
        threads: int | None = None,
    ) -> BodyOutput[ArrayT]: ...

    @overload
    def forward(
        self,
        pose: Sequence[Nested],
        betas: ArrayLike | None = None,
        transl: ArrayLike | None = None,
        *,
        engine: CpuEngineName | None = None,
        threads: int | None = None,
    ) -> BodyOutput[np.ndarray]: ...

    def forward(
        self,
        pose: Any,
        betas: Any = None,
        transl: Any = None,
        *,
        engine: str | None = None,
        threads: int | None = None,
    ) -> BodyOutput[Any]:
        """Pose the body: joints and vertices (SMPL, Eq. 2-10 of Loper et al. 2015).

        Parameters
        ----------
        pose : (..., J, 3, 3), (..., J, 3) or (..., 3 J) array_like
            Local rotation matrices, or axis-angle vectors in radians.
        betas : (..., S') array_like, optional
            At most S shape coefficients; zeros by default.
        transl : (..., 3) array_like, optional
            Translation in metres, added to joints and vertices; zeros by default.
        engine : {None, "numba", "array"}
            None selects fused kernels for arrays in the CPU's memory, the array stages for others.
        threads : int, optional
            Threads of the numba engine; by default as many as cores available to the process.

        Returns
        -------
        BodyOutput
            Arrays of the kind and dtype of `pose`.

        Raises
        ------
        InputError
            If an argument is wrong: its shape does not fit the body, it holds no real numbers, or it is no
            array of the same kind as `pose`.
        """
        if threads is not None:
            threads = check_integer("threads", threads, least=1)
        engine = None if engine is None else one_of("engine", engine, ENGINES)
        exchange = _interchange(pose, engine)
        if exchange is not None:
            arguments = exchange.arguments(pose, betas=betas, transl=transl)
            posed = self.forward(**arguments, engine="numba", threads=threads)
            return BodyOutput(*(_in_pose_dtype(exchange, part, pose) for part in posed))
        checked = self._read(pose, betas, transl)
        if choose_engine(engine, checked.pose, CPU_ENGINES) == "numba":
            joints, vertices = self._kernels(checked.pose.dtype).forward(*checked.rows, threads)
        else:
            with on_device_of(checked.pose):
                joints, vertices = self._run_stages(checked)
        return BodyOutput(
            checked.restore(joints, self.num_joints), checked.restore(vertices, self.num_vertices)
        )

    @overload
    def joints(
        self,
        pose: ArrayT,
        betas: ArrayLike | None = None,
        transl: ArrayLike | None = None,
        *,
        engine: CpuEngineName | None = None,
    ) -> ArrayT: ...

    @overload
    def joints(
        self,
        pose: Sequence[Nested],
        betas: ArrayLike | None = None,
        transl: ArrayLike | None = None,
        *,
        engine: CpuEngineName | None = None,
    ) -> np.ndarray: ...

    def joints(self, pose: Any, betas: Any = None, transl: Any = None, *, engine: str | None = None) -> Any:
        """Posed joints (..., J, 3) in metres, without the vertices; parameters as in :meth:`forward`."""
        if engine in (None, "numba") and type(pose) is np.ndarray:
            # Plain arrays go straight to the kernel: the other checks take longer than the kernel.
            kernels = self._kernels_by_dtype.get(pose.dtype)
            if kernels is not None and kernels.takes(pose, betas, transl):
                return kernels.joints(pose, betas, transl)
        engine = None if engine is None else one_of("engine", engine, ENGINES)
        exchange = _interchange(pose, engine)
        if exchange is not None:
            arguments = exchange.arguments(pose, betas=betas, transl=transl)
            return _in_pose_dtype(exchange, self.joints(**arguments, engine="numba"), pose)
        checked = self._read(pose, betas, transl)
        if choose_engine(engine, checked.pose, CPU_ENGINES) == "numba":
            joints = self._kernels(checked.pose.dtype).joints(*checked.rows)
        else:
            with on_device_of(checked.pose):
                matrices, _ = as_matrices(checked.pose, self.num_joints)
                joints = forward_kinematics(self.skeleton.like(checked.pose), matrices, checked.betas).joints
                joints = joints + checked.transl[:, None, :]
        return checked.restore(joints, self.num_joints)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: without working memory of kernels and copies for other libraries."""
        kept = {name: value for name, value in self.__dict__.items() if name != "_surface"}
        return {**kept, "_converted": {}, "_kernels_by_dtype": {}}

    def like(self, array: Array) -> BodyModel:
        """Return this body with arrays of the kind, dtype and device of `array`."""
        key = (array_namespace(array).__name__, str(array.dtype), str(device(array)))
        if key not in self._converted:
            floats = {name: getattr(self, name) for name in FLOATS}
            parts = {name: read_only_like(part, array) for name, part in floats.items() if part is not None}
            self._converted[key] = replace(
                self,
                **parts,
                skeleton=self.skeleton.like(array),
                _converted={},
                _kernels_by_dtype={},
                _origin=self._origin or self,
            )
        return self._converted[key]

    def _read(self, pose: Any, betas: Any, transl: Any) -> _CheckedPose:
        """Check the arguments, and flatten their leading axes to one."""
        pose = real_array("pose", pose)
        xp = array_namespace(pose)
        if not xp.isdtype(pose.dtype, "real floating"):
            pose = xp.astype(pose, xp.float64)
        dtype = pose.dtype
        if dtype not in (xp.float32, xp.float64):
            pose = xp.astype(pose, xp.float32)  # half precision is computed in float32
        tail = pose_tail(tuple(pose.shape), self.num_joints)
        lead = tuple(pose.shape[: pose.ndim - len(tail)])
        count = math.prod(lead)
        rows = {"betas": (betas, self.num_betas), "transl": (transl, 3)}
        betas, transl = (self._rows(name, *row, pose, lead) for name, row in rows.items())
        form = (3, 3) if len(tail) == 3 else (3,)
        return _CheckedPose(xp.reshape(pose, (count, self.num_joints, *form)), betas, transl, lead, dtype)

    def _rows(self, name: str, value: Any, width: int, pose: Any, lead: tuple[int, ...]) -> Any:
        """Return an argument as (N, width), padded with zeros."""
        xp = array_namespace(pose)
        kind = {"dtype": pose.dtype, "device": device(pose)}
        count = math.prod(lead)
        if value is None:
            return xp.zeros((count, width), **kind)
        value = xp.astype(like_pose(pose, name, value), pose.dtype, copy=False)
        columns = value.shape[-1] if value.ndim else width + 1
        if tuple(value.shape[:-1]) != lead or columns > width or (columns < width and name != "betas"):
            raise InputError(f"{name}: expected shape {(*lead, width)}, got {tuple(value.shape)}.")
        value = xp.reshape(value, (count, columns))
        if columns == width:
            return value
        return xp.concat([value, xp.zeros((count, width - columns), **kind)], axis=1)

    def _kernels(self, dtype: Any) -> Any:
        """Return the kernels of this body for a dtype."""
        if dtype not in self._kernels_by_dtype:
            # Imported on first use: importing Numba takes longer than everything else.
            from ..kernels.body.run import BodyKernels

            self._kernels_by_dtype[dtype] = BodyKernels(self._origin or self, dtype)
        return self._kernels_by_dtype[dtype]

    def _run_stages(self, checked: _CheckedPose) -> tuple[Any, Any]:
        """Run the array engine."""
        model = self.like(checked.pose)
        pose, _ = as_matrices(checked.pose, self.num_joints)
        block = _block_size(self.num_vertices, pose)
        return forward_body(model.skeleton, model._surface, pose, checked.betas, checked.transl, block)

    @cached_property
    def _surface(self) -> Surface:
        """Lay out the vertices as array stages read them."""
        return lay_out_surface(self.v_template, self.shapedirs, self.posedirs, self.weights)


def _at_joints(regressor: np.ndarray, of_vertices: np.ndarray) -> np.ndarray:
    """Return `regressor @ of_vertices`, of the few vertices that have weights.

    Not by BLAS, which would use its own threads for it: a fork in another thread might hang (see
    :mod:`kitro_np.arrays.forks`), and where cores are busy they wait for each other.
    """
    used = np.flatnonzero(regressor.any(axis=0))
    return np.einsum("jv,vk->jk", regressor[:, used], of_vertices[used])


def _block_size(vertices: int, like: Any) -> int:
    """Return the number of bodies in a block."""
    size = array_namespace(like).finfo(like.dtype).bits // 8
    memory = GPU_MEMORY if on_cuda(like) else MEMORY
    return max(1, memory // (size * NUMBERS_PER_VERTEX * vertices))


def _interchange(pose: Any, engine: str | None) -> Interchange | None:
    """Return the conversion to NumPy for a pose of another library in the CPU's memory, else None."""
    if type(pose) is np.ndarray or engine == "array" or not is_array_api_obj(pose):
        return None
    return interchange_for(pose)


def _in_pose_dtype(exchange: Interchange, points: np.ndarray, pose: Any) -> Any:
    """Return points in the kind of a pose, and in its dtype if that is floating-point."""
    xp = array_namespace(pose)
    converted = exchange.from_numpy(points)
    floating = xp.isdtype(pose.dtype, "real floating")
    return xp.astype(converted, pose.dtype, copy=False) if floating else converted


class _CheckedPose(NamedTuple):
    """Checked pose (matrices or vectors), betas and transl with one leading axis; lead and dtype given."""

    pose: Any
    betas: Any
    transl: Any
    lead: tuple[int, ...]
    dtype: Any

    def restore(self, points: Any, number: int) -> Any:
        """Return `number` points of each of N bodies in the caller's leading shape and dtype."""
        xp = array_namespace(points)
        return xp.reshape(xp.astype(points, self.dtype, copy=False), (*self.lead, number, 3))

    @property
    def rows(self) -> tuple[Any, ...]:
        """Pose, betas and transl as the kernels read them: axis-angle vectors are (3, 1)."""
        pose = self.pose if self.pose.ndim == 4 else self.pose[..., None]
        # Numba would compile further variants for read-only or unaligned arrays.
        return tuple(np.require(part, None, ["C", "A", "W"]) for part in (pose, self.betas, self.transl))


@lru_cache(maxsize=16)
def with_betas(skeleton: Skeleton, num_betas: int) -> Skeleton:
    """Cache Skeleton.with_betas: the kernels' layout is cached for each skeleton object."""
    return skeleton.with_betas(num_betas)
