"""Parting records into buckets, so that what belongs together lies together and each bucket fits into memory.

Input: a bucket number for each record, uint16[records]. `places` gives the place of each record once they stand bucket after bucket,
each bucket in the order of the input; `scatter` puts one column there. `hash_buckets` gives the bucket of keys of any number of
64-bit words, uint64[records, words], so that equal keys share one, however unevenly the keys are spread.

The trick: places are worked out once and then serve all columns of the record, whatever their types and widths.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from liangji.kernels.shingles import mix


@njit(inline="always")
def hash_key(keys: Any, record: Any) -> Any:
    """Hash all words of one key."""
    value = np.uint64(0)
    for word in range(keys.shape[1]):
        value = mix(value ^ keys[record, word])
    return value


@njit(nogil=True, cache=True, boundscheck=False)
def hash_buckets(keys: Any, bits: Any) -> Any:
    """Give the bucket of each key, of 2**bits: the highest bits of its hash; `shared_keys` looks at the lowest."""
    buckets = np.empty(len(keys), np.uint16)
    shift = np.uint64(64 - bits)
    for i in range(len(keys)):
        buckets[i] = hash_key(keys, i) >> shift
    return buckets


@njit(nogil=True, cache=True, boundscheck=False)
def count_buckets(bucket: Any, counts: Any) -> None:
    """Add the number of records of each bucket to `counts`."""
    for i in range(len(bucket)):
        counts[bucket[i]] += 1


@njit(nogil=True, cache=True, boundscheck=False)
def places(bucket: Any, following: Any) -> Any:
    """Give the place of each record; `following` holds the next free place of each bucket and moves on."""
    found = np.empty(len(bucket), np.int64)
    for i in range(len(bucket)):
        found[i] = following[bucket[i]]
        following[bucket[i]] += 1
    return found


@njit(nogil=True, cache=True, boundscheck=False)
def scatter(column: Any, place: Any, output: Any) -> None:
    """Put the rows of a column, uint[records, words], to their places in `output`."""
    for i in range(len(place)):
        for word in range(column.shape[1]):
            output[place[i], word] = column[i, word]
