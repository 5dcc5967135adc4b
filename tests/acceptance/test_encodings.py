"""Texts in many encodings come out of a build as the characters that were written."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

from tests.acceptance.conftest import Builder, json_lines, members

# Folders of the collected files whose name Python reads otherwise than the web: any of these codecs may be meant.
FAMILIES = {
    "GB2312": ("gb18030",),
    "Big5": ("big5", "big5hkscs", "cp950"),
    "SHIFT_JIS": ("shift_jis", "cp932"),
    "CP932": ("cp932", "shift_jis"),
    "EUC-JP": ("euc_jp", "euc_jis_2004"),
    "EUC-KR": ("euc_kr", "cp949"),
}
CHINESE_OR_UNICODE = ("gb", "big5", "hz", "euc-tw", "iso-2022-cn", "utf", "ascii")


def as_written(data: bytes, encoding: str) -> set[str]:
    """Give the readings of a file that its folder allows, without a byte order mark."""
    readings = set()
    for codec in FAMILIES.get(encoding, (encoding,)):
        try:
            readings.add(data.decode(codec).removeprefix("\ufeff"))
        except UnicodeDecodeError:
            continue
    return readings


def test_transcoded_chinese_texts_are_read_as_they_were_written(built: Builder, shared_data: Path) -> None:
    archive = "text/encodings_made.tar.zst"
    found = built("encodings-made", [{"path": f"raw/{archive}"}]).texts()
    truths = json_lines(members(shared_data / archive)["truth.jsonl"])
    wanted = {f"raw/{archive}!{truth['file']}": truth["sha256_utf8"] for truth in truths if "sha256_utf8" in truth}
    wrong = [origin for origin, sha256 in wanted.items() if hashlib.sha256(found[origin].encode()).hexdigest() != sha256]
    assert len(wanted) == 60
    assert wrong == []


def test_texts_that_change_their_encoding_are_read_but_for_the_line_of_the_change(built: Builder, shared_data: Path) -> None:
    archive = "text/encodings_made.tar.zst"
    found = built("encodings-mixed", [{"path": f"raw/{archive}"}]).texts()
    mixed = [truth for truth in json_lines(members(shared_data / archive)["truth.jsonl"]) if truth.get("damage") == "mixed"]
    assert len(mixed) == 5
    for truth in mixed:
        lines = found[f"raw/{archive}!{truth['file']}"].split("\n")
        assert sum(line not in truth["original"] for line in lines) <= 1, truth["file"]


def test_collected_files_are_read_as_they_were_written(built: Builder, shared_data: Path) -> None:
    archive = "text/encodings_chardet.tar.zst"
    found = built("encodings-chardet", [{"path": f"raw/{archive}", "format": "text"}]).texts()
    wrong, chinese = [], 0
    for name, data in members(shared_data / archive).items():
        encoding = name.partition("/")[0]
        chinese += encoding.lower().startswith(CHINESE_OR_UNICODE)
        if found.get(f"raw/{archive}!{name}") not in as_written(data, encoding):
            wrong.append(name)
    assert len(found) == 75
    assert chinese > 10
    assert wrong == []


def test_pages_with_wrong_declarations_are_read_as_they_were_written(built: Builder, shared_data: Path) -> None:
    archive = "text/html_pages_made.tar.zst"
    found = built("encodings-pages", [{"path": f"raw/{archive}", "format": "text"}]).texts()
    files = members(shared_data / archive)
    truths = json_lines(files["truth.jsonl"])
    assert sum(truth["declaration_wrong"] for truth in truths) == 11
    wrong = []
    for truth in truths:
        codec = "gb18030" if truth["encoding"].startswith("gb") else truth["encoding"]
        if found[f"raw/{archive}!{truth['file']}"] != files[truth["file"]].decode(codec).removeprefix("\ufeff"):
            wrong.append(truth["file"])
    assert wrong == []


def test_a_table_in_gb18030_keeps_every_cell(built: Builder, shared_data: Path) -> None:
    table = "text/medical_qa_gb18030.csv"
    rows = list(csv.DictReader(io.StringIO((shared_data / table).read_bytes().decode("gb18030"), newline="")))
    columns = list(rows[0])
    found = built("encodings-table", [{"path": f"raw/{table}", "fields": {"text": columns}}]).rows()
    wanted = ["\n\n".join(row[column] for column in columns if row[column]) for row in rows]
    assert len(found) == len(rows) == 3835
    assert [row["text"] for row in sorted(found, key=lambda row: int(row["record"]))] == wanted
