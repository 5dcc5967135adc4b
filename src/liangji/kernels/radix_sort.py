"""Sorting of records made of 64-bit words, in time that grows with their number and no faster.

Layout: uint64[records, words]; the first word is the most significant.

The trick: least significant digit first (Knuth, The Art of Computer Programming, volume 3, section 5.2.5). Each pass moves all records
to the place that one byte of theirs gives them and keeps the order of equal ones, so that after the pass over the first byte all are
sorted. A byte in which all records agree needs no pass: small numbers in wide words cost as little as they should.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, boundscheck=False)
def sort_records(records: Any, words: Any) -> Any:
    """Give the records sorted by their first `words` words, equal ones in the order they came in. `records` is used as work space."""
    count, width = records.shape
    source, target = records, np.empty_like(records)
    counts = np.zeros((8, 256), np.int64)
    for word in range(words - 1, -1, -1):
        counts[:] = 0
        for i in range(count):
            value = source[i, word]
            for byte in range(8):
                counts[byte, (value >> np.uint64(8 * byte)) & np.uint64(0xFF)] += 1
        for byte in range(8):
            shift = np.uint64(8 * byte)
            if count == 0 or counts[byte, (source[0, word] >> shift) & np.uint64(0xFF)] == count:
                continue
            place = 0
            for digit in range(256):  # counts become the places where each digit starts
                held = counts[byte, digit]
                counts[byte, digit] = place
                place += held
            for i in range(count):
                digit = (source[i, word] >> shift) & np.uint64(0xFF)
                place = counts[byte, digit]
                counts[byte, digit] = place + 1
                for other in range(width):
                    target[place, other] = source[i, other]
            source, target = target, source
    return source
