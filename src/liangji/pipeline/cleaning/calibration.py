"""Propose thresholds of rules by percentile: the strictest number at which at most a given share of sample rows fails.

The rows that count are those whose outcome hangs on the threshold: what fails or passes whatever the number is, because a column is
null or another part of the condition decides, says nothing about it. They are told apart by asking the condition with numbers
beyond every value, so that `or`, `not` and calculated values need no case of their own.

A percentile rests on the rows beyond it. With fewer than ten of them it is said to rest on too few: ten give it a relative error
of about a third (a count of k rows has the standard deviation √k). And where nearly all rows have one value, most often zero, the
percentile is that value and tells nothing of the others: a rule against damage would be set to zero by clean text. So a stricter
threshold is taken only where at least half the percentile fails at it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from liangji.core.expression import Expression, Threshold

ROWS_BEYOND = 10  # a percentile rests on, at least
_FAR = 9e18  # beyond every value; 64 bits are the most that the rule language takes


class Rests(StrEnum):
    """What a proposed threshold rests on."""

    ENOUGH_ROWS = "enough_rows"
    TOO_FEW_ROWS = "too_few_rows"  # fewer than ten lie beyond the percentile
    ONE_VALUE = "one_value"  # that nearly all rows have


@dataclass(frozen=True, slots=True)
class Observed:
    """One condition on the rows of a sample, one entry a row."""

    condition: Expression
    values: NDArray[np.float64]  # what the threshold is compared with; nan where it is null, or there is no threshold
    passes_low: NDArray[np.bool_]  # is satisfied with a threshold below every value
    passes_high: NDArray[np.bool_]  # is satisfied with a threshold above every value
    is_single: bool  # the values are a float32 column, which meets a threshold as the float32 nearest to it

    def fails(self, number: float | None = None) -> NDArray[np.bool_]:
        """Tell which rows fail at a threshold; None: at the present one."""
        threshold = self.condition.threshold()
        if threshold is None:
            return ~self.passes_low
        number = threshold.number if number is None else number
        limit = float(np.float32(number)) if self.is_single else number
        above = self.values >= limit if _includes_itself(threshold, is_most=False) else self.values > limit
        below = self.values <= limit if _includes_itself(threshold, is_most=True) else self.values < limit
        passes = (self.passes_low & self.passes_high) | (self.passes_low & above) | (self.passes_high & below)
        return np.asarray(~passes)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A threshold for one group of rows. Shares are in [0, 1], of `rows`."""

    rows: int  # of the group
    resting_on: int  # of these, rows whose outcome hangs on the threshold: what the percentile is taken of
    rests: Rests
    dropped_now: float  # share that fails the condition at the present threshold
    threshold: float | None  # None: no row hangs on it
    dropped_then: float | None  # share that fails at `threshold`


def observe(condition: Expression, batch: pa.RecordBatch) -> Observed:
    """Ask a condition of a batch at every threshold at once.

    Raises: as `Expression.evaluate`.
    """
    threshold = condition.threshold()
    if threshold is None:
        satisfied = _evaluated(condition, batch)
        return Observed(condition, np.full(batch.num_rows, np.nan), satisfied, satisfied, is_single=False)
    values = np.asarray(threshold.values(batch).to_numpy(zero_copy_only=False), np.float64)
    low, high = (_evaluated(condition.with_threshold(number), batch) for number in (-_FAR, _FAR))
    is_single = threshold.value in batch.schema.names and pa.types.is_float32(batch.column(threshold.value).type)
    return Observed(condition, values, low, high, is_single)


def propose(observed: Observed, rows: NDArray[np.bool_], percentile: float) -> Proposal | None:
    """Propose a threshold for some rows of a sample, so that at most `percentile` % of those that hang on it fail.

    The number is rounded to the lenient side: to two digits, or three where with two less than half of these would fail. None: the condition has no threshold, or one that keeps some
    rows from below and others from above.
    """
    threshold = observed.condition.threshold()
    hangs = rows & (observed.passes_low != observed.passes_high)
    is_most = bool(observed.passes_high[hangs].any())  # the threshold is the most that is kept, not the least
    if threshold is None or (is_most and not observed.passes_high[hangs].all()):
        return None
    count = int(rows.sum())
    values = np.sort(observed.values[hangs])
    beyond = math.floor(len(values) * percentile / 100 + 1e-9)
    dropped_now = _share(observed.fails() & rows, count)
    if not len(values):
        return Proposal(count, 0, Rests.TOO_FEW_ROWS, dropped_now, None, None)
    value = float(values[len(values) - 1 - beyond] if is_most else values[beyond])
    failing = int(np.count_nonzero(values > value if is_most else values < value))
    rests = Rests.TOO_FEW_ROWS if beyond < ROWS_BEYOND else Rests.ONE_VALUE if 2 * failing < beyond else Rests.ENOUGH_ROWS
    number, fails = 0.0, np.zeros(len(rows), np.bool_)
    exact = Decimal(str(np.float32(value)) if observed.is_single else repr(value))
    for digits in (2, 3):
        number = rounded(exact, digits, upwards=is_most, beyond=not _includes_itself(threshold, is_most))
        fails = observed.fails(number)
        if 2 * np.count_nonzero(fails & hangs) >= failing:
            break
    return Proposal(count, len(values), rests, dropped_now, number, _share(fails & rows, count))


def for_all(observed: Observed, proposals: Sequence[Proposal]) -> float | None:
    """Choose the threshold that holds for several groups at once: the most lenient of those that rest on enough rows.

    None: the present one stays, because no group has enough rows, because it is the same, or because a stricter one would rest on
    one value.
    """
    threshold = observed.condition.threshold()
    found = [(each.threshold, each.rests) for each in proposals if each.threshold is not None and each.rests != Rests.TOO_FEW_ROWS]
    if threshold is None or not found:
        return None
    is_most = bool((observed.passes_high & ~observed.passes_low).any())
    number, rests = max(found) if is_most else min(found)
    is_stricter = number < threshold.number if is_most else number > threshold.number
    if number == threshold.number or (is_stricter and rests == Rests.ONE_VALUE):
        return None
    return number


def rounded(exact: Decimal, digits: int, *, upwards: bool, beyond: bool = False) -> float:
    """Round to so many digits, never to the other side; what is whole stays whole.

    `beyond`: the result is never the number itself.

    >>> rounded(Decimal("0.4231"), 2, upwards=True), rounded(Decimal(1049), 3, upwards=False), rounded(Decimal(12), 2, upwards=True, beyond=True)
    (0.43, 1040.0, 13.0)
    """
    if exact == 0:
        return 0.0 if not beyond else (0.001 if upwards else -0.001)
    unit = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    if exact == exact.to_integral_value():
        unit = max(unit, Decimal(1))
    result = exact.quantize(unit, ROUND_CEILING if upwards else ROUND_FLOOR)
    if beyond and result == exact:
        result += unit if upwards else -unit
    return float(result)


def _evaluated(condition: Expression, batch: pa.RecordBatch) -> NDArray[np.bool_]:
    return np.asarray(condition.evaluate(batch).to_numpy(zero_copy_only=False), np.bool_)


def _includes_itself(threshold: Threshold, is_most: bool) -> bool:
    """Tell whether a value that equals the threshold is kept; `is_most` and the sign disagree under a `not`."""
    return threshold.comparison in (("<=", ">") if is_most else (">=", "<"))


def _share(rows: NDArray[np.bool_], count: int) -> float:
    return float(rows.sum()) / count if count else 0.0
