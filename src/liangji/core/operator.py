"""The operator contract: what an operator is, how its options are declared, and what the engine may rely on.

An operator is a frozen, strictly typed options class with one call over an Arrow batch. Its docstring opens with what it does
and carries `Input:`, `Output:` and `Source:` (where the rule comes from); `liangji operators show` prints it.

| kind      | call | the engine checks |
|---|---|---|
| read      | bytes of one file → records and faults (`liangji.core.reading`) | each record or fault is counted |
| unpack    | bytes of one file → bytes of its members | limits on ratio, size, depth and count |
| measure   | adds columns; rows and order kept | row count, existing columns |
| rule      | adds `drop_reason`, `drop_number`, `drop_detail`; null reason keeps | row count; dropped rows go to the ledger |
| transform | changes columns; rows and order kept | row count |
| expand    | gives 0..n rows for each, with `parent_row` naming the input row of each, ascending | every child has a parent |
| exchange  | sees the whole dataset: `keys` → `prepare` → `apply` | as rule and transform |

Same input, same output, bit for bit: no clock, no unseeded randomness, no dependence on how batches were cut.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import pyarrow as pa
from pydantic import ConfigDict

from liangji.core.schema import DROP_DETAIL, DROP_NUMBER, DROP_REASON, Modality, with_column

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

STRICT = ConfigDict(extra="forbid", validate_default=True)
"""Configuration of every options class: `@dataclass(frozen=True, slots=True, config=STRICT)` of pydantic."""

PARENT_ROW = "parent_row"  # int64: position, in the input batch, of the row this one was made from


class OperatorKind(StrEnum):
    READ = "read"
    UNPACK = "unpack"
    MEASURE = "measure"
    RULE = "rule"
    TRANSFORM = "transform"
    EXPAND = "expand"
    EXCHANGE = "exchange"


class Operator(Protocol):
    """A measure, rule, transform or expand operator."""

    kind: ClassVar[OperatorKind]
    version: ClassVar[str]  # raised whenever the same input may give another output: caches and version ids hang on it
    modality: ClassVar[Modality]

    def __call__(self, batch: pa.RecordBatch, /) -> pa.RecordBatch: ...


class Gathered(Protocol):
    """What an exchange sees of the whole dataset; rows are numbered 0..rows-1 in canonical order, whatever the threads did."""

    rows: int
    memory_bytes: int  # keep within this
    threads: int
    scratch: Path  # an empty folder for spill, removed afterwards

    def sql(self, query: str, **tables: pa.Table) -> pa.Table:
        """Run SQL in DuckDB, with spill; view `keys` holds `row` (int64) and the columns that `keys` gave."""

    def take(self, rows: NDArray[np.int64], columns: list[str]) -> pa.Table:
        """Fetch columns of single records, in the order asked for."""


class Exchange(Protocol):
    """An operator that must see the whole dataset before it can decide on a row."""

    kind: ClassVar[OperatorKind]
    version: ClassVar[str]
    modality: ClassVar[Modality]
    drops_only: ClassVar[bool]  # True: decides on rows and changes no column, so that the next exchange may share the pass

    def keys(self, batch: pa.RecordBatch, /) -> pa.RecordBatch:
        """Give the small part of the batch that is gathered: `row` (int64, position in the batch) and key columns."""

    def prepare(self, gathered: Gathered, /) -> pa.Table:
        """Decide over all rows: a table with `row` (int64, number in the dataset) and the columns that `apply` needs.

        Rows that need nothing are left out. Nothing in it may depend on row numbers but `row` itself (name other records by
        id), so that the decision on an unchanged shard stays the same when others are added.
        """

    def apply(self, batch: pa.RecordBatch, decisions: pa.Table, /) -> pa.RecordBatch:
        """Carry out the decisions on one batch; `row` is now the position in it, ascending."""


@runtime_checkable
class Warmable(Protocol):
    """An operator that compiles or loads something before its first batch."""

    def warm_up(self) -> None: ...


def with_decision(
    batch: pa.RecordBatch, reason: pa.Array, number: pa.Array | None = None, detail: pa.Array | None = None
) -> pa.RecordBatch:
    """Append the three decision columns of a rule; a null reason keeps the row."""
    rows = batch.num_rows
    batch = with_column(batch, DROP_REASON, reason.cast(pa.string()))
    batch = with_column(batch, DROP_NUMBER, pa.nulls(rows, pa.float64()) if number is None else number.cast(pa.float64()))
    return with_column(batch, DROP_DETAIL, pa.nulls(rows, pa.string()) if detail is None else detail.cast(pa.string()))


def apply_drops(batch: pa.RecordBatch, decisions: pa.Table) -> pa.RecordBatch:
    """Carry out decisions that only drop: columns `row`, `drop_reason`, `drop_number`, `drop_detail`."""
    columns = []
    for name, kind in ((DROP_REASON, pa.string()), (DROP_NUMBER, pa.float64()), (DROP_DETAIL, pa.string())):
        values: list[Any] = [None] * batch.num_rows
        for row, value in zip(decisions["row"].to_pylist(), decisions[name].to_pylist(), strict=True):
            values[row] = value
        columns.append(pa.array(values, kind))
    return with_decision(batch, *columns)


def summary(operator: Callable[..., Any] | type) -> str:
    """Give the first line of an operator's docstring."""
    return (inspect.getdoc(operator) or "").partition("\n")[0]


def rule_source(operator: Callable[..., Any] | type) -> str:
    """Give the `Source:` paragraph of an operator's docstring, on one line; empty where it has none."""
    _, found, rest = (inspect.getdoc(operator) or "").partition("Source:")
    return " ".join(rest.partition("\n\n")[0].split()) if found else ""
