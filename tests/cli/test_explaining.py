"""`liangji recipe explain` as people read it, in both languages, and as programs do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from liangji.cli.main import main

RECIPE = """
dataset: notes
kind: pretraining
inputs:
  - {path: notes.jsonl, source: 自采, source_details: made for this test, license: CC0-1.0}
steps:
  - measure_text: {words: script}
  - keep: {where: "word_count >= 5 and word_count <= 60", reason: length, preset: chinese}
  - drop_exact_duplicates
output: {message: first, author: tester}
"""
SENTENCE = "巡检时发现三号泵轴承温度偏高，已停机更换。"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    texts = [SENTENCE, SENTENCE, "无。", SENTENCE * 2, "泵" * 7 + "。", *(SENTENCE[: -number - 1] for number in range(5))]
    lines = ["".join(f'{{"text": "{text}"}}\n' for text in texts), '{"text": \n']
    (tmp_path / "notes.jsonl").write_text("".join(lines), "utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE, "utf-8")
    (tmp_path / "moved.yaml").write_text(RECIPE.replace("<= 60", "<= 30").replace(">= 5", ">= 1"), "utf-8")
    return tmp_path


@pytest.fixture
def explain(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    def explain(*arguments: str, language: str = "en", status: int = 0) -> str:
        monkeypatch.setenv("LIANGJI_LANG", language)
        with pytest.raises(SystemExit) as ended:
            main(["recipe", "explain", *arguments])
        captured = capfd.readouterr()
        assert int(ended.value.code or 0) == status, captured.err
        return captured.out if status == 0 else captured.err

    return explain


def build() -> None:
    with pytest.raises(SystemExit):
        main(["build", "recipe.yaml", "--json"])


def test_without_a_version_the_rules_are_told_from_the_inputs(explain: Any, folder: Path) -> None:
    shown = explain("recipe.yaml")
    assert "what the rules do to all 10 records of the inputs" in shown
    assert "1 records could not be read or measured" in shown
    assert "word_count >= 5" in shown
    assert "failed before" not in shown
    assert not (folder / "workspace").exists()


def test_moved_thresholds_are_shown_against_the_version(explain: Any, capfd: pytest.CaptureFixture[str]) -> None:
    build()
    capfd.readouterr()
    assert "failed before" not in explain("recipe.yaml")
    shown = explain("moved.yaml", "--rows", "1")
    assert "what the rules do to the 10 rows that version 1.0.0 measured" in shown
    assert re.search(r"step +rule .* fail +fail only this +left +failed before +back +gone", shown)
    assert "1 quarantined rows were never measured" in shown
    assert "rows that come back still meet the later steps" in shown


def test_the_figures_are_told_to_programs(explain: Any, capfd: pytest.CaptureFixture[str]) -> None:
    build()
    capfd.readouterr()
    rules = orjson.loads(explain("moved.yaml", "--json", "--curves", "--rows", "2"))["rules"]
    assert rules["version"]["number"] == "1.0.0"
    assert rules["effects"]["rows"] == 10
    length = rules["effects"]["rules"][-1]
    assert (length["reason"], [each["where"] for each in length["conditions"]]) == (
        "length",
        ["word_count >= 1", "word_count <= 30"],
    )
    curve = length["conditions"][1]["curve"]
    assert curve["rows"] == 10
    assert curve["passing"] == sorted(curve["passing"])
    assert length["conditions"][1]["threshold"] == {"value": "word_count", "comparison": "<=", "number": 30.0}
    assert {each["passes"] for each in length["conditions"][1]["nearest"]} == {True, False}
    sample = orjson.loads(explain("moved.yaml", "--json", "--sample"))["rules"]
    assert (sample["version"], sample["sample"]["is_whole"]) == (None, True)


def test_steps_are_told_where_neither_version_nor_input_is_there(explain: Any, folder: Path) -> None:
    (folder / "notes.jsonl").unlink()
    assert "drop_exact_duplicates" in explain("recipe.yaml")
    assert orjson.loads(explain("recipe.yaml", "--json"))["rules"] is None
    assert "notes.jsonl" in explain("recipe.yaml", "--sample", status=1)


PLAN = ("recipe.yaml", "--size", "1TB", "--cores", "64", "--memory", "32GB", "--price", "0.5", "--disk-mb-s", "800")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("time: ", "bounded by: ", "to change it: ", "memory: ", "core-hours: ", "cost: ", "disk: 800 MB/s, as given")),
        ("zh", ("时间：", "瓶颈：", "如何改善：", "内存：", "核时：", "费用：", "磁盘：800 MB/s，由参数给定")),
    ],
)
def test_a_build_of_any_size_is_predicted(language: str, words: tuple[str, ...], explain: Any) -> None:
    shown = explain(*PLAN, language=language)
    assert [each for each in words if each not in shown] == []
    assert "1.0 TB" in shown


def test_a_prediction_is_told_to_programs(explain: Any) -> None:
    found = orjson.loads(explain(*PLAN, "--machines", "2", "--json"))
    result = found["prediction"]
    assert result["least_seconds"] < result["seconds"] < result["most_seconds"]
    assert result["cost"] == pytest.approx(result["core_hours"] * 0.5)
    assert found["machine"]["machines"] == 2
    assert set(result["bounds"]) <= result["parts"].keys()
    assert found["scale"]["input_bytes"] == 10**12
    assert (found["rates"], found["past"]) == (None, None)


def test_without_inputs_the_table_of_rates_is_named(explain: Any, folder: Path) -> None:
    (folder / "notes.jsonl").unlink()
    shown = explain(*PLAN)
    assert "rates: a table measured on" in shown
    assert "give --size" in explain("recipe.yaml", "--cores", "4", status=2)
