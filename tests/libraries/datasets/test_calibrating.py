"""Thresholds of a recipe's rules, proposed from a sample of its inputs."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from liangji.core.errors import SchemaError, UsageError
from liangji.libraries.datasets.building import check
from liangji.libraries.datasets.calibrating import CalibratedCondition, calibrate, write_calibrated

RULES = """\
  - measure_text: {words: script}
  - keep:
      preset: chinese
      overrides: {too_many_digits: 0.9, too_many_hashes: false}
      rules:
        - {reason: too_long, where: "(character_count < 500) and (word_count < 400)"}
      where: line_count >= 1 and not contains(text, "广告")
"""


def write_texts(path: Path, characters: range, count: int, alphabet: str = "设备运行检测温度压力轴承电机振动记录维护") -> None:
    rng = random.Random(f"{path.parent.name}-1")  # the same wherever the test runs
    lines = [json.dumps({"text": "".join(rng.choices(alphabet, k=rng.choice(characters)))}) for _ in range(count)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), "utf-8")


def write_recipe(folder: Path, steps: str = RULES) -> Path:
    path = folder / "recipe.yaml"
    inputs = "inputs:\n  - path: long\n  - path: short\n  - path: few\n"
    path.write_text(f"# mine\ndataset: d\nkind: pretraining\n{inputs}steps:\n{steps}", "utf-8")
    return path


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibrating")
    write_texts(folder / "long" / "a.jsonl", range(100, 200), 2000)
    write_texts(folder / "short" / "a.jsonl", range(20, 120), 2000)
    write_texts(folder / "few" / "a.jsonl", range(5, 6), 50, alphabet="abcde")
    return write_recipe(folder)


def conditions(path: Path, **options: object) -> dict[str, CalibratedCondition]:
    (step,) = calibrate(path, **options).steps  # type: ignore[arg-type]  # options of the test
    return {condition.where: condition for condition in step.conditions}


def test_all_rows_give_one_threshold(recipe: Path) -> None:
    found = conditions(recipe, percentile=2)
    few_words = found["non_symbol_word_count >= 10"]
    (group,) = few_words.groups
    assert (group.name, group.proposal.rows, group.proposal.rests) == ("", 4050, "enough_rows")
    assert few_words.now == 10
    assert few_words.proposed is not None
    assert 20 < few_words.proposed <= 22
    assert group.proposal.dropped_now == pytest.approx(50 / 4050)
    assert group.proposal.dropped_then is not None
    assert group.proposal.dropped_then <= 0.02


def test_each_source_has_its_own_and_the_recipe_the_most_lenient(recipe: Path) -> None:
    few_words = conditions(recipe, percentile=2, by="source")["non_symbol_word_count >= 10"]
    proposals = {group.name: group.proposal for group in few_words.groups}
    assert list(proposals) == ["long", "short", "few"]
    assert proposals["long"].threshold is not None
    assert 101 <= proposals["long"].threshold <= 103
    assert few_words.proposed == proposals["short"].threshold
    assert few_words.proposed in (21, 22, 23)
    assert proposals["few"].rests == "too_few_rows"


def test_languages_are_told_where_the_recipe_does_not(recipe: Path) -> None:
    few_words = conditions(recipe, percentile=2, by="language")["non_symbol_word_count >= 10"]
    assert few_words.groups[0].name == "zh"
    assert few_words.groups[0].proposal.rows == 4000
    both = conditions(recipe, percentile=2, by="both")["non_symbol_word_count >= 10"]
    assert [group.name for group in both.groups[:2]] == ["zh · long", "zh · short"]


def test_own_conditions_are_proposed_for_and_what_has_no_threshold_is_left(recipe: Path) -> None:
    found = conditions(recipe, percentile=2)
    assert found["character_count < 500"].proposed is not None
    assert 190 < found["character_count < 500"].proposed <= 200
    assert found["word_count < 400"].now == 400
    assert found['not contains(text, "广告")'].groups == ()
    assert found['not contains(text, "广告")'].now is None
    assert "hash_to_word_ratio <= 0.1" not in found


def test_the_recipe_is_written_with_what_is_proposed(recipe: Path) -> None:
    calibration = calibrate(recipe, percentile=2)
    (step,) = calibration.steps
    by_where = {condition.where: condition.proposed for condition in step.conditions}
    assert step.changes.overrides["too_many_hashes"] is False  # stays
    assert step.changes.overrides["too_few_words"] == by_where["non_symbol_word_count >= 10"]
    written = recipe.with_name("calibrated.yaml")
    write_calibrated(recipe, calibration, written)
    keep = check(written).recipe.steps[1].operator
    assert keep.overrides == step.changes.overrides
    most = by_where["character_count < 500"], by_where["word_count < 400"]
    assert keep.rules[0].where == f"(character_count < {most[0]:g}) and (word_count < {most[1]:g})"
    assert keep.where == 'line_count >= 1 and not contains(text, "广告")'
    assert written.read_text("utf-8").startswith("# mine\ndataset: d\n")


def test_a_copy_is_never_written_over_a_file_nor_where_its_paths_lead_elsewhere(recipe: Path, tmp_path: Path) -> None:
    calibration = calibrate(recipe)
    with pytest.raises(UsageError, match="there is such a file"):
        write_calibrated(recipe, calibration, recipe)
    with pytest.raises(UsageError, match="start from its folder"):
        write_calibrated(recipe, calibration, tmp_path / "elsewhere.yaml")


def test_the_shares_of_all_rules_are_those_of_a_build(recipe: Path) -> None:
    first = calibrate(recipe, percentile=2)
    assert first.dropped_now == pytest.approx(50 / 4050)
    written = recipe.with_name("again.yaml")
    write_calibrated(recipe, first, written)
    assert calibrate(written, percentile=2).dropped_now == first.dropped_then


def test_few_rows_give_no_proposal(tmp_path: Path) -> None:
    for name in ("long", "short", "few"):
        write_texts(tmp_path / name / "a.jsonl", range(20, 40), 30)
    calibration = calibrate(write_recipe(tmp_path), percentile=1)
    assert not calibration.steps[0].changes
    assert all(condition.proposed is None for condition in calibration.steps[0].conditions)
    assert calibration.dropped_now == calibration.dropped_then


def test_what_cannot_be_calibrated_is_refused(recipe: Path, tmp_path: Path) -> None:
    for name in ("long", "short", "few"):
        write_texts(tmp_path / name / "a.jsonl", range(20, 40), 5)
    with pytest.raises(UsageError, match="no rules"):
        calibrate(write_recipe(tmp_path, "  - measure_text\n"))
    with pytest.raises(SchemaError, match="made for script words"):
        calibrate(write_recipe(tmp_path, "  - measure_text\n  - keep: {preset: chinese}\n"))
    for name in ("long", "short", "few"):
        (tmp_path / name / "a.jsonl").write_text("{broken\n")
    with pytest.raises(UsageError, match="no record"):
        calibrate(write_recipe(tmp_path))
