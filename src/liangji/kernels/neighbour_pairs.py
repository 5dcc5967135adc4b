"""Candidate pairs from buckets: which documents that share a key are worth comparing.

Input: keys uint64[records], equal ones side by side, and the document of each record, int64[records], from 0 up to 2^32 and ascending
within a key. Output: pairs as one uint64 each, the later document in the high 32 bits and the earlier in the low, so that sorting numbers sorts by later and earlier.

The trick: all pairs of a bucket would cost the square of its size. Each member is paired with the first of the bucket, which all copies
of one document share, and with the two before it, so that members that resemble each other but not the first meet as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_LOW = np.uint64(0xFFFFFFFF)
_HIGH = np.uint64(32)


@njit(nogil=True, cache=True, boundscheck=False)
def neighbour_pairs(keys: Any, documents: Any, priority: Any, decided_from: Any, planted_from: Any) -> Any:
    """Pair the documents of each key, in order of `priority` (lowest first, uint32 for each document; none: as they stand).

    Documents before `decided_from` (of earlier versions, never dropped) are no later of a pair, and those from `planted_from` on
    (copies made to measure how many pairs are found) are no earlier of one. A pair that two keys share is given twice.
    """
    pairs = np.empty(3 * len(keys), np.uint64)
    count = 0
    start = 0
    while start < len(keys):
        end = start + 1
        while end < len(keys) and keys[end] == keys[start]:
            end += 1
        members = documents[start:end].astype(np.uint64)
        if len(priority):
            for i in range(len(members)):
                members[i] |= np.uint64(priority[members[i]]) << _HIGH
            members.sort()
            members &= _LOW
        for i in range(1, len(members)):
            if members[i] < decided_from:
                continue
            count = _add(pairs, count, members[i], members[0], planted_from)
            for place in range(max(1, i - 2), i):
                count = _add(pairs, count, members[i], members[place], planted_from)
        start = end
    return pairs[:count]


@njit(inline="always")
def _add(pairs: Any, count: Any, later: Any, earlier: Any, planted_from: Any) -> Any:
    """Write a pair behind the `count` ones; it stays only where it counts."""
    pairs[count] = (later << _HIGH) | earlier
    return count + (earlier < planted_from)
