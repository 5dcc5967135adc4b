"""What an exchange sees of the whole dataset, on one machine: key columns row by row, the rows that share keys, single records on demand.

`GatheredKeys` streams the key files and groups by parting to disk, so that time grows with the rows and memory does not; a DuckDB
database of all keys is made only where an exchange asks for SQL. `exchange_batches` runs one exchange over batches in memory, as
tests and golden cases do; a run of a recipe goes through `engine.exchange`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from liangji.core.errors import SchemaError, StoreError
from liangji.core.operator import Exchange
from liangji.engine.spill import BUCKET_BITS, Spill, in_order

Take = Callable[[NDArray[np.int64], list[str]], pa.Table]
Source = Callable[[Sequence[str] | None], Iterable[pa.RecordBatch]]
"""Keys of one shard: gives batches with the columns asked for, or all for None; `row` ascends. It is called for each reading."""

_SMALLEST_LIMIT = 64 << 20  # DuckDB cannot join and sort at all with less
_BYTES_PER_THREAD = 256 << 20  # each thread of DuckDB holds hash tables and sort blocks of its own

_WIDE_KEY = pa.binary(16)
_SHARE_OF_MEMORY = 4  # one part in so many of the budget is for writing, and as much for reading
_RECORDS_AT_ONCE = 1 << 20  # grouped in one go: the tables for it stay in the cache
_BYTES_PER_RECORD = 100  # that grouping holds: record, tables, and what is sorted twice


class GatheredKeys:
    """The keys of all rows, and records through `take`. Use it as a context manager; `scratch` is left to the caller.

    `files` are key files, Arrow IPC (stream or file) or, by their ending, Parquet, or other sources of key batches, and the row from
    which the `row` of each counts on: negative for rows of earlier versions. Rows in `excluded` (column `row`, in the dataset) are
    left out: an exchange earlier in the same pass has dropped them. `take` is given rows as they are numbered here. `check` is called
    between batches and parts, and raises where the run is to stop.
    """

    def __init__(
        self,
        files: Sequence[tuple[Path | Source, int]],
        *,
        rows: int,
        take: Take,
        memory_bytes: int,
        threads: int,
        scratch: Path,
        excluded: pa.Table | None = None,
        reference_rows: int = 0,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.rows, self.reference_rows = rows, reference_rows
        self.memory_bytes, self.threads, self.scratch = memory_bytes, threads, scratch
        self.take, self.check = take, check
        self.spilled_bytes = 0
        self.findings: dict[str, Any] = {}
        self._sources = [
            (key_file(source) if isinstance(source, Path) else source, base)
            for source, base in sorted(files, key=lambda file: file[1])
        ]
        self._excluded = np.zeros(0, np.int64) if excluded is None else np.sort(excluded["row"].to_numpy())
        self._groupings = 0
        self._connection: Any = None
        scratch.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._connection is not None:
            self._connection.close()

    def scan(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Read key columns: `row` (int64, ascending) and `columns`, in that order."""
        names = ["row", *columns]
        return (batch.select(names) for batch in self._batches(names))

    def shared(self, column: str, minimum: int = 2, more: pa.RecordBatch | None = None) -> Iterator[pa.Table]:
        """Give all rows of those keys that at least `minimum` rows have: tables of `key` and `row`, as `core.operator.Gathered` says.

        Raises: SchemaError where the keys are of another type than uint64 or fixed_size_binary(16).
        """
        batches = self.scan([column]) if more is None else _followed(self.scan([column]), more.select(["row", column]))
        first = next(batches, None)
        if first is None:
            return
        kind = key_type(first.schema.field(column).type, column)
        yield from self._shared(_followed(iter([first]), batches), kind, minimum, 0 if more is None else more.num_rows)

    def _shared(self, batches: Iterator[pa.RecordBatch], kind: pa.DataType, minimum: int, more: int) -> Iterator[pa.Table]:
        from liangji.kernels.partition import hash_buckets  # noqa: PLC0415 - compiled kernels load at first use
        from liangji.kernels.shared_keys import shared_rows  # noqa: PLC0415

        is_narrow = self.reference_rows + self.rows + more <= 1 << 32
        row_type = np.dtype(np.uint32 if is_narrow else np.int64)
        budget = self.memory_bytes // _SHARE_OF_MEMORY
        words = (np.uint64, kind.byte_width // 8) if pa.types.is_fixed_size_binary(kind) else np.uint64
        self._groupings += 1
        path = self.scratch / f"shared-{self._groupings}"
        with Spill(path, [np.dtype(words), row_type], memory_bytes=budget, threads=self.threads) as spill:
            for batch in batches:
                keys, rows = keys_and_rows(batch)
                spill.add(hash_buckets(keys, BUCKET_BITS), keys, (rows + self.reference_rows).astype(row_type))
            spill.seal()
            self.spilled_bytes += spill.written_bytes

            def part(buckets: tuple[int, int]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
                keys, rows = spill.read(*buckets)
                return shared_rows(keys, rows, minimum)

            most = min(_RECORDS_AT_ONCE, budget // self.threads // _BYTES_PER_RECORD)
            for keys, rows in in_order(part, spill.ranges(most), self.threads):
                self.check()
                if len(rows):
                    yield pa.table({"key": key_array(keys, kind), "row": rows - self.reference_rows})

    def sql(self, query: str, **tables: pa.Table) -> pa.Table:
        """Run SQL; `tables` are seen under their names. An answer whose order matters must say ORDER BY.

        A statement that gives no rows (CREATE TABLE) answers with an empty table. Tables made stay until the end and spill.
        """
        if self._connection is None:
            self._open_database()
        for name, table in tables.items():
            self._connection.register(name, table)
        try:
            relation = self._connection.sql(query)
            return pa.table({}) if relation is None else relation.to_arrow_table()
        finally:
            for name in tables:
                self._connection.unregister(name)

    def _open_database(self) -> None:
        import duckdb  # noqa: PLC0415 - heavy, and most exchanges do without

        limit = max(self.memory_bytes, _SMALLEST_LIMIT)
        self._connection = duckdb.connect(
            str(self.scratch / "gathered.duckdb"),
            config={
                "memory_limit": f"{limit >> 10}KiB",
                "threads": str(max(1, min(self.threads, limit // _BYTES_PER_THREAD))),
                "temp_directory": str(self.scratch / "spill"),
                "preserve_insertion_order": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            },
        )
        batches = self._batches(None)
        first = next(batches, None)
        if first is None:
            self._connection.sql("CREATE TABLE keys (row BIGINT)")
            return
        schema = first.schema
        alike = (batch.select(schema.names).cast(schema) for batch in _followed(iter([first]), batches))
        reader = pa.RecordBatchReader.from_batches(schema, alike)
        self._connection.register("gathered", reader)
        self._connection.execute("CREATE TABLE keys AS SELECT * FROM gathered")
        self._connection.unregister("gathered")

    def _batches(self, names: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        for source, base in self._sources:
            for batch in source(names):
                self.check()
                yield numbered(batch, base, self._excluded)


def numbered(batch: pa.RecordBatch, base: int, excluded: NDArray[np.int64]) -> pa.RecordBatch:
    """Number the rows of a batch from `base` on, and leave out those that are excluded; these are given in ascending order."""
    position = batch.schema.get_field_index("row")
    rows = batch.column(position).to_numpy() + base
    batch = batch.set_column(position, "row", pa.array(rows, pa.int64()))
    if not len(rows):
        return batch
    start, end = excluded.searchsorted([rows[0], rows[-1] + 1])
    if start == end:
        return batch
    return batch.filter(pa.array(np.isin(rows, excluded[start:end], invert=True)))


def key_file(path: Path) -> Source:
    """Give the keys in a file: Arrow IPC, stream or file, or Parquet by its ending."""

    def batches(names: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq  # noqa: PLC0415 - for other runners' files

            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(columns=names)
            return
        with pa.OSFile(str(path), "rb") as source:
            is_file = source.read(6) == b"ARROW1"
            source.seek(0)
            open_ipc = pa.ipc.open_file if is_file else pa.ipc.open_stream
            reader = open_ipc(source)
            if names is not None:  # columns that are left out are not even decompressed
                source.seek(0)
                fields = [reader.schema.get_field_index(name) for name in names]
                reader = open_ipc(source, options=pa.ipc.IpcReadOptions(included_fields=fields))
            yield from (reader.get_batch(number) for number in range(reader.num_record_batches)) if is_file else reader

    return batches


def _followed(first: Iterator[pa.RecordBatch], then: pa.RecordBatch | Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield from first
    yield from [then] if isinstance(then, pa.RecordBatch) else then


def key_type(kind: pa.DataType, column: str) -> pa.DataType:
    """Give the type of one key of a column.

    Raises: SchemaError where it is none that rows can share.
    """
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    if kind not in (pa.uint64(), _WIDE_KEY):
        raise SchemaError(f"keys '{column}' are {kind}", "", "give uint64 or fixed_size_binary(16), or lists of them")
    return kind


def keys_and_rows(batch: pa.RecordBatch) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Give each key of a batch, uint64[keys, words], and its row. Bytes become numbers that sort as they do."""
    rows, keys = batch.column("row").to_numpy(), batch.column(1)
    if pa.types.is_nested(keys.type):
        rows = np.repeat(rows, pc.fill_null(pc.list_value_length(keys), 0).to_numpy(zero_copy_only=False))
        keys = keys.flatten()
    if keys.null_count:
        rows = rows[keys.is_valid().to_numpy(zero_copy_only=False)]
        keys = keys.drop_null()
    if keys.type != _WIDE_KEY:
        return keys.to_numpy().reshape(-1, 1), rows
    content = keys.buffers()[1]
    words = np.zeros(0, ">u8") if content is None else np.frombuffer(content, ">u8", 2 * len(keys), 16 * keys.offset)
    return words.astype(np.uint64).reshape(-1, 2), rows


def key_array(keys: NDArray[np.uint64], kind: pa.DataType) -> pa.Array:
    """Turn keys, uint64[keys, words] or uint64[keys], back into a column of their type."""
    if kind != _WIDE_KEY:
        return pa.array(keys.ravel(), kind)
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(keys), [None, pa.py_buffer(keys.astype(">u8").tobytes())])


def decisions_between(decisions: pa.Table, first: int, end: int) -> pa.Table:
    """Cut decisions, sorted by `row`, to the rows from `first` to before `end`; `row` then counts from `first`."""
    rows = decisions["row"].to_numpy()
    start, stop = rows.searchsorted([first, end])
    part = decisions.slice(start, stop - start)
    return part.set_column(part.schema.get_field_index("row"), "row", pa.array(rows[start:stop] - first, pa.int64()))


def exchange_batches(
    operator: Exchange,
    batches: Iterable[pa.RecordBatch],
    *,
    memory_bytes: int = 256 << 20,
    threads: int = 1,
    scratch: Path | None = None,
    references: Sequence[pa.RecordBatch] = (),
    findings: dict[str, Any] | None = None,
) -> list[pa.RecordBatch]:
    """Run one exchange over batches in memory: keys of each, one decision over all, carried out on each.

    `references` are batches of an earlier version to hold the others against; what the exchange finds of itself goes to `findings`.
    """
    given = list(batches)
    with (
        tempfile.TemporaryDirectory(dir=scratch) as folder,
        _gather(operator, given, references, Path(folder), memory_bytes, threads) as keys,
    ):
        decisions = operator.prepare(keys).sort_by("row").combine_chunks()
        if findings is not None:
            findings.update(keys.findings)
    results = []
    base = 0
    for batch in given:
        results.append(operator.apply(batch, decisions_between(decisions, base, base + batch.num_rows)))
        base += batch.num_rows
    return results


def _gather(
    operator: Exchange,
    batches: list[pa.RecordBatch],
    references: Sequence[pa.RecordBatch],
    folder: Path,
    memory_bytes: int,
    threads: int,
) -> GatheredKeys:
    together = [*references, *batches]
    reference_rows = sum(batch.num_rows for batch in references)
    files: list[tuple[Path | Source, int]] = []
    base = -reference_rows
    for number, batch in enumerate(together):
        keys = operator.keys(batch)
        path = folder / f"{number}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, keys.schema) as writer:
            writer.write_batch(keys)
        files.append((path, base))
        base += batch.num_rows

    def take(rows: NDArray[np.int64], columns: list[str]) -> pa.Table:
        if not together:
            raise StoreError("no rows to take from")
        tables = [pa.Table.from_batches([batch]).select(columns) for batch in together]
        return pa.concat_tables(tables).take(pa.array(rows + reference_rows, pa.int64()))

    return GatheredKeys(
        files,
        rows=base,
        take=take,
        memory_bytes=memory_bytes,
        threads=threads,
        scratch=folder / "scratch",
        reference_rows=reference_rows,
    )
