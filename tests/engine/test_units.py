"""The folder of a unit is there whole or not at all; its rows are had one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from liangji.engine.units import StagedRows, Unit, UnitFiles


def test_a_folder_half_removed_by_a_killed_run_does_not_count_as_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def removes_the_files_and_dies(folder: Path, **_: object) -> None:
        for file in folder.iterdir():
            file.unlink()
        raise KeyboardInterrupt

    files = UnitFiles(tmp_path)
    files.write("aabb", {"decisions.arrow": b"decided"})
    with monkeypatch.context() as killed:
        killed.setattr("shutil.rmtree", removes_the_files_and_dies)
        with pytest.raises(KeyboardInterrupt):
            files.remove_others(set())
    assert not files.exists("aabb")
    files.remove_others(set())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rows", [[], [4], [0, 1, 7], [6, 0, 6, 2, 9, 3]])
@pytest.mark.parametrize("columns", [["text"], ["text", "id"]])
def test_records_come_in_the_order_asked_for_whatever_unit_and_batch_they_lie_in(
    tmp_path: Path, rows: list[int], columns: list[str]
) -> None:
    files = UnitFiles(tmp_path)
    records = pa.table({"id": [f"{row}" for row in range(10)], "size": range(10), "text": [f"text {row}" for row in range(10)]})
    units = []
    for key, first, past in (("aa", 0, 5), ("bb", 5, 6), ("cc", 6, 10)):
        files.write(key, {"rows.arrow": (records.schema, records.slice(first, past - first).to_batches(max_chunksize=2))})
        units.append(Unit(key, "", 0, past - first, 0, [], [], [], []))
    taken = StagedRows(files, units).take(np.array(rows, np.int64), columns)
    assert taken.to_pydict() == {name: [records[name][row].as_py() for row in rows] for name in columns}
