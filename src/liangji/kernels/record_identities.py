"""What the ids of text records are hashes of, written for a whole batch: `["origin",record,"text"]` as canonical JSON in UTF-8.

Layout: documents as in `buffers`; the result is the bytes of all identities one after the other, and their offsets. The form is
that of `pipeline.aggregation.canonical_json`, byte for byte.

The trick: the text stays the bytes it is. Most need a handful of escapes, and neither a Python string nor a JSON encoder.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

BLOCK_BYTES = 32  # copied at once where nothing in it is escaped
_SHORT = {8: "b", 9: "t", 10: "n", 12: "f", 13: "r", ord('"'): '"', ord("\\"): "\\"}

# What stands for each byte inside a JSON string, and how many bytes of it count.
_ESCAPES = np.zeros((256, 6), np.uint8)
_LENGTHS = np.ones(256, np.int64)
for _byte in range(256):
    _written = b"\\" + _SHORT[_byte].encode() if _byte in _SHORT else f"\\u{_byte:04x}".encode() if _byte < 0x20 else bytes([_byte])
    _ESCAPES[_byte, : len(_written)] = np.frombuffer(_written, np.uint8)
    _LENGTHS[_byte] = len(_written)


def write_identities(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], prefix: bytes, first_record: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Write `prefix`, the number of the record, a comma, the text in quotes and a bracket, for each document."""
    ends = _measure(data, offsets, len(prefix), first_record, _LENGTHS)
    written = np.empty(ends[-1], np.uint8)
    _write(data, offsets, np.frombuffer(prefix, np.uint8), first_record, _ESCAPES, _LENGTHS, written)
    return written, ends


@njit(inline="always")
def _digits(number: Any) -> Any:
    count = 1
    while number >= 10:
        number //= 10
        count += 1
    return count


@njit(nogil=True, cache=True)
def _measure(data: Any, offsets: Any, prefix_bytes: Any, first_record: Any, lengths: Any) -> Any:
    ends = np.zeros(offsets.shape[0], np.int64)
    for row in range(offsets.shape[0] - 1):
        document = data[offsets[row] : offsets[row + 1]]
        escaped = 0
        for at in range(document.shape[0]):  # without a branch or a table, so that it becomes vector instructions
            escaped += (document[at] < 32) | (document[at] == 34) | (document[at] == 92)
        size = prefix_bytes + _digits(first_record + row) + 4 + document.shape[0]
        if escaped:
            for at in range(document.shape[0]):
                size += lengths[document[at]] - 1
        ends[row + 1] = ends[row] + size
    return ends


@njit(inline="always")
def _write_text(document: Any, escapes: Any, lengths: Any, out: Any, end: Any) -> Any:
    for start in range(0, document.shape[0], BLOCK_BYTES):
        block = document[start : start + BLOCK_BYTES]
        escaped = 0
        for at in range(block.shape[0]):
            escaped += (block[at] < 32) | (block[at] == 34) | (block[at] == 92)
        if not escaped:
            out[end : end + block.shape[0]] = block
            end += block.shape[0]
            continue
        for at in range(block.shape[0]):
            byte = block[at]
            length = lengths[byte]
            out[end] = escapes[byte, 0]
            for place in range(1, length):
                out[end + place] = escapes[byte, place]
            end += length
    return end


@njit(nogil=True, cache=True)
def _write(data: Any, offsets: Any, prefix: Any, first_record: Any, escapes: Any, lengths: Any, out: Any) -> None:
    end = 0
    for row in range(offsets.shape[0] - 1):
        out[end : end + prefix.shape[0]] = prefix
        end += prefix.shape[0]
        number = first_record + row
        digits = _digits(number)
        for place in range(end + digits - 1, end - 1, -1):
            out[place] = np.uint8(48 + number % 10)
            number //= 10
        end += digits
        out[end], out[end + 1] = np.uint8(44), np.uint8(34)
        end += 2
        end = _write_text(data[offsets[row] : offsets[row + 1]], escapes, lengths, out, end)
        out[end], out[end + 1] = np.uint8(34), np.uint8(93)
        end += 2
