"""The scripts of models/ that print or draw what pages and tables show."""

import importlib
from pathlib import Path

import pytest


@pytest.fixture
def script(monkeypatch):
    def script(name):
        monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1])
        return importlib.import_module(f"models.{name}")

    return script


@pytest.mark.parametrize("name", ["draw_body", "find_landmarks"])
def test_wrong_arguments_and_help_end_before_anything_is_done(name, script, tmp_path, capsys, monkeypatch):
    module = script(name)
    monkeypatch.setattr(module, "load_body", None)  # the first thing that is done
    with pytest.raises(SystemExit) as stopped:
        module.main(["--help"])
    out, err = capsys.readouterr()
    assert (stopped.value.code, err) == (0, "")
    assert out.startswith(f"usage: python -m models.{name} ")
    with pytest.raises(SystemExit) as stopped:
        module.main(["--wrong"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"python -m models.{name}: unrecognized arguments: --wrong\n"


def test_pictures_of_the_body_are_written_to_a_folder(script, tmp_path, capsys):
    module = script("draw_body")
    docs = [module.DOCS / name for name in ("body.png", "body_proportions.svg")]
    before = [path.stat().st_mtime_ns for path in docs]
    assert module.main(["-o", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["body.png", "body_proportions.svg"]
    assert (tmp_path / "body.png").stat().st_size < 200_000
    assert [path.stat().st_mtime_ns for path in docs] == before
    with pytest.raises(SystemExit):
        module.main(["-o", str(tmp_path / "none")])
    assert "none does not exist." in capsys.readouterr().err
