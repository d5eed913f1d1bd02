"""Where SMPL-family model files are looked for, and under which names."""

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import one_of
from .families import FAMILIES, LICENSED

__all__ = [
    "file_names",
    "find_model_file",
    "kind_of",
    "search_folders",
]

_FOLDER_VARIABLE = "KITRO_NP_MODELS"

_LETTERS = {"female": "f", "male": "m"}  # as the SMPL releases shorten them


def find_model_file(name: str, gender: str = "neutral", folder: str | os.PathLike[str] | None = None) -> Path:
    """Find the file of a licensed body model under the names that people use.

    Parameters
    ----------
    name
        ``"smpl"``, ``"smplh"``, ``"smplx"`` or ``"mano"``, in any case.
    gender
        ``"neutral"``, ``"female"`` or ``"male"``; for MANO ``"right"`` or ``"left"``, where the default
        ``"neutral"`` means the right hand.
    folder
        A folder to look in before the others, see `search_folders`.

    Returns
    -------
    Path
        The first file found: folder by folder, in each one name by name.

    Raises
    ------
    InputError
        When the name or the gender is unknown.
    FileNotFoundError
        When there is no such file; the message lists the folders and names, the files of other
        genders, and where to get the file.
    """
    model, kind = _checked(name, gender)
    folders = search_folders(folder)
    path = _first_file(model, kind, folders)
    if path is not None:
        return path
    family = FAMILIES[model]
    looked = ", ".join(str(start) for start in folders)
    there = {other: _first_file(model, other, folders) for other in FAMILIES[model].kinds}
    others = " and ".join(f"{other!r} ({file})" for other, file in there.items() if file is not None)
    instead = f"; there is one for {others}" if others else ""
    raise FileNotFoundError(
        f"no {model} model file for {kind!r} was found in {looked} or their usual subfolders, where any of "
        f"{', '.join(file_names(model, kind))} would do{instead}; get it from {family.home} under the "
        "licence given there."
    )


def search_folders(folder: str | os.PathLike[str] | None = None) -> list[Path]:
    """List the folders where model files are looked for, in order, whether they exist or not.

    Parameters
    ----------
    folder
        A folder to put first.

    Returns
    -------
    list of Path
        `folder` if given, ``$KITRO_NP_MODELS`` if set, ``./models``, and ``kitro_np/models`` in the user's
        data folder; none of them twice.
    """
    given = [folder, os.environ.get(_FOLDER_VARIABLE), "models"]
    folders = [Path(item).expanduser() for item in given if item is not None and os.fspath(item)]
    folders += [home / "kitro_np" / "models" for home in _data_homes()]
    return list(dict.fromkeys(folders))


def file_names(name: str, gender: str = "neutral") -> list[str]:
    """List the names under which a model's file is found, the first one preferred.

    Parameters
    ----------
    name, gender
        As for `find_model_file`.

    Returns
    -------
    list of str
        File names, some of them with a folder; compared without regard to case.

    Raises
    ------
    InputError
        When the name or the gender is unknown.
    """
    model, kind = _checked(name, gender)
    words = {"gender": kind, "GENDER": kind.upper(), "letter": _LETTERS.get(kind, kind)}
    return [pattern.format(**words) for pattern in FAMILIES[model].file_names]


def _checked(name: str, gender: str) -> tuple[str, str]:
    model = one_of("name", name, LICENSED)
    return model, kind_of(model, gender)


def kind_of(model: str, gender: Any) -> str:
    """Return a gender that a model has; of a hand, the default "neutral" means the right one."""
    family = FAMILIES[model]
    default = isinstance(gender, str) and gender.lower() == "neutral"
    return family.kinds[0] if default else one_of(f"gender of {model}", gender, family.kinds)


def _first_file(model: str, kind: str, folders: list[Path]) -> Path | None:
    places = itertools.product(folders, file_names(model, kind), FAMILIES[model].subfolders)
    paths = (_resolve(start, f"{below}/{candidate}") for start, candidate, below in places)
    return next(filter(None, paths), None)


def _data_homes() -> Iterator[Path]:
    """Yield the user's data folder, if this machine has one."""
    try:
        home = Path.home()
    except RuntimeError:  # a bare container, without HOME and without an entry for the user
        return
    if sys.platform == "darwin":
        yield home / "Library" / "Application Support"
    elif sys.platform == "win32":
        yield Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        given = Path(os.environ.get("XDG_DATA_HOME", ""))
        yield given if given.is_absolute() else home / ".local" / "share"  # the XDG rule for relative paths


def _resolve(start: Path, relative: str) -> Path | None:
    """Follow a relative path without regard to case; None when no file is there."""
    place = start
    for part in relative.strip("/").split("/"):
        exact = place / part
        try:
            twins = [exact] if exact.exists() else sorted(place.iterdir())
        except OSError:  # no such folder, or not ours to list
            return None
        matching = [twin for twin in twins if twin.name.lower() == part.lower()]
        if not matching:
            return None
        place = matching[0]
    return place if place.is_file() else None
