from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from liangji.core.exporting import ExportFacts
from liangji.core.records import FIELDS, RecordContext, record_faults
from liangji.core.registry import Group, load, names
from liangji.core.schema import Kind, Modality, record_schema
from liangji.pipeline.packaging import exporters
from liangji.pipeline.packaging.exporters import Parquet, Records

SYSTEM = {
    "parents": [],
    "source": "自采",
    "source_details": "一号线",
    "license": "MIT",
    "original_time": "2026-03-01",
    "generated": 0,
    "origin": "a.jsonl",
}


def batch(rows: list[dict[str, Any]], kind: Kind = Kind.PRETRAINING, modality: Modality = Modality.TEXT) -> pa.RecordBatch:
    full = [{**SYSTEM, "id": f"{number:032x}", "record": number, **row} for number, row in enumerate(rows)]
    return pa.RecordBatch.from_pylist(full, record_schema(kind, modality))


def facts(kind: Kind = Kind.PRETRAINING, modality: Modality = Modality.TEXT) -> ExportFacts:
    return ExportFacts("inspection", "train", RecordContext(kind, modality, "1.0.0", "2026-03-05"))


def cut(whole: pa.RecordBatch, *places: int) -> Iterator[pa.RecordBatch]:
    edges = [0, *places, whole.num_rows]
    return (whole.slice(start, end - start) for start, end in itertools.pairwise(edges))


def test_both_exporters_are_registered() -> None:
    assert {"parquet", "records"} <= set(names(Group.EXPORTERS))
    assert load(Group.EXPORTERS, "parquet") is Parquet
    assert load(Group.EXPORTERS, "records") is Records


@pytest.mark.parametrize("exporter", [Parquet(), Records(), Parquet(file_bytes=1), Records(file_bytes=900)])
def test_the_same_rows_give_the_same_bytes_however_they_are_cut(
    exporter: Parquet | Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporters, "_GROUP_BYTES", 200)
    monkeypatch.setattr(exporters, "_GROUP_ROWS", 6)
    whole = batch([{"text": "轴承温度过高" * (number % 9)} for number in range(40)])
    written = []
    for number, places in enumerate([(), (1,), (7, 8, 30), tuple(range(1, 40))]):
        folder = tmp_path / str(number)
        files = exporter.export(whole.schema, cut(whole, *places), facts(), folder)
        assert sum(file.rows for file in files) == 40
        written.append([(file, (folder / file.path).read_bytes()) for file in files])
    assert written[0] == written[1] == written[2] == written[3]


def test_parquet_gives_back_the_rows_and_their_columns(tmp_path: Path) -> None:
    whole = batch([{"text": "一"}, {"text": None, "parents": ["a", "b"]}, {"text": "三"}])
    files = Parquet(file_bytes=1).export(whole.schema, [whole], facts(), tmp_path)
    back = pa.concat_tables([pq.read_table(tmp_path / file.path) for file in files])
    assert back == pa.Table.from_batches([whole])


def test_no_rows_still_tell_their_columns(tmp_path: Path) -> None:
    files = Parquet().export(record_schema(Kind.PRETRAINING), [], facts(), tmp_path)
    assert [(file.path, file.rows) for file in files] == [("data/train-00000.parquet", 0)]
    assert pq.read_schema(tmp_path / files[0].path) == record_schema(Kind.PRETRAINING)
    assert [file.rows for file in Records().export(record_schema(Kind.PRETRAINING), [], facts(), tmp_path)] == [0]


def test_large_sets_are_split_into_files(tmp_path: Path) -> None:
    whole = batch([{"text": "字" * 100} for _ in range(30)])
    files = Records(file_bytes=2000).export(whole.schema, [whole], facts(), tmp_path)
    assert len(files) > 5
    assert [file.path for file in files][:2] == ["records/train-00000.jsonl", "records/train-00001.jsonl"]
    assert sum(len((tmp_path / file.path).read_bytes().splitlines()) for file in files) == 30


@pytest.mark.parametrize(
    ("kind", "modality", "row"),
    [
        (Kind.PRETRAINING, Modality.TEXT, {"text": "文"}),
        (Kind.INSTRUCTION, Modality.TEXT, {"messages": [{"role": "user", "content": "问"}]}),
        (Kind.PREFERENCE, Modality.TEXT, {"prompt": "问", "chosen": "好", "rejected": "差"}),
        (Kind.BENCHMARK, Modality.TEXT, {"question": "问", "options": ["甲"], "answer": "甲"}),
        (Kind.SUPERVISED, Modality.TEXT, {"text": "文", "annotation": '{"label": ["a"]}'}),
        (Kind.SUPERVISED, Modality.IMAGE, {"path": "a.png", "sha256": "ab", "width": 2, "height": 2}),
        (Kind.PRETRAINING, Modality.AUDIO, {"path": "a.wav", "duration_seconds": 1.5}),
        (Kind.PRETRAINING, Modality.VIDEO, {"path": "a.mp4"}),
        (Kind.PRETRAINING, Modality.SERIES, {"time": "2026-01-01", "values": '{"a": 1}'}),
        (Kind.PRETRAINING, Modality.TABLE, {"row": '{"a": 1}'}),
    ],
)
def test_every_kind_and_modality_gives_valid_records(tmp_path: Path, kind: Kind, modality: Modality, row: dict[str, Any]) -> None:
    whole = batch([row], kind, modality)
    (file,) = Records().export(whole.schema, [whole], facts(kind, modality), tmp_path)
    record = orjson.loads((tmp_path / file.path).read_bytes())
    assert tuple(record) == FIELDS
    assert record_faults(record) == []
    assert file.invalid_rows == 0


def test_a_record_without_a_source_is_written_and_counted(tmp_path: Path) -> None:
    whole = batch([{"text": "一"}, {"text": "二", "source": None}])
    (file,) = Records().export(whole.schema, [whole], facts(), tmp_path)
    assert (file.rows, file.invalid_rows) == (2, 1)
