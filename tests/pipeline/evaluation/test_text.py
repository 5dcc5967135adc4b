"""Measures of documents as columns."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.core.errors import SchemaError
from liangji.pipeline.evaluation.text import COLUMNS, WORD_MODE, MeasureText

TEXTS = st.lists(st.none() | st.text(max_size=30) | st.sampled_from(["一 二。\n" * 4, "a b, c!\n\na b, c!"]), max_size=6)


@settings(max_examples=40, deadline=None)
@given(texts=TEXTS, cut=st.integers(0, 6), wide=st.booleans())
def test_a_batch_may_be_cut_anywhere(texts: list[str | None], cut: int, wide: bool) -> None:
    operator = MeasureText(words="script")
    batch = pa.RecordBatch.from_arrays([pa.array(texts, pa.large_string() if wide else pa.string())], ["text"])
    parts = [operator(batch.slice(0, cut)), operator(batch.slice(cut))]
    assert pa.Table.from_batches(parts).equals(pa.Table.from_batches([operator(batch)]))


@settings(max_examples=40, deadline=None)
@given(texts=TEXTS)
def test_shares_lie_between_nought_and_one(texts: list[str | None]) -> None:
    measured = MeasureText()(pa.RecordBatch.from_arrays([pa.array(texts, pa.string())], ["text"]))
    for name in COLUMNS:
        if name.endswith("share") and not name.startswith("top_"):
            assert all(value is None or 0 <= value <= 1 for value in measured.column(name).to_pylist()), name


def test_a_null_text_has_no_measures_and_an_empty_one_has_no_shares() -> None:
    null, empty = MeasureText()(pa.RecordBatch.from_pydict({"text": pa.array([None, ""], pa.string())})).to_pylist()
    assert set(null.values()) == {None}
    assert empty["character_count"] == 0
    assert empty[WORD_MODE] == "whitespace"
    assert empty["digit_share"] is None
    assert empty["mean_word_length"] is None


def test_null_rows_that_own_bytes_are_measured_as_null() -> None:
    owns = pa.Array.from_buffers(
        pa.string(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(b"\0\0\0\0\x02\0\0\0\x04\0\0\0"), pa.py_buffer(b"abcd")]
    )
    measured = MeasureText()(pa.RecordBatch.from_arrays([owns], ["text"]))
    assert measured.column("byte_count").to_pylist() == [2, None]


def test_measuring_again_in_the_other_mode_replaces_the_columns() -> None:
    batch = pa.RecordBatch.from_pydict({"text": ["二号主轴，合格。"]})
    once = MeasureText(words="whitespace")(batch)
    again = MeasureText(words="script")(once)
    assert again.schema.names == once.schema.names
    assert (once.column("word_count")[0].as_py(), again.column("word_count")[0].as_py()) == (1, 8)


def test_stop_words_follow_the_language() -> None:
    batch = pa.RecordBatch.from_pydict({"text": ["the end of the 的 了"]})
    counts = {language: MeasureText(language=language)(batch).column("stop_word_count")[0].as_py() for language in ("en", "zh")}
    assert counts == {"en": 2, "zh": 2}
    assert MeasureText(words="script", language="en")(batch).column("stop_word_count")[0].as_py() == 2


def test_a_column_that_is_no_text_is_refused() -> None:
    with pytest.raises(SchemaError):
        MeasureText(column="body")(pa.RecordBatch.from_pydict({"text": ["a"]}))
    with pytest.raises(SchemaError):
        MeasureText()(pa.RecordBatch.from_pydict({"text": [1]}))


def test_warming_up_needs_no_data() -> None:
    MeasureText(column="body").warm_up()
