"""The shared raw text, as it lies there, against the counts of its README."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard

from liangji.core.reading import Fault, Note, RawRecord
from liangji.core.schema import Kind
from liangji.pipeline.aggregation.records import shape
from liangji.pipeline.collection.reading import read_raw

ROWS = {
    "laws_zh_md.tar.zst": 613,
    "medical_qa_gb18030.csv": 3835,
    "classical_modern_bitext.jsonl.gz": 51,
    "docs_react_zh_md.tar.zst": 64,
    "docs_rust_en_md.tar.zst": 36,
    "docs_rust_zh_md.tar.zst": 47,
    "docs_vue_zh_md.tar.zst": 56,
    "encodings_chardet.tar.zst": 75,
    "encodings_made.tar.zst": 75 + 75,  # and the lines of truth.jsonl
    "html_pages_made.tar.zst": 115 + 115,
    "dedup_demo_dj.jsonl": 14,
    "warc/whirlwind.warc.gz": 1,
    "warc/whirlwind.warc.wet.gz": 1,
    "warc/whirlwind.warc.wat.gz": 0,
    "warc/example.warc.gz": 1,
    "warc/example.arc.gz": 1,
    "warc/example-iana.org-chunked.warc": 1,
}


@pytest.mark.parametrize("name", ROWS)
def test_raw_text_reads_whole(shared_data: Path, name: str) -> None:
    with (shared_data / "text" / name).open("rb") as stream:
        items = list(shape(read_raw(stream, name), Kind.PRETRAINING))
    assert [item for item in items if isinstance(item, Fault)] == []
    batches = [item for item in items if isinstance(item, pa.RecordBatch)]
    assert sum(batch.num_rows for batch in batches) == ROWS[name]
    ids = [key for batch in batches for key in batch["id"].to_pylist()]
    assert len(set(ids)) == len(ids)


def test_poems_are_records_with_paragraphs(shared_data: Path) -> None:
    path = shared_data / "text" / "classical_poetry_json.tar.zst"
    with zstandard.ZstdDecompressor().stream_reader(path.open("rb")) as unpacked:
        archive = tarfile.open(fileobj=io.BytesIO(unpacked.read()))  # noqa: SIM115
    files = [json.load(file) for member in archive if (file := archive.extractfile(member))]
    poems = [poem for content in files for poem in (content if isinstance(content, list) else [content])]
    with path.open("rb") as stream:
        found = [item for item in read_raw(stream, path.name) if isinstance(item, RawRecord)]
    assert [item.fields for item in found] == poems
    texts = [
        text for item in shape(found, Kind.PRETRAINING) if isinstance(item, pa.RecordBatch) for text in item["text"].to_pylist()
    ]
    assert texts[0] == "\n".join(poems[0]["paragraphs"])


def test_records_of_a_web_archive_that_hold_no_page_are_counted(shared_data: Path) -> None:
    with (shared_data / "text" / "warc" / "whirlwind.warc.gz").open("rb") as stream:
        (record, note) = read_raw(stream, "a.warc.gz")
    assert isinstance(record, RawRecord)
    assert record.fields["url"] == "https://an.wikipedia.org/wiki/Escopete"
    assert isinstance(note, Note)
    assert "1 metadata, 1 request, 1 warcinfo" in note.what
