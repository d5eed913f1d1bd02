"""Big data: people through Parquet shards, on one core and on two, beside the same refinement in memory.

python bench/big_data.py --people 10_000_000 --folder /scratch

Shards are made of a simulated set with fresh noise; the results of a run are removed before the next one. Ten
million people need 7 GB on the disk for shards and 6 GB for results with poses as axis-angle vectors, the
default, 13 and 12 GB with --matrices. Prints a line for each run.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from people import people, repeated

import kitro_np
from kitro_np.arrays.threads import usable_cores

SHARD = 250_000
"""People of a shard."""

BASE = 16384
"""Different people."""

ROWS = 4096
"""Rows of a batch."""

IN_MEMORY = 131_072
"""People of a call in memory."""


def main() -> int:
    """Make shards, run, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="of shards and results (default: a temporary one)")
    parser.add_argument("--shard", type=int, default=SHARD, help="people of a shard")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--matrices", action="store_true", help="poses as rotation matrices")
    options = parser.parse_args()
    base = people(BASE, vectors=not options.matrices)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        shards, results = Path(folder) / "shards", Path(folder) / "refined"
        size = write(base, options.people, options.shard, shards)
        print(f"{options.people:,} people, {size / 1e9:.1f} GB of shards, {usable_cores()} cores", flush=True)
        kitro_np.refine_shards(sample(base, Path(folder)), Path(folder) / "warm", workers=1)  # compiles
        speeds = {}
        for cores in options.cores:
            # In turns, so that both see the same machine.
            memory = in_memory(base, cores)
            with Watch() as watch:
                began = time.perf_counter()
                done = kitro_np.refine_shards(shards, results, workers=cores)
                seconds = time.perf_counter() - began
            memory = (memory + in_memory(base, cores)) / 2
            speeds[cores] = done.bodies / seconds
            shutil.rmtree(results)
            print(
                f"{cores} cores: {speeds[cores]:,.0f} people a second, {speeds[cores] / memory:.0%} of "
                f"{memory:,.0f} in memory, {speeds[cores] / speeds[options.cores[0]]:.2f} times as fast, "
                f"memory at most {watch.most:,.0f} MB, {watch.after(0.2):,.0f} after a fifth, "
                f"{watch.after(1):,.0f} at the end",
                flush=True,
            )
    return 0


def write(base: dict[str, Any], count: int, most: int, folder: Path) -> int:
    """Write shards of up to `most` people, and return their bytes."""
    import pyarrow.parquet as pq

    from kitro_np.streaming.parquet import WRITING

    folder.mkdir()
    done = 0
    while done < count:
        own = min(most, count - done)
        path, part = folder / f"part-{done // most:05d}.parquet", folder / "part.parquet"
        writer = None
        for batch in repeated(base, own):
            kitro_np.write_shard(part, batch, rows=ROWS, force=True)
            table = pq.read_table(part)
            writer = writer or pq.ParquetWriter(path, table.schema, **WRITING)
            writer.write_table(table, row_group_size=ROWS)
        assert writer is not None
        writer.close()
        part.unlink()
        done += own
    return sum(path.stat().st_size for path in folder.iterdir())


def sample(base: dict[str, Any], folder: Path) -> Path:
    """Write a few people, for kernels to be compiled with."""
    few = {name: value[:64] if getattr(value, "ndim", 0) else value for name, value in base.items()}
    return kitro_np.write_shard(folder / "few.parquet", few)


def in_memory(base: dict[str, Any], threads: int) -> float:
    """Return bodies a second of one call of refine."""
    batch = next(iter(repeated(base, BASE)))
    times = -(-IN_MEMORY // BASE)
    import numpy as np

    names = ("pose", "betas", "transl", "keypoints_2d", "intrinsics")
    many = {name: np.concatenate([batch[name]] * times) for name in names}
    body = str(base["body"])
    kitro_np.refine(**{name: part[:64] for name, part in many.items()}, body=body, threads=threads)
    began = time.perf_counter()
    kitro_np.refine(**many, body=body, threads=threads)
    return len(many["pose"]) / (time.perf_counter() - began)


class Watch:
    """Memory of this process's workers while something runs: their proportional share of it, in MB."""

    def __enter__(self) -> Watch:
        self._seen: list[float] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    @property
    def most(self) -> float:
        """The most that was seen."""
        return max(self._seen, default=0.0)

    def after(self, share: float) -> float:
        """Return the most seen in the tenth of the run that ends there."""
        count = len(self._seen)
        stop = max(int(share * count), 1)
        return max(self._seen[max(stop - count // 10 - 1, 0) : stop], default=0.0)

    def _look(self) -> None:
        while not self._end.wait(0.2):
            total = sum(pss(child) for child in workers())
            if total:
                self._seen.append(total)


def workers() -> list[int]:
    """Return the ids of this process's children."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        text = (task / "children").read_text() if (task / "children").exists() else ""
        found += [int(word) for word in text.split()]
    return found


def pss(process: int) -> float:
    """Return a process's memory in MB, what it shares divided by those who share it."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024


if __name__ == "__main__":
    sys.exit(main())
