"""What another package registers is listed, read, run, refused and exported as what comes with us."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ENTRY_POINTS = """\
[liangji.operators]
at_most_commas = stranger:AtMostCommas
careless = stranger:Careless
comma_share = stranger:CommaShare
fragile = stranger:Fragile
read_ticket = stranger:ReadTicket

[liangji.connectors]
drawer = stranger:Drawer

[liangji.exporters]
lines = stranger:Lines
"""
INPUTS = [{"path": "raw", "source": "自采", "source_details": "工单系统", "license": "CC0-1.0"}]
TICKETS = "检修: 轴承过热，已停机 1\n\n巡检: 一切正常，无异常 2\n\n标点: ，，，，，，，， 3\n\n未写编号: 密封圈漏油，待更换"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `pip install --target` leaves it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "stranger.py").write_bytes(Path(__file__).with_name("stranger.py").read_bytes())
    facts = folder / "stranger-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "today.ticket").write_text(TICKETS, "utf-8")
    return tmp_path


def liangji(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would, in an environment where the stranger's package is installed."""
    command = [sys.executable, "-c", "from liangji.cli.main import main; raise SystemExit(main())", *arguments]
    environment = os.environ | {"PYTHONPATH": str(installed), "LIANGJI_LANGUAGE": "en", "LANG": "en_US.UTF-8"}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)


def recipe(folder: Path, steps: list[Any], inputs: list[dict[str, str]] = INPUTS) -> str:
    written = {
        "dataset": "tickets",
        "kind": "pretraining",
        "inputs": inputs,
        "steps": steps,
        "output": {"author": "质量组", "message": "工单"},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(written, allow_unicode=True, sort_keys=False), "utf-8")
    return "recipe.yaml"


def rows(installed: Path, folder: Path, which: str = "kept") -> list[dict[str, Any]]:
    shown = liangji(installed, folder, "datasets", "rows", "tickets", "--which", which, "--json")
    assert shown.returncode == 0, shown.stderr
    return [json.loads(line) for line in shown.stdout.splitlines()]


def test_its_operators_are_listed(installed: Path, tmp_path: Path) -> None:
    listed = liangji(installed, tmp_path, "operators", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    kinds = {item["name"]: item["kind"] for item in json.loads(listed.stdout)}
    theirs = {
        "at_most_commas": "rule",
        "careless": "transform",
        "comma_share": "measure",
        "fragile": "measure",
        "read_ticket": "read",
    }
    assert theirs.items() <= kinds.items()
    shown = liangji(installed, tmp_path, "operators", "show", "at_most_commas", "--json")
    assert "maximum_share" in json.loads(shown.stdout)["options"]
    assert "comma_share" not in liangji(tmp_path, tmp_path, "operators", "list", "--json").stdout


def test_its_reader_measure_rule_and_exporter_work_like_ours(installed: Path, raw: Path) -> None:
    path = recipe(raw, ["comma_share", {"at_most_commas": {"maximum_share": 0.3}}, "drop_exact_duplicates"])
    made = liangji(installed, raw, "build", path)
    assert made.returncode == 0, made.stderr
    kept, dropped = rows(installed, raw), rows(installed, raw, "dropped")
    assert [row["extra"]["subject"] for row in kept] == ["检修", "巡检", "未写编号"]
    assert kept[0]["comma_share"] == pytest.approx(kept[0]["text"].count("，") / len(kept[0]["text"]))
    assert [(row["drop_reason"], row["drop_step"]) for row in dropped] == [("too_many_commas", "2 at_most_commas")]
    released = liangji(installed, raw, "release", "tickets", "--to", "package", "--also", "lines")
    assert released.returncode == 0, released.stderr
    assert (raw / "package/lines/train-00000.lines").read_text("utf-8").splitlines() == [row["text"] for row in kept]
    assert liangji(raw, raw, "verify", "package").returncode == 0  # also where the stranger is not installed
    (raw / "package/lines/train-00000.lines").write_text("changed")
    found = liangji(raw, raw, "verify", "package")
    assert (found.returncode, "lines/train-00000.lines" in found.stdout) == (1, True)


def test_its_connector_is_found_by_the_scheme_of_a_path(installed: Path, raw: Path) -> None:
    path = recipe(raw, ["fragile"], [*INPUTS, {**INPUTS[0], "path": "drawer://3"}])
    made = liangji(installed, raw, "build", path)
    assert made.returncode == 0, made.stderr
    drawn = {row["origin"]: row["number"] for row in rows(installed, raw) if row["origin"].startswith("drawer")}
    assert drawn == {f"drawer://{number}.ticket": number for number in range(3)}
    unknown = liangji(installed, raw, "build", recipe(raw, [], [{**INPUTS[0], "path": "drawr://3"}]))
    assert unknown.returncode == 2
    assert "drawr" in unknown.stderr
    assert "did you mean 'drawer'?" in unknown.stderr


def test_rows_on_which_it_fails_are_set_aside_alone(installed: Path, raw: Path) -> None:
    made = liangji(installed, raw, "build", recipe(raw, ["fragile"]))
    assert made.returncode == 0, made.stderr
    assert [row["number"] for row in rows(installed, raw)] == [1, 2, 3]
    (aside,) = rows(installed, raw, "quarantined")
    assert (aside["step"], aside["error_code"], aside["record"]) == ("1 fragile", "ValueError", 3)


def test_one_that_loses_rows_is_refused_by_name(installed: Path, raw: Path) -> None:
    made = liangji(installed, raw, "build", recipe(raw, ["careless"]))
    assert made.returncode == 1
    assert "'1 careless' gave 3 rows for 4" in made.stderr
    assert "Traceback" not in made.stderr


def test_an_exporter_that_is_not_installed_is_told_with_the_nearest(installed: Path, raw: Path) -> None:
    assert liangji(installed, raw, "build", recipe(raw, [])).returncode == 0
    refused = liangji(installed, raw, "release", "tickets", "--to", "package", "--also", "line")
    assert refused.returncode == 2
    assert "did you mean 'lines'?" in refused.stderr
    assert not (raw / "package").exists()
