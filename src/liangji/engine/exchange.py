"""Exchanges on one machine: keys gathered from all units, decided in DuckDB with spill, and cut up again by unit."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from liangji.core.digest import canonical_hash, row_digests
from liangji.core.schema import DROP_REASON
from liangji.engine.budget import Budget
from liangji.engine.gathered import GatheredKeys, decisions_between
from liangji.engine.recipe import Step
from liangji.engine.units import StagedRows, Unit, UnitFiles, read_table
from liangji.stores.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Decisions:
    """What one exchange decided: a table sorted by `row`, which counts over the rows of all units."""

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
    step: Step,
    position: int,
    units: Sequence[Unit],
    before: Sequence[Decisions],
    files: UnitFiles,
    budget: Budget,
    workspace: Workspace,
) -> Decisions:
    """Let one exchange decide over the rows of all units, less those that exchanges before it on the same rows have dropped.

    The decisions are kept as a unit of their own, so that a resumed run takes them over.
    """
    bases = np.concatenate([[0], np.cumsum([unit.rows for unit in units])]).astype(np.int64)
    if not bases[-1]:
        return Decisions(pa.table({"row": pa.array([], pa.int64())}), bases)
    filled = [unit for unit in units if unit.rows]
    key = canonical_hash(["exchange", step.identity, position, [unit.key for unit in units], len(before)])
    if not files.exists(key):
        staged = StagedRows(files, filled)
        starts = [int(bases[index]) for index, unit in enumerate(units) if unit.rows]
        scratch = workspace.scratch / "exchange" / key
        shutil.rmtree(scratch, ignore_errors=True)  # left by a run that was killed
        excluded = pa.concat_tables([decisions.dropped for decisions in before]) if before else None
        try:
            with GatheredKeys(
                [(files.keys(unit.key, position), start) for unit, start in zip(filled, starts, strict=True)],
                rows=int(bases[-1]),
                take=staged.take,
                memory_bytes=budget.exchange_bytes,
                threads=budget.workers,
                scratch=scratch,
                excluded=excluded,
            ) as gathered:
                table = step.operator.prepare(gathered).sort_by("row").combine_chunks()
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        files.write(key, {"decisions.arrow": (table.schema, table.to_batches())})
    return Decisions(read_table(files.decisions(key)), bases)
