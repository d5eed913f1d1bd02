"""Read JSON and lines of text of bounded memory: Python's objects take many times the bytes of a file."""

from __future__ import annotations

import json
from typing import Any

from .memory import open_budget

__all__ = ["parse_json", "split_lines"]

_PER_BYTE = 5
"""Bytes in memory of a byte of text, decoded: four if any character is beyond Unicode's first plane."""

_PER_LIST, _PER_DICT, _PER_KEY, _PER_ITEM = 72, 216, 112, 40
"""Bytes in memory of a list and of a dict with few keys, of each further key, and of each item."""

_PER_LINE = 96
"""Bytes in memory of a line: a text, and its place in a list and in a tuple."""

_LINE_ENDS = (
    b"\n",
    b"\r",
    b"\x0b",
    b"\x0c",
    b"\x1c",
    b"\x1d",
    b"\x1e",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xa9",
)
"""What Python splits lines at, in UTF-8."""


def parse_json(data: bytes, kind: str) -> Any:
    """Parse JSON of a kind of file, see `memory.LIMITS`, if there is memory for its objects.

    Raises
    ------
    RefusedError
        If they may take too much.
    ValueError, RecursionError
        If it is no JSON, or nested too deep.
    """
    open_budget(kind).take(
        len(data) * _PER_BYTE
        + data.count(b"[") * _PER_LIST
        + data.count(b"{") * _PER_DICT
        + data.count(b":") * _PER_KEY
        + data.count(b",") * _PER_ITEM
    )
    return json.loads(data)


def split_lines(data: bytes, kind: str, *, errors: str = "strict") -> list[str]:
    """Decode UTF-8 and split it into lines, if there is memory for them.

    Raises
    ------
    RefusedError
        If they may take too much.
    UnicodeDecodeError
        If it is no UTF-8 and errors are strict.
    """
    count = sum(map(data.count, _LINE_ENDS))
    open_budget(kind).take(2 * len(data) * _PER_BYTE + count * _PER_LINE)
    return data.decode("utf-8-sig", errors).splitlines()
