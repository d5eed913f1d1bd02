"""Command info."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

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
from .summary import print_json

NOT_CACHED = "not cached: no writable folder, or Numba's compiler is disabled"


def add(commands: Commands) -> None:
    """Add the command and its options."""
    command = add_command(commands, "info", run, "versions, engines, models", reads_files=False)
    command.add_argument("--models", metavar="DIR", type=Path, help="folder to search first for model files")
    command.add_argument("--json", action="store_true", help="print the same as one line of JSON")


def run(options: Options) -> int:
    """Print versions, threads, engines, installed models and the folders searched for them."""
    found = find_out(options.models)
    if options.json:
        print_json(found)
    else:
        print(text_of(found))
    return ExitStatus.DONE


def find_out(models: Path | None = None) -> dict[str, Any]:
    """Return what this installation has, as a dict for JSON."""
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: version(name) for name in ("numpy", "numba", "scipy", "array-api-compat")},
        "threads": usable_cores(),
        "methods": list(METHODS),
        "engines": list(ENGINES),
        "formats": [str(form) for form in known_formats()],
        "arrays": describe_backends(),
        "kernels": kernel_folder(),
        "bodies": list(EMBEDDED),
        "default_body": FAMILIES["open"].name,
        "models": {
            name: {gender: str(path) for gender, path in _model_files(name, models)} for name in LICENSED
        },
        "folders": {str(folder): folder.is_dir() for folder in search_folders(models)},
    }


def text_of(found: dict[str, Any]) -> str:
    """Format what was found as text."""
    lines = [
        f"kitro-np {found['version']}, Python {found['python']} on {found['platform']}",
        "versions: " + ", ".join(f"{name} {number}" for name, number in found["versions"].items()),
        f"threads: {found['threads']} by default",
        f"methods: {', '.join(found['methods'])}",
        f"engines: {', '.join(found['engines'])}",
        f"file formats: {', '.join(found['formats'])}",
        "arrays:",
        *(f"  {name}: {state}" for name, state in found["arrays"].items()),
        f"compiled kernels: {found['kernels'] or NOT_CACHED}",
        f"bodies: {', '.join(found['bodies'])} (embedded; open is {found['default_body']})",
    ]
    for name, paths in found["models"].items():
        lines += [f"  {name} {gender}: {path}" for gender, path in paths.items()]
        if not paths:
            lines.append(f"  {name}: not found")
    lines.append("folders searched for models:")
    lines += [
        f"  {folder}{'' if there else ' (does not exist)'}" for folder, there in found["folders"].items()
    ]
    return "\n".join(lines)


def kernel_folder() -> str | None:
    """Folder of the compiled kernels: the package's, or the user's cache folder if that is read-only."""
    from ..kernels.kitro.algorithm import refine_bodies

    # A kernel without compilation has no stats, and one without a cache has no path.
    path = getattr(getattr(refine_bodies, "stats", None), "cache_path", None)
    return str(path) if path else None


def kernel_cache() -> str:
    """Return that folder, or why there is none."""
    return kernel_folder() or NOT_CACHED


def _model_files(name: str, folder: Path | None) -> Iterator[tuple[str, Path]]:
    """Yield the genders of a licensed body for which there is a file, and the files."""
    for gender in FAMILIES[name].kinds:
        with suppress(FileNotFoundError):
            yield gender, find_model_file(name, gender, folder)
