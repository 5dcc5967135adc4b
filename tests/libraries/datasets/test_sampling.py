"""A sample is bounded, spread over all inputs, the same each time, and measured as the recipe measures."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from liangji.core.errors import InputError
from liangji.core.reading import SourceFile
from liangji.core.schema import with_column
from liangji.engine.recipe import Step
from liangji.libraries.datasets.building import check
from liangji.libraries.datasets.sampling import Sample, sample_inputs, stretches
from liangji.pipeline.evaluation.language import IdentifyLanguage

STEPS = """\
  - normalize_text
  - measure_text
  - keep: {where: "word_count >= 4", reason: too_short}
  - drop_exact_duplicates
"""


def write(folder: Path, name: str, texts: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode()
    (folder / name).write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)


def taken(folder: Path, paths: list[str], steps: str = STEPS, **options: Any) -> Sample:
    inputs = "".join(f"  - {{path: {path}, source: 自采}}\n" for path in paths)
    recipe = folder / "recipe.yaml"
    recipe.write_text(f"dataset: d\nkind: pretraining\ninputs:\n{inputs}steps:\n{steps}", "utf-8")
    return sample_inputs(check(recipe), **options)


def words(number: int) -> str:
    return " ".join(f"w{number}x{index}" for index in range(number % 7 + 1))


def test_small_inputs_are_measured_whole_and_nothing_is_dropped(tmp_path: Path) -> None:
    write(tmp_path / "raw", "a.jsonl", [words(number) for number in range(50)])
    write(tmp_path / "raw", "b.jsonl.gz", [words(number) for number in range(30)])
    sample = taken(tmp_path, ["raw"])
    assert sample.is_whole
    assert (sample.files, sample.files_read, sample.rows_read, sample.faults) == (2, 2, 80, 0)
    counted = Counter(sample.table["word_count"].to_pylist())
    assert counted == Counter(number % 7 + 1 for number in (*range(50), *range(30)))
    assert set(sample.table["origin"].to_pylist()) == {"raw/a.jsonl", "raw/b.jsonl.gz"}
    assert sample.table["source"].unique().to_pylist() == ["自采"]
    assert "text" not in sample.table.column_names
    assert len(sample.table["id"].unique()) == 80


def test_the_same_inputs_give_the_same_sample(tmp_path: Path) -> None:
    for part in range(3):
        write(tmp_path / "raw", f"{part}.jsonl", [words(number * part) for number in range(500)])
    assert taken(tmp_path, ["raw"], rows=100).table == taken(tmp_path, ["raw"], rows=100).table


def test_rows_kept_lie_evenly_over_those_read(tmp_path: Path) -> None:
    write(tmp_path / "raw", "a.jsonl", [f"{number} b c d e" for number in range(1000)])
    sample = taken(tmp_path, ["raw"], rows=100)
    assert sample.rows_read == 1000
    assert not sample.is_whole
    whole = taken(tmp_path, ["raw"])
    assert sample.table == whole.table.take(pa.array(range(0, 1000, 16)))  # halved until at most 100 are left


def test_what_a_small_input_leaves_goes_to_the_others(tmp_path: Path) -> None:
    write(tmp_path / "small", "a.jsonl", [words(number) for number in range(5)])
    write(tmp_path / "large", "a.jsonl", [words(number) for number in range(3000)])
    counted = Counter(taken(tmp_path, ["large", "small"], rows=1000).table["input"].to_pylist())
    assert counted[1] == 5
    assert counted[0] == 750  # every fourth: half of the 1000 rows would be every eighth


def test_a_large_input_is_read_in_part_and_in_all_its_places(tmp_path: Path) -> None:
    for part in range(12):
        write(tmp_path / "raw", f"{part:02}.jsonl", [f"{part} {'word ' * 200}"] * 800)  # 12 × 0.8 MB
    sample = taken(tmp_path, ["raw"], size_bytes=2_000_000)
    assert sample.files_read == 12
    assert 1_000_000 < sample.size_bytes < 2_500_000
    assert not sample.is_whole


def test_a_large_input_is_chosen_by_size() -> None:
    files = [SourceFile(f"{size}", "", size, "", "", 0) for size in (10, 90_000_000, 10, 10_000_000)]
    chosen = {file.size_bytes: size for file, size in stretches(files, 20_000_000)}
    assert set(chosen) == {90_000_000, 10_000_000}
    assert sum(chosen.values()) <= 20_000_000
    assert chosen[90_000_000] == pytest.approx(9 * chosen[10_000_000], rel=0.2)


def test_steps_after_the_last_rule_and_exchanges_are_not_run(tmp_path: Path) -> None:
    write(tmp_path / "raw", "a.jsonl", ["one two", "one two", "three"])
    steps = "  - drop_exact_duplicates\n" + STEPS
    sample = taken(tmp_path, ["raw"], steps + "  - count_tokens: {method: estimate}\n")
    assert sample.table.num_rows == 3
    assert "token_count_estimate" not in sample.table.column_names
    no_rule = taken(tmp_path, ["raw"], "  - measure_text\n  - count_tokens: {method: estimate}\n")
    assert "token_count_estimate" in no_rule.table.column_names


def test_parts_of_a_record_are_rows_and_go_with_it(tmp_path: Path) -> None:
    long = "\n\n".join(f"paragraph {number} " + "word " * 50 for number in range(20))
    write(tmp_path / "raw", "a.jsonl", [long] * 40)
    sample = taken(tmp_path, ["raw"], "  - split_text: {maximum_characters: 300}\n" + STEPS, rows=100)
    assert sample.rows_read == 40
    assert 40 < sample.table.num_rows <= 100
    assert "parent_row" not in sample.table.column_names


def test_rules_are_observed_where_they_stand(tmp_path: Path) -> None:
    def observe(step: Step, batch: pa.RecordBatch) -> pa.RecordBatch:
        return with_column(batch, f"kept at line {step.line}", step.operator(batch).column("drop_reason").is_null())

    write(tmp_path / "raw", "a.jsonl", ["甲乙丙丁戊"])
    steps = """\
  - measure_text
  - keep: {where: "word_count >= 4"}
  - measure_text: {words: script}
  - keep: {where: "word_count >= 4"}
"""
    row = taken(tmp_path, ["raw"], steps, observe=observe).table.to_pylist()[0]
    assert (row["kept at line 7"], row["kept at line 9"]) == (False, True)


def test_further_steps_see_the_text(tmp_path: Path) -> None:
    write(tmp_path / "raw", "a.jsonl", ["这是一段中文文本。"])
    step = Step("identify_language", IdentifyLanguage(), 0)
    assert taken(tmp_path, ["raw"], then=(step,)).table["language"].to_pylist() == ["zh"]


def test_bad_records_are_counted_and_the_others_measured(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.jsonl").write_text('{"text": "one"}\n{"text": "cut\n{"text": "two"}\n')

    def fail_on_one_word(step: Step, batch: pa.RecordBatch) -> pa.RecordBatch:
        if pc.any(pc.equal(batch.column("text"), "two")).as_py():
            raise ValueError("two")
        return batch

    sample = taken(tmp_path, ["raw"], observe=fail_on_one_word)
    assert sample.faults == 2
    assert sample.table["character_count"].to_pylist() == [3]


def test_nothing_to_sample_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file matches"):
        taken(tmp_path, ["nowhere"])
