"""Kinds of files that are taken for one another, by how they begin: for messages."""

from __future__ import annotations

KINDS = (
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"%PDF", "a PDF"),
    (b"PK\3\4", "a zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"PAR1", "a Parquet file"),
    (b"glTF", "a .glb model"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"\x93NUMPY", "an array of NumPy (.npy)"),
)

VIDEO = b"ftyp"
"""In the fifth to eighth byte of .mp4 and .mov files."""

TEXT = frozenset(range(32, 127)) | {9, 10, 12, 13}
"""Bytes of plain text."""


def kind_of(start: bytes) -> str:
    """Return what a file seems to be by its first bytes, such as "a PNG picture", else "another file"."""
    if not start:
        return "an empty file"
    if start[4:8] == VIDEO:
        return "a video"
    for magic, kind in KINDS:
        if start.startswith(magic):
            return kind
    if TEXT.issuperset(start):
        return "text"
    return "another file"
