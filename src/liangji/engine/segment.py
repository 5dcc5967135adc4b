"""What happens to the batches of one shard in one segment: decisions, operators, bisecting of what fails, counting. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from liangji.core.errors import LiangjiError, RunError, SchemaError
from liangji.core.operator import PARENT_ROW, OperatorKind
from liangji.core.reading import Fault
from liangji.core.schema import DECISION, DROP_REASON, ID, ORIGIN, RECORD, with_column
from liangji.engine.ledger import StepCount
from liangji.engine.plan import DROP_STEP, QUARANTINE, Plan, Segment
from liangji.engine.recipe import Step

_CONTENT_LIMIT = 64 << 10  # bytes of a failing row that are kept with its error


@dataclass(slots=True)
class Outcome:
    """What became of the rows of one shard in one segment."""

    kept: list[pa.RecordBatch] = field(default_factory=list)
    keys: list[list[pa.RecordBatch]] = field(default_factory=list)  # for each gathering exchange, with `row` counted over the shard
    dropped: list[pa.RecordBatch] = field(default_factory=list)
    quarantined: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, StepCount] = field(default_factory=dict)

    def count(self, label: str, kind: str) -> StepCount:
        return self.counts.setdefault(label, StepCount(label, kind))


@dataclass(frozen=True, slots=True)
class Decided:
    """The decisions of one exchange on one batch; `row` is the position in the batch."""

    step: Step
    decisions: pa.Table


def run_segment(plan: Plan, segment: Segment, batches: Iterable[tuple[pa.RecordBatch, Sequence[Decided]]]) -> Outcome:
    """Take the batches of one shard, with what was decided on each, through a segment."""
    outcome = Outcome(keys=[[] for _ in segment.gathers])
    rows = 0
    for step in (*segment.decided, *segment.operators):
        outcome.count(plan.step_label(step), step.operator.kind)
    for batch, decided in batches:
        result = _carry_out(plan, batch, decided, outcome)
        for step in segment.operators:
            result = _run_operator(plan, step, result, outcome)
        for part, keys in _gather(plan, segment, result, outcome):
            for gathered, key in zip(outcome.keys, keys, strict=True):
                gathered.append(with_column(key, "row", pc.add(key.column("row"), rows)))
            rows += part.num_rows
            if part.num_rows:
                outcome.kept.append(part)
    for count in outcome.counts.values():
        count.check()
    return outcome


def _carry_out(plan: Plan, batch: pa.RecordBatch, decided: Sequence[Decided], outcome: Outcome) -> pa.RecordBatch:
    """Apply exchanges that decided on the same rows one after the other; a later one still counts rows as they were before the first."""
    remaining = np.arange(batch.num_rows)
    for item in decided:
        decisions = _renumbered(item.decisions, remaining)

        def apply(part: pa.RecordBatch, start: int, step: Step = item.step, decisions: pa.Table = decisions) -> pa.RecordBatch:
            return step.operator.apply(part, _renumbered(decisions, np.arange(start, start + part.num_rows)))

        label = plan.step_label(item.step)
        count = outcome.count(label, item.step.operator.kind)
        count.rows_in += batch.num_rows
        results, left = [], []
        for start, part, after in _surviving(batch, apply, label, count, outcome):
            _check_rows(label, part, after)
            result, kept = _split(plan, after, label, count, outcome)
            results.append(result)
            left.append(remaining[start : start + part.num_rows][kept])
        batch, remaining = _joined(results), np.concatenate(left)
        count.rows_out += batch.num_rows
    return batch


def _renumbered(decisions: pa.Table, rows: NDArray[np.int64]) -> pa.Table:
    """Take the decisions on some rows, given in ascending order, and let `row` count among these."""
    decided = decisions["row"].to_numpy()
    position = np.searchsorted(rows, decided)
    is_there = np.isin(decided, rows, assume_unique=True)
    local = pa.array(position[is_there], pa.int64())
    return decisions.filter(pa.array(is_there)).set_column(decisions.schema.get_field_index("row"), "row", local)


def _run_operator(plan: Plan, step: Step, batch: pa.RecordBatch, outcome: Outcome) -> pa.RecordBatch:
    label = plan.step_label(step)
    count = outcome.count(label, step.operator.kind)
    count.rows_in += batch.num_rows
    results = []
    for _, part, result in _surviving(batch, lambda part, _: step.operator(part), label, count, outcome):
        results.append(_checked(plan, step, label, part, result, count, outcome))
    batch = _joined(results)
    count.rows_out += batch.num_rows
    return batch


def _surviving(
    batch: pa.RecordBatch,
    call: Callable[[pa.RecordBatch, int], Any],
    label: str,
    count: StepCount,
    outcome: Outcome,
    start: int = 0,
) -> list[tuple[int, pa.RecordBatch, Any]]:
    """Call on a batch; where that fails, halve it until the bad rows stand alone in quarantine. Always gives at least one part.

    `call` is told where its part starts; so is the caller, with each part and what came of it.
    """
    try:
        return [(start, batch, call(batch, start))]
    except (MemoryError, SchemaError):  # a wrong schema is a fault of the recipe, not of a row
        raise
    except Exception as error:  # the outermost loop of operators: whatever a row makes them raise is recorded and counted
        if batch.num_rows <= 1:
            if batch.num_rows == 0:
                raise RunError(f"step '{label}' fails on an empty batch: {error}", "", "report this operator") from error
            outcome.quarantined.append(_quarantine_row(batch, label, error))
            count.quarantined += 1
            empty = batch.slice(0, 0)
            return [(start, empty, call(empty, start))]
    middle = batch.num_rows // 2
    halves = ((batch.slice(0, middle), start), (batch.slice(middle), start + middle))
    return [found for half, begins in halves for found in _surviving(half, call, label, count, outcome, begins)]


def _checked(
    plan: Plan, step: Step, label: str, before: pa.RecordBatch, after: pa.RecordBatch, count: StepCount, outcome: Outcome
) -> pa.RecordBatch:
    """Hold an operator to its kind's contract, and take dropped rows out."""
    if step.operator.kind is OperatorKind.EXPAND:
        parents = after.column(PARENT_ROW).to_numpy()
        if len(parents) and (np.any(np.diff(parents) < 0) or parents[0] < 0 or parents[-1] >= before.num_rows):
            raise RunError(f"step '{label}' names parents that are not its rows, or not in order", "", "report this operator")
        count.expanded += after.num_rows - before.num_rows
        return after.drop_columns([PARENT_ROW])
    _check_rows(label, before, after)
    missing = [name for name in before.schema.names if name not in after.schema.names]
    if missing:
        raise RunError(f"step '{label}' took the columns {', '.join(missing)} away", "", "report this operator")
    if step.operator.kind is OperatorKind.RULE:
        return _split(plan, after, label, count, outcome)[0]
    return after


def _check_rows(label: str, before: pa.RecordBatch, after: pa.RecordBatch) -> None:
    if after.num_rows != before.num_rows:
        raise RunError(f"step '{label}' gave {after.num_rows} rows for {before.num_rows}", "", "report this operator")


def _split(
    plan: Plan, batch: pa.RecordBatch, label: str, count: StepCount, outcome: Outcome
) -> tuple[pa.RecordBatch, NDArray[np.bool_]]:
    """Part a decided batch into kept rows and dropped ones; gives the kept rows and which they were."""
    if batch.schema.get_field_index(DROP_REASON) < 0:
        return batch, np.ones(batch.num_rows, np.bool_)
    is_kept = batch.column(DROP_REASON).is_null()
    if plan.recipe.restore:
        is_kept = pc.or_(is_kept, pc.is_in(batch.column(ID), pa.array(plan.recipe.restore, pa.string())))
    if is_kept.false_count:
        gone = batch.filter(pc.invert(is_kept))
        for item in gone.column(DROP_REASON).value_counts().to_pylist():
            count.dropped[item["values"]] = count.dropped.get(item["values"], 0) + item["counts"]
        gone = gone.append_column(DROP_STEP, pa.repeat(pa.scalar(label), gone.num_rows))
        outcome.dropped.append(conform(gone, plan.dropped_schema))
        batch = batch.filter(is_kept)
    kept = batch.drop_columns([field.name for field in DECISION if field.name in batch.schema.names])
    return kept, np.asarray(is_kept.to_numpy(zero_copy_only=False), np.bool_)


def _gather(
    plan: Plan, segment: Segment, batch: pa.RecordBatch, outcome: Outcome
) -> list[tuple[pa.RecordBatch, list[pa.RecordBatch]]]:
    """Compute the keys of the exchanges that follow, part by part; rows on which that fails leave here."""
    keys = []
    for position, step in enumerate(segment.gathers):
        label = plan.step_label(step)
        count = outcome.count(label, step.operator.kind)

        def keys_of(part: pa.RecordBatch, _start: int, step: Step = step) -> pa.RecordBatch:
            return step.operator.keys(part)

        parts = _surviving(batch, keys_of, label, count, outcome)
        lost = batch.num_rows - sum(part.num_rows for _, part, _ in parts)
        count.rows_in += lost  # the rest is counted when the decisions are carried out
        for earlier in segment.gathers[:position]:
            passed = outcome.count(plan.step_label(earlier), earlier.operator.kind)
            passed.rows_in += lost
            passed.rows_out += lost
        if lost or len(parts) > 1:
            return [found for _, part, _ in parts for found in _gather(plan, segment, part, outcome)]
        keys.append(parts[0][2])
    return [(batch, keys)]


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    return pa.concat_batches([batch for batch in batches if batch.num_rows] or batches[:1])


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Bring a batch into a schema: columns in its order, missing ones null, others left out."""
    columns = []
    for item in schema:
        index = batch.schema.get_field_index(item.name)
        column = pa.nulls(batch.num_rows, item.type) if index < 0 else batch.column(index)
        columns.append(column if column.type == item.type else column.cast(item.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _quarantine_row(row: pa.RecordBatch, label: str, error: Exception) -> dict[str, Any]:
    ours = isinstance(error, LiangjiError)
    values = row.to_pylist()[0]
    return {
        "id": values.get(ID),
        ORIGIN: values.get(ORIGIN),
        RECORD: values.get(RECORD, -1),
        "line": -1,
        "step": label,
        "error_code": error.code if isinstance(error, LiangjiError) else type(error).__name__,
        "what": error.what if isinstance(error, LiangjiError) else f"{type(error).__name__}: {error}",
        "mend": error.mend if isinstance(error, LiangjiError) else "look at the row, mend it at its source or report the operator",
        "content": orjson.dumps(values, default=str, option=orjson.OPT_NON_STR_KEYS)[: None if ours else _CONTENT_LIMIT],
    }


def quarantine_fault(fault: Fault) -> dict[str, Any]:
    """Turn what could not be read into a row of the quarantine table."""
    return {
        "id": None,
        ORIGIN: fault.origin,
        RECORD: fault.record,
        "line": fault.line,
        "step": "0 read",
        "error_code": fault.code,
        "what": fault.what,
        "mend": fault.mend,
        "content": fault.content[:_CONTENT_LIMIT],
    }


def quarantine_batches(rows: list[dict[str, Any]]) -> list[pa.RecordBatch]:
    return pa.Table.from_pylist(rows, QUARANTINE).to_batches() if rows else []
