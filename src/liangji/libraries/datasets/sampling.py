"""Look at some of what a recipe would read: a bounded, deterministic sample of its inputs, taken through its own map steps.

What is read: the bytes asked for are divided fairly over the entries of `inputs` (a small entry is read whole, what it leaves goes
to the others); in an entry that is larger than its part, stretches lie at even distances over all its files in canonical order. A
file is read from its start, because readers cannot begin in the middle: of one great file, the sample is its beginning. Of the
records read, every nth is kept, so that they lie evenly over what was read.

What is done: the recipe's measure, transform and expand steps, up to its last rule. Rules and exchanges are passed over: no row
is dropped. Texts are let go with their batch; the table holds what was measured.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from liangji.core.errors import SchemaError
from liangji.core.operator import PARENT_ROW, OperatorKind
from liangji.core.reading import Fault, SourceFile
from liangji.core.schema import ID, ORIGIN, record_schema, with_column
from liangji.engine.plan import Plan
from liangji.engine.recipe import Step
from liangji.libraries.datasets.source import Inputs

SIZE_BYTES = 64_000_000
ROWS = 20_000
INPUT = "input"  # int32: which entry of the recipe's `inputs` a row came from, from 0

_IDENTITY = (ID, ORIGIN, "source", INPUT)
_POSITION = "sample_position"  # position among the records read of an entry: what every nth is counted by
_STRETCH_BYTES = 1 << 20  # a batch of records
_SHORTEST_STRETCH_BYTES = 64 << 10
_FILE_BYTES_PER_BYTE = 8  # bytes of a file gone through for a byte of sample, at most: markup, files in which little is sound

Observe = Callable[[Step, pa.RecordBatch], pa.RecordBatch]
"""Called with each rule step and the batch that comes to it; gives the batch with columns of its own added, rows kept."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen of a recipe's inputs."""

    table: pa.Table  # id, origin, source, `input`, then what was measured or observed: a row for each record, or part of one
    files: int  # input files of the recipe
    files_read: int
    size_bytes: int  # of the records read
    rows_read: int  # records read, of which every nth was measured
    faults: int  # records and files that could not be read, and rows on which a step fails
    is_whole: bool  # every record of every input is in the table


def sample_inputs(
    plan: Plan,
    *,
    size_bytes: int = SIZE_BYTES,
    rows: int = ROWS,
    observe: Observe | None = None,
    then: Sequence[Step] = (),
) -> Sample:
    """Read at most about `size_bytes` of records, measure at most about `rows` of them as the recipe would up to its last rule.

    `observe` is called in the place of each rule, in which the columns are as the rule would see them; columns that it adds are
    kept. `then`: map steps to run after those of the recipe. The same inputs give the same sample.

    Raises: InputError where an input matches nothing or cannot be opened; SchemaError where a step lacks a column that only
    an exchange makes.
    """
    steps = (*_steps_to_run(plan), *then)
    inputs = Inputs(plan.recipe)
    files = inputs.listed()
    seen = [_Entry(inputs, steps, observe, index) for index in range(len(plan.recipe.inputs))]
    chosen = [[file for file in files if file.input_index == entry.index] for entry in seen]
    by_size = sorted(seen, key=lambda entry: sum(file.size_bytes for file in chosen[entry.index]))
    for waiting, entry in zip(range(len(seen), 0, -1), by_size, strict=True):
        left_bytes = size_bytes - sum(other.size_bytes for other in seen)
        left_rows = rows - sum(other.rows for other in seen)
        entry.read(chosen[entry.index], max(left_bytes, 0) // waiting, max(left_rows, 0) // waiting)
    empty = _seen_columns(_numbered(_empty(plan), 0, np.zeros(0, np.int64)), steps, observe)
    pieces = [piece.select(empty.schema.names) for entry in seen for piece in entry.pieces]
    return Sample(
        pa.Table.from_batches(pieces, empty.schema).drop_columns([_POSITION]),
        len(files),
        sum(entry.files_read for entry in seen),
        sum(entry.size_bytes for entry in seen),
        sum(entry.rows_read for entry in seen),
        sum(entry.faults for entry in seen),
        sum(entry.files_ended for entry in seen) == len(files) and all(entry.every == 1 for entry in seen),
    )


def stretches(files: Sequence[SourceFile], size_bytes: int) -> list[tuple[SourceFile, int]]:
    """Choose which files of an entry are read when it is too large to be read whole, and how many bytes from the start of each.

    As many stretches as `size_bytes` pays for, at even distances over the files laid end to end: a file is chosen as often as it
    is large. Gives file and bytes, in the order of the files.
    """
    total = sum(file.size_bytes for file in files)
    length = max(_SHORTEST_STRETCH_BYTES, min(_STRETCH_BYTES, size_bytes // len(files)))
    count = max(1, size_bytes // length)
    ends = list(accumulate(file.size_bytes for file in files))
    hits = Counter(bisect_right(ends, (2 * index + 1) * total // (2 * count)) for index in range(count))
    return [(files[index], hits[index] * length) for index in sorted(hits)]


def _steps_to_run(plan: Plan) -> list[Step]:
    """Leave out the exchanges, and what comes after the last rule; everything runs where there is no rule."""
    steps = list(plan.recipe.steps)
    rules = [position for position, step in enumerate(steps) if step.operator.kind is OperatorKind.RULE]
    if rules:
        del steps[rules[-1] + 1 :]
    return [step for step in steps if step.operator.kind is not OperatorKind.EXCHANGE]


@dataclass(slots=True)
class _Entry:
    """One entry of `inputs` being sampled."""

    inputs: Inputs
    steps: Sequence[Step]
    observe: Observe | None
    index: int
    pieces: list[pa.RecordBatch] = field(default_factory=list)
    every: int = 1  # of the records read, those are kept whose position is a multiple of it
    rows_read: int = 0
    size_bytes: int = 0
    faults: int = 0
    files_read: int = 0
    files_ended: int = 0

    @property
    def rows(self) -> int:
        return sum(piece.num_rows for piece in self.pieces)

    def read(self, files: Sequence[SourceFile], most_bytes: int, most_rows: int) -> None:
        if sum(file.size_bytes for file in files) > most_bytes:
            for file, size_bytes in stretches(files, most_bytes):
                self._read_file(file, size_bytes, most_rows)
            return
        by_size = sorted(files, key=lambda file: file.size_bytes)  # packed files may hold more than is paid for
        for waiting, file in zip(range(len(files), 0, -1), by_size, strict=True):
            self._read_file(file, max(most_bytes - self.size_bytes, 0) // waiting, most_rows)

    def _read_file(self, file: SourceFile, most_bytes: int, most_rows: int) -> None:
        """Read from the start of a file, until it ends or its bytes are taken."""
        gone_through = taken = 0

        def count(size: int) -> None:
            nonlocal gone_through
            gone_through += size

        self.files_read += 1
        for item in self.inputs.read(file, count):
            self.faults += isinstance(item, Fault)
            if isinstance(item, pa.RecordBatch):
                left = most_bytes - taken
                batch = item if item.nbytes <= left else item.slice(0, max(1, item.num_rows * left // item.nbytes))
                self._take(batch, most_rows)
                taken += batch.nbytes
                if batch is not item:
                    break
            if taken >= most_bytes or gone_through >= max(_STRETCH_BYTES, _FILE_BYTES_PER_BYTE * most_bytes):
                break
        else:
            self.files_ended += 1
        self.size_bytes += taken

    def _take(self, batch: pa.RecordBatch, most_rows: int) -> None:
        positions = np.arange(self.rows_read, self.rows_read + batch.num_rows)
        self.rows_read += batch.num_rows
        is_taken = positions % self.every == 0
        self._measure(_numbered(batch.filter(pa.array(is_taken)), self.index, positions[is_taken]))
        while self.rows > max(most_rows, 1):
            self.every *= 2
            self.pieces = [piece.filter(pa.array(piece.column(_POSITION).to_numpy() % self.every == 0)) for piece in self.pieces]

    def _measure(self, batch: pa.RecordBatch) -> None:
        """Keep what is measured on a batch; where that fails, halve it until the bad rows stand alone, and count them."""
        try:
            self.pieces.append(_seen_columns(batch, self.steps, self.observe))
        except (MemoryError, SchemaError):  # a missing column is a fault of the recipe, not of a row
            raise
        except Exception:  # noqa: BLE001 - as in a build, whatever a row makes an operator raise is counted, and the rest goes on
            if batch.num_rows <= 1:
                self.faults += batch.num_rows
                return
            middle = batch.num_rows // 2
            self._measure(batch.slice(0, middle))
            self._measure(batch.slice(middle))


def _empty(plan: Plan) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], record_schema(plan.recipe.kind, plan.recipe.modality))


def _numbered(batch: pa.RecordBatch, index: int, positions: NDArray[np.int64]) -> pa.RecordBatch:
    batch = with_column(batch, INPUT, pa.array(np.full(batch.num_rows, index, np.int32)))
    return with_column(batch, _POSITION, pa.array(positions, pa.int64()))


def _seen_columns(batch: pa.RecordBatch, steps: Sequence[Step], observe: Observe | None) -> pa.RecordBatch:
    """Take a batch through the steps, and keep who each row is and what was added to it."""
    known = {*batch.schema.names, PARENT_ROW}
    for step in steps:
        if step.operator.kind is not OperatorKind.RULE:
            batch = step.operator(batch)
        elif observe is not None:
            batch = observe(step, batch)
        batch = batch.drop_columns([PARENT_ROW]) if PARENT_ROW in batch.schema.names else batch
    return batch.select([*_IDENTITY, _POSITION, *(name for name in batch.schema.names if name not in known)])
