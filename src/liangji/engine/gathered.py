"""What an exchange sees of the whole dataset, on one machine: the keys of all rows in DuckDB, with spill, and single records on demand.

`GatheredKeys` copies the key files into a DuckDB database in the scratch folder, so that a query may read them as often as it
likes and in any order of rows, and sorts, joins and groups spill beside it. `exchange_batches` runs one exchange over batches in
memory, as tests and golden cases do; a run of a recipe goes through `engine.exchange`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from liangji.core.errors import StoreError
from liangji.core.operator import Exchange

Take = Callable[[NDArray[np.int64], list[str]], pa.Table]

_SMALLEST_LIMIT = 64 << 20  # DuckDB cannot join and sort at all with less
_BYTES_PER_THREAD = 256 << 20  # each thread of DuckDB holds hash tables and sort blocks of its own


class GatheredKeys:
    """The keys of all rows as view `keys`, and records through `take`. Use it as a context manager; `scratch` is left to the caller.

    A key file is Arrow IPC (stream or file) or, by its ending, Parquet; its `row` counts from the base given with it. Rows in
    `excluded` (column `row`, in the dataset) are left out: an exchange earlier in the same pass has dropped them.
    Tables made by `sql("CREATE TABLE …")` stay until the end and spill like the rest.
    """

    def __init__(
        self,
        files: Sequence[tuple[Path, int]],
        *,
        rows: int,
        take: Take,
        memory_bytes: int,
        threads: int,
        scratch: Path,
        excluded: pa.Table | None = None,
    ) -> None:
        import duckdb  # noqa: PLC0415 - heavy, and not needed to import the engine

        self.rows, self.memory_bytes, self.threads, self.scratch = rows, memory_bytes, threads, scratch
        self.take = take
        spill = scratch / "spill"
        spill.mkdir(parents=True, exist_ok=True)
        limit = max(memory_bytes, _SMALLEST_LIMIT)
        self._connection: Any = duckdb.connect(
            str(scratch / "gathered.duckdb"),
            config={
                "memory_limit": f"{limit >> 10}KiB",
                "threads": str(max(1, min(threads, limit // _BYTES_PER_THREAD))),
                "temp_directory": str(spill),
                "preserve_insertion_order": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            },
        )
        self._load(files, excluded)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()

    def sql(self, query: str, **tables: pa.Table) -> pa.Table:
        """Run SQL; `tables` are seen under their names. An answer whose order matters must say ORDER BY.

        A statement that gives no rows (CREATE TABLE) answers with an empty table.
        """
        for name, table in tables.items():
            self._connection.register(name, table)
        try:
            relation = self._connection.sql(query)
            return pa.table({}) if relation is None else relation.to_arrow_table()
        finally:
            for name in tables:
                self._connection.unregister(name)

    def _load(self, files: Sequence[tuple[Path, int]], excluded: pa.Table | None) -> None:
        if not files:
            self.sql("CREATE TABLE keys (row BIGINT)")
            return
        self._connection.register("excluded", pa.table({"row": pa.array([], pa.int64())}) if excluded is None else excluded)
        for number, (path, base) in enumerate(files):
            with _key_batches(path) as batches:
                self._connection.register("shard", batches)
                shifted = (
                    f"SELECT shard.* REPLACE (shard.row + {int(base)} AS row) FROM shard "  # noqa: S608 - only a number goes in
                    f"WHERE shard.row + {int(base)} NOT IN (SELECT row FROM excluded)"
                )
                self._connection.execute(("INSERT INTO keys " if number else "CREATE TABLE keys AS ") + shifted)
                self._connection.unregister("shard")
        self._connection.unregister("excluded")


@contextmanager
def _key_batches(path: Path) -> Iterator[pa.RecordBatchReader]:
    import pyarrow.parquet as pq  # noqa: PLC0415

    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            yield pa.RecordBatchReader.from_batches(file.schema_arrow, file.iter_batches())
        return
    with pa.OSFile(str(path), "rb") as source:
        if source.read(6) == b"ARROW1":
            source.seek(0)
            reader = pa.ipc.open_file(source)
            yield pa.RecordBatchReader.from_batches(
                reader.schema, (reader.get_batch(number) for number in range(reader.num_record_batches))
            )
        else:
            source.seek(0)
            yield pa.ipc.open_stream(source)


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
) -> list[pa.RecordBatch]:
    """Run one exchange over batches in memory: keys of each, one decision over all, carried out on each."""
    given = list(batches)
    with tempfile.TemporaryDirectory(dir=scratch) as folder, _gather(operator, given, Path(folder), memory_bytes, threads) as keys:
        decisions = operator.prepare(keys).sort_by("row").combine_chunks()
    results = []
    base = 0
    for batch in given:
        results.append(operator.apply(batch, decisions_between(decisions, base, base + batch.num_rows)))
        base += batch.num_rows
    return results


def _gather(operator: Exchange, batches: list[pa.RecordBatch], folder: Path, memory_bytes: int, threads: int) -> GatheredKeys:
    files = []
    base = 0
    for number, batch in enumerate(batches):
        keys = operator.keys(batch)
        path = folder / f"{number}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, keys.schema) as writer:
            writer.write_batch(keys)
        files.append((path, base))
        base += batch.num_rows

    def take(rows: NDArray[np.int64], columns: list[str]) -> pa.Table:
        if not batches:
            raise StoreError("no rows to take from")
        return pa.Table.from_batches(batches).select(columns).take(pa.array(rows, pa.int64()))

    return GatheredKeys(files, rows=base, take=take, memory_bytes=memory_bytes, threads=threads, scratch=folder)
