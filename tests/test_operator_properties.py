"""What holds for every installed operator on rows, ours or another's: the contract of `liangji.core.operator`.

An operator that is registered and cannot be loaded fails here. One that has no defaults is given the options in `OPTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liangji.core import registry
from liangji.core.operator import PARENT_ROW, OperatorKind
from liangji.core.registry import Group
from liangji.core.schema import DROP_REASON, ID, TEXT, Kind, record_schema
from liangji.engine.gathered import exchange_batches

OPTIONS: dict[str, dict[str, Any]] = {"keep": {"where": "record >= 2", "reason": "too_early"}}

BY_KIND: dict[OperatorKind, list[str]] = {kind: [] for kind in OperatorKind}
for _name in registry.names(Group.OPERATORS):
    BY_KIND[registry.load(Group.OPERATORS, _name).kind].append(_name)
EXCHANGES = BY_KIND[OperatorKind.EXCHANGE]
ON_BATCHES = [
    name
    for kind in (OperatorKind.MEASURE, OperatorKind.RULE, OperatorKind.TRANSFORM, OperatorKind.EXPAND)
    for name in BY_KIND[kind]
]
ON_ROWS = [*ON_BATCHES, *EXCHANGES]

TEXTS: tuple[str | None, ...] = (
    "清晨的阳光照在院子里，老人把昨天晒干的豆子收进竹篮。\n\n门前的两棵石榴树也浇了水。",
    "The quick brown fox jumps over the lazy dog. It did so twice, and was pleased with itself.",
    None,
    "",
    " \n\t ",
    "a",
    "臺灣的軟體工程師檢查滑鼠，機械の点検を実施しました。",
    "👩‍👩‍👧 e\u0301 \u200b\ufeff \U0002070e ﷺ",
    "联系电话 13800138000，邮箱 someone@example.com。",
    "重复的一行\n" * 30,
    "The quick brown fox jumps over the lazy dog. It did so twice, and was pleased with itself.",
    "很长的一段话，说的都是同一件事。" * 700,
    "\x00\x01 控制字符 \x7f\u2028\u2029",
)


def batch_of(texts: list[str | None], kind: pa.DataType) -> pa.RecordBatch:
    """Make a batch in the record schema; `text` is of the given kind, and rows carry what a reader would give them."""
    rows = len(texts)
    given: dict[str, list[Any]] = {
        ID: [f"{row:032x}" for row in range(rows)],
        "parents": [[] for _ in range(rows)],
        "origin": ["raw/文件.jsonl"] * rows,
        "record": list(range(rows)),
        "generated": [0] * rows,
        TEXT: texts,
    }
    schema = record_schema(Kind.PRETRAINING)
    arrays = [pa.array(given.get(field.name, [None] * rows), kind if field.name == TEXT else field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema.names)


def carrying_out(name: str) -> Callable[[pa.RecordBatch], pa.RecordBatch]:
    operator = registry.load(Group.OPERATORS, name)(**OPTIONS.get(name, {}))
    if operator.kind == OperatorKind.EXCHANGE:
        return lambda batch: exchange_batches(operator, [batch])[0]
    return operator  # type: ignore[no-any-return]  # whatever is registered


def table(*batches: pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches(batches).combine_chunks()


@pytest.fixture(scope="module")
def batch() -> pa.RecordBatch:
    return batch_of(list(TEXTS), pa.large_string())


@pytest.mark.parametrize("name", ON_ROWS)
def test_rows_are_kept_or_accounted_for(name: str, batch: pa.RecordBatch) -> None:
    result = carrying_out(name)(batch)
    result.validate(full=True)
    if name in BY_KIND[OperatorKind.EXPAND]:
        parents = result.column(PARENT_ROW).to_pylist()
        assert parents == sorted(parents)
        assert set(parents) <= set(range(batch.num_rows))
        return
    assert result.num_rows == batch.num_rows
    if name in BY_KIND[OperatorKind.RULE]:
        assert result.schema.field(DROP_REASON).type == pa.string()
    assert result.column(ID).equals(batch.column(ID))


@pytest.mark.parametrize("name", [*BY_KIND[OperatorKind.MEASURE], *BY_KIND[OperatorKind.RULE]])
def test_what_was_there_is_left_as_it_is(name: str, batch: pa.RecordBatch) -> None:
    result = carrying_out(name)(batch)
    assert result.select(batch.schema.names).equals(batch)
    assert set(result.schema.names) > set(batch.schema.names)


@pytest.mark.parametrize("name", ON_ROWS)
def test_the_same_input_gives_the_same_bytes(name: str, batch: pa.RecordBatch) -> None:
    first, second = carrying_out(name)(batch), carrying_out(name)(batch)
    assert first.serialize().to_pybytes() == second.serialize().to_pybytes()


@pytest.mark.parametrize(
    "texts", [[], [None], [""], [None, None], ["", None, ""]], ids=["no-row", "null", "empty", "nulls", "mixed"]
)
@pytest.mark.parametrize("name", ON_ROWS)
def test_no_rows_nulls_and_empty_texts_are_handled(name: str, texts: list[str | None], batch: pa.RecordBatch) -> None:
    result = carrying_out(name)(batch_of(texts, pa.large_string()))
    result.validate(full=True)
    assert result.schema == carrying_out(name)(batch).schema
    if name not in BY_KIND[OperatorKind.EXPAND]:
        assert result.num_rows == len(texts)


@pytest.mark.parametrize("name", ON_ROWS)
def test_short_and_long_strings_give_the_same(name: str, batch: pa.RecordBatch) -> None:
    of_long = carrying_out(name)(batch)
    of_short = carrying_out(name)(batch_of(list(TEXTS), pa.string()))
    assert of_short.to_pylist() == of_long.to_pylist()


@pytest.mark.parametrize("name", ON_ROWS)
def test_a_slice_is_read_like_a_copy(name: str) -> None:
    around: list[str | None] = ["前面的一行，不属于这一段。", None, *TEXTS, "后面的一行。"]
    for kind in (pa.string(), pa.large_string()):
        part = batch_of(around, kind).slice(2, len(TEXTS))
        copied = pa.RecordBatch.from_pylist(part.to_pylist(), part.schema)
        assert carrying_out(name)(part).to_pylist() == carrying_out(name)(copied).to_pylist()


@pytest.mark.parametrize("name", ON_BATCHES)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(TEXTS)))
def test_a_batch_may_be_cut_anywhere(name: str, batch: pa.RecordBatch, cut: int) -> None:
    operator = carrying_out(name)
    whole, head, tail = operator(batch), operator(batch.slice(0, cut)), operator(batch.slice(cut))
    if name in BY_KIND[OperatorKind.EXPAND]:
        index = tail.schema.get_field_index(PARENT_ROW)
        shifted = pa.array([parent + cut for parent in tail.column(index).to_pylist()], tail.schema.types[index])
        tail = tail.set_column(index, PARENT_ROW, shifted)
    assert table(head, tail).equals(table(whole))


@pytest.mark.parametrize("name", EXCHANGES)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(TEXTS)))
def test_an_exchange_decides_the_same_however_the_dataset_is_cut(name: str, batch: pa.RecordBatch, cut: int) -> None:
    operator = registry.load(Group.OPERATORS, name)(**OPTIONS.get(name, {}))
    parts = exchange_batches(operator, [batch.slice(0, cut), batch.slice(cut)])
    assert table(*parts).equals(table(*exchange_batches(operator, [batch])))
