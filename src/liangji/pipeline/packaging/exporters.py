"""Exporters: the rows of a version as Parquet, and as the eleven-field records of TC609-5-2025-02 in JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, ClassVar

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from liangji.core.exporting import FILE_BYTES, ExportedFile, ExportFacts
from liangji.core.operator import STRICT
from liangji.core.records import record_faults, to_record

_GROUP_BYTES, _GROUP_ROWS = 64 << 20, 65_536
_REPEATING = ("source", "source_details", "license", "origin", "language")  # few values: a dictionary pays


@dataclass(frozen=True, slots=True, config=STRICT)
class Parquet:
    """Write rows with all their columns, measured ones too, as Parquet with zstd.

    Output: `data/<split>-00000.parquet`, next file from `file_bytes` on. Row groups end at 65 536 rows or 64 MiB of text,
    counted row by row, so that the bytes do not depend on how the batches were cut.
    """

    name: ClassVar[str] = "parquet"
    version: ClassVar[str] = "1"
    file_bytes: int = FILE_BYTES

    def export(
        self, schema: pa.Schema, batches: Iterable[pa.RecordBatch], facts: ExportFacts, folder: Path, /
    ) -> list[ExportedFile]:
        files = _Files(folder, "data", facts.split, "parquet")
        writer: pq.ParquetWriter | None = None
        rows = 0
        for group in _row_groups(schema, batches):
            if writer is not None and files.position >= self.file_bytes:
                writer.close()
                files.close(rows)
                writer, rows = None, 0
            writer = writer or _parquet_writer(files.open(), schema)
            writer.write_table(group, row_group_size=group.num_rows)
            rows += group.num_rows
        writer = writer or _parquet_writer(files.open(), schema)  # no rows: a file that still tells the columns
        writer.close()
        files.close(rows)
        return files.exported(self.name)


@dataclass(frozen=True, slots=True, config=STRICT)
class Records:
    """Write rows as eleven-field records, one JSON object a line.

    Output: `records/<split>-00000.jsonl`, next file from `file_bytes` on; fields in the order of the standard. A row that lacks
            what the standard requires is written as it is and counted: nothing is left out, nothing is made up.
    Source: TC609-5-2025-02 (格式要求), see `liangji.core.records`.
    """

    name: ClassVar[str] = "records"
    version: ClassVar[str] = "1"
    file_bytes: int = FILE_BYTES

    def export(
        self, schema: pa.Schema, batches: Iterable[pa.RecordBatch], facts: ExportFacts, folder: Path, /
    ) -> list[ExportedFile]:
        del schema
        files = _Files(folder, "records", facts.split, "jsonl")
        file = files.open()
        rows = invalid = 0
        for batch in batches:
            for row in batch.to_pylist():
                if rows and files.position >= self.file_bytes:
                    files.close(rows, invalid)
                    file, rows, invalid = files.open(), 0, 0
                record = to_record(row, facts.record)
                file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
                rows += 1
                invalid += bool(record_faults(record))
        files.close(rows, invalid)
        return files.exported(self.name)


class _Files:
    """The files of one split, opened one after the other."""

    def __init__(self, folder: Path, below: str, split: str, ending: str) -> None:
        self._folder, self._below, self._split, self._ending = folder, below, split, ending
        self._file: BinaryIO | None = None
        self._written: list[tuple[str, int, int | None]] = []
        (folder / below).mkdir(parents=True, exist_ok=True)

    def open(self) -> BinaryIO:
        self._file = (self._folder / self._path).open("xb")
        return self._file

    @property
    def _path(self) -> str:
        return f"{self._below}/{self._split}-{len(self._written):05}.{self._ending}"

    @property
    def position(self) -> int:
        return 0 if self._file is None else self._file.tell()

    def close(self, rows: int, invalid: int | None = None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self._written.append((self._path, rows, invalid))

    def exported(self, exporter: str) -> list[ExportedFile]:
        return [ExportedFile(path, rows, self._split, exporter, invalid) for path, rows, invalid in self._written]


def _parquet_writer(file: BinaryIO, schema: pa.Schema) -> pq.ParquetWriter:
    texts = [field.name for field in schema if not _is_number(field.type)]
    return pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        compression_level=3,
        use_dictionary=[name for name in _REPEATING if name in schema.names],
        write_statistics=[name for name in schema.names if name not in texts],  # whole documents as minimum and maximum help nobody
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _row_groups(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Cut the rows into groups by their own sizes alone."""
    pending: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        sizes = np.cumsum(_row_sizes(batch))
        start = 0
        while start < batch.num_rows:
            before = int(sizes[start - 1]) if start else 0
            full = int(np.searchsorted(sizes, before + _GROUP_BYTES - size)) + 1  # the row that fills the group belongs to it
            end = min(batch.num_rows, full, start + _GROUP_ROWS - rows)
            pending.append(batch.slice(start, end - start))
            rows += end - start
            size += int(sizes[end - 1]) - before
            start = end
            if rows >= _GROUP_ROWS or size >= _GROUP_BYTES:
                yield pa.Table.from_batches(pending, schema).combine_chunks()
                pending, rows, size = [], 0, 0
    if pending:
        yield pa.Table.from_batches(pending, schema).combine_chunks()


def _row_sizes(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """Count the bytes of text in each row."""
    sizes = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            sizes += pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        elif pa.types.is_list(column.type):
            sizes += np.fromiter((len(repr(value)) for value in column.to_pylist()), np.int64, batch.num_rows)
    return sizes
