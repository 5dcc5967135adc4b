"""Folders that nothing refers to go; rows are had one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from liangji.engine.units import ROOT_ROWS, StagedRows, Unit, UnitFiles, Writing
from liangji.engine.views import Root


def test_folders_that_nothing_refers_to_are_removed(tmp_path: Path) -> None:
    files = UnitFiles(tmp_path)
    for name in ("aabb", "aacc", "bbcc"):
        files.write(name, {"digest": name.encode()})
    files.remove_others({"aacc"})
    assert [files.exists(name) for name in ("aabb", "aacc", "bbcc")] == [False, True, False]
    assert files.bytes("aacc/digest") == b"aacc"
    files.remove_others(set())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rows", [[], [4], [0, 1, 7], [6, 0, 6, 2, 9, 3]])
@pytest.mark.parametrize("columns", [["text"], ["text", "id"]])
def test_records_come_in_the_order_asked_for_whatever_unit_and_batch_they_lie_in(
    tmp_path: Path, rows: list[int], columns: list[str]
) -> None:
    files = UnitFiles(tmp_path)
    records = pa.table({"id": [f"{row}" for row in range(10)], "size": range(10), "text": [f"text {row}" for row in range(10)]})
    units = [
        unit_of(files, records.slice(0, 5), [0, 1, 2, 3, 4]),
        unit_of(files, records.slice(3, 4), [2]),
        unit_of(files, records.slice(4), [2, 3, 4, 5]),
    ]
    taken = StagedRows(files, units).take(np.array(rows, np.int64), columns)
    assert taken.to_pydict() == {name: [records[name][row].as_py() for row in rows] for name in columns}


def unit_of(files: UnitFiles, root: pa.Table, rows: list[int]) -> Unit:
    """Write a unit that lets some rows of its root through, cut into batches of two."""
    writing = Writing(files)
    facts = writing.root(Root.of(root.to_batches(max_chunksize=2)))
    writing.add(ROOT_ROWS, np.array(rows, np.int64).tobytes())
    writing.commit()
    empty: dict[str, Any] = {
        name: [] for name in ("counts", "layers", "keys", "dropped", "quarantined", "fragments", "notes", "faults")
    }
    return Unit("", writing.folder, 0, "", "", "", 0, len(rows), 0, root=facts, made={}, **empty)
