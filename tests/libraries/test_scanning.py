from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from liangji.core.errors import InputError
from liangji.core.reading import Fault, Note
from liangji.libraries.scanning import scan

PHONE = "13812345678"


def test_positions_in_a_text_file_are_those_of_its_text(tmp_path: Path) -> None:
    text = f"# 标题 😀\n\n<b>电话</b>：{PHONE}\n"
    for name in ("a.txt", "b.md", "c.html", "d.py", "e.unknown"):
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = list(scan([tmp_path]))
    assert [Path(finding["file"]).name for finding in found] == ["a.txt", "b.md", "c.html", "d.py", "e.unknown"]
    assert all(text[finding["start"] : finding["end"]] == PHONE for finding in found)
    assert all("value" not in finding for finding in found)


def test_positions_in_a_text_file_are_characters_whatever_its_encoding(tmp_path: Path) -> None:
    text = f"设备报修登记表，联系人电话是{PHONE}，请尽快安排检修人员到现场处理。" * 3
    (tmp_path / "a.txt").write_bytes(text.encode("gb18030"))
    assert [text[finding["start"] : finding["end"]] for finding in scan([tmp_path / "a.txt"])] == [PHONE] * 3


def test_records_and_fields_are_named(tmp_path: Path) -> None:
    rows = [{"a": {"b": ["无", f"致电{PHONE}"]}, "n": 1}, {"mobile": int(PHONE)}, {"password": "gR7!kd0-Zq"}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    found = [(f["record"], f["field"], f["start"], f["end"], f["kind"], f["value"]) for f in scan([tmp_path], show=True)]
    assert found == [
        (0, "a.b[1]", 2, 13, "mobile_phone", PHONE),
        (1, "mobile", 0, 11, "mobile_phone", PHONE),
        (2, "password", 0, 10, "password", "gR7!kd0-Zq"),
    ]


def test_tables_are_read_by_cell(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"姓名,电话,订单\n甲,{PHONE},714321785375366\n", encoding="utf-8")
    pq.write_table(pa.table({"contact": ["", PHONE], "count": [1, 2]}), tmp_path / "b.parquet")
    found = [(Path(f["file"]).name, f["record"], f["field"], f["kind"]) for f in scan([tmp_path])]
    assert found == [("a.csv", 0, "电话", "mobile_phone"), ("b.parquet", 1, "contact", "mobile_phone")]


def test_members_of_archives_are_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.writestr("inner/page.html", f"<html><p>{PHONE}</p></html>")
    assert [finding["file"] for finding in scan([tmp_path])] == [f"{tmp_path}/outer.zip!inner/page.html"]


def test_what_cannot_be_read_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{", encoding="utf-8")
    reported: list[Fault | Note] = []
    assert list(scan([tmp_path], report=reported.append)) == []
    assert [type(item) for item in reported] == [Fault]


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        list(scan([tmp_path / "nowhere"]))


def test_keys_are_found_in_configurations_and_archives(shared_data: Path, tmp_path: Path) -> None:
    subprocess.run(["tar", "--zstd", "-xf", shared_data / "pii_safety/secrets_testdata.tar.zst", "-C", tmp_path], check=True)  # noqa: S607
    found = {finding["file"].removeprefix(f"{tmp_path}/") for finding in scan([tmp_path])}
    for name in ("config.env", "config.ini", "config.md", "config.yaml", "files/private_key"):
        assert f"detect-secrets/test_data/{name}" in found
    archives = "gitleaks/testdata/archives"
    for name in ("files.tar", "files.tar.xz", "files.tar.zst", "files.zip"):
        assert {f"{archives}/{name}!files/main.go", f"{archives}/{name}!files/.env.prod"} <= found
    assert f"{archives}/nested.tar.gz!archives/files.zip!files/api.go" in found
    assert "detect-secrets/test_data/only_comments.yaml" not in found
