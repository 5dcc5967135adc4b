"""128-bit hashes of whole documents, for exact duplicates; optionally blind to white space, width of ASCII and case.

Layout: documents as in `buffers`; the result is uint64[documents, 2], the high and the low half of XXH3-128. With 128 bits a
thousand million different documents hold two that collide with probability 1.5e-21, so equal hashes are taken as equal texts.

The trick: nothing clever. XXH3 runs at memory speed, so the call for each document costs more than its bytes; for the blind
forms a kernel first writes the characters that count, as code points, in one pass.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from xxhash import xxh3_128_digest

from liangji.kernels.characters import decode
from liangji.kernels.shingles import fold_width

_BLOCK_BYTES = 4 << 20
_SKIPPED = np.uint32(0xFFFFFFFF)


def content_hashes(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Hash the bytes of each document."""
    view = data.data
    digests = b"".join(xxh3_128_digest(view[start:end]) for start, end in pairwise(offsets.tolist()))
    return np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, 2)


def folded_content_hashes(data: NDArray[np.uint8], offsets: NDArray[np.int64], table: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Hash the characters of each document as `table` (see `folding_table`) counts them, some documents at a time."""
    parts = [np.empty((0, 2), np.uint64)]
    first = 0
    while first < len(offsets) - 1:
        past = int(np.searchsorted(offsets, offsets[first] + _BLOCK_BYTES, "right")) - 1
        past = min(max(past, first + 1), len(offsets) - 1)
        folded, bounds = _fold(data, offsets[first : past + 1], table)
        parts.append(content_hashes(folded.view(np.uint8), bounds * folded.itemsize))
        first = past
    return np.concatenate(parts)


@cache
def folding_table(folds_case: bool) -> NDArray[np.uint32]:
    """Give for each code point the one it counts as: white space is skipped; case, and then width too, folded on demand."""
    table = np.arange(0x110000, dtype=np.uint32)
    if folds_case:
        for code_point in range(0x20000):  # no script beyond has case
            lowered = chr(code_point).lower()
            if len(lowered) == 1:
                table[code_point] = ord(lowered)
        fold_width(table)
    for code_point in range(0x3001):  # the ideographic space is the last white space
        if chr(code_point).isspace():
            table[code_point] = _SKIPPED
    table.setflags(write=False)
    return table


@njit(nogil=True, cache=True, boundscheck=False)
def _fold(data: Any, offsets: Any, table: Any) -> Any:
    documents = len(offsets) - 1
    folded = np.empty(offsets[documents] - offsets[0] + 1, np.uint32)
    bounds = np.zeros(documents + 1, np.int64)
    count = 0
    for document in range(documents):
        at, end = offsets[document], offsets[document + 1]
        while at < end:
            code_point, width = decode(data, at)
            character = table[code_point]
            folded[count] = character
            count += character != _SKIPPED
            at += width
        bounds[document + 1] = count
    return folded[:count], bounds
