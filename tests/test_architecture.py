"""The rooms, read from the source: who may import whom, and what each must not know."""

import ast
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kitro_np

PACKAGE = Path(kitro_np.__file__).parent

METHODS = sorted(path.parent.name for path in PACKAGE.glob("*/method.py") if path.parent.name != "refinement")
"""Every method has a room of its own."""

ROOMS = [
    "errors", "typing", "arrays", "adam", "camera", "safe_io", "body", "keypoints", "refinement",
    *METHODS, "points", "kernels", "result", "api", "online", "formats", "matching", "export", "evaluation",
    "simulate",
    "streaming", "cluster", "report", "paper", "cli",
]  # fmt: skip
"""From the ground up: a room imports only rooms before it."""

LAZY = {
    "body/model.py", "kitro/method.py", "points/fit.py", "posterior/most_probable.py",
    "posterior/video/by_kernels.py", "posterior/video/sequence.py", "safe_io/skimmed.py",
    "smplify/method.py",
}  # fmt: skip
"""Who loads kernels, at first use: they stand above, and Numba is the slowest import of all."""

HEAVY = {"torch", "cupy", "jax", "chumpy", "smplx"}

PICTURES = {"PIL", "imageio_ffmpeg", "matplotlib", "tqdm"}
"""What pictures, films and progress need, imported where they are drawn."""

OUTSIDE = {"numpy", "array_api_compat"}
"""What the core imports beside the standard library, but for the kernels' own."""

ALGORITHM = ["translation", "shape", "rays", "tree", "rotate", "algorithm"]
"""Algorithm 1, in its order."""


def modules(folder=PACKAGE):
    return {path.relative_to(PACKAGE).as_posix(): path for path in sorted(folder.rglob("*.py"))}


def room_of(name):
    return name.split("/")[0].removesuffix(".py")


def imports(path, *, typing=False):
    """Absolute names of all that a file imports, in functions too; for type checkers only if asked for."""
    own = ("kitro_np", *path.relative_to(PACKAGE).with_suffix("").parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set()
    if not typing:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                skipped |= set(ast.walk(node))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(own[: len(own) - node.level]) if node.level else ""
            base = f"{base}.{node.module}".strip(".") if node.module else base
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def imported_modules(path):
    """Modules of the package that a file imports, as paths below it without their suffix."""
    known = {name.removesuffix("/__init__.py").removesuffix(".py") for name in modules()}
    names = (name.split(".") for name in imports(path))
    paths = {"/".join(parts[1:]) for parts in names if parts[0] == "kitro_np" and len(parts) > 1}
    return paths & known


def imported_rooms(path):
    return {room_of(name) for name in imported_modules(path)}


def test_every_module_has_a_room():
    own = {room_of(name) for name in modules()} - {"__init__", "__main__"}
    assert own == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_before_it(room):
    later = set(ROOMS[ROOMS.index(room) + 1 :])
    for name, path in modules().items():
        if room_of(name) == room:
            allowed = {"kernels"} if name in LAZY else set()
            assert not imported_rooms(path) & (later - allowed), name


@pytest.mark.parametrize("name", sorted(LAZY))
def test_who_loads_kernels_does_so_at_first_use(name):
    tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
    at_the_top = [ast.unparse(node) for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert not [line for line in at_the_top if "kernels" in line]


@pytest.mark.parametrize("method", METHODS)
def test_methods_never_import_one_another(method):
    others = {*METHODS} - {method}
    for name, path in modules().items():
        if name.startswith((f"{method}/", f"kernels/{method}/")):
            told = {"/".join(part.split("/")[:2]) for part in imported_modules(path)}
            assert not imported_rooms(path) & others, name
            assert not told & {f"kernels/{other}" for other in others}, name


@pytest.mark.parametrize("step", ALGORITHM)
def test_steps_of_algorithm_1_never_import_a_later_one(step):
    later = {f"kitro/{name}" for name in ALGORITHM[ALGORITHM.index(step) + 1 :]}
    assert not imported_modules(PACKAGE / "kitro" / f"{step}.py") & later


def test_kernels_take_constants_only_from_their_methods_room():
    """What is laid out for them they are given: they import names in capitals, of their own method."""
    for name, path in modules(PACKAGE / "kernels").items():
        room = name.split("/")[1]
        for imported in imports(path):
            parts = imported.split(".")
            if parts[:1] == ["kitro_np"] and len(parts) > 2 and parts[1] in METHODS:
                assert room == parts[1], f"{name}: {imported}"
                is_module = "/".join(parts[1:]) + ".py" in modules()
                assert is_module or parts[-1].isupper(), f"{name}: {imported}"
            # `from ...posterior import fit` would hand over everything.
            assert parts[1:] not in [[method] for method in METHODS], f"{name}: {imported}"


def test_kernels_have_the_file_names_of_the_stages_that_they_mirror():
    own = {
        "run",
        "run_gpu",
        "memory",
        "scalars",
        "covariance",
        "skinning_few",
        "rotation_vectors",
        "__init__",
    }
    for room in ("body", "keypoints", "refinement", *METHODS):
        stages = {path.stem for path in (PACKAGE / room).glob("*.py")}
        assert {path.stem for path in (PACKAGE / "kernels" / room).glob("*.py")} <= stages | own, room


def test_only_kernels_import_numba():
    for name, path in modules().items():
        outside = {n.split(".")[0] for n in imports(path)} - {*sys.stdlib_module_names, "kitro_np"}
        if name.startswith("kernels/"):
            # cuda.core is what numba-cuda itself stands on.
            assert outside <= {"numba", "numpy", "llvmlite", "array_api_compat", "cuda"}, name
        elif room_of(name) in ROOMS[: ROOMS.index("formats")]:
            assert outside <= OUTSIDE, name
        assert not outside & HEAVY, name


def test_argparse_is_the_command_lines():
    for name, path in modules().items():
        if not name.startswith("cli/"):
            assert "argparse" not in set(imports(path)), name


def test_the_simulation_knows_nothing_of_the_methods_that_it_tests():
    known = {*METHODS, "kernels", "evaluation", "refinement", "api"}
    for name, path in modules(PACKAGE / "simulate").items():
        assert not imported_rooms(path) & known, name


def test_two_classes_never_share_a_name():
    places = {}
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(name)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_import_is_light():
    """Numba takes longer to import than everything else together: it waits for the first call.

    Libraries of pictures are an extra: pictures and pages import without them, too.
    """
    slow = HEAVY | {"numba", "scipy", "pyarrow", "ray"} | PICTURES
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({PICTURES!r}))\n"  # None: an import of them fails
        f"import kitro_np; print(sorted(name for name in {slow!r} if sys.modules.get(name)))\n"
        f"import kitro_np.report; print(sorted(name for name in {slow!r} if sys.modules.get(name)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]"]


def test_every_fused_twin_names_its_stage():
    twins = 0
    for path in modules(PACKAGE / "kernels").values():
        for name in re.findall(r"Fused twin of ([\w.]+)\b", path.read_text(encoding="utf-8")):
            target = pkgutil.resolve_name(name)
            assert callable(target) or name.count(".") < 3, f"{path}: {name}"
            twins += 1
    assert twins > 20


def test_public_names():
    assert all(hasattr(kitro_np, name) for name in kitro_np.__all__)
