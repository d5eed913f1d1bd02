"""Find SMPL-family model files: folders to search, and file names."""

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
    "name_of_file",
    "search_folders",
]

_FOLDER_VARIABLE = "KITRO_NP_MODELS"

_LETTERS = {"female": "f", "male": "m"}
"""Abbreviations in the file names of the SMPL releases."""


def find_model_file(name: str, gender: str = "neutral", folder: str | os.PathLike[str] | None = None) -> Path:
    """Find the file of a licensed body model, under its release's name or a usual one.

    Parameters
    ----------
    name : str
        ``"smpl"``, ``"smplh"``, ``"smplx"`` or ``"mano"``, case-insensitive.
    gender : str
        ``"neutral"``, ``"female"`` or ``"male"``. For MANO ``"right"`` or ``"left"``; the default
        ``"neutral"`` selects the right hand.
    folder : path, optional
        Folder to search first, see `search_folders`.

    Returns
    -------
    Path
        The first file in the order of the folders, then of the file names.

    Raises
    ------
    InputError
        If the name or the gender is unknown.
    FileNotFoundError
        If there is no such file; the message lists the file names, the searched folders, the files of other
        genders, and the page that offers the file.
    """
    model, kind = _checked(name, gender)
    folders = search_folders(folder)
    path = _first_file(model, kind, folders)
    if path is not None:
        return path
    family = FAMILIES[model]
    searched = ", ".join(map(str, folders))
    present = {other: _first_file(model, other, folders) for other in family.kinds}
    others = " and ".join(f"{other!r} ({file})" for other, file in present.items() if file is not None)
    alternatives = f"; there is a file for {others}" if others else ""
    raise FileNotFoundError(
        f"{model}: expected a model file for {kind!r}, any of {', '.join(file_names(model, kind))}, got none "
        f"in {searched} or their usual subfolders{alternatives}; get it from {family.home} under the licence "
        "given there."
    )


def search_folders(folder: str | os.PathLike[str] | None = None) -> list[Path]:
    """List the folders searched for model files, in order, whether they exist or not.

    Parameters
    ----------
    folder : path, optional
        Folder to put first.

    Returns
    -------
    list of Path
        `folder` if given, ``$KITRO_NP_MODELS`` if set, ``./models``, and ``kitro_np/models`` in the user's
        data folder, without duplicates.
    """
    given = [folder, os.environ.get(_FOLDER_VARIABLE), "models"]
    folders = [Path(item).expanduser() for item in given if item is not None and os.fspath(item)]
    folders += [home / "kitro_np" / "models" for home in _data_homes()]
    return list(dict.fromkeys(folders))


def file_names(name: str, gender: str = "neutral") -> list[str]:
    """List the names of a model's file, the preferred one first.

    Parameters
    ----------
    name, gender
        As for `find_model_file`.

    Returns
    -------
    list of str
        File names, some with a folder; they are compared case-insensitively.

    Raises
    ------
    InputError
        If the name or the gender is unknown.
    """
    model, kind = _checked(name, gender)
    words = {"gender": kind, "GENDER": kind.upper(), "letter": _LETTERS.get(kind, kind)}
    return [pattern.format(**words) for pattern in FAMILIES[model].file_names]


def name_of_file(path: Path) -> str:
    """Return the name of the body in a file: its stem; male_model for SMPL-H's male/model.npz."""
    known = (file for model in LICENSED for kind in FAMILIES[model].kinds for file in file_names(model, kind))
    in_folder = f"{path.parent.name}/{path.name}"
    if in_folder.lower() in (file.lower() for file in known):
        return f"{path.parent.name}_{path.stem}"
    return path.stem


def _checked(name: str, gender: str) -> tuple[str, str]:
    model = one_of("name", name, LICENSED)
    return model, kind_of(model, gender)


def kind_of(model: str, gender: Any) -> str:
    """Return the gender or side of a model's file; "neutral" selects the first, for a hand the right one."""
    family = FAMILIES[model]
    default = isinstance(gender, str) and gender.lower() == "neutral"
    return family.kinds[0] if default else one_of(f"gender of {model}", gender, family.kinds)


def _first_file(model: str, kind: str, folders: list[Path]) -> Path | None:
    candidates = itertools.product(folders, file_names(model, kind), FAMILIES[model].subfolders)
    paths = (_resolve(folder, f"{subfolder}/{name}") for folder, name, subfolder in candidates)
    return next(filter(None, paths), None)


def _data_homes() -> Iterator[Path]:
    """Yield the user's data folder, if there is one."""
    try:
        home = Path.home()
    except RuntimeError:  # a container without HOME and without a passwd entry for the user
        return
    if sys.platform == "darwin":
        yield home / "Library" / "Application Support"
    elif sys.platform == "win32":
        yield Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        given = Path(os.environ.get("XDG_DATA_HOME", ""))
        # The XDG Base Directory Specification says to ignore relative paths.
        yield given if given.is_absolute() else home / ".local" / "share"


def _resolve(start: Path, relative: str) -> Path | None:
    """Resolve a relative path case-insensitively; None if it is no file."""
    path = start
    for part in relative.strip("/").split("/"):
        exact = path / part
        try:
            entries = [exact] if exact.exists() else sorted(path.iterdir())
        except OSError:  # the folder does not exist or cannot be read
            return None
        matching = [entry for entry in entries if entry.name.lower() == part.lower()]
        if not matching:
            return None
        path = matching[0]
    return path if path.is_file() else None
