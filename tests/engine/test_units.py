"""The folder of a unit is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from liangji.engine.units import UnitFiles


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
