"""Files of another kind than expected: named as what they are, and never waited for."""

import os

import pytest
from test_cli import fails

from kitro_np.cli.main import main
from kitro_np.safe_io.kinds import KINDS, kind_of

STARTS = {
    b"": "an empty file",
    b"hello, world\n": "text",
    b"\x00\x00\x00\x18ftypmp42": "a video",
    b"\x00\x01\x02\x03": "another file",
    **dict(KINDS),
}
WRONG = {kind: start for start, kind in STARTS.items() if "archive" not in kind and ".npy" not in kind}


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "in.npz"
    assert main(["simulate", "-o", str(path), "--count", "2", "-q"]) == 0
    return path


@pytest.mark.parametrize("start", STARTS)
def test_kinds(start):
    assert kind_of(start + (b"\x00" * 9 if start and STARTS[start] != "text" else b"")) == STARTS[start]


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_files_are_named(tmp_path, capsys, kind, good):
    path = tmp_path / "file.dat"
    path.write_bytes(WRONG[kind] + (b"\x00\xff" * 60 if kind not in ("text", "an empty file") else b""))
    sentence = fails(capsys, "refine", path, "-o", tmp_path / "out.npz")
    assert "pickle" not in sentence or kind == "another file"
    assert kind in sentence or kind == "another file"
    if kind not in ("text", "an empty file"):
        assert kind in fails(capsys, "refine", good, "--keypoints", path, "-q", "-o", tmp_path / "out.npz")


@pytest.mark.skipif(os.name != "posix", reason="named pipes")
@pytest.mark.parametrize(
    "command",
    [
        "refine PIPE -o out.npz", "refine GOOD -o out.npz --keypoints PIPE", "inspect PIPE", "eval PIPE",
        "eval GOOD --regressor PIPE", "convert PIPE -o out.bvh", "render PIPE -o out",
        "report PIPE -o out.html", "explain PIPE", "simulate -o out.npz --poses PIPE",
        "refine GOOD -o out.npz --body PIPE",
        "refine GOOD -o out.npz --keypoints PIPE --annotations PIPE", "render RESULT -o out --images PIPE",
    ],
)  # fmt: skip
def test_pipes_are_not_waited_for(tmp_path, monkeypatch, capsys, good, command):
    monkeypatch.chdir(tmp_path)
    for name in ("pipe.npz", "pipe.npy", "pipe.png"):
        os.mkfifo(name)
    if "RESULT" in command:
        assert main(["refine", str(good), "-o", "result.npz", "-q"]) == 0
        capsys.readouterr()
    suffix = {"--regressor": ".npy", "--images": ".png"}
    pipe = next((f"pipe{end}" for flag, end in suffix.items() if flag in command), "pipe.npz")
    words = {"PIPE": pipe, "GOOD": str(good), "RESULT": "result.npz"}
    assert main([words.get(word, word) for word in command.split()]) == 2
    assert capsys.readouterr().err.count("\n") == 1
