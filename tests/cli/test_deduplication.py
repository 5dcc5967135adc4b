"""What deduplication measured of itself, as `build` and `datasets show` tell it."""

from __future__ import annotations

import random
from pathlib import Path

import orjson
import pytest

from liangji.cli.deduplication import write_deduplication
from liangji.cli.main import main

LETTERS = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳云腾致雨露结为霜"


def recipe(dataset: str, against: str = "") -> str:
    options = f": {{against: [{against}]}}" if against else ""
    return (
        f"dataset: {dataset}\nkind: pretraining\ninputs:\n"
        f"  - {{path: {dataset}.jsonl, source: 自采, source_details: made for this test, license: CC0-1.0}}\n"
        f"steps:\n  - drop_exact_duplicates{options}\n  - drop_near_duplicates{options}\n"
        "output: {message: first, author: tester}\n"
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Old texts, and new ones of which two are exactly old, and two nearly."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIANGJI_LANG", "zh")
    generator = random.Random(1)
    texts = ["".join(generator.choices(LETTERS, k=200)) for _ in range(60)]
    new = [*texts[:2], *(f"{text}天" for text in texts[2:4]), *texts[50:]]
    for name, lines in (("old", texts[:50]), ("new", new)):
        (tmp_path / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps({"text": line}) + b"\n" for line in lines))
    (tmp_path / "old.yaml").write_text(recipe("old"), "utf-8")
    (tmp_path / "new.yaml").write_text(recipe("new", "old@1.0.0"), "utf-8")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert not ended.value.code
    return capsys.readouterr().out


def test_a_build_and_a_look_tell_the_check_and_the_versions_compared_with(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = orjson.loads(said(capsys, "build", "old.yaml", "--json"))
    assert "against" not in old["findings"]["2 drop_near_duplicates"]
    built = said(capsys, "build", "new.yaml").splitlines()
    new = orjson.loads(said(capsys, "build", "new.yaml", "--json"))
    assert new["dropped"] == {"exact_duplicate": 2, "near_duplicate": 2}
    assert new["findings"]["2 drop_near_duplicates"]["against"] == [f"old@{old['version']}"]
    counted = new["findings"]["2 drop_near_duplicates"]["planted_pairs"]
    planted, found = (sum(one[name] for one in counted) for name in ("planted", "found"))
    assert planted
    check = f"查重自检（2 drop_near_duplicates）：埋入相似副本 {planted} 份，找到 {found} 份（召回 "
    versions = [
        f"对照的既有版本（{step}）：old@{old['version'][:12]}" for step in ("1 drop_exact_duplicates", "2 drop_near_duplicates")
    ]
    told = [line for line in built if "查重" in line or "对照" in line]
    assert told == [versions[0], next(line for line in built if line.startswith(check)), versions[1]]
    shown = said(capsys, "datasets", "show", "new")
    assert [line for line in shown.splitlines() if line.strip() in told] == [f"  {line}" for line in told]
    assert orjson.loads(said(capsys, "datasets", "show", "new", "--json"))["findings"] == new["findings"]


def test_of_many_versions_the_first_are_named_and_the_others_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIANGJI_LANG", "en")
    write_deduplication({"1 drop_exact_duplicates": {"against": [f"old@{number:032x}" for number in range(6)]}})
    names = ", ".join(["old@000000000000"] * 4)
    assert capsys.readouterr().out == f"earlier versions compared with (1 drop_exact_duplicates): {names} … (6 in all)\n"


def test_a_version_without_deduplication_says_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    write_deduplication({})
    assert capsys.readouterr().out == ""
