"""What a recipe's rules would do, told from stored columns, is what building it does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.libraries.datasets.conftest import write_raw

from liangji.core.errors import InputError, UsageError
from liangji.engine.budget import Budget
from liangji.engine.run import RunResult
from liangji.libraries.datasets import looking
from liangji.libraries.datasets.building import build
from liangji.libraries.datasets.explaining import RulesExplained, explain_rules
from liangji.stores.workspace import Workspace

STEPS = """\
  - normalize_text
  - measure_text: {words: script}
  - keep: {where: "character_count >= 20 and character_count <= 300", reason: length}
  - drop_exact_duplicates
  - identify_language
  - keep: {rules: [{where: "word_count < 250", reason: too_long}, {where: "digit_share < 0.3", reason: digits}]}
  - mask_personal_information
"""


def write(folder: Path, steps: str = STEPS, name: str = "recipe.yaml", more: str = "") -> Path:
    if not (folder / "raw").exists():
        write_raw(folder / "raw", range(3))
    path = folder / name
    head = "dataset: notes\nkind: pretraining\ninputs:\n  - {path: raw, source: 自采, license: CC0-1.0}\n"
    path.write_text(f"{head}steps:\n{steps}{more}output: {{message: m, author: tester}}\n", "utf-8")
    return path


def made(recipe: Path, workspace: Workspace) -> RunResult:
    return build(recipe, workspace, budget=replace(Budget.of(), workers=2))


def explained(recipe: Path, workspace: Workspace | None, **options: Any) -> RulesExplained:
    found = explain_rules(recipe, workspace, **options)
    assert found is not None
    return found


def step(result: RunResult, label: str) -> dict[str, Any]:
    return next(count for count in result.ledger["steps"] if count["step"] == label)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(tmp_path / "workspace")


def test_at_its_own_thresholds_a_version_is_told_as_its_ledger_has_it(tmp_path: Path, workspace: Workspace) -> None:
    recipe = write(tmp_path)
    result = made(recipe, workspace)
    found = explained(recipe, workspace)
    first, second = step(result, "3 keep"), step(result, "6 keep")
    length, too_long, digits = found.effects.rules
    assert found.version is not None
    assert found.version.id == result.version.id
    assert (length.asked, length.failed, length.left) == (first["rows_in"], first["dropped"]["length"], first["rows_out"])
    assert too_long.failed >= second["dropped"]["too_long"] > 0  # also rows that steps before it dropped
    assert (found.effects.rows, digits.failed, found.quarantined) == (first["rows_in"], 0, result.ledger["quarantined"])
    assert (found.effects.returning, found.effects.going, found.inputs_changed) == (0, 0, False)
    assert [rule.failed_before for rule in found.effects.rules] == [rule.failed for rule in found.effects.rules]


def test_moved_thresholds_are_told_as_the_build_will_do_them(tmp_path: Path, workspace: Workspace) -> None:
    built = made(write(tmp_path), workspace)
    moved = write(tmp_path, STEPS.replace("<= 300", "<= 200").replace(">= 20", ">= 1"), "moved.yaml")
    found = explained(moved, workspace)
    rebuilt = made(moved, Workspace.open(tmp_path / "other"))
    (length, *_) = found.effects.rules
    assert length.left == step(rebuilt, "3 keep")["rows_out"]
    assert length.failed_before == built.ledger["dropped"]["length"]
    assert (length.returning or 0) > 0
    assert (length.going or 0) > 0
    was = {row["id"] for row in looking.rows(workspace, "notes")}
    going = {row["id"] for row in looking.rows(Workspace.open(tmp_path / "other"), "notes", which="dropped", reason="length")}
    assert found.effects.going_from_version == len(was & going) > 0


def test_rows_dropped_before_a_measure_are_said_to_be_unmeasured(tmp_path: Path, workspace: Workspace) -> None:
    late = (
        STEPS.replace("  - measure_text: {words: script}\n", "")
        .replace('"character_count >= 20 and character_count <= 300"', '"is_null(original_time) and record < 50"')
        .replace("  - identify_language\n", "  - measure_text: {words: script}\n")
    )
    recipe = write(tmp_path, late)
    result = made(recipe, workspace)
    found = explained(recipe, workspace)
    before = result.ledger["dropped"]["length"] + result.ledger["dropped"]["exact_duplicate"]
    assert [rule.unmeasured for rule in found.effects.rules] == [0, before, before]
    assert found.effects.rules[0].only_unmeasured == found.effects.rules[0].only == result.ledger["dropped"]["length"]
    assert found.effects.kept_unmeasured == result.ledger["dropped"]["exact_duplicate"]
    assert found.effects.rules[1].asked == step(result, "5 keep")["rows_in"]


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        (("words: script", "words: whitespace"), {"character_count", "word_count", "digit_share"}),
        (("- normalize_text", "- normalize_text: {form: NFKC}"), {"character_count", "word_count", "digit_share"}),
    ],
)
def test_columns_that_the_recipe_would_measure_otherwise_are_not_believed(
    change: tuple[str, str], columns: set[str], tmp_path: Path, workspace: Workspace
) -> None:
    made(write(tmp_path), workspace)
    found = explained(write(tmp_path, STEPS.replace(*change), "other.yaml"), workspace)
    assert {name for rule in found.not_evaluated for name in rule.columns} == columns
    assert [rule.reason for rule in found.not_evaluated] == ["length", "too_long", "digits"]
    assert (found.effects.rules, found.effects.returning, found.effects.going) == ((), 0, 0)
    assert explained(write(tmp_path, STEPS.replace(*change), "other.yaml"), workspace, basis="sample").not_evaluated == ()


def test_a_rule_on_a_text_that_is_changed_later_is_not_evaluated(tmp_path: Path, workspace: Workspace) -> None:
    steps = "  - keep: {where: 'not contains(text, \"短\")', reason: says_short}\n"
    recipe = write(tmp_path, steps)
    result = made(recipe, workspace)
    (says_short,) = explained(recipe, workspace).effects.rules
    assert says_short.failed == result.ledger["dropped"]["says_short"] > 0
    masked = write(tmp_path, steps + "  - mask_personal_information\n", "masked.yaml")
    made(masked, workspace)
    (open_rule,) = explained(masked, workspace).not_evaluated
    assert (open_rule.reason, open_rule.columns) == ("says_short", ("text",))


def test_a_rule_that_went_is_named_and_what_it_dropped_comes_back(tmp_path: Path, workspace: Workspace) -> None:
    built = made(write(tmp_path), workspace)
    without = STEPS.replace('  - keep: {where: "character_count >= 20 and character_count <= 300", reason: length}\n', "")
    found = explained(write(tmp_path, without.replace("too_long", "length"), "less.yaml"), workspace)
    assert "too_long" in found.removed
    assert found.effects.returning > 0
    assert built.ledger["dropped"]["length"] > 0


def test_a_restored_row_fails_nothing(tmp_path: Path, workspace: Workspace) -> None:
    made(write(tmp_path), workspace)
    dropped = next(iter(looking.rows(workspace, "notes", which="dropped", reason="length")))["id"]
    restored = write(tmp_path, name="restored.yaml", more=f"restore: ['{dropped}']\n")
    assert (
        explained(restored, workspace).effects.rules[0].failed == explained(write(tmp_path), workspace).effects.rules[0].failed - 1
    )


def test_rows_next_to_a_threshold_can_be_looked_up(tmp_path: Path, workspace: Workspace) -> None:
    made(write(tmp_path), workspace)
    nearest = explained(write(tmp_path), workspace, examples=2, curves=True).effects.rules[0].conditions[1]
    kept = {row["id"]: row["character_count"] for row in looking.rows(workspace, "notes")}
    dropped = {row["id"]: row["character_count"] for row in looking.rows(workspace, "notes", which="dropped")}
    assert len(nearest.nearest) == 4
    for example in nearest.nearest:
        assert {**kept, **dropped}[example.id] == example.value
        assert example.passes == (example.value <= 300)
    assert nearest.curve is not None
    assert nearest.curve.passing[-1] == nearest.curve.rows


def test_without_a_version_the_inputs_themselves_are_looked_at(tmp_path: Path, workspace: Workspace) -> None:
    recipe = write(tmp_path)
    found = explained(recipe, workspace)
    rebuilt = made(recipe, workspace)
    assert (found.version, found.sample is not None and found.sample.is_whole) == (None, True)
    assert found.effects.rows == step(rebuilt, "3 keep")["rows_in"]
    assert found.effects.rules[0].failed == rebuilt.ledger["dropped"]["length"]
    assert found.sample is not None
    assert found.sample.faults == rebuilt.ledger["quarantined"]
    assert [rule.failed_before for rule in found.effects.rules] == [None, None, None]


def test_changed_inputs_are_noticed(tmp_path: Path, workspace: Workspace) -> None:
    recipe = write(tmp_path)
    made(recipe, workspace)
    write_raw(tmp_path / "raw", range(3, 4))
    assert explained(recipe, workspace).inputs_changed


def test_what_cannot_be_answered_is_said(tmp_path: Path, workspace: Workspace) -> None:
    recipe = write(tmp_path)
    with pytest.raises(UsageError, match="has no version"):
        explain_rules(recipe, workspace, basis="version")
    assert explain_rules(write(tmp_path, "  - normalize_text\n"), workspace) is None
    gone = write(tmp_path)
    gone.write_text(gone.read_text("utf-8").replace("path: raw", "path: nowhere"), "utf-8")
    with pytest.raises(InputError):
        explain_rules(gone, workspace)
