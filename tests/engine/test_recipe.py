"""A recipe is checked as a whole: every fault at once, with line, field and the nearest known name."""

from __future__ import annotations

from pathlib import Path

import pytest

from liangji.core.errors import InputError, RecipeError
from liangji.engine.plan import make_plan
from liangji.engine.recipe import Recipe, parse_recipe, read_recipe, recipe_schema

GOOD = """\
dataset: statutes
kind: pretraining
inputs:
  - path: raw/*.jsonl.gz
    fields: {text: body}
    source: 公开数据集
    license: CC-BY-4.0
steps:
  - normalize_text
  - measure_text: {words: script}
  - keep: {preset: chinese}
  - drop_exact_duplicates: {}
  - drop_near_duplicates: {similarity: 0.8}
  - mask_personal_information: {}
output: {message: first build}
"""


def recipe(text: str) -> Recipe:
    return parse_recipe(text, "recipe.yaml", Path())


def faults(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(RecipeError) as caught:
        recipe(text)
    return [(fault.line, fault.field, fault.what) for fault in caught.value.faults]


def test_a_good_recipe_keeps_its_steps_in_order() -> None:
    good = recipe(GOOD)
    assert [step.name for step in good.steps] == [
        "normalize_text",
        "measure_text",
        "keep",
        "drop_exact_duplicates",
        "drop_near_duplicates",
        "mask_personal_information",
    ]
    assert good.inputs[0].fields == {"text": "body"}


def test_every_fault_is_reported_at_once_with_line_and_field() -> None:
    text = (
        GOOD.replace("kind: pretraining", "kind: pretraning")
        .replace("words: script", "word: script")
        .replace("license:", "licence:")
    )
    found = faults(text)
    assert [(line, field) for line, field, _ in found] == [
        (2, "kind"),
        (7, "inputs.0.licence"),
        (10, "steps.1.measure_text.word"),
    ]


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(RecipeError, match="did you mean 'drop_exact_duplicates'"):
        recipe(GOOD.replace("drop_exact_duplicates", "drop_exact_duplicate"))
    with pytest.raises(RecipeError, match="did you mean 'license'"):
        recipe(GOOD.replace("license:", "licence:"))


@pytest.mark.parametrize(
    ("good", "bad", "mend"),
    [
        ("dataset: statutes", "dataset: a b", "write it like `dataset: line_logs`: name of the dataset"),
        ("dataset: statutes\n", "", "add `dataset: line_logs`: name of the dataset"),
        ("path: raw/*.jsonl.gz\n    ", "", "add `path: raw/*.jsonl`: file, folder"),
        ("pretraining", "pretrain", "did you mean 'pretraining'?"),
        ("preset: chinese", "preset: chines", "did you mean 'chinese'?"),
        ("similarity: 0.8", "similarity: 8", "write a number > 0.3 and <= 1: Jaccard similarity"),
        ("{message: first build}", "{version: one}", "write it like `version: 1.2.0`: semantic version"),
        (
            "preset: chinese",
            "where: word_count > 3, reason: too short",
            "drop reason of the rows that `where` does not keep, one word",
        ),
        ("fields: {text: body}", "fields: body", "write a mapping: {name: value}: column of the record"),
        ("license: CC-BY-4.0", "license: 4", "write text: licence"),
        ("preset: chinese", "rules: [{reason: a}]", "add `where: …`: condition over columns"),
    ],
)
def test_every_fault_says_what_may_stand_there(good: str, bad: str, mend: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipe(GOOD.replace(good, bad))
    assert [mend in fault.mend for fault in caught.value.faults] == [True]


def test_a_reason_may_be_a_word_of_any_language() -> None:
    kept = recipe(GOOD.replace("preset: chinese", 'where: "word_count >= 5", reason: 太短')).steps[2].operator
    assert kept.reason == "太短"


def test_a_duplicate_key_is_a_fault_with_both_lines() -> None:
    assert faults(GOOD + "kind: benchmark\n") == [(16, "kind", "duplicate key, first on line 2")]


def test_text_that_is_no_yaml_names_the_line() -> None:
    ((line, _, what),) = faults("dataset: a\nsteps: [\nkind: }\n")
    assert line == 3
    assert what.startswith("not YAML")


@pytest.mark.parametrize(
    "text", ["", "- a\n", "just words", "a: &x [*x]\n", "? [a]\n: b\n", "dataset: !!python/object/apply:os.system ['true']\n"]
)
def test_odd_documents_are_faults_and_never_tracebacks(text: str) -> None:
    assert faults(text)


def test_a_missing_file_names_itself(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml"):
        read_recipe(tmp_path / "none.yaml")


def test_the_hash_names_the_steps_and_not_the_message() -> None:
    assert recipe(GOOD).hash == recipe(GOOD.replace("first build", "second build")).hash
    assert recipe(GOOD).hash != recipe(GOOD.replace("0.8", "0.7")).hash


def test_a_step_that_needs_a_column_says_which_step_is_missing() -> None:
    with pytest.raises(RecipeError, match="measure_text") as caught:
        make_plan(recipe(GOOD.replace("  - measure_text: {words: script}\n", "")))
    assert caught.value.faults[0].line == 10


def test_consecutive_exchanges_share_one_pass() -> None:
    plan = make_plan(recipe(GOOD))
    assert [(len(segment.steps), len(segment.gathers)) for segment in plan.segments] == [(3, 2), (3, 0)]
    assert plan.schema.names[: plan.schema.names.index("extra") + 1] == [
        "id", "parents", "source", "source_details", "license", "original_time", "last_modified_time", "generated",
        "origin", "record", "text", "annotation", "extra",
    ]  # fmt: skip


def test_the_schema_lists_every_step_with_its_options() -> None:
    schema = recipe_schema()
    steps = schema["properties"]["steps"]["items"]["anyOf"]
    (keep,) = [branch["properties"]["keep"] for branch in steps if "keep" in branch.get("properties", {})]
    assert "preset" in keep["properties"]
    assert not [branch for branch in steps if any(name.startswith("read_") for name in branch.get("properties", {}))]


PSEUDONYMS = GOOD.replace("mask_personal_information: {}", 'mask_personal_information: {style: pseudonym, key: "${PSEUDONYM_KEY}"}')


def test_a_secret_comes_from_the_environment_and_decides_the_hash_without_being_shown() -> None:
    first, second = (parse_recipe(PSEUDONYMS, "r.yaml", Path(), {"PSEUDONYM_KEY": key}) for key in ("hunter1", "hunter2"))
    assert first.steps[-1].operator.key.get_secret_value() == "hunter1"
    assert first.hash != second.hash
    assert "hunter" not in repr(first) + first.model_dump_json() + str(first.steps[-1].identity)


def test_a_secret_that_is_missing_or_written_out_is_a_fault_that_does_not_repeat_it() -> None:
    with pytest.raises(RecipeError) as missing:
        parse_recipe(PSEUDONYMS, "r.yaml", Path(), {})
    assert [(fault.line, fault.what) for fault in missing.value.faults] == [
        (14, "the environment variable PSEUDONYM_KEY is not set")
    ]
    with pytest.raises(RecipeError) as written:
        parse_recipe(PSEUDONYMS.replace("${PSEUDONYM_KEY}", "hunter2"), "r.yaml", Path(), {})
    assert "a secret does not belong in a recipe" in str(written.value)
    assert "hunter2" not in str(written.value)


def test_pseudonyms_without_a_key_are_a_fault() -> None:
    assert (
        "needs a `key`"
        in faults(GOOD.replace("mask_personal_information: {}", "mask_personal_information: {style: pseudonym}"))[0][2]
    )


def test_a_column_no_record_has_and_a_format_nobody_reads_are_faults() -> None:
    found = faults(GOOD.replace("{text: body}", "{txt: body}").replace("    license", "    format: jsonlines\n    license"))
    assert [(line, field) for line, field, _ in found] == [(5, "inputs.0.fields.txt"), (7, "inputs.0.format")]
