"""Load a body by name or from a file."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from ..arrays.arguments import check_bool, check_integer
from ..errors import InputError, did_you_mean, one_of
from .families import EMBEDDED, FAMILIES, GENDERS, LICENSED, SIDES
from .locate import find_model_file, kind_of, name_of_file
from .mirror import mirror_body
from .model import BodyModel
from .model_file import DEFAULT_BETAS, SUFFIXES, ModelArrays, read_model_file


def load_body(
    name: str | os.PathLike[str] = "open",
    *,
    gender: str = "neutral",
    num_betas: int | None = DEFAULT_BETAS,
    folder: str | os.PathLike[str] | None = None,
    correctives: bool | None = None,
) -> BodyModel:
    """Load a body.

    Parameters
    ----------
    name : str or path
        ``"open"``: the embedded CC0 body in its current version, ``"open_v2"``; ``"open_v1"``: its first
        version, which older files are on. ``"open_hand"``: the embedded CC0 hand in MANO's format.
        ``"smpl"``, ``"smplh"``, ``"smplx"`` or ``"mano"``: a licensed model, whose file you provide. Or the
        path of a .pkl or .npz file in SMPL's format. Names are case-insensitive.
    gender : {"neutral", "female", "male"}
        Gender of a licensed body. Hands take ``"right"`` (the default) or ``"left"``. The open body and files
        given by path ignore it.
    num_betas : int or None
        Number of shape coefficients to keep; None keeps all.
    folder : path, optional
        Folder to search first, before ``$KITRO_NP_MODELS``, ``models/`` and the user's data folder.
    correctives : bool, optional
        Whether the body has pose blend shapes, which give bent elbows, knees and hips their volume back and
        move no joint. By default the open body has none, since ``forward`` takes several times longer with
        them, and others have those of their files.

    Returns
    -------
    BodyModel
        Named by family and gender or side, such as ``smpl_male``; of a path by the file, without its suffix.

    Raises
    ------
    FileNotFoundError
        If there is no such file; the message lists the searched folders and the page that offers the file.
    InputError
        If the name is unknown, the file is no valid body model, or correctives are wanted that it lacks.

    Notes
    -----
    The left open hand is the mirror image of the right one. MANO_LEFT is loaded unchanged; its shapedirs are
    known to have the right hand's sign in x, so betas change its shape the wrong way along x. The left hand
    without that error is ``kitro_np.body.mirror_body(load_body("mano", gender="right"))``. Use the one that
    the estimates were made with.
    """
    if num_betas is not None:
        num_betas = check_integer("num_betas", num_betas, least=1)
    if correctives is not None:
        correctives = check_bool("correctives", correctives)
    family = FAMILIES.get(str(name).lower())
    if family is None or (family.embedded and not family.is_hand):
        one_of("gender", gender, (*GENDERS, *SIDES))
    if family is None:
        path = _model_path(name)
        body_name = name_of_file(path)
    elif family.embedded:
        side = kind_of(family.name, gender) if family.is_hand else None
        return _embedded(
            family.name, side, num_betas, correctives if correctives is None else bool(correctives)
        )
    else:
        path = find_model_file(family.name, gender, folder)
        body_name = f"{family.name}_{kind_of(family.name, gender)}"
    return _from_arrays(body_name, read_model_file(path, num_betas, correctives))


def default_body() -> BodyModel:
    """Return the embedded open body of the current version, loaded once."""
    return _embedded(FAMILIES["open"].name, None, DEFAULT_BETAS, None)


@lru_cache(maxsize=16)
def _embedded(name: str, side: str | None, num_betas: int | None, correctives: bool | None) -> BodyModel:
    """Load an embedded body, or one side of an embedded hand."""
    if side == "left":
        return mirror_body(_embedded(name, "right", num_betas, correctives), f"{name}_left")
    with as_file(files(__package__) / str(FAMILIES[name].embedded)) as path:
        arrays = read_model_file(path, num_betas, correctives)
        return _from_arrays(name if side is None else f"{name}_{side}", arrays)


def _model_path(name: Any) -> Path:
    name = os.fspath(name) if isinstance(name, os.PathLike) else name
    if not isinstance(name, str) or not name.lower().endswith(SUFFIXES):
        names = (*EMBEDDED, *LICENSED)
        raise InputError(
            f"body: expected one of {', '.join(names)} or the path of a .pkl or .npz file, "
            f"got {name!r}{did_you_mean(name, names)}."
        )
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
