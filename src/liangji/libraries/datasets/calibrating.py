"""Propose thresholds for the rules of a recipe from a sample of its inputs, and write them into the recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from liangji.core.errors import UsageError
from liangji.core.expression import Expression
from liangji.core.schema import TEXT, with_column
from liangji.engine.plan import Plan, make_plan
from liangji.engine.recipe import Recipe, Step, read_recipe
from liangji.libraries.datasets.rewriting import RuleChanges, rewritten
from liangji.libraries.datasets.sampling import INPUT, ROWS, SIZE_BYTES, sample_inputs
from liangji.pipeline.cleaning.calibration import Observed, Proposal, for_all, observe, propose
from liangji.pipeline.cleaning.rules import Keep
from liangji.pipeline.evaluation.language import IdentifyLanguage

By = Literal["language", "source", "both", "all"]

_LANGUAGE = "language"
_BETWEEN = " · "  # language and source of a group


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one language, or from one entry of `inputs`, or both; `name` is empty for all rows together."""

    name: str
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class CalibratedCondition:
    """One condition of a rule: what stands between two `and`."""

    reason: str
    where: str
    is_preset: bool  # its threshold is moved by `overrides`, else in the condition itself
    now: float | None  # its threshold; None: it has none
    groups: tuple[Group, ...]  # largest first; empty where it has no threshold that could be proposed
    proposed: float | None  # for all groups at once: the most lenient of theirs; None: present threshold stays


@dataclass(frozen=True, slots=True)
class CalibratedStep:
    """One `keep` step."""

    step: str  # '3 keep'
    line: int
    conditions: tuple[CalibratedCondition, ...]
    changes: RuleChanges


@dataclass(frozen=True, slots=True)
class Calibration:
    dataset: str
    percentile: float
    rows: int  # of the sample; all shares are of these, or of a group of them
    files: int  # input files of the recipe
    files_read: int
    is_whole: bool  # the sample is everything there is
    faults: int  # records that could not be read or measured
    dropped_now: float  # share that at least one rule drops, as the recipe stands
    dropped_then: float  # with what is proposed
    steps: tuple[CalibratedStep, ...]


def calibrate(
    path: Path,
    *,
    percentile: float = 1.0,
    by: By = "all",
    size_bytes: int = SIZE_BYTES,
    rows: int = ROWS,
) -> Calibration:
    """Propose, for each rule, the strictest threshold at which at most `percentile` % of the rows of a group fail it.

    `by`: what a group is: rows of one language, from one entry of `inputs`, of both, or all rows. A threshold is proposed for each group, and for the recipe the most lenient of
    those that rest on enough rows. The sample is at most about `size_bytes` of records, of which about `rows` are measured.

    Raises: RecipeError; InputError where an input matches nothing; UsageError where the recipe has no `keep`, or its records
    have no text to tell a language by; SchemaError where a rule's columns are missing or of another word mode.
    """
    plan = make_plan(read_recipe(path))
    steps = [step for step in plan.recipe.steps if isinstance(step.operator, Keep)]
    if not steps:
        raise UsageError("the recipe has no rules", plan.recipe.file, "add a step such as `- keep: {preset: chinese}`")
    sample = sample_inputs(plan, size_bytes=size_bytes, rows=rows, observe=_observe, then=_identifying(plan.recipe, by))
    if not sample.table.num_rows:
        raise UsageError("no record could be read", plan.recipe.file, "see `liangji build --dry-run` for the input files")
    groups = _groups(plan.recipe, sample.table, by)
    observed = {step.line: _observed(step, sample.table) for step in steps}
    calibrated = tuple(_calibrated(plan, step, observed[step.line], groups, percentile) for step in steps)
    now, then = np.zeros((2, sample.table.num_rows), np.bool_)
    for result in calibrated:
        for condition, each in zip(result.conditions, observed[result.line], strict=True):
            now |= each.fails()
            then |= each.fails(condition.proposed)
    return Calibration(
        plan.recipe.dataset,
        percentile,
        sample.table.num_rows,
        sample.files,
        sample.files_read,
        sample.is_whole,
        sample.faults,
        float(now.mean()),
        float(then.mean()),
        calibrated,
    )


def write_calibrated(path: Path, calibration: Calibration, to: Path) -> None:
    """Write a copy of a recipe with the proposed thresholds; nothing else in it changes, comments included.

    Raises: UsageError where something stands at `to`, where that is another folder, from which the paths of the recipe would lead
    elsewhere, or where the recipe is written in a way that cannot be changed by machine.
    """
    recipe = read_recipe(path)
    if to.parent.resolve() != recipe.folder.resolve():
        raise UsageError("paths of a recipe start from its folder", str(to), f"write the copy beside {path.name}")
    text = rewritten(recipe, {step.line: step.changes for step in calibration.steps})
    try:
        with to.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError("there is such a file", str(to), "choose another name, or remove it") from error


def _identifying(recipe: Recipe, by: By) -> tuple[Step, ...]:
    """Give the step that tells the language, where the recipe needs it and has none before its last rule."""
    if by not in ("language", "both"):
        return ()
    before_rules = recipe.steps[: max(i for i, step in enumerate(recipe.steps) if isinstance(step.operator, Keep))]
    if any(isinstance(step.operator, IdentifyLanguage) for step in before_rules):
        return ()
    plan = make_plan(recipe.model_copy(update={"steps": []}))
    if TEXT not in plan.schema.names:
        raise UsageError("these records have no text to tell the language by", recipe.file, "calibrate by source: --by source")
    return (Step("identify_language", IdentifyLanguage(), 0),)


def _groups(recipe: Recipe, table: pa.Table, by: By) -> list[tuple[str, NDArray[np.bool_]]]:
    """Name the groups of rows, the largest first."""
    if by == "all":
        return [("", np.ones(table.num_rows, np.bool_))]
    languages = pc.fill_null(table[_LANGUAGE], "und") if by != "source" else None
    paths = pa.array([entry.path for entry in recipe.inputs]).take(table[INPUT].combine_chunks())
    names = languages if by == "language" else paths if by == "source" else None
    if names is None:
        names = pc.binary_join_element_wise(languages, pa.chunked_array([paths]), _BETWEEN)
    counted = sorted(names.value_counts().to_pylist(), key=lambda found: (-found["counts"], found["values"]))
    return [(found["values"], np.asarray(pc.equal(names, found["values"]))) for found in counted]


class _Placed(NamedTuple):
    """A condition of a `keep` step, and where it stands."""

    rule: int  # among all rules of the step
    own: int | None  # among `rules`, and past them for `where`; None: a rule of the preset
    reason: str
    condition: Expression


def _placed(operator: Keep) -> list[_Placed]:
    rules = operator.compiled_rules()
    first_own = len(rules) - len(operator.rules) - (operator.where is not None)
    return [
        _Placed(index, index - first_own if index >= first_own else None, rule.reason, condition)
        for index, rule in enumerate(rules)
        for condition, _ in rule.conjuncts
    ]


def _observe(step: Step, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Add, for each condition of a `keep` step, what `observe` tells of it."""
    if not isinstance(step.operator, Keep):
        return batch
    step.operator(batch)  # refuses what it would refuse in a build, such as words cut in another mode
    seen = [observe(placed.condition, batch) for placed in _placed(step.operator)]
    for position, each in enumerate(seen):
        values = each.values.astype(np.float32) if each.is_single else each.values
        for name, column in zip(_names(step, position), (values, each.passes_low, each.passes_high), strict=True):
            batch = with_column(batch, name, pa.array(column))
    return batch


def _observed(step: Step, table: pa.Table) -> list[Observed]:
    """Put together what `_observe` has added to the batches."""
    result = []
    for position, placed in enumerate(_placed(step.operator)):
        values, low, high = (table[name].to_numpy() for name in _names(step, position))
        result.append(Observed(placed.condition, values.astype(np.float64), low, high, values.dtype == np.float32))
    return result


def _names(step: Step, position: int) -> tuple[str, str, str]:
    return f"{step.line}.{position} value", f"{step.line}.{position} low", f"{step.line}.{position} high"


def _calibrated(
    plan: Plan, step: Step, observed: list[Observed], groups: list[tuple[str, NDArray[np.bool_]]], percentile: float
) -> CalibratedStep:
    conditions = []
    for placed, each in zip(_placed(step.operator), observed, strict=True):
        threshold = each.condition.threshold()
        found = [Group(name, proposal) for name, rows in groups if (proposal := propose(each, rows, percentile))]
        proposed = for_all(each, [group.proposal for group in found])
        now = None if threshold is None else threshold.number
        conditions.append(CalibratedCondition(placed.reason, each.condition.text, placed.own is None, now, tuple(found), proposed))
    return CalibratedStep(plan.step_label(step), step.line, tuple(conditions), _changes(step.operator, conditions))


def _changes(operator: Keep, calibrated: list[CalibratedCondition]) -> RuleChanges:
    """Say what to write: a threshold in `overrides` for a rule of the preset, else the condition with its numbers moved."""
    overrides: dict[str, float] = {}
    numbers: dict[int, list[float | None]] = {}
    for placed, condition in zip(_placed(operator), calibrated, strict=True):
        if placed.own is not None:
            numbers.setdefault(placed.own, []).append(condition.proposed)
        elif condition.proposed is not None:
            overrides[placed.reason] = condition.proposed
    own = [*(rule.where for rule in operator.rules), operator.where]
    moved = {index: _moved(str(own[index]), each) for index, each in numbers.items() if any(item is not None for item in each)}
    return RuleChanges(
        {**operator.overrides, **overrides} if overrides else {},
        {index: where for index, where in moved.items() if index < len(operator.rules)},
        moved.get(len(operator.rules)),
    )


def _moved(where: str, numbers: list[float | None]) -> str:
    """Set other thresholds in a condition, one for each part between `and`, None to leave one; the rest stays as written."""
    expression = Expression.parse(where)
    result, end = "", 0
    for part, number in zip(expression.conjuncts(), numbers, strict=True):
        start = expression.text.index(part.expression.text, end)
        moved = part.expression if number is None else part.expression.with_threshold(number)
        result += expression.text[end:start] + moved.text
        end = start + len(part.expression.text)
    return result + expression.text[end:]
