"""Earlier versions that an exchange compares with, and the index that keeps the keys of their rows.

The index of a version is a table of its dataset: `row`, the position in the version, and the key columns of one exchange, made of
the rows as the version has them, whenever that was. It is written with the version where its recipe says `output: {index: true}`, and otherwise when a build first compares with that version; from then
on nothing of the version's text is hashed or signed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from liangji.core.digest import canonical_hash
from liangji.core.errors import SchemaError, UsageError
from liangji.engine.recipe import Step
from liangji.engine.views import ROW
from liangji.stores.facts import VersionFacts
from liangji.stores.tables import Tables
from liangji.stores.workspace import Workspace

EVERY_VERSION = "*"


def index_name(step: Step) -> str:
    """Name the table that holds the keys of an exchange: the same for steps whose keys are the same."""
    return f"keys-{canonical_hash(['index', step.key_identity])[:16]}"


@dataclass(frozen=True, slots=True)
class References:
    """The rows of earlier versions, one version after the other; the last row of all is numbered -1."""

    workspace: Workspace
    step: Step
    versions: tuple[VersionFacts, ...]

    @staticmethod
    def of(workspace: Workspace, step: Step, dataset: str) -> References:
        """Find the versions that a step of a recipe for this dataset compares with.

        Raises: UnknownName where there is no such dataset or version; SchemaError where one lacks the columns that keys are made of;
            UsageError where the dataset is to be compared with whatever its own newest version is.
        """
        found: dict[tuple[str, str], VersionFacts] = {}
        for reference in getattr(step.operator, "against", ()):
            name, _, version = reference.partition("@")
            every = version == EVERY_VERSION
            if name == dataset and (every or not version):
                raise UsageError(
                    f"'{dataset}' would be compared with its own newest version: built again, every record would be a duplicate of itself",
                    f"{step.name}: against: {reference}",
                    f"name the version that the new data follows, such as {dataset}@1.0.0",
                )
            for facts in workspace.metadata.versions(name) if every else [workspace.metadata.version(name, version or None)]:
                if facts.rows:
                    found[facts.dataset, facts.id] = facts
        references = References(workspace, step, tuple(found.values()))
        references._check_columns()
        return references

    def _check_columns(self) -> None:
        for facts in self.versions:
            schema = self.workspace.tables.schema(f"{facts.dataset}/rows", facts.tables["rows"])
            try:
                self.step.operator.keys(pa.RecordBatch.from_pylist([], schema))
            except SchemaError as error:
                raise SchemaError(
                    f"cannot compare with {facts.dataset}@{facts.id}: {error.what}",
                    error.where,
                    "leave it out of `against`, or name a column that it has",
                ) from error

    @property
    def names(self) -> list[str]:
        return [f"{facts.dataset}@{facts.id}" for facts in self.versions]

    @property
    def rows(self) -> int:
        return sum(facts.rows for facts in self.versions)

    @property
    def bases(self) -> list[int]:
        """The number of the first row of each version."""
        starts = np.cumsum([0, *(facts.rows for facts in self.versions)])[:-1]
        return [int(start) - self.rows for start in starts]

    def missing(self) -> list[VersionFacts]:
        """Give the versions that have no index for this step yet."""
        return [facts for facts in self.versions if index_name(self.step) not in self._tables(facts)]

    def _tables(self, facts: VersionFacts) -> dict[str, int]:
        return self.workspace.metadata.version(facts.dataset, facts.id).tables  # asked for again: an index may have come since

    def make_index(self, facts: VersionFacts, advanced: Callable[[int], None]) -> None:
        """Compute the keys of all rows of a version and keep them; `advanced` is told how many rows are done."""

        def batches() -> Iterator[pa.RecordBatch]:
            base = 0
            for batch in self.workspace.tables.scan(f"{facts.dataset}/rows", facts.tables["rows"]):
                keys = self.step.operator.keys(batch)
                yield keys.set_column(keys.schema.get_field_index(ROW), ROW, pc.add(keys.column(ROW), base).cast(pa.int64()))
                base += batch.num_rows
                advanced(batch.num_rows)

        write_index(self.workspace, facts.dataset, facts.id, self.step, batches())

    def sources(self) -> list[tuple[Callable[[Sequence[str] | None], Iterable[pa.RecordBatch]], int]]:
        """Give the keys of each version, and the number of its first row."""
        name = index_name(self.step)
        return [
            (partial(_keys, self.workspace.tables, f"{facts.dataset}/{name}", self._tables(facts)[name]), base)
            for facts, base in zip(self.versions, self.bases, strict=True)
        ]

    def take(self, rows: NDArray[np.int64], columns: list[str]) -> pa.Table:
        """Fetch columns of single rows, numbered from -rows to -1 and given in ascending order."""
        parts = []
        for facts, base in zip(self.versions, self.bases, strict=True):
            first, end = np.searchsorted(rows, [base, base + facts.rows])
            if first < end:
                inside = (rows[first:end] - base).tolist()
                parts.append(self.workspace.tables.take(f"{facts.dataset}/rows", facts.tables["rows"], inside, columns))
        return pa.concat_tables(parts)


def _keys(tables: Tables, table: str, version: int, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    names = None if columns is None else list(dict.fromkeys((ROW, *columns)))
    return tables.scan(table, version, names)


def write_index(workspace: Workspace, dataset: str, version: str, step: Step, batches: Iterator[pa.RecordBatch]) -> None:
    """Keep the keys of a version's rows."""
    name = index_name(step)
    first = next(batches, None)
    if first is None:
        return
    fragments = workspace.tables.stage(f"{dataset}/{name}", first.schema, _again(first, batches))
    workspace.metadata.attach_table(dataset, version, name, workspace.tables.commit(f"{dataset}/{name}", first.schema, fragments))


def _again(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest
