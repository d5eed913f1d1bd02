"""Method "smplify": the baseline for comparison."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TypedDict

from ..refinement.chunks import run_stages
from ..refinement.method import MOST_STEPS, Execution, Method, option
from ..refinement.outcome import Outcome
from ..refinement.request import Request
from .descent import smplify_arrays
from .energy import energy_terms


class SMPLifyOptions(TypedDict, total=False):
    """Options of :class:`SMPLify`, by name."""

    root_steps: int
    steps: int


@dataclass(frozen=True)
class SMPLify(Method, name="smplify"):
    """SMPLify: gradient descent on the reprojection error with priors, with its usual weights.

    Parameters
    ----------
    root_steps : int
        Adam steps of the first stage, on the root's rotation and the translation.
    steps : int
        Adam steps of the second stage, on everything.

    References
    ----------
    Bogo, Kanazawa, Lassner, Gehler, Romero, Black. Keep it SMPL: Automatic Estimation of 3D Human Pose and
    Shape from a Single Image. ECCV 2016.
    """

    root_steps: int = option(100, "Adam steps on root and translation", least=0, most=MOST_STEPS)
    steps: int = option(100, "Adam steps on everything", least=0, most=MOST_STEPS)

    def run(self, request: Request, execution: Execution) -> Outcome:
        """Minimise the energy by kernels or by array stages."""
        steps = (self.root_steps, self.steps)
        if execution.engine == "numba":
            from ..kernels.smplify.run import run_smplify

            rest = (execution.chunk_size, execution.progress)
            terms = energy_terms(request.skeleton)
            return Outcome(run_smplify(request, terms, *rest, threads=execution.threads, steps=steps))
        return Outcome(run_stages(request, execution, partial(smplify_arrays, steps=steps)))
