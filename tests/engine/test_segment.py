"""A failing batch is bisected until the bad rows stand alone; every row is accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangji.core.errors import LedgerError, RunError
from liangji.core.operator import PARENT_ROW, OperatorKind, apply_drops, with_decision
from liangji.core.schema import Kind, Modality, record_schema, with_column
from liangji.engine.ledger import Ledger, StepCount
from liangji.engine.plan import Link, Plan, Segment, make_plan
from liangji.engine.recipe import Input, Recipe, Step
from liangji.engine.segment import Outcome, run_segment
from liangji.engine.views import Layer, Root, View

SCHEMA = record_schema(Kind.PRETRAINING)


class FailsOn:
    """A transform that cannot bear some texts."""

    kind: ClassVar = OperatorKind.TRANSFORM
    version: ClassVar[str] = "1"
    modality: ClassVar = Modality.TEXT

    def __init__(self, bad: str = "bad") -> None:
        self.bad = bad

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if self.bad in batch.column("text").to_pylist():
            raise ValueError("cannot bear it")
        return batch


class DropsShort(FailsOn):
    kind: ClassVar = OperatorKind.RULE

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        length = pc.utf8_length(batch.column("text"))
        reason = pc.if_else(pc.less(length, 3), pa.scalar("too_short"), pa.scalar(None, pa.string()))
        return with_decision(batch, reason, length)


class Doubles(FailsOn):
    kind: ClassVar = OperatorKind.EXPAND

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        rows = [row for row in range(batch.num_rows) for _ in range(2)]
        return batch.take(pa.array(rows, pa.int64())).append_column(PARENT_ROW, pa.array(rows, pa.int64()))


class LosesRows(FailsOn):
    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.slice(1)


def batch_of(texts: list[str]) -> pa.RecordBatch:
    rows = [{"id": str(number), "origin": "a.txt", "record": number, "text": text} for number, text in enumerate(texts)]
    return pa.RecordBatch.from_pylist(rows, SCHEMA)


def run(operator: Any, *batches: pa.RecordBatch) -> Outcome:
    plan, segment = planned(operator)
    return run_over(plan, segment, *batches)


def run_over(plan: Plan, segment: Segment, *batches: pa.RecordBatch, decisions: Sequence[pa.Table] = ()) -> Outcome:
    return run_segment(plan, segment, View.whole(Root.of(batches)), decisions, Layer, "")


def rows_of(outcome: Outcome) -> list[pa.RecordBatch]:
    return [batch for _, batch in outcome.view.batches()]


def planned(operator: Any) -> tuple[Plan, Segment]:
    step = Step("test", operator, 1)
    recipe = Recipe(dataset="d", kind=Kind.PRETRAINING, inputs=[Input(path="x")], folder=Path()).model_copy(
        update={"steps": [step]}
    )
    rules, operators = ((step,), ()) if operator.kind is OperatorKind.RULE else ((), (step,))
    segment = Segment(1, (), (Link(rules, operators, "link"),), (), "identity")
    plan = make_plan(recipe.model_copy(update={"steps": []}))
    return Plan(recipe, (segment,), plan.schema, plan.dropped_schema), segment


def test_bad_rows_stand_alone_in_quarantine_and_the_rest_go_on() -> None:
    outcome = run(FailsOn(), batch_of(["one", "bad", "three", "four", "bad"]))
    assert [text for batch in rows_of(outcome) for text in batch.column("text").to_pylist()] == ["one", "three", "four"]
    assert [(row["record"], row["what"]) for row in outcome.quarantined] == [
        (1, "ValueError: cannot bear it"),
        (4, "ValueError: cannot bear it"),
    ]


@given(st.lists(st.sampled_from(["good", "bad", "no"]), max_size=40), st.integers(0, 40))
def test_every_row_is_kept_dropped_or_quarantined_however_batches_are_cut(texts: list[str], cut: int) -> None:
    batch = batch_of(texts)
    outcome = run(FailsOn(), batch.slice(0, cut), batch.slice(cut))
    assert sum(part.num_rows for part in rows_of(outcome)) == len(texts) - texts.count("bad")
    assert len(outcome.quarantined) == texts.count("bad")
    outcome = run(DropsShort(), batch)
    assert outcome.counts["1 test"].dropped == ({"too_short": texts.count("no")} if "no" in texts else {})


def test_a_dropped_row_keeps_its_reason_and_the_number_that_decided() -> None:
    outcome = run(DropsShort(), batch_of(["no", "good"]))
    (dropped,) = outcome.dropped
    assert (dropped.view.rows.tolist(), dropped.label) == ([0], "1 test")
    assert dropped.decisions.select(["drop_reason", "drop_number"]).to_pylist() == [
        {"drop_reason": "too_short", "drop_number": 2.0}
    ]


def test_what_expands_is_counted() -> None:
    outcome = run(Doubles(), batch_of(["one", "two"]))
    assert (outcome.counts["1 test"].rows_out, outcome.counts["1 test"].expanded) == (4, 2)


def test_an_operator_that_loses_rows_is_caught() -> None:
    with pytest.raises((RunError, LedgerError), match="1 rows for 2"):
        run(LosesRows(), batch_of(["one", "two"]))


class DropsEvenRows(FailsOn):
    """An exchange whose keys and decisions both may fail on a row."""

    kind: ClassVar = OperatorKind.EXCHANGE
    drops_only: ClassVar[bool] = True

    def __init__(self, bad_key: str = "", bad: str = "") -> None:
        self.bad_key, self.bad = bad_key, bad

    def keys(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if self.bad_key in batch.column("text").to_pylist():
            raise ValueError("no key")
        return pa.RecordBatch.from_pydict({"row": pa.array(range(batch.num_rows), pa.int64())})

    def apply(self, batch: pa.RecordBatch, decisions: pa.Table) -> pa.RecordBatch:
        if self.bad in batch.column("text").to_pylist():
            raise ValueError("cannot carry it out")
        return apply_drops(batch, decisions)


def drops(*rows: int) -> pa.Table:
    count = len(rows)
    values = [pa.array(rows, pa.int64()), *(pa.array([value] * count) for value in ("even", 1.0, "kept"))]
    return pa.table(values, ["row", "drop_reason", "drop_number", "drop_detail"])


def exchanging(*operators: Any) -> tuple[Plan, Segment, Segment]:
    plan, _ = planned(operators[0])
    steps = tuple(Step(f"test{number}", operator, 1) for number, operator in enumerate(operators))
    plan = Plan(plan.recipe.model_copy(update={"steps": list(steps)}), (), plan.schema, plan.dropped_schema)
    link = Link((), (), "link")
    return plan, Segment(1, (), (link,), steps, "gathers"), Segment(2, steps, (link,), (), "carries out")


def test_a_row_without_a_key_is_quarantined_and_the_ledger_closes() -> None:
    plan, gathers, carries_out = exchanging(DropsEvenRows(), DropsEvenRows(bad_key="bad"))
    before = run_over(plan, gathers, batch_of(["one", "bad", "three", "four"]))
    assert [row["record"] for row in before.quarantined] == [1]
    assert before.view.rows.tolist() == [0, 2, 3]
    after = run_segment(plan, carries_out, before.view, [drops(), drops()], Layer, "")
    counts = [[count.as_dict() for count in outcome.counts.values()] for outcome in (before, after)]
    read = StepCount("0 read", OperatorKind.READ, 4, 4).as_dict()
    ledger = Ledger.close([[read], *counts]).as_dict()
    assert (ledger["rows_in"], ledger["rows_out"], ledger["quarantined"]) == (4, 3, 1)


def test_a_decision_that_fails_on_a_row_quarantines_that_row_and_no_other_moves() -> None:
    plan, _, carries_out = exchanging(DropsEvenRows(bad="bad"), DropsEvenRows())
    batch = batch_of(["zero", "one", "bad", "three", "four", "five"])
    outcome = run_over(plan, carries_out, batch, decisions=[drops(0), drops(2, 3, 5)])
    assert [row["record"] for row in outcome.quarantined] == [2]
    assert [row for group in outcome.dropped for row in group.view.rows.tolist()] == [0, 3, 5]
    assert [record for part in rows_of(outcome) for record in part.column("record").to_pylist()] == [1, 4]


def test_decisions_may_name_their_rows_in_any_column() -> None:
    plan, _, carries_out = exchanging(DropsEvenRows(), DropsEvenRows())
    decided = drops(1).select(["drop_reason", "drop_number", "drop_detail", "row"])
    outcome = run_over(plan, carries_out, batch_of(["zero", "one", "two"]), decisions=[decided, drops(2)])
    assert [row["drop_reason"] for group in outcome.dropped for row in group.decisions.to_pylist()] == ["even", "even"]
    assert outcome.view.rows.tolist() == [0]


class NamesParents(FailsOn):
    """A transform of a column of lists."""

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        pairs = zip(batch.column("text").to_pylist(), batch.column("parents").to_pylist(), strict=True)
        parents = [["parent"] if text == "child" else given for text, given in pairs]
        return with_column(batch, "parents", pa.array(parents, batch.column("parents").type))


@pytest.mark.parametrize("order", [([0, 1], [0, 1, 2, 3]), ([2, 3], [0, 1, 2, 3])])
def test_rows_that_come_in_later_keep_lists_that_only_other_rows_changed(order: tuple[list[int], list[int]]) -> None:
    plan, segment = planned(NamesParents())
    batch = batch_of(["child", "one", "two", "three"])
    given = [["a"], ["b"], None, []]
    view = View.whole(Root.of([with_column(batch, "parents", pa.array(given, batch.column("parents").type))]))
    known = Layer("known")
    for rows in order:
        outcome = run_segment(plan, segment, view.only(np.array(rows)), (), lambda _: known, "root")  # noqa: B023 - called at once
        (known,) = outcome.view.layers
    assert len(known.parts) == len(order)
    assert [parents for part in rows_of(outcome) for parents in part.column("parents").to_pylist()] == [["parent"], ["b"], None, []]


class TakesColumnsAway(FailsOn):
    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.drop_columns(["extra"])


def test_an_operator_that_takes_columns_away_is_caught() -> None:
    with pytest.raises(RunError, match="took the columns extra away"):
        run(TakesColumnsAway(), batch_of(["one"]))
