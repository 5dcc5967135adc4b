from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from liangji.engine.gathered import GatheredKeys


def no_records(rows: NDArray[np.int64], columns: list[str]) -> pa.Table:
    raise AssertionError("no record was asked for")


def write(path: Path, rows: list[int], hashes: list[list[int]], lz4: bool = False) -> Path:
    keys = pa.record_batch({"row": pa.array(rows, pa.int64()), "hashes": pa.array(hashes, pa.list_(pa.uint64()))})
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
    large = (1 << 64) - 1
    files = [
        (write(tmp_path / "a.arrow", [0, 2], [[large], [1]], lz4=True), 0),
        (write(tmp_path / "b.arrows", [1], [[]]), 3),
        (write(tmp_path / "c.parquet", [0], [[1, 2]]), 5),
    ]
    with GatheredKeys(
        files, rows=6, take=no_records, memory_bytes=100 << 20, threads=threads, scratch=tmp_path / "scratch"
    ) as gathered:
        assert gathered.sql("SELECT * FROM keys ORDER BY row").to_pydict() == {
            "row": [0, 2, 4, 5],
            "hashes": [[large], [1], [], [1, 2]],
        }
        hashes = gathered.sql("SELECT row, unnest(hashes) AS hash FROM keys ORDER BY hash, row")
        assert hashes.to_pydict() == {"row": [2, 5, 5, 0], "hash": [1, 1, 2, large]}


def test_excluded_rows_are_not_seen(tmp_path: Path) -> None:
    files = [(write(tmp_path / "a.arrow", [0, 1], [[1], [2]]), 0), (write(tmp_path / "b.arrow", [0, 1], [[3], [4]]), 2)]
    excluded = pa.table({"row": pa.array([1, 2], pa.int64())})
    with GatheredKeys(
        files, rows=4, take=no_records, memory_bytes=100 << 20, threads=1, scratch=tmp_path / "s", excluded=excluded
    ) as gathered:
        assert gathered.sql("SELECT row FROM keys ORDER BY row")["row"].to_pylist() == [0, 3]


def test_tables_of_the_caller_and_tables_made_by_sql_are_seen(tmp_path: Path) -> None:
    with GatheredKeys([], rows=0, take=no_records, memory_bytes=100 << 20, threads=1, scratch=tmp_path) as gathered:
        gathered.sql("CREATE TABLE doubled AS SELECT 2 * number AS number FROM given", given=pa.table({"number": [1, 2]}))
        assert gathered.sql("SELECT number FROM doubled ORDER BY number")["number"].to_pylist() == [2, 4]
        assert gathered.sql("SELECT count(*) AS rows FROM keys")["rows"].to_pylist() == [0]


def test_a_sort_beyond_the_memory_limit_spills_into_the_scratch_folder(tmp_path: Path) -> None:
    rows = 4_000_000
    keys = pa.record_batch({"row": np.arange(rows), "key": np.random.default_rng(1).integers(0, 1 << 60, (rows))})
    path = tmp_path / "keys.parquet"
    pq.write_table(pa.Table.from_batches([keys]), path)
    scratch = tmp_path / "scratch"
    with GatheredKeys([(path, 0)], rows=rows, take=no_records, memory_bytes=64 << 20, threads=2, scratch=scratch) as gathered:
        gathered.sql("CREATE TABLE sorted AS SELECT row, key, row_number() OVER (ORDER BY key) AS rank FROM keys")
        found = gathered.sql("SELECT count(*) AS rows, max(rank) AS last FROM sorted")
        assert found.to_pylist() == [{"rows": rows, "last": rows}]
        assert sum(file.stat().st_size for file in scratch.rglob("*") if file.is_file()) > 64 << 20
