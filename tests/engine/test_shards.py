"""Shards are cut at the same places always, and handed out once each."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangji.core.reading import Fault, Note, SourceFile
from liangji.engine import shards
from liangji.engine.shards import Feed, Shard, cut


def batch(rows: int, width: int = 1000) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(["x" * width] * rows, pa.large_string())], ["text"])


@given(st.lists(st.integers(0, 50), max_size=30))
def test_no_row_is_lost_and_batches_stay_small(sizes: list[int]) -> None:
    found = list(cut(batch(size, 300_000) for size in sizes))
    assert sum(shard.rows for shard in found) == sum(sizes)
    assert [shard.index for shard in found] == list(range(len(found)))
    assert all(part.nbytes <= shards.BATCH_BYTES or part.num_rows == 1 for shard in found for part in shard.batches)
    assert all(shard.size_bytes >= shards.SHARD_BYTES for shard in found[:-1])


def test_a_file_of_notes_and_faults_alone_has_one_shard() -> None:
    (shard,) = cut([Note("a", "odd"), Fault("a", "broken")])
    assert (len(shard.notes), len(shard.faults), shard.rows) == (1, 1, 0)


def test_an_empty_file_has_one_shard() -> None:
    assert [shard.rows for shard in cut([])] == [0]


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_every_shard_is_handed_out_once_and_in_the_order_of_its_file(workers: int) -> None:
    files = [SourceFile(f"file-{number}", "", 0, "", "", 0) for number in range(5)]

    def read(file: SourceFile) -> Iterator[Shard]:
        yield from (Shard(index) for index in range(int(file.origin[-1]) * 3))

    feed = Feed(files, read)
    taken: list[tuple[str, int]] = []

    def work() -> None:
        while (item := feed.next()) is not None:
            taken.append((item[0].origin, item[1].index))

    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(work) for _ in range(workers)]:
            future.result()
    assert sorted(taken) == [(f"file-{number}", index) for number in range(5) for index in range(number * 3)]


def test_a_reader_that_fails_does_not_leave_the_others_waiting() -> None:
    def read(file: SourceFile) -> Iterator[Shard]:
        yield Shard(0)
        raise OSError("the disk is gone")

    feed = Feed([SourceFile("a", "", 0, "", "", 0)], read)
    assert feed.next() is not None
    with pytest.raises(OSError, match="disk"):
        feed.next()
    assert feed.next() is None
