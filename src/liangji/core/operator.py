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

A rule may name in `reads` the columns it looks at, an exchange those that its `apply` looks at, and in `key_columns` those that
`keys` looks at: no others but the id are read for it then, and moving a threshold reads no text. An exchange may name in
`decision_options` the options that its keys do not hang on.

Same input, same output, bit for bit: no clock, no unseeded randomness, no dependence on how batches were cut.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict, Field

from liangji.core.schema import DROP_DETAIL, DROP_NUMBER, DROP_REASON, Modality, with_column

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

STRICT = ConfigDict(extra="forbid", validate_default=True)
"""Configuration of every options class: `@dataclass(frozen=True, slots=True, config=STRICT)` of pydantic."""

PARENT_ROW = "parent_row"  # int64: position, in the input batch, of the row this one was made from


Against = Annotated[
    tuple[Annotated[str, Field(pattern=r"^\w[\w.-]*(@[\w.*-]+)?$")], ...],
    Field(
        description="earlier versions to compare with, whose rows stay: `name` (the newest version of a dataset), `name@1.2.0`, or "
        "`name@*` (every version)"
    ),
]
"""Option of an exchange that compares with earlier versions: the engine puts their rows before all others."""


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
    """What an exchange sees of the whole dataset; rows are numbered 0..rows-1 in canonical order, whatever the threads did.

    Before them come the rows of earlier versions that the new ones are held against, numbered -reference_rows..-1: they are never
    dropped, and no decision is given for them. Rows that an exchange before in the same pass has dropped are not seen.
    """

    rows: int
    reference_rows: int
    memory_bytes: int  # keep within this
    threads: int
    scratch: Path  # an empty folder for spill, removed afterwards
    spilled_bytes: int  # what was written there so far; an exchange that writes there itself adds to it
    findings: dict[str, Any]  # what the exchange measured of itself, plain JSON values, the same at each run; kept with the version

    def check(self) -> None:
        """Raise where the run is to stop: call it between long steps that ask nothing else of this object."""

    def scan(self, columns: Sequence[str], /) -> Iterator[pa.RecordBatch]:
        """Read key columns: `row` (int64, ascending) and `columns`, in that order."""

    def shared(self, column: str, /, minimum: int = 2, more: pa.RecordBatch | None = None) -> Iterator[pa.Table]:
        """Give all rows of those keys that at least `minimum` rows have.

        `column` holds one key or a list of keys a row, each uint64 or fixed_size_binary(16); a null is no key. `more` are rows of
        the exchange's own making, `row` (from `rows` up) and `column`, that are to meet the others.
        The tables have `key` and `row` (int64), sorted by both, no pair twice. A key is wholly in one table; tables are bounded by
        memory unless one key has more rows than that; their order is fixed by the keys.
        Time and disk grow with the number of keys, memory does not.
        """

    def sql(self, query: str, **tables: pa.Table) -> pa.Table:
        """Run SQL in DuckDB, with spill; view `keys` holds `row` (int64) and the columns that `keys` gave.

        For what the other ways cannot do: the first call copies all keys into a database.
        """

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


def first_rows(shared: pa.Table) -> NDArray[np.int64]:
    """Give for each record of a table of `Gathered.shared` the first row that has its key.

    >>> first_rows(pa.table({"key": pa.array([5, 5, 7, 7], pa.uint64()), "row": [1, 4, -2, 1]})).tolist()
    [1, 1, -2, -2]
    """
    keys = shared["key"]
    is_first = np.ones(len(keys), np.bool_)
    is_first[1:] = pc.not_equal(keys[1:], keys[:-1]).to_numpy()
    starts = np.where(is_first, np.arange(len(keys)), 0)
    rows: NDArray[np.int64] = shared["row"].to_numpy()[np.maximum.accumulate(starts)]
    return rows


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
    decided = pc.index_in(pa.array(range(batch.num_rows), pa.int64()), decisions["row"])
    return with_decision(
        batch, *(decisions[name].combine_chunks().take(decided) for name in (DROP_REASON, DROP_NUMBER, DROP_DETAIL))
    )


def summary(operator: Callable[..., Any] | type) -> str:
    """Give the first line of an operator's docstring."""
    return (inspect.getdoc(operator) or "").partition("\n")[0]


def rule_source(operator: Callable[..., Any] | type) -> str:
    """Give the `Source:` paragraph of an operator's docstring, on one line; empty where it has none."""
    _, found, rest = (inspect.getdoc(operator) or "").partition("Source:")
    return " ".join(rest.partition("\n\n")[0].split()) if found else ""
