from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.kernels.shared_keys import shared_rows


def obviously(keys: list[tuple[int, ...]], rows: list[int], minimum: int) -> list[tuple[tuple[int, ...], int]]:
    holders: dict[tuple[int, ...], set[int]] = {}
    for key, row in zip(keys, rows, strict=True):
        holders.setdefault(key, set()).add(row)
    return [(key, row) for key in sorted(holders) if len(holders[key]) >= minimum for row in sorted(holders[key])]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0, 1, (1 << 64) - 1]), st.integers(-4, 6)), max_size=60),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
)
def test_records_of_shared_keys_are_given_sorted_and_once(
    records: list[tuple[int, int, int]], minimum: int, is_wide: bool, ascend: bool
) -> None:
    if ascend:
        records = sorted(records, key=lambda record: record[2])
    keys: list[tuple[int, ...]] = [record[:2] if is_wide else record[:1] for record in records]
    rows = [record[2] for record in records]
    array = np.array(keys, np.uint64).reshape(len(keys), 2 if is_wide else 1)
    found_keys, found_rows = shared_rows(array if is_wide else array.ravel(), np.array(rows, np.int64), minimum)
    assert found_keys.shape[1:] == ((2,) if is_wide else ())
    found = [(tuple(np.atleast_1d(key).tolist()), row) for key, row in zip(found_keys, found_rows.tolist(), strict=True)]
    assert found == obviously(keys, rows, minimum)


@pytest.mark.parametrize("minimum", [1, 2, 3])
def test_keys_that_stand_alone_are_left_out_among_many(minimum: int) -> None:
    generator = np.random.default_rng(5)
    keys = generator.integers(0, 1 << 64, 300_000, np.uint64)
    keys[generator.integers(0, len(keys), 60_000)] = keys[generator.integers(0, len(keys), 60_000)]
    unique, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    rows = np.arange(len(keys), dtype=np.uint32)
    held = counts[inverse] >= minimum
    order = np.lexsort((rows[held], keys[held]))
    found_keys, found_rows = shared_rows(keys, rows, minimum)
    assert np.array_equal(found_keys, keys[held][order])
    assert np.array_equal(found_rows, rows[held][order])
    assert len(unique) < len(keys)
