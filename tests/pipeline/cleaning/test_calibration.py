"""A proposed threshold is the strictest that lets the percentile through, and rounding never makes it stricter."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangji.core.expression import Expression
from liangji.pipeline.cleaning.calibration import Rests, for_all, observe, propose, rounded

CONDITIONS = [
    "x >= 3",
    "x > 3",
    "x <= 3",
    "x < 3",
    "3 <= x",
    "not x > 3",
    "not x <= 3",
    "is_null(x) or x <= 3",
    "x <= 3 or y",
    "x + x >= 6",
]
COLUMNS = [
    (pa.int32(), st.one_of(st.none(), st.integers(-1000, 100_000))),
    (pa.float32(), st.one_of(st.none(), st.floats(0, 1, width=32, allow_subnormal=False), st.sampled_from([0.0, 0.25, 0.5, 1.0]))),
    (pa.float64(), st.one_of(st.none(), st.floats(-1e6, 1e6))),
]


def batch_of(xs: Sequence[object], kind: pa.DataType, ys: list[bool] | None = None) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"x": pa.array(xs, kind), "y": pa.array(ys or [False] * len(xs))})


@pytest.mark.parametrize("text", CONDITIONS)
@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: str(column[0]))
@given(data=st.data())
def test_at_most_the_percentile_fails(
    text: str, column: tuple[pa.DataType, st.SearchStrategy[object]], data: st.DataObject
) -> None:
    kind, values = column
    xs = data.draw(st.lists(values, min_size=1, max_size=60))
    ys = data.draw(st.lists(st.booleans(), min_size=len(xs), max_size=len(xs)))
    percentile = data.draw(st.sampled_from([0.5, 1, 5, 20, 40]))
    batch = batch_of(xs, kind, ys)
    condition = Expression.parse(text)
    observed = observe(condition, batch)
    is_in = np.array(data.draw(st.lists(st.booleans(), min_size=len(xs), max_size=len(xs))))
    proposal = propose(observed, is_in, percentile)
    assert proposal is not None
    assert proposal.rows == is_in.sum()
    if proposal.threshold is None:
        assert proposal.resting_on == 0
        return
    satisfied = condition.with_threshold(proposal.threshold).evaluate(batch).to_numpy(zero_copy_only=False)
    hangs = is_in & (observed.passes_low != observed.passes_high)
    assert proposal.resting_on == hangs.sum()
    assert (~satisfied & hangs).sum() <= len(xs) * percentile / 100
    assert (~satisfied & hangs).sum() <= hangs.sum() * percentile / 100 + 1e-9
    assert proposal.dropped_then == (~satisfied & is_in).sum() / is_in.sum()  # as the rule itself would say
    now = condition.evaluate(batch).to_numpy(zero_copy_only=False)
    assert proposal.dropped_now == (~now & is_in).sum() / is_in.sum()


def test_the_percentile_is_met_and_not_just_kept_under() -> None:
    batch = batch_of(list(range(1, 1001)), pa.int32())
    rows = np.ones(1000, np.bool_)
    least = propose(observe(Expression.parse("x >= 50"), batch), rows, 2)
    most = propose(observe(Expression.parse("x <= 50"), batch), rows, 2)
    assert least is not None
    assert most is not None
    assert (least.threshold, least.dropped_then, least.dropped_now) == (21, 0.02, 0.049)
    assert (most.threshold, most.dropped_then, most.dropped_now) == (980, 0.02, 0.95)
    assert least.rests == Rests.ENOUGH_ROWS
    fewer = propose(observe(Expression.parse("x >= 50"), batch), rows, 0.9)
    assert fewer is not None
    assert fewer.rests == Rests.TOO_FEW_ROWS


@pytest.mark.parametrize("text", ["contains(s, 'x')", "x == 3", "x in (1, 2)", "is_null(x)", "(x <= 3) != y"])
def test_a_condition_without_one_threshold_gets_no_proposal(text: str) -> None:
    batch = batch_of([1, 2, 9], pa.int32(), [True, False, False]).append_column("s", pa.array(["x", "", "x"]))
    observed = observe(Expression.parse(text), batch)
    assert propose(observed, np.ones(3, np.bool_), 1) is None
    assert list(~observed.fails()) == Expression.parse(text).evaluate(batch).to_pylist()


def test_a_row_that_fails_anyway_does_not_move_the_threshold() -> None:
    batch = batch_of([None] * 500 + list(range(100)), pa.float32())
    proposal = propose(observe(Expression.parse("x >= 5"), batch), np.ones(600, np.bool_), 10)
    assert proposal is not None
    assert (proposal.threshold, proposal.resting_on, proposal.dropped_then) == (10, 100, 510 / 600)


@given(st.decimals(-(10**7), 10**7, allow_nan=False, places=6), st.sampled_from([2, 3]), st.booleans(), st.booleans())
def test_rounding_goes_to_one_side_and_not_far(exact: Decimal, digits: int, upwards: bool, beyond: bool) -> None:
    result = Decimal(repr(rounded(exact, digits, upwards=upwards, beyond=beyond)))
    assert (result >= exact) if upwards else (result <= exact)
    assert not beyond or result != exact
    if abs(exact) >= 20 or not beyond:
        assert abs(result - exact) <= abs(exact) * Decimal(10) ** (1 - digits)
    assert len(result.normalize().as_tuple().digits) <= digits or (beyond and exact == int(exact))


@pytest.mark.parametrize(
    ("exact", "digits", "upwards", "expected"),
    [("0.4231", 2, True, 0.43), ("0.4231", 3, True, 0.424), ("1049", 2, False, 1000), ("7", 2, True, 7), ("0", 2, True, 0)],
)
def test_rounding_keeps_the_digits_asked_for(exact: str, digits: int, upwards: bool, expected: float) -> None:
    assert rounded(Decimal(exact), digits, upwards=upwards) == expected


def test_two_digits_are_written_where_they_say_as_much() -> None:
    wide, narrow = batch_of(list(range(0, 100_000, 10)), pa.int32()), batch_of(list(range(10_000, 20_000)), pa.int32())
    for batch, expected in ((wide, 1000), (narrow, 10_100)):
        proposal = propose(observe(Expression.parse("x >= 5"), batch), np.ones(10_000, np.bool_), 1.05)
        assert proposal is not None
        assert proposal.threshold == expected


def test_the_most_lenient_of_groups_with_enough_rows_holds_for_all() -> None:
    batch = batch_of([*range(1000, 3000), *range(5000, 8000), *range(10)], pa.int32())
    groups = [np.arange(5010) < 2000, (np.arange(5010) >= 2000) & (np.arange(5010) < 5000), np.arange(5010) >= 5000]
    for text, expected in (("x >= 9", 1020.0), ("x <= 9", 7970.0)):
        observed = observe(Expression.parse(text), batch)
        proposals = [proposal for rows in groups if (proposal := propose(observed, rows, 1))]
        assert [proposal.rests for proposal in proposals] == [Rests.ENOUGH_ROWS, Rests.ENOUGH_ROWS, Rests.TOO_FEW_ROWS]
        assert for_all(observed, proposals) == expected
        assert for_all(observed, proposals[2:]) is None
    as_now = observe(Expression.parse("x <= 8000"), batch)
    proposals = [proposal for rows in groups if (proposal := propose(as_now, rows, 1))]
    assert for_all(as_now, proposals) == 7970


@pytest.mark.parametrize(
    ("text", "expected"),
    [("x <= 0.1", None), ("x < 0", 0.001)],  # the second one drops all that is clean: a more lenient one is taken
)
def test_clean_text_does_not_set_a_rule_against_damage_to_zero(text: str, expected: float | None) -> None:
    observed = observe(Expression.parse(text), batch_of([0.0] * 4990 + [0.5] * 10, pa.float32()))
    proposal = propose(observed, np.ones(5000, np.bool_), 1)
    assert proposal is not None
    assert proposal.rests == Rests.ONE_VALUE
    assert for_all(observed, [proposal]) == expected
