"""Pages for people who change the code: the picture of the rooms, names of files and folders, lines."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / f"{name}.md" for name in ("README", "ARCHITECTURE", "CONTRIBUTING", "CHANGELOG")]
PAGES += [*sorted((ROOT / "docs").glob("*.md")), ROOT / "bench" / "README.md", ROOT / "models" / "README.md"]

READERS = {
    "DIR/README.md", "IN.npz", "sim3dpw_dev.npz", "formats/NAME.py", "export/NAME.py", "cli/NAME.py",
    "NAME/method.py", "kernels/NAME/", "SMPLX_NEUTRAL.npz", "male/model.npz",
    "smpl/", "smplh/", "smplx/", "mano/",
    "body_models/", "SMPL_python_v.1.1.0/smpl/models/",
}  # fmt: skip
"""Files and folders of the reader's."""


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def load_script():
    """docs/draw_rooms.py as a module: a script of no package."""
    spec = importlib.util.spec_from_file_location("draw_rooms", ROOT / "docs" / "draw_rooms.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def script():
    return load_script()


def test_picture_of_the_rooms_is_that_of_the_source(script):
    committed = (ROOT / "docs" / "rooms.svg").read_text(encoding="utf-8")
    assert len(committed) < 60_000
    assert script.draw() == committed, "the rooms have changed: run python docs/draw_rooms.py"


def test_rooms_of_the_picture_do_not_overlap(script):
    boxes = re.findall(r'<rect x="([\d.-]+)" y="([\d.]+)" width="(\d+)" height="(\d+)"', script.draw())
    boxes = [tuple(map(float, box)) for box in boxes]
    assert len(boxes) == len(script.read_rooms())
    for n, (x, y, w, h) in enumerate(boxes):
        assert x >= 0
        assert x + w <= script.WIDTH
        for other_x, other_y, other_w, other_h in boxes[:n]:
            apart = x >= other_x + other_w or other_x >= x + w or y >= other_y + other_h or other_y >= y + h
            assert apart


def test_script_tells_imports_apart(script, tmp_path):
    package = tmp_path / "kitro_np"
    for name, code in {
        "__init__.py": '"""Names."""\nfrom .top import call',
        "top.py": '"""Top: what users call."""\nfrom typing import TYPE_CHECKING\n'
        "from .middle.part import part\n"
        "from .ground import x\nif TYPE_CHECKING:\n    from .late import y\n",
        "middle/__init__.py": '"""Parts; more."""',
        "middle/part.py": "from ..ground import x\n\n\ndef part():\n    from .. import late\n",
        "ground.py": '"""Ground."""',
        "late.py": '"""Late."""\nfrom .middle import part\n',
    }.items():
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_text(code)
    rooms = script.read_rooms(package)
    assert rooms["top"] == ("What users call", {"middle", "ground"}, set())
    assert rooms["middle"] == ("Parts", {"ground"}, {"late"})
    assert script.arrows_at_once(rooms) == {
        ("kitro_np", "top"), ("top", "middle"), ("middle", "ground"), ("late", "middle"),
    }  # fmt: skip
    assert "when first called" in script.draw(package)
    (package / "ground.py").write_text('"""Ground."""\nimport kitro_np.top')
    with pytest.raises(ValueError, match="in a circle"):
        script.draw(package)


def test_architecture_is_one_page_and_has_every_room(script):
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 110
    rooms = set(re.findall(r"`(\w+)(?:/|\.py)`", text))
    assert set(script.read_rooms()) - {"kitro_np"} <= rooms


def files_and_folders():
    """Paths below the root, folders with a slash at the end."""
    for top in ("bench", "docs", "examples", "kitro_np", "models", "tests", "web"):
        for path in [ROOT / top, *(ROOT / top).rglob("*")]:
            yield path.relative_to(ROOT).as_posix() + "/" * path.is_dir()
    yield from ("web/", "web/src/")  # npm installs thousands of files beside them
    yield from (path.name for path in ROOT.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_a_page_names_are_there(page):
    """A name in backticks that ends as files of ours do, or the last parts of its path."""
    known = {f"/{path}" for path in files_and_folders()}
    names = re.findall(r"`([\w./-]+(?:\.py|\.md|\.npz|/))`", page.read_text(encoding="utf-8"))
    ours = [name for name in names if name not in READERS]
    assert [name for name in ours if not any(path.endswith(f"/{name}") for path in known)] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_lines_are_no_longer_than_120(page):
    lines = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL).splitlines()
    long = [line for line in lines if len(line) > 120 and not line.startswith("|")]
    assert not long
