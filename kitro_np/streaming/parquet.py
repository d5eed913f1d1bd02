"""Parquet shards: columns of fixed size, read and written by row groups, through pyarrow.

Arrays are Arrow's fixed-shape tensors; lists of one size, nested or flat, are read too. What is not per row,
such as the name of the body, is JSON in the file's metadata.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import InputError, printable
from .rows import ShardRows, bounded, check_size, codes_of, damaged, parts_of, rows_at_once

SUFFIX = ".parquet"

METADATA = b"kitro_np"
"""Key of the constants in the file's metadata."""

WRITING: dict[str, Any] = {
    "compression": "none",  # numbers of floats hardly shrink, and packing them takes longer than refining
    "use_dictionary": False,
    "write_statistics": False,
    "write_page_checksum": True,
    "version": "2.6",
}
"""How files are written: the same bytes for the same rows."""

PAGES = 2**20
"""Bytes read at a time, so that row groups of any size need little memory."""

READ_ROWS = 2**12
"""Rows read at a time."""

MOST_THRIFT = 10**6
"""Members of a list that a file's footer may have; a text of it may be a hundred times as long."""


class ParquetShard:
    """A Parquet file to be read by rows."""

    def __init__(self, path: Path, columns: Collection[str]) -> None:
        pq = import_pyarrow(path)[1]
        self.path, self._wanted = path, columns
        with damaged(path, "a Parquet file"):
            size = max(path.stat().st_size, 1)  # no list of the footer has more members than bytes
            self._file = pq.ParquetFile(
                path,
                pre_buffer=False,
                buffer_size=PAGES,
                page_checksum_verification=True,
                thrift_string_size_limit=min(size, 100 * MOST_THRIFT),
                thrift_container_size_limit=min(size, MOST_THRIFT),
            )
            self.rows: int = self._file.metadata.num_rows
            self.names: list[str] = self._file.schema_arrow.names
            self.constants = _constants(self._file.schema_arrow.metadata)
            self.row_bytes = self._check_sizes()
            if len(set(self.names)) < len(self.names):
                twice = next(name for name in self.names if self.names.count(name) > 1)
                raise InputError(f"{path}: expected a name for each column, got {printable(twice)!r} twice.")

    @property
    def arrays(self) -> list[str]:
        """Names of columns of numbers or texts."""
        pa, _ = import_pyarrow(self.path)
        schema = self._file.schema_arrow
        return [name for name in self.names if _is_array(pa, schema.field(name).type)]

    def column(self, name: str) -> np.ndarray:
        """Read a column whole."""
        parts, size = list[np.ndarray](), 0
        for part in self._parts(name):
            parts.append(part)
            size += part.nbytes
            check_size(self.path, name, size)
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def labels(self, name: str) -> np.ndarray:
        """Read a column of labels, as whole numbers."""
        return codes_of(self._parts(name))

    def _parts(self, name: str) -> Iterator[np.ndarray]:
        """Yield a column in parts, all of its rows."""
        count = 0
        with damaged(self.path, "a Parquet file"):
            for batch in self._file.iter_batches(READ_ROWS, columns=[name], use_threads=False):
                yield _numpy(self.path, name, batch.column(0))
                count += len(batch)
        if count != self.rows:
            raise InputError(f"{self.path}: {name}: expected {self.rows} rows, got {count}.")

    def batches(self, stops: Iterator[int]) -> Iterator[ShardRows]:
        """Yield rows from stop to stop."""
        pa = import_pyarrow(self.path)[0]
        whole = parts_of(
            self._read(pa),
            bounded(stops, self.path, self.row_bytes),
            len,
            lambda table, a, b: table.slice(a, b - a),
        )
        for tables in whole:
            table = pa.concat_tables(tables).combine_chunks()
            yield ShardRows({**self.constants, **self._arrays(table)}, table)
        if not self.rows:
            table = self._file.schema_arrow.empty_table()
            yield ShardRows({**self.constants, **self._arrays(table)}, table)

    def _check_sizes(self) -> float:
        """Check what rows take that are read at once, and return the bytes of one, as far as the file says.

        What columns say of themselves is not asked for: pyarrow 25 ends the process where that is damaged.
        """
        about, row_bytes = self._file.metadata, 0.0
        for k in range(about.num_row_groups):
            group = about.row_group(k)
            each = group.total_byte_size / max(group.num_rows, 1)
            check_size(self.path, f"a row of group {k}", int(each))
            row_bytes = max(row_bytes, each)
        return row_bytes

    def _read(self, pa: Any) -> Iterator[Any]:
        size = rows_at_once(READ_ROWS, self.row_bytes)
        batches = self._file.iter_batches(size, use_threads=False)
        while True:
            with damaged(self.path, "a Parquet file"):
                batch = next(batches, None)
            if batch is None:
                return
            check_size(self.path, "rows", batch.nbytes)
            yield pa.Table.from_batches([batch])

    def _arrays(self, table: Any) -> dict[str, np.ndarray]:
        wanted = [name for name in table.column_names if name in self._wanted]
        return {name: _numpy(self.path, name, _one_chunk(table.column(name))) for name in wanted}

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class ParquetWriter:
    """A Parquet file to be written by rows, each call a row group."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._writer: Any = None

    def write(self, arrays: Mapping[str, Any], constants: Mapping[str, Any], rows: ShardRows | None) -> None:
        """Write arrays; where one is what `rows` passed, the column that was read, whatever it holds."""
        pa, pq = import_pyarrow(self._path)
        columns, fields = [], []
        for name, array in arrays.items():
            field, column = _field(pa, name, array, rows)
            fields.append(field)
            columns.append(column)
        if self._writer is None:
            plain = {name: np.asarray(value).tolist() for name, value in constants.items()}
            text = json.dumps(plain, sort_keys=True)
            self._schema = pa.schema(fields, metadata={METADATA: text.encode()})
            self._writer = pq.ParquetWriter(self._file, self._schema, **WRITING)
        table = pa.Table.from_arrays(columns, schema=self._schema)
        self._writer.write_table(table, row_group_size=max(len(table), 1))

    def close(self) -> None:
        """Write the file's end."""
        if self._writer is not None:
            self._writer.close()


def _field(pa: Any, name: str, array: Any, rows: ShardRows | None) -> tuple[Any, Any]:
    """Return an Arrow field and column of an array, or the very column that was read."""
    if rows is not None and rows.table is not None and array is rows.passed.get(name):
        return rows.table.schema.field(name), _one_chunk(rows.table.column(name))
    array = np.asarray(array)
    if array.dtype.kind in "UO":
        column = pa.array(array.tolist())
    elif array.ndim == 1:
        column = pa.array(array)
    else:
        shape = array.shape[1:]
        values = pa.array(np.ascontiguousarray(array).reshape(-1))
        kind = pa.fixed_shape_tensor(values.type, shape)
        storage = pa.FixedSizeListArray.from_arrays(values, int(np.prod(shape)))
        column = pa.ExtensionArray.from_storage(kind, storage)
    return pa.field(name, column.type, nullable=column.null_count > 0 or array.dtype.kind == "O"), column


def _one_chunk(column: Any) -> Any:
    combined = column.combine_chunks()
    # Of no chunk, and of extension types in some versions, a chunked array comes back.
    if hasattr(combined, "chunks"):
        chunks = combined.chunks
        if len(chunks) == 1:
            return chunks[0]
        pa = import_pyarrow(Path(""))[0]
        kind = combined.type
        storage = getattr(kind, "storage_type", kind)
        parts = [getattr(chunk, "storage", chunk) for chunk in chunks]
        flat = pa.concat_arrays(parts) if parts else pa.array([], storage)
        return flat if storage is kind else pa.ExtensionArray.from_storage(kind, flat)
    return combined


def _numpy(path: Path, name: str, column: Any) -> np.ndarray:
    """Return a column of numbers, of tensors or lists of one size, or of texts, as an array."""
    pa = import_pyarrow(path)[0]
    count, shape = len(column), list[int]()
    if column.null_count:
        raise InputError(f"{path}: {name}: expected values in all rows, got nulls.")
    if isinstance(column.type, pa.FixedShapeTensorType):
        kind = column.type
        if list(kind.permutation or range(len(kind.shape))) != [*range(len(kind.shape))]:
            raise InputError(f"{path}: {name}: expected tensors in C order, got {kind.permutation}.")
        shape, column = list(kind.shape), column.storage.flatten()
    elif hasattr(column, "storage"):  # of an extension that is not known here, such as Ray's
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    while pa.types.is_fixed_size_list(column.type) or _is_list(pa, column.type):
        if column.null_count:
            raise InputError(f"{path}: {name}: expected values in all rows, got nulls.")
        if pa.types.is_fixed_size_list(column.type):
            size = column.type.list_size
        else:
            sizes = np.unique(np.diff(np.asarray(column.offsets)))
            if len(sizes) > 1:
                raise InputError(
                    f"{path}: {name}: expected lists of one size, got {sizes[0]} to {sizes[-1]}."
                )
            size = int(sizes[0]) if len(sizes) else 0
        shape.append(size)
        column = column.flatten()
    if column.null_count:
        raise InputError(f"{path}: {name}: expected values in all rows, got nulls.")
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        texts = column.to_pylist()
        check_size(path, name, 4 * len(texts) * max(map(len, texts), default=0))
        return np.array(texts, str).reshape(count, *shape)
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    if not any(is_kind(column.type) for is_kind in kinds):
        raise InputError(f"{path}: {name}: expected numbers, got {column.type}.")
    array: np.ndarray = column.to_numpy(zero_copy_only=False)
    return array.reshape(count, *shape)


def _is_array(pa: Any, kind: Any) -> bool:
    """Whether a column of a type can be an array."""
    kind = getattr(kind, "storage_type", kind)
    while _is_list(pa, kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_dictionary(kind):
        kind = kind.value_type
    known = ("is_integer", "is_floating", "is_boolean", "is_string", "is_large_string")
    return any(getattr(pa.types, name)(kind) for name in known)


def _is_list(pa: Any, kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _constants(metadata: Mapping[bytes, bytes] | None) -> dict[str, np.ndarray]:
    try:
        known = json.loads((metadata or {}).get(METADATA, b"{}"))
    except ValueError:
        return {}
    plain = {key: value for key, value in known.items() if isinstance(value, (str, int, float, list))}
    return {key: np.asarray(value) for key, value in plain.items()}


def import_pyarrow(path: Path) -> tuple[Any, Any]:
    """Return pyarrow and its module for Parquet; InputError if there is none."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            f"{path}: expected pyarrow, which Parquet needs (pip install 'kitro-np[parquet]'), got none."
        ) from None
    return pyarrow, pyarrow.parquet
