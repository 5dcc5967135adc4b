"""Exchanges: keys gathered from all units and from earlier versions, decided over all of them, and cut up again by unit."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from liangji.core.digest import canonical_hash, row_digests
from liangji.core.schema import DROP_REASON
from liangji.engine.budget import Budget
from liangji.engine.gathered import GatheredKeys, Source, decisions_between
from liangji.engine.recipe import Step
from liangji.engine.references import References
from liangji.engine.units import StagedRows, Unit, UnitFiles, Writing
from liangji.stores.metadata import Entry
from liangji.stores.workspace import Workspace

_DECISIONS = "decisions"


@dataclass(frozen=True, slots=True)
class Decisions:
    """What one exchange decided: a table sorted by `row`, which counts over the rows of all units."""

    key: str  # under which they are entered
    folder: str  # of their file; empty where there was nothing to decide
    table: pa.Table
    bases: NDArray[np.int64]  # first row of each unit, and the number of rows at the end
    findings: dict[str, Any]  # what the exchange measured of itself

    def of_unit(self, position: int) -> pa.Table:
        """Give the part that falls on one unit; `row` is the position in the unit."""
        return decisions_between(self.table, int(self.bases[position]), int(self.bases[position + 1]))

    def digest(self, position: int) -> str:
        """Name the part that falls on one unit: as long as it stays the same, the unit need not run again."""
        part = self.of_unit(position)
        digest = hashlib.sha256(str(part.schema.names).encode())
        for batch in part.to_batches():
            digest.update(row_digests(batch, part.schema))
        return digest.hexdigest()

    @property
    def dropped(self) -> pa.Table:
        """The rows that are dropped: column `row`."""
        if DROP_REASON not in self.table.column_names:
            return pa.table({"row": pa.array([], pa.int64())})
        return self.table.filter(pc.is_valid(self.table[DROP_REASON])).select(["row"])


@dataclass(frozen=True, slots=True)
class Gathering:
    """What an exchange at the end of a segment decides over: the rows that all units let through, and those of earlier versions."""

    step: Step
    position: int  # among the exchanges of the segment
    units: Sequence[Unit]
    before: Sequence[Decisions]  # of exchanges earlier in the same pass: rows that they dropped are not seen
    references: References
    files: UnitFiles

    @property
    def key(self) -> str:
        """Name everything that decides the outcome."""
        units, before = [unit.key for unit in self.units], [decisions.key for decisions in self.before]
        return canonical_hash(["exchange", self.step.identity, self.position, units, before, self.references.names])

    @property
    def bases(self) -> NDArray[np.int64]:
        """First row of each unit, and the number of rows at the end."""
        return np.concatenate([[0], np.cumsum([unit.rows for unit in self.units])]).astype(np.int64)

    @property
    def sources(self) -> list[tuple[Source, int]]:
        """The keys of each unit and of each earlier version, and the number of its first row."""
        filled = [(unit, int(base)) for unit, base in zip(self.units, self.bases[:-1], strict=True) if unit.rows]
        return [*self.references.sources(), *((partial(self.files.keys, unit, self.position), base) for unit, base in filled)]

    @property
    def excluded(self) -> pa.Table | None:
        return pa.concat_tables([decisions.dropped for decisions in self.before]) if self.before else None

    def take(self, rows: NDArray[np.int64], columns: list[str]) -> pa.Table:
        """Fetch columns of single rows, in the order asked for."""
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        own = int(np.searchsorted(ordered, 0))
        staged = StagedRows(self.files, self.units)
        if own == 0:
            return staged.take(rows, columns)
        parts = [self.references.take(ordered[:own], columns), staged.take(ordered[own:], columns)]
        inverse = np.empty(len(rows), np.int64)
        inverse[order] = np.arange(len(rows))
        return pa.concat_tables(parts, promote_options="permissive").take(pa.array(inverse))


def decide(
    gathering: Gathering,
    dataset: str,
    budget: Budget,
    workspace: Workspace,
    gather: Callable[..., GatheredKeys],
    check: Callable[[], None],
) -> Decisions:
    """Let one exchange decide. What it decides is entered like a unit, so that a resumed run takes it over.

    `check` is called now and then, and raises where the run is to stop.
    """
    bases, key, metadata = gathering.bases, gathering.key, workspace.metadata
    if not bases[-1]:
        return Decisions(key, "", pa.table({"row": pa.array([], pa.int64())}), bases, {})
    entered = metadata.units([key]).get(key)
    if entered is None or not gathering.files.exists(entered["folder"]):
        table, findings = _decided(gathering, budget, workspace.scratch / "exchange" / key, gather, check)
        writing = Writing(gathering.files)
        writing.add(_DECISIONS, (table.schema, table.to_batches()))
        writing.commit()
        entered = {"folder": writing.folder, "findings": findings}
        metadata.record_units(dataset, [Entry(key, entered)])
    table = gathering.files.table(f"{entered['folder']}/{_DECISIONS}")
    return Decisions(key, entered["folder"], table, bases, entered["findings"])


def _decided(
    gathering: Gathering, budget: Budget, scratch: Path, gather: Callable[..., GatheredKeys], check: Callable[[], None]
) -> tuple[pa.Table, dict[str, Any]]:
    shutil.rmtree(scratch, ignore_errors=True)  # left by a run that was killed
    try:
        with gather(
            gathering.sources,
            rows=int(gathering.bases[-1]),
            reference_rows=gathering.references.rows,
            take=gathering.take,
            memory_bytes=budget.exchange_bytes,
            threads=budget.workers,
            scratch=scratch,
            excluded=gathering.excluded,
            check=check,
        ) as gathered:
            table = gathering.step.operator.prepare(gathered).sort_by("row").combine_chunks()
            findings = gathered.findings | {"spilled_bytes": gathered.spilled_bytes}
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if gathering.references.versions:
        findings["against"] = gathering.references.names
    return table, findings
