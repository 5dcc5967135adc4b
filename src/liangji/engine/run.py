"""Run a plan: units on worker threads, exchanges between segments, one commit at the end. Kill it at any instant; start it again."""

from __future__ import annotations

import os
import platform
import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from liangji.core.digest import canonical_hash, combine_parts, version_id
from liangji.core.errors import FaultShareExceeded, RunError
from liangji.core.operator import Warmable
from liangji.core.reading import Source, SourceFile, place
from liangji.engine.budget import Budget
from liangji.engine.exchange import Decisions, Gathering, decide
from liangji.engine.ledger import Ledger
from liangji.engine.plan import QUARANTINE, READ_STEP, Plan, Segment, columns
from liangji.engine.progress import Progress, check_stop
from liangji.engine.references import References, write_index
from liangji.engine.runner import LocalRunner, Runner
from liangji.engine.segment import DIGEST
from liangji.engine.units import ROOT_ROWS, Beginning, Unit, UnitFiles, stage_all
from liangji.engine.work import (
    FileWork,
    Job,
    LaterWork,
    Made,
    Reading,
    beginning_key,
    file_identity,
    made_key,
    run_later,
    unit_key,
)
from liangji.stores.facts import VersionFacts
from liangji.stores.metadata import Entry
from liangji.stores.workspace import Workspace

_NOTES_KEPT = 1000  # with a version
_FAULTS_TOLD, _PLACES_TOLD = 8, 3  # of a run where no record could be used
_NUMBER = re.compile(r"\d+")
_SHARDS_AT_FIRST, _SHARDS_ASKED_FOR = 8, 256  # in one question to the metadata
_FAULT_SHARE_FROM = 100  # rows: below that a share says nothing


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


@dataclass(slots=True)
class _Run:
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

    def count_unit(self, unit: Unit, *, is_new: bool) -> None:
        """Keep score."""
        with self.lock:
            self.units_run += is_new
            self.units_reused += not is_new
            self.rows_failed += sum(count["quarantined"] for count in unit.counts)
            self.rows_seen += sum(count["rows_in"] for count in unit.counts if count["step"] == READ_STEP)

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
        state = _Run(plan, source, workspace, budget, progress, stop, runner, files)
        try:
            result = _run(state, run_id, author, message, started)
        except BaseException as error:
            outcome = "stopped" if isinstance(error, RunError | KeyboardInterrupt) else "failed"
            workspace.metadata.finish_run(run_id, outcome, {"error": f"{type(error).__name__}: {error}"})
            raise
        workspace.metadata.finish_run(run_id, "done", {"version": result.version.id, "seconds": result.seconds})
    return result


def _run(state: _Run, run_id: str, author: str, message: str, started: float) -> RunResult:
    plan = state.plan
    exchanges = [step for segment in plan.segments for step in segment.gathers]
    state.references = {plan.step_label(step): References.of(state.workspace, step) for step in exchanges}
    for step in plan.recipe.steps:
        if isinstance(step.operator, Warmable):
            step.operator.warm_up()
    files = state.source.files()
    first, *others = plan.segments
    reader = _Reader(state, first)
    by_file = _read_all(state, reader, files)
    units = [unit for file in files for unit in by_file[file.origin]]
    state.check_faults(units)
    done = [units]
    decided: list[Decisions] = []
    for segment in others:
        previous = plan.segments[segment.index - 1]
        decisions = _exchange(state, previous, units)
        decided += decisions
        units = _run_segment_on_all(state, segment, units, decisions)
        state.check_faults(units)
        done.append(units)
    every = [unit for group in done for unit in group]
    ledger = Ledger.close(unit.counts for unit in every).as_dict()
    if ledger["rows_in"] and ledger["quarantined"] == ledger["rows_in"]:
        raise _nothing_read(every, ledger["quarantined"])
    findings = {plan.step_label(step): found.findings for step, found in zip(exchanges, decided, strict=True)}
    result = _commit(state, run_id, author, message, started, files, by_file, every, units, ledger, findings)
    if result.is_new and plan.recipe.output.index:
        _keep_keys(state, result.version.id, done)
    _forget_others(state, reader.entered_keys(files), every, decided)
    state.progress.done()
    return result


def _read_all(state: _Run, reader: _Reader, files: Sequence[SourceFile]) -> dict[str, list[Unit]]:
    """Run the first segment on every shard of every file; units that are done are not run again."""
    waiting = []
    already = 0
    for file in files:
        if reader.take_finished(file):
            already += file.size_bytes
        else:
            waiting.append(file)
    state.progress.phase(_label(reader.segment), sum(file.size_bytes for file in files), "bytes")
    state.progress.advance(already, 0, 0)
    state.runner.read(state.job, map(reader.work, waiting), reader.received, state.check)
    return {file.origin: reader.units_of(file) for file in files}


class _Reader:
    """The first segment: from input files to units.

    Three things are entered of a file: its units, under a name that every step of the segment decides; what the first operators
    made of its shards, under one that only these decide, so that another rule need not read the file again; and how many shards
    it has.
    """

    def __init__(self, state: _Run, segment: Segment) -> None:
        self._state, self.segment = state, segment
        self._identities: dict[str, str] = {}
        self._units: dict[str, dict[int, Unit]] = {}
        self._finished: set[str] = set()  # origins of files that an earlier run has read to their end
        self._lock = threading.Lock()

    def _identity(self, file: SourceFile) -> str:
        known = self._identities.get(file.origin)
        if known is None:
            known = self._identities[file.origin] = file_identity(self._state.plan, self._state.source, file)
        return known

    def _file_key(self, file: SourceFile) -> str:
        return canonical_hash(["file", self._identity(file)])

    def entered_keys(self, files: Sequence[SourceFile]) -> set[str]:
        """Name everything but units that stays entered for the next build."""
        return {self._file_key(file) for file in files} | {
            unit.lineage for units in self._units.values() for unit in units.values()
        }

    def take_finished(self, file: SourceFile) -> bool:
        """Take over the units of a file that was read to its end by an earlier run of the same steps."""
        shards = self._shards_of(file)
        done = self._done(file, range(shards))
        if not shards or len(done) < shards:
            return False
        for shard, unit in done.items():
            self._enter(file, shard, unit, is_new=False)
        self._finished.add(file.origin)
        return True

    def _shards_of(self, file: SourceFile) -> int:
        """Tell how many shards a file has that was read to its end; 0 where it was not."""
        key = self._file_key(file)
        entered = self._state.workspace.metadata.units([key]).get(key)
        return entered["shards"] if entered else 0

    def _done(self, file: SourceFile, shards: Iterable[int]) -> dict[int, Unit]:
        keys = {unit_key(self._state.plan, self._identity(file), shard): shard for shard in shards}
        return {keys[key]: unit for key, unit in self._state.entered(list(keys)).items()}

    def work(self, file: SourceFile) -> FileWork:
        """Find what earlier runs have left of a file: more and more shards at a time, until none of them has left anything."""
        shards = self._shards_of(file)
        first = 0
        done: dict[int, Unit] = {}
        beginnings: dict[int, Beginning] = {}
        made: dict[int, Made] = {}
        while True:
            some = range(first, first + min(first, _SHARDS_ASKED_FOR) + _SHARDS_AT_FIRST)
            first = some.stop
            lineages = {beginning_key(self._state.plan, self._identity(file), shard): shard for shard in some}
            found = self._done(file, some)
            begun = self._state.workspace.metadata.units(list(lineages))
            done |= found
            beginnings |= {lineages[key]: Beginning(**result) for key, result in begun.items() if self._has_root(result)}
            made |= {lineages[lineage]: layers for lineage, layers in self._state.made(list(lineages)).items()}
            if not found and not begun:
                break
        for shard, unit in done.items():
            self._enter(file, shard, unit, is_new=False)
        return FileWork(file, self._identity(file), shards, frozenset(done), beginnings, made)

    def _has_root(self, result: dict[str, Any]) -> bool:
        beginning = Beginning(**result)
        return beginning.root is not None and all(map(self._state.files.exists, beginning.folders))

    def received(self, work: FileWork, reading: Reading) -> None:
        """Enter the unit of a shard, if that is what has come."""
        unit = reading.unit
        self._state.progress.advance(reading.consumed_bytes, unit.rows_in if unit else 0, reading.size_bytes)
        if unit is not None:
            self._state.enter(unit, reading.beginning)
            self._enter(work.file, unit.shard, unit, is_new=True)

    def _enter(self, file: SourceFile, shard: int, unit: Unit, *, is_new: bool) -> None:
        with self._lock:
            self._units.setdefault(file.origin, {})[shard] = unit
        self._state.count_unit(unit, is_new=is_new)

    def units_of(self, file: SourceFile) -> list[Unit]:
        """Give the units of a file in order, and enter the file as read to its end."""
        units = self._units.get(file.origin, {})
        if file.origin not in self._finished:
            entry = Entry(self._file_key(file), {"shards": len(units)}, origin=file.origin)
            self._state.workspace.metadata.record_units(self._state.plan.recipe.dataset, [entry])
        return [units[shard] for shard in range(len(units))]


def _exchange(state: _Run, segment: Segment, units: Sequence[Unit]) -> list[Decisions]:
    """Take the decisions of the exchanges that end a segment; each sees what the ones before it let through."""
    decided: list[Decisions] = []
    for position, step in enumerate(segment.gathers):
        state.check()
        label = state.plan.step_label(step)
        references = state.references[label]
        for facts in references.missing():
            state.progress.phase(f"{label} ← {facts.dataset} {facts.number}", facts.rows, "rows")
            references.make_index(facts, partial(_advance_checked, state))
        state.progress.phase(label, sum(unit.rows for unit in units), "rows")
        gathering = Gathering(step, position, units, list(decided), references, state.files)
        decided.append(
            decide(gathering, state.plan.recipe.dataset, state.budget, state.workspace, state.runner.gather, state.check)
        )
    return decided


def _advance_checked(state: _Run, rows: int) -> None:
    state.check()
    state.progress.advance(rows, rows, 0)


def _run_segment_on_all(state: _Run, segment: Segment, before: Sequence[Unit], decisions: Sequence[Decisions]) -> list[Unit]:
    """Run a later segment on what the one before it let through, shard by shard."""
    state.progress.phase(_label(segment), sum(unit.rows for unit in before), "rows")
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


def _commit(
    state: _Run,
    run_id: str,
    author: str,
    message: str,
    started: float,
    files: Sequence[SourceFile],
    by_file: dict[str, list[Unit]],
    every: Sequence[Unit],
    final: Sequence[Unit],
    ledger: dict[str, Any],
    findings: dict[str, dict[str, Any]],
) -> RunResult:
    plan, workspace = state.plan, state.workspace
    recipe, dataset = plan.recipe, plan.recipe.dataset
    content = combine_parts(lambda: (state.files.bytes(f"{unit.folder}/{DIGEST}") for unit in final))
    identifier = version_id(recipe.kind, recipe.modality, plan.recipe_hash, content)
    existing = {facts.id: facts for facts in workspace.metadata.versions(dataset)}
    seconds = time.monotonic() - started
    notes = [note for unit in every for note in unit.notes]

    def result(version: VersionFacts, *, is_new: bool) -> RunResult:
        faults = [fault for unit in every for fault in unit.faults]
        unrecorded = message if message != version.message else ""
        return RunResult(version, is_new, ledger, faults, notes, seconds, state.units_run, state.units_reused, unrecorded)

    if identifier in existing:
        return result(workspace.metadata.make_newest(dataset, identifier), is_new=False)
    staged = {
        "rows": (plan.schema, [state.files.staged_rows(unit) for unit in final]),
        "dropped": (plan.dropped_schema, [state.files.staged_dropped(unit, plan.dropped_schema) for unit in every]),
        "quarantined": (QUARANTINE, [state.files.staged_quarantined(unit) for unit in every]),
    }
    tables = {}
    for name, (schema, parts) in staged.items():
        fragments = stage_all(workspace.tables, f"{dataset}/{name}", schema, parts, state.budget.workers)
        tables[name] = workspace.tables.commit(f"{dataset}/{name}", schema, fragments)
    latest = list(existing.values())[-1:]
    facts = VersionFacts(
        dataset=dataset,
        id=identifier,
        number=recipe.output.version,
        author=author,
        message=message,
        created_time=datetime.now(UTC),
        parents=tuple(parent.id for parent in latest),
        kind=recipe.kind,
        modality=recipe.modality,
        recipe=recipe.text,
        recipe_hash=plan.recipe_hash,
        operators={step.name: {"version": step.operator.version, "package": _package(step.operator)} for step in recipe.steps},
        inputs=[_input_facts(state, file, by_file[file.origin]) for file in files],
        ledger=ledger,
        findings=findings,
        tables=tables,
        rows=ledger["rows_out"],
        columns=columns(plan.schema),
        signals=plan.signals,
        notes=notes[:_NOTES_KEPT],
        run_id=run_id,
        seconds=seconds,
        environment=_environment(state.budget),
    )
    return result(workspace.metadata.add_version(facts), is_new=True)


def _keep_keys(state: _Run, version: str, done: Sequence[Sequence[Unit]]) -> None:
    """Keep the keys of the version's rows with it, for those exchanges since which no row was made anew."""
    plan = state.plan
    for segment in plan.segments:
        for position, step in enumerate(segment.gathers):
            units = list(zip(done[segment.index], done[-1], strict=True))
            if all(had.root_lineage == last.root_lineage != "" for had, last in units):
                write_index(state.workspace, plan.recipe.dataset, version, step, _kept_keys(state, position, units))


def _kept_keys(state: _Run, exchange: int, units: Iterable[tuple[Unit, Unit]]) -> Iterator[pa.RecordBatch]:
    base = 0
    for had, last in units:
        if last.rows:
            kept = np.frombuffer(state.files.bytes(f"{last.folder}/{ROOT_ROWS}"), np.int64)
            for batch in state.files.keys_of(had, exchange, kept):
                yield batch.set_column(0, "row", pc.add(batch.column(0), base))
        base += last.rows


def _input_facts(state: _Run, file: SourceFile, units: Iterable[Unit]) -> dict[str, Any]:
    entry = state.plan.recipe.inputs[file.input_index]
    rows = sum(count["rows_in"] for unit in units for count in unit.counts if count["step"] == READ_STEP)
    return {
        "origin": file.origin,
        "sha256": file.sha256,
        "size_bytes": file.size_bytes,
        "modified_time": file.modified_time,
        "source": entry.source,
        "source_details": entry.source_details,
        "license": entry.license,
        "rows": rows,
    }


def _package(operator: object) -> str:
    root = type(operator).__module__.partition(".")[0]
    try:
        return f"{root} {version(root)}"
    except ModuleNotFoundError:
        return root


def _environment(budget: Budget) -> dict[str, Any]:
    return {
        "liangji": version("liangji"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "budget": asdict(budget),
    }


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


def _forget_others(state: _Run, keep: set[str], every: Sequence[Unit], decided: Sequence[Decisions]) -> None:
    """Keep the units of this build for the next one, and remove all others of the dataset, with the files nothing refers to."""
    workspace, dataset = state.workspace, state.plan.recipe.dataset
    made = {made_key(unit.lineage): set[str]() for unit in every}
    for unit in every:
        made[made_key(unit.lineage)] |= set(unit.made)
    keep = {*keep, *made, *(unit.key for unit in every), *(decisions.key for decisions in decided)}
    folders = {folder for unit in every for folder in unit.folders} | {decisions.folder for decisions in decided}
    forgotten = []
    for key, result in workspace.metadata.units_of(dataset):
        if key not in keep:
            forgotten.append(key)
        elif key in made and result.keys() - made[key]:  # layers of steps that the recipe no longer has
            kept = {name: parts for name, parts in result.items() if name in made[key]}
            workspace.metadata.record_units(dataset, [Entry(key, kept)])
        elif "counts" in result and "folder" not in result:
            folders |= Beginning(**result).folders
    workspace.metadata.forget_units(forgotten)
    state.files.remove_others(folders)
    staged = [fragment for unit in every for fragment in unit.fragments]
    for name in ("rows", "dropped", "quarantined"):
        workspace.tables.collect_garbage(f"{dataset}/{name}", staged if name == "rows" else ())


def _label(segment: Segment) -> str:
    names = [step.name for step in segment.steps]
    return " → ".join((["read"] if segment.index == 0 else []) + names + (["commit"] if segment.is_final else [])) or "read"
