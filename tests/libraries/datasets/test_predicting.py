"""Predictions lean on what was measured: a trial of the inputs, a version's ledger, a past build, a table of rates."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from tests.libraries.datasets.conftest import RECIPE, document, write_raw

from liangji.core.errors import InputError, UsageError
from liangji.core.operator import OperatorKind
from liangji.engine.budget import Budget
from liangji.engine.plan import make_plan
from liangji.engine.recipe import read_recipe
from liangji.libraries.datasets import predicting
from liangji.libraries.datasets.building import build
from liangji.libraries.datasets.planning import DECIDED, DIGEST, HASH, READ, STAGE_ROWS, UNIT_FILES
from liangji.libraries.datasets.predicting import measure_disk, predict_run
from liangji.libraries.datasets.trial import try_recipe
from liangji.stores.workspace import Workspace

DISK = 500.0


def test_a_trial_takes_every_stage_of_a_build(recipe: Path) -> None:
    trial = try_recipe(make_plan(read_recipe(recipe)))
    names = [stage.name for stage in trial.stages]
    steps = ["1 normalize_text", "2 measure_text", "3 keep", "4 drop_exact_duplicates", "5 drop_near_duplicates"]
    assert names == [HASH, READ, *steps, "6 mask_personal_information", DIGEST, STAGE_ROWS, UNIT_FILES]
    rows = {stage.name: stage.rows for stage in trial.stages}
    assert rows[READ] == rows["3 keep"] == trial.rows == 236
    assert rows["3 keep"] > rows["4 drop_exact_duplicates"] > rows["5 drop_near_duplicates"] >= rows[DIGEST] > 0
    assert trial.input_bytes == sum(file.stat().st_size for file in (recipe.parent / "raw").iterdir())
    assert all(stage.cpu_seconds >= 0 for stage in trial.stages)
    assert trial.stored_bytes > 0
    assert trial.unit_bytes > 0


def test_a_trial_reads_no_more_than_it_is_given(tmp_path: Path) -> None:
    text = "".join(map(document, range(20)))
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in range(4):
        lines = (json.dumps({"text": f"{name} {line} {text}"}, ensure_ascii=False) for line in range(300))
        (raw / f"{name}.jsonl").write_text("\n".join(lines), "utf-8")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE, "utf-8")
    whole = sum(file.stat().st_size for file in raw.iterdir())
    trial = try_recipe(make_plan(read_recipe(recipe)), whole // 8)
    assert whole / 16 < trial.input_bytes < whole / 2


def test_rows_that_a_step_fails_on_are_left_out_of_a_trial(recipe: Path) -> None:
    plan = make_plan(read_recipe(recipe))
    object.__setattr__(plan.recipe.steps[0], "operator", FailsOnShortTexts())
    rows = {stage.name: stage.rows for stage in try_recipe(plan).stages}
    assert 0 < rows["2 measure_text"] < rows["1 normalize_text"] == 236


class FailsOnShortTexts:
    kind = OperatorKind.TRANSFORM

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if any(len(text) < 5 for text in batch.column("text").to_pylist()):
            raise ValueError("too short for me")
        return batch


def test_inputs_without_a_usable_record_are_refused(recipe: Path) -> None:
    for file in (recipe.parent / "raw").iterdir():
        file.unlink()
    (recipe.parent / "raw" / "broken.jsonl").write_text("{cut\n", "utf-8")
    with pytest.raises(InputError, match="no record"):
        try_recipe(make_plan(read_recipe(recipe)))


def test_the_inputs_as_they_are_are_predicted_for(recipe: Path) -> None:
    found = predict_run(recipe, disk_mb_per_second=DISK)
    sizes = [file.stat().st_size for file in (recipe.parent / "raw").iterdir()]
    assert (found.scale.input_bytes, found.scale.files, found.scale.largest_file_bytes) == (sum(sizes), 4, max(sizes))
    assert found.trial is not None
    assert (found.rates, found.past, found.shares_of) == (None, None, None)
    assert (found.rows, found.is_disk_measured, found.are_files_assumed) == (236, False, False)
    assert found.prediction.least_seconds < found.prediction.seconds < found.prediction.most_seconds


def test_another_size_has_more_files_alike_unless_they_are_given(recipe: Path) -> None:
    here = sum(file.stat().st_size for file in (recipe.parent / "raw").iterdir())
    more = predict_run(recipe, size_bytes=10 * here, disk_mb_per_second=DISK)
    assert (more.scale.files, more.scale.largest_file_bytes, more.are_files_assumed) == (40, here / 4, True)
    given = predict_run(recipe, size_bytes=10 * here, files=2, disk_mb_per_second=DISK)
    assert (given.scale.files, given.scale.largest_file_bytes, given.are_files_assumed) == (2, 5 * here, False)


def test_a_versions_ledger_says_how_much_reaches_each_step(recipe: Path, tmp_path: Path) -> None:
    workspace = Workspace.open(tmp_path / "workspace")
    result = build(recipe, workspace, budget=replace(Budget.of(), workers=2))
    found = predict_run(recipe, workspace, disk_mb_per_second=DISK)
    ledger = {step["step"]: step["rows_in"] for step in result.ledger["steps"]}
    stages = {stage.name: stage.megabytes for stage in found.prediction.stages}
    assert found.shares_of == "1.0.0"
    assert stages["5 drop_near_duplicates"] < stages["4 drop_exact_duplicates"] < stages["3 keep"]
    assert "5 drop_near_duplicates" + DECIDED in stages or stages["5 drop_near_duplicates"] > 0
    assert ledger["5 drop_near_duplicates"] < ledger["4 drop_exact_duplicates"] < ledger["3 keep"]


def test_a_past_build_in_one_go_corrects_and_a_later_one_does_not(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predicting, "_SHORTEST_BUILD_SECONDS", 0.0)
    workspace = Workspace.open(tmp_path / "workspace")
    first = build(recipe, workspace, budget=replace(Budget.of(), workers=1))
    past = predict_run(recipe, workspace, disk_mb_per_second=DISK).past
    assert past is not None
    assert (past.number, past.workers, past.seconds) == ("1.0.0", 1, first.version.seconds)
    assert past.input_bytes == sum(file.stat().st_size for file in (tmp_path / "raw").iterdir())
    other = tmp_path / "other.yaml"
    other.write_text(RECIPE.replace("0.8", "0.9"), "utf-8")
    assert predict_run(other, workspace, disk_mb_per_second=DISK).past is None
    write_raw(tmp_path / "raw", range(4, 5))
    build(recipe, workspace, message="more")  # most of its units were there already: no measure of a whole build
    corrected = predict_run(recipe, workspace, disk_mb_per_second=DISK).past
    assert corrected is not None
    assert corrected.number == "1.0.0"


def test_without_inputs_a_size_and_the_table_of_rates_will_do(recipe: Path) -> None:
    recipe.write_text(RECIPE.replace("path: raw", "path: nowhere/*.jsonl"), "utf-8")
    with pytest.raises(UsageError, match="size is unknown"):
        predict_run(recipe, disk_mb_per_second=DISK)
    found = predict_run(recipe, size_bytes=10**12, cores=8, memory_bytes=8 * 10**9, disk_mb_per_second=DISK)
    assert found.trial is None
    assert found.rates is not None
    assert found.scale.files == 8
    assert found.prediction.unknown == ()
    assert {"1 normalize_text", READ, UNIT_FILES} <= {stage.name for stage in found.prediction.stages}


def test_no_size_is_refused(recipe: Path) -> None:
    with pytest.raises(UsageError, match="nothing to build"):
        predict_run(recipe, size_bytes=0, disk_mb_per_second=DISK)


def test_the_disk_is_measured_in_its_own_folder_and_nothing_is_left(tmp_path: Path) -> None:
    assert measure_disk(tmp_path) > 0
    assert list(tmp_path.iterdir()) == []
