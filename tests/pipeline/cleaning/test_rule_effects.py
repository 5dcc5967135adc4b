"""Rule effects against counting row by row in Python, whatever the values, however the batches are cut."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangji.core.expression import Expression
from liangji.pipeline.cleaning.rule_effects import Curve, Effects, PlacedRule, RuleEffects

SCHEMA = pa.schema([("id", pa.string()), ("words", pa.int64()), ("share", pa.float32()), ("late", pa.float64())])
PAST_ALL = 9


def rule(step: str, reason: str, where: str, measured_by: int = 0) -> PlacedRule:
    conditions = tuple(part.expression for part in Expression.parse(where).conjuncts())
    return PlacedRule(step, reason, conditions, (int(step[0]), reason, 0), measured_by)


RULES = (
    rule("2 keep", "short", "words >= 5 and words <= 50", 1),
    rule("2 keep", "share", "is_null(share) or share <= 0.5", 1),
    rule("4 keep", "late", "late < 3", 3),
)
BEFORE = (rule("2 keep", "short", "words >= 8", 1), RULES[1], RULES[2])

rows = st.lists(
    st.tuples(
        st.none() | st.integers(-3, 60),
        st.none() | st.floats(-1, 1, width=32),
        st.none() | st.floats(allow_nan=True),
        st.sampled_from([2, 3, 4, PAST_ALL]),
        st.booleans(),
    ),
    max_size=40,
)


def counted(data: list[Any], cut: int = 0, rules: tuple[PlacedRule, ...] = RULES, **options: Any) -> Effects:
    effects = RuleEffects(rules, BEFORE, **options)
    columns = list(zip(*data, strict=True)) or [()] * 5
    arrays = [pa.array([f"r{row}" for row in range(len(data))]), *(pa.array(columns[i], SCHEMA.types[i + 1]) for i in range(3))]
    batch = pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
    reached, exempt = np.array(columns[3], np.int64), np.array(columns[4], np.bool_)
    cut = min(cut, len(data))
    for part in (slice(0, cut), slice(cut, None)):
        length = len(reached[part])
        effects.add(batch.slice(part.start, length), reached[part], exempt[part], reached[part] == PAST_ALL)
    return effects.result()


def satisfied(where: str, words: int | None, share: float | None, late: float | None) -> bool:
    match where:
        case "words >= 5":
            return words is not None and words >= 5
        case "words >= 8":
            return words is not None and words >= 8
        case "words <= 50":
            return words is not None and words <= 50
        case "is_null(share) or share <= 0.5":
            return share is None or share <= 0.5
    return late is not None and late < 3


def fails(one: PlacedRule, row: Any) -> bool:
    words, share, late, reached, exempt = row
    if exempt or reached <= one.measured_by:
        return False
    return not all(satisfied(condition.text, words, share, late) for condition in one.conditions)


@given(data=rows, cut=st.integers(0, 40))
def test_counts_are_those_of_asking_every_rule_of_every_row(data: list[Any], cut: int) -> None:
    found = counted(data, cut)
    failing = [[fails(one, row) for one in RULES] for row in data]
    before = [any(fails(one, row) for one in BEFORE) for row in data]
    unmeasured = [any(row[3] <= one.measured_by for one in RULES) for row in data]
    assert (found.rows, found.kept) == (len(data), sum(not any(row) for row in failing))
    assert found.kept_unmeasured == sum(not any(row) and hidden for row, hidden in zip(failing, unmeasured, strict=True))
    assert found.kept_before == before.count(False)
    assert found.returning == sum(old and not any(row) for row, old in zip(failing, before, strict=True))
    going = [not old and any(row) for row, old in zip(failing, before, strict=True)]
    assert found.going == sum(going)
    assert found.going_from_version == sum(go and row[3] == PAST_ALL for row, go in zip(data, going, strict=True))
    for index, effect in enumerate(found.rules):
        only = [row[index] and sum(row) == 1 for row in failing]
        assert effect.failed == sum(row[index] for row in failing)
        assert effect.only == sum(only)
        assert effect.only_unmeasured == sum(one and hidden for one, hidden in zip(only, unmeasured, strict=True))
        assert effect.left == sum(not any(row[: index + 1]) for row in failing)
        assert effect.unmeasured == sum(row[3] <= RULES[index].measured_by for row in data)
        was = [fails(BEFORE[index], row) for row in data]
        assert effect.failed_before == sum(was)
        assert effect.returning == sum(old and not row[index] for row, old in zip(failing, was, strict=True))
        assert effect.going == sum(row[index] and not old for row, old in zip(failing, was, strict=True))


def test_a_condition_of_a_rule_is_told_by_itself() -> None:
    (short,) = counted([(1, None, 0.0, 9, False), (60, None, 0.0, 9, False), (None, None, 0.0, 9, False)], rules=RULES[:1]).rules
    assert (short.failed, short.only) == (3, 3)
    assert [(each.where, each.failed, each.only) for each in short.conditions] == [("words >= 5", 2, 1), ("words <= 50", 2, 1)]


def test_a_row_that_was_never_measured_fails_nothing_and_is_counted() -> None:
    found = counted([(1, None, None, 2, False)])
    assert [(each.failed, each.unmeasured) for each in found.rules] == [(1, 0), (0, 0), (0, 1)]
    assert (found.rules[0].only, found.rules[0].only_unmeasured) == (1, 1)


def test_a_new_rule_has_no_past() -> None:
    new = rule("2 keep", "new", "words > 3", 1)
    (effect,) = counted([(1, None, None, 9, False)], rules=(new,)).rules
    assert (effect.failed_before, effect.returning, effect.going) == (None, None, None)


def test_the_rows_next_to_a_threshold_are_named_on_both_sides() -> None:
    data = [(words, None, 0.0, 9, False) for words in (1, 4, 3, 5, 30, 9, 40, None)]
    (short,) = counted(data, 3, rules=RULES[:1], examples=2).rules
    assert [(each.id, each.value, each.passes) for each in short.conditions[0].nearest] == [
        ("r2", 3, False),
        ("r1", 4, False),
        ("r3", 5, True),
        ("r5", 9, True),
    ]


@pytest.mark.parametrize(
    "where",
    [
        "words >= 5",
        "words > 5",
        "words <= 5",
        "5 <= words",
        "not words > 5",
        "is_null(words) or words < 5",
        "2 < words < 20",
        "words + words >= 10 or share > 0.5",
    ],
)
@given(data=rows, cut=st.integers(0, 40))
def test_a_curve_tells_what_every_other_threshold_would_do(where: str, data: list[Any], cut: int) -> None:
    condition = Expression.parse(where)
    rules = (rule("2 keep", "moved", where), RULES[1])
    curve = counted(data, cut, rules=rules, curves=True).rules[0].conditions[0].curve
    assert curve is not None
    for threshold, passing, kept in zip(curve.thresholds, curve.passing, curve.kept, strict=True):
        moved = (rule("2 keep", "moved", condition.with_threshold(threshold).text), RULES[1])
        looked = [row for row in data if not row[4]]
        found = counted(looked, rules=moved)
        assert (passing, kept) == (len(looked) - found.rules[0].failed, found.kept)


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300))
def test_a_curve_of_numbers_is_close_and_ascends(values: list[float]) -> None:
    curve = curve_of(values)
    assert list(curve.thresholds) == sorted(set(curve.thresholds))
    assert list(curve.passing) == sorted(curve.passing)
    for threshold, passing in zip(curve.thresholds, curve.passing, strict=True):
        margin = abs(threshold) / 2048 + 1e-37
        assert (
            sum(value <= threshold - margin for value in values)
            <= passing
            <= sum(value <= threshold + 2 * margin for value in values)
        )


def test_a_curve_of_many_values_has_few_points() -> None:
    curve = curve_of([float(value) for value in range(5000)])
    assert len(curve.thresholds) <= 202
    assert curve.passing[-1] == curve.rows == 5000


def curve_of(values: list[float]) -> Curve:
    effects = RuleEffects([rule("1 keep", "x", "x <= 1")], curves=True)
    batch = pa.RecordBatch.from_pydict({"x": pa.array(values, pa.float64())})
    everywhere, nowhere = np.full(len(values), PAST_ALL), np.zeros(len(values), np.bool_)
    effects.add(batch, everywhere, nowhere, nowhere)
    curve = effects.result().rules[0].conditions[0].curve
    assert curve is not None
    return curve
