"""What happens to the rows of one shard in one segment: decisions, operators, bisecting of what fails, counting. Pure.

Decisions look at the columns they read and take rows out of the view; operators lay a layer over the rows that are in, as far as a
layer that is remembered from an earlier run does not know these rows already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from liangji.core.digest import DIGEST_BYTES, canonical_hash, row_digests
from liangji.core.errors import LiangjiError, RunError, SchemaError
from liangji.core.operator import PARENT_ROW, OperatorKind
from liangji.core.reading import Fault
from liangji.core.schema import DECISION, DROP_REASON, ID, ORIGIN, RECORD, record_schema
from liangji.engine.ledger import StepCount
from liangji.engine.plan import QUARANTINE, READ_STEP, Link, Plan, Segment
from liangji.engine.recipe import Step
from liangji.engine.views import OPERATOR, ROW, Layer, Part, Root, Rows, View, changed_values, is_plain, same_values

DIGEST = "digest"  # column of the layer of record digests

_CONTENT_LIMIT = 64 << 10  # bytes of a failing row that are kept with its error
_FAILED = pa.schema([pa.field(ROW, pa.int64()), pa.field(OPERATOR, pa.int64()), *QUARANTINE])

Remembered = Callable[[str], Layer]  # name of a layer → what earlier runs know of it


@dataclass(frozen=True, slots=True)
class Dropped:
    """Rows that one step took out: where they can be read as they were, and why."""

    view: View
    label: str
    decisions: pa.RecordBatch  # the columns of DECISION


@dataclass(slots=True)
class Outcome:
    """What became of the rows of one shard in one segment."""

    view: View  # the rows that are in at its end
    lineage: str = ""  # names the root, where other runs know it too
    at_hand: list[tuple[Rows, pa.RecordBatch]] | None = None  # what `view.batches()` would give, where it was just made
    keys: list[Layer] = field(default_factory=list)  # for each gathering exchange
    records: list[pa.RecordBatch] | None = None  # the rows with all their columns, in the final segment
    digests: Layer = field(default_factory=Layer)  # of these records
    dropped: list[Dropped] = field(default_factory=list)
    quarantined: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, StepCount] = field(default_factory=dict)

    def count(self, label: str, kind: str) -> StepCount:
        return self.counts.setdefault(label, StepCount(label, kind))


def make_root(plan: Plan, link: Link, batches: Iterable[pa.RecordBatch]) -> Outcome:
    """Take the batches of one shard of an input through the first operators: what comes of them is the root."""
    outcome = Outcome(View.whole(Root.of([])))
    for step in link.operators:
        outcome.count(plan.step_label(step), step.operator.kind)
    outcome.view = View.whole(Root.of(list(_expanded(plan, link, batches, outcome))))
    return outcome


def run_segment(
    plan: Plan, segment: Segment, view: View, decisions: Sequence[pa.Table], remembered: Remembered, lineage: str
) -> Outcome:
    """Take the rows of one shard through a segment, in the first one from the root on.

    `decisions` are those of the exchanges that the segment carries out; `row` is the position among the rows of the view.
    `lineage` names the root: layers over it are remembered under it.
    """
    outcome = Outcome(view, lineage)
    links = segment.links[1:] if segment.index == 0 else segment.links
    for step in (*segment.decided, *(step for link in links for step in (*link.rules, *link.operators))):
        outcome.count(plan.step_label(step), step.operator.kind)
    start = view.rows
    for step, table in zip(segment.decided, decisions, strict=True):
        _carry_out(plan, step, _numbered(table, start[table[ROW].to_numpy()]), outcome)
    for link in links:
        for step in link.rules:
            _decide(plan, step, partial(_ruled, step), outcome)
        if link.expands:
            given = (batch for _, batch in outcome.view.batches())
            outcome.view, outcome.lineage = View.whole(Root.of(list(_expanded(plan, link, given, outcome)))), ""
            outcome.at_hand = None
        elif link.operators:
            _lay(plan, link, outcome, remembered)
    _gather(plan, segment, outcome, remembered)
    if segment.is_final:
        batches = list(outcome.view.batches()) if outcome.at_hand is None else outcome.at_hand
        outcome.records = [batch for _, batch in batches]
        outcome.digests = _digested(plan, segment, outcome, batches, remembered)
    for count in outcome.counts.values():
        count.check()
    return outcome


def _known(outcome: Outcome, remembered: Remembered, *identity: object) -> Layer:
    """Give what earlier runs know of a layer: nothing, where only this run knows the root."""
    return remembered(canonical_hash(["layer", outcome.lineage, *identity])) if outcome.lineage else Layer()


def _carry_out(plan: Plan, step: Step, decisions: pa.Table, outcome: Outcome) -> None:
    """Apply what an exchange decided; `row` is the root row. One that changes columns gives a root of its own."""

    def apply(batch: pa.RecordBatch, rows: Rows) -> pa.RecordBatch:
        return step.operator.apply(batch, _among(decisions, rows))

    if step.operator.drops_only:
        _decide(plan, step, apply, outcome)
        return
    label = plan.step_label(step)
    count = outcome.count(label, step.operator.kind)
    count.rows_in += len(outcome.view.rows)
    after = []
    for rows, batch in outcome.view.batches():
        for _, part, result in _surviving(batch, _on(rows, apply), label, count, outcome, _same_row(batch)):
            _check_rows(label, part, result)
            after.append(result)
    names = {column.name for column in DECISION}
    view = View.whole(Root.of([batch.select([name for name in batch.schema.names if name not in names]) for batch in after]))
    outcome.lineage, outcome.at_hand = "", None  # these rows have other columns than the root that other runs know
    outcome.view = view.only(_kept(plan, view.rows, after, label, count, view, outcome))
    count.rows_out += len(outcome.view.rows)


def _decide(plan: Plan, step: Step, call: Callable[[pa.RecordBatch, Rows], pa.RecordBatch], outcome: Outcome) -> None:
    """Let a rule, or an exchange that only drops, take rows out of the view, from no more columns than it reads."""
    view, label = outcome.view, plan.step_label(step)
    count = outcome.count(label, step.operator.kind)
    count.rows_in += len(view.rows)
    reads = getattr(step.operator, "reads", None)
    left, after = [], []
    for rows, batch in view.batches(None if reads is None else (ID, *reads)):
        for start, part, result in _surviving(batch, _on(rows, call), label, count, outcome, _whole_row(view, rows)):
            _check_rows(label, part, result)
            left.append(rows[start : start + part.num_rows])
            after.append(result)
    rows = np.concatenate(left) if left else view.rows[:0]
    outcome.view, outcome.at_hand = view.only(_kept(plan, rows, after, label, count, view, outcome)), None
    count.rows_out += len(outcome.view.rows)


def _ruled(step: Step, batch: pa.RecordBatch, _rows: Rows) -> pa.RecordBatch:
    result: pa.RecordBatch = step.operator(batch)
    return result


def _among(decisions: pa.Table, rows: Rows) -> pa.Table:
    """Take the decisions on some root rows, given in ascending order, and let `row` count among these."""
    decided = decisions[ROW].to_numpy()
    is_there = np.isin(decided, rows, assume_unique=True)
    return _numbered(decisions.filter(pa.array(is_there)), np.searchsorted(rows, decided[is_there]))


def _numbered(decisions: pa.Table, rows: Rows) -> pa.Table:
    return decisions.set_column(decisions.schema.get_field_index(ROW), ROW, pa.array(rows, pa.int64()))


def _kept(
    plan: Plan, rows: Rows, batches: Sequence[pa.RecordBatch], label: str, count: StepCount, view: View, outcome: Outcome
) -> Rows:
    """Part decided batches, which hold these rows, into kept and dropped ones; gives the kept rows."""
    decided = [name for name in (column.name for column in DECISION) if batches and name in batches[0].schema.names]
    if DROP_REASON not in decided:
        return rows
    table = pa.Table.from_batches([batch.select([ID, *decided]) for batch in batches])
    is_kept = table[DROP_REASON].is_null()
    if plan.recipe.restore:
        is_kept = pc.or_(is_kept, pc.is_in(table[ID], pa.array(plan.recipe.restore, pa.string())))
    mask = np.asarray(is_kept.to_numpy(), np.bool_)
    if mask.all():
        return rows
    gone = table.filter(pc.invert(is_kept))
    for item in gone[DROP_REASON].value_counts().to_pylist():
        count.dropped[item["values"]] = count.dropped.get(item["values"], 0) + item["counts"]
    decisions = pa.RecordBatch.from_arrays([_as_array(gone, column) for column in DECISION], schema=pa.schema(DECISION))
    outcome.dropped.append(Dropped(view.only(rows[~mask]), label, decisions))
    return rows[mask]


def _as_array(table: pa.Table, column: pa.Field) -> pa.Array:
    if column.name not in table.column_names:
        return pa.nulls(table.num_rows, column.type)
    return table[column.name].cast(column.type).combine_chunks()


def _lay(plan: Plan, link: Link, outcome: Outcome, remembered: Remembered) -> None:
    """Lay what the operators of a link make of the rows over the view; rows on which one fails leave it."""
    view, layer = outcome.view, _known(outcome, remembered, link.identity, len(link.operators))
    missing = layer.missing(view.rows)
    outcome.at_hand = None
    if len(missing) or not layer.parts:
        part, made = _made(plan, link.operators, view.only(missing))
        layer = layer.with_part(part)
        if len(missing) == len(view.rows):
            outcome.at_hand = made
    left = _enter(plan, link.operators, layer, view.rows, outcome)
    outcome.view = View(view.root, left, (*view.layers, layer))


def _enter(plan: Plan, steps: Sequence[Step], layer: Layer, rows: Rows, outcome: Outcome) -> Rows:
    """Count the rows that go through the operators of a layer, and quarantine those that do not; gives the rows that do."""
    failures = layer.failures(rows)
    failed = np.zeros(0, np.int64) if failures is None else failures[OPERATOR].to_numpy()
    for position, step in enumerate(steps):
        count = outcome.count(plan.step_label(step), step.operator.kind)
        count.rows_in += len(rows) - int((failed < position).sum())
        count.rows_out += len(rows) - int((failed <= position).sum())
        count.quarantined += int((failed == position).sum())
    if failures is None:
        return rows
    for row in failures.select(QUARANTINE.names).to_pylist():
        outcome.quarantined.append(row)
    for row, operator in zip(outcome.quarantined[-failures.num_rows :], failed, strict=True):
        row["step"] = plan.step_label(steps[operator])
    return rows[~np.isin(rows, failures[ROW].to_numpy())]


def _made(plan: Plan, steps: Sequence[Step], view: View) -> tuple[Part, list[tuple[Rows, pa.RecordBatch]]]:
    """Run operators that keep the number of rows over a view; gives what they added and changed, and the rows as they are now."""
    scrap = Outcome(view)
    before, after, left = [], [], []
    for rows, batch in view.batches():
        parts = [(rows, batch, batch)]
        for position, step in enumerate(steps):
            parts = [
                (rows[start : start + part.num_rows], given.slice(start, part.num_rows), result)
                for rows, given, current in parts
                for start, part, result in _operated(plan, step, current, rows, position, scrap)
            ]
        for places, given, result in parts:
            if result.num_rows:
                left.append(places)
                before.append(given)
                after.append(result)
    failed = pa.Table.from_pylist(scrap.quarantined, _FAILED).sort_by(ROW) if scrap.quarantined else None
    rows = np.concatenate(left) if left else view.rows[:0]
    return _difference(view.rows, rows, before, after, failed), list(zip(left, after, strict=True))


def _operated(
    plan: Plan, step: Step, batch: pa.RecordBatch, rows: Rows, position: int, outcome: Outcome
) -> Iterator[tuple[int, pa.RecordBatch, pa.RecordBatch]]:
    """Run one operator of a link on a batch; what fails is taken down with its root row and the operator's position."""
    label = plan.step_label(step)
    failed = len(outcome.quarantined)
    count = outcome.count(label, step.operator.kind)
    for start, part, result in _surviving(
        batch, lambda part, _: step.operator(part), label, count, outcome, _same_row(batch), True
    ):
        _check(label, part, result)
        yield start, part, result
    for row in outcome.quarantined[failed:]:
        row[ROW], row[OPERATOR] = int(rows[row.pop("position")]), position


def _difference(
    attempted: Rows, rows: Rows, before: Sequence[pa.RecordBatch], after: Sequence[pa.RecordBatch], failed: pa.Table | None
) -> Part:
    """Take down what operators added to these rows and what they changed."""
    added, changes = {ROW: pa.chunked_array([pa.array(rows, pa.int64())])}, {}
    for name in after[0].schema.names if after else ():
        new = [batch.column(name) for batch in after]
        old = [batch.column(name) for batch in before] if name in before[0].schema.names else None
        if old is None or old[0].type != new[0].type:
            added[name] = pa.chunked_array(new)
            continue
        found = []
        base = 0
        for one, other in zip(old, new, strict=True):
            if not same_values(one, other):
                given = rows[base : base + len(one)]
                places, values = changed_values(given, one, other) if is_plain(other.type) else (given, other)
                found.append(pa.table({ROW: places, name: values}))
            base += len(one)
        if any(table.num_rows for table in found):
            table = pa.concat_tables(found)
            changes[name] = lambda table=table: table
    return Part(attempted, pa.table(added), changes, failed)


def _expanded(plan: Plan, link: Link, batches: Iterable[pa.RecordBatch], outcome: Outcome) -> Iterator[pa.RecordBatch]:
    """Run operators of any kind over batches, counting as they go."""
    for batch in batches:
        result = batch
        for step in link.operators:
            result = _run_operator(plan, step, result, outcome)
        if result.num_rows:
            yield result


def _run_operator(plan: Plan, step: Step, batch: pa.RecordBatch, outcome: Outcome) -> pa.RecordBatch:
    label = plan.step_label(step)
    count = outcome.count(label, step.operator.kind)
    count.rows_in += batch.num_rows
    results = []
    for _, part, result in _surviving(batch, lambda part, _: step.operator(part), label, count, outcome, _same_row(batch)):
        if step.operator.kind is OperatorKind.EXPAND:
            parents = result.column(PARENT_ROW).to_numpy()
            if len(parents) and (np.any(np.diff(parents) < 0) or parents[0] < 0 or parents[-1] >= part.num_rows):
                raise RunError(f"step '{label}' names parents that are not its rows, or not in order", "", "report this operator")
            count.expanded += result.num_rows - part.num_rows
            results.append(result.drop_columns([PARENT_ROW]))
        else:
            _check(label, part, result)
            results.append(result)
    batch = _joined(results)
    count.rows_out += batch.num_rows
    return batch


def _surviving(
    batch: pa.RecordBatch,
    call: Callable[[pa.RecordBatch, int], Any],
    label: str,
    count: StepCount,
    outcome: Outcome,
    whole: Callable[[int], pa.RecordBatch],
    tells_position: bool = False,
    start: int = 0,
) -> list[tuple[int, pa.RecordBatch, Any]]:
    """Call on a batch; where that fails, halve it until the bad rows stand alone in quarantine. Always gives at least one part.

    `call` is told where its part starts; so is the caller, with each part and what came of it. `whole` gives the row at a position
    with all its columns.
    """
    try:
        return [(start, batch, call(batch, start))]
    except (MemoryError, SchemaError):  # a wrong schema is a fault of the recipe, not of a row
        raise
    except Exception as error:  # the outermost loop of operators: whatever a row makes them raise is recorded and counted
        if batch.num_rows <= 1:
            if batch.num_rows == 0:
                raise RunError(f"step '{label}' fails on an empty batch: {error}", "", "report this operator") from error
            row = _quarantine_row(whole(start), label, error)
            outcome.quarantined.append(row | {"position": start} if tells_position else row)
            count.quarantined += 1
            empty = batch.slice(0, 0)
            return [(start, empty, call(empty, start))]
    middle = batch.num_rows // 2
    halves = ((batch.slice(0, middle), start), (batch.slice(middle), start + middle))
    return [
        found for half, begins in halves for found in _surviving(half, call, label, count, outcome, whole, tells_position, begins)
    ]


def _on(rows: Rows, call: Callable[[pa.RecordBatch, Rows], Any]) -> Callable[[pa.RecordBatch, int], Any]:
    """Let a call that wants the root rows of its part be told where the part starts."""
    return lambda part, start: call(part, rows[start : start + part.num_rows])


def _same_row(batch: pa.RecordBatch) -> Callable[[int], pa.RecordBatch]:
    return lambda position: batch.slice(position, 1)


def _whole_row(view: View, rows: Rows) -> Callable[[int], pa.RecordBatch]:
    """Fetch single rows of a batch that has a part of the columns only."""
    return lambda position: next(view.only(rows[position : position + 1]).batches())[1]


def _check(label: str, before: pa.RecordBatch, after: pa.RecordBatch) -> None:
    """Hold an operator to its kind's contract."""
    _check_rows(label, before, after)
    missing = [name for name in before.schema.names if name not in after.schema.names]
    if missing:
        raise RunError(f"step '{label}' took the columns {', '.join(missing)} away", "", "report this operator")


def _check_rows(label: str, before: pa.RecordBatch, after: pa.RecordBatch) -> None:
    if after.num_rows != before.num_rows:
        raise RunError(f"step '{label}' gave {after.num_rows} rows for {before.num_rows}", "", "report this operator")


def _gather(plan: Plan, segment: Segment, outcome: Outcome, remembered: Remembered) -> None:
    """Compute the keys of the exchanges that follow; rows on which that fails leave here."""
    for position, step in enumerate(segment.gathers):
        identity = step.key_identity if outcome.lineage else None
        layer = _known(outcome, remembered, segment.links[-1].identity, "keys", identity)
        rows = outcome.view.rows
        missing = layer.missing(rows)
        if len(missing) or not layer.parts:
            layer = layer.with_part(_keys(plan, step, outcome.view.only(missing)))
        outcome.keys.append(layer)
        failures = layer.failures(rows)
        if failures is None:
            continue
        lost = failures.num_rows
        count = outcome.count(plan.step_label(step), step.operator.kind)
        count.rows_in += lost  # the rest is counted when the decisions are carried out
        count.quarantined += lost
        for earlier in segment.gathers[:position]:
            passed = outcome.count(plan.step_label(earlier), earlier.operator.kind)
            passed.rows_in += lost
            passed.rows_out += lost
        outcome.quarantined += [row | {"step": plan.step_label(step)} for row in failures.select(QUARANTINE.names).to_pylist()]
        outcome.view = outcome.view.only(rows[~np.isin(rows, failures[ROW].to_numpy())])


def _keys(plan: Plan, step: Step, view: View) -> Part:
    """Compute the keys of one exchange over a view; `row` is the root row."""
    scrap = Outcome(view)
    label = plan.step_label(step)
    tables = []
    reads = getattr(step.operator, "key_columns", None)
    for rows, batch in view.batches(None if reads is None else (ID, *reads)):
        failed = len(scrap.quarantined)
        count = scrap.count(label, step.operator.kind)
        for start, _, keys in _surviving(
            batch, lambda part, _: step.operator.keys(part), label, count, scrap, _whole_row(view, rows), True
        ):
            places = rows[start + keys.column(ROW).to_numpy()]
            tables.append(pa.Table.from_batches([keys.set_column(keys.schema.get_field_index(ROW), ROW, pa.array(places))]))
        for row in scrap.quarantined[failed:]:
            row[ROW], row[OPERATOR] = int(rows[row.pop("position")]), 0
    failures = pa.Table.from_pylist(scrap.quarantined, _FAILED).sort_by(ROW) if scrap.quarantined else None
    keys = pa.concat_tables(tables) if tables else pa.table({ROW: pa.array([], pa.int64())})
    return Part(view.rows, keys.select([ROW, *(name for name in keys.column_names if name != ROW)]), {}, failures)


def _digested(
    plan: Plan, segment: Segment, outcome: Outcome, batches: Sequence[tuple[Rows, pa.RecordBatch]], remembered: Remembered
) -> Layer:
    """Digest the records that are in; a version is named by them."""
    layer = _known(outcome, remembered, segment.links[-1].identity, DIGEST)
    missing = layer.missing(outcome.view.rows)
    if not len(missing) and layer.parts:
        return layer
    schema = record_schema(plan.recipe.kind, plan.recipe.modality)
    found = []
    for rows, batch in batches:
        is_missing = np.isin(rows, missing, assume_unique=True)
        found.append(row_digests(batch if is_missing.all() else batch.filter(pa.array(is_missing)), schema))
    digests = pa.FixedSizeBinaryArray.from_buffers(pa.binary(DIGEST_BYTES), len(missing), [None, pa.py_buffer(b"".join(found))])
    return layer.with_part(Part(missing, pa.table({ROW: missing, DIGEST: digests})))


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
        "step": READ_STEP,
        "error_code": fault.code,
        "what": fault.what,
        "mend": fault.mend,
        "content": fault.content[:_CONTENT_LIMIT],
    }


def quarantine_batches(rows: list[dict[str, Any]]) -> list[pa.RecordBatch]:
    return pa.Table.from_pylist(rows, QUARANTINE).to_batches() if rows else []
