"""Tell what the rules of a recipe would drop, before it is built: from the measured columns of the newest version, or from a sample.

A stored column speaks for the recipe only if the recipe would make the same values again: the same measuring step, after the same
steps that change or cut texts. A rule over other columns is listed as not evaluated, never guessed at.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from liangji.core.digest import canonical_hash
from liangji.core.errors import InputError, UsageError
from liangji.core.operator import OperatorKind
from liangji.core.schema import ANNOTATION, EXTRA, ID, RECORD, payload_fields, record_schema
from liangji.engine.plan import DROP_STEP, Plan, make_plan
from liangji.engine.recipe import Recipe, Step, parse_recipe, read_recipe
from liangji.libraries.datasets.sampling import Sample, sample_inputs
from liangji.libraries.datasets.source import Inputs
from liangji.pipeline.cleaning.rule_effects import Effects, PlacedRule, RuleEffects
from liangji.pipeline.cleaning.rules import Keep
from liangji.stores.facts import VersionFacts
from liangji.stores.workspace import Workspace

_BATCH_ROWS = 1 << 16
_CHANGED_LATER = ("last_modified_time", ANNOTATION, EXTRA)  # columns beside the payload that later steps may change
_PLACEHOLDER = "0" * 64  # for secrets of an old recipe: no rule hangs on them


@dataclass(frozen=True, slots=True)
class NotEvaluated:
    """A rule that the columns at hand do not answer."""

    step: str
    reason: str
    columns: tuple[str, ...]  # that are missing, or were measured in another way


@dataclass(frozen=True, slots=True)
class SampleFacts:
    """How much of the inputs was looked at."""

    files: int  # input files of the recipe
    files_read: int
    size_bytes: int  # of the records read
    rows_read: int  # records read; every nth of them was measured
    faults: int  # records that could not be read or measured
    is_whole: bool


@dataclass(frozen=True, slots=True)
class RulesExplained:
    """What the rules of a recipe do. Of `version` and `sample` one is None: what the figures come from."""

    dataset: str
    version: VersionFacts | None
    sample: SampleFacts | None
    effects: Effects
    not_evaluated: tuple[NotEvaluated, ...]
    removed: tuple[str, ...]  # reasons of rules of the version that the recipe no longer has
    quarantined: int | None  # rows of the version that were never measured
    inputs_changed: bool  # since the version was built


def explain_rules(
    path: Path,
    workspace: Workspace | None = None,
    *,
    basis: Literal["version", "sample"] | None = None,
    reference: str | None = None,
    examples: int = 0,
    curves: bool = False,
) -> RulesExplained | None:
    """Tell what each rule drops alone and on top of the others, and what changes against the version. None: no rule in the recipe.

    `basis`: the columns of a version (`reference`; default: the newest), or a sample of the inputs; default: the version where
    there is one.

    Raises: RecipeError; StoreError where a version is asked for and there is none; InputError where a sample cannot be read.
    """
    plan = make_plan(read_recipe(path))
    if not any(isinstance(step.operator, Keep) for step in plan.recipe.steps):
        return None
    version = None if basis == "sample" else newest_version(workspace, plan.recipe.dataset, reference)
    if version is not None and workspace is not None:
        return _from_version(plan, workspace, version, examples, curves)
    if basis == "version" or reference is not None:
        raise UsageError(f"dataset '{plan.recipe.dataset}' has no version", "", "build it first, or look at a sample: --sample")
    return _from_sample(plan, examples, curves)


def newest_version(workspace: Workspace | None, dataset: str, reference: str | None = None) -> VersionFacts | None:
    """Give a version of a dataset, the newest by default; None where there is none."""
    if workspace is None or dataset not in {facts.name for facts in workspace.metadata.datasets()}:
        return None
    if reference is None and not workspace.metadata.versions(dataset):
        return None
    return workspace.metadata.version(dataset, reference)


def _from_version(plan: Plan, workspace: Workspace, version: VersionFacts, examples: int, curves: bool) -> RulesExplained:
    old = make_plan(_recipe_of(version))
    stored = _made_columns(old)
    placed = _placed(plan, stored)
    before = [rule for rule in _placed(old, stored).answered if rule.place not in placed.open]  # else open on one side only
    effects = RuleEffects(placed.answered, before, examples=examples, curves=curves)
    restored = pa.array(plan.recipe.restore, pa.string())
    wanted = list(dict.fromkeys([RECORD, *effects.columns, *([ID] if plan.recipe.restore else [])]))
    for table, extra in (("rows", []), ("dropped", [DROP_STEP])):
        is_kept = table == "rows"
        scan = workspace.tables.scan(
            f"{version.dataset}/{table}", version.tables[table], columns=[*wanted, *extra], batch_rows=_BATCH_ROWS
        )
        for batch in scan:
            reached = np.full(batch.num_rows, np.iinfo(np.int64).max) if is_kept else _reached(batch)
            exempt = np.zeros(batch.num_rows, np.bool_) if not len(restored) else _is_in(batch.column(ID), restored)
            effects.add(batch, reached, exempt, np.full(batch.num_rows, is_kept))
    there = {rule.place for rule in placed.answered}
    return RulesExplained(
        version.dataset,
        version,
        None,
        effects.result(),
        _open(placed),
        tuple(rule.reason for rule in before if rule.place not in there),
        version.ledger["quarantined"],
        _inputs_changed(plan.recipe, version),
    )


def _from_sample(plan: Plan, examples: int, curves: bool) -> RulesExplained:
    sample = sample_inputs(plan)
    there = set(sample.table.schema.names)
    placed = _placed(plan, {name: made for name, made in _made_columns(plan).items() if name in there})
    effects = RuleEffects(placed.answered, examples=examples, curves=curves)
    for batch in sample.table.to_batches(_BATCH_ROWS):
        everywhere = np.full(batch.num_rows, np.iinfo(np.int64).max)
        nowhere = np.zeros(batch.num_rows, np.bool_)
        exempt = _is_in(batch.column(ID), pa.array(plan.recipe.restore, pa.string()))
        effects.add(batch, everywhere, exempt, nowhere)
    facts = _sample_facts(sample)
    return RulesExplained(plan.recipe.dataset, None, facts, effects.result(), _open(placed), (), None, inputs_changed=False)


def _sample_facts(sample: Sample) -> SampleFacts:
    return SampleFacts(sample.files, sample.files_read, sample.size_bytes, sample.rows_read, sample.faults, sample.is_whole)


def _recipe_of(version: VersionFacts) -> Recipe:
    """Read the recipe that a version was made by; secrets that are not set now are filled in."""
    names = re.findall(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", version.recipe)
    environment = {name: os.environ.get(name) or _PLACEHOLDER for name in names}
    return parse_recipe(version.recipe, f"{version.dataset} {version.number}", Path(), environment)


class _Made(NamedTuple):
    """How the values of a column come to be."""

    position: int  # the last step that had a hand in it; 0: the reader
    identity: str


def _made_columns(plan: Plan) -> dict[str, _Made]:
    """Tell how each column of a version was made, as it is stored: after all steps."""
    recipe = plan.recipe
    made = _record_columns(recipe, len(recipe.steps))
    known = set(made)
    for position, step in enumerate(recipe.steps, 1):
        if step.operator.kind is OperatorKind.RULE:
            continue
        schema = make_plan(recipe.model_copy(update={"steps": recipe.steps[:position]})).schema
        for name in schema.names:
            if name not in known:
                known.add(name)
                made[name] = _Made(position, canonical_hash([_changes(recipe, position - 1), step.identity, _cuts(recipe)]))
    return made


def _record_columns(recipe: Recipe, position: int) -> dict[str, _Made]:
    """Tell how the columns that every record has came to be, as they are after a step of the recipe."""
    changing = {*_CHANGED_LATER, *(field.name for field in payload_fields(recipe.kind, recipe.modality))}
    steps = [place for place, step in enumerate(recipe.steps[:position], 1) if _is_changing(step)]
    changed = _Made(max(steps, default=0), canonical_hash([_changes(recipe, position), _cuts(recipe)]))
    as_read = _Made(0, canonical_hash([_cuts(recipe)]))
    return {name: changed if name in changing else as_read for name in record_schema(recipe.kind, recipe.modality).names}


def _is_changing(step: Step) -> bool:
    kind = step.operator.kind
    return kind in (OperatorKind.TRANSFORM, OperatorKind.EXPAND) or (kind is OperatorKind.EXCHANGE and not step.operator.drops_only)


def _changes(recipe: Recipe, position: int) -> list[Any]:
    return [step.identity for step in recipe.steps[:position] if _is_changing(step)]


def _cuts(recipe: Recipe) -> list[Any]:
    """Name what decides which rows there are: rows cut otherwise are other rows, whatever was measured on them."""
    return [step.identity for step in recipe.steps if step.operator.kind is OperatorKind.EXPAND]


class _Placed(NamedTuple):
    answered: list[PlacedRule]
    open: dict[tuple[int, str, int], NotEvaluated]


def _placed(plan: Plan, stored: dict[str, _Made]) -> _Placed:
    """Part the rules of a plan into those that the stored columns answer and those that they do not."""
    recipe = plan.recipe
    wanted = _made_columns(plan)
    result = _Placed([], {})
    keeps = [(position, step) for position, step in enumerate(recipe.steps, 1) if isinstance(step.operator, Keep)]
    for index, (position, step) in enumerate(keeps):
        seen = {**wanted, **_record_columns(recipe, position)}
        count: Counter[str] = Counter()
        for rule in step.operator.compiled_rules():
            place = (index, rule.reason, count[rule.reason])
            count[rule.reason] += 1
            conditions = tuple(condition for condition, _ in rule.conjuncts)
            columns = dict.fromkeys(name for condition in conditions for name in condition.columns)
            unknown = [name for name in columns if name not in stored or stored[name].identity != seen[name].identity]
            if unknown:
                result.open[place] = NotEvaluated(plan.step_label(step), rule.reason, tuple(unknown))
            else:
                measured_by = max((stored[name].position for name in columns), default=0)
                result.answered.append(PlacedRule(plan.step_label(step), rule.reason, conditions, place, measured_by))
    return result


def _open(placed: _Placed) -> tuple[NotEvaluated, ...]:
    return tuple(placed.open.values())


def _reached(dropped: pa.RecordBatch) -> NDArray[np.int64]:
    """Give for each dropped row the position of the step that dropped it: '3 keep' → 3."""
    steps = dropped.column(DROP_STEP).dictionary_encode()
    positions = np.array([int(label.split()[0]) for label in steps.dictionary.to_pylist()], np.int64)
    return np.asarray(positions[steps.indices.to_numpy()], np.int64)


def _is_in(identifiers: pa.Array, wanted: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(pc.is_in(identifiers, value_set=wanted).to_numpy(zero_copy_only=False), np.bool_)


def _inputs_changed(recipe: Recipe, version: VersionFacts) -> bool:
    """Tell whether the input files are others than those of the version, by name and size."""
    try:
        now = sorted((found.origin, found.size_bytes) for found in Inputs(recipe).find())
    except InputError:  # some are gone; the version still tells what its rows were
        return True
    return now != sorted((file["origin"], file["size_bytes"]) for file in version.inputs)
