"""What an exchange sees of the whole dataset, on a Ray cluster: rows that share keys are brought together by a Daft shuffle.

Workers read the keys of some shards each and part them by key; each part is grouped, keys of too few rows are left out there, and only
what is shared comes to the process that decides, in order of the keys. So the network carries each key once, and this process sees
few of them. Streaming keys and fetching records is done here as on one machine, from storage that all machines reach.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import daft
import numpy as np
import pyarrow as pa
from daft.io.source import DataSource, DataSourceTask
from daft.recordbatch import RecordBatch
from daft.schema import Schema
from numpy.typing import NDArray

from liangji.core.errors import ClusterError
from liangji.engine.gathered import GatheredKeys, Source, key_array, key_type, keys_and_rows, numbered
from liangji.engine.spill import in_order

T = TypeVar("T")

Numbered = tuple[Source, int]  # keys, and the number of their first row

_ROWS_A_TASK = 1 << 20  # whose keys one task reads, and one part holds: at 20 keys a row, some hundred megabytes
_READERS = 8  # shards that are fetched at a time: stores answer slowly, and many questions at once
_POLL_SECONDS = 1.0


class ClusterKeys(GatheredKeys):
    """As `GatheredKeys`, but the whole cluster works on `shared`; sources and errors must be fit for sending there."""

    def shared(self, column: str, minimum: int = 2, more: pa.RecordBatch | None = None) -> Iterator[pa.Table]:
        from liangji.kernels.shared_keys import shared_rows  # noqa: PLC0415 - compiled kernels load at first use

        first = next(self.scan([column]), more)
        if first is None:
            return
        kind = key_type(first.schema.field(column).type, column)
        tasks = self._tasks(column, kind.bit_width // 64, more)
        words = tasks[0].words
        for batch in _shuffled(tasks, minimum, self.check):
            rows = batch.column("rows")
            repeats = rows.value_lengths().to_numpy()
            keys = np.stack([np.repeat(batch.column(word).to_numpy(), repeats) for word in words], axis=1)
            # A key that one row has twice was counted twice until here.
            keys, found = shared_rows(keys, rows.flatten().to_numpy() + self.reference_rows, minimum)
            if len(found):
                yield pa.table({"key": key_array(keys, kind), "row": found - self.reference_rows})

    def _tasks(self, column: str, words: int, more: pa.RecordBatch | None) -> list[_Task]:
        """Cut the shards into runs of about as many rows as one task reads."""
        names = tuple(f"key_{number}" for number in range(words))
        tasks = []
        part: list[Numbered] = []
        for source, base in [*self._sources, (None, self.rows)]:
            if part and (source is None or base - part[0][1] >= _ROWS_A_TASK):
                first, end = self._excluded.searchsorted([part[0][1], base])
                tasks.append(_Task(part, column, names, self._excluded[first:end]))
                part = []
            if source is not None:
                part.append((source, base))
        if more is not None:
            tasks.append(_Task([(partial(_given, more), 0)], column, names, np.zeros(0, np.int64)))
        return tasks

    def _batches(self, names: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        for batches, base in in_order(partial(_fetch, names), self._sources, _READERS):
            for batch in batches:
                self.check()
                yield numbered(batch, base, self._excluded)


def _fetch(names: Sequence[str] | None, numbered_source: Numbered) -> tuple[list[pa.RecordBatch], int]:
    source, base = numbered_source
    return list(source(names)), base


def _given(batch: pa.RecordBatch, names: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    yield batch if names is None else batch.select(names)


@dataclass(frozen=True)
class _Task(DataSourceTask):  # type: ignore[misc]  # an extra, which the type checker does not see
    """The keys of some shards, one record a key."""

    part: Sequence[Numbered]
    column: str
    words: tuple[str, ...]
    excluded: NDArray[np.int64]

    @property
    def arrow_schema(self) -> pa.Schema:
        return pa.schema([*((word, pa.uint64()) for word in self.words), ("row", pa.int64())])

    @property
    def schema(self) -> Any:
        return Schema.from_pyarrow_schema(self.arrow_schema)

    async def read(self) -> AsyncIterator[Any]:
        names = ["row", self.column]
        for source, base in self.part:
            for batch in source(names):
                keys, rows = keys_and_rows(numbered(batch.select(names), base, self.excluded))
                records = pa.RecordBatch.from_arrays([*map(pa.array, keys.T), pa.array(rows)], schema=self.arrow_schema)
                yield RecordBatch.from_arrow_record_batches([records], self.arrow_schema)


class _Keys(DataSource):  # type: ignore[misc]  # as above
    """The keys of the whole dataset."""

    def __init__(self, tasks: Sequence[_Task]) -> None:
        self._tasks = tasks

    @property
    def name(self) -> str:
        return "keys"

    @property
    def schema(self) -> Any:
        return self._tasks[0].schema

    async def get_tasks(self, pushdowns: Any) -> AsyncIterator[_Task]:
        for task in self._tasks:
            yield task


def _shuffled(tasks: Sequence[_Task], minimum: int, check: Callable[[], None]) -> Iterator[pa.RecordBatch]:
    """Bring equal keys together: batches of key words and `rows`, a list, in ascending order of the keys."""
    words = tasks[0].words
    rows = daft.col("row")
    groups = (
        _Keys(tasks)
        .read()
        .groupby(*words)
        .agg(rows.list_agg().alias("rows"), rows.count().alias("count"))
        .where(daft.col("count") >= minimum)
        .select(*words, "rows")
        .sort(list(words))
    )
    daft.set_runner_ray(noop_if_initialized=True)
    with daft.execution_config_ctx(shuffle_aggregation_default_partitions=len(tasks)):
        yield from _waited_for(groups.to_arrow_iter(results_buffer_size=1), check)


def _waited_for(items: Iterator[T], check: Callable[[], None]) -> Iterator[T]:
    """Give items as they come, calling `check` while there are none yet.

    Raises: ClusterError where Daft fails; what `check` raises. Daft then works on until the process ends.
    """
    coming: queue.Queue[tuple[T | None, Exception | None]] = queue.Queue(1)
    ended = threading.Event()

    def put(item: T | None, error: Exception | None) -> None:
        while not ended.is_set():
            try:
                coming.put((item, error), timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return

    def fetch() -> None:
        try:
            for item in items:
                put(item, None)
        except Exception as error:  # noqa: BLE001 - told by the thread that waits
            put(None, error)
        put(None, None)

    threading.Thread(target=fetch, daemon=True, name="liangji-shuffle").start()
    try:
        while True:
            check()
            try:
                item, error = coming.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if error is not None:
                words = str(error).strip().rpartition("\n")[2]  # before it, where in Ray and Daft it came from
                mend = "run the same command again: everything before this exchange is kept"
                raise ClusterError(f"the shuffle on the cluster failed: {words}", type(error).__name__, mend) from error
            if item is None:
                return
            yield item
    finally:
        ended.set()
