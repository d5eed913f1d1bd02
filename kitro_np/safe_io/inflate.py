"""Read a file that may be compressed, by joblib or gzip: never more than a bound, whatever it claims."""

from __future__ import annotations

import bz2
import lzma
import zlib
from pathlib import Path
from typing import Any

from .memory import RAISED_BY, limit_of, shown_size
from .refused import RefusedError

__all__ = ["inflate", "read_inflated"]

_STEP = 2**24
"""Bytes that are inflated at once."""

_ZLIB_HEADERS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def read_inflated(path: Path, kind: str = "estimates") -> bytes:
    """Read a file of a kind, see `memory.LIMITS`; inflate it if zlib, gzip, bz2, xz or lzma compressed it.

    Raises
    ------
    RefusedError
        If it, or what it inflates to, is larger than such a file may be, or it is damaged.
    """
    size, most = path.stat().st_size, limit_of(kind)
    if size > most:
        raise RefusedError(f"at most {shown_size(most)} ({RAISED_BY})", shown_size(size))
    return inflate(path.read_bytes(), most)


def inflate(data: bytes, max_bytes: int | None = None) -> bytes:
    """Inflate bytes that are compressed, to at most so many; return others as they are."""
    max_bytes = limit_of("estimates") if max_bytes is None else max_bytes
    if data.startswith(b"ZF"):
        raise RefusedError(
            "a file of joblib since 0.10", "one of an older version; load it and save it again"
        )
    if data.startswith(b"\x04\x22\x4d\x18"):
        raise RefusedError(
            "compression by zlib, gzip, bz2, xz or lzma", "lz4; save the file without compression"
        )
    make = _decompressor(data)
    if make is None:
        return data
    parts: list[bytes] = []
    total = 0
    try:
        while data:
            # Streams may follow one another, as gzip and bz2 permit.
            stream = make()
            while not stream.eof:
                block, data = _some(stream, data)
                total += len(block)
                if total > max_bytes:
                    raise RefusedError(f"at most {max_bytes} bytes when inflated", "more")
                parts.append(block)
                if not block and not data and not stream.eof:
                    raise RefusedError("a complete compressed file", "one that ends early")
            data = stream.unused_data
            if not data.strip(b"\0"):
                break
    except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        raise RefusedError("a compressed file", f"one that is damaged ({type(error).__name__})") from None
    return b"".join(parts)


def _decompressor(data: bytes) -> Any:
    """Return what makes a decompressor for the first bytes; None if they are no header of one."""
    if data[:2] in _ZLIB_HEADERS:
        return zlib.decompressobj
    if data.startswith(b"\x1f\x8b"):
        return lambda: zlib.decompressobj(16 + zlib.MAX_WBITS)
    if data.startswith(b"BZh"):
        return bz2.BZ2Decompressor
    if data.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
        return lambda: lzma.LZMADecompressor(memlimit=2**28)
    return None


def _some(stream: Any, data: bytes) -> tuple[bytes, bytes]:
    """Inflate at most _STEP bytes; return them, and the input that is left."""
    block = stream.decompress(data, _STEP)
    # zlib hands back the input that it has not used; bz2 and lzma keep it.
    return block, getattr(stream, "unconsumed_tail", b"")
