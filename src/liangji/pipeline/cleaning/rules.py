"""Keep or drop documents by rules over measured columns: presets of published rules, and any expression.

A rule is an expression (`liangji.core.expression`) and the reason that is written where it is not satisfied. The presets are data
files in `presets/`; each rule there names where it was published.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator
from pydantic.dataclasses import dataclass

from liangji.core.errors import SchemaError, UsageError
from liangji.core.expression import Expression
from liangji.core.operator import STRICT, OperatorKind, with_decision
from liangji.core.schema import Modality

WORD_MODE = "word_mode"  # the column in which `measure_text` says how it cut words

REASON = r"^[\p{L}\p{M}\p{N}_]+$"  # letters of any script: people read it

PresetName = Literal["gopher", "c4", "fineweb", "chinese"]


def _checked(where: str) -> str:
    try:
        Expression.parse(where)
    except UsageError as error:
        raise ValueError("; ".join(filter(None, (error.what, error.where, error.mend)))) from error
    return where


Condition = Annotated[str, AfterValidator(_checked)]


def _only_false(value: bool) -> bool:
    if value:
        raise ValueError("true is no threshold: give a number, or false to leave the rule out")
    return value


Threshold = Annotated[float, Field(strict=True, allow_inf_nan=False)]  # strict: true is no number, and 0 is not false
Without = Annotated[bool, Field(strict=True), AfterValidator(_only_false)]
Reason = Annotated[
    str, Field(pattern=REASON, description="what is wrong with a row that fails, one word without spaces: too_few_words, 太短")
]


@dataclass(frozen=True, slots=True, config=STRICT)
class Rule:
    """One condition that a row must satisfy, and the reason written where it does not."""

    reason: Reason
    where: Annotated[Condition, Field(description="condition over columns that keeps a row")]


class PresetRule(NamedTuple):
    reason: str
    where: str
    source: str  # paper and section, with the published value


class Preset(NamedTuple):
    name: str
    words: str  # the word mode its thresholds are made for
    rules: tuple[PresetRule, ...]


@cache
def preset(name: str) -> Preset:
    """Read a preset from its data file."""
    text = (files(__package__) / "presets" / f"{name}.yaml").read_text("utf-8")
    content = yaml.safe_load(text)
    return Preset(name, content["words"], tuple(PresetRule(**rule) for rule in content["rules"]))


class CompiledRule(NamedTuple):
    reason: str
    conjuncts: tuple[tuple[Expression, str | None], ...]  # each with the column that decides


@dataclass(frozen=True, slots=True, config=STRICT)
class Keep:
    """Keep the rows that satisfy every rule of a preset, of `rules` and of `where`; drop the others with the first reason.

    Input:  the columns that the rules name, from `measure_text` or an earlier step.
    Output: the batch with `drop_reason` (the first rule that fails, in the order preset, `rules`, `where`; null: kept),
            `drop_number` (the deciding column's value; null where that is null or no number) and `drop_detail` (the condition
            that failed, such as `word_count >= 50`). A condition that comes out null is not satisfied. Rows and order kept.
    Raises: SchemaError where a column is missing, or was measured in another word mode than the preset is made for.
    Source: each rule of a preset names its own, in `presets/*.yaml` (Gopher, C4, FineWeb papers; `chinese`: calibrated).
    """

    kind: ClassVar[OperatorKind] = OperatorKind.RULE
    version: ClassVar[str] = "1"
    modality: ClassVar[Modality] = Modality.TEXT

    preset: Annotated[
        PresetName | None,
        Field(description="published rules: gopher, c4, fineweb (whitespace words), or calibrated ones: chinese (script words)"),
    ] = None
    where: Annotated[
        Condition | None,
        Field(description="condition over columns that keeps a row, such as `word_count >= 50 and digit_share < 0.3`"),
    ] = None
    reason: Annotated[Reason, Field(description="drop reason of the rows that `where` does not keep, one word without spaces")] = (
        "rule_not_met"
    )
    rules: Annotated[tuple[Rule, ...], Field(description="further conditions, each with its own reason")] = ()
    overrides: Annotated[
        dict[str, Threshold | Without],
        Field(
            description="reason of a preset rule → another threshold, in the unit of its column (the first number of the rule); false: "
            "without that rule"
        ),
    ] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _rules_fit(self) -> Self:
        if self.preset is None and self.where is None and not self.rules:
            raise ValueError("no rule: set `preset`, `where` or `rules`")
        reasons = [rule.reason for rule in preset(self.preset).rules] if self.preset else []
        for reason in self.overrides:
            if reason not in reasons:
                near = get_close_matches(reason, reasons, 1)
                mend = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(reasons) or 'none without a preset'}"
                raise ValueError(f"overrides: no rule '{reason}' in the preset; {mend}")
        try:
            self.compiled_rules()
        except UsageError as error:
            raise ValueError(f"overrides: {error.what}: {error.where}") from error
        return self

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that the rules look at."""
        columns = (name for rule in self.compiled_rules() for condition, _ in rule.conjuncts for name in condition.columns)
        return tuple(dict.fromkeys((*columns, *([WORD_MODE] if self.preset else []))))

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        self._check_columns(batch)
        rows = batch.num_rows
        reasons: NDArray[Any] = np.full(rows, None, object)
        details: NDArray[Any] = np.full(rows, None, object)
        numbers = np.full(rows, np.nan)
        undecided = np.ones(rows, np.bool_)
        for rule in self.compiled_rules():
            for condition, column in rule.conjuncts:
                satisfied = np.asarray(condition.evaluate(batch).to_numpy(zero_copy_only=False), np.bool_)
                failed = undecided & ~satisfied
                if not failed.any():
                    continue
                reasons[failed] = rule.reason
                details[failed] = condition.text
                if column is not None:
                    numbers[failed] = _as_numbers(batch.column(column))[failed]
                undecided &= satisfied
        return with_decision(
            batch,
            pa.array(reasons, pa.string()),
            pa.array(numbers, pa.float64(), mask=np.isnan(numbers)),
            pa.array(details, pa.string()),
        )

    def compiled_rules(self) -> tuple[CompiledRule, ...]:
        """Give the rules in the order in which they are asked, thresholds moved."""
        own = [(rule.reason, rule.where) for rule in self.rules]
        if self.where is not None:
            own.append((self.reason, self.where))
        return _compile(self.preset, tuple(self.overrides.items()), tuple(own))

    def _check_columns(self, batch: pa.RecordBatch) -> None:
        names = batch.schema.names
        wanted = [name for rule in self.compiled_rules() for condition, _ in rule.conjuncts for name in condition.columns]
        missing = [name for name in dict.fromkeys(wanted) if name not in names]
        if missing:
            near = get_close_matches(missing[0], names, 1)
            mend = f"add measure_text before keep; or did you mean '{near[0]}'?" if near else "add measure_text before keep"
            raise SchemaError(f"no column {', '.join(map(repr, missing))}", f"columns: {', '.join(names)}", mend)
        if self.preset is None or WORD_MODE not in names:
            return
        expected = preset(self.preset).words
        for mode in pc.unique(batch.column(names.index(WORD_MODE))).to_pylist():
            if mode not in (None, expected):
                raise SchemaError(
                    f"preset '{self.preset}' is made for {expected} words, but the text was measured with {mode} words",
                    f"column {WORD_MODE}",
                    f"set measure_text: {{words: {expected}}}",
                )


@cache
def _compile(
    name: str | None, overrides: tuple[tuple[str, float], ...], own: tuple[tuple[str, str], ...]
) -> tuple[CompiledRule, ...]:
    thresholds = dict(overrides)
    compiled = []
    for reason, where, _ in preset(name).rules if name else ():
        threshold = thresholds.get(reason)
        if threshold is False:
            continue
        expression = Expression.parse(where)
        compiled.append((reason, expression if threshold is None else expression.with_threshold(threshold)))
    compiled += [(reason, Expression.parse(where)) for reason, where in own]
    return tuple(
        CompiledRule(reason, tuple((part.expression, part.column) for part in expression.conjuncts()))
        for reason, expression in compiled
    )


def _as_numbers(column: pa.Array) -> NDArray[np.float64]:
    """Give a numeric or true/false column as float64, with nan for null; all nan for any other type."""
    kind = column.type
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return np.full(len(column), np.nan)
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
