from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from liangji.core.records import FIELDS, RecordContext, record_faults, to_record
from liangji.core.schema import Kind, Modality

ROW: dict[str, Any] = {
    "id": "0" * 32,
    "parents": [],
    "source": "自采",
    "source_details": "一号线",
    "license": "CC-BY-4.0",
    "original_time": None,
    "last_modified_time": None,
    "generated": 0,
    "origin": "raw.zip!a.txt",
    "text": "轴承温度过高",
    "annotation": None,
}
INPUTS = [{"origin": "raw.zip", "modified_time": "2026-03-02T01:02:03+00:00"}]
TIME = datetime(2026, 3, 5, 9, 30, tzinfo=UTC)


def context(kind: Kind = Kind.PRETRAINING, modality: Modality = Modality.TEXT) -> RecordContext:
    return RecordContext.of_version(kind, modality, "1.2.0", TIME, INPUTS)


def test_a_record_has_the_eleven_fields_in_the_order_of_the_standard() -> None:
    record = to_record(ROW, context())
    assert tuple(record) == FIELDS
    assert record["data_content"] == [{"media_type": "text", "content": "轴承温度过高"}]
    assert (record["rid"], record["annotation"], record["version"], record["generated_data_indicator"]) == (None, None, "1.2.0", 0)
    assert record_faults(record) == []


def test_times_fall_back_to_the_input_file_and_to_the_version() -> None:
    record = to_record(ROW, context())
    assert (record["original_time"], record["last_modified_time"]) == ("2026-03-02", "2026-03-05")
    own = to_record({**ROW, "original_time": "2025-1-1", "last_modified_time": "2026-02-03T00:00:00Z"}, context())
    assert (own["original_time"], own["last_modified_time"]) == ("2025-1-1", "2026-02-03")
    assert record_faults(to_record({**ROW, "origin": "elsewhere.txt"}, context())) == ["original_time is no date"]


@pytest.mark.parametrize(
    ("kind", "payload", "content"),
    [
        (
            Kind.INSTRUCTION,
            {"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]},
            [("user", "问"), ("assistant", "答")],
        ),
        (
            Kind.PREFERENCE,
            {"prompt": "问", "chosen": "好", "rejected": "差"},
            [("prompt", "问"), ("chosen", "好"), ("rejected", "差")],
        ),
        (
            Kind.BENCHMARK,
            {"question": "问", "options": ["甲", "乙"], "answer": "乙"},
            [("question", "问"), ("option", "甲"), ("option", "乙"), ("answer", "乙")],
        ),
    ],
)
def test_each_kind_writes_all_its_parts(kind: Kind, payload: dict[str, Any], content: list[tuple[str, str]]) -> None:
    record = to_record({**ROW, **payload}, context(kind))
    assert [(item["role"], item["content"]) for item in record["data_content"]] == content
    assert record_faults(record) == []


def test_media_are_named_with_their_measures() -> None:
    row = {**ROW, "path": "plates/1.png", "sha256": "ab", "size_bytes": 12, "width": 640, "height": 480}
    item = {"media_type": "image", "content": "plates/1.png", "sha256": "ab", "size_bytes": 12, "width": 640, "height": 480}
    assert to_record(row, context(Kind.SUPERVISED, Modality.IMAGE))["data_content"] == [item]


@pytest.mark.parametrize(
    ("annotation", "label"),
    [
        ('{"label": "crack", "annotation_method": "人工标注", "annotator": "专业标注员"}', ["crack"]),
        ('{"boxes": [[0, 0, 1, 1]]}', [{"boxes": [[0, 0, 1, 1]]}]),
        ('["a", "b"]', ["a", "b"]),
        ("plain", ["plain"]),
    ],
)
def test_an_annotation_always_has_a_list_of_labels(annotation: str, label: list[Any]) -> None:
    record = to_record({**ROW, "annotation": annotation}, context())
    assert record["annotation"]["label"] == label
    assert record_faults(record) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"source": "网上"}, "source is none of"),
        ({"source": "互联网", "source_details": "某网站"}, "source is 互联网 and source_details is no http(s) address"),
        ({"source_details": " "}, "source_details is empty"),
        ({"license": None}, "license is empty"),
        ({"text": "  "}, "data_content[0] has no content"),
        ({"text": None}, "data_content[0] has no content"),
        ({"generated": None}, "generated_data_indicator is neither 0 nor 1"),
        ({"annotation": '{"label": ["x"], "annotator": "路人"}'}, "annotation.annotator is none of"),
        ({"annotation": '{"label": []}'}, "annotation has no label"),
    ],
)
def test_what_is_wrong_with_a_record_is_named(change: dict[str, Any], fault: str) -> None:
    faults = record_faults(to_record({**ROW, **change}, context()))
    assert len(faults) == 1
    assert faults[0].startswith(fault)


def test_a_version_that_is_not_semantic_is_a_fault() -> None:
    record = {**to_record(ROW, context()), "version": "v1"}
    assert record_faults(record) == ["version is no semantic version"]
    assert record_faults({**record, "version": "1.0.0-alpha"}) == []
