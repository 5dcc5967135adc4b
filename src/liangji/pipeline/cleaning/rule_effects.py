"""What each rule drops, alone and on top of the others, told from measured columns alone: no text is read, nothing is dropped.

`RuleEffects` takes batches of columns, as many as there are, and holds counts only. The rules of several steps are asked of every
row at once, so that "on top of the others" means what comes back if a rule goes, wherever the others stand.

A row that an earlier step dropped was never measured by the later ones. Its columns are null, which a rule would take as not
satisfied; so each rule says from which step on its columns are there (`PlacedRule.measured_by`), each row how far it came
(`reached`), and a rule is not asked of a row that was not measured for it. Such rows are counted as unmeasured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from liangji.core.expression import Expression, Threshold
from liangji.core.schema import ID

_Mask = NDArray[np.bool_]

_FAR = 9e18  # a threshold beyond every value: the largest power of ten that the rule language takes, times nine
_KEY_SHIFT = 12  # bits of a float32 that a curve forgets: 11 of 23 bits of the fraction stay, which is 1 part in 2048
_INCLUDES_ITSELF = {("<=", True), (">", True), (">=", False), ("<", False)}  # (comparison, passes from its value upwards)


@dataclass(frozen=True, slots=True)
class PlacedRule:
    """A rule at its place in a recipe."""

    step: str  # '3 keep'
    reason: str
    conditions: tuple[Expression, ...]  # all must be satisfied
    place: tuple[
        int, str, int
    ]  # which keep step, reason, which of its rules with that reason: by it rules of two recipes are matched
    measured_by: int  # the last step whose columns it needs; 0: columns that every record has

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for condition in self.conditions for name in condition.columns))


@dataclass(frozen=True, slots=True)
class Example:
    """A row close to a threshold."""

    id: str
    value: float
    passes: bool


@dataclass(frozen=True, slots=True)
class Curve:
    """Rows let through as a function of one threshold, all else as it is.

    `thresholds` ascend; between two of them the counts of the nearer one hold. Exact for integers up to 2048, to 1 part in 2048 of
    the threshold for other numbers.
    """

    thresholds: tuple[float, ...]
    passing: tuple[int, ...]  # rows that this condition lets through
    kept: tuple[int, ...]  # rows that it and all other rules let through
    rows: int  # of which these are a part


@dataclass(frozen=True, slots=True)
class ConditionEffect:
    """One condition of a rule: what stands between two `and`."""

    where: str
    failed: int  # rows that fail it
    only: int  # rows that fail it and no other condition
    threshold: Threshold | None
    nearest: tuple[Example, ...]  # rows closest to the threshold, on both sides
    curve: Curve | None


@dataclass(frozen=True, slots=True)
class RuleEffect:
    """What one rule does. All counts are rows."""

    step: str
    reason: str
    asked: int  # that were measured for it
    unmeasured: int  # dropped before they were
    failed: int  # drops alone
    only: int  # drops on top of the others: what comes back if it goes
    only_unmeasured: int  # of `only`: not measured for some other rule, which may drop them yet
    left: int  # after this rule and all before it
    failed_before: int | None  # at the earlier thresholds; None: the rule is new
    returning: int | None  # failed then and not now
    going: int | None  # fail now and did not then
    conditions: tuple[ConditionEffect, ...]


@dataclass(frozen=True, slots=True)
class Effects:
    """What all rules do together. All counts are rows."""

    rows: int
    kept: int  # that fail no rule they were measured for
    kept_unmeasured: int  # of these: not measured for some rule
    kept_before: int  # by the earlier rules
    returning: int  # failed an earlier rule, and none now
    going: int  # fail a rule now, and no earlier one
    going_from_version: int  # of these: rows that the version holds
    rules: tuple[RuleEffect, ...]


@dataclass(slots=True)
class _ConditionCount:
    threshold: Threshold | None
    failed: int = 0
    only: int = 0
    failing: list[Example] = field(default_factory=list)
    passing: list[Example] = field(default_factory=list)
    histogram: _Histogram | None = None


@dataclass(slots=True)
class _RuleCount:
    conditions: tuple[_ConditionCount, ...]
    before: PlacedRule | None
    asked: int = 0
    failed: int = 0
    only: int = 0
    only_unmeasured: int = 0
    left: int = 0
    failed_before: int = 0
    returning: int = 0
    going: int = 0


class RuleEffects:
    """Counts what rules do to rows, batch by batch; memory does not grow with rows.

    `before` are the rules to compare with, those of the version; `examples` rows on each side of a threshold are named, which takes
    the column `id`; with `curves` the counts are known for every other threshold too.
    """

    def __init__(
        self, rules: Sequence[PlacedRule], before: Sequence[PlacedRule] = (), *, examples: int = 0, curves: bool = False
    ) -> None:
        self._rules, self._before, self._examples = tuple(rules), tuple(before), examples
        counterparts = {rule.place: rule for rule in before}
        self._counts = [
            _RuleCount(tuple(_condition_count(condition, curves) for condition in rule.conditions), counterparts.get(rule.place))
            for rule in rules
        ]
        self._rows = self._kept = self._kept_unmeasured = self._kept_before = 0
        self._returning = self._going = self._going_from_version = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """Name the columns that a batch must have."""
        rules = (*self._rules, *self._before)
        named = dict.fromkeys(name for rule in rules for name in rule.columns)
        return tuple(named if not self._examples else {**named, ID: None})

    def add(self, batch: pa.RecordBatch, reached: NDArray[np.int64], exempt: _Mask, in_version: _Mask) -> None:
        """Take one batch.

        `reached`: for each row the step that dropped it, past all steps where none did. `exempt`: rows that no rule may drop.
        `in_version`: rows that the version holds.
        """
        asked = _Asked(batch, reached, exempt)
        failures = [[asked.fails(rule, condition) for condition in rule.conditions] for rule in self._rules]
        rows = batch.num_rows
        by_rule = [_any(parts, rows) for parts in failures]
        rules_failed = _total(by_rule, rows)
        conditions_failed = _total([mask for parts in failures for mask in parts], rows)
        unmeasured = _any((~asked.measured(rule) for rule in self._rules), rows)
        kept = rules_failed == 0
        left = np.ones(rows, np.bool_)
        for rule, count, failed, parts in zip(self._rules, self._counts, by_rule, failures, strict=True):
            left &= ~failed
            _add_rule(count, asked, rule, failed, left)
            only = failed & (rules_failed == 1)
            count.only += _sum(only)
            count.only_unmeasured += _sum(only & unmeasured)
            for condition, part, mask in zip(rule.conditions, count.conditions, parts, strict=True):
                part.failed += _sum(mask)
                others_pass = conditions_failed - mask == 0
                part.only += _sum(mask & others_pass)
                self._look_closer(part, condition, asked, asked.measured(rule) & ~exempt, mask, others_pass)
        kept_before = ~_any((asked.fails_rule(rule) for rule in self._before), rows)
        self._rows += rows
        self._kept += _sum(kept)
        self._kept_unmeasured += _sum(kept & unmeasured)
        self._kept_before += _sum(kept_before)
        self._returning += _sum(kept & ~kept_before)
        self._going += _sum(kept_before & ~kept)
        self._going_from_version += _sum(kept_before & ~kept & in_version)

    def _look_closer(
        self, count: _ConditionCount, condition: Expression, asked: _Asked, looked: _Mask, failed: _Mask, others_pass: _Mask
    ) -> None:
        """Enter the rows next to the threshold, and what other thresholds would do."""
        if count.threshold is None or not (self._examples or count.histogram):
            return
        values = np.asarray(count.threshold.values(asked.batch).to_numpy(zero_copy_only=False), np.float64)
        if self._examples:
            has_value = looked & ~np.isnan(values)
            for found, rows in ((count.failing, has_value & failed), (count.passing, has_value & ~failed)):
                passes = found is count.passing
                found[:] = _nearest(found, asked.batch, values, rows, passes, count.threshold.number, self._examples)
        if count.histogram:
            count.histogram.add(condition, asked.batch, values, looked, others_pass)

    def result(self) -> Effects:
        rules = []
        for rule, count in zip(self._rules, self._counts, strict=True):
            is_old = count.before is not None
            conditions = [_condition_effect(*pair) for pair in zip(rule.conditions, count.conditions, strict=True)]
            rules.append(
                RuleEffect(
                    rule.step,
                    rule.reason,
                    count.asked,
                    self._rows - count.asked,
                    count.failed,
                    count.only,
                    count.only_unmeasured,
                    count.left,
                    count.failed_before if is_old else None,
                    count.returning if is_old else None,
                    count.going if is_old else None,
                    tuple(conditions),
                )
            )
        return Effects(
            self._rows,
            self._kept,
            self._kept_unmeasured,
            self._kept_before,
            self._returning,
            self._going,
            self._going_from_version,
            tuple(rules),
        )


class _Asked:
    """One batch, and what was asked of it already: conditions that two rules share are evaluated once."""

    def __init__(self, batch: pa.RecordBatch, reached: NDArray[np.int64], exempt: _Mask) -> None:
        self.batch, self._reached, self._exempt = batch, reached, exempt
        self._satisfied: dict[str, _Mask] = {}

    def measured(self, rule: PlacedRule) -> _Mask:
        return self._reached > rule.measured_by

    def fails(self, rule: PlacedRule, condition: Expression) -> _Mask:
        satisfied = self._satisfied.get(condition.text)
        if satisfied is None:
            satisfied = self._satisfied[condition.text] = _evaluated(condition, self.batch)
        return self.measured(rule) & ~satisfied & ~self._exempt

    def fails_rule(self, rule: PlacedRule) -> _Mask:
        return _any([self.fails(rule, condition) for condition in rule.conditions], self.batch.num_rows)


def _evaluated(condition: Expression, batch: pa.RecordBatch) -> _Mask:
    return np.asarray(condition.evaluate(batch).to_numpy(zero_copy_only=False), np.bool_)


def _add_rule(count: _RuleCount, asked: _Asked, rule: PlacedRule, failed: _Mask, left: _Mask) -> None:
    count.asked += _sum(asked.measured(rule))
    count.failed += _sum(failed)
    count.left += _sum(left)
    if count.before is not None:
        failed_before = asked.fails_rule(count.before)
        count.failed_before += _sum(failed_before)
        count.returning += _sum(failed_before & ~failed)
        count.going += _sum(failed & ~failed_before)


def _any(masks: Iterable[_Mask], rows: int) -> _Mask:
    result = np.zeros(rows, np.bool_)
    for mask in masks:
        result |= mask
    return result


def _sum(mask: _Mask) -> int:
    return int(np.count_nonzero(mask))


def _total(masks: Sequence[_Mask], rows: int) -> NDArray[np.int32]:
    return np.sum(masks, axis=0, dtype=np.int32) if masks else np.zeros(rows, np.int32)


def _condition_count(condition: Expression, curves: bool) -> _ConditionCount:
    threshold = condition.threshold()
    return _ConditionCount(threshold, histogram=_Histogram(condition, threshold) if curves and threshold else None)


def _condition_effect(condition: Expression, count: _ConditionCount) -> ConditionEffect:
    nearest = (*reversed(count.failing), *count.passing)
    curve = count.histogram.curve() if count.histogram else None
    return ConditionEffect(condition.text, count.failed, count.only, count.threshold, nearest, curve)


def _nearest(
    found: Sequence[Example],
    batch: pa.RecordBatch,
    values: NDArray[np.float64],
    rows: _Mask,
    passes: bool,
    number: float,
    most: int,
) -> list[Example]:
    """Take the rows closest to a threshold, of those found before and those of a batch; the earlier one of two as close."""
    places = np.flatnonzero(rows)
    distances = np.abs(values[places] - number)
    closest = places[np.argsort(distances, kind="stable")[:most]]
    identifiers = batch.column(ID).take(pa.array(closest)).to_pylist()
    new = [Example(name, float(values[place]), passes) for name, place in zip(identifiers, closest, strict=True)]
    return sorted([*found, *new], key=lambda example: abs(example.value - number))[:most]


class _Histogram:
    """Counts rows by the value that a threshold is held against.

    A row whose outcome hangs on the threshold passes either from its own value upwards or from it downwards; the two are told
    apart by asking the condition with thresholds beyond every value, so that `or`, `not` and chains need no case of their own.
    Values are counted by the upper bits of their float32, in an order in which keys ascend with values.

    `_counts`: key → [passes upwards: rows, rows that all others keep; passes downwards: the same two].
    """

    def __init__(self, condition: Expression, threshold: Threshold) -> None:
        self._threshold = threshold
        self._low, self._high = condition.with_threshold(-_FAR), condition.with_threshold(_FAR)
        self._keys = np.empty(0, np.int64)
        self._counts = np.empty((0, 4), np.int64)
        self._always = np.zeros(2, np.int64)
        self._rows = 0

    def add(
        self, condition: Expression, batch: pa.RecordBatch, values: NDArray[np.float64], looked: _Mask, others_pass: _Mask
    ) -> None:
        low, high = (_evaluated(each, batch) & looked for each in (self._low, self._high))
        self._rows += _sum(looked)
        self._always += (_sum(low & high), _sum(low & high & others_pass))
        hangs = low != high
        upwards = high[hangs]
        kept = others_pass[hangs]
        weights = np.stack([upwards, upwards & kept, ~upwards, ~upwards & kept], axis=1).astype(np.int64)
        keys, places = np.unique(np.concatenate([self._keys, _keys(values[hangs])]), return_inverse=True)
        counts = np.zeros((len(keys), 4), np.int64)
        np.add.at(counts, places, np.concatenate([self._counts, weights]))
        self._keys, self._counts = keys, counts

    def curve(self, points: int = 200) -> Curve:
        passing, kept = (self._always[each] + self._let_through(each) for each in (0, 1))
        chosen = _spread(self._counts[:, 0] + self._counts[:, 2], points)
        thresholds = _values(self._keys)[chosen]
        return Curve(tuple(thresholds.tolist()), tuple(passing[chosen].tolist()), tuple(kept[chosen].tolist()), self._rows)

    def _let_through(self, each: int) -> NDArray[np.int64]:
        """Count the rows that hang on the threshold and pass, with the threshold at each key."""
        upwards, downwards = self._counts[:, each], self._counts[:, 2 + each]
        below = np.cumsum(upwards)
        above = np.cumsum(downwards[::-1])[::-1]
        if (self._threshold.comparison, True) not in _INCLUDES_ITSELF:
            below = below - upwards
        if (self._threshold.comparison, False) not in _INCLUDES_ITSELF:
            above = above - downwards
        return np.asarray(below + above, np.int64)


def _keys(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Give integers that ascend with the values: the bits of a float32, those of negative ones turned over, the last ones cut."""
    bits = values.astype(np.float32).view(np.int32).astype(np.int64)
    return np.where(bits >= 0, bits, -(bits & 0x7FFFFFFF)) >> _KEY_SHIFT


def _values(keys: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the smallest value of each key."""
    bits = keys << _KEY_SHIFT
    magnitudes = np.abs(bits).astype(np.int32).view(np.float32).astype(np.float64)
    return np.asarray(np.where(bits >= 0, magnitudes, -magnitudes), np.float64)


def _spread(counts: NDArray[np.int64], points: int) -> NDArray[np.int64]:
    """Choose keys so that about as many rows lie between each two; the first and the last are among them."""
    if len(counts) <= points:
        return np.arange(len(counts))
    cumulated = np.cumsum(counts)
    wanted = np.linspace(0, cumulated[-1], points)
    return np.unique(np.concatenate([[0], np.searchsorted(cumulated, wanted).clip(0, len(counts) - 1), [len(counts) - 1]]))
