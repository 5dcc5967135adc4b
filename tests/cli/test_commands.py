"""The commands as people and programs meet them: exit status, one JSON object, errors of three lines, help in both languages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from liangji.cli.main import main
from liangji.locales import topic

LOCALES = Path(__file__).parents[2] / "src" / "liangji" / "locales"
DONE, FAILED, MISUSED = 0, 1, 2

RECIPE = """
dataset: notes
kind: pretraining
inputs:
  - {path: notes.jsonl, source: 自采, source_details: made for this test, license: CC0-1.0}
steps:
  - measure_text: {words: script}
  - keep: {where: "word_count >= 5", reason: too_short}
  - drop_exact_duplicates
output: {message: first, author: tester}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe of four lines: one good, one copy, one too short, one broken."""
    monkeypatch.chdir(tmp_path)
    good = '{"text": "巡检时发现三号泵轴承温度偏高，已停机更换。"}'
    (tmp_path / "notes.jsonl").write_text(f'{good}\n{good}\n{{"text": "无"}}\n{{"text": \n', "utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE, "utf-8")
    return tmp_path


class Ran:
    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def json(self) -> Any:
        """The one JSON value of stdout."""
        assert self.out.count("\n") == 1, self.out
        return orjson.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str) -> Ran:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        captured = capsys.readouterr()
        return Ran(int(ended.value.code or 0), captured.out, captured.err)

    return run


def started(*arguments: str, language: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from liangji.cli.main import main; main()", *arguments]
    environment = {**os.environ, "LIANGJI_LANG": language}
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False, encoding="utf-8")


def test_a_build_answers_with_one_json_object(folder: Path, run: Any) -> None:
    ran = run("build", "recipe.yaml", "--json")
    assert ran.status == DONE
    assert {key: ran.json[key] for key in ("dataset", "number", "is_new", "rows_in", "rows_out", "dropped", "quarantined")} == {
        "dataset": "notes",
        "number": "1.0.0",
        "is_new": True,
        "rows_in": 4,
        "rows_out": 1,
        "dropped": {"exact_duplicate": 1, "too_short": 1},
        "quarantined": 1,
    }
    assert ran.json["faults"][0]["line"] == 4


def test_a_version_without_records_is_told_loudly(folder: Path, run: Any) -> None:
    (folder / "recipe.yaml").write_text(RECIPE.replace(">= 5", ">= 5000"), "utf-8")
    told = topic("cli", "zh")["build"]["empty"], topic("cli", "en")["build"]["empty"]
    assert any(words in run("build", "recipe.yaml").out for words in told)
    (folder / "recipe.yaml").write_text(RECIPE, "utf-8")
    assert not any(words in run("build", "recipe.yaml").out for words in told)


def test_each_command_with_json_answers_with_one_value(folder: Path, run: Any) -> None:
    built = run("build", "recipe.yaml", "--json").json
    assert run("build", "recipe.yaml", "--dry-run", "--json").json["files"][0]["origin"] == "notes.jsonl"
    assert run("datasets", "list", "--json").json[0]["latest"]["id"] == built["version"]
    assert run("datasets", "show", "notes", "--json").json["id"] == built["version"]
    assert run("datasets", "log", "notes", "--json").json[0]["message"] == "first"
    assert run("datasets", "diff", "notes", "1.0.0", "1.0.0", "--json").json["unchanged"] == 1
    assert run("datasets", "rows", "notes", "--which", "dropped", "--reason", "too_short", "--json").json["drop_number"] == 1.0
    assert run("recipe", "check", "recipe.yaml", "--json").json["steps"] == 3
    assert len(run("recipe", "explain", "recipe.yaml", "--json").json["steps"]) == 3
    assert run("recipe", "schema", "--json").json["properties"]["dataset"]
    assert "keep" in [item["name"] for item in run("operators", "list", "--json").json]
    assert run("operators", "show", "keep", "--json").json["kind"] == "rule"
    assert {item["state"] for item in run("doctor", "--json").json} <= {"good", "missing", "bad"}
    assert run("release", "notes", "--to", "package", "--json").json["folder"] == str(folder / "package")
    assert run("verify", "package", "--json").json["is_sound"] is True
    assert orjson.loads(run("report", "notes", "--json").out)["identity"]["dataset"] == "notes"


def test_a_package_that_was_changed_fails(folder: Path, run: Any) -> None:
    run("build", "recipe.yaml")
    run("release", "notes", "--to", "package")
    assert run("verify", "package").status == DONE
    records = folder / "package" / "records" / "train-00000.jsonl"
    records.write_bytes(records.read_bytes().replace("三号泵".encode(), "二号泵".encode()))
    ran = run("verify", "package")
    assert ran.status == FAILED
    assert "records/train-00000.jsonl" in ran.out


def test_a_column_of_json_is_written_as_what_it_holds(folder: Path, run: Any) -> None:
    (folder / "table.csv").write_text("machine,wear\nM1,7\n", "utf-8")
    recipe = "dataset: wear\nkind: supervised\nmodality: table\ninputs: [{path: table.csv}]\noutput: {message: x, author: y}\n"
    (folder / "table.yaml").write_text(recipe, "utf-8")
    run("build", "table.yaml")
    assert run("datasets", "rows", "wear", "--json").json["row"] == {"machine": "M1", "wear": 7}
    assert '{"machine":"M1","wear":7}' in run("datasets", "rows", "wear").out


def test_a_fault_that_repeats_itself_is_told_twice_and_counted(folder: Path, run: Any) -> None:
    (folder / "notes.jsonl").write_text('{"text": "巡检时发现三号泵轴承温度偏高。"}\n' + '{"txt": 1}\n' * 30, "utf-8")
    (folder / "recipe.yaml").write_text(RECIPE + "limits: {fault_share: 1}\n", "utf-8")
    ran = run("build", "recipe.yaml")
    assert ran.status == DONE
    assert [line for line in range(2, 32) if f"notes.jsonl:{line}:" in ran.err] == [2, 3]
    assert "28" in ran.err


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["build", "no_such.yaml"], FAILED),
        (["datasets", "show", "nowhere"], MISUSED),
        (["datasets", "rows", "nowhere", "--limit", "0"], MISUSED),
        (["operators", "show", "kepe"], MISUSED),
        (["build"], MISUSED),
        (["build", "recipe.yaml", "--wrkers", "2"], MISUSED),
        (["build", "recipe.yaml", "--memory", "lots"], MISUSED),
        (["biuld"], MISUSED),
        (["datasets", "lst"], MISUSED),
        (["verify", "nowhere"], MISUSED),
        (["scan", "nowhere"], FAILED),
        (["scan", ".", "--kinds", "phon"], MISUSED),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_an_error_is_what_where_and_mend(folder: Path, run: Any, arguments: list[str], status: int) -> None:
    ran = run(*arguments)
    assert (ran.status, ran.out) == (status, "")
    lines = ran.err.splitlines()
    assert 2 <= len(lines) <= 3
    assert [line[:2] for line in lines[1:]] == ["  "] * (len(lines) - 1)
    assert "Traceback" not in ran.err


def test_an_unknown_name_suggests_the_nearest(folder: Path, run: Any) -> None:
    assert "'build'" in run("biuld").err
    assert "'--workers'" in run("build", "recipe.yaml", "--wrkers", "2").err
    assert "'list'" in run("datasets", "lst").err


def test_all_faults_of_a_recipe_are_told_with_their_lines(folder: Path, run: Any) -> None:
    (folder / "recipe.yaml").write_text(RECIPE.replace("dataset:", "datset:").replace("words:", "wrds:"), "utf-8")
    ran = run("recipe", "check", "recipe.yaml")
    assert ran.status == MISUSED
    assert "recipe.yaml:2 datset" in ran.err
    assert "recipe.yaml:7 steps.0.measure_text.wrds" in ran.err
    assert "'words'" in ran.err


@pytest.mark.parametrize(("language", "words"), [("zh", ("错误：", "  处理：")), ("en", ("error: ", "  mend: "))])
def test_the_command_line_is_one_process_that_speaks_one_language(folder: Path, language: str, words: tuple[str, str]) -> None:
    ran = started("datasets", "show", "nowhere", language=language, cwd=folder)
    assert (ran.returncode, ran.stdout) == (MISUSED, "")
    first, *rest = ran.stderr.splitlines()
    assert first.startswith(words[0])
    assert rest[-1].startswith(words[1])


COMMANDS = [
    [],
    *(["demo"], ["build"], ["report"], ["release"], ["verify"], ["scan"], ["doctor"]),
    *(["recipe"], ["recipe", "check"], ["recipe", "schema"], ["recipe", "explain"]),
    *(["operators"], ["operators", "list"], ["operators", "show"]),
    *(["datasets"], *(["datasets", name] for name in ("list", "show", "log", "diff", "rows"))),
]
HELP = """
import sys
from liangji.cli.main import main
for command in {commands!r}:
    try:
        main([*command, "--help"])
    except SystemExit as ended:
        print("status", ended.code or 0)
"""


@pytest.mark.parametrize(("language", "usage", "foreign"), [("zh", "用法: liangji", ("Usage", "Options:", "exit.")), ("en", "Usage: liangji", ("用法",))])  # fmt: skip
def test_every_command_has_help_in_both_languages(language: str, usage: str, foreign: tuple[str, ...]) -> None:
    environment = {**os.environ, "LIANGJI_LANG": language, "COLUMNS": "100"}
    script = HELP.format(commands=COMMANDS)
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert ran.stdout.count("status 0") == ran.stdout.count(usage) == len(COMMANDS)
    assert [word for word in foreign if word in ran.stdout] == []


@pytest.mark.parametrize("name", sorted({path.stem for path in LOCALES.glob("*/*.yaml")}))
def test_both_languages_have_the_same_words(name: str) -> None:
    chinese, english = (dict(_leaves(topic(name, language))) for language in ("zh", "en"))
    assert chinese.keys() == english.keys()
    for key, words in chinese.items():
        assert _placeholders(words) == _placeholders(english[key]), key


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, below in node.items():
            yield from _leaves(below, f"{path}.{key}")
    else:
        yield path, yaml.safe_dump(node, allow_unicode=True)


def _placeholders(words: str) -> set[str]:
    """Take the names of `{name}` in a text."""
    return {part.partition("}")[0].partition(":")[0] for part in words.split("{")[1:]}


def test_what_the_system_refuses_is_told_without_blaming_the_program(folder: Path, run: Any) -> None:
    run("build", "recipe.yaml")
    ran = run("report", "notes", "--out", "nowhere/report.html")
    assert ran.status == FAILED
    assert "No such file or directory" in ran.err
    assert "nowhere/report.html" in ran.err
    assert "FileNotFoundError" not in ran.err


def test_a_release_tells_which_field_of_the_recipe_is_missing(folder: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIANGJI_LANG", "en")
    (folder / "recipe.yaml").write_text(RECIPE.replace(", license: CC0-1.0", ""), "utf-8")
    run("build", "recipe.yaml")
    told = run("release", "notes", "--to", "package").err
    assert "1 of 1 records do not meet the format requirement: license is empty" in told
    assert "fill in `license` for the input in the recipe" in told
    assert run("release", "notes", "--to", "again", "--json").json["remarks"][0]["field"] == "license"


def test_a_message_that_is_not_recorded_is_said(folder: Path, run: Any) -> None:
    run("build", "recipe.yaml")
    assert "版本说明仍为：first" in run("build", "recipe.yaml", "--message", "second").out
    assert "版本说明仍为" not in run("build", "recipe.yaml").out


def test_the_lists_of_a_build_in_json_are_bounded(folder: Path, run: Any) -> None:
    for number in range(60):
        (folder / f"broken-{number}.jsonl").write_text("{\n" * 30, "utf-8")
    (folder / "recipe.yaml").write_text(
        RECIPE.replace("path: notes.jsonl", "path: '*.jsonl'") + "limits: {fault_share: 1}\n", "utf-8"
    )
    built = run("build", "recipe.yaml", "--json").json
    assert (len(built["faults"]), built["quarantined"]) == (1000, 1801)
    assert (len(built["notes"]), built["notes_total"]) == (0, 0)


def test_chinese_comes_before_the_english_words(folder: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The phrase of the code, then the words themselves; in English the words alone. JSON keeps the codes."""
    steps = RECIPE.replace(", reason: too_short", "")
    (folder / "recipe.yaml").write_text(steps, "utf-8")
    built = run("build", "recipe.yaml")
    assert "隔离 notes.jsonl:4: 输入无法读取 — line 4 is not JSON" in built.err
    assert "rule_not_met（不满足规则） 1" in built.out
    assert "rule_not_met（不满足规则）" in run("datasets", "rows", "notes", "--which", "dropped").out
    assert "输入无法读取 — line 4" in run("datasets", "rows", "notes", "--which", "quarantined").out
    assert "（" not in run("datasets", "rows", "notes", "--which", "dropped", "--json", "--reason", "rule_not_met").out
    assert run("datasets", "show", "nowhere").err.startswith("错误：没有这个名称 — ")
    (folder / "recipe.yaml").write_text(RECIPE.replace("pretraining", "pretrain"), "utf-8")
    assert "错误：配方有误 — recipe.yaml:3 kind: " in run("build", "recipe.yaml").err
    (folder / "a.yaml").write_text(steps, "utf-8")
    monkeypatch.setenv("LIANGJI_LANG", "en")
    told = run("build", "a.yaml")
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in told.out + told.err)
