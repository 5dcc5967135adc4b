"""Run a plan: units on worker threads, exchanges between segments, one commit at the end. Kill it at any instant; start it again."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pyarrow as pa

from liangji.core.digest import canonical_hash
from liangji.core.errors import RunError
from liangji.core.reading import Source, SourceFile, place
from liangji.engine.budget import Budget
from liangji.engine.commit import Built, commit, forget_others
from liangji.engine.exchange import Decisions, Gathering, decide
from liangji.engine.first_segment import Reader, read_all
from liangji.engine.ledger import Ledger
from liangji.engine.plan import Plan, Segment, columns
from liangji.engine.progress import Progress
from liangji.engine.references import References
from liangji.engine.run_state import RunState, segment_label
from liangji.engine.runner import LocalRunner, Runner
from liangji.engine.units import Unit, UnitFiles
from liangji.engine.work import LaterWork, fingerprint, run_later
from liangji.stores.facts import VersionFacts
from liangji.stores.workspace import Workspace

_FAULTS_TOLD, _PLACES_TOLD = 8, 3  # of a run where no record could be used
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run made. `is_new` is False where the dataset already had exactly this version."""

    version: VersionFacts
    is_new: bool
    ledger: dict[str, Any]
    faults: list[dict[str, Any]]  # at most FAULTS_SHOWN a unit: origin, record, line, step, error_code, what, mend
    notes: list[dict[str, Any]]
    seconds: float
    units_run: int
    units_reused: int
    unrecorded_message: str = ""  # where the version was there already, with another message


def run(
    plan: Plan,
    source: Source,
    workspace: Workspace,
    *,
    author: str,
    message: str,
    budget: Budget,
    progress: Progress,
    stop: threading.Event,
    runner: Runner | None = None,
) -> RunResult:
    """Run a plan to its end and commit the version.

    Raises: RunStopped where `stop` is set meanwhile; RunError where the ledger does not close, too many rows fail, or nothing at all
        could be read. Whatever was finished before stays for the next run.
    """
    pa.set_cpu_count(1)  # the engine owns the threads: Arrow's own pool would work on top of them
    started = time.monotonic()
    dataset = plan.recipe.dataset
    with workspace.lock(dataset):
        workspace.metadata.ensure_dataset(dataset, plan.recipe.kind, plan.recipe.modality)
        run_id = workspace.metadata.start_run(dataset, plan.recipe_hash, {"segments": plan.describe()})
        runner = runner or LocalRunner(budget.workers)
        files = UnitFiles(workspace.shared_units if runner.is_shared else workspace.units, dataset)
        state = RunState(plan, source, workspace, budget, progress, stop, runner, files)
        try:
            reader = Reader(state)
            built = _build(state, reader)
            seconds = time.monotonic() - started
            version, is_new = commit(state, built, run_id, author, message, seconds)
            forget_others(state, built, reader.entered_keys(built.files))
        except BaseException as error:
            outcome = "stopped" if isinstance(error, RunError | KeyboardInterrupt) else "failed"
            workspace.metadata.finish_run(run_id, outcome, {"error": f"{type(error).__name__}: {error}"})
            raise
        workspace.metadata.finish_run(run_id, "done", {"version": version.id, "seconds": seconds})
    progress.done()
    return RunResult(
        version=version,
        is_new=is_new,
        ledger=built.ledger,
        faults=[fault for unit in built.every for fault in unit.faults],
        notes=[note for unit in built.every for note in unit.notes],
        seconds=seconds,
        units_run=state.units_run,
        units_reused=state.units_reused,
        unrecorded_message=message if message != version.message else "",
    )


def _build(state: RunState, reader: Reader) -> Built:
    """Run all segments, with the exchanges between them."""
    plan = state.plan
    exchanges = [step for segment in plan.segments for step in segment.gathers]
    state.references = {plan.step_label(step): References.of(state.workspace, step, plan.recipe.dataset) for step in exchanges}
    files = _hashed(state, state.source.files())
    by_file = read_all(state, reader, files)
    units = [[unit for file in files for unit in by_file[file.origin]]]
    state.check_faults(units[0])
    decisions: dict[str, Decisions] = {}
    for before, segment in pairwise(plan.segments):
        decided = _exchange(state, before, units[-1])
        decisions |= zip(map(plan.step_label, before.gathers), decided, strict=True)
        units.append(_run_segment_on_all(state, segment, units[-1], decided))
        state.check_faults(units[-1])
    every = [unit for group in units for unit in group]
    ledger = Ledger.close(unit.counts for unit in every).as_dict()
    if ledger["rows_in"] and ledger["quarantined"] == ledger["rows_in"]:
        raise _nothing_read(every, ledger["quarantined"])
    return Built(files, by_file, units, decisions, ledger)


def _hashed(state: RunState, files: Sequence[SourceFile]) -> list[SourceFile]:
    """Let the runner hash those files whose hash is not known."""
    waiting = [file for file in files if not file.sha256]
    hashes = {file.origin: file.sha256 for file in files}
    if waiting:
        state.progress.phase("hash", sum(file.size_bytes for file in waiting), "bytes")

    def received(file: SourceFile, sha256: str) -> None:
        hashes[file.origin] = sha256
        state.source.remember(replace(file, sha256=sha256))
        state.progress.advance(file.size_bytes, 0, 0)

    state.runner.each(fingerprint, state.source, waiting, received, state.check)
    return [replace(file, sha256=hashes[file.origin]) for file in files]


def _exchange(state: RunState, segment: Segment, units: Sequence[Unit]) -> list[Decisions]:
    """Take the decisions of the exchanges that end a segment; each sees what the ones before it let through."""
    decided: list[Decisions] = []
    for position, step in enumerate(segment.gathers):
        state.check()
        label = state.plan.step_label(step)
        references = state.references[label]
        for facts in references.missing():
            state.progress.phase(f"{label} ← {facts.dataset} {facts.number}", facts.rows, "rows")
            references.make_index(facts, state.advance_rows)
        state.progress.phase(label, sum(unit.rows for unit in units), "rows")
        gathering = Gathering(step, position, units, list(decided), references, state.files)
        decided.append(
            decide(gathering, state.plan.recipe.dataset, state.budget, state.workspace, state.runner.gather, state.check)
        )
    return decided


def _run_segment_on_all(state: RunState, segment: Segment, before: Sequence[Unit], decisions: Sequence[Decisions]) -> list[Unit]:
    """Run a later segment on what the one before it let through, shard by shard."""
    state.progress.phase(segment_label(segment), sum(unit.rows for unit in before), "rows")
    final = columns(state.plan.schema) if segment.is_final else []
    keys = [
        canonical_hash(["unit", segment.identity, final, unit.key, *(decision.digest(position) for decision in decisions)])
        for position, unit in enumerate(before)
    ]
    entered = state.entered(keys)
    after: dict[int, Unit] = {}

    def finished(position: int, unit: Unit, *, is_new: bool) -> None:
        had = before[position]
        state.progress.advance(had.rows, had.rows if is_new else 0, had.size_bytes if is_new else 0)
        state.count_unit(unit, is_new=is_new)
        after[position] = unit

    def received(work: LaterWork, unit: Unit) -> None:
        state.enter(unit)
        finished(work.position, unit, is_new=True)

    def works() -> Iterator[LaterWork]:
        for position, (unit, key) in enumerate(zip(before, keys, strict=True)):
            if key in entered:
                finished(position, entered[key], is_new=False)
            else:
                made = state.made([unit.lineage]).get(unit.lineage, {})
                of_unit = [decision.of_unit(position) for decision in decisions]
                yield LaterWork(key, position, segment.index, unit, of_unit, made)

    state.runner.each(run_later, state.job, works(), received, state.check)
    return [after[position] for position in range(len(before))]


def _nothing_read(units: Sequence[Unit], quarantined: int) -> RunError:
    """Say what was wrong where not one record could be used: each different fault once, with its number and first places."""
    alike: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    told = [fault for unit in units for fault in unit.faults]
    for fault in told:
        alike.setdefault((fault["error_code"], _NUMBER.sub("0", fault["what"]), fault["mend"]), []).append(fault)
    groups = sorted(alike.values(), key=len, reverse=True)
    lines = []
    for group in groups[:_FAULTS_TOLD]:
        places = list(dict.fromkeys(place(fault["origin"], fault["line"]) for fault in group))
        more = f" and {len(places) - _PLACES_TOLD} more" if len(places) > _PLACES_TOLD else ""
        mend = f" ({group[0]['mend']})" if group[0]["mend"] else ""
        times = f" — {len(group)} times" if len(group) > 1 else ""
        lines.append(f"{', '.join(places[:_PLACES_TOLD])}{more}: {group[0]['what']}{mend}{times}")
    if len(groups) > _FAULTS_TOLD:
        lines.append(f"and {len(groups) - _FAULTS_TOLD} other faults")
    if quarantined > len(told):
        lines.append(f"and {quarantined - len(told)} more records of these files")
    mend = "mend the inputs, or leave them out of the recipe"
    return RunError("no record could be used, so no version was made", "\n         ".join(lines), mend)
