"""The layering, read from the source: who may import whom."""

import ast
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kitro_np

PACKAGE = Path(kitro_np.__file__).parent

LAYERS = [
    {"errors"},
    {"geometry", "arguments", "threads"},
    {"body", "poses", "variants", "engine"},
    {"camera", "protocols", "landmarks"},
    {"detectors"},
    {"layouts"},
    {"checks", "metrics", "shape", "rays"},
    {"tree"},
    {"rotate"},
    {"result", "door"},
    {"baselines", "posterior", "batches"},
    {"likely"},
    {"refine"},
]
"""Modules of the core, each above those that it may import; those of one layer may import one another only
as MAY_IMPORT says."""

MAY_IMPORT = {"checks": {"body"}, "poses": {"geometry"}, "body": {"poses", "geometry"}}

STAGES = ["camera", "shape", "rays", "tree", "rotate", "refine"]
"""Algorithm 1, in its order."""

HEAVY = {"torch", "cupy", "jax", "chumpy", "smplx"}


def modules(folder=PACKAGE):
    return {path.relative_to(PACKAGE).as_posix(): path for path in sorted(folder.rglob("*.py"))}


def imports(path):
    """Absolute names of everything that a file imports, at its top or inside its functions."""
    own = ("kitro_np", *path.relative_to(PACKAGE).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(own[: len(own) - node.level]) if node.level else ""
            base = f"{base}.{node.module}".strip(".") if node.module else base
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def imported_parts(path):
    """First names below kitro_np of what a file imports."""
    names = (name.split(".") for name in imports(path))
    return {parts[1] for parts in names if parts[0] == "kitro_np" and len(parts) > 1}


@pytest.mark.parametrize("stage", STAGES)
def test_stages_never_import_a_later_stage(stage):
    later = set(STAGES[STAGES.index(stage) + 1 :])
    assert not imported_parts(PACKAGE / f"{stage}.py") & later


@pytest.mark.parametrize("layer", range(len(LAYERS)))
def test_no_module_imports_one_of_a_higher_layer(layer):
    higher = set().union(*LAYERS[layer + 1 :])
    for name in LAYERS[layer]:
        for path in _files(name):
            assert not imported_parts(path) & higher, path


def test_only_refine_and_the_kernels_import_the_kernels():
    """And the body, that kernels pose too; and the command line, that says where their code is kept."""
    found = {name for name, path in modules().items() if "kernels" in imported_parts(path)}
    assert {name for name in found if not name.startswith("kernels/")} == {
        "refine.py",
        "likely.py",
        "body/model.py",
        "cli.py",
    }


def test_the_simulation_knows_nothing_of_the_method_that_it_tests():
    method = {*STAGES, "kernels", "evaluation", "metrics", "variants"} - {"camera"}
    for name, path in modules(PACKAGE / "simulate").items():
        assert not imported_parts(path) & method, name
    found = {name for name, path in modules().items() if "simulate" in imported_parts(path)}
    assert {name for name in found if not name.startswith("simulate/")} == {"cli.py", "paper/sets.py"}


def test_kernels_import_kernels_and_constants_only():
    """kernels/run*.py are the bridges from arrays to tiles; tile.py and memory.py lay out a skeleton."""
    allowed = {"kernels", "shape", "checks", "posterior"}
    bridge = {"baselines", "body", "door", "layouts", "result", "threads", "variants"}
    layout = {"kernels/tile.py": {"body"}, "kernels/posterior/memory.py": {"body", "layouts"}}
    for name, path in modules(PACKAGE / "kernels").items():
        more = bridge if name.startswith("kernels/run") else layout.get(name, set())
        assert imported_parts(path) <= allowed | more, name
        outside = {n.split(".")[0] for n in imports(path)} - set(sys.stdlib_module_names)
        more = {"array_api_compat"} if name == "kernels/run_gpu.py" else set()
        assert outside <= {"kitro_np", "numba", "numpy", "llvmlite"} | more, name


def test_numba_is_imported_by_the_kernels_only():
    for name, path in modules().items():
        if not name.startswith("kernels/"):
            assert "numba" not in {imported.split(".")[0] for imported in imports(path)}, name


def test_no_module_of_the_core_imports_a_heavy_package():
    core = {path for layer in LAYERS for name in layer for path in _files(name)}
    core |= set(modules(PACKAGE / "kernels").values())
    assert len(core) > 25
    for path in core:
        assert not {name.split(".")[0] for name in imports(path)} & HEAVY, path


def _files(name):
    return modules(PACKAGE / name).values() if (PACKAGE / name).is_dir() else [PACKAGE / f"{name}.py"]


def test_import_is_light():
    """Numba takes longer to import than everything else together: it waits for the first call."""
    code = f"import sys, kitro_np; print(sorted({{*sys.modules}} & {HEAVY | {'numba', 'scipy'}!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_fused_twin_names_its_stage():
    twins = 0
    for path in modules(PACKAGE / "kernels").values():
        for name in re.findall(r"Fused twin of ([\w.]+)\b", path.read_text(encoding="utf-8")):
            assert callable(pkgutil.resolve_name(name)), f"{path}: {name}"
            twins += 1
    assert twins > 20


def test_public_names():
    assert all(hasattr(kitro_np, name) for name in kitro_np.__all__)
