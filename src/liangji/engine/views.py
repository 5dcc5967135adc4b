"""The rows of one shard at one point of a plan: root rows, the layers that operators laid over them, and which rows are still in.

    root    all rows of the shard with all their columns, numbered from 0: what the first operators made of the input
    layer   what later operators made of some of these rows: columns they added, values they changed, rows they failed on
    view    the rows that no decision has taken out, ascending, with the layers laid so far

Operators work row by row, so a layer tells what they make of a row whatever other rows are in: moving a threshold moves the rows of
a view, and only rows that a layer does not know yet are worked on. A layer grows by parts, each the outcome of one run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from liangji.core.schema import ID, with_column

Rows = NDArray[np.int64]

ROW = "row"  # int64, in the tables of a part: number of the root row
OPERATOR = "operator"  # int64: position, in its link, of the operator that failed on the row


@dataclass(frozen=True, slots=True, eq=False)
class Root:
    """All rows of a shard, always cut alike."""

    lengths: tuple[int, ...]  # rows of each batch
    size_bytes: int  # of Arrow memory
    read: Callable[[Sequence[int], Sequence[str] | None], Iterator[pa.RecordBatch]]  # batches by number, with these columns or all
    stored: str = ""  # the file in which it lies; empty: in memory only

    @property
    def rows(self) -> int:
        return sum(self.lengths)

    @staticmethod
    def of(batches: Sequence[pa.RecordBatch]) -> Root:
        """Hold the batches in memory."""

        def read(numbers: Sequence[int], columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
            for batch in (batches[number] for number in numbers):
                yield batch if columns is None else batch.select([name for name in columns if name in batch.schema.names])

        return Root(tuple(batch.num_rows for batch in batches), sum(batch.nbytes for batch in batches), read)

    def held(self) -> Root:
        """Give the same root, which holds the batches once they have been read with all columns."""
        held: dict[int, pa.RecordBatch] = {}

        def read(numbers: Sequence[int], columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
            if columns is not None:
                yield from self.read(numbers, columns)
                return
            for number in numbers:
                if number not in held:
                    (held[number],) = self.read([number], None)
                yield held[number]

        return replace(self, read=read)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What operators made of some rows. All tables start with `row` and are sorted by it."""

    attempted: Rows  # the rows they were given
    columns: pa.Table  # of the rows that went through: `row`, and the columns that were added or made anew
    changes: Mapping[str, Callable[[], pa.Table]] = field(
        default_factory=dict
    )  # column → `row` and value, of rows where it changed
    failed: pa.Table | None = None  # `row`, `operator`, and the columns of QUARANTINE
    stored: dict[str, Any] | None = None  # where it lies, as `engine.units` writes it; None: in memory only


class Layer:
    """Everything that is known of what one link of operators makes of the rows of a shard.

    `name` tells the link and the root; without one the layer is of no use to another run.
    """

    def __init__(self, name: str = "", parts: Sequence[Part] = ()) -> None:
        self.name, self.parts = name, tuple(parts)
        self._changes: dict[str, tuple[Rows, pa.Array]] = {}

    def with_part(self, part: Part) -> Layer:
        return Layer(self.name, (*self.parts, part))

    def missing(self, rows: Rows) -> Rows:
        """Give those of these rows that the layer does not know yet."""
        return rows if not len(self.attempted) else rows[~np.isin(rows, self.attempted, assume_unique=True)]

    def failures(self, rows: Rows) -> pa.Table | None:
        """Give those of these rows on which an operator failed, as `Part.failed`; None where there is none."""
        if self._failed is None:
            return None
        found = self._failed.filter(pa.array(np.isin(_numbers(self._failed), rows)))
        return found if found.num_rows else None

    @cached_property
    def attempted(self) -> Rows:
        return np.sort(np.concatenate([part.attempted for part in self.parts])) if self.parts else np.zeros(0, np.int64)

    @cached_property
    def _failed(self) -> pa.Table | None:
        found = [part.failed for part in self.parts if part.failed is not None]
        return pa.concat_tables(found).sort_by(ROW) if found else None

    @cached_property
    def columns(self) -> pa.Table:
        """Columns of all rows that went through, sorted by `row`."""
        return _merged([part.columns for part in self.parts])

    @cached_property
    def _places(self) -> Rows:
        return _numbers(self.columns)

    def _changed(self, name: str) -> tuple[Rows, pa.Array]:
        """Give the rows where a column changed, and its values there; read when it is first asked for."""
        found = self._changes.get(name)
        if found is None:
            table = _merged([part.changes[name]() for part in self.parts if name in part.changes])
            found = self._changes[name] = _numbers(table), table[name].combine_chunks()
        return found

    def lay(self, batch: pa.RecordBatch, rows: Rows, columns: Sequence[str] | None) -> pa.RecordBatch:
        """Lay this layer over a batch that holds these root rows; all of them must have gone through."""
        names = [name for name in self.columns.column_names[1:] if columns is None or name in columns]
        if names:
            places = np.searchsorted(self._places, rows)
            for name in names:
                batch = with_column(batch, name, _taken(self.columns[name].combine_chunks(), places))
        for name in sorted({name for part in self.parts for name in part.changes}):
            if columns is None or name in columns:
                batch = with_column(batch, name, _replaced(batch.column(name), rows, *self._changed(name)))
        return batch


@dataclass(frozen=True, slots=True)
class View:
    root: Root
    rows: Rows  # root rows that are still in, ascending
    layers: tuple[Layer, ...] = ()

    @staticmethod
    def whole(root: Root) -> View:
        return View(root, np.arange(root.rows))

    def only(self, rows: Rows) -> View:
        return replace(self, rows=rows)

    def under(self, layers: int) -> View:
        """Give the view as it was when only so many layers had been laid."""
        return replace(self, layers=self.layers[:layers])

    @property
    def size_bytes(self) -> int:
        """Estimate the Arrow memory of the rows by their share of the root."""
        return self.root.size_bytes * len(self.rows) // max(1, self.root.rows)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[tuple[Rows, pa.RecordBatch]]:
        """Yield the rows, cut as the root is, with their root row numbers; what is not asked for is not read."""
        starts = np.concatenate([[0], np.cumsum(self.root.lengths)]).astype(np.int64)
        cuts = np.searchsorted(self.rows, starts)
        numbers = np.flatnonzero(np.diff(cuts)).tolist()
        wanted = None if columns is None else list(dict.fromkeys((ID, *columns)))
        for number, batch in zip(numbers, self.root.read(numbers, wanted), strict=True):
            rows = self.rows[cuts[number] : cuts[number + 1]]
            part = _taken(batch, rows - starts[number])
            for layer in self.layers:
                part = layer.lay(part, rows, columns)
            yield rows, part if columns is None else part.select([name for name in columns if name in part.schema.names])


def same_values(one: pa.Array, other: pa.Array) -> bool:
    """Tell whether two columns hold the same; arrays that share their buffers are not looked into."""
    if one.type != other.type or len(one) != len(other):
        return False
    if one.offset == other.offset and _addresses(one) == _addresses(other):
        return True
    return bool(one.equals(other))


def _addresses(array: pa.Array) -> list[int | None]:
    return [None if buffer is None else buffer.address for buffer in array.buffers()]


def changed_values(rows: Rows, before: pa.Array, after: pa.Array) -> tuple[Rows, pa.Array]:
    """Give the rows where a column of plain values changed, and the new values there."""
    differs = pc.fill_null(pc.not_equal(before, after), True)
    differs = pc.and_not(differs, pc.and_(before.is_null(), after.is_null()))
    places = np.flatnonzero(np.asarray(differs.to_numpy(zero_copy_only=False), np.bool_))
    return rows[places], _taken(after, places)


def is_plain(kind: pa.DataType) -> bool:
    """Tell whether two columns of this type can be compared value by value."""
    return not (pa.types.is_nested(kind) or pa.types.is_dictionary(kind))


def _taken(values: Any, places: Rows) -> Any:
    """Take places, ascending, of an array or a batch; without a copy where they lie side by side."""
    if len(places) and places[-1] - places[0] + 1 == len(places):
        return values.slice(int(places[0]), len(places))
    return values.take(pa.array(places, pa.int64()))


def _replaced(column: pa.Array, rows: Rows, changed: Rows, values: pa.Array) -> pa.Array:
    """Put the values of changed rows into a column that holds these rows."""
    first, end = np.searchsorted(changed, [rows[0], rows[-1] + 1])
    inside = np.isin(changed[first:end], rows, assume_unique=True)
    if not inside.any():
        return column
    new = _taken(values, first + np.flatnonzero(inside))
    order = np.arange(len(rows))
    order[np.searchsorted(rows, changed[first:end][inside])] = len(rows) + np.arange(len(new))
    return pa.concat_arrays([column, new]).take(pa.array(order))


def _merged(tables: Sequence[pa.Table]) -> pa.Table:
    if len(tables) == 1:
        return tables[0]
    if not tables:
        return pa.table({ROW: pa.array([], pa.int64())})
    return pa.concat_tables(tables, promote_options="permissive").sort_by(ROW)


def _numbers(table: pa.Table) -> Rows:
    return np.asarray(table[ROW].combine_chunks().to_numpy(), np.int64)
