from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from liangji.core.errors import SchemaError
from liangji.engine.gathered import GatheredKeys, Source

LARGE = (1 << 64) - 1


def no_records(rows: NDArray[np.int64], columns: list[str]) -> pa.Table:
    raise AssertionError("no record was asked for")


def gather(scratch: Path, files: Sequence[tuple[Path | Source, int]], rows: int, **options: Any) -> GatheredKeys:
    defaults: dict[str, Any] = {"take": no_records, "memory_bytes": 100 << 20, "threads": 1}
    return GatheredKeys(files, rows=rows, scratch=scratch, **(defaults | options))


def made(columns: dict[str, Any]) -> Source:
    """A source of one batch that gives the columns that are asked for, and one of no rows."""
    batch = pa.RecordBatch.from_pydict(columns)

    def batches(names: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        asked = batch if names is None else batch.select(list(names))
        yield asked
        yield asked.slice(0, 0)

    return batches


def lists(values: list[list[int] | None]) -> pa.Array:
    return pa.array(values, pa.list_(pa.uint64()))


def write(path: Path, rows: list[int], hashes: list[list[int]], lz4: bool = False) -> Path:
    keys = pa.record_batch({"size": pa.array(rows, pa.int8()), "row": pa.array(rows, pa.int64()), "hashes": lists([*hashes])})
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_batches([keys]), path)
        return path
    new = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
    options = pa.ipc.IpcWriteOptions(compression="lz4" if lz4 else None)
    with pa.OSFile(str(path), "wb") as sink, new(sink, keys.schema, options=options) as writer:
        writer.write_batch(keys)
    return path


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_are_numbered_over_all_files_whatever_their_format(tmp_path: Path, threads: int) -> None:
    files: list[tuple[Path | Source, int]] = [
        (write(tmp_path / "b.arrows", [1], [[]]), 3),
        (write(tmp_path / "a.arrow", [0, 2], [[LARGE], [1]], lz4=True), 0),
        (write(tmp_path / "c.parquet", [0], [[1, 2]]), 5),
        (made({"row": [0, 1], "size": pa.array([7, 8], pa.int8()), "hashes": lists([[3], [4]])}), -2),
    ]
    with gather(tmp_path / "scratch", files, 6, reference_rows=2, threads=threads) as gathered:
        scanned = pa.Table.from_batches(gathered.scan(["hashes", "size"]))
        assert scanned.column_names == ["row", "hashes", "size"]
        assert scanned.to_pydict() == {
            "row": [-2, -1, 0, 2, 4, 5],
            "hashes": [[3], [4], [LARGE], [1], [], [1, 2]],
            "size": [7, 8, 0, 2, 1, 0],
        }
        assert gathered.sql("SELECT row, hashes, size FROM keys ORDER BY row").to_pydict() == scanned.to_pydict()
        hashes = gathered.sql("SELECT row, unnest(hashes) AS hash FROM keys ORDER BY hash, row")
        assert hashes.to_pydict() == {"row": [2, 5, 5, -2, -1, 0], "hash": [1, 1, 2, 3, 4, LARGE]}


def test_no_database_is_made_before_sql_is_asked_for(tmp_path: Path) -> None:
    with gather(tmp_path, [(made({"row": [0, 1], "key": pa.array([5, 5], pa.uint64())}), 0)], 2) as gathered:
        assert [table.to_pydict() for table in gathered.shared("key")] == [{"key": [5, 5], "row": [0, 1]}]
        assert list(tmp_path.iterdir()) == []
        gathered.sql("SELECT 1")
        assert list(tmp_path.iterdir()) != []


def test_excluded_rows_are_not_seen(tmp_path: Path) -> None:
    files: list[tuple[Path | Source, int]] = [
        (write(tmp_path / "a.arrow", [0, 1], [[1], [2]]), 0),
        (write(tmp_path / "b.arrow", [0, 1], [[2], [1]]), 2),
    ]
    excluded = pa.table({"row": pa.array([2, 1], pa.int64())})
    with gather(tmp_path / "s", files, 4, excluded=excluded) as gathered:
        assert [row for batch in gathered.scan([]) for row in batch["row"].to_pylist()] == [0, 3]
        assert [table.to_pydict() for table in gathered.shared("hashes")] == [{"key": [1, 1], "row": [0, 3]}]
        assert gathered.sql("SELECT row FROM keys ORDER BY row")["row"].to_pylist() == [0, 3]


def shared(gathered: GatheredKeys, column: str, *arguments: Any) -> list[tuple[Any, int]]:
    found: list[tuple[Any, int]] = []
    for table in gathered.shared(column, *arguments):
        part = list(zip(table["key"].to_pylist(), table["row"].to_pylist(), strict=True))
        assert part == sorted(part)
        assert not {key for key, _ in part} & {key for key, _ in found}  # a key is wholly in one table
        found += part
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.lists(st.integers(0, 6), max_size=3)), max_size=12),
    st.integers(0, 12),
    st.integers(1, 3),
    st.sampled_from([pa.list_, pa.large_list]),
)
def test_rows_that_share_keys_are_found(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[list[int] | None],
    references: int,
    minimum: int,
    list_of: Callable[[pa.DataType], pa.DataType],
) -> None:
    references = min(references, len(values))
    keys = pa.array([[9], *values], list_of(pa.uint64())).slice(1)
    files: list[tuple[Path | Source, int]] = [
        (made({"row": np.arange(references), "keys": keys[:references]}), -references),
        (made({"row": np.arange(len(values) - references), "keys": keys[references:]}), 0),
    ]
    holders: dict[int, set[int]] = {}
    for number, held in enumerate(values):
        for key in held or []:
            holders.setdefault(key, set()).add(number - references)
    expected = {(key, row) for key, rows in holders.items() if len(rows) >= minimum for row in rows}
    scratch = tmp_path_factory.mktemp("scratch")
    with gather(scratch, files, len(values) - references, reference_rows=references) as gathered:
        found = shared(gathered, "keys", minimum)
    assert set(found) == expected
    assert len(found) == len(expected)


def test_wide_keys_are_told_apart_by_all_their_bytes_and_sort_as_bytes(tmp_path: Path) -> None:
    keys = [bytes([1, 255]) + bytes(14), bytes([2, 0]) + bytes(14), bytes([1, 255]) + bytes(13) + b"\x01", None]
    column = pa.array([bytes(16), *keys, *keys], pa.binary(16)).slice(1)
    with gather(tmp_path, [(made({"row": np.arange(8), "key": column}), 0)], 8) as gathered:
        assert shared(gathered, "key") == [(keys[0], 0), (keys[0], 4), (keys[2], 2), (keys[2], 6), (keys[1], 1), (keys[1], 5)]


def test_rows_of_the_exchange_meet_the_others(tmp_path: Path) -> None:
    more = pa.RecordBatch.from_pydict({"row": [2, 3], "keys": lists([[1], [2]])})
    with gather(tmp_path, [(made({"row": [0, 1], "keys": lists([[1, 3], [3]])}), 0)], 2) as gathered:
        assert sorted(shared(gathered, "keys", 2, more)) == [(1, 0), (1, 2), (3, 0), (3, 1)]
        assert shared(gathered, "keys") == [(3, 0), (3, 1)]


@pytest.mark.parametrize("threads", [1, 2])
def test_keys_beyond_the_memory_given_are_written_and_found_alike(tmp_path: Path, threads: int) -> None:
    generator = np.random.default_rng(8)
    rows = 100_000
    keys = generator.integers(0, 200_000, (rows, 4)).astype(np.uint64)
    column = pa.ListArray.from_arrays(pa.array(np.arange(0, 4 * rows + 1, 4), pa.int32()), pa.array(keys.ravel()))
    files: list[tuple[Path | Source, int]] = [
        (made({"row": np.arange(5000), "keys": column[start : start + 5000]}), start - 5000) for start in range(0, rows, 5000)
    ]
    tables = []
    for memory_bytes in (1, 1 << 30):
        with gather(tmp_path, files, rows - 5000, reference_rows=5000, memory_bytes=memory_bytes, threads=threads) as gathered:
            tables.append(pa.concat_tables(gathered.shared("keys", 3)).sort_by([("key", "ascending"), ("row", "ascending")]))
            assert gathered.spilled_bytes == (4 * rows * 12 if memory_bytes == 1 else 0)
        assert list(tmp_path.iterdir()) == []
    pairs = np.unique(np.stack([keys.ravel(), np.repeat(np.arange(rows), 4).astype(np.uint64)], 1), axis=0)
    _, inverse, counts = np.unique(pairs[:, 0], return_inverse=True, return_counts=True)
    expected = pairs[counts[inverse] >= 3]
    for table in tables:
        assert np.array_equal(table["key"].to_numpy(), expected[:, 0])
        assert np.array_equal(table["row"].to_numpy(), expected[:, 1].astype(np.int64) - 5000)


def test_grouping_holds_no_more_than_the_memory_given(tmp_path: Path) -> None:
    rows, memory_bytes = 4_000_000, 16 << 20

    def keys(start: int, _names: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        generator = np.random.default_rng(start)
        for first in range(0, rows // 2, 20_000):
            drawn = generator.integers(0, 1 << 40, 20_000, np.uint64)
            yield pa.RecordBatch.from_pydict({"row": np.arange(first, first + 20_000), "key": drawn})

    files: list[tuple[Path | Source, int]] = [(partial(keys, start), start) for start in (0, rows // 2)]
    with gather(tmp_path, files, rows, memory_bytes=memory_bytes, threads=2) as gathered:
        tracemalloc.start()
        try:
            found = sum(len(table) for table in gathered.shared("key"))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert gathered.spilled_bytes == 12 * rows
    assert 0 < found < 100
    assert peak < memory_bytes


def test_keys_of_another_type_are_refused(tmp_path: Path) -> None:
    with (
        gather(tmp_path, [(made({"row": [0], "key": ["a"]}), 0)], 1) as gathered,
        pytest.raises(SchemaError, match="'key' are string"),
    ):
        list(gathered.shared("key"))


def test_a_run_is_stopped_between_batches(tmp_path: Path) -> None:
    calls = 0

    def stop_at_third() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    files: list[tuple[Path | Source, int]] = [(made({"row": [0], "key": pa.array([5], pa.uint64())}), base) for base in range(9)]
    with gather(tmp_path, files, 9, check=stop_at_third) as gathered:
        with pytest.raises(KeyboardInterrupt):
            list(gathered.shared("key"))
        assert list(tmp_path.iterdir()) == []


def test_tables_of_the_caller_and_tables_made_by_sql_are_seen(tmp_path: Path) -> None:
    with gather(tmp_path, [], 0) as gathered:
        gathered.sql("CREATE TABLE doubled AS SELECT 2 * number AS number FROM given", given=pa.table({"number": [1, 2]}))
        assert gathered.sql("SELECT number FROM doubled ORDER BY number")["number"].to_pylist() == [2, 4]
        assert gathered.sql("SELECT count(*) AS rows FROM keys")["rows"].to_pylist() == [0]
        assert list(gathered.shared("any")) == []


def test_a_sort_beyond_the_memory_limit_spills_into_the_scratch_folder(tmp_path: Path) -> None:
    rows = 4_000_000
    keys = pa.record_batch({"row": np.arange(rows), "key": np.random.default_rng(1).integers(0, 1 << 60, (rows))})
    path = tmp_path / "keys.parquet"
    pq.write_table(pa.Table.from_batches([keys]), path)
    scratch = tmp_path / "scratch"
    with gather(scratch, [(path, 0)], rows, memory_bytes=64 << 20, threads=2) as gathered:
        gathered.sql("CREATE TABLE sorted AS SELECT row, key, row_number() OVER (ORDER BY key) AS rank FROM keys")
        found = gathered.sql("SELECT count(*) AS rows, max(rank) AS last FROM sorted")
        assert found.to_pylist() == [{"rows": rows, "last": rows}]
        assert sum(file.stat().st_size for file in scratch.rglob("*") if file.is_file()) > 64 << 20
