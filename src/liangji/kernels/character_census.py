"""Counts over the characters of one document: how many, of which kind, and the symbols that the Gopher rules count.

Layout: a document is data[start:end], of valid UTF-8; kinds come from `census_kinds` (one kind a character, uint8[0x110000]); counts
are int64.

The trick: all counters live in one 64-bit word of eight fields of eight bits, so that a character costs a table look-up and an
addition; the word is emptied into the counts before a field can run over.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from liangji.kernels.characters import decode
from liangji.kernels.text_classes import CLAUSE, DAMAGED, DIGIT, DIVIDER, HAN, KINDS, MARK, RARE_HAN, SPACING, SUPPLEMENT

_FIELD_BITS = 8
_FIELD_COUNT = 8
_FLUSH = (1 << _FIELD_BITS) - 1  # characters after which a field could be full

# Rare Han is Han too, and a divider is a mark and a separator, a clause mark is a mark: two fields, one addition.
_FIELDS = {
    HAN: (0,),
    RARE_HAN: (0, 1),
    DIGIT: (2,),
    MARK: (3,),
    DAMAGED: (4,),
    SUPPLEMENT: (5,),
    SPACING: (6,),
    DIVIDER: (3, 6),
    CLAUSE: (3, 7),
}
ADDENDS: NDArray[np.uint64] = np.array(
    [sum(1 << (_FIELD_BITS * field) for field in _FIELDS.get(kind, ())) for kind in range(KINDS)], np.uint64
)
"""What a character of each kind adds to the packed counters: Han, rare Han, digit, mark, damaged, supplement, separator, clause mark."""


@njit(nogil=True, cache=True)
def count_kinds(data: Any, start: Any, end: Any, kinds: Any, addends: Any, counts: Any) -> None:
    """Add the counts of `ADDENDS` for the characters in data[start:end] to counts[0:8]."""
    at = start
    while at < end:
        packed = np.uint64(0)
        left = _FLUSH
        while at < end and left > 0:
            lead = data[at]
            if lead < 0x80:
                packed += addends[kinds[lead]]
                at += 1
            else:
                point, width = decode(data, at)
                packed += addends[kinds[point]]
                at += width
            left -= 1
        for field in range(_FIELD_COUNT):
            counts[field] += np.int64((packed >> np.uint64(_FIELD_BITS * field)) & np.uint64(_FLUSH))


@njit(nogil=True, cache=True)
def count_characters(data: Any, start: Any, end: Any) -> Any:
    """Count the characters of valid UTF-8: all bytes but the continuation bytes.

    Blocks of 248 bytes are summed in one byte lane each, which the compiler turns into vector instructions.
    """
    total = np.int64(0)
    document = data[start:end]
    for block_start in range(0, document.shape[0], 248):
        block = document[block_start : block_start + 248]
        lane = np.uint8(0)
        for i in range(block.shape[0]):
            lane += np.uint8((block[i] & 0xC0) != 0x80)
        total += np.int64(lane)
    return total


@njit(nogil=True, cache=True)
def count_byte(data: Any, start: Any, end: Any, wanted: Any) -> Any:
    """Count the bytes of data[start:end] that are `wanted`."""
    total = np.int64(0)
    document = data[start:end]
    for i in range(document.shape[0]):
        total += np.int64(document[i] == wanted)
    return total


@njit(nogil=True, cache=True)
def count_ellipses(data: Any, start: Any, end: Any) -> Any:
    """Count '…' and, as `str.count` does, '...' without overlap.

    For '...' every third byte is looked at first: only where it is a point, its neighbours matter.
    """
    total = np.int64(0)
    document = data[start:end]
    for i in range(document.shape[0] - 2):
        total += np.int64(document[i] == 0xE2) & np.int64(document[i + 1] == 0x80) & np.int64(document[i + 2] == 0xA6)
    at = start
    while at + 2 < end:
        if data[at + 2] != 0x2E:
            at += 3
        elif data[at + 1] != 0x2E:
            at += 2
        elif data[at] != 0x2E:
            at += 1
        else:
            total += 1
            at += 3
    return total
