from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.kernels.radix_sort import sort_records

NUMBERS = st.one_of(st.integers(0, 3), st.integers(0, (1 << 64) - 1), st.integers(0, 70_000))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3).flatmap(lambda width: st.lists(st.tuples(*[NUMBERS] * width), min_size=1, max_size=50)), st.data())
def test_records_are_sorted_by_their_first_words_and_equal_ones_stay_in_order(
    records: list[tuple[int, ...]], data: st.DataObject
) -> None:
    words = data.draw(st.integers(1, len(records[0])))
    found = sort_records(np.array(records, np.uint64), words)
    assert [tuple(record) for record in found.tolist()] == sorted(records, key=lambda record: record[:words])


@pytest.mark.parametrize("words", [1, 2])
def test_many_records_are_sorted(words: int) -> None:
    records = np.random.default_rng(3).integers(0, 1 << 64, (200_000, 2), np.uint64)
    records[:, 0] >>= np.uint64(50)
    order = np.lexsort((records[:, 1], records[:, 0])) if words == 2 else np.argsort(records[:, 0], kind="stable")
    assert np.array_equal(sort_records(records.copy(), words), records[order])


def test_no_records_are_sorted_too() -> None:
    assert sort_records(np.zeros((0, 2), np.uint64), 2).shape == (0, 2)
