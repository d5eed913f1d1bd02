"""README.md and docs: every block runs as it stands, every link leads somewhere, every figure is measured.

Blocks of a page run in order, in one namespace, which begins with PREAMBLE: the data that a reader has. What
follows `print(...)  # ` in a block is what it must print.
"""

import contextlib
import io
import re
import shlex
import shutil
import warnings
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from test_match_people import scene
from test_read_points import write_trc
from trackers import write_openpose, write_track

import kitro_np
import kitro_np.cluster
import kitro_np.report
from kitro_np.arrays.rotations import quaternion_from_matrix
from kitro_np.body.families import FAMILIES
from kitro_np.body.kinematics import forward_kinematics
from kitro_np.camera import project
from kitro_np.cli.main import main, parser
from kitro_np.refinement.method import METHODS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
REFERENCE = ROOT / "docs" / "reference.md"
EXAMPLES = ROOT / "docs" / "examples.md"
"""Its blocks are scripts, which tests/test_example_scripts.py runs."""

DOCS = [README, *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "howto").glob("*.md"))]
PAGES = [*DOCS, *(ROOT / f"{name}.md" for name in ("ARCHITECTURE", "CONTRIBUTING", "CHANGELOG"))]
PAGES += [ROOT / folder / "README.md" for folder in ("bench", "models")]

OPTIONAL = ("torch", "ray")
"""What blocks may import and need not be installed."""

RUN = (
    "simulate", "refine", "convert", "inspect", "explain", "eval", "render", "report", "layouts", "warmup",
    "info",
)  # fmt: skip
"""Commands that are run; each takes a second or two."""

PARSED = ("demo", "paper")
"""Commands that are only parsed: .ci/run runs the demo, tests/test_paper.py the other."""

ELSEWHERE = (
    r"python3 -m venv \.venv && \.venv/bin/pip install .*",  # .ci/run runs those of the README
    r"pip install 'kitro-np\[\w+\]'",
    r"bash \.ci/run",
    r"ray (start|job submit) .*",
    r"helm install .*",
    r"\.venv/bin/(python -m )?(pytest|ruff|mypy|pip)\b.*",
    r"\.venv/bin/python (docs/draw_rooms|docs/draw_figures|bench/floor)\.py",
    r"sphinx-build -b html docs docs/_build/html",
    r"\.venv/bin/sphinx-build -W --keep-going -b html docs docs/_build/html",
    r"NUMBA_DISABLE_JIT=1 \.venv/bin/pytest .*",
    r"python examples/(\d\d_|service)\w*\.py.*",
    r"python -m models\.measure_(map|video)",
    r"python -m models\.measure_(body|skin)",
)
"""Lines of a shell that are no kitro-np commands, and that are not run here."""


class Block(NamedTuple):
    """A fenced block, and the line of the page before its first one."""

    language: str
    code: str
    line: int


def blocks_of(page):
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\S*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    return [Block(m[1], m[2], text[: m.start()].count("\n") + 1) for m in found]


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def preamble():
    """What stands for a reader's data: the example, and what networks and detectors would say of it."""
    data = kitro_np.example()
    pose, points = data["pose"], data["keypoints_2d"]
    count = len(pose)
    return {
        "np": np,
        "kitro_np": kitro_np,
        **data,
        "score": np.linspace(0.2, 1, points[..., 0].size, dtype=np.float32).reshape(points.shape[:-1]),
        "track": np.zeros(count, np.int64),
        "frame": np.arange(count),
        "vectors": np.concatenate([pose[..., 0], pose[..., 1]], axis=-1),
        "quaternions": quaternion_from_matrix(pose),
        "crop_camera": np.tile(np.float32([0.9, 0.02, -0.1]), (count, 1)),
        "box": np.tile(np.float32([900, 500, 600]), (count, 1)),
        **landmarks_of(data),
    }


def landmarks_of(data):
    """MediaPipe's landmarks of the example: about the hips in metres, their visibility, and in the image."""
    body = kitro_np.load_body(data["body"])
    layout = kitro_np.find_layout("mediapipe33", body)
    posed = forward_kinematics(body.skeleton, data["pose"].astype(float), data["betas"].astype(float))
    joints = list(layout.joints)
    offsets = layout.offsets + np.einsum("kcs,ns->nkc", layout.by_betas, data["betas"])
    points = posed.joints[:, joints] + np.einsum("nkij,nkj->nki", posed.global_rotations[:, joints], offsets)
    seen = project(points + data["transl"][:, None], data["intrinsics"].astype(float))
    return {
        "landmarks": points - points[:, [23, 24]].mean(axis=1, keepdims=True),
        "visibility": np.ones(points.shape[:2]),
        "landmarks_2d": seen,
    }


def torch_preamble():
    """HMR2's output and batch for the example, and what a detector of COCO's points found."""
    torch = pytest.importorskip("torch")
    data = kitro_np.example()
    size = 2 * data["intrinsics"][:, :2, 2]
    focal = 5000 / 256 * size.max(axis=1)
    side = np.full(len(size), 400.0, np.float32)
    seen = kitro_np.with_focal_length(data["intrinsics"], data["transl"], focal).transl
    scale = 2 * focal / (seen[:, 2] * side)
    weak = np.concatenate([scale[:, None], seen[:, :2]], axis=1)
    body = kitro_np.load_body(data["body"])
    layout = kitro_np.find_layout("coco17", body)
    joints = body.joints(data["pose"], data["betas"], seen)[:, np.array(layout.joints)]
    points = focal[:, None, None] * joints[..., :2] / joints[..., 2:] + size[:, None] / 2
    scored = np.concatenate([points, np.ones_like(points[..., :1])], axis=-1)
    given = {
        "global_orient": data["pose"][:, :1], "body_pose": data["pose"][:, 1:], "betas": data["betas"],
    }  # fmt: skip
    tensors = {name: torch.from_numpy(value.copy()).requires_grad_() for name, value in given.items()}
    weak = torch.from_numpy(np.float32(weak)).requires_grad_()
    return {
        "output": {"pred_smpl_params": tensors, "pred_cam": weak},
        "batch": {
            "img_size": torch.from_numpy(size.copy()),
            "box_center": torch.from_numpy(size / 2),
            "box_size": torch.from_numpy(side),
        },
        "detections": torch.from_numpy(np.float32(scored)),
    }


def write_tracker_files():
    """The files of a tracker and of OpenPose that pages name, of the same people."""
    estimates, keypoints, _ = scene(3, None, "body25")
    write_track("TRACKS.pkl", estimates.take(estimates.frame < 8))
    write_openpose(Path("OPENPOSE"), keypoints.take(keypoints.frame < 8))


@pytest.fixture
def licensed_body(tmp_path, monkeypatch):
    """Put the example's body where the reader has SMPL's file: both are in SMPL's format."""
    folder = tmp_path / "licensed"
    folder.mkdir()
    embedded = FAMILIES[kitro_np.example()["body"]].embedded
    shutil.copy(ROOT / "kitro_np" / "body" / embedded, folder / "SMPL_NEUTRAL.npz")
    monkeypatch.setenv("KITRO_NP_MODELS", str(folder))


def missing_library(code):
    """Name of a library that a block imports and that is not installed; None if it can run."""
    for name in OPTIONAL:
        if re.search(rf"^import {name}$", code, flags=re.MULTILINE):
            try:
                __import__(name)
            except ImportError:
                return name
    return None


@pytest.mark.parametrize("page", [page for page in DOCS if page != EXAMPLES], ids=name_of)
def test_python_blocks_run(page, tmp_path, monkeypatch, licensed_body):
    monkeypatch.chdir(tmp_path)
    if "TRACKS.pkl" in page.read_text(encoding="utf-8"):
        write_tracker_files()
    if "WALK.trc" in page.read_text(encoding="utf-8"):
        write_trc(tmp_path / "WALK.trc", np.random.default_rng(0).uniform(0, 1, (3, 18, 3)))
    space, skipped = preamble(), []
    for block in blocks_of(page):
        if block.language != "python":
            continue
        if (library := missing_library(block.code)) is not None:
            skipped.append(f"line {block.line}, without {library}")
            continue
        if "import torch" in block.code:
            space |= torch_preamble()
        printed = io.StringIO()
        # Empty lines before the code make tracebacks show lines of the page.
        code = compile("\n" * block.line + block.code, str(page), "exec")
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            if "import ray" in block.code:  # it warns about itself
                warnings.simplefilter("ignore")
            exec(code, space)
        expected = re.findall(r"^print\(.*\)  # (.*)$", block.code, flags=re.MULTILINE)
        assert printed.getvalue().splitlines() == expected, f"{name_of(page)}, line {block.line}"
    if skipped:
        pytest.skip(f"all other blocks ran; not {'; '.join(skipped)}")


def lines_of_shell(page):
    """Commands of a page's sh blocks, each in one line."""
    for block in blocks_of(page):
        if block.language == "sh":
            code = block.code.replace("\\\n", " ")
            yield from (line.strip() for line in code.splitlines() if line.partition("#")[0].strip())


@pytest.fixture(scope="module")
def run_shell(tmp_path_factory):
    """Run the commands of a page once, in a folder of its own; return what each printed."""
    known = {}

    def run(page):
        if page not in known:
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(tmp_path_factory.mktemp("shell"))
                known[page] = [(line, output_of(line)) for line in lines_of_shell(page)]
        return known[page]

    return run


def output_of(line):
    """Run a line of a shell, or parse it if it is slow; fail if it is none that is known."""
    words = shlex.split(line, comments=True)
    if words[0] != "kitro-np":
        command = re.sub(r"\s+# .*", "", line)
        assert any(re.fullmatch(known, command) for known in ELSEWHERE), line
        return None
    parser().parse_args(words[1:])
    if "TRACKS.pkl" in words and not Path("TRACKS.pkl").exists():
        write_tracker_files()
    if words[1] in PARSED or "--ray" in words:  # tests/test_cluster.py runs Ray, where it is installed
        return None
    assert words[1] in RUN, line
    for name in words[2:]:
        if name.endswith(".npz") and not Path(name).exists() and "-o" not in words:
            main(["simulate", "-o", name, "--count", "16"])
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert main(words[1:]) == 0, line
    return printed.getvalue()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_is_of_a_language_that_is_tested(page):
    own = {"{eval-rst}"} if name_of(page) == "docs/api.md" else set()
    assert {block.language for block in blocks_of(page)} <= {"python", "sh"} | own
    text = page.read_text(encoding="utf-8")
    assert text.count("```") == 2 * len(blocks_of(page))
    if page not in DOCS:
        assert "```python" not in text


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_run(page, run_shell):
    assert len(run_shell(page)) == len([*lines_of_shell(page)])


def test_commands_that_ci_runs_are_there():
    text = README.read_text(encoding="utf-8")
    for name in ("demo", "test"):
        assert re.search(
            rf"^<!-- {name} command -->\n```sh\npython3 -m venv .*\n```$", text, flags=re.MULTILINE
        )


def table_after(text, first_cell):
    """Rows of the table whose head begins with a cell, as lists of cells."""
    begin = text.index(f"| {first_cell}")
    lines = text[begin:].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in (lines[0], *lines[2:])]


def test_accuracy_is_what_the_commands_print(run_shell):
    """To half a millimetre: float32 is not the same to the last digit on every machine."""
    _, exact, noisy, coco, improved = table_after(README.read_text(encoding="utf-8"), "MPJPE / PA-MPJPE")
    printed = {line: out for line, out in run_shell(README) if line.startswith("kitro-np eval SET.npz")}
    cells = [exact[2], noisy[2], exact[3], noisy[3], coco[3]]
    shares = [*improved[2].split(", "), *improved[3].split(", ")]
    assert len(printed) == len(cells)
    found_shares = []
    for out, cell in zip(printed.values(), cells, strict=True):
        mpjpe = [float(number) for number in re.search(r"^MPJPE +(\S+) +(\S+)$", out, re.MULTILINE).groups()]
        pa = [float(number) for number in re.search(r"^PA-MPJPE +(\S+) +(\S+)$", out, re.MULTILINE).groups()]
        before, after = zip(mpjpe, pa, strict=True)
        np.testing.assert_allclose(numbers(exact[1]), before, atol=0.06)
        np.testing.assert_allclose(numbers(cell), after, atol=0.5)
        found_shares.append(float(re.search(r"improved in ([\d.]+)%", out)[1]))
    np.testing.assert_allclose([float(share.rstrip("%")) for share in shares], found_shares[:4], atol=1)


def numbers(cell):
    return [float(number) for number in cell.split(" / ")]


def test_layouts_are_in_the_table():
    rows = table_after(REFERENCE.read_text(encoding="utf-8"), "layout")
    assert re.findall(r"`(\w+)`", " ".join(row[0] for row in rows)) != []
    assert {*re.findall(r"`(\w+)`", " ".join(row[0] for row in rows))} == {*kitro_np.LAYOUTS}


def test_methods_are_in_the_table():
    """With their options, and what each gives that not all give."""
    head, *rows = table_after(REFERENCE.read_text(encoding="utf-8"), "name")
    assert head[:3] == ["name", "object", "options"]
    given = {}
    for row in rows:
        name, kind, options, results = (re.findall(r"[\w]+(?=\"?`)", cell) for cell in row)
        given[name[0]] = kind, options, results
    assert {*given} == {*METHODS}
    data = kitro_np.example()
    few = {key: value if key == "body" else value[:2] for key, value in data.items()}
    every = {"map": {"uncertainty": True, "hypotheses": 2}}
    always = None
    for name, method in METHODS.items():
        result = kitro_np.refine(**few, method=name, **every.get(name, {}))
        arrays = {*result.arrays()} | ({"hypotheses"} if result.hypotheses is not None else set())
        always = arrays - {*given[name][2]} if always is None else always
        assert given[name] == (
            [method.__name__], [own.name for own in fields(method)], given[name][2],
        )  # fmt: skip
        assert arrays - always == {*given[name][2]}


def test_expected_statuses_are_all_that_there_are():
    rows = table_after((ROOT / "docs" / "expect.md").read_text(encoding="utf-8"), "status")[1:]
    assert {row[0].strip("`"): row[1] for row in rows} == {
        status.name: status.reason for status in kitro_np.Status
    }


def test_public_names_are_in_the_api():
    listed = re.findall(
        r"^(?:   |\.\. data:: )(\w+)$", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(listed) == len(set(listed))
    assert set(listed) == {*kitro_np.__all__, *kitro_np.report.__all__, *kitro_np.cluster.__all__} - {
        "__version__"
    }


def test_public_names_are_mentioned():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    words = {*re.findall(r"\w+", text)}
    assert {*kitro_np.__all__} - {"__version__"} <= words


def anchors_of(page):
    """Anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    heads = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        other = page.parent / path if path else page
        assert other.exists(), target
        if anchor:
            assert anchor in anchors_of(other), target
