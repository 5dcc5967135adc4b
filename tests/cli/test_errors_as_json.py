"""With `--json`, an error is one JSON object on stdout beside the words on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from liangji.cli.main import main

RECIPE = "dataset: bad\nkind: pretraining\ninputs:\n  - path: raw.jsonl\noutput: {message: first, author: tester}\n"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    told = capsys.readouterr()
    return end.value.code, told.out, told.err


def test_a_build_without_one_good_row_tells_scripts_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("raw.jsonl").write_text('{"text": "cut\n', encoding="utf-8")
    Path("recipe.yaml").write_text(RECIPE, encoding="utf-8")
    status, out, err = run(capsys, "build", "recipe.yaml", "--json")
    error = json.loads(out)["error"]
    assert (status, error["code"]) == (1, "run_error")
    assert "raw.jsonl:1" in error["where"]
    assert error["what"] in err
    assert run(capsys, "build", "recipe.yaml")[1] == ""


def test_each_fault_of_a_recipe_stands_in_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.yaml").write_text(RECIPE + "kind: benchmark\nstep: []\n", encoding="utf-8")
    status, out, _ = run(capsys, "build", "recipe.yaml", "--json")
    error = json.loads(out)["error"]
    assert (status, error["code"]) == (2, "recipe_error")
    assert {fault["field"] for fault in error["faults"]} == {"kind", "step"}
