"""Completion: bash itself is asked what it would offer; zsh and fish read their scripts where they are."""

import shutil
import subprocess

import pytest
from test_cli import NAMES, fails

import kitro_np
from kitro_np.cli.main import main, parser
from kitro_np.refinement.method import METHODS


def script(shell, capsys) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


def run(command, code, cwd=None) -> str:
    done = subprocess.run([*command, code], capture_output=True, text=True, check=True, cwd=cwd)
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def complete(capsys, tmp_path):
    """Words that bash offers for the last of a line's words."""
    if shutil.which("bash") is None:
        pytest.skip("without bash")
    text = script("bash", capsys)

    def complete(*words):
        given = " ".join(f"'{word}'" for word in ("kitro-np", *words))
        code = f"{text}\nCOMP_WORDS=({given})\nCOMP_CWORD={len(words)}\n_kitro_np\n"
        return run(["bash", "-c"], f'{code}printf "%s\\n" "${{COMPREPLY[@]}}"', tmp_path).split()

    return complete


def test_bash_completes_commands(complete):
    assert complete("") == NAMES
    assert complete("re") == ["refine", "render", "report"]
    assert complete("-q", "in") == ["inspect", "info"]
    assert complete("help", "w") == ["warmup"]
    assert complete("--v") == ["--verbose", "--version"]
    assert complete("completion", "") == ["bash", "fish", "zsh"]


def test_bash_completes_options_of_a_command(complete):
    assert complete("eval", "--per") == ["--per-joint", "--per-sequence"]
    assert complete("refine", "IN.npz", "-o", "OUT.npz", "--no-m") == ["--no-motion-prior"]
    assert complete("-v", "info", "--j") == ["--json"]
    flags = complete("refine", "-")
    assert {"--keypoints", "--layout", "--json", "-o", "--output"} <= set(flags)
    assert "--count" not in flags


def test_bash_completes_names(complete):
    assert complete("refine", "--method", "") == [*METHODS]
    assert complete("eval", "--method", "s") == ["smplify"]
    assert complete("refine", "--search", "") == ["tree", "greedy"]
    assert complete("refine", "--keypoint-layout", "coco") == ["coco17", "coco18", "coco19"]
    assert complete("refine", "--to", "g") == ["glb"]
    assert complete("layouts", "") == [*kitro_np.LAYOUTS]


def test_bash_leaves_files_to_itself(complete):
    for words in (["refine", ""], ["refine", "IN.npz", "-o", ""], ["refine", "IN.npz", "-o", "-"]):
        assert complete(*words) == []


def test_all_options_of_all_commands_are_in_every_script(capsys):
    top = parser()
    commands = top.parse_args(["help"]).parsers
    for shell in ("bash", "zsh", "fish"):
        text = script(shell, capsys)
        for command in commands.values():
            for action in command.actions():
                for flag in action.option_strings:
                    stem = f" {flag}" if shell != "fish" else f" -{'ls'[flag[1] != '-']} {flag.lstrip('-')} "
                    assert stem in text or flag == "-h", (shell, flag)


@pytest.mark.skipif(shutil.which("zsh") is None, reason="without zsh")
def test_zsh_completes(capsys):
    text = script("zsh", capsys)
    ask = "compadd() { shift; print -l -- $@; }\n_files() { print files; }\ncompdef() {}\n"
    for line, expected in (
        ("refine --search ''", ["tree", "greedy"]),
        ("help ''", NAMES),
        ("refine ''", ["files"]),
        ("refine -o ''", ["files"]),
    ):
        code = f"{ask}{text}\nwords=(kitro-np {line}); CURRENT=$#words\n_kitro_np\n"
        assert run(["zsh", "-f", "-c"], code).split() == expected


@pytest.mark.skipif(shutil.which("fish") is None, reason="without fish")
def test_fish_completes(capsys, tmp_path):
    text = script("fish", capsys)
    for line, expected in (
        ("kitro-np refine --search ", {"tree", "greedy"}),
        ("kitro-np help w", {"warmup"}),
        ("kitro-np ", {*NAMES}),
        ("kitro-np eval --per-j", {"--per-joint"}),
    ):
        found = run(["fish", "--no-config", "-c"], f"{text}\ncomplete -C '{line}'\n", tmp_path).splitlines()
        assert {word.partition("\t")[0] for word in found} == expected, line


def test_other_shells_are_refused(capsys):
    assert "SHELL: expected one of bash, fish, zsh, got 'bsh' (did you mean 'bash'?)." in fails(
        capsys, "completion", "bsh"
    )
