from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangji.core.proportions import wilson_interval
from liangji.core.units import format_percent


@given(st.integers(1, 500))
def test_the_interval_of_all_is_that_of_none_mirrored(count: int) -> None:
    low, high = wilson_interval(count, count)
    assert high == 1
    assert low == pytest.approx(count / (count + 1.959964**2), abs=1e-6)
    assert wilson_interval(0, count) == pytest.approx((1 - high, 1 - low), abs=1e-6)


def test_of_nothing_nothing_is_known() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("share", "down", "up"),
    [(0, "0", "0"), (0.29, "29", "29"), (0.99999, "99.9", "100"), (0.9748, "97.4", "97.5"), (1, "100", "100")],
)
def test_a_percentage_is_never_shown_better_than_it_is(share: float, down: str, up: str) -> None:
    assert (format_percent(share), format_percent(share, upwards=True)) == (down, up)
