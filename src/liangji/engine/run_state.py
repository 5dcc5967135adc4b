"""The state of one run: what earlier runs have entered, what is entered now, the score."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from liangji.core.errors import FaultShareExceeded
from liangji.core.reading import Source, place
from liangji.engine.budget import Budget
from liangji.engine.plan import Plan, Segment
from liangji.engine.progress import Progress, check_stop
from liangji.engine.references import References
from liangji.engine.runner import Runner
from liangji.engine.units import Beginning, Unit, UnitFiles
from liangji.engine.work import Job, Made, made_key
from liangji.stores.metadata import Entry
from liangji.stores.workspace import Workspace

_FAULT_SHARE_FROM = 100  # rows: below that a share says nothing


@dataclass(slots=True)
class RunState:
    """The state of one run, shared by its workers."""

    plan: Plan
    source: Source
    workspace: Workspace
    budget: Budget
    progress: Progress
    stop: threading.Event
    runner: Runner
    files: UnitFiles
    lock: threading.Lock = field(default_factory=threading.Lock)
    references: dict[str, References] = field(default_factory=dict)  # step → the earlier versions that it compares with
    rows_seen: int = 0
    rows_failed: int = 0
    units_run: int = 0
    units_reused: int = 0

    @property
    def job(self) -> Job:
        return Job(self.plan, self.source, self.files, self.workspace.tables)

    def check(self) -> None:
        check_stop(self.stop)

    def advance_rows(self, rows: int) -> None:
        """Tell the progress of work that goes row by row, and raise where the run is to stop."""
        self.check()
        self.progress.advance(rows, rows, 0)

    def count_unit(self, unit: Unit, *, is_new: bool) -> None:
        """Keep score."""
        with self.lock:
            self.units_run += is_new
            self.units_reused += not is_new
            self.rows_failed += sum(count["quarantined"] for count in unit.counts)
            self.rows_seen += unit.rows_in

    def entered(self, keys: Sequence[str]) -> dict[str, Unit]:
        """Give those of these units that are done, with everything they refer to."""
        units = {key: Unit.from_result(key, result) for key, result in self.workspace.metadata.units(keys).items()}
        return {key: unit for key, unit in units.items() if all(map(self.files.exists, unit.folders))}

    def made(self, lineages: Sequence[str]) -> dict[str, Made]:
        """Give the layers over these roots that are still there."""
        names = {made_key(lineage): lineage for lineage in lineages}
        entered = self.workspace.metadata.units(list(names))
        return {
            names[key]: {name: parts for name, parts in made.items() if self._are_there(parts)} for key, made in entered.items()
        }

    def _are_there(self, parts: Sequence[dict[str, Any]]) -> bool:
        return all(self.files.exists(part["place"].partition("/")[0]) for part in parts)

    def enter(self, unit: Unit, beginning: Beginning | None = None) -> None:
        """Enter a unit as done, with what it leaves to runs of other plans."""
        self.files.added(unit.folder)
        name = made_key(unit.lineage)
        made = self.workspace.metadata.units([name]).get(name, {}) | unit.made
        entries = [
            Entry(unit.key, unit.result, unit.segment, unit.origin, unit.shard),
            Entry(name, made, -1, unit.origin, unit.shard),
        ]
        if beginning is not None:
            entries.append(Entry(unit.lineage, asdict(beginning), -1, unit.origin, unit.shard))
        self.workspace.metadata.record_units(self.plan.recipe.dataset, entries)

    def check_faults(self, units: Sequence[Unit]) -> None:
        """Stop the run where too many rows failed. Asked when a segment has ended, so that the order of units means nothing.

        Raises: FaultShareExceeded.
        """
        limit = self.plan.recipe.limits.fault_share
        if self.rows_seen >= _FAULT_SHARE_FROM and self.rows_failed > limit * self.rows_seen:
            fault = next(fault for unit in units for fault in unit.faults)
            raise FaultShareExceeded(
                f"{self.rows_failed} of {self.rows_seen} rows failed, more than the limit of {limit:.0%}",
                f"first {place(fault['origin'], fault['line'])}, step '{fault['step']}': {fault['what']}",
                "mend the input or the step; with `limits: {fault_share: 1}` the build goes on and all of them can be looked at",
            )


def segment_label(segment: Segment) -> str:
    names = [step.name for step in segment.steps]
    return " → ".join((["read"] if segment.index == 0 else []) + names + (["commit"] if segment.is_final else [])) or "read"
