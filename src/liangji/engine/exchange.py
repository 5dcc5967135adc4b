"""Exchanges on one machine: keys gathered from all units, decided in DuckDB with spill, and cut up again by unit."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from liangji.core.digest import canonical_hash, row_digests
from liangji.core.schema import DROP_REASON
from liangji.engine.budget import Budget
from liangji.engine.gathered import GatheredKeys, decisions_between
from liangji.engine.plan import Plan, Segment
from liangji.engine.recipe import Step
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


def decide(
    plan: Plan,
    segment: Segment,
    position: int,
    units: Sequence[Unit],
    before: Sequence[Decisions],
    files: UnitFiles,
    budget: Budget,
    workspace: Workspace,
) -> Decisions:
    """Let one exchange at the end of a segment decide over the rows of all units, less those that exchanges before it on the same rows have dropped.

    The decisions are kept as a unit of their own, so that a resumed run takes them over.
    """
    step = segment.gathers[position]
    bases = np.concatenate([[0], np.cumsum([unit.rows for unit in units])]).astype(np.int64)
    if not bases[-1]:
        return Decisions("", "", pa.table({"row": pa.array([], pa.int64())}), bases)
    metadata, dataset = workspace.metadata, plan.recipe.dataset
    key = canonical_hash(["exchange", step.identity, position, [unit.key for unit in units], len(before)])
    entered = metadata.units([key]).get(key)
    if entered is None or not files.exists(entered["folder"]):
        table = _decided(step, position, units, bases, before, files, budget, workspace.scratch / "exchange" / key)
        writing = Writing(files)
        writing.add(_DECISIONS, (table.schema, table.to_batches()))
        writing.commit()
        entered = {"folder": writing.folder}
        metadata.record_units(dataset, [Entry(key, entered, segment.index)])
    return Decisions(key, entered["folder"], files.table(f"{entered['folder']}/{_DECISIONS}"), bases)


def _decided(
    step: Step,
    position: int,
    units: Sequence[Unit],
    bases: NDArray[np.int64],
    before: Sequence[Decisions],
    files: UnitFiles,
    budget: Budget,
    scratch: Path,
) -> pa.Table:
    filled = [(unit, int(base)) for unit, base in zip(units, bases[:-1], strict=True) if unit.rows]
    excluded = pa.concat_tables([decisions.dropped for decisions in before]) if before else None
    shutil.rmtree(scratch, ignore_errors=True)  # left by a run that was killed
    try:
        with GatheredKeys(
            [(partial(files.keys, unit, position), base) for unit, base in filled],
            rows=int(bases[-1]),
            take=StagedRows(files, [unit for unit, _ in filled]).take,
            memory_bytes=budget.exchange_bytes,
            threads=budget.workers,
            scratch=scratch,
            excluded=excluded,
        ) as gathered:
            return step.operator.prepare(gathered).sort_by("row").combine_chunks()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
