"""Shards on the command line: what is said of them, and the exit status."""

import json

import numpy as np
import pytest
from shards import rows, write_some

import kitro_np
from kitro_np.cli.main import main

pytest.importorskip("pyarrow")


def run(capsys, *arguments):
    """Run the command refine, and return its exit status and what it said on both streams."""
    status = main(["refine", *map(str, arguments)])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_what_was_done(tmp_path, capsys):
    write_some(tmp_path / "in", 3)
    kitro_np.write_shard(
        tmp_path / "in" / "video.parquet", rows(track=np.zeros(60, int), frame=np.arange(60))
    )
    status, out, err = run(capsys, tmp_path / "in", "-o", tmp_path / "out", "--workers", 1)
    assert status == 0
    assert "84 of 84 bodies refined, in 4 of 4 shards, 1 as videos.\n" in out + err
    again = run(capsys, tmp_path / "in", "-o", tmp_path / "out", "--resume", "--json", "--workers", 1)
    done = json.loads(again[1])
    assert (done["kept"], done["videos"], done["shards"], done["bodies_per_second"]) == (4, 1, 4, 0)


def test_one_mistake_in_all_shards_is_said_once(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for k in (1, 2):
        kitro_np.write_shard(tmp_path / "in" / f"{k}.parquet", {"body_pose": np.zeros((2, 72))})
    (tmp_path / "in" / "\x1b[31m\n.parquet").write_bytes(b"junk")
    status, out, err = run(capsys, tmp_path / "in", "-o", tmp_path / "out", "--workers", 1)
    assert status == 4
    lines = [line for line in (out + err).splitlines() if "set aside:" in line]
    assert len(lines) == 2
    assert "\x1b" not in out + err
    assert any(r"\x1b[31m\n.parquet: expected a Parquet file" in line for line in lines)
    assert any("1.parquet and 1 other: expected the keys pose or pred_theta" in line for line in lines)
    assert any("got body_pose." in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["empty", "-o", "out"], "empty: expected shards (.parquet, .npz), got none."),
        (["nowhere", "-o", "out"], "nowhere: expected a file, got none."),
        (["nowhere/*.npz", "-o", "out"], "nowhere/*.npz: expected shards (.parquet, .npz), got none."),
        (["a.parquet", "b.parquet", "-o", "out"], "b.parquet: expected one argument for each of those of"),
        (
            ["in", "-o", "out", "--threads", "2"],
            "--threads: expected none with shards, got 2; --workers is for",
        ),
        (["in", "-o", "out", "--workers", "0"], "workers: expected at least 1, got 0."),
        (["in", "-o", "in"], "in: expected another folder than the shards', got the same."),
        (
            ["in", "-o", "part-00.parquet"],
            "part-00.parquet: expected a folder to write shards to, got a file.",
        ),
        (["in", "-o", "out", "--resume", "--force"], "resume: expected none with force, got both."),
    ],
)
def test_what_is_refused(tmp_path, capsys, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    write_some(tmp_path / "in", 1)
    (tmp_path / "part-00.parquet").touch()
    status, out, err = run(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert err.startswith(f"kitro-np: error: {sentence}")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
