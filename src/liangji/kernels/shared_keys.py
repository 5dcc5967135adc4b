"""Keys that several rows share, and those rows.

Input: keys uint64[records] or uint64[records, words] and the row of each record, in any order. Output: the records of all keys that
at least `minimum` different rows have, sorted by key and row, each record once.

The trick: mostly few keys are shared, and sorting the rest would be in vain. So each key marks a bit in a table at the place that its
hash names, and a bit in a second table where the first was marked already. A key that does not find the second bit is alone for
certain; only the others are sorted. With a million records the tables stay in the second-level cache, and nine keys in ten that are
alone are found out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from liangji.kernels.partition import hash_key
from liangji.kernels.radix_sort import sort_records

_BITS_PER_RECORD = 8
_SIGN = np.uint64(1 << 63)  # turned round, negative rows sort before the others


def shared_rows(
    keys: NDArray[np.uint64], rows: NDArray[np.integer[Any]], minimum: int
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Give the keys, in the shape they came in, and the rows of the records whose key at least `minimum` rows have.

    >>> shared_rows(np.array([7, 5, 7, 5, 9, 7], np.uint64), np.array([3, 1, 0, 1, 2, 3]), 2)
    (array([7, 7], dtype=uint64), array([0, 3]))
    """
    wide = keys.reshape(len(rows), 1 if keys.ndim == 1 else keys.shape[1])
    records = sort_records(_possibly_shared(wide, rows, minimum > 1), wide.shape[1])
    if not _rows_ascend(records):  # they do where records came in order of rows
        records = sort_records(records, wide.shape[1] + 1)
    found = _groups(records, minimum)
    return found[:, :-1].copy().reshape(-1, *keys.shape[1:]), (found[:, -1] ^ _SIGN).view(np.int64)


@njit(nogil=True, cache=True, boundscheck=False)
def _possibly_shared(keys: Any, rows: Any, is_sieved: Any) -> Any:
    """Give keys and rows, side by side, of the records at whose place of the table there is another one; without sieve of all."""
    records, words = keys.shape
    slots = 64
    while slots < _BITS_PER_RECORD * records:
        slots *= 2
    mask = np.uint64(slots - 1)
    once, twice = np.zeros(slots >> 6, np.uint64), np.zeros(slots >> 6, np.uint64)
    for i in range(records):
        slot = hash_key(keys, i) & mask
        place, bit = slot >> np.uint64(6), np.uint64(1) << (slot & np.uint64(63))
        twice[place] |= bit if not is_sieved else once[place] & bit
        once[place] |= bit
    output = np.empty((records, words + 1), np.uint64)
    some = 0
    for i in range(records):
        slot = hash_key(keys, i) & mask
        for word in range(words):
            output[some, word] = keys[i, word]
        output[some, words] = np.uint64(np.int64(rows[i])) ^ _SIGN
        some += (twice[slot >> np.uint64(6)] >> (slot & np.uint64(63))) & np.uint64(1)
    return output[:some]


@njit(inline="always")
def _is_same_key(records: Any, one: Any, other: Any) -> Any:
    same = True
    for word in range(records.shape[1] - 1):
        same = same and records[one, word] == records[other, word]
    return same


@njit(nogil=True, cache=True, boundscheck=False)
def _rows_ascend(records: Any) -> Any:
    """Tell whether sorted keys have their rows in order too."""
    last = records.shape[1] - 1
    ascend = True
    for i in range(1, len(records)):
        ascend = ascend and (records[i - 1, last] <= records[i, last] or not _is_same_key(records, i - 1, i))
    return ascend


@njit(nogil=True, cache=True, boundscheck=False)
def _groups(records: Any, minimum: Any) -> Any:
    """Keep, at the front, the groups of equal keys that have `minimum` different rows; a row stands once in each."""
    count, width = records.shape
    kept = 0
    start = 0
    while start < count:
        first = kept
        at = start
        while at < count and _is_same_key(records, start, at):
            if at == start or records[at, width - 1] != records[at - 1, width - 1]:
                for word in range(width):
                    records[kept, word] = records[at, word]
                kept += 1
            at += 1
        if kept - first < minimum:
            kept = first
        start = at
    return records[:kept]
