"""Scripts that complete the command line in shells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

BASH = """\
# bash completion of kitro-np
_kitro_np() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
    local word command= words= files=
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in -*) ;; *) command=$word; break ;; esac
    done
    case "$command $before" in
        @VALUES@
    esac
    if [[ -z $words && -z $files ]]; then
        if [[ $current == -* ]]; then case $command in
        @OPTIONS@
        esac; else case $command in
        @ARGUMENTS@
        esac; fi
    fi
    if [[ -n $words ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$current"))
    else
        compopt -o default 2>/dev/null
        COMPREPLY=()
    fi
}
complete -F _kitro_np kitro-np
"""

ZSH = """\
#compdef kitro-np
# zsh completion of kitro-np
_kitro_np() {
    local word command= files=
    local -a found
    for word in ${words[2,CURRENT-1]}; do
        case $word in -*) ;; *) command=$word; break ;; esac
    done
    case "$command ${words[CURRENT-1]}" in
        @VALUES@
    esac
    if [[ -z $found && -z $files ]]; then
        if [[ ${words[CURRENT]} == -* ]]; then case $command in
        @OPTIONS@
        esac; else case $command in
        @ARGUMENTS@
        esac; fi
    fi
    if (( $#found )); then compadd -- $found; else _files; fi
}
if [[ $funcstack[1] == _kitro_np ]]; then _kitro_np "$@"; else compdef _kitro_np kitro-np; fi
"""


class Word(NamedTuple):
    """An option: its flags, values that are known, whether it takes any, and its help."""

    flags: tuple[str, ...]
    values: tuple[str, ...]
    takes_value: bool
    text: str


class CommandWords(NamedTuple):
    """A command, "" for what stands before it: its options, and what its first argument may be."""

    name: str
    options: list[Word]
    arguments: tuple[str, ...]


def bash_script(commands: list[CommandWords]) -> str:
    """Return the script of bash."""
    return _filled(BASH, commands, '        {0}) words="{1}" ;;')


def zsh_script(commands: list[CommandWords]) -> str:
    """Return the script of zsh."""
    return _filled(ZSH, commands, "        {0}) found=({1}) ;;")


def fish_script(commands: list[CommandWords]) -> str:
    """Return the script of fish."""
    lines = ["# fish completion of kitro-np"]
    names = " ".join(command.name for command in commands if command.name)
    for command in commands:
        seen = f"__fish_seen_subcommand_from {command.name or names}"
        start = f"complete -c kitro-np -n '{seen if command.name else f'not {seen}'}'"
        if command.arguments:
            lines.append(f"{start} -f -a '{' '.join(command.arguments)}'")
        for option in command.options:
            flags = "".join(f" -{'ls'[flag[1] != '-']} {flag.lstrip('-')}" for flag in option.flags)
            values = f" -x -a '{' '.join(option.values)}'" if option.values else " -r" * option.takes_value
            text = option.text.replace("\\", "\\\\").replace("'", "\\'")
            lines.append(f"{start}{flags}{values} -d '{text}'")
    return "\n".join(lines) + "\n"


def _filled(text: str, commands: list[CommandWords], line: str) -> str:
    """Fill the template of a shell with lines for values, options and arguments."""
    values, options, arguments = [], [], []
    for command in commands:
        options.append(line.format(f'"{command.name}"', " ".join(_flags(command))))
        if command.arguments:
            arguments.append(line.format(f'"{command.name}"', " ".join(command.arguments)))
        unknown = [
            f'"{command.name} {flag}"'
            for option in command.options
            for flag in option.flags
            if option.takes_value and not option.values
        ]
        if unknown:
            values.append(f"        {'|'.join(unknown)}) files=1 ;;")
        for option in command.options:
            if option.values:
                pattern = "|".join(f'"{command.name} {flag}"' for flag in option.flags)
                values.append(line.format(pattern, " ".join(option.values)))
    for name, lines in (("VALUES", values), ("OPTIONS", options), ("ARGUMENTS", arguments)):
        text = text.replace(f"@{name}@", "\n".join(lines).lstrip())
    return text


def _flags(command: CommandWords) -> Iterator[str]:
    for option in command.options:
        yield from option.flags


SCRIPTS = {"bash": bash_script, "fish": fish_script, "zsh": zsh_script}
"""Functions that write the script of a shell."""
