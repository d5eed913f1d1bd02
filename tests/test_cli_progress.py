"""Progress on a terminal: bars count all bodies, and what cannot be counted shows its time."""

import sys
import time
from contextlib import contextmanager

import pytest

from kitro_np.cli import eval as eval_command
from kitro_np.cli import progress, refine, refinement
from kitro_np.cli.main import main
from kitro_np.cli.voice import Voice, speak


@pytest.fixture
def counted(monkeypatch):
    """Totals of bars, and what they counted."""
    found = []

    @contextmanager
    def bar(total, what, unit="bodies"):
        done = []
        yield done.append
        found.append((what, total, sum(done)))

    for module in (eval_command, refine, refinement):
        monkeypatch.setattr(module, "progress_bar", bar)
    return found


@pytest.mark.parametrize("options", [[], ["--each-frame"], ["--method", "kitro"], ["--method", "smplify"]])
def test_bars_count_every_body_of_videos(tmp_path, counted, options):
    path, output = str(tmp_path / "in.npz"), str(tmp_path / "out.npz")
    main(["simulate", "--video", "--tracks", "3", "--frames", "12", "-o", path])
    assert main(["refine", path, "-o", output, *options]) == 0
    assert main(["refine", output, "-o", output, "--force", *options]) == 0
    assert main(["eval", path, *options]) == 0
    (_, count, _), *_ = counted
    assert count > 20
    assert counted == [(what, count, count) for what in ("refine", "refine", "refine", "measure")]


def test_a_task_of_more_than_a_second_shows_its_time(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(progress, "PATIENCE", 0.01)
    monkeypatch.setattr(progress, "TICK", 0.01)
    with progress.elapsed_time("simulate"):
        time.sleep(0.2)
    assert "simulate: 00:00" in capsys.readouterr().err
    with speak(Voice(quiet=True)), progress.elapsed_time("simulate"):
        time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_a_short_task_shows_nothing_and_errors_pass(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with pytest.raises(ZeroDivisionError), progress.elapsed_time("simulate"):
        raise ZeroDivisionError
    assert capsys.readouterr().err == ""


def test_without_tqdm_there_is_no_progress(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with progress.elapsed_time("simulate"), progress.progress_bar(3, "refine") as bar:
        assert bar is None
    assert capsys.readouterr().err == ""
