"""Raw records into the record schema: mapping, guessing, provenance, ids, and what cannot become a row."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.core.reading import Fault, Note, Raw, RawBatch, RawRecord
from liangji.core.schema import Kind, Modality, record_schema
from liangji.pipeline.aggregation.records import BATCH_BYTES, BATCH_ROWS, Provenance, shape

ORIGIN = "raw/a.jsonl"


def raw(*rows: dict[str, Any]) -> list[Raw]:
    return [RawRecord(row, number, number + 1, ORIGIN) for number, row in enumerate(rows)]


def rows(items: Iterable[pa.RecordBatch | Fault | Note]) -> list[dict[str, Any]]:
    return [row for item in items if isinstance(item, pa.RecordBatch) for row in item.to_pylist()]


def shaped(*records: dict[str, Any], kind: Kind = Kind.PRETRAINING, **options: Any) -> list[pa.RecordBatch | Fault | Note]:
    return list(shape(raw(*records), kind, **options))


def faults(items: Iterable[pa.RecordBatch | Fault | Note]) -> list[Fault]:
    return [item for item in items if isinstance(item, Fault)]


def test_a_record_gets_all_columns_of_the_schema() -> None:
    stated = Provenance("公开数据集", "where", "CC-BY-4.0", "2024-01-01", 1)
    (batch,) = shaped({"text": "正文", "truth": 7}, provenance=stated)
    assert isinstance(batch, pa.RecordBatch)
    assert batch.schema == record_schema(Kind.PRETRAINING)
    (row,) = batch.to_pylist()
    assert row | {"id": ""} == {
        "id": "",
        "parents": [],
        "source": "公开数据集",
        "source_details": "where",
        "license": "CC-BY-4.0",
        "original_time": "2024-01-01",
        "last_modified_time": None,
        "generated": 1,
        "origin": ORIGIN,
        "record": 0,
        "text": "正文",
        "annotation": None,
        "extra": '{"truth":7}',
    }


def test_the_id_is_the_hash_of_origin_number_and_payload() -> None:
    canonical = json.dumps([ORIGIN, 0, "正文"], ensure_ascii=False, separators=(",", ":")).encode()
    (row,) = rows(shaped({"text": "正文", "other": 1}))
    assert row["id"] == hashlib.sha256(canonical).hexdigest()[:32]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"text": "body"}, "b"),
        ({"text": ["title", "body"]}, "t\n\nb"),
        ({"text": "deep.inner"}, "in"),
        ({"text": "deep.list.1"}, "y"),
        ({"text": "number"}, "7"),
        ({"text": "dotted.name"}, "d"),
    ],
)
def test_a_mapping_decides(fields: dict[str, str | list[str]], text: str) -> None:
    record = {
        "title": "t",
        "body": "b",
        "text": "other",
        "deep": {"inner": "in", "list": ["x", "y"]},
        "number": 7,
        "dotted.name": "d",
    }
    (row,) = rows(shaped(record, fields=fields))
    assert row["text"] == text


def test_what_a_mapping_misses_is_a_fault_with_line_and_mend() -> None:
    items = shaped({"text": "a"}, {"body": "b", "more": 1}, fields={"text": "body"})
    (fault,) = faults(items)
    assert (fault.line, fault.record, fault.code) == (1, 0, "no_field")
    assert "no field 'body'; fields: text" in fault.what
    assert json.loads(fault.content) == {"text": "a"}
    assert [row["extra"] for row in rows(items)] == ['{"more":1}']


@pytest.mark.parametrize("name", ["text", "content", "正文", "内容", "body", "Text"])
def test_usual_names_are_known(name: str) -> None:
    assert [row["text"] for row in rows(shaped({"id": "a" * 50, name: "words"}))] == ["words"]


def test_a_list_of_paragraphs_is_joined() -> None:
    assert rows(shaped({"paragraphs": ["a", "b"], "title": "t"}))[0]["text"] == "a\nb"


def test_a_text_without_a_usual_name_is_guessed_and_noted() -> None:
    records = [
        {"id": f"{n}", "科室": "内科", "ask": "发烧三天了应该怎么办才好呢", "answer": "多喝水注意休息必要时到医院就诊"}
        for n in range(3)
    ]
    items = shaped(*records)
    assert rows(items)[0]["text"] == f"{records[0]['ask']}\n\n{records[0]['answer']}"
    (note,) = [item for item in items if isinstance(item, Note)]
    assert "fields: {text: [ask, answer]}" in note.what


def test_a_first_record_without_text_does_not_start_a_guess() -> None:
    items = shaped({"text": None, "title": "a long title that is no text"}, {"text": "b", "title": "t"})
    assert [row["text"] for row in rows(items)] == ["b"]
    assert "field 'text' is null" in faults(items)[0].what


def test_each_origin_is_guessed_for_itself() -> None:
    mixed: list[Raw] = [
        RawRecord({"ask": "the long question of the first"}, 0, 1, "a"),
        RawRecord({"reply": "the long answer of it"}, 0, 1, "b"),
    ]
    items = list(shape(mixed, Kind.PRETRAINING))
    assert len([item for item in items if isinstance(item, Note)]) == 2
    assert len(rows(items)) == 2


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({}, "fields: none"),
        ({"id": 1}, "no field for the text; fields: id"),
        ({"text": 7}, "holds a number, not a string"),
        ({"text": {"a": 1}}, "holds an object"),
        ({"text": None}, "is null"),
    ],
)
def test_a_record_without_text_is_a_fault(record: dict[str, Any], words: str) -> None:
    (fault,) = faults(shaped(record))
    assert words in fault.what
    assert fault.mend
    assert fault.line == 1


def test_half_surrogates_and_nul_do_no_harm() -> None:
    (row,) = rows(shaped({"text": "a\ud800b\0c", "k\udc00": "\udfff"}))
    assert (row["text"], row["extra"]) == ("a�b\0c", '{"k�":"�"}')


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]},
        {"conversations": [{"from": "human", "value": "问"}, {"from": "gpt", "value": "答"}]},
        {"instruction": "问", "input": "", "output": "答"},
        {"prompt": "问", "response": "答"},
        {"问题": "问", "答案": "答"},
        {"instruction": "问", "instances": [{"input": "", "output": "答"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "问"}]}, {"role": "assistant", "content": "答"}]},
    ],
)
def test_instructions_of_every_usual_shape_are_messages(record: dict[str, Any]) -> None:
    (row,) = rows(shaped(record, kind=Kind.INSTRUCTION))
    assert row["messages"] == [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]
    assert row["extra"] is None


def test_system_history_and_input_belong_to_the_messages() -> None:
    record = {"system": "s", "history": [["q1", "a1"]], "instruction": "q2", "input": "context", "output": "a2"}
    (row,) = rows(shaped(record, kind=Kind.INSTRUCTION))
    assert [turn["content"] for turn in row["messages"]] == ["s", "q1", "a1", "q2\ncontext", "a2"]


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "问", "chosen": "好", "rejected": "差"},
        {"question": "问", "response_chosen": "好", "response_rejected": "差", "history": []},
        {
            "conversations": [{"from": "human", "value": "问"}],
            "chosen": {"from": "gpt", "value": "好"},
            "rejected": {"from": "gpt", "value": "差"},
        },
        {
            "chosen": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "好"}],
            "rejected": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "差"}],
        },
    ],
)
def test_preferences_of_every_usual_shape_are_pairs(record: dict[str, Any]) -> None:
    (row,) = rows(shaped(record, kind=Kind.PREFERENCE))
    assert (row["prompt"], row["chosen"], row["rejected"]) == ("问", "好", "差")


@pytest.mark.parametrize(
    "record",
    [
        {"question": "题", "options": ["1", "2", "3"], "answer": "B"},
        {"question": "题", "A": "1", "B": 2, "C": "3", "answer": "B"},
        {"question": "题", "choices": {"text": ["1", "2", "3"], "label": ["A", "B", "C"]}, "answerKey": "B"},
        {"题目": "题", "选项": {"A": "1", "B": "2", "C": "3"}, "答案": ["B"]},
        {"column_1": "题", "column_2": "1", "column_3": "2", "column_4": "3", "column_5": "B"},
    ],
)
def test_benchmarks_of_every_usual_shape_are_items(record: dict[str, Any]) -> None:
    (row,) = rows(shaped(record, kind=Kind.BENCHMARK))
    assert (row["question"], row["options"], row["answer"]) == ("题", ["1", "2", "3"], "B")


def test_a_partial_mapping_leaves_the_rest_to_the_usual_names() -> None:
    record = {"q": "题", "options": ["1", "2"], "answer": "A", "prompt": "other"}
    (row,) = rows(shaped(record, kind=Kind.BENCHMARK, fields={"question": "q"}))
    assert (row["question"], row["answer"]) == ("题", "A")


def test_labels_of_a_supervised_set_are_its_annotation() -> None:
    (row,) = rows(shaped({"text": "a", "label": {"class": 1}}, kind=Kind.SUPERVISED))
    assert (row["annotation"], row["extra"]) == ('{"class":1}', None)


def test_a_mapping_may_name_annotation_and_source() -> None:
    record = {"text": "a", "tag": "x", "from": "自采", "label": 1}
    (row,) = rows(shaped(record, fields={"annotation": "tag", "source": "from"}))
    assert (row["annotation"], row["source"], row["extra"]) == ('"x"', "自采", '{"from":"自采","label":1}')


def test_series_and_tables_keep_their_values() -> None:
    (row,) = rows(shape(raw({"time": "2024-01-01", "temp": 1.5, "site": "a"}), Kind.PRETRAINING, Modality.SERIES))
    assert (row["time"], row["values"], row["extra"]) == ("2024-01-01", '{"temp":1.5}', '{"site":"a"}')
    (row,) = rows(shape(raw({"b": None, "a": 1}), Kind.PRETRAINING, Modality.TABLE))
    assert (row["row"], row["extra"]) == ('{"a":1,"b":null}', None)


def test_times_and_addresses_of_a_page_are_taken_over() -> None:
    (row,) = rows(shaped({"text": "a", "date": "2024-05-18T01:58:10Z", "url": "http://example.com/"}))
    assert (row["original_time"], row["source_details"]) == ("2024-05-18T01:58:10Z", "http://example.com/")
    (row,) = rows(shaped({"text": "a", "date": "yesterday"}))
    assert row["original_time"] is None


def test_columns_and_records_give_the_same_rows() -> None:
    records = [{"text": f"t{number}", "n": number} for number in range(5)]
    columns: list[Raw] = [RawBatch(pa.RecordBatch.from_pylist(records), 0, ORIGIN)]
    assert rows(shape(columns, Kind.PRETRAINING)) == rows(shaped(*records))


def test_batches_are_cut_by_rows_and_by_bytes() -> None:
    small = shaped(*({"text": "x"} for _ in range(BATCH_ROWS + 1)))
    assert [batch.num_rows for batch in small if isinstance(batch, pa.RecordBatch)] == [BATCH_ROWS, 1]
    big = shaped(*({"text": "x" * (BATCH_BYTES // 2)} for _ in range(5)))
    assert [batch.num_rows for batch in big if isinstance(batch, pa.RecordBatch)] == [2, 2, 1]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [
        "text",
        "messages",
        "instruction",
        "output",
        "chosen",
        "rejected",
        "prompt",
        "question",
        "options",
        "answer",
        "A",
        "time",
        "path",
        "history",
        "conversations",
    ]
)


@given(
    records=st.lists(st.dictionaries(NAMES | st.text(max_size=5), JSON, max_size=5), max_size=6),
    kind=st.sampled_from(Kind),
    modality=st.sampled_from(Modality),
)
def test_every_record_becomes_a_row_or_a_fault(records: list[dict[str, Any]], kind: Kind, modality: Modality) -> None:
    items = list(shape(raw(*records), kind, modality))
    assert len(rows(items)) + len(faults(items)) == len(records)
    for item in items:
        if isinstance(item, pa.RecordBatch):
            item.validate(full=True)


COLUMN_NAMES = ("text", "content", "Text", "正文", "url", "date", "original_time", "label", "annotation", "n")
CELLS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(("2024-01-01", "x" * 400_000))


@st.composite
def columnar(draw: st.DrawFn) -> list[RawBatch]:
    """Columnar batches of one or two origins; their texts with and without nulls, under one name or several."""
    batches = []
    record = 0
    for _ in range(draw(st.integers(1, 4))):
        names = draw(st.lists(st.sampled_from(COLUMN_NAMES), min_size=1, max_size=4, unique=True))
        cells = draw(st.sampled_from((CELLS, CELLS.filter(lambda cell: cell is not None))))
        rows = draw(st.lists(st.tuples(*(cells for _ in names)), max_size=4)) * draw(st.sampled_from((1, 1, 400)))
        if sum(len(cell or "") for row in rows for cell in row) > 8 << 20:
            rows = rows[:4]
        arrays = [pa.array([row[at] for row in rows], pa.string()) for at in range(len(names))]
        batches.append(RawBatch(pa.RecordBatch.from_arrays(arrays, names=names), record, draw(st.sampled_from("ab"))))
        record += len(rows)
    return batches


@settings(max_examples=150, deadline=None)
@given(columnar(), st.sampled_from((Kind.PRETRAINING, Kind.SUPERVISED)))
def test_columns_taken_whole_give_the_same_batches_as_row_by_row(batches: list[RawBatch], kind: Kind) -> None:
    one_by_one = [
        RawRecord(row, batch.record + at, -1, batch.origin) for batch in batches for at, row in enumerate(batch.columns.to_pylist())
    ]
    whole = list(shape(batches, kind, provenance=Provenance("公开数据集", license="CC0-1.0")))
    assert whole == list(shape(one_by_one, kind, provenance=Provenance("公开数据集", license="CC0-1.0")))
    for item in whole:
        if isinstance(item, pa.RecordBatch):
            item.validate(full=True)


def test_ids_do_not_depend_on_how_much_is_hashed_at_once() -> None:
    texts = ["短", "长" * 90_000, "", '\n"\\' * 50_000, *(["中等" * 2_000] * 80)]
    batch = RawBatch(pa.RecordBatch.from_arrays([pa.array(texts)], names=["text"]), 9_998, ORIGIN)
    one_by_one = [RawRecord({"text": text}, 9_998 + row, -1, ORIGIN) for row, text in enumerate(texts)]
    assert list(shape([batch], Kind.PRETRAINING)) == list(shape(one_by_one, Kind.PRETRAINING))
