"""Open a zip archive whose directory may be forged: it is read whole, so its size is bounded."""

from __future__ import annotations

import os
import zipfile
from typing import IO, Any, BinaryIO

from .refused import RefusedError

__all__ = ["open_archive", "read_member"]

_MAX_DIRECTORY = 2**23
"""Bytes of the directory, 80 and 600 of memory for each member: an .npz file has tens of members."""

_READ_BYTES = 2**18
"""Bytes of one read of a member: few, so that little memory is used in addition to what it becomes."""


class _Capped:
    """A file that refuses long reads; zipfile reads the directory in one."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file, self._most = file, most
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        if count < 0:  # to the end
            count = os.fstat(self._file.fileno()).st_size - self._file.tell()
        if count > self._most:
            raise RefusedError(f"a directory of at most {self._most} bytes", "a larger one")
        return self._file.read(max(count, 0))


def open_archive(file: BinaryIO, max_directory: int = _MAX_DIRECTORY) -> zipfile.ZipFile:
    """Open an archive for reading; closing it leaves the file open.

    Raises
    ------
    RefusedError
        If its directory is too large.
    Exception
        Of many types, as zipfile raises for archives that are damaged or forged.
    """
    capped: Any = _Capped(file, max_directory)
    return zipfile.ZipFile(capped)


def read_member(member: IO[bytes], most: int) -> bytearray:
    """Read a member to its end, where zipfile verifies its checksum, or to more than `most` bytes.

    It grows block by block: a single read would need twice its memory.
    """
    data = bytearray()
    while len(data) <= most and (block := member.read(_READ_BYTES)):
        data += block
    return data
