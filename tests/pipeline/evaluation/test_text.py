"""Measures of documents as columns."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.core.errors import InputError, RecipeError, SchemaError, UsageError
from liangji.engine.recipe import parse_recipe
from liangji.pipeline.evaluation.dictionary import dictionary
from liangji.pipeline.evaluation.text import COLUMNS, WORD_MODE, MeasureText

TEXTS = st.lists(st.none() | st.text(max_size=30) | st.sampled_from(["一 二。\n" * 4, "a b, c!\n\na b, c!"]), max_size=6)


@settings(max_examples=40, deadline=None)
@given(texts=TEXTS, cut=st.integers(0, 6), wide=st.booleans(), mode=st.sampled_from(["script", "dictionary"]))
def test_a_batch_may_be_cut_anywhere(texts: list[str | None], cut: int, wide: bool, mode: Literal["script", "dictionary"]) -> None:
    operator = MeasureText(words=mode)
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


def test_words_of_a_dictionary_are_those_people_mean() -> None:
    batch = pa.RecordBatch.from_pydict({"text": ["我来到北京清华大学，学习 Python。"]})
    row = MeasureText(words="dictionary")(batch).to_pylist()[0]
    assert row["word_count"] == 8  # 我 来到 北京 清华大学 ， 学习 Python 。
    assert row["mean_word_length"] == pytest.approx((1 + 2 + 2 + 4 + 2 + 6) / 6)
    assert row[WORD_MODE] == "dictionary"


def test_the_result_hangs_on_the_word_list_only_where_it_is_used() -> None:
    assert MeasureText(words="script").fingerprint() is None
    fingerprint = MeasureText(words="dictionary").fingerprint()
    assert fingerprint is not None
    assert len(fingerprint) == 64


def test_a_missing_word_list_is_told_with_its_mend_before_the_first_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jieba", None)  # as Python marks what cannot be imported
    with pytest.raises(UsageError) as raised:
        MeasureText(words="dictionary")
    assert raised.value.mend == 'pip install "liangji[chinese]"'
    steps = "steps: [{measure_text: {words: dictionary}}]"
    with pytest.raises(RecipeError, match="optional part") as recipe:
        parse_recipe(f"dataset: d\nkind: pretraining\ninputs: [{{path: a}}]\n{steps}", "recipe.yaml", Path())
    assert recipe.value.faults[0].line == 4
    MeasureText(words="script")


def test_a_damaged_word_list_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "jieba"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "dict.txt").write_text("中国 many n\n", "utf-8")
    monkeypatch.delitem(sys.modules, "jieba", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    dictionary.cache_clear()
    with pytest.raises(InputError, match="cannot read the word list"):
        dictionary()
    dictionary.cache_clear()
