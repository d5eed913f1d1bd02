"""Method "kitro": KITRO as published, and its options."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal, TypedDict

from ..arrays.engines import ENGINES
from ..refinement.chunks import run_stages
from ..refinement.method import MOST_STEPS, Execution, Method, option
from ..refinement.outcome import Outcome
from ..refinement.request import Request
from .algorithm import refine_arrays
from .variants import UPDATES, VARIANTS, Variant, find_variant


class KitroOptions(TypedDict, total=False):
    """Options of :class:`Kitro`, by name."""

    variant: Literal["released", "paper"]
    iterations: int
    shape_steps: int
    camera_update: Literal["soft", "hard", "fixed"]
    shape_update: Literal["bone_length", "joints_2d", "fixed"]
    pose_update: Literal["soft", "hard", "fixed"]
    search: Literal["tree", "greedy"]


@dataclass(frozen=True)
class Kitro(Method, name="kitro"):
    """KITRO, Algorithm 1 (CVPR 2024).

    Parameters
    ----------
    variant : {"released", "paper"}
        The authors' released code, which their published results come from, or the paper as written.
    iterations : int
        Loops of Algorithm 1.
    shape_steps : int
        Adam steps on betas in each loop.
    camera_update : {"soft", "hard", "fixed"}
        Halfway to the least-squares translation (Eq. 6), to it, or not at all (Table 1).
    shape_update : {"bone_length", "joints_2d", "fixed"}
        Fit betas to projected bone lengths (Eq. 9), to the keypoints (Eq. 3), or not at all.
    pose_update : {"soft", "hard", "fixed"}
        Rotate bones to a blend of solution and current bone (Eq. 17), to the solution, or not at all.
    search : {"tree", "greedy"}
        The path with the largest product of scores (Eq. 16), or the better branch at each bone.

    References
    ----------
    Yang, Gu, Yao. KITRO: Refining Human Mesh by 2D Clues and Kinematic-tree Rotation. CVPR 2024.
    """

    engines = ENGINES
    gives_branches = True

    variant: Literal["released", "paper"] = option(
        "released", "released code or paper as written", choices=tuple(VARIANTS)
    )
    iterations: int = option(10, "loops of Algorithm 1", least=0, most=MOST_STEPS)
    shape_steps: int = option(10, "steps on betas a loop", least=0, most=MOST_STEPS)
    camera_update: Literal["soft", "hard", "fixed"] = option(
        "soft", "Table 1", choices=UPDATES["camera_update"]
    )
    shape_update: Literal["bone_length", "joints_2d", "fixed"] = option(
        "bone_length", "Table 1", choices=UPDATES["shape_update"]
    )
    pose_update: Literal["soft", "hard", "fixed"] = option("soft", "Table 1", choices=UPDATES["pose_update"])
    search: Literal["tree", "greedy"] = option("tree", "Table 1", choices=UPDATES["search"])

    @property
    def switches(self) -> Variant:
        """The variant with this method's options."""
        updates = {name: getattr(self, name) for name in UPDATES}
        return find_variant(self.variant, **updates)

    @property
    def changes_pose(self) -> bool:
        """Whether there is at least one iteration."""
        return self.iterations > 0

    def run(self, request: Request, execution: Execution) -> Outcome:
        """Run Algorithm 1 by kernels, on a CPU or a GPU, or by array stages."""
        steps = (self.switches, self.iterations, self.shape_steps)
        rest = (execution.chunk_size, execution.progress)
        if execution.engine == "numba":
            from ..kernels.kitro.run import run_kernels

            return Outcome(run_kernels(request, *steps, *rest, threads=execution.threads))
        if execution.engine == "cuda":
            from ..kernels.kitro.run_gpu import run_gpu

            return Outcome(run_gpu(request, *steps, *rest))
        variant, iterations, shape_steps = steps
        loops = partial(refine_arrays, variant=variant, iterations=iterations, shape_steps=shape_steps)
        return Outcome(run_stages(request, execution, loops))
