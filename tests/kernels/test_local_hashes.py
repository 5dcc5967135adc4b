from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit

from liangji.kernels import local_hashes
from liangji.kernels.local_hashes import BLOCK_BYTES, BYTE_FACTORS, hash_range, table_size


@njit
def _insert(keys: Any, key: Any) -> Any:
    return local_hashes.insert(keys, len(keys) - 1, key)


@example([b"", b"\0", b"\0\0", b"a" * BLOCK_BYTES, b"a" * BLOCK_BYTES + b"\0", b"a" * (2 * BLOCK_BYTES)])
@given(st.lists(st.binary(max_size=30), max_size=10))
def test_ranges_have_equal_hashes_where_their_bytes_are_equal(parts: list[bytes]) -> None:
    parts = [*parts, *parts]
    data = np.frombuffer(b"".join(parts), np.uint8)
    ends = np.cumsum([len(part) for part in parts])
    hashes = [int(hash_range(data, end - len(part), end, BYTE_FACTORS)) for part, end in zip(parts, ends, strict=True)]
    assert [hashes.index(each) for each in hashes] == [parts.index(each) for each in parts]


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(2, 5), max_size=60))
def test_a_set_knows_what_was_put_in(keys: list[int]) -> None:
    places = np.zeros(table_size(len(keys)), np.uint64)
    seen: set[int] = set()
    for key in keys:
        assert _insert(places, np.uint64(key)) == (max(key, 1) in seen)  # zero marks an empty place and counts as one
        seen.add(max(key, 1))


@given(st.integers(0, 10**6))
def test_a_table_is_a_power_of_two_and_at_most_half_full(entries: int) -> None:
    size = table_size(entries)
    assert size >= max(16, 2 * entries)
    assert size & (size - 1) == 0
    assert size <= max(16, 4 * entries)
