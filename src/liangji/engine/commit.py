"""The end of a run: its tables, the facts of the version, the keys it keeps, and what the next run no longer needs."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from liangji.core.digest import combine_parts, version_id
from liangji.core.operator import OperatorKind
from liangji.core.reading import SourceFile
from liangji.engine.budget import Budget
from liangji.engine.exchange import Decisions
from liangji.engine.plan import QUARANTINE, columns
from liangji.engine.references import References, write_index
from liangji.engine.run_state import RunState
from liangji.engine.segment import DIGEST
from liangji.engine.units import ROOT_ROWS, Beginning, Staged, Unit, grouped, stage_group
from liangji.engine.work import made_key
from liangji.stores.facts import VersionFacts
from liangji.stores.metadata import Entry

_NOTES_KEPT = 1000  # with a version


@dataclass(frozen=True, slots=True)
class Built:
    """Everything that a run has done, before it is committed."""

    files: Sequence[SourceFile]
    by_file: dict[str, list[Unit]]  # origin → units of the first segment
    units: list[list[Unit]]  # of each segment, in canonical order
    decisions: dict[str, Decisions]  # exchange → what it decided
    ledger: dict[str, Any]

    @property
    def final(self) -> list[Unit]:
        return self.units[-1]

    @property
    def every(self) -> list[Unit]:
        return [unit for units in self.units for unit in units]


def commit(state: RunState, built: Built, run_id: str, author: str, message: str, seconds: float) -> tuple[VersionFacts, bool]:
    """Commit the version, unless the dataset has exactly this one already; the second value tells whether it is new."""
    plan, workspace = state.plan, state.workspace
    recipe, dataset = plan.recipe, plan.recipe.dataset
    content = combine_parts(lambda: (state.files.bytes(f"{unit.folder}/{DIGEST}") for unit in built.final))
    identifier = version_id(recipe.kind, recipe.modality, plan.recipe_hash, content)
    existing = [facts.id for facts in workspace.metadata.versions(dataset)]
    if identifier in existing:
        known = workspace.metadata.make_newest(dataset, identifier)
        if recipe.output.index:
            _keep_keys(state, known, None)
        return known, False
    facts = VersionFacts(
        dataset=dataset,
        id=identifier,
        number=recipe.output.version,
        author=author,
        message=message,
        created_time=datetime.now(UTC),
        parents=tuple(existing[-1:]),
        kind=recipe.kind,
        modality=recipe.modality,
        recipe=recipe.text,
        recipe_hash=plan.recipe_hash,
        operators={step.name: {"version": step.operator.version, "package": _package(step.operator)} for step in recipe.steps},
        inputs=[_input_facts(state, file, built.by_file[file.origin]) for file in built.files],
        ledger=built.ledger,
        findings={label: decisions.findings for label, decisions in built.decisions.items()},
        tables=_commit_tables(state, built),
        rows=built.ledger["rows_out"],
        columns=columns(plan.schema),
        signals=plan.signals,
        notes=[note for unit in built.every for note in unit.notes][:_NOTES_KEPT],
        run_id=run_id,
        seconds=seconds,
        environment=_environment(state.budget),
    )
    entered = workspace.metadata.add_version(facts)
    if recipe.output.index:
        _keep_keys(state, entered, built)
    return entered, True


def _commit_tables(state: RunState, built: Built) -> dict[str, int]:
    plan, files, tables = state.plan, state.files, state.workspace.tables
    staged = {
        "rows": (plan.schema, [files.staged_rows(unit) for unit in built.final]),
        "dropped": (plan.dropped_schema, [files.staged_dropped(unit, plan.dropped_schema) for unit in built.every]),
        "quarantined": (QUARANTINE, [files.staged_quarantined(unit) for unit in built.every]),
    }
    committed = {}
    for name, (schema, parts) in staged.items():
        table = f"{plan.recipe.dataset}/{name}"
        committed[name] = tables.commit(table, schema, _staged(state, table, schema, parts))
    return committed


def _staged(state: RunState, table: str, schema: pa.Schema, parts: Sequence[Staged]) -> list[str]:
    """Give the fragments of one table of the version, in order; the runner stages what is not staged yet."""
    groups = grouped(parts)
    fragments = {number: group[0].fragments for number, group in enumerate(groups) if group[0].fragments}
    waiting = [(number, group) for number, group in enumerate(groups) if number not in fragments]

    def received(numbered: tuple[int, Sequence[Staged]], staged: list[str]) -> None:
        fragments[numbered[0]] = staged

    state.runner.each(stage_group, (state.workspace.tables, table, schema), waiting, received, state.check)
    return [fragment for number in range(len(groups)) for fragment in fragments[number]]


def _keep_keys(state: RunState, facts: VersionFacts, built: Built | None) -> None:
    """Keep the keys of the version's rows with it: those that were gathered, where the rows are still what they were then.

    `built` is None for a version that was there already: this run may have read the same rows in another order.
    """
    plan, workspace = state.plan, state.workspace
    for segment in plan.segments:
        later = [step.operator.kind for after in plan.segments[segment.index + 1 :] for step in after.steps]
        for position, step in enumerate(segment.gathers):
            references = References(workspace, step, (facts,))
            if not facts.rows or not references.missing():
                continue
            units = list(zip(built.units[segment.index], built.final, strict=True)) if built else []
            is_numbered_alike = all(had.root_lineage == last.root_lineage != "" for had, last in units)
            if built and is_numbered_alike and OperatorKind.TRANSFORM not in later:
                write_index(workspace, facts.dataset, facts.id, step, _kept_keys(state, position, units))
                continue
            state.progress.phase(f"{plan.step_label(step)} → index", facts.rows, "rows")
            references.make_index(facts, state.advance_rows)


def _kept_keys(state: RunState, exchange: int, units: Iterable[tuple[Unit, Unit]]) -> Iterator[pa.RecordBatch]:
    base = 0
    for had, last in units:
        if last.rows:
            kept = np.frombuffer(state.files.bytes(f"{last.folder}/{ROOT_ROWS}"), np.int64)
            for batch in state.files.keys_of(had, exchange, kept):
                yield batch.set_column(0, "row", pc.add(batch.column(0), base))
        base += last.rows


def _input_facts(state: RunState, file: SourceFile, units: Iterable[Unit]) -> dict[str, Any]:
    entry = state.plan.recipe.inputs[file.input_index]
    return {
        "origin": file.origin,
        "sha256": file.sha256,
        "size_bytes": file.size_bytes,
        "modified_time": file.modified_time,
        "source": entry.source,
        "source_details": entry.source_details,
        "license": entry.license,
        "rows": sum(unit.rows_in for unit in units),
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


def forget_others(state: RunState, built: Built, keep: set[str]) -> None:
    """Keep the units of this build for the next one, and remove all others of the dataset, with the files nothing refers to."""
    workspace, dataset = state.workspace, state.plan.recipe.dataset
    every, decided = built.every, built.decisions.values()
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
