"""Every error for invalid input is one sentence: "name: expected ..., got ....", read from the source."""

import ast
import re
from pathlib import Path

import pytest

import kitro_np
from kitro_np.errors import InputError, did_you_mean, one_of

PACKAGE = Path(kitro_np.__file__).parent

ERRORS = ("InputError", "FileNotFoundError")


def text_of(node):
    """Literal parts of a string or f-string, concatenations included; None if it is another expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        return "".join(parts)
    return None


def messages(tree):
    """Yield the line and literal text of every error's message, that of a helper's return values included."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS):
            continue
        (argument,) = node.args
        if isinstance(argument, ast.Call) and isinstance(argument.func, ast.Name):
            helper = functions[argument.func.id]
            returns = [part for part in ast.walk(helper) if isinstance(part, ast.Return)]
            yield from ((part.lineno, text_of(part.value)) for part in returns)
        else:
            yield node.lineno, text_of(argument)


def rewrapped(tree):
    """Lines of errors that add a path to the sentence of another InputError."""
    for handler in (node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)):
        if isinstance(handler.type, ast.Name) and handler.type.id == "InputError" and handler.name:
            for node in ast.walk(handler):
                if isinstance(node, ast.FormattedValue) and ast.unparse(node.value) == handler.name:
                    yield node.lineno


def test_every_error_says_what_was_expected_and_what_it_got():
    count, wrong = 0, []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        exempt = set(rewrapped(tree))
        for line, text in messages(tree):
            count += 1
            place = f"{path.relative_to(PACKAGE)}:{line}"
            if line in exempt:
                continue
            # A sentence may follow, such as a hint.
            if not re.fullmatch(r".+: expected .+ got .+\.(\{\})?", text or ""):
                wrong.append(f"{place}: {text}")
    assert not wrong, "\n".join(wrong)
    assert count > 100


def test_one_of_is_case_insensitive_and_suggests_the_most_similar_choice():
    assert one_of("engine", "NumBa", ("numba", "array")) == "numba"
    with pytest.raises(InputError) as caught:
        one_of("engine", "nunba", ("numba", "array"))
    message = "engine: expected one of numba, array, got 'nunba' (did you mean 'numba'?)."
    assert str(caught.value) == message
    assert did_you_mean("x", ("numba", "array")) == did_you_mean(None, ("numba",)) == ""
