"""Skeleton: the kinematic tree and rest joints of a body, all that refinement needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from ..arrays.arguments import check_integer, real_array
from ..arrays.forks import cached_property
from ..arrays.products import times_matrix
from ..arrays.read_only import read_only, read_only_like
from ..errors import InputError
from ..typing import Array, ArrayLike, ArrayT
from .families import SMPL


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A kinematic tree whose rest joints are linear in betas: J(betas) = template + shapedirs betas.

    NumPy arrays are read-only; writable ones are copied.

    Parameters
    ----------
    parents : sequence of int
        Parent of each joint; -1 at the root. Every parent comes before its children.
    joint_template : (J, 3) array
        Rest joints of the mean shape, in metres.
    joint_shapedirs : (J, 3, S) array
        Displacement of the rest joints per unit of each beta, in metres.
    joint_names : sequence of str, optional

    Raises
    ------
    InputError
        If `parents` is no tree in topological order, or the arrays hold no real numbers or have inconsistent
        shapes.
    """

    parents: tuple[int, ...]
    joint_template: Array
    joint_shapedirs: Array
    joint_names: tuple[str, ...]
    host: Skeleton  # the skeleton that like() made this one from: kernels read its arrays

    def __init__(
        self,
        parents: Sequence[int] | Array,
        joint_template: ArrayLike,
        joint_shapedirs: ArrayLike,
        joint_names: Sequence[str] | None = None,
    ) -> None:
        tree = _checked_parents(parents)
        count = len(tree)
        template = _float_array("joint_template", joint_template)
        shapedirs = _float_array("joint_shapedirs", joint_shapedirs)
        if tuple(template.shape) != (count, 3):
            raise InputError(f"joint_template: expected shape ({count}, 3), got {tuple(template.shape)}.")
        if shapedirs.ndim != 3 or tuple(shapedirs.shape[:2]) != (count, 3):
            raise InputError(
                f"joint_shapedirs: expected shape ({count}, 3, S), got {tuple(shapedirs.shape)}."
            )
        names = tuple(joint_names) if joint_names is not None else _default_names(tree)
        if len(names) != count:
            raise InputError(f"joint_names: expected {count} names, got {len(names)}.")
        for name, value in (
            ("parents", tree),
            ("joint_template", read_only(template)),
            ("joint_shapedirs", read_only(shapedirs)),
            ("joint_names", names),
            ("host", self),
        ):
            object.__setattr__(self, name, value)

    @property
    def num_joints(self) -> int:
        """Number of joints J."""
        return len(self.parents)

    @property
    def num_betas(self) -> int:
        """Number of shape coefficients S."""
        return int(self.joint_shapedirs.shape[2])

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Children of every joint, in ascending order."""
        children: list[list[int]] = [[] for _ in self.parents]
        for joint, parent in enumerate(self.parents[1:], start=1):
            children[parent].append(joint)
        return tuple(map(tuple, children))

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Count the bones between the root and every joint; joint c has 2**depths[c] hypotheses."""
        depths = [0]
        for parent in self.parents[1:]:
            depths.append(depths[parent] + 1)
        return tuple(depths)

    @cached_property
    def limb_counts(self) -> tuple[int, ...]:
        """Count the leaves below or at every joint: how many paths from the root to a leaf use its bone."""
        counts = [0] * self.num_joints
        for joint in reversed(range(self.num_joints)):
            counts[joint] = sum(counts[c] for c in self.children[joint]) or 1
        return tuple(counts)

    @cached_property
    def branch_points(self) -> tuple[int, ...]:
        """Joints with more than one child."""
        return tuple(j for j, c in enumerate(self.children) if len(c) > 1)

    @cached_property
    def chains(self) -> tuple[tuple[int, ...], ...]:
        """Chains of joints between root, branch points and leaves: SMPL's legs, trunk, head and arms."""
        starts = [c for c in range(1, self.num_joints) if self.parents[c] in (0, *self.branch_points)]
        chains = []
        for start in starts:
            chain = [start]
            while len(self.children[chain[-1]]) == 1:
                chain.append(self.children[chain[-1]][0])
            chains.append(tuple(chain))
        return tuple(chains)

    def rest_joints(self, betas: ArrayT) -> ArrayT:
        """Rest joints J(betas) = template + shapedirs betas: (N, J, 3) from (N, S)."""
        xp = array_namespace(betas)
        shapedirs = xp.reshape(self.joint_shapedirs, (3 * self.num_joints, self.num_betas))
        offsets = xp.reshape(times_matrix(betas, xp.matrix_transpose(shapedirs)), (-1, self.num_joints, 3))
        return self.joint_template + offsets

    def like(self, array: Array) -> Skeleton:
        """Return this skeleton with arrays of the kind, dtype and device of `array`."""
        skeleton = Skeleton(
            self.parents,
            read_only_like(self.joint_template, array),
            read_only_like(self.joint_shapedirs, array),
            self.joint_names,
        )
        object.__setattr__(skeleton, "host", self.host)
        return skeleton

    def with_betas(self, num_betas: int) -> Skeleton:
        """Return this skeleton with only its first `num_betas` shape coefficients."""
        if num_betas == self.num_betas:
            return self
        skeleton = Skeleton(
            self.parents, self.joint_template, self.joint_shapedirs[:, :, :num_betas], self.joint_names
        )
        if self.host is not self:
            object.__setattr__(skeleton, "host", self.host.with_betas(num_betas))
        return skeleton


def _checked_parents(parents: Sequence[int] | Array) -> tuple[int, ...]:
    numbers = np.asarray(real_array("parents", parents)).ravel().tolist()
    tree = tuple(check_integer("parents", number, least=-1) for number in numbers)
    if not tree or tree[0] != -1:
        raise InputError(f"parents: expected -1 for the root, joint 0, got {tree[:1] or 'no joints'}.")
    for joint, parent in enumerate(tree[1:], start=1):
        if not 0 <= parent < joint:
            raise InputError(f"parents: expected a joint before joint {joint} as its parent, got {parent}.")
    return tree


def _float_array(name: str, value: Any) -> Any:
    value = real_array(name, value)
    xp = array_namespace(value)
    return value if xp.isdtype(value.dtype, "real floating") else xp.astype(value, xp.float64)


def _default_names(parents: tuple[int, ...]) -> tuple[str, ...]:
    """Return SMPL's names for a tree with as many joints as SMPL, numbered names for any other."""
    if len(parents) == len(SMPL.joint_names):
        return SMPL.joint_names
    return tuple(f"joint_{j}" for j in range(len(parents)))
