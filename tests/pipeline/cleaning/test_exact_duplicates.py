from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from liangji.core.errors import SchemaError
from liangji.engine.gathered import GatheredKeys, exchange_batches
from liangji.pipeline.cleaning.exact_duplicates import DropExactDuplicates


def kept_instead(
    operator: DropExactDuplicates, texts: list[str | None], cut: int = 0, kind: pa.DataType = None
) -> list[str | None]:
    ids = [f"id{number}" for number in range(len(texts))]
    batch = pa.RecordBatch.from_pydict({"id": pa.array(ids, pa.string()), "text": pa.array(texts, kind or pa.large_string())})
    table = pa.Table.from_batches(exchange_batches(operator, [batch.slice(0, cut), batch.slice(cut)]))
    for reason, number, detail in zip(
        *(table[name].to_pylist() for name in ("drop_reason", "drop_number", "drop_detail")), strict=True
    ):
        assert (reason, number) == (("exact_duplicate", 1.0) if detail else (None, None))
    details: list[str | None] = table["drop_detail"].to_pylist()
    return details


@settings(max_examples=15, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text("ab天", max_size=2)), max_size=12), st.data())
def test_the_first_of_equal_texts_is_kept(texts: list[str | None], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(texts)))
    expected: list[str | None] = []
    for number, text in enumerate(texts):
        first = texts.index(text)
        expected.append(f"id{first}" if text is not None and first < number else None)
    assert kept_instead(DropExactDuplicates(), texts, cut) == expected


TEXTS: list[str | None] = [
    "Quality 质量",
    "quality质量",
    "Quality\n质　量",
    "ＱＵＡＬＩＴＹ 质量",
    "quality, 质量",
    None,
    None,
    "",
    " \n",
]


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (DropExactDuplicates(), [None] * 9),
        (DropExactDuplicates(ignore="whitespace"), [None, None, "id0", None, None, None, None, None, "id7"]),
        (DropExactDuplicates(ignore="case_and_whitespace"), [None, "id0", "id0", "id0", None, None, None, None, "id7"]),
    ],
)
def test_what_is_ignored_does_not_tell_texts_apart(operator: DropExactDuplicates, expected: list[str | None]) -> None:
    assert kept_instead(operator, TEXTS) == expected
    assert kept_instead(operator, TEXTS, 3, pa.string()) == expected


def test_a_missing_id_is_told_before_anything_is_gathered() -> None:
    with pytest.raises(SchemaError, match="no column 'id'"):
        DropExactDuplicates().keys(pa.RecordBatch.from_pydict({"text": ["a"]}))


def test_what_an_earlier_version_has_is_dropped_for_its_record() -> None:
    earlier = [
        pa.RecordBatch.from_pydict({"id": ["old0", "old1"], "text": ["一", "二"]}),
        pa.RecordBatch.from_pydict({"id": ["old2"], "text": ["一"]}),
    ]
    batch = pa.RecordBatch.from_pydict({"id": ["a", "b", "c", "d"], "text": ["三", "二", "三", "一"]})
    (result,) = exchange_batches(DropExactDuplicates(), [batch], references=earlier)
    assert result["drop_detail"].to_pylist() == [None, "old1", "a", "old0"]


def test_no_decision_is_given_on_rows_of_earlier_versions(tmp_path: Path) -> None:
    operator = DropExactDuplicates()
    batch = pa.RecordBatch.from_pydict({"id": ["old0", "old1", "a"], "text": ["一", "一", "一"]})

    def take(rows: NDArray[np.int64], columns: list[str]) -> pa.Table:
        return pa.Table.from_batches([batch]).select(columns).take(pa.array(rows + 2))

    with GatheredKeys(
        [(lambda _names: [operator.keys(batch)], -2)],
        rows=1,
        reference_rows=2,
        take=take,
        memory_bytes=1 << 20,
        threads=1,
        scratch=tmp_path,
    ) as gathered:
        decisions = operator.prepare(gathered)
    assert decisions.select(["row", "drop_detail"]).to_pylist() == [{"row": 0, "drop_detail": "old0"}]


@pytest.mark.parametrize("memory_bytes", [1, 256 << 20])
def test_decisions_depend_on_neither_memory_nor_threads(memory_bytes: int) -> None:
    texts = [str(number * number % 30_011) for number in range(60_000)]
    batch = pa.RecordBatch.from_pydict({"id": [f"id{number}" for number in range(len(texts))], "text": texts})
    (result,) = exchange_batches(DropExactDuplicates(), [batch], memory_bytes=memory_bytes, threads=2)
    first: dict[str, int] = {}
    expected = [f"id{first[text]}" if first.setdefault(text, number) < number else None for number, text in enumerate(texts)]
    assert result["drop_detail"].to_pylist() == expected
