from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.kernels.partition import count_buckets, hash_buckets, places, scatter


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=40), st.integers(1, 3))
def test_records_stand_bucket_after_bucket_in_the_order_they_came(given_buckets: list[int], words: int) -> None:
    bucket = np.array(given_buckets, np.uint16)
    counts = np.zeros(5, np.int64)
    count_buckets(bucket, counts)
    assert counts.tolist() == [given_buckets.count(number) for number in range(5)]
    column = np.arange(len(bucket) * words, dtype=np.uint64).reshape(-1, words)
    output = np.empty_like(column)
    scatter(column, places(bucket, np.cumsum(counts) - counts), output)
    order = sorted(range(len(bucket)), key=lambda record: given_buckets[record])  # a stable sort
    assert output.tolist() == [column[record].tolist() for record in order]


@pytest.mark.parametrize("words", [1, 2])
def test_equal_keys_share_a_bucket_and_uneven_keys_are_spread(words: int) -> None:
    keys = np.repeat(np.arange(100_000, dtype=np.uint64), 2).reshape(-1, 1)
    buckets = hash_buckets(np.hstack([np.zeros((len(keys), words - 1), np.uint64), keys]), 6)
    assert np.array_equal(buckets[::2], buckets[1::2])
    counts = np.bincount(buckets, minlength=64)
    assert len(counts) == 64
    assert 2_700 < counts.min() <= counts.max() < 3_600  # 3 125 on average, six standard deviations of 79 either way
