"""The work of one unit: from a shard of an input, or from the unit before it, to a unit that is written.

Nothing here asks or changes the metadata: a unit may be run in a thread, in another process or on another machine, and whoever had
it run enters what it gives back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from liangji.core.digest import canonical_hash
from liangji.core.operator import OperatorKind
from liangji.engine.ledger import StepCount
from liangji.engine.plan import READ_STEP, Plan, Segment
from liangji.engine.segment import Outcome, Remembered, make_root, quarantine_fault, run_segment
from liangji.engine.shards import Shard
from liangji.engine.units import Beginning, Unit, UnitFiles, Writing, finish
from liangji.engine.views import Layer, View
from liangji.stores.tables import Tables

Made = dict[str, list[dict[str, Any]]]  # name of a layer → its parts


@dataclass(frozen=True, slots=True)
class FirstWork:
    """A unit of the first segment."""

    key: str
    lineage: str  # names the shard and the operators that make its root
    origin: str
    shard: Shard  # may be empty where `beginning` has the root
    beginning: Beginning | None  # what an earlier run left
    made: Made


@dataclass(frozen=True, slots=True)
class LaterWork:
    """A unit of a later segment, with the part of each decision that falls on it."""

    key: str
    before: Unit
    decisions: Sequence[pa.Table]
    made: Made


def made_key(lineage: str) -> str:
    """Name the entry that holds the layers over a root."""
    return canonical_hash(["made", lineage])


def run_first(plan: Plan, files: UnitFiles, tables: Tables, work: FirstWork) -> tuple[Unit, Beginning]:
    """Run the first segment on one shard; gives also what its root is known by to other plans."""
    segment = plan.segments[0]
    writing = Writing(files)
    if work.beginning is not None and work.beginning.root is not None:
        begun, beginning = View.whole(files.root(work.beginning.root)), work.beginning
    else:
        outcome = make_root(plan, segment.links[0], work.shard.batches)
        _count_reading(outcome, work.shard)
        begun = outcome.view
        keeps_root = len(segment.links) > 1 or not segment.is_final
        beginning = writing.beginning(outcome, work.shard.notes, keeps_root=keeps_root)
    lineage = work.lineage if beginning.root else ""
    outcome = run_segment(plan, segment, begun, (), _remembered(files, work.made), lineage)
    unit = finish(tables, writing, plan, segment, work.key, work.lineage, work.origin, work.shard.index, outcome, beginning)
    return unit, beginning


def run_later(plan: Plan, segment: Segment, files: UnitFiles, tables: Tables, work: LaterWork) -> Unit:
    """Run a later segment on what one unit let through."""
    before = work.before
    outcome = run_segment(plan, segment, files.view(before), work.decisions, _remembered(files, work.made), before.root_lineage)
    return finish(tables, Writing(files), plan, segment, work.key, before.lineage, before.origin, before.shard, outcome)


def _remembered(files: UnitFiles, made: Made) -> Remembered:
    def layer(name: str) -> Layer:
        parts = made.get(name, [])
        is_there = all(files.exists(part["place"].partition("/")[0]) for part in parts)
        return files.layer(name, parts if is_there else [])

    return layer


def _count_reading(outcome: Outcome, shard: Shard) -> None:
    faults = len(shard.faults)
    outcome.counts = {
        READ_STEP: StepCount(READ_STEP, OperatorKind.READ, shard.rows + faults, shard.rows, 0, {}, faults),
        **outcome.counts,
    }
    outcome.quarantined[:0] = [quarantine_fault(fault) for fault in shard.faults]
