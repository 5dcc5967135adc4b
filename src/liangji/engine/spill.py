"""Records parted into buckets, in memory as long as they fit and in one scratch file beyond: what large groupings and joins are made of.

A record is one row of several columns, numpy arrays of fixed types. Records come in any number of pieces; those of one bucket are
given back together, in the order they came in. Time and disk grow with the number of records, memory does not.

Layout of the file: chunk after chunk, in each column after column, in each bucket after bucket. So writing is sequential, and buckets
that are neighbours are read in one go from each chunk.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

BUCKET_BITS = 11
BUCKETS = 1 << BUCKET_BITS  # a billion records come to half a million in each, whose tables stay in the cache

_SMALLEST_CHUNK = 1 << 14  # records
_BYTES_AT_ONCE = 1 << 30  # the system reads and writes 2 GB at most in one go
_BYTES_OF_PLACE = 10  # what a record costs besides its columns while it is put to its place

Columns = list[NDArray[Any]]
Piece = tuple[NDArray[np.uint16], Sequence[NDArray[Any]]]
Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Apply a function to items in threads and give the results in order; at most one more than there are threads is held."""
    if threads == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[Result]] = deque()
        try:
            for item in items:
                ahead.append(pool.submit(function, item))
                if len(ahead) > threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


class _Chunk(NamedTuple):
    bounds: NDArray[np.int64]  # where each bucket starts, and the number of records at the end
    columns: Columns  # in memory, or none
    starts: list[int]  # of the columns, in the file


class Spill:
    """Records in `BUCKETS` buckets. Use it as a context manager: the file, at `path`, is removed at the end.

    First `add` all records, then `seal`, then read. `columns` are their types, `np.dtype((np.uint64, 8))` for eight numbers in each
    row. `memory_bytes` is what writing may hold; who reads says how much at a time.
    """

    def __init__(self, path: Path, columns: Sequence[DTypeLike], *, memory_bytes: int, threads: int) -> None:
        self.written_bytes = 0
        self.counts = np.zeros(BUCKETS, np.int64)  # records of each bucket, once sealed
        self._path, self._threads = path, threads
        self._kinds = [np.dtype(column) for column in columns]
        self._width = sum(kind.itemsize for kind in self._kinds)
        # a chunk is gathered while each thread holds one twice, as it came and in order of buckets
        held = (self._width + _BYTES_OF_PLACE) * (2 * threads + 1)
        self._chunk_records = max(_SMALLEST_CHUNK, memory_bytes // held)
        self._pending: list[Piece] = []
        self._pending_records = 0
        self._chunks: list[Future[_Chunk]] = []
        self._pool = ThreadPoolExecutor(threads)
        self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._chunks.clear()
        if self._file >= 0:
            os.close(self._file)
            self._path.unlink()

    def add(self, bucket: NDArray[np.uint16], *columns: NDArray[Any]) -> None:
        """Add records and the bucket of each. The arrays are kept until they are written: do not change them."""
        self._pending.append((bucket, columns))
        self._pending_records += len(bucket)
        if self._pending_records >= self._chunk_records:
            self._write()

    def seal(self) -> None:
        """End adding. What fits into one chunk stays in memory."""
        if self._chunks:
            self._write()
        else:
            self._chunks.append(self._pool.submit(self._arranged, self._pending))
            self._pending = []
        for chunk in self._chunks:
            self.counts += np.diff(chunk.result().bounds)

    def ranges(self, most: int) -> Iterator[tuple[int, int]]:
        """Give the buckets as ranges, first and past the last, with at most so many records unless a single bucket has more."""
        ends = np.cumsum(self.counts)
        first = 0
        while first < BUCKETS:
            before = int(ends[first - 1]) if first else 0
            past = max(first + 1, int(np.searchsorted(ends, before + most, "right")))
            yield first, past
            first = past

    def read(self, first: int, past: int) -> Columns:
        """Give the records of a range of buckets, bucket after bucket within what was written at once."""
        pieces = list(self._pieces(first, past))
        return [np.concatenate([piece[number] for piece in pieces]) for number in range(len(self._kinds))]

    def pieces(self, first: int, past: int, most: int) -> Iterator[Columns]:
        """Give the records of a range of buckets, at most so many at a time."""
        for piece in self._pieces(first, past):
            for start in range(0, len(piece[0]), most):
                yield [column[start : start + most] for column in piece]

    def _pieces(self, first: int, past: int) -> Iterator[Columns]:
        for chunk in self._chunks:
            bounds, columns, starts = chunk.result()
            start, end = int(bounds[first]), int(bounds[past])
            if columns:
                yield [column[start:end] for column in columns]
            else:
                yield [self._read_column(kind, at, start, end) for kind, at in zip(self._kinds, starts, strict=True)]

    def _write(self) -> None:
        if self._file < 0:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        if len(self._chunks) >= self._threads:
            self._chunks[-self._threads].result()
        at = self.written_bytes
        self.written_bytes += self._pending_records * self._width
        self._chunks.append(self._pool.submit(self._written, self._pending, at))
        self._pending, self._pending_records = [], 0

    def _arranged(self, pending: list[Piece]) -> _Chunk:
        from liangji.kernels.partition import count_buckets, places, scatter  # noqa: PLC0415 - compiled kernels load at first use

        counts = np.zeros(BUCKETS, np.int64)
        for bucket, _ in pending:
            count_buckets(bucket, counts)
        bounds = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        arranged = [np.empty(bounds[-1], kind) for kind in self._kinds]
        following = bounds[:-1].copy()
        for bucket, columns in pending:
            place = places(bucket, following)
            for kind, column, output in zip(self._kinds, columns, arranged, strict=True):
                numbers = kind.itemsize // kind.base.itemsize
                scatter(column.reshape(-1, numbers), place, output.reshape(-1, numbers))
        return _Chunk(bounds, arranged, [])

    def _written(self, pending: list[Piece], at: int) -> _Chunk:
        bounds, columns, _ = self._arranged(pending)
        starts = []
        for column in columns:
            starts.append(at)
            content = _bytes_of(column)
            done = 0
            while done < len(content):
                done += os.pwrite(self._file, content[done : done + _BYTES_AT_ONCE], at + done)
            at += len(content)
        return _Chunk(bounds, [], starts)

    def _read_column(self, kind: np.dtype[Any], at: int, start: int, end: int) -> NDArray[Any]:
        column = np.empty(end - start, kind)
        content = _bytes_of(column)
        at += start * kind.itemsize
        done = 0
        while done < len(content):
            done += os.preadv(self._file, [content[done : done + _BYTES_AT_ONCE]], at + done)
        return column


def _bytes_of(column: NDArray[Any]) -> memoryview:
    return column.reshape(-1).view(np.uint8).data
