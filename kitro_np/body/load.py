"""Load a body by its name or from a file."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from ..arrays.arguments import check_integer
from ..errors import InputError, one_of
from .families import EMBEDDED, FAMILIES, GENDERS, LICENSED, SIDES
from .locate import find_model_file, kind_of
from .mirror import mirror_body
from .model import BodyModel
from .model_file import SUFFIXES, ModelArrays, read_model_file


def load_body(
    name: str | os.PathLike[str] = "open",
    *,
    gender: str = "neutral",
    num_betas: int | None = 10,
    folder: str | os.PathLike[str] | None = None,
) -> BodyModel:
    """Load a body.

    Parameters
    ----------
    name : str or path
        ``"open"`` for the embedded CC0 body, ``"open_hand"`` for the embedded CC0 hand in MANO's format;
        ``"smpl"``, ``"smplh"``, ``"smplx"`` or ``"mano"`` for a licensed file of yours, in any case; or the
        path of a .pkl or .npz file in SMPL's format.
    gender : {"neutral", "female", "male"}
        Which licensed file; ``"right"`` (the default) or ``"left"`` for hands. Other bodies have no gender.
    num_betas : int or None
        How many shape coefficients to keep; None keeps all.
    folder : path, optional
        Where to look first; then ``$KITRO_NP_MODELS``, ``models/`` and the user's data folder.

    Returns
    -------
    BodyModel

    Raises
    ------
    FileNotFoundError
        If there is no such file; says where it was looked for and where to get it.
    InputError
        If the file is not what it should be, or the name is unknown.

    Notes
    -----
    The left open hand is the mirror image of the right one. MANO_LEFT is read as it is; its shapedirs are
    known to have the right hand's sign in x, so betas change its shape the wrong way along x. The left hand
    without that error is ``kitro_np.body.mirror_body(load_body("mano", gender="right"))``. Take the one that
    the estimates were made with.
    """
    if num_betas is not None:
        num_betas = check_integer("num_betas", num_betas, least=1)
    known = str(name).lower()
    if known in LICENSED:
        path = find_model_file(known, gender, folder)
    else:
        if known == "open_hand":
            return _open_hand(kind_of(known, gender), num_betas)
        one_of("gender", gender, (*GENDERS, *SIDES))
        if known == "open":
            return _open_body(num_betas)
        path = _model_path(name)
    return _from_arrays(path.stem, read_model_file(path, num_betas))


def default_body() -> BodyModel:
    """Return the embedded open body, read once."""
    return _open_body(10)


@lru_cache(maxsize=4)
def _open_body(num_betas: int | None) -> BodyModel:
    with as_file(files(__package__) / str(FAMILIES["open"].embedded)) as path:
        return _from_arrays("open", read_model_file(path, num_betas))


@lru_cache(maxsize=8)
def _open_hand(side: str, num_betas: int | None) -> BodyModel:
    if side == "left":
        return mirror_body(_open_hand("right", num_betas), "open_hand_left")
    with as_file(files(__package__) / str(FAMILIES["open_hand"].embedded)) as path:
        return _from_arrays("open_hand_right", read_model_file(path, num_betas))


def _model_path(name: Any) -> Path:
    name = os.fspath(name) if isinstance(name, os.PathLike) else name
    if not isinstance(name, str) or not name.lower().endswith(SUFFIXES):
        choices = ", ".join((*EMBEDDED, *LICENSED))
        raise InputError(f"body: expected one of {choices} or the path of a .pkl or .npz file, got {name!r}.")
    return Path(name)


def _from_arrays(name: str, arrays: ModelArrays) -> BodyModel:
    return BodyModel.from_arrays(
        name,
        arrays.v_template,
        arrays.shapedirs,
        arrays.posedirs,
        arrays.J_regressor,
        arrays.weights,
        arrays.faces,
        arrays.parents,
        arrays.joint_names,
    )
