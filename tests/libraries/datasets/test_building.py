"""One command turns raw files into a version: the ledger closes, and the same input gives the same version however it is run."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from tests.libraries.datasets.conftest import RECIPE, write_raw

from liangji.core.errors import FaultShareExceeded, InputError, RecipeError, RunError, SchemaError, UsageError
from liangji.engine import shards, units
from liangji.engine.budget import Budget
from liangji.engine.progress import RunStopped, Silent
from liangji.engine.recipe import read_recipe
from liangji.engine.run import RunResult
from liangji.libraries.datasets import looking
from liangji.libraries.datasets.building import build, forecast
from liangji.libraries.datasets.source import Inputs
from liangji.stores.workspace import Workspace

pytestmark = pytest.mark.usefixtures("small_shards")


def run(recipe: Path, workspace: Path, workers: int = 2) -> RunResult:
    return build(recipe, Workspace.open(workspace), budget=replace(Budget.of(), workers=workers))


def texts(workspace: Path, version: str | None = None) -> list[str]:
    return [row["text"] for row in looking.rows(Workspace.open(workspace), "notes", version)]


def test_every_row_is_accounted_for(recipe: Path, tmp_path: Path) -> None:
    result = run(recipe, tmp_path / "w")
    ledger = result.ledger
    assert ledger["rows_in"] == 240
    assert ledger["quarantined"] == 4
    assert set(ledger["dropped"]) == {"too_short", "exact_duplicate"}
    assert ledger["rows_in"] == ledger["rows_out"] + sum(ledger["dropped"].values()) + ledger["quarantined"]
    assert result.version.rows == ledger["rows_out"] == len(texts(tmp_path / "w"))


def test_what_was_dropped_or_quarantined_can_be_looked_at(recipe: Path, tmp_path: Path) -> None:
    run(recipe, tmp_path / "w")
    workspace = Workspace.open(tmp_path / "w")
    short = list(looking.rows(workspace, "notes", which="dropped", reason="too_short"))
    assert {(row["text"], row["drop_number"], row["drop_step"]) for row in short} == {("太短", 2.0, "3 keep")}
    kept = {row["id"] for row in looking.rows(workspace, "notes")}
    assert all(row["drop_detail"] in kept for row in looking.rows(workspace, "notes", which="dropped", reason="exact_duplicate"))
    broken = list(looking.rows(workspace, "notes", which="quarantined"))
    assert {row["content"] for row in broken} == {b'{"text": "cut'}
    assert all(row["line"] > 0 and row["mend"] for row in broken)


def test_any_number_of_threads_gives_the_same_version(recipe: Path, tmp_path: Path) -> None:
    ids = {run(recipe, tmp_path / f"w{workers}", workers).version.id for workers in (1, 2, 8)}
    assert len(ids) == 1


def test_shards_of_any_size_give_the_same_version(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fine = run(recipe, tmp_path / "fine")
    monkeypatch.setattr(shards, "SHARD_BYTES", 16 << 20)
    coarse = run(recipe, tmp_path / "coarse")
    assert coarse.version.id == fine.version.id
    assert coarse.units_run < fine.units_run


def test_the_same_recipe_elsewhere_gives_the_same_version(recipe: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    write_raw(elsewhere / "raw", range(4))
    (elsewhere / "recipe.yaml").write_text(RECIPE, "utf-8")
    assert run(elsewhere / "recipe.yaml", tmp_path / "w1").version.id == run(recipe, tmp_path / "w2").version.id


def test_building_again_makes_no_new_version_and_runs_nothing(recipe: Path, tmp_path: Path) -> None:
    first, again = run(recipe, tmp_path / "w"), run(recipe, tmp_path / "w")
    assert (again.is_new, again.version.id, again.units_run) == (False, first.version.id, 0)


def test_added_files_alone_are_worked_on_and_the_content_is_that_of_a_build_from_nothing(recipe: Path, tmp_path: Path) -> None:
    first = run(recipe, tmp_path / "w")
    write_raw(tmp_path / "raw", range(4, 5))
    second = run(recipe, tmp_path / "w")
    fresh = run(recipe, tmp_path / "fresh")
    assert second.version.id == fresh.version.id != first.version.id
    assert texts(tmp_path / "w") == texts(tmp_path / "fresh")
    assert second.units_reused == first.units_run
    assert second.version.number == "1.1.0"
    assert second.version.parents == (first.version.id,)
    assert texts(tmp_path / "w", first.version.id) != texts(tmp_path / "w")


def test_a_changed_last_step_reads_nothing_again(recipe: Path, tmp_path: Path) -> None:
    run(recipe, tmp_path / "w")
    recipe.write_text(RECIPE.replace("mask_personal_information", "mask_personal_information: {style: label}"), "utf-8")
    again = run(recipe, tmp_path / "w")
    assert again.units_reused > 0
    assert again.version.id == run(recipe, tmp_path / "fresh").version.id


def test_a_stopped_run_goes_on_where_it_was(recipe: Path, tmp_path: Path) -> None:
    stop = threading.Event()

    class StopsSoon(Silent):
        units = 0

        def advance(self, done: int, rows: int, size_bytes: int) -> None:
            self.units += rows > 0
            if self.units == 5:
                stop.set()

    workspace = Workspace.open(tmp_path / "w")
    with pytest.raises(RunStopped, match="run the same command again"):
        build(recipe, workspace, progress=StopsSoon(), stop=stop)
    result = run(recipe, tmp_path / "w")
    assert result.units_reused >= 5
    assert result.version.id == run(recipe, tmp_path / "fresh").version.id


def test_a_version_needs_an_author_and_a_message(recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(RECIPE.replace("output: {message: first build, author: tester}\n", ""), "utf-8")
    with pytest.raises(UsageError, match="author and message"):
        run(recipe, tmp_path / "w")


def test_too_many_faults_stop_the_run(recipe: Path, tmp_path: Path) -> None:
    bad = "\n".join(['{"text": "cut'] * 150)
    (tmp_path / "raw" / "part-00.jsonl").write_text(bad, "utf-8")
    recipe.write_text(RECIPE + "limits: {fault_share: 0.1}\n", "utf-8")
    with pytest.raises(FaultShareExceeded, match="limit of 10%"):
        run(recipe, tmp_path / "w")


def test_inputs_of_which_nothing_can_be_read_make_no_version(tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("path: raw", "path: broken.zip"), "utf-8")
    with pytest.raises(RunError, match=r"broken\.zip"):
        run(tmp_path / "recipe.yaml", tmp_path / "w")
    assert looking.list_datasets(Workspace.open(tmp_path / "w"))[0][1] is None


def test_where_nothing_can_be_read_each_different_fault_is_told_once_with_its_number(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "a.jsonl").write_text('{"text": "cut\n' * 30, "utf-8")
    (raw / "b.jsonl").write_text('{"number": 1}\n' * 2, "utf-8")
    (raw / "c.zip").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "recipe.yaml").write_text(RECIPE, "utf-8")
    with pytest.raises(RunError) as stopped:
        run(tmp_path / "recipe.yaml", tmp_path / "w")
    lines = [line.strip() for line in stopped.value.where.splitlines()]
    assert len(lines) == 4
    assert lines[0].startswith("raw/a.jsonl:1, raw/a.jsonl:2, raw/a.jsonl:3 and 17 more: line 1 is not JSON")
    assert lines[0].endswith("— 20 times")
    assert lines[1].startswith("raw/b.jsonl:1, raw/b.jsonl:2: ")
    assert lines[3] == "and 10 more records of these files"


def test_a_message_that_is_not_recorded_is_given_back(recipe: Path, tmp_path: Path) -> None:
    first, same, other = (
        build(recipe, Workspace.open(tmp_path / "w"), message=message) for message in ("first build", "first build", "second")
    )
    assert [result.unrecorded_message for result in (first, same, other)] == ["", "", "second"]
    assert other.version.message == "first build"


def test_fields_no_column_takes_stay_as_extra(recipe: Path, tmp_path: Path) -> None:
    run(recipe, tmp_path / "w")
    row = next(looking.rows(Workspace.open(tmp_path / "w"), "notes"))
    assert row["extra"] == '{"number":0}'
    assert (row["source"], row["license"], row["origin"], row["record"]) == ("自采", "CC0-1.0", "raw/part-00.jsonl", 0)


def test_one_file_may_not_belong_to_two_inputs(recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(RECIPE.replace("steps:", "  - path: raw/part-00.jsonl\nsteps:"), "utf-8")
    with pytest.raises(UsageError, match=r"inputs\.0 and inputs\.1"):
        run(recipe, tmp_path / "w")


def test_a_dry_run_says_what_it_would_do(recipe: Path) -> None:
    told = forecast(recipe)
    assert len(told.files) == 4
    assert [segment["then"] for segment in told.segments] == [["4 drop_exact_duplicates", "5 drop_near_duplicates"], ["commit"]]


def test_versions_differ_by_their_records(recipe: Path, tmp_path: Path) -> None:
    first = run(recipe, tmp_path / "w").version
    write_raw(tmp_path / "raw", range(4, 5))
    (tmp_path / "raw" / "part-00.jsonl").unlink()
    second = run(recipe, tmp_path / "w").version
    found = looking.diff(Workspace.open(tmp_path / "w"), "notes", first.id[:8], second.number)
    assert found.added > 0
    assert found.removed > 0
    assert found.unchanged + found.removed == first.rows
    assert found.unchanged + found.added == second.rows


def test_two_datasets_of_the_same_inputs_keep_their_rows_apart(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "_FRAGMENT_BYTES", 0)  # every unit stages its rows in the table of its dataset
    (tmp_path / "other.yaml").write_text(RECIPE.replace("dataset: notes", "dataset: other"), "utf-8")
    run(recipe, tmp_path / "w")
    run(tmp_path / "other.yaml", tmp_path / "w")
    write_raw(tmp_path / "raw", range(4, 5))
    again = run(recipe, tmp_path / "w")
    assert len(texts(tmp_path / "w")) == again.version.rows


def test_shards_cut_elsewhere_by_a_stopped_run_are_not_taken_over(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()

    class StopsSoon(Silent):
        def advance(self, done: int, rows: int, size_bytes: int) -> None:
            if rows:
                stop.set()

    with pytest.raises(RunStopped):
        build(recipe, Workspace.open(tmp_path / "w"), progress=StopsSoon(), stop=stop)
    monkeypatch.setattr(shards, "SHARD_BYTES", 16 << 10)
    assert run(recipe, tmp_path / "w").ledger["rows_in"] == 240


def test_another_key_gives_other_pseudonyms(recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRST_KEY", "one")
    monkeypatch.setenv("SECOND_KEY", "two")
    (tmp_path / "raw" / "part-04.jsonl").write_text('{"text": "值班电话 13912345678，有事请随时与检修班组联系，谢谢。"}\n', "utf-8")
    pseudonyms = "mask_personal_information: {style: pseudonym, key: '${%s}'}"
    recipe.write_text(RECIPE.replace("mask_personal_information", pseudonyms % "FIRST_KEY"), "utf-8")
    first = run(recipe, tmp_path / "w").version
    recipe.write_text(RECIPE.replace("mask_personal_information", pseudonyms % "SECOND_KEY"), "utf-8")
    second = run(recipe, tmp_path / "w").version
    assert second.recipe_hash != first.recipe_hash
    old, new = (texts(tmp_path / "w", version.id)[-1] for version in (first, second))
    assert old.startswith("值班电话")
    assert new != old


def test_going_back_to_earlier_inputs_makes_their_version_the_newest(recipe: Path, tmp_path: Path) -> None:
    first = run(recipe, tmp_path / "w").version
    write_raw(tmp_path / "raw", range(4, 5))
    run(recipe, tmp_path / "w")
    (tmp_path / "raw" / "part-04.jsonl").unlink()
    back = run(recipe, tmp_path / "w")
    assert (back.is_new, back.version.id) == (False, first.id)
    workspace = Workspace.open(tmp_path / "w")
    assert looking.show(workspace, "notes").id == first.id
    assert [version.number for version in looking.log(workspace, "notes")] == ["1.0.0", "1.1.0"]
    write_raw(tmp_path / "raw", range(6, 7))
    assert run(recipe, tmp_path / "w").version.number == "1.2.0"


def test_a_file_of_the_same_size_and_time_is_still_another_file(recipe: Path, tmp_path: Path) -> None:
    first = run(recipe, tmp_path / "w").version
    file = tmp_path / "raw" / "part-00.jsonl"
    status = file.stat()
    file.write_text(file.read_text("utf-8").replace("设备", "机器"), "utf-8")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file.stat().st_size == status.st_size
    assert run(recipe, tmp_path / "w").version.id != first.id


def test_a_file_that_changes_while_it_is_read_is_refused(recipe: Path, tmp_path: Path) -> None:
    file = tmp_path / "raw" / "part-00.jsonl"
    inputs = Inputs(read_recipe(recipe))
    first = inputs.files()[0]
    with file.open("a", encoding="utf-8") as log:
        log.write('{"text": "one more"}\n')
    with pytest.raises(InputError, match="changed while it was read"):
        list(inputs.read(first, lambda _: None))


def test_a_bad_file_that_comes_first_does_not_stop_a_build_that_is_good_on_the_whole(recipe: Path, tmp_path: Path) -> None:
    write_raw(tmp_path / "raw", range(4, 8))
    (tmp_path / "raw" / "aaa.jsonl").write_text("\n".join(['{"text": "cut'] * 150), "utf-8")
    assert run(recipe, tmp_path / "w", workers=1).ledger["quarantined"] == 150 + 8


def test_a_file_name_that_is_no_unicode_is_read_like_any_other(recipe: Path, tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path / "raw") + b"/\xff.jsonl")).write_text('{"text": "one more"}\n', "utf-8")
    result = run(recipe, tmp_path / "w")
    assert result.ledger["rows_in"] == 241
    assert result.version.inputs[0]["origin"] == "raw/\\xff.jsonl"


def test_a_step_that_wants_a_column_nobody_makes_is_told_by_the_file_of_the_recipe(recipe: Path) -> None:
    recipe.write_text(RECIPE.replace("character_count", "character_cuont"), "utf-8")
    with pytest.raises(RecipeError, match=rf"{recipe}:11 steps\.2\.keep"):
        forecast(recipe)


def test_a_record_dropped_by_mistake_can_be_restored(recipe: Path, tmp_path: Path) -> None:
    run(recipe, tmp_path / "w")
    dropped = list(looking.rows(Workspace.open(tmp_path / "w"), "notes", which="dropped"))
    back = {row["drop_reason"]: row["id"] for row in dropped}
    recipe.write_text(RECIPE + f"restore: [{', '.join(back.values())}]\n", "utf-8")
    again = run(recipe, tmp_path / "w")
    kept = {row["id"] for row in looking.rows(Workspace.open(tmp_path / "w"), "notes")}
    assert set(back.values()) <= kept
    assert again.version.rows == again.ledger["rows_out"]
    assert sum(again.ledger["dropped"].values()) == len(dropped) - len(back)


def test_a_preset_for_other_words_stops_the_run_and_says_why(recipe: Path, tmp_path: Path) -> None:
    recipe.write_text(
        RECIPE.replace("words: script", "words: whitespace").replace(
            '{where: "character_count >= 20", reason: too_short}', "{preset: chinese}"
        ),
        "utf-8",
    )
    with pytest.raises(SchemaError, match="script"):
        run(recipe, tmp_path / "w")
