"""Standard input and output in the place of files, as a shell's pipes use them."""

import os
import subprocess
import sys

import numpy as np
import pytest
from test_cli import fails

import kitro_np
from kitro_np.cli import streams
from kitro_np.cli.main import main


def run(*arguments, given: bytes = b"", cwd=None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "kitro_np", *map(str, arguments)]
    return subprocess.run(command, input=given, capture_output=True, check=False, cwd=cwd)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "in.npz"
    assert main(["simulate", "-o", str(path), "--count", "4", "-q"]) == 0
    return path


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    """Where no file called - is ever made."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not os.path.lexists(tmp_path / "-")


def test_a_pipe_of_commands(tmp_path, file):
    made = run("simulate", "-o", "-", "--count", "4", cwd=tmp_path)
    assert made.stderr == b"wrote standard output: 4 simulated bodies\n"
    refined = run("refine", "-", "-o", "-", given=made.stdout, cwd=tmp_path)
    assert refined.stderr == b"4 bodies refined by map\nwrote standard output\n"
    assert main(["refine", str(file), "-o", "out.npz", "-q"]) == 0
    (tmp_path / "piped.npz").write_bytes(refined.stdout)
    with np.load("piped.npz") as piped, np.load("out.npz") as out:
        assert set(piped.files) == set(out.files)
        assert str(piped["source"]) == "standard input"
        for name in set(out.files) - {"source"}:
            np.testing.assert_array_equal(piped[name], out[name])
    assert len(kitro_np.RefineResult.load("piped.npz")) == 4
    assert sorted(os.listdir(tmp_path)) == ["in.npz", "out.npz", "piped.npz"]


def test_every_command_that_reads_or_writes_streams(file):
    result = run("refine", file, "-o", "-", "-q")
    assert (result.returncode, result.stderr) == (0, b"")
    for command in (["inspect", "-"], ["eval", "-"], ["convert", "-", "-o", "walk.bvh"]):
        done = run(*command, given=result.stdout)
        assert (done.returncode, b"kitro-np-" in done.stdout) == (0, False)
    with np.load(file) as arrays:
        np.savez("walker.npz", **{**arrays, "person": np.zeros(4, np.int64)})
    result = run("refine", "walker.npz", "-o", "-", "-q")
    done = run("convert", "-", "-o", "-", "--to", "amass", given=result.stdout)
    assert done.stdout.startswith(b"PK")
    assert b"wrote standard output: motion as in AMASS" in done.stderr


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (b"", "standard input: expected an .npz file, got nothing."),
        (b"pose,betas", "standard input: expected an .npz file, got something else."),
        (b"PK of no archive", "standard input: "),
    ],
)
def test_input_that_is_no_file(given, sentence):
    for command in (["eval", "-"], ["refine", "-", "-o", "out.npz"]):
        done = run(*command, given=given)
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.decode().startswith(f"kitro-np: error: {sentence}")
        assert done.stderr.count(b"\n") == 1


def test_input_without_an_end(monkeypatch, tmp_path, capsys):
    """A file that is larger than the limit stands for a pipe without an end."""
    (tmp_path / "long").write_bytes(b"PK" + bytes(3 * streams.CHUNK))
    monkeypatch.setattr(streams, "LIMIT", 2 * streams.CHUNK)
    with open("long", encoding="latin1") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert "standard input: expected at most 0 GiB, got more." in fails(capsys, "eval", "-")


def test_terminals_are_refused(file, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "got a terminal" in fails(capsys, "refine", file, "-o", "-")
    monkeypatch.setattr(sys, "stdin", sys.stdout)
    assert "got a terminal" in fails(capsys, "eval", "-")


@pytest.mark.parametrize(
    "command",
    [
        ["paper", "-o", "-"],
        ["layouts", "coco17", "-o", "-"],
        ["layouts", "--check", "-"],
        ["refine", "in.npz", "-o", "out.npz", "--keypoints", "-"],
        ["simulate", "-o", "out.npz", "--poses", "-"],
        ["paper", "-o", "pages", "--data", "in.npz", "-"],
        ["info", "--models", "-"],
        ["eval", "in.npz", "--truth", "-"],
    ],
)
def test_options_that_take_no_streams(command, capsys):
    assert ": expected a name or a path, got -; standard input is read as IN of refine" in fails(
        capsys, *command
    )


def test_what_cannot_be_on_standard_output(file, capsys):
    assert "--json: expected a file as -o, got -" in fails(capsys, "refine", file, "-o", "-", "--json")
    sentence = "--to: expected a format of .npz files with -o -, got glb."
    assert sentence in fails(capsys, "refine", file, "-o", "-", "--to", "glb")


def test_people_who_have_a_file_each(tmp_path, capsys):
    main(["simulate", "--video", "--tracks", "2", "--frames", "5", "-o", "in.npz", "-q"])
    done = run("refine", "in.npz", "-o", "-", "--to", "amass")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"-o: expected a path where there is a file for each person, got - for 2 files." in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="closes streams as a shell does")
def test_closed_streams_and_names_that_are_no_utf8(tmp_path, file):
    """What a closed stream would have got is lost, and goes into no file instead."""
    odd = os.fsdecode(b"\xff.npz")
    command = f"{sys.executable} -m kitro_np refine in.npz -o"
    for closed in ("2>&-", "<&- >&- 2>&-"):
        done = subprocess.run(
            ["/bin/sh", "-c", f"{command} out.npz --force {closed}; {command} nowhere/out.npz {closed}"],
            capture_output=True, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 2
        said = [*done.stdout.splitlines(), *done.stderr.splitlines()]
        assert not [line for line in said if b"unexpected" in line or b"Traceback" in line]
        assert "2>" in closed or b"expected an existing folder" in done.stderr
    (tmp_path / odd).write_bytes(file.read_bytes())
    done = run("refine", odd, "-o", f"{odd}.npz", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"wrote \\udcff.npz.npz" in done.stdout
    assert os.path.exists(os.fsencode(tmp_path) + b"/\xff.npz.npz")
