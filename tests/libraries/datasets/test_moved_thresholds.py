"""Measure, then decide: a moved threshold is decided from the measured columns, and gives what a build from nothing gives."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.libraries.datasets.conftest import RECIPE

from liangji.engine.run import RunResult
from liangji.libraries.datasets import looking
from liangji.libraries.datasets.building import build
from liangji.libraries.datasets.source import Inputs
from liangji.pipeline.cleaning.normalisation import NormalizeText
from liangji.pipeline.cleaning.personal_information import MaskPersonalInformation
from liangji.pipeline.evaluation.text import MeasureText
from liangji.stores.workspace import Workspace

OPERATORS = (NormalizeText, MeasureText, MaskPersonalInformation)


pytestmark = pytest.mark.usefixtures("small_shards")


@pytest.fixture
def worked_on(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the rows that operators on text are given, and the files that are read."""
    rows: Counter[str] = Counter()
    for operator in OPERATORS:
        call = operator.__call__

        def counted(self: Any, batch: pa.RecordBatch, call: Any = call, name: str = operator.__name__) -> pa.RecordBatch:
            rows[name] += batch.num_rows if "origin" in batch.schema.names else 0  # a warm-up is no work on records
            return call(self, batch)

        monkeypatch.setattr(operator, "__call__", counted)
    read = Inputs.read

    def counted_read(self: Inputs, *arguments: Any) -> Any:
        rows["files"] += 1
        return read(self, *arguments)

    monkeypatch.setattr(Inputs, "read", counted_read)
    return rows


def run(recipe: Path, workspace: Path, *, characters: int, steps: str = "") -> RunResult:
    text = RECIPE.replace("character_count >= 20", f"character_count >= {characters}")
    recipe.write_text(text.replace("  - mask_personal_information\n", steps + "  - mask_personal_information\n"), "utf-8")
    return build(recipe, Workspace.open(workspace))


def seen(workspace: Path) -> dict[str, list[Any]]:
    """Give everything that a version says of its rows."""
    opened = Workspace.open(workspace)
    return {
        which: sorted(tuple(map(str, row.values())) for row in looking.rows(opened, "notes", which=which))
        for which in ("kept", "dropped", "quarantined")
    }


def test_a_tightened_threshold_reads_no_file_and_runs_no_operator_on_text(
    recipe: Path, tmp_path: Path, worked_on: Counter[str]
) -> None:
    run(recipe, tmp_path / "w", characters=20)
    worked_on.clear()
    moved = run(recipe, tmp_path / "w", characters=120)
    assert not +worked_on
    fresh = run(recipe, tmp_path / "fresh", characters=120)
    assert 0 < moved.version.rows < moved.ledger["rows_in"] - moved.ledger["dropped"]["exact_duplicate"]
    assert moved.version.id == fresh.version.id
    assert moved.ledger == fresh.ledger
    assert seen(tmp_path / "w") == seen(tmp_path / "fresh")


def test_a_loosened_threshold_works_on_the_rows_that_come_in_alone(recipe: Path, tmp_path: Path, worked_on: Counter[str]) -> None:
    tight = run(recipe, tmp_path / "w", characters=120)
    worked_on.clear()
    loose = run(recipe, tmp_path / "w", characters=20)
    assert +worked_on == {"MaskPersonalInformation": loose.version.rows - tight.version.rows}
    assert loose.version.id == run(recipe, tmp_path / "fresh", characters=20).version.id
    assert seen(tmp_path / "w") == seen(tmp_path / "fresh")


def test_thresholds_may_go_to_and_fro(recipe: Path, tmp_path: Path, worked_on: Counter[str]) -> None:
    for characters in (80, 150, 20, 100_000, 60, 20):
        moved = run(recipe, tmp_path / "w", characters=characters)
        fresh = run(recipe, tmp_path / f"fresh{characters}", characters=characters)
        assert (moved.version.id, moved.ledger) == (fresh.version.id, fresh.ledger)
        assert seen(tmp_path / "w") == seen(tmp_path / f"fresh{characters}")
    worked_on.clear()
    run(recipe, tmp_path / "w", characters=90)
    assert not +worked_on


def test_another_decision_of_an_exchange_works_on_what_comes_in_alone(
    recipe: Path, tmp_path: Path, worked_on: Counter[str]
) -> None:
    steps = "  - keep: {where: 'line_count < 3', reason: many_lines}\n"
    run(recipe, tmp_path / "w", characters=20, steps=steps)
    worked_on.clear()
    run(recipe, tmp_path / "w", characters=20, steps=steps.replace("3", "2"))
    assert not +worked_on


def test_where_the_layers_are_gone_a_build_goes_back_to_the_files(recipe: Path, tmp_path: Path, worked_on: Counter[str]) -> None:
    run(recipe, tmp_path / "w", characters=20)
    shutil.rmtree(tmp_path / "w" / "scratch")
    worked_on.clear()
    moved = run(recipe, tmp_path / "w", characters=120)
    assert worked_on["files"]
    assert moved.version.id == run(recipe, tmp_path / "fresh", characters=120).version.id
