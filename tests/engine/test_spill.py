from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from liangji.engine.spill import BUCKETS, Spill, in_order


def filled(spill: Spill, records: int, pieces: int) -> tuple[NDArray[np.uint16], NDArray[np.uint64], NDArray[np.uint32]]:
    generator = np.random.default_rng(2)
    bucket = generator.integers(0, BUCKETS, records).astype(np.uint16)
    wide, narrow = generator.integers(0, 1 << 64, (records, 3), np.uint64), np.arange(records, dtype=np.uint32)
    for part in np.array_split(np.arange(records), pieces):
        spill.add(bucket[part], wide[part], narrow[part])
    spill.seal()
    return bucket, wide, narrow


COLUMNS: list[Any] = [np.dtype((np.uint64, 3)), np.uint32]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("records", "memory_bytes"), [(0, 1), (1000, 1), (100_000, 1), (100_000, 1 << 30)])
def test_buckets_give_what_was_added_in_order(tmp_path: Path, records: int, memory_bytes: int, threads: int) -> None:
    with Spill(tmp_path / "spill", COLUMNS, memory_bytes=memory_bytes, threads=threads) as spill:
        bucket, wide, narrow = filled(spill, records, 7)
        assert spill.written_bytes == (28 * records if records == 100_000 and memory_bytes == 1 else 0)
        assert (tmp_path / "spill").exists() == (spill.written_bytes > 0)
        assert np.array_equal(spill.counts, np.bincount(bucket, minlength=BUCKETS))
        seen = []
        for first, past in spill.ranges(5000):
            inside = np.flatnonzero((bucket >= first) & (bucket < past))
            found = spill.read(first, past)
            order = np.argsort(found[1])
            assert np.array_equal(found[1][order], narrow[inside])
            assert np.array_equal(found[0][order], wide[inside])
            pieces = list(spill.pieces(first, past, 100))
            assert max([0, *(len(piece[0]) for piece in pieces)]) <= 100
            assert np.array_equal(np.concatenate([piece[1] for piece in pieces]) if pieces else found[1], found[1])
            seen.append((first, past, len(inside)))
        assert [first for first, _, _ in seen] == [0, *(past for _, past, _ in seen[:-1])]
        assert seen[-1][1] == BUCKETS
        assert all(count <= 5000 for _, _, count in seen)
        for number in (0, BUCKETS - 1):
            assert np.array_equal(spill.read(number, number + 1)[1], narrow[bucket == number])
    assert not (tmp_path / "spill").exists()


def test_a_bucket_with_more_records_than_a_range_may_hold_stands_alone(tmp_path: Path) -> None:
    with Spill(tmp_path / "spill", [np.uint64], memory_bytes=1, threads=1) as spill:
        spill.add(np.array([3] * 10 + [4, 5], np.uint16), np.arange(12, dtype=np.uint64))
        spill.seal()
        assert [(first, past) for first, past in spill.ranges(5) if spill.counts[first:past].any()] == [(3, 4), (4, BUCKETS)]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order_and_no_more_are_held_than_threads(threads: int) -> None:
    begun = 0
    lock = threading.Lock()

    def square(number: int) -> int:
        nonlocal begun
        with lock:
            begun += 1
        return number * number

    for given, result in enumerate(in_order(square, range(50), threads)):
        assert result == given * given
        assert begun <= given + threads + 1


def test_an_error_in_a_thread_is_raised_where_its_result_is_asked_for() -> None:
    results = in_order(lambda number: 1 // number, [2, 1, 0, 1], 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
