"""Pages for people who change the code: the picture of the rooms, names of files and folders, lines."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / f"{name}.md" for name in ("README", "ARCHITECTURE", "CONTRIBUTING", "CHANGELOG")]
PAGES += [
    *sorted((ROOT / "docs").glob("**/*.md")),
    ROOT / "bench" / "README.md",
    ROOT / "models" / "README.md",
]

READERS = {
    "DIR/README.md", "IN.npz", "sim3dpw_dev.npz", "formats/NAME.py", "export/NAME.py", "cli/NAME.py",
    "streaming/NAME.py", "NAME/method.py", "kernels/NAME/", "SMPLX_NEUTRAL.npz", "male/model.npz",
    "smpl/", "smplh/", "smplx/", "mano/",
    "body_models/", "SMPL_python_v.1.1.0/smpl/models/",
}  # fmt: skip
"""Files and folders of the reader's."""


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def load_script(name="draw_rooms"):
    """A file of docs/ as a module: a script of no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
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


def test_figures_are_drawn_by_their_script(tmp_path):
    """Each is there, small, shown by a page, and what the script draws."""
    script = load_script("draw_figures")
    script.main(tmp_path)
    committed = {path.name: path for path in script.FOLDER.iterdir()}
    assert {*committed} == {path.name for path in tmp_path.iterdir()} == {*script.FIGURES}
    assert sum(path.stat().st_size for path in committed.values()) < 400_000
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for name, path in committed.items():
        assert f"](figures/{name})" in pages
        drawn = (tmp_path / name).read_bytes()
        assert abs(len(drawn) - path.stat().st_size) < 0.1 * len(drawn)


def test_every_page_is_in_a_table_of_contents():
    docs = ROOT / "docs"
    trees = re.findall(
        r":::\{toctree\}\n(.*?)\n:::", (docs / "index.md").read_text(encoding="utf-8"), re.DOTALL
    )
    listed = [
        re.sub(r".*<(.*)>", r"\1", line)
        for tree in trees
        for line in tree.splitlines()
        if line and not line.startswith(":")
    ]
    pages = {path.relative_to(docs).with_suffix("").as_posix() for path in docs.glob("**/*.md")}
    assert sorted([*listed, "index"]) == sorted(pages)


def test_links_and_included_files_become_pages_of_the_site(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    conf = load_script("conf")
    for own, page in conf.PAGES.items():
        assert (ROOT / own).exists()
        assert (ROOT / page).exists()
    text = "[a](../ARCHITECTURE.md#rooms) [b](../examples) [c](#here) ![d](figures/x.svg) [e](https://x.org/y.md)"
    assert conf.at_home(text, "docs", "docs/howto") == (
        "[a](../architecture.md#rooms) b [c](#here) ![d](../figures/x.svg) [e](https://x.org/y.md)"
    )
    source = ["# Benchmarks\n\nThis page is that.\n\n:::{include} ../bench/README.md\n:::\n"]
    conf.read_page(None, "benchmarks", source)
    assert "](../bench/growth.svg)" in source[0]
    assert "## Figures" in source[0]
    assert "This page" not in source[0]


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
