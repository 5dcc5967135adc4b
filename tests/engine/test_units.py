"""Folders that nothing refers to go; rows are had one by one."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from liangji.engine.units import ROOT_ROWS, StagedRows, Unit, UnitFiles, Writing
from liangji.engine.views import Root
from liangji.stores.objects import Objects


def test_folders_that_nothing_refers_to_are_removed(tmp_path: Path) -> None:
    files = UnitFiles(Objects.open(str(tmp_path)), "statutes")
    other = UnitFiles(Objects.open(str(tmp_path)), "rules")
    for name in ("aabb", "aacc", "bbcc"):
        files.write(name, {"digest": name.encode()})
        other.write(name, {"digest": b"other"})
    files.remove_others({"aacc"})
    files = pickle.loads(pickle.dumps(files))  # noqa: S301 - our own
    assert [files.exists(name) for name in ("aabb", "aacc", "bbcc")] == [False, True, False]
    assert files.bytes("aacc/digest") == b"aacc"
    files.remove_others(set())
    assert not list((tmp_path / "statutes").iterdir())
    assert other.bytes("aabb/digest") == b"other"


def test_a_folder_that_another_process_has_written_is_there_once_that_is_told(tmp_path: Path) -> None:
    files = UnitFiles(Objects.open(str(tmp_path)), "statutes")
    assert not files.exists("aabb")
    pickle.loads(pickle.dumps(files)).write("aabb", {"digest": b"1"})  # noqa: S301 - our own
    files.added("aabb")
    assert files.exists("aabb")
    assert files.bytes("aabb/digest") == b"1"


@pytest.mark.parametrize("rows", [[], [4], [0, 1, 7], [6, 0, 6, 2, 9, 3]])
@pytest.mark.parametrize("columns", [["text"], ["text", "id"]])
def test_records_come_in_the_order_asked_for_whatever_unit_and_batch_they_lie_in(
    tmp_path: Path, rows: list[int], columns: list[str]
) -> None:
    files = UnitFiles(Objects.open(str(tmp_path)), "statutes")
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
