from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangji.pipeline.evaluation.distributions import NumberCounter, ShareCounter


def counted(values: list[float | None], cut: int = 0) -> NumberCounter:
    counter = NumberCounter("x")
    for part in (values[:cut], values[cut:]):
        counter.add(pa.array(part, pa.float64()))
    return counter


@given(st.lists(st.floats(-1e9, 1e9).filter(lambda value: value == 0 or abs(value) > 1e-9), min_size=1, max_size=200))
def test_every_value_is_in_a_bin_and_the_median_is_right_to_two_percent(values: list[float]) -> None:
    found = counted(list(values)).distribution()
    assert sum(entry.count for entry in found.bins) == len(values) == found.rows
    assert (found.minimum, found.maximum) == (min(values), max(values))
    median = sorted(values)[math.ceil(len(values) / 2) - 1]
    assert found.median == pytest.approx(median, rel=0.02, abs=1e-6)


def test_small_whole_numbers_are_exact() -> None:
    found = counted([float(value) for value in range(1, 101)]).distribution()
    assert (found.p05, found.median, found.p95, found.mean) == (5, 50, 95, 50.5)


def test_nulls_are_counted_apart_and_nothing_gives_nothing() -> None:
    assert counted([None, 2.0, None]).distribution().missing == 2
    empty = counted([None]).distribution()
    assert (empty.rows, empty.median, empty.bins) == (0, None, [])


def test_wide_ranges_get_bins_of_equal_ratio() -> None:
    assert counted([1.0, 10.0, 1000.0]).distribution().is_logarithmic
    assert not counted([0.0, 0.5, 1.0]).distribution().is_logarithmic


def test_shares_list_the_commonest_first_and_keep_the_unknown() -> None:
    counter = ShareCounter("license")
    counter.add(pa.array(["MIT", None, "MIT", "CC0-1.0"]))
    assert [(share.value, share.count, share.ratio) for share in counter.shares()] == [
        ("MIT", 2, 0.5),
        ("CC0-1.0", 1, 0.25),
        (None, 1, 0.25),
    ]
    assert [(share.value, share.count) for share in counter.shares(limit=1)] == [("MIT", 2), ("…", 2)]
