"""Hostile and damaged files made here: what is sound in them is kept, what is not is named, and none costs more than it may."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import zipfile
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from liangji.core.errors import InputError
from liangji.core.reading import Fault, Note, Raw, RawBatch, RawRecord, ReadLimits
from liangji.core.schema import Modality
from liangji.pipeline.collection.connectors import LocalFiles
from liangji.pipeline.collection.reading import read_raw

LINES = "".join(json.dumps({"text": f"record {number} {number * 7919 % 10007}"}) + "\n" for number in range(60_000)).encode()


def read(data: bytes, name: str, modality: Modality = Modality.TEXT, limits: ReadLimits | None = None) -> list[Raw]:
    return list(read_raw(io.BytesIO(data), name, limits, modality=modality))


def texts(items: list[Raw]) -> list[object]:
    found: list[object] = []
    for item in items:
        if isinstance(item, RawRecord):
            found.append(item.fields.get("text"))
        elif isinstance(item, RawBatch):
            found += item.columns["text"].to_pylist()
    return found


def faults(items: list[Raw]) -> list[Fault]:
    return [item for item in items if isinstance(item, Fault)]


def notes(items: list[Raw]) -> list[str]:
    return [item.what for item in items if isinstance(item, Note)]


def test_a_damaged_bzip2_block_gives_no_record() -> None:
    packed = bytearray(bz2.compress(LINES))
    packed[-len(packed) // 8] ^= 0xFF
    items = read(bytes(packed), "a.jsonl.bz2")
    kept = texts(items)
    assert kept
    assert kept == [json.loads(line)["text"] for line in LINES.splitlines()[: len(kept)]]
    assert "may be wrong too" in faults(items)[-1].what


def test_whole_blocks_of_a_bzip2_stream_that_is_cut_off_are_kept() -> None:
    packed = bz2.compress(LINES)
    kept = texts(read(packed[:-100], "a.jsonl.bz2"))
    assert len(kept) > 30_000


def test_a_gzip_checksum_that_does_not_match_says_that_any_record_may_be_wrong() -> None:
    packed = bytearray(gzip.compress(LINES))
    packed[-8] ^= 0xFF
    assert "any record of it may be wrong" in faults(read(bytes(packed), "a.jsonl.gz"))[0].what


def test_an_xz_stream_with_a_huge_dictionary_is_refused_at_the_limit() -> None:
    packed = lzma.compress(LINES[:1000], filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29}])
    (fault,) = faults(read(packed, "a.jsonl.xz"))
    assert fault.code == "limit_exceeded"
    assert "smaller dictionary" in fault.mend


def test_nul_bytes_in_a_line_cost_that_line_alone() -> None:
    items = read(b'{"text": "a"}\n' + bytes(100) + b'\n{"text": "b"}\n', "a.jsonl")
    assert texts(items) == ["a", "b"]
    assert [fault.line for fault in faults(items)] == [2]
    assert "NUL" in faults(items)[0].what


def test_json_lines_may_end_in_carriage_returns() -> None:
    assert texts(read(b'{"text": "a"}\r{"text": "b"}\r', "a.jsonl")) == ["a", "b"]


@pytest.mark.parametrize("line", [b'{"text":"a","text":"b"}', b'{"text" : "a", "in": [{"k": 1, "k": 2}]}'])
def test_a_key_that_stands_twice_is_a_fault_and_no_value_is_lost(line: bytes) -> None:
    items = read(b'{"text": "good"}\n' + line + b"\n", "a.jsonl")
    assert texts(items) == ["good"]
    (fault,) = faults(items)
    assert (fault.line, fault.code, fault.content) == (2, "duplicate_key", line)
    assert faults(read(line, "a.json"))[0].what.endswith("twice in one object")


@pytest.mark.parametrize("line", [b'{"text":"a \\": b \\" : c","in":{"text":1}}', b'{"text":"x","k\\\\":[{"k":1},{"k":2}]}'])
def test_quotes_and_colons_in_text_are_no_keys(line: bytes) -> None:
    assert faults(read(line + b"\n", "a.jsonl")) == []


def test_quotes_that_never_close_cost_their_own_lines_even_where_two_of_them_meet() -> None:
    rows = b"".join(b"%d,row\n" % number for number in range(2, 300))
    items = read(b'id,text\n1,"open\n' + rows + b'300,"open again\n' + rows, "a.csv")
    assert len(texts(items)) == 2 * 298
    assert [fault.line for fault in faults(items)] == [2, 301]


def test_a_table_may_mix_line_ends() -> None:
    items = read(b'id,text\r\n1,a\n2,b\r3,c\r\n4,"d\ne"\n', "a.csv")
    assert texts(items) == ["a", "b", "c", "d\ne"]


def test_the_delimiter_hint_of_excel_is_no_row() -> None:
    assert texts(read(b"sep=;\nid;text\n1;a\n2;b\n", "a.csv")) == ["a", "b"]


def test_a_table_of_a_header_alone_is_noted() -> None:
    assert notes(read(b"id,text\n", "a.csv")) == ["the table holds a header and no rows"]


def test_a_time_with_a_zone_among_times_without_is_noted() -> None:
    table = b"time,value\n2024-01-01 00:00,1\n2024-01-01 01:00Z,2\n"
    assert any("line 3: time zone Z" in note for note in notes(read(table, "a.csv")))


def parquet(table: pa.Table, **options: int) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def test_strings_of_parquet_that_are_not_utf8_are_faults_and_the_other_rows_go_on() -> None:
    offsets = pa.py_buffer(b"".join(n.to_bytes(4, "little") for n in (0, 4, 8, 12)))
    column = pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"good\xff\xfebbfine")])
    items = read(parquet(pa.table({"text": column})), "a.parquet")
    assert texts(items) == ["good", "fine"]
    assert [(fault.record, fault.code) for fault in faults(items)] == [(1, "not_utf8")]


def test_a_damaged_row_group_costs_its_own_rows_alone() -> None:
    table = pa.table({"text": [f"row {number}" for number in range(5000)]})
    data = bytearray(parquet(table, row_group_size=1000))
    at = pq.read_metadata(io.BytesIO(data)).row_group(2).column(0).dictionary_page_offset
    data[at : at + 200] = b"\xff" * 200
    items = read(bytes(data), "a.parquet")
    assert set(texts(items)) >= {f"row {number}" for number in (*range(2000), *range(3000, 5000))}
    assert "rows 2000 to 2999" in faults(items)[0].what


def test_parquet_columns_of_one_name_are_both_kept() -> None:
    items = read(parquet(pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])), "a.parquet")
    (batch,) = [item for item in items if isinstance(item, RawBatch)]
    assert batch.columns.to_pylist() == [{"text": "a", "text_2": "b"}]


def pdf(content: bytes, dictionary: bytes = b"") -> bytes:
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<<" + dictionary + b"/Length %d>>stream\n" % len(content) + content + b"\nendstream",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    whole = b"%PDF-1.4\n" + b"".join(b"%d 0 obj\n%s\nendobj\n" % pair for pair in enumerate(bodies, 1))
    return whole + b"trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n0\n%%EOF\n"


def test_a_pdf_whose_page_unpacks_without_end_is_refused_before_it_is_drawn() -> None:
    words = b"BT /F1 12 Tf 10 10 Td (Hello) Tj ET "
    assert texts(read(pdf(zlib.compress(words), b"/Filter/FlateDecode"), "a.pdf")) == ["Hello"]
    once = zlib.compress(words * 2_000_000)
    for content, filters in ((once, b"/Filter/FlateDecode"), (zlib.compress(once), b"/Filter[/FlateDecode/FlateDecode]")):
        (fault,) = faults(read(pdf(content, filters), "a.pdf"))
        assert fault.code == "limit_exceeded"
        assert "33.6 MB" in fault.what


@pytest.mark.parametrize("shape", ["<a " + " ".join(f'a{n}="x"' for n in range(100_000)) + ">", "<!--" * 50_000 + "-->"])
def test_a_page_of_countless_attributes_or_comments_is_read_in_one_pass(shape: str) -> None:
    items = read(f"<html><body>{shape}<p>{'A sentence of the page. ' * 5}</p></body></html>".encode(), "a.html")
    assert "A sentence of the page." in str(texts(items))


def test_webp_images_are_images() -> None:
    image = pytest.importorskip("PIL.Image")
    sink = io.BytesIO()
    image.frombytes("RGB", (64, 64), os.urandom(64 * 64 * 3)).save(sink, "WEBP")
    items = read(sink.getvalue(), "a.webp", Modality.IMAGE)
    assert [type(item) for item in items] == [RawRecord]
    assert "truncated" in faults(read(sink.getvalue()[:300], "a.webp", Modality.IMAGE))[0].what


def test_an_archive_without_a_member_is_noted() -> None:
    sink = io.BytesIO()
    zipfile.ZipFile(sink, "w").close()
    assert notes(read(sink.getvalue(), "a.zip")) == ["no member of the archive was read"]


def test_a_pipe_or_a_dead_link_asked_for_by_name_is_told_as_such(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "link.txt").symlink_to("nowhere.txt")
    for name, words in (("pipe.txt", "a named pipe"), ("link.txt", "'nowhere.txt', where nothing is")):
        with pytest.raises(InputError, match=words):
            LocalFiles().find(name, tmp_path)
