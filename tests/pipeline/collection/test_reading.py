"""Files of any kind through the public door: what is found in them, what is refused, and what goes on."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.core.errors import UsageError
from liangji.core.reading import Fault, Note, Raw, RawBatch, RawRecord, ReadLimits
from liangji.core.schema import Modality
from liangji.pipeline.collection.reading import read_raw

LINES = b'{"text": "one"}\n{"text": "two"}\n'


class _Pipe(io.RawIOBase):
    """A stream that cannot seek and gives little at a time."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._inner.read(min(len(buffer), 1000))
        buffer[: len(data)] = data
        return len(data)


def read(data: bytes, name: str, limits: ReadLimits | None = None, **options: Any) -> list[Raw]:
    return list(read_raw(io.BytesIO(data), name, limits, **options))


def records(items: list[Raw]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for item in items:
        if isinstance(item, RawRecord):
            found.append(item.fields)
        elif isinstance(item, RawBatch):
            found += item.columns.to_pylist()
    return found


def faults(items: list[Raw]) -> list[Fault]:
    return [item for item in items if isinstance(item, Fault)]


def tar(members: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.type, info.linkname = len(data) if kind == tarfile.REGTYPE else 0, kind, "elsewhere"
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return packed.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    ".zst": zstandard.ZstdCompressor().compress,
}


# --- archives and compressed streams


@pytest.mark.parametrize("ending", PACKERS)
def test_a_compressed_file_reads_as_what_is_in_it(ending: str) -> None:
    items = read(PACKERS[ending](LINES), f"a.jsonl{ending}")
    assert [(item.fields["text"], item.origin, item.line) for item in items] == [  # type: ignore[union-attr]
        ("one", f"a.jsonl{ending}", 1),
        ("two", f"a.jsonl{ending}", 2),
    ]


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz", ".zst"])
def test_streams_laid_end_to_end_read_as_one(ending: str) -> None:
    pack = PACKERS[ending]
    packed = pack(LINES[:7]) + pack(b"") + pack(LINES[7:])
    assert records(read(packed, f"a.jsonl{ending}")) == [{"text": "one"}, {"text": "two"}]


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz", ".zst"])
def test_a_cut_stream_is_a_fault_after_what_was_whole(ending: str) -> None:
    data = b"".join(json.dumps({"text": str(number) * 50}).encode() + b"\n" for number in range(20000))
    packed = PACKERS[ending](data)
    items = read(packed[: len(packed) * 9 // 10], f"a.jsonl{ending}")
    assert len(faults(items)) == 1
    assert "cut off" in faults(items)[0].what
    assert ending == ".bz2" or 0 < len(records(items)) < 20000


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz", ".zst"])
def test_a_damaged_stream_is_a_fault(ending: str) -> None:
    packed = bytearray(PACKERS[ending](LINES * 50))
    packed[len(packed) // 2] ^= 0xFF
    assert faults(read(bytes(packed), f"a.jsonl{ending}"))


def test_bytes_after_a_compressed_stream_are_reported() -> None:
    items = read(gzip.compress(LINES) + b"rubbish", "a.jsonl.gz")
    assert len(records(items)) == 2
    assert "after the end" in faults(items)[0].what


def test_zeros_after_a_compressed_stream_are_padding() -> None:
    assert faults(read(gzip.compress(LINES) + bytes(512), "a.jsonl.gz")) == []


@pytest.mark.parametrize("name", ["a.tar.gz", "a.tgz", "a.tar.zst", "a.tar.xz", "a.tbz2", "a"])
def test_a_compressed_tar_is_one_archive(name: str) -> None:
    ending = {"a.tgz": ".gz", "a.tbz2": ".bz2", "a": ".gz"}.get(name, name.removeprefix("a.tar"))
    items = read(PACKERS[ending](tar({"dir/名.txt": "正文".encode()})), name)
    assert [(item.origin, item.fields) for item in items] == [(f"{name}!dir/名.txt", {"text": "正文"})]  # type: ignore[union-attr]


def test_archives_inside_archives_name_the_way_to_a_member() -> None:
    inner = tar({"c.txt": b"deep"})
    items = read(zipped({"b.tar": inner, "d.jsonl.gz": gzip.compress(LINES)}), "a.zip")
    assert [item.origin for item in items] == ["a.zip!b.tar!c.txt", "a.zip!d.jsonl.gz", "a.zip!d.jsonl.gz"]


def test_a_pipe_is_enough_for_any_format() -> None:
    packed = io.BytesIO()
    pq.write_table(pa.table({"text": ["a", "b"]}), packed)
    stream = _Pipe(zipped({"a.parquet": packed.getvalue(), "b.txt": b"text"}))
    assert records(list(read_raw(stream, "a.zip"))) == [{"text": "a"}, {"text": "b"}, {"text": "text"}]  # type: ignore[arg-type]


def test_nesting_beyond_the_limit_is_refused_and_the_rest_goes_on() -> None:
    data = b"x"
    for _ in range(5):
        data = zipped({"in.zip" if data[:2] == b"PK" else "x.txt": data})
    assert records(read(data, "a.zip")) == [{"text": "x"}]
    data = zipped({"in.zip": data, "ok.txt": b"ok"})
    items = read(data, "a.zip")
    assert records(items) == [{"text": "ok"}]
    assert "deeper than the limit of 4" in faults(items)[0].what


def test_gzip_in_gzip_is_nesting_too() -> None:
    data = b"x"
    for _ in range(8):
        data = gzip.compress(data)
    assert "deeper than the limit" in faults(read(data, "a.gz"))[0].what


def test_more_members_than_the_limit_are_refused() -> None:
    items = read(tar({f"{number}.txt": b"x" for number in range(5)}), "a.tar", ReadLimits(members=3))
    assert len(records(items)) == 3
    assert "limit of 3 members" in faults(items)[0].what


def test_one_expanding_member_is_refused_and_the_others_go_on() -> None:
    items = read(zipped({"bomb.jsonl": bytes(40 << 20), "ok.txt": b"ok"}), "a.zip", ReadLimits(expansion_ratio=500))
    assert records(items) == [{"text": "ok"}]
    assert (faults(items)[0].origin, faults(items)[0].code) == ("a.zip!bomb.jsonl", "limit_exceeded")
    assert "500" in faults(items)[0].what


def test_many_small_bombs_are_stopped_together() -> None:
    members = {f"{number}.jsonl": bytes(8 << 20) for number in range(12)}
    found = faults(read(zipped(members), "a.zip"))
    assert [fault for fault in found if "expansion ratio" in fault.what] == found[-2:-1]
    assert (found[-1].origin, found[-1].what) == ("a.zip", "not read beyond '2.jsonl', which took the file over its limits")


def test_unpacked_bytes_have_a_limit() -> None:
    limits = ReadLimits(unpacked_bytes=100_000)
    text = "".join(map(str, range(100_000))).encode()
    assert "unpacks to more than the limit of 100.0 kB" in faults(read(gzip.compress(text), "a.txt.gz", limits))[0].what


@pytest.mark.parametrize("name", ["../up.txt", "/etc/passwd", "a/../../b.txt", "C:\\x.txt", "..\\up.txt", "\\\\host\\x.txt"])
@pytest.mark.parametrize("pack", [tar, zipped])
def test_a_name_outside_the_archive_is_refused(name: str, pack: Callable[[dict[str, bytes]], bytes]) -> None:
    items = read(pack({name: b"bad", "ok.txt": b"ok"}), "a.zip" if pack is zipped else "a.tar")
    assert records(items) == [{"text": "ok"}]
    assert [fault.code for fault in faults(items)] == ["unsafe_name"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_noted_and_skipped(kind: bytes) -> None:
    items = read(tar({"link": b""}, kind) + b"", "a.tar")
    assert [type(item) for item in items] == [Note]


def test_member_names_in_gbk_are_read() -> None:
    packed = bytearray(zipped({"aaaa.txt": b"x"}))
    name = "中文".encode("gbk")
    assert records(read(bytes(packed.replace(b"aaaa", name)), "a.zip")) == [{"text": "x"}]
    assert [item.origin for item in read(bytes(packed.replace(b"aaaa", name)), "a.zip")] == ["a.zip!中文.txt"]
    gbk_tar = io.BytesIO()
    with tarfile.open(fileobj=gbk_tar, mode="w", encoding="gbk", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("中文.txt"))
    assert [item.origin for item in read(gbk_tar.getvalue(), "a.tar")] == ["a.tar!中文.txt"]


def test_an_encrypted_member_is_a_fault_and_the_others_go_on() -> None:
    packed = bytearray(zipped({"secret.txt": b"x", "ok.txt": b"ok"}))
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    items = read(bytes(packed), "a.zip")
    assert records(items) == [{"text": "ok"}]
    assert "secret.txt' is encrypted" in faults(items)[0].what


def test_a_damaged_zip_member_is_a_fault_and_the_others_go_on() -> None:
    packed = zipped({"bad.txt": b"hello " * 100, "ok.txt": b"ok"})
    at = packed.index(b"bad.txt") + len("bad.txt") + 3
    items = read(packed[:at] + b"\xff\xff" + packed[at + 2 :], "a.zip")
    assert records(items) == [{"text": "ok"}]
    assert faults(items)[0].origin == "a.zip!bad.txt"


@pytest.mark.parametrize("cut", [700, 1200, 2048 + 100])
def test_a_cut_tar_is_never_taken_for_a_whole_one(cut: int) -> None:
    assert faults(read(tar({"a.txt": b"a" * 600, "b.txt": b"b" * 600})[:cut], "a.tar"))


def test_a_damaged_tar_header_is_reported() -> None:
    packed = bytearray(tar({"a.txt": b"a", "b.txt": b"b"}))
    packed[1024 + 148 : 1024 + 156] = b"99999999"
    items = read(bytes(packed), "a.tar")
    assert records(items) == [{"text": "a"}]
    assert "damaged after a.txt" in faults(items)[0].what


def test_a_sparse_tar_member_cannot_fill_the_memory() -> None:
    info = tarfile.TarInfo("hole.txt")
    info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.size": str(1 << 40), "GNU.sparse.map": "0,0"}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)
    assert faults(read(packed.getvalue(), "a.tar"))[0].code == "limit_exceeded"


def test_7z_archives_are_read_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    py7zr = pytest.importorskip("py7zr")
    packed = tmp_path / "a.7z"
    with py7zr.SevenZipFile(packed, "w") as archive:
        archive.writestr("文本", "dir/a.txt")
        archive.writestr(LINES.decode(), "b.jsonl")
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    items = read(packed.read_bytes(), "a.7z")
    assert records(items) == [{"text": "文本"}, {"text": "one"}, {"text": "two"}]
    assert items[0].origin == "a.7z!dir/a.txt"
    assert list(empty.iterdir()) == []
    assert "not a complete 7z" in faults(read(packed.read_bytes()[:-20], "a.7z"))[0].what


def test_files_of_the_operating_system_are_passed_over() -> None:
    assert read(zipped({"__MACOSX/._a.txt": b"x", ".DS_Store": b"x", "a.txt": b"a"}), "a.zip")[0].origin == "a.zip!a.txt"


# --- which format


def test_first_bytes_decide_where_the_name_is_wrong() -> None:
    items = read(gzip.compress(LINES), "a.jsonl")
    assert len(records(items)) == 2
    assert "first bytes" in items[0].what  # type: ignore[union-attr]


def test_a_file_named_as_compressed_that_is_not_is_read_all_the_same() -> None:
    items = read(LINES, "a.jsonl.gz")
    assert len(records(items)) == 2
    assert "not compressed" in items[0].what  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "Office 97"),
        (bytes(128) + b"DICM" + bytes(600), "DICOM"),
        (b"Rar!\x1a\x07\x00" + bytes(600), "RAR"),
        (bytes(range(256)) * 8, "unknown format"),
        (b"SQLite format 3\0" + bytes(600), "SQLite"),
    ],
)
def test_binary_data_is_named_for_what_it_looks_like(data: bytes, words: str) -> None:
    assert words in faults(read(data, "file.dat"))[0].what


def test_a_text_without_a_known_ending_is_read() -> None:
    assert records(read("说明".encode(), "README")) == [{"text": "说明"}]
    assert "main" in records(read(b"<!DOCTYPE html><html><body><p>The main part of it.</p></body></html>", "page"))[0]["text"]


def test_a_format_can_be_named() -> None:
    assert records(read(b"a\n\nb\n", "a.txt", format="lines")) == [{"text": "a"}, {"text": "b"}]
    assert records(read(zipped({"a.dat": b"x,y\n1,2\n"}), "a.zip", format="csv")) == [{"x": 1, "y": 2}]
    with pytest.raises(UsageError, match="jsonl"):
        read(b"", "a", format="jsonll")
    with pytest.raises(UsageError, match="delimeter"):
        read(b"", "a", format="csv", options={"delimeter": ","})
    assert records(read(b"a#b\n1#2\n", "a.csv", options={"delimiter": "#"})) == [{"a": 1, "b": 2}]


def test_an_empty_file_is_noted() -> None:
    assert [type(item) for item in read(b"", "a.jsonl")] == [Note]


def test_media_belong_to_datasets_of_their_modality() -> None:
    wav = b"RIFF" + struct.pack("<I", 36 + 4) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    wav += b"data" + struct.pack("<I", 4) + bytes(4)
    assert faults(read(wav, "a.wav"))[0].code == "wrong_modality"
    (record,) = records(read(wav, "a.wav", modality=Modality.AUDIO))
    assert (record["sample_rate_hertz"], record["channels"], record["duration_seconds"]) == (8000, 1, 2 / 8000)


# --- formats


def test_a_line_over_the_limit_is_told_with_its_length_and_the_next_is_read() -> None:
    data = b'{"text": "' + b"x" * 2_000_000 + b'"}\n' + LINES
    items = read(data, "a.jsonl", ReadLimits(record_bytes=100_000))
    assert "2000012 bytes" in faults(items)[0].what
    assert faults(items)[0].line == 1
    assert [item.line for item in items if isinstance(item, RawRecord)] == [2, 3]
    assert len(records(items)) == 2


def test_half_a_surrogate_pair_is_replaced_and_noted() -> None:
    items = read(b'{"text": "a\\ud800b"}\n', "a.jsonl")
    assert records(items) == [{"text": "a�b"}]
    assert isinstance(items[0], Note)


def test_a_line_in_another_encoding_than_the_file_is_converted() -> None:
    foreign = json.dumps({"text": "第二行也是中文，编码却不同"}, ensure_ascii=False).encode("gb18030")
    items = read('{"text": "第一行是中文"}\n'.encode() + foreign + b"\n", "a.jsonl")
    assert [record["text"] for record in records(items)] == ["第一行是中文", "第二行也是中文，编码却不同"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "gb18030", "big5"])
def test_json_lines_and_tables_may_have_any_encoding(encoding: str) -> None:
    words = (
        "資料品質與標準的說明文件，內容是中文，一共有好幾行文字" if encoding == "big5" else "数据质量与标准的说明文件，内容是中文"
    )
    lines = "".join(json.dumps({"text": f"{words}{number}"}, ensure_ascii=False) + "\n" for number in range(30))
    assert [record["text"] for record in records(read(lines.encode(encoding), "a.jsonl"))] == [f"{words}{n}" for n in range(30)]
    table = "編號,內容\n" if encoding == "big5" else "编号,内容\n"
    table += "".join(f"{number},{words}\n" for number in range(30))
    assert [list(record.values()) for record in records(read(table.encode(encoding), "a.csv"))] == [[n, words] for n in range(30)]


def test_json_takes_the_usual_shapes() -> None:
    assert records(read(b'{"text": "a"}', "a.json")) == [{"text": "a"}]
    assert records(read(b'[{"text": "a"}, {"text": "b"}]', "a.json")) == [{"text": "a"}, {"text": "b"}]
    assert records(read(b'{"total": 1, "data": [{"text": "a"}]}', "a.json")) == [{"text": "a"}]
    assert records(read(b'["a", "b"]', "a.json")) == [{"text": "a"}, {"text": "b"}]
    assert faults(read(b'[{"text": "a"}, 7]', "a.json"))[0].record == 1
    assert "line 2" in faults(read(b'[{"text": "a"},\n {"text": }]', "a.json"))[0].what


def test_an_unclosed_quote_costs_its_own_line() -> None:
    items = read(b'id,text\n1,a\n2,"b\n3,c\n4,d\n', "a.csv")
    assert [record["text"] for record in records(items)] == ["a", "c", "d"]
    assert (faults(items)[0].line, faults(items)[0].code) == (3, "unclosed_quote")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    rows = [["编号", "说明", "值"], ["1", "一、二；三", "a"], ["2", "four, five", "b"], ["3", "x|y;z", "c"]]
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter).writerows(rows)
    assert [record["说明"] for record in records(read(written.getvalue().encode(), "a.csv"))] == [
        "一、二；三",
        "four, five",
        "x|y;z",
    ]


def test_columns_keep_their_characters_unless_they_are_plain_numbers() -> None:
    table = b"id,code,phone,price,version\n1,007,13900000000,2.50,1.10\n2,012,13900000001,3.75,1.9\n"
    assert records(read(table, "a.csv"))[0] == {"id": 1, "code": "007", "phone": "13900000000", "price": 2.5, "version": "1.10"}


def test_a_number_with_all_the_places_of_a_double_does_not_make_its_column_text() -> None:
    table = b"time,load\n2024-01-01 00:00:00,6.4479999999999995\n2024-01-01 00:05:00,6.5\n"
    assert [record["load"] for record in records(read(table, "a.csv"))] == [6.4479999999999995, 6.5]


def test_old_line_ends_and_odd_headers_are_read() -> None:
    assert records(read(b"a,b\r1,x\r2,y\r", "a.csv")) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    items = read(b"a,a,\n1,2,3\n", "a.csv")
    assert records(items) == [{"a": 1, "a_2": 2, "column_3": 3}]
    assert records(read(b"2024,1.5\n2025,1.7\n", "a.csv")) == [
        {"column_1": 2024, "column_2": 1.5},
        {"column_1": 2025, "column_2": 1.7},
    ]


def test_a_first_row_of_values_is_no_header() -> None:
    """As in question banks without one: short texts, of which the key comes again below."""
    rows = [
        "What is p in 24 = 2p?,p = 4,p = 8,C",
        *(f"Question {number}?,{number},x{number},{'ABC'[number % 3]}" for number in range(9)),
    ]
    assert len(records(read("\n".join(rows).encode(), "a.csv"))) == 10
    dictionary = b"name,type\nname,string\nsize,integer\nkind,string\n"  # a table about columns
    assert records(read(dictionary, "a.csv"))[0] == {"name": "name", "type": "string"}
    again = b"name,size\n" + b"a,1\nname,size\n" * 3  # files put together, each with its header
    assert records(read(again, "a.csv"))[0] == {"name": "a", "size": "1"}


def test_each_sheet_of_a_workbook_is_read() -> None:
    book = openpyxl.Workbook()
    book.active.title = "甲"
    for row in (["名称", "数"], ["a", 1], [None, None], ["b", 2.5], ["too", "many", "cells"]):
        book.active.append(row)
    book.create_sheet("乙").append(["only a header"])
    book["甲"]["B3"] = "=1+1"
    packed = io.BytesIO()
    book.save(packed)
    items = read(packed.getvalue(), "a.xlsx")
    assert records(items) == [{"名称": "a", "数": 1}, {"名称": None, "数": "=1+1"}, {"名称": "b", "数": 2.5}]
    assert items[0].origin == "a.xlsx!甲"
    assert faults(items)[0].line == 5


def test_markdown_gives_front_matter_as_fields_and_drops_comments() -> None:
    text = "---\ntitle: 标题\ntags: [a, b]\n---\n\n# 第一章\n<!-- 编者注 -->\n正文\n\n```html\n<!-- kept -->\n```\n"
    (record,) = records(read(text.encode(), "a.md"))
    assert (record["title"], record["tags"]) == ("标题", ["a", "b"])
    assert record["text"] == "# 第一章\n正文\n\n```html\n<!-- kept -->\n```"
    (plain,) = records(read("# 标题 {#id}\n**粗体**和[链接](http://x)\n".encode(), "a.md", options={"markup": False}))
    assert plain["text"] == "标题\n粗体和链接"


def test_xml_gives_its_text() -> None:
    (record,) = records(read('<?xml version="1.0" encoding="GBK"?><a><b>一</b>二</a>'.encode("gbk"), "a.xml"))
    assert record["text"] == "一\n二"
    assert faults(read(b"<a>\n<b></a>", "a.xml"))[0].line == 2


WARC = (
    b"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: http://example.com/1\r\nWARC-Date: 2024-01-01T00:00:00Z\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nfirst\r\n\r\n"
)


def test_a_damaged_web_archive_goes_on_at_the_next_record() -> None:
    items = read(WARC + b"rubbish\r\nmore rubbish\r\n" + WARC.replace(b"Length: 5", b"Length: x") + WARC, "a.warc")
    assert [record["text"] for record in records(items)] == ["first", "first"]
    assert len(faults(items)) == 2
    assert "5 bytes promised" in faults(read(WARC[:-6], "a.warc"))[0].what


def test_chunks_and_compression_of_a_response_are_taken_off() -> None:
    page = gzip.compress("<html><body><p>网页的正文在这里，足够长，可以认出来。</p></body></html>".encode())
    body = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
    )
    body += b"%x\r\n" % len(page) + page + b"\r\n0\r\n\r\n"
    head = b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://example.com/\r\nWARC-Date: 2024-01-01T00:00:00Z\r\n"
    head += b"Content-Type: application/http\r\nContent-Length: %d\r\n\r\n" % len(body)
    (record,) = records(read(head + body + b"\r\n\r\n", "a.warc"))
    assert record["text"] == "网页的正文在这里，足够长，可以认出来。"
    assert (record["url"], record["date"]) == ("http://example.com/", "2024-01-01T00:00:00Z")


# --- round trips

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ROWS = st.lists(st.dictionaries(TEXT, JSON, min_size=1, max_size=4), max_size=8)


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, ending=st.sampled_from(["", *PACKERS]))
def test_json_lines_read_back_what_was_written(rows: list[dict[str, Any]], ending: str) -> None:
    data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    assert records(read(PACKERS.get(ending, bytes)(data), f"a.jsonl{ending}")) == rows


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(st.dictionaries(TEXT.filter(lambda name: name != "images"), JSON, min_size=1, max_size=4), min_size=1, max_size=8)
)
def test_json_reads_back_what_was_written(rows: list[dict[str, Any]]) -> None:
    assert records(read(json.dumps(rows).encode(), "a.json")) == rows


PIECE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=4) | st.sampled_from(
    ['"', ",", "\n", "\r\n", ";"]
)
CELL = st.lists(PIECE, min_size=1, max_size=5).map("".join)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8))
def test_csv_reads_back_what_was_written(rows: list[tuple[str, ...]]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerows([("first", "second", "third"), *rows])
    options = {"encoding": "utf-8", "numbers": False, "delimiter": ","}
    found = records(read(written.getvalue().encode(), "a.csv", format="csv", options=options))
    assert [tuple(record.values()) for record in found] == rows


@settings(max_examples=20, deadline=None)
@given(
    rows=st.lists(st.fixed_dictionaries({"text": TEXT, "n": st.integers(-(1 << 40), 1 << 40) | st.none()}), min_size=1, max_size=20)
)
def test_parquet_reads_back_what_was_written(rows: list[dict[str, Any]]) -> None:
    packed = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, pa.schema([("text", pa.string()), ("n", pa.int64())])), packed)
    assert records(read(packed.getvalue(), "a.parquet")) == rows


@settings(max_examples=20, deadline=None)
@given(texts=st.lists(TEXT.filter(lambda text: text.strip() != ""), min_size=1, max_size=5), pack=st.sampled_from([tar, zipped]))
def test_archives_read_back_what_was_written(texts: list[str], pack: Callable[[dict[str, bytes]], bytes]) -> None:
    members = {f"目录/{number}.jsonl": json.dumps({"text": text}).encode() for number, text in enumerate(texts)}
    name = "a.zip" if pack is zipped else "a.tar"
    found = {item.origin: item.fields["text"] for item in read(pack(members), name) if isinstance(item, RawRecord)}
    assert found == {f"{name}!{key}": text for key, text in zip(members, texts, strict=True)}


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(max_size=400),
    name=st.sampled_from(
        [
            "a.jsonl",
            "a.csv",
            "a.zip",
            "a.tar",
            "a.md",
            "a.xml",
            "a.warc",
            "a.pdf",
            "a.jpg",
            "a.mp4",
            "a.wav",
            "a.bag",
            "a.parquet",
            "a.xlsx",
            "a.gz",
            "a.zst",
            "a.yaml",
            "a.json",
            "a",
            "a.7z",
        ]
    ),
)
def test_no_bytes_at_all_raise(data: bytes, name: str) -> None:
    for item in read(data, name):
        assert not isinstance(item, Fault) or (item.origin.startswith("a") and item.what)
