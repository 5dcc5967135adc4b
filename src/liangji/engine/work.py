"""The work of one unit: from a shard of an input, or from the unit before it, to a unit that is written.

Nothing here asks or changes the metadata: a unit may be run in a thread, in another process or on another machine, and whoever had
it run enters what it gives back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from liangji.core.digest import canonical_hash
from liangji.core.operator import OperatorKind
from liangji.core.reading import Source, SourceFile
from liangji.engine.ledger import StepCount
from liangji.engine.plan import READ_STEP, Plan, columns
from liangji.engine.segment import Outcome, Remembered, make_root, quarantine_fault, run_segment
from liangji.engine.shards import Shard, cut, cutting
from liangji.engine.units import Beginning, Unit, UnitFiles, Writing, finish
from liangji.engine.views import View
from liangji.stores.tables import Tables

Made = dict[str, list[dict[str, Any]]]  # name of a layer → its parts


@dataclass(frozen=True, slots=True)
class Job:
    """What all units of a run have in common."""

    plan: Plan
    source: Source
    files: UnitFiles
    tables: Tables


@dataclass(frozen=True, slots=True)
class FileWork:
    """The first segment on one input file, with what earlier runs have left of it that is still there."""

    file: SourceFile
    identity: str  # names the file, and how it is read and cut
    shards: int  # 0 where it was not read to its end
    done: frozenset[int]  # shards whose units need not be run
    beginnings: Mapping[int, Beginning]  # shard → what the first operators made of it, with its root
    made: Mapping[int, Made]  # shard → layers over its root

    @property
    def is_begun(self) -> bool:
        """Tell whether the roots of all shards are there, so that the file need not be read again."""
        return 0 < self.shards == len(self.beginnings)


@dataclass(frozen=True, slots=True)
class Reading:
    """How far the reading of a file has come: a shard that is done, or only some more bytes."""

    consumed_bytes: int = 0
    size_bytes: int = 0  # of the shard, in Arrow memory
    unit: Unit | None = None
    beginning: Beginning | None = None


@dataclass(frozen=True, slots=True)
class LaterWork:
    """A unit of a later segment, with the part of each decision that falls on it."""

    key: str
    position: int  # among the units of its segment
    segment: int
    before: Unit
    decisions: Sequence[pa.Table]
    made: Made  # layers over its root, from earlier runs, that are still there


def fingerprint(source: Source, file: SourceFile) -> str:
    """Read an input file for its SHA-256."""
    return source.fingerprint(file)


def file_identity(plan: Plan, source: Source, file: SourceFile) -> str:
    """Name an input file and how it is read and cut; staged fragments lie in the dataset's own table."""
    return canonical_hash([plan.recipe.dataset, source.identity(file), file.sha256, cutting()])


def unit_key(plan: Plan, identity: str, shard: int) -> str:
    """Name the unit of the first segment on a shard of the file with this identity."""
    segment = plan.segments[0]
    return canonical_hash(["unit", identity, shard, segment.identity, columns(plan.schema) if segment.is_final else []])


def beginning_key(plan: Plan, identity: str, shard: int) -> str:
    """Name what the first operators make of a shard: the same for every plan that begins with them."""
    return canonical_hash(["beginning", identity, shard, plan.segments[0].links[0].identity])


def made_key(lineage: str) -> str:
    """Name the entry that holds the layers over a root."""
    return canonical_hash(["made", lineage])


def read_shards(source: Source, work: FileWork, consumed: Callable[[int], None]) -> Iterator[Shard]:
    """Read a file; where earlier runs have left all its roots, these stand for it. `consumed` is told of more bytes that are read."""
    if not work.is_begun:
        yield from cut(source.read(work.file, consumed))
        return
    for shard in range(work.shards):
        yield Shard(shard)
        consumed(work.file.size_bytes // work.shards)


def run_first(job: Job, work: FileWork, shard: Shard) -> Reading:
    """Run the first segment on one shard, unless that is done."""
    if shard.index in work.done:
        return Reading()
    plan, files = job.plan, job.files
    segment = plan.segments[0]
    writing = Writing(files)
    beginning = work.beginnings.get(shard.index)
    if beginning is not None and beginning.root is not None:
        begun = View.whole(files.root(beginning.root))
    else:
        outcome = make_root(plan, segment.links[0], shard.batches)
        _count_reading(outcome, shard)
        begun = outcome.view
        keeps_root = len(segment.links) > 1 or not segment.is_final
        beginning = writing.beginning(outcome, shard.notes, keeps_root=keeps_root)
    lineage = beginning_key(plan, work.identity, shard.index)
    remembered = _remembered(files, work.made.get(shard.index, {}))
    outcome = run_segment(plan, segment, begun, (), remembered, lineage if beginning.root else "")
    key = unit_key(plan, work.identity, shard.index)
    unit = finish(job.tables, writing, plan, segment, key, lineage, work.file.origin, shard.index, outcome, beginning)
    return Reading(0, shard.size_bytes, unit, beginning)


def run_later(job: Job, work: LaterWork) -> Unit:
    """Run a later segment on what one unit let through."""
    before, files, segment = work.before, job.files, job.plan.segments[work.segment]
    remembered = _remembered(files, work.made)
    outcome = run_segment(job.plan, segment, files.view(before), work.decisions, remembered, before.root_lineage)
    return finish(job.tables, Writing(files), job.plan, segment, work.key, before.lineage, before.origin, before.shard, outcome)


def _remembered(files: UnitFiles, made: Made) -> Remembered:
    return lambda name: files.layer(name, made.get(name, []))


def _count_reading(outcome: Outcome, shard: Shard) -> None:
    faults = len(shard.faults)
    outcome.counts = {
        READ_STEP: StepCount(READ_STEP, OperatorKind.READ, shard.rows + faults, shard.rows, 0, {}, faults),
        **outcome.counts,
    }
    outcome.quarantined[:0] = [quarantine_fault(fault) for fault in shard.faults]
