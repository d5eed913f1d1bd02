"""Command info."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from .. import __version__
from ..arrays.engines import ENGINES
from ..arrays.libraries import describe_backends
from ..arrays.threads import usable_cores
from ..body.families import EMBEDDED, FAMILIES, LICENSED
from ..body.locate import find_model_file, search_folders
from ..formats.registry import known_formats
from ..refinement.method import METHODS
from .exit_status import ExitStatus
from .parser import Commands, Options, add_command


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(commands, "info", run, "versions, engines, models")
    command.add_argument("--models", metavar="DIR", type=Path, help="folder to search first for model files")


def run(options: Options) -> int:
    """Print versions, threads, engines, installed models and the folders searched for them."""
    print(f"kitro-np {__version__}, Python {platform.python_version()} on {platform.platform()}")
    names = ("numpy", "numba", "scipy", "array-api-compat")
    print("versions: " + ", ".join(f"{name} {version(name)}" for name in names))
    print(f"threads: {usable_cores()} by default")
    print(f"methods: {', '.join(METHODS)}")
    print(f"engines: {', '.join(ENGINES)}")
    print(f"file formats: {', '.join(map(str, known_formats()))}")
    print("arrays:")
    for name, state in describe_backends().items():
        print(f"  {name}: {state}")
    print(f"compiled kernels: {kernel_cache()}")
    print(f"bodies: {', '.join(EMBEDDED)} (embedded; open is {FAMILIES['open'].name})")
    for name in LICENSED:
        paths = dict(_model_files(name, options.models))
        for gender, path in paths.items():
            print(f"  {name} {gender}: {path}")
        if not paths:
            print(f"  {name}: not found")
    print("folders searched for models:")
    for folder in search_folders(options.models):
        print(f"  {folder}{'' if folder.is_dir() else ' (does not exist)'}")
    return ExitStatus.DONE


def kernel_cache() -> str:
    """Folder of the compiled kernels: the package's, or the user's cache folder if that is read-only."""
    from ..kernels.kitro.algorithm import refine_bodies

    # A kernel without compilation has no stats, and one without a cache has no path.
    path = getattr(getattr(refine_bodies, "stats", None), "cache_path", None)
    return str(path) if path else "not cached: no writable folder, or Numba's compiler is disabled"


def _model_files(name: str, folder: Path | None) -> Iterator[tuple[str, Path]]:
    """Yield the genders of a licensed body for which there is a file, and the files."""
    for gender in FAMILIES[name].kinds:
        with suppress(FileNotFoundError):
            yield gender, find_model_file(name, gender, folder)
