"""Read a file that may be compressed, by joblib or gzip: never more than a bound, whatever it claims."""

from __future__ import annotations

import bz2
import lzma
import zlib
from pathlib import Path
from typing import Any

from .pickle_arrays import RefusedError

__all__ = ["MAX_BYTES", "inflate", "read_inflated"]

MAX_BYTES = 2**32
"""Most bytes of a file, and of what it inflates to: a day of one person's estimates is a tenth of it."""

_STEP = 2**24
"""Bytes that are inflated at once."""

_ZLIB_HEADERS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def read_inflated(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a file; inflate it if it is compressed by zlib, gzip, bz2, xz or lzma.

    Raises
    ------
    RefusedError
        If it, or what it inflates to, is larger than `max_bytes`, or it is damaged.
    """
    size = path.stat().st_size
    if size > max_bytes:
        raise RefusedError(f"at most {max_bytes} bytes", str(size))
    return inflate(path.read_bytes(), max_bytes)


def inflate(data: bytes, max_bytes: int = MAX_BYTES) -> bytes:
    """Inflate bytes that are compressed; return others as they are."""
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
