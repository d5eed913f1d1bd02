"""Shards for tests: the example's bodies in small files."""

import hashlib

import numpy as np

import kitro_np

DATA = kitro_np.example()

COUNT = len(DATA["pose"])


def rows(start=0, stop=COUNT, **more):
    """Columns of some of the example's bodies, with names."""
    stop = min(stop, COUNT)
    some = {name: part if isinstance(part, str) else part[start:stop] for name, part in DATA.items()}
    names = np.array([f"person {k}" for k in range(start, stop)])
    return {**some, "name": names, "id": np.arange(start, stop), **more}


def write_some(folder, count=4, suffix=".parquet", size=8):
    """Write shards of `size` bodies each, with row groups of 4."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(count):
        kitro_np.write_shard(folder / f"part-{k:02d}{suffix}", rows(size * k, size * (k + 1)), rows=4)


def hashes(folder):
    """SHA-256 of all files below a folder, by their path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }
