"""The body whose joints and betas the built one shares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ..shared.errors import BuildError
from ..shared.shape_space import BETAS
from ..shared.smpl_skeleton import JOINT_NAMES
from .regressor import joints_of


@dataclass
class Reference:
    """Its shape space and joints."""

    template: np.ndarray  # (v, 3)
    directions: np.ndarray  # (v, 3, 10)
    joints: np.ndarray  # (24, 3, 11): of the template, then of the ten directions


def read_reference(path: Path) -> Reference:
    """Read the template, the directions and the joints of the body that the built one agrees with."""
    try:
        with np.load(path) as data:
            template, directions, regressor = (
                data[key].astype(np.float64) for key in ("v_template", "shapedirs", "J_regressor")
            )
    except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise BuildError(
            f"--joints-from must be a body .npz in SMPL's format or `none`, but {error}."
        ) from error
    if directions.shape != (len(template), 3, BETAS) or regressor.shape != (len(JOINT_NAMES), len(template)):
        raise BuildError(f"--joints-from needs {BETAS} betas and {len(JOINT_NAMES)} joints, unlike {path}.")
    joints = joints_of(regressor, np.dstack([template, directions]))
    return Reference(template, directions, joints)
