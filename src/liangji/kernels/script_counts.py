"""How many letters of each script a document holds.

Layout: documents as in `buffers`; the result is int32[documents, len(Script)], numbers of characters, columns by `scripts.Script`.

The trick: one pass over the bytes, and one look-up in `scripts.script_table` a character; no Python string is made.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from liangji.kernels.buffers import TextBuffers
from liangji.kernels.characters import decode
from liangji.kernels.scripts import Script, script_table


def script_counts(buffers: TextBuffers) -> NDArray[np.int32]:
    """Count the letters of each script in each document: int32[documents, len(Script)]; zeros for null."""
    counts = np.zeros((len(buffers.offsets) - 1, len(Script)), np.int32)
    _count(buffers.data, buffers.offsets, script_table(), counts)
    return counts


@njit(nogil=True, cache=True)
def _count(data: NDArray[np.uint8], offsets: NDArray[np.int64], table: NDArray[np.uint8], counts: NDArray[np.int32]) -> None:
    for document in range(len(offsets) - 1):
        row = counts[document]
        at, end = offsets[document], offsets[document + 1]
        while at < end:
            code_point, width = decode(data, at)
            row[table[code_point]] += 1
            at += width
