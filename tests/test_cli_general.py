"""What all commands have in common: help, version, quiet, verbose, JSON and the exit status."""

import json
import logging
import sys

import numpy as np
import pytest
from recorded import BODY

import kitro_np
from kitro_np.__main__ import run
from kitro_np.cli import main as cli
from kitro_np.cli.exit_status import ExitStatus
from kitro_np.cli.main import main
from kitro_np.cli.voice import LOG, Voice, remark, say_written, speak, warn
from kitro_np.refinement.validity import Status

NAMES = [command.__name__.rpartition(".")[2] for command in cli.COMMANDS]


@pytest.fixture(scope="module")
def estimates(sim):
    return {key: value[12:24] for key, value in sim.items() if key.startswith(("pred", "GT_", "intr", "key"))}


@pytest.fixture
def file(tmp_path, estimates):
    path = tmp_path / "in.npz"
    np.savez(path, **estimates)
    return str(path)


@pytest.fixture
def hopeless(tmp_path, estimates):
    """Bodies behind the camera."""
    path = tmp_path / "hopeless.npz"
    np.savez(path, **{**estimates, "pred_cam": -estimates["pred_cam"]})
    return str(path)


# ----------------------------------------------------------------------------------------- help and version


def help_of(capsys, *arguments) -> str:
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--help"])
    assert stop.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("given", [[], ["-q"], ["help"], ["HELP"], ["-v", "help"]], ids=" ".join)
def test_without_a_command_there_is_help(given, capsys):
    expected = help_of(capsys)
    assert main(given) == 0
    assert capsys.readouterr().out == expected
    assert all(f"\n    {name}" in expected for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_help_of_a_command(name, capsys):
    expected = help_of(capsys, name)
    assert main(["help", name]) == 0
    assert capsys.readouterr().out == expected
    flat = " ".join(expected.split())
    for flag in ("-q, --quiet", "-v, --verbose", "-V, --version"):
        assert flag in flat
    assert all(f"{int(status)} {status.meaning}" in flat for status in ExitStatus)


def test_help_of_no_command(capsys):
    assert main(["help", "evl"]) == 2
    assert capsys.readouterr().err.endswith("got 'evl' (did you mean 'eval'?).\n")


@pytest.mark.parametrize("given", [["-V"], ["--version"], ["info", "-V"], ["-q", "refine", "--version"]])
def test_version_before_and_after_the_command(given, capsys):
    with pytest.raises(SystemExit) as stop:
        main(given)
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"kitro-np {kitro_np.__version__}\n"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["refne"], "got 'refne' (did you mean 'refine'?)."),
        (["--quite", "info"], "expected an option of kitro-np info, got another (did you mean '--quiet'?)"),
        (["info", "--verbos"], ""),
        (["--nothing"], "--nothing: expected an option of kitro-np, got another; see kitro-np --help."),
        (["simulate", "--cuont", "3", "-o", "x.npz"], "(did you mean '--count'?)"),
        (["eval", "--per-joints", "x.npz"], "(did you mean '--per-joint'?)"),
        (["warmup", "extra"], "extra: expected an option of kitro-np warmup, got another"),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence_without_usage(given, sentence, capsys):
    if not sentence:  # an unambiguous beginning of a flag will do
        assert main(given) == 0
        return
    assert main(given) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert sentence in err
    assert "usage" not in err


# ---------------------------------------------------------------------------------------- quiet and verbose


@pytest.mark.parametrize("before", [False, True])
def test_quiet_prints_the_path_alone(file, tmp_path, capsys, before, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    output = str(tmp_path / "out.npz")
    command = ["refine", "--body", BODY, file, "-o", output]
    assert main(["-q", *command] if before else [*command, "--quiet"]) == 0
    assert capsys.readouterr() == (f"{output}\n", "")


def test_quiet_leaves_answers_alone(file, capsys):
    printed = []
    for flags in ([], ["-q"]):
        assert main(["eval", "--body", BODY, file, *flags]) == 0
        printed.append(capsys.readouterr().out.splitlines())
    assert printed[1] == printed[0][:5]
    assert main(["info", "-q"]) == 0
    assert kitro_np.__version__ in capsys.readouterr().out


def test_warnings_are_on_standard_error_if_quiet(tmp_path, estimates, capsys):
    exchanged = {**estimates, "keypoints_2d": estimates["keypoints_2d"][..., ::-1]}
    np.savez(tmp_path / "in.npz", **exchanged)
    command = ["refine", "--body", BODY, str(tmp_path / "in.npz"), "-o", str(tmp_path / "out.npz"), "--force"]
    hint = "The keypoints look as if x and y were exchanged."
    main(command)
    assert hint in capsys.readouterr().out
    main([*command, "-q"])
    out, err = capsys.readouterr()
    assert (out, err) == (f"{tmp_path / 'out.npz'}\n", f"{hint}\n")


@pytest.mark.parametrize("before", [False, True])
def test_verbose_says_body_method_engine_and_time(file, tmp_path, capsys, before):
    command = ["refine", "--body", BODY, file, "-o", str(tmp_path / "out.npz"), "--threads", "1"]
    assert main(["-v", *command] if before else [*command, "--verbose"]) == 0
    out, err = capsys.readouterr()
    assert "12 bodies refined" in out
    assert f"body {BODY}: 24 joints" in err
    assert "method map: " in err
    assert "engine numba, threads 1" in err
    assert "refined 12 bodies in " in err
    assert "exit status 0" in err
    assert LOG.level == logging.NOTSET
    assert not LOG.handlers


def test_unexpected_errors_are_a_sentence_with_a_traceback_if_verbose(monkeypatch, capsys):
    def broken(_):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("kitro_np.cli.info.find_out", broken)
    assert main(["info"]) == 70
    expected = "kitro-np: error: unexpected ZeroDivisionError: by zero"
    assert capsys.readouterr().err == f"{expected}; with --verbose it says where.\n"
    assert main(["info", "-v"]) == 70
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.endswith(f"{expected}.\n")


@pytest.mark.parametrize(
    ("voice", "out", "err"),
    [
        (Voice(), "remark\nwarning\nwrote path: all\n", ""),
        (Voice(quiet=True), "path\n", "warning\n"),
        (Voice(taken=True), "", "remark\nwarning\nwrote path: all\n"),
        (Voice(quiet=True, taken=True), "", "warning\n"),
        (Voice(names={"path": "name"}), "remark\nwarning\nwrote name: all\n", ""),
    ],
)
def test_where_everything_is_said(voice, out, err, capsys):
    with speak(voice):
        remark("remark")
        warn("warning")
        say_written("path", ": all")
    assert capsys.readouterr() == (out, err)


# ---------------------------------------------------------------------------------------- JSON, exit status


def test_json_of_refine_is_all_of_standard_output(file, tmp_path, capsys):
    for name in ("out.npz", "out.csv"):
        output = str(tmp_path / name)
        assert main(["refine", "--body", BODY, file, "-o", output, "--json", "--uncertainty"]) == 0
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        found = json.loads(out)
        assert (found["method"], found["body"], found["output"]) == ("map", BODY, output)
        assert found["options"]["uncertainty"] is True
        assert (found["bodies"], found["counts"], found["reasons"]) == (12, {"refined": 12}, {})
        assert found["seconds"] > 0
        assert found["bodies_per_second"] == pytest.approx(12 / found["seconds"], rel=0.3)
        assert "hint" not in found


def test_json_counts_status_and_reason(hopeless, tmp_path, capsys):
    output = str(tmp_path / "out.npz")
    assert main(["refine", "--body", BODY, hopeless, "-o", output, "--json", "--method", "kitro"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found["counts"] == {"behind_camera": 12}
    assert found["reasons"] == {"behind_camera": Status.BEHIND_CAMERA.reason}
    with np.load(output) as written:
        assert written["pose"].shape == (12, 24, 3, 3)


def test_json_of_info_is_what_it_prints(capsys):
    assert main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    assert found["version"] == kitro_np.__version__
    assert found["methods"] == ["kitro", "map", "smplify"]
    for key in ("platform", "python", "kernels", "default_body"):
        assert found[key] in text
    assert all(folder in text for folder in found["folders"])


def test_exit_status_where_no_body_was_refined(hopeless, file, tmp_path, capsys):
    for command in (["refine", hopeless, "-o", str(tmp_path / "out.npz")], ["eval", hopeless]):
        assert main([*command, "--body", BODY]) == ExitStatus.NONE_REFINED == 3
        assert "0 bodies refined by map, 12 returned as they were" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------ terminals


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_tables_of_joints_fit_the_terminal(file, capsys, monkeypatch, columns):
    """What is wider is several tables with the same rows."""
    monkeypatch.setenv("COLUMNS", str(columns))
    metrics = "mpjpe,pa_mpjpe,depth_error,reprojection_error"
    assert main(["eval", "--body", BODY, file, "-q", "--per-joint", "--metrics", metrics]) == 0
    out = capsys.readouterr().out
    assert out.count("\njoint ") == {40: 4, 80: 2, 200: 1}[columns]
    assert out.count("\nleft_knee ") == out.count("\njoint ")
    assert max(map(len, out.splitlines())) <= columns


def test_texts_in_columns_are_wrapped_on_a_terminal(file, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["inspect", file]) == 0
    whole = capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["inspect", file]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines()[1:])) < 40
    assert out.splitlines()[1:] != whole.splitlines()[1:]
    assert " ".join(out.split()) == " ".join(whole.split())


def test_ctrl_c_while_modules_are_imported(monkeypatch, capsys):
    class Stopped:
        def find_spec(self, name, path=None, target=None):
            if name == "kitro_np.cli.main":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "kitro_np.cli.main")
    monkeypatch.delattr(kitro_np.cli, "main")
    monkeypatch.setattr(sys, "meta_path", [Stopped(), *sys.meta_path])
    assert run() == ExitStatus.STOPPED
    assert capsys.readouterr().err == "kitro-np: stopped.\n"


def test_what_is_refused_can_be_explained(file, estimates, hopeless, tmp_path, capsys):
    other = str(tmp_path / "others.npz")
    points = estimates["keypoints_2d"].copy()
    points[3] = points[3, ::-1]  # a body's keypoints in another order
    np.savez(other, **{**estimates, "keypoints_2d": points})
    assert main(["refine", other, "-o", str(tmp_path / "a.npz")]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last == f"see why: kitro-np explain {other} --row 3"
    assert main(last.split()[3:]) == 0
    assert "refused" in capsys.readouterr().out
    assert main(["refine", hopeless, "-o", str(tmp_path / "c.npz")]) == ExitStatus.NONE_REFINED
    assert "explain" not in capsys.readouterr().out  # the summary's reason is all there is to say
    assert main(["refine", file, "-o", str(tmp_path / "b.npz")]) == 0
    assert "explain" not in capsys.readouterr().out
