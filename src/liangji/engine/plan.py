"""From a recipe to a plan: map segments, each a chain of operators that runs shard by shard, with exchanges between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from liangji.core.digest import canonical_hash
from liangji.core.errors import DocumentFault, RecipeError, SchemaError
from liangji.core.operator import PARENT_ROW, OperatorKind
from liangji.core.schema import DECISION, ORIGIN, RECORD, record_schema
from liangji.engine.gathered import exchange_batches
from liangji.engine.recipe import Recipe, Step

ENGINE_VERSION = "2"  # raised when the same plan may give another result: no unit of an older one is reused

READ_STEP = "0 read"  # as the ledger names reading
DROP_STEP = "drop_step"  # which step dropped the row: '3 keep'

QUARANTINE = pa.schema(
    [
        pa.field("id", pa.string()),  # null where no record could be made
        pa.field(ORIGIN, pa.string()),
        pa.field(RECORD, pa.int64()),  # 0-based, -1 where there is none
        pa.field("line", pa.int64()),  # 1-based, -1 where there is none
        pa.field("step", pa.string()),  # '0 read', or the step that failed on the row
        pa.field("error_code", pa.string()),
        pa.field("what", pa.string()),
        pa.field("mend", pa.string()),
        pa.field("content", pa.binary()),  # the bytes at fault, or the row as JSON
    ]
)


@dataclass(frozen=True, slots=True)
class Link:
    """Rules, and the operators after them up to the next decision.

    What the operators make of a row hangs on the row and on the operators before them alone: it is kept, whatever the rules decide.
    """

    rules: tuple[Step, ...]
    operators: tuple[Step, ...]  # measure, transform, expand
    identity: str  # hash over the operators up to here, rules and exchanges left out

    @property
    def expands(self) -> bool:
        return any(step.operator.kind is OperatorKind.EXPAND for step in self.operators)


@dataclass(frozen=True, slots=True)
class Segment:
    """Part of a plan that runs on each shard by itself: first the decisions of exchanges, then links, then keys for the next."""

    index: int
    decided: tuple[Step, ...]  # exchanges whose decisions are carried out first
    links: tuple[Link, ...]  # the first may have no rules, every other has
    gathers: tuple[Step, ...]  # exchanges whose keys are gathered last; empty in the final segment
    identity: str  # hash over the steps of this segment

    @property
    def is_final(self) -> bool:
        return not self.gathers

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that run on each shard, in order."""
        return (*self.decided, *(step for link in self.links for step in (*link.rules, *link.operators)))


@dataclass(frozen=True, slots=True)
class Plan:
    recipe: Recipe
    segments: tuple[Segment, ...]
    schema: pa.Schema  # of kept rows
    dropped_schema: pa.Schema

    @property
    def recipe_hash(self) -> str:
        return self.recipe.hash

    @property
    def signals(self) -> list[str]:
        """Name the measured columns."""
        own = set(record_schema(self.recipe.kind, self.recipe.modality).names)
        return [name for name in self.schema.names if name not in own]

    def step_label(self, step: Step) -> str:
        """Name a step as the ledger does: its 1-based position and its operator."""
        return f"{next(position for position, other in enumerate(self.recipe.steps, 1) if other is step)} {step.name}"

    def describe(self) -> list[dict[str, object]]:
        """Show the plan for `--dry-run`: what runs together, and where the whole dataset must be seen."""
        return [
            {
                "segment": segment.index + 1,
                "apply": [self.step_label(step) for step in segment.decided],
                "run": [self.step_label(step) for step in segment.steps[len(segment.decided) :]],
                "then": [self.step_label(step) for step in segment.gathers] or ["commit"],
            }
            for segment in self.segments
        ]


def columns(schema: pa.Schema) -> list[str]:
    """Write a schema as plain values: 'name type' of each column."""
    return [f"{item.name} {item.type}" for item in schema]


def make_plan(recipe: Recipe) -> Plan:
    """Cut a recipe into segments, and push an empty batch through all of them to learn the schema.

    Raises: RecipeError where a step asks for a column that no step before it makes.
    """
    schema = _infer_schema(recipe)
    segments = tuple(_cut(recipe))
    dropped = pa.schema([*schema, pa.field(DROP_STEP, pa.string()), *DECISION])
    return Plan(recipe, segments, schema, dropped)


def _cut(recipe: Recipe) -> list[Segment]:
    groups: list[tuple[list[Step], list[Step], list[Step]]] = [([], [], [])]
    for step in recipe.steps:
        _, operators, gathers = groups[-1]
        if step.operator.kind is not OperatorKind.EXCHANGE:
            if gathers:
                groups.append((gathers, [step], []))
            else:
                operators.append(step)
        elif gathers and not gathers[-1].operator.drops_only:  # what follows must see the changed rows
            groups.append((gathers, [], [step]))
        else:
            gathers.append(step)
    if groups[-1][2]:
        groups.append((groups[-1][2], [], []))
    segments = []
    made: list[Any] = []  # identities of the operators so far
    for index, (decided, operators, gathers) in enumerate(groups):
        links = tuple(_links(operators, made))
        identity = canonical_hash(
            [ENGINE_VERSION, sorted(recipe.restore), *([step.identity for step in part] for part in (decided, operators, gathers))]
        )
        segments.append(Segment(index, tuple(decided), links, tuple(gathers), identity))
    return segments


def _links(steps: list[Step], made: list[Any]) -> Iterator[Link]:
    """Cut steps before each run of rules; `made` takes up the identities of the operators."""
    rules: list[Step] = []
    operators: list[Step] = []
    for step in steps:
        if step.operator.kind is not OperatorKind.RULE:
            operators.append(step)
            continue
        if operators or not rules:  # the first link reads what is there, so it has no rules
            made += [operator.identity for operator in operators]
            yield Link(tuple(rules), tuple(operators), canonical_hash([ENGINE_VERSION, *made]))
            rules, operators = [], []
        rules.append(step)
    made += [operator.identity for operator in operators]
    yield Link(tuple(rules), tuple(operators), canonical_hash([ENGINE_VERSION, *made]))


def _infer_schema(recipe: Recipe) -> pa.Schema:
    batch = pa.RecordBatch.from_pylist([], record_schema(recipe.kind, recipe.modality))
    for position, step in enumerate(recipe.steps):
        try:
            batch = _push_empty(step, batch)
        except SchemaError as error:
            fault = DocumentFault(step.line, f"steps.{position}.{step.name}", f"{error.what} ({error.where})", error.mend)
            raise RecipeError(recipe.file, (fault,)) from error
    return batch.schema


def _push_empty(step: Step, batch: pa.RecordBatch) -> pa.RecordBatch:
    if step.operator.kind is OperatorKind.EXCHANGE:
        if step.operator.drops_only:
            step.operator.keys(batch)
            return batch
        (batch,) = exchange_batches(step.operator, [batch])
    else:
        batch = step.operator(batch)
    decided = {field.name for field in DECISION} | {PARENT_ROW}
    return batch.select([name for name in batch.schema.names if name not in decided])
