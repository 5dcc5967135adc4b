"""What the ids of text records are hashes of, written for a whole batch: `["origin",record,"text"]` as canonical JSON in UTF-8.

Layout: documents as in `buffers`; the result is the bytes of all identities one after the other, and their offsets. The form is
that of `pipeline.aggregation.canonical_json`, byte for byte.

The trick: the text stays the bytes it is. Most need a handful of escapes, and neither a Python string nor a JSON encoder. A block
is copied and looked at in one go, in vector instructions; only where a byte of it is escaped is it written once more, byte by byte.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

BLOCK_BYTES = 32
_MOST_DIGITS = 20  # of a number of 64 bits
_MOST_ESCAPED = 6  # bytes that stand for one
_DIGIT_ZERO, _COMMA, _QUOTE, _BRACKET, _BACKSLASH, _SPACE = b'0,"]\\ '
_SHORT = {8: "b", 9: "t", 10: "n", 12: "f", 13: "r", ord('"'): '"', ord("\\"): "\\"}

# What stands for each byte inside a JSON string, and how many bytes of it count.
_ESCAPES = np.zeros((256, _MOST_ESCAPED), np.uint8)
_LENGTHS = np.ones(256, np.int64)
for _byte in range(256):
    _written = b"\\" + _SHORT[_byte].encode() if _byte in _SHORT else f"\\u{_byte:04x}".encode() if _byte < 0x20 else bytes([_byte])
    _ESCAPES[_byte, : len(_written)] = np.frombuffer(_written, np.uint8)
    _LENGTHS[_byte] = len(_written)


def write_identities(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], prefix: bytes, first_record: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Write `prefix`, the number of the record, a comma, the text in quotes and a bracket, for each document.

    `first_record` is the number of the first document, from 0 up; the others follow it. A null document is written as an empty text.
    Returns the bytes, and int64[documents + 1] offsets into them.
    """
    text_bytes, around = int(offsets[-1] - offsets[0]), len(prefix) + _MOST_DIGITS + 4
    written = np.empty(_MOST_ESCAPED * text_bytes + around * (len(offsets) - 1), np.uint8)  # what is not written to takes no memory
    ends = np.zeros(len(offsets), np.int64)
    _write(data, offsets, np.frombuffer(prefix, np.uint8), first_record, _ESCAPES, _LENGTHS, written, ends)
    return written[: ends[-1]], ends


@njit(inline="always")
def _digits(number: Any) -> Any:
    """Count the decimal digits of a number from 0 up."""
    count = 1
    while number >= 10:
        number //= 10
        count += 1
    return count


@njit(inline="always")
def _write_text(document: Any, escapes: Any, lengths: Any, out: Any, end: Any) -> Any:
    """Write the inside of a JSON string to `out` from byte `end` on; the byte where it ends."""
    for start in range(0, document.shape[0], BLOCK_BYTES):
        block = document[start : start + BLOCK_BYTES]
        copy = out[end : end + block.shape[0]]
        is_any_escaped = False
        for place in range(block.shape[0]):
            copy[place] = block[place]
            is_any_escaped |= (block[place] < _SPACE) | (block[place] == _QUOTE) | (block[place] == _BACKSLASH)
        if not is_any_escaped:
            end += block.shape[0]
            continue
        for place in range(block.shape[0]):
            byte = block[place]
            length = lengths[byte]
            out[end] = escapes[byte, 0]
            for part in range(1, length):
                out[end + part] = escapes[byte, part]
            end += length
    return end


@njit(nogil=True, cache=True)
def _write(data: Any, offsets: Any, prefix: Any, first_record: Any, escapes: Any, lengths: Any, out: Any, ends: Any) -> None:
    end = 0
    for row in range(offsets.shape[0] - 1):
        out[end : end + prefix.shape[0]] = prefix
        end += prefix.shape[0]
        number = first_record + row
        digits = _digits(number)
        for place in range(end + digits - 1, end - 1, -1):
            out[place] = np.uint8(_DIGIT_ZERO + number % 10)
            number //= 10
        end += digits
        out[end], out[end + 1] = np.uint8(_COMMA), np.uint8(_QUOTE)
        end += 2
        end = _write_text(data[offsets[row] : offsets[row + 1]], escapes, lengths, out, end)
        out[end], out[end + 1] = np.uint8(_QUOTE), np.uint8(_BRACKET)
        end += 2
        ends[row + 1] = end
