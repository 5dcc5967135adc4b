"""Shards: runs of consecutive records of one input file, always cut at the same places; and the feed that hands them to workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Generic, TypeVar

import pyarrow as pa

from liangji.core.reading import Fault, Note

T = TypeVar("T")

SHARD_BYTES = 16 << 20  # of Arrow memory; small enough that a few fit any budget, large enough that a unit is worth its entry
SHARD_FAULTS = 65_536
BATCH_BYTES = 4 << 20  # what an operator sees at once: stays near the cache, and halves quickly when a row is bad
BATCH_ROWS = 8_192


def cutting() -> list[int]:
    """Name where shards are cut: a shard of an earlier run counts only where all were cut alike."""
    return [SHARD_BYTES, SHARD_FAULTS, BATCH_BYTES, BATCH_ROWS]


@dataclass(slots=True)
class Shard:
    index: int  # 0-based within its file
    batches: list[pa.RecordBatch] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    size_bytes: int = 0

    @property
    def rows(self) -> int:
        return sum(batch.num_rows for batch in self.batches)


def cut(items: Iterable[pa.RecordBatch | Fault | Note]) -> Iterator[Shard]:
    """Cut what a reader yields into shards of about SHARD_BYTES. Every file gives at least one, so that its notes have a place."""
    shard, pending = Shard(0), list[pa.RecordBatch]()
    pending_bytes = pending_rows = 0
    for item in chain.from_iterable(map(_pieces, items)):
        if isinstance(item, Note):
            shard.notes.append(item)
        elif isinstance(item, Fault):
            shard.faults.append(item)
        else:
            if pending_bytes + item.nbytes > BATCH_BYTES or pending_rows + item.num_rows > BATCH_ROWS:
                _flush(shard, pending)
                pending, pending_bytes, pending_rows = [], 0, 0
            pending.append(item)
            pending_bytes += item.nbytes
            pending_rows += item.num_rows
            shard.size_bytes += item.nbytes
        if shard.size_bytes >= SHARD_BYTES or len(shard.faults) >= SHARD_FAULTS:
            _flush(shard, pending)
            pending, pending_bytes, pending_rows = [], 0, 0
            yield shard
            shard = Shard(shard.index + 1)
    _flush(shard, pending)
    if shard.batches or shard.faults or shard.notes or shard.index == 0:
        yield shard


def _pieces(item: pa.RecordBatch | Fault | Note) -> Iterator[pa.RecordBatch | Fault | Note]:
    """Slice a batch that is larger than an operator should see; a single huge row stays whole."""
    if not isinstance(item, pa.RecordBatch):
        yield item
    elif item.num_rows:
        rows = min(BATCH_ROWS, max(1, item.num_rows * BATCH_BYTES // max(item.nbytes, 1)))
        for start in range(0, item.num_rows, rows):
            yield item.slice(start, rows)


def _flush(shard: Shard, pending: list[pa.RecordBatch]) -> None:
    if pending:
        shard.batches.append(pa.concat_batches(pending) if len(pending) > 1 else pending[0])


class Feed(Generic[T]):
    """Hand out the shards of many files to many workers.

    A worker that asks gets the next shard of a file that nobody is reading at the moment, and reads it itself: files are read in
    parallel, one large file is read by one worker while the others process, and no more shards are in memory than there are workers.
    """

    def __init__(self, files: Iterable[T], read: Callable[[T], Iterator[Shard]]) -> None:
        self._waiting = iter(files)
        self._read = read
        self._idle: list[tuple[T, Iterator[Shard]]] = []
        self._busy = 0
        self._change = threading.Condition()

    def next(self) -> tuple[T, Shard] | None:
        """Give the next shard, or None when every file is at its end."""
        while True:
            taken = self._take()
            if taken is None:
                return None
            file, shards = taken
            shard = None
            try:
                shard = next(shards, None)
            finally:
                with self._change:
                    self._busy -= 1
                    if shard is not None:
                        self._idle.append((file, shards))
                    self._change.notify_all()
            if shard is not None:
                return file, shard

    def _take(self) -> tuple[T, Iterator[Shard]] | None:
        with self._change:
            while True:
                if self._idle:
                    taken = self._idle.pop(0)
                    break
                file = next(self._waiting, None)
                if file is not None:
                    taken = (file, self._read(file))
                    break
                if not self._busy:
                    return None
                self._change.wait()
            self._busy += 1
            return taken
