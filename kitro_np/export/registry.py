"""Registry of export formats: every module of this folder that defines EXPORT is registered."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from ..errors import InputError, did_you_mean
from .bodies import Bodies

__all__ = ["Export", "find_export", "known_exports"]


@dataclass(frozen=True)
class Export:
    """A format that bodies are written in.

    Parameters
    ----------
    name : str
        Short name, of ``format=``.
    suffix : str
        Of its files, in lower case, with the dot.
    about : str
        What it holds, for people to read.
    write : callable
        From a path, :class:`Bodies` and `force` to the paths written; raises InputError before it writes.
    options : tuple of str
        Options of its own, which it reads from `Bodies.options`.
    of_refined : bool
        Whether it writes what :func:`kitro_np.refine_people` returns only.
    timed : bool
        Whether it depends on how many frames a second there are.
    """

    name: str
    suffix: str
    about: str
    write: Callable[[Path, Bodies, bool], list[Path]]
    options: tuple[str, ...] = ()
    timed: bool = True
    of_refined: bool = False


def known_exports() -> list[Export]:
    """Return the EXPORT of every module of this folder that defines one, by name."""
    package = import_module(__package__)
    modules = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    exports = [getattr(import_module(f"{__package__}.{name}"), "EXPORT", None) for name in modules]
    return sorted((one for one in exports if isinstance(one, Export)), key=lambda one: one.name)


def find_export(path: Path, name: str | None) -> Export:
    """Return the format of a name, else of the path's suffix.

    Raises
    ------
    InputError
        If there is none.
    """
    known = known_exports()
    if name is not None:
        for export in known:
            if export.name == str(name).lower():
                return export
        names = [export.name for export in known]
        raise InputError(
            f"format: expected one of {', '.join(names)}, got {name!r}{did_you_mean(name, names)}."
        )
    for export in known:
        if export.suffix == path.suffix.lower():
            return export
    suffixes = ", ".join(dict.fromkeys(export.suffix for export in known))
    raise InputError(f"{path}: expected a file name that ends in one of {suffixes}, got {path.name!r}.")
