"""`liangji recipe calibrate` as people and programs meet it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from liangji.cli.main import main

RECIPE = """\
dataset: notes
kind: pretraining
inputs:
  - path: notes.jsonl
steps:
  - measure_text: {words: script}
  - keep:
      preset: chinese
      rules: [{reason: too_long, where: "character_count < 500 and not contains(text, 'x')"}]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"text": ("设备运行正常，温度稳定。" * 50)[: 30 + number % 500]}) for number in range(2000)]
    (tmp_path / "notes.jsonl").write_text(
        "\n".join([*lines, json.dumps({"text": "the pump runs well and its temperature is stable"})]), "utf-8"
    )
    (tmp_path / "recipe.yaml").write_text(RECIPE, "utf-8")
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["recipe", "calibrate", *arguments])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def test_what_to_paste_is_yaml_of_the_recipe(folder: Path, run: Any) -> None:
    status, out, _ = run("recipe.yaml", "--percentile", "2")
    assert status == 0
    assert "duplicate_5grams" in out
    changes = yaml.safe_load(out[out.index("\noverrides:") :])
    proposed = json.loads(run("recipe.yaml", "--percentile", "2", "--json")[1])["steps"][0]["changes"]
    assert changes == {"overrides": proposed["overrides"], "where": proposed["rules"]["0"]}


def test_json_holds_each_group_and_what_it_rests_on(folder: Path, run: Any) -> None:
    status, out, _ = run("recipe.yaml", "--json", "--by", "both")
    assert status == 0
    found = json.loads(out)
    assert (found["rows"], found["is_whole"], found["percentile"]) == (2001, True, 1.0)
    conditions = {condition["where"]: condition for condition in found["steps"][0]["conditions"]}
    groups = {group["name"]: group["proposal"] for group in conditions["non_symbol_word_count >= 10"]["groups"]}
    assert list(groups) == ["zh · notes.jsonl", "en · notes.jsonl"]
    assert (groups["zh · notes.jsonl"]["resting_on"], groups["zh · notes.jsonl"]["rests"]) == (2000, "enough_rows")
    assert groups["en · notes.jsonl"]["rests"] == "too_few_rows"
    assert conditions["not contains(text, 'x')"]["groups"] == []


def test_a_copy_of_the_recipe_is_written(folder: Path, run: Any) -> None:
    status, _, err = run("recipe.yaml", "--percentile", "2", "--write", "calibrated.yaml")
    assert status == 0
    assert "calibrated.yaml" in err
    keep = yaml.safe_load((folder / "calibrated.yaml").read_text("utf-8"))["steps"][1]["keep"]
    assert keep["preset"] == "chinese"
    assert 30 <= keep["overrides"]["too_few_words"] <= 40  # of texts of 30 characters and more, four of each length
    assert run("recipe.yaml", "--write", "calibrated.yaml")[0] == 2


def test_too_few_rows_are_said(folder: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIANGJI_LANG", "en")
    (folder / "notes.jsonl").write_text('{"text": "设备运行正常，温度稳定。"}\n' * 50, "utf-8")
    status, out, _ = run("recipe.yaml")
    assert status == 0
    assert "too few rows; not taken" in out
    assert "No threshold needs to change." in out
