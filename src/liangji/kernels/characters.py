"""What each character is: one byte of class flags for each Unicode code point, and the UTF-8 decoder of the kernels.

Layout: a table of `classes` is uint8[0x110000], indexed by code point; flags are or-ed. They are taken from Python's own
`str.isspace`, `isalpha`, `splitlines`, so that a kernel and the plain Python rule it follows agree on every character.

The trick: one table for all code points, so that a character costs one read. The table has 1.1 MB, but what one text uses of it is
a few stretches that stay in cache.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

SPACE, ALPHABETIC, PUNCTUATION, TERMINAL, LINE_BREAK, IDEOGRAPHIC = 1, 2, 4, 8, 16, 32

# Characters that are a word of their own: Han (with extensions A to H) and kana.
IDEOGRAPHIC_RANGES = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x323AF), (0xF900, 0xFAFF), (0x3040, 0x30FF))

LETTERS_END = 0x323B0
"""From here on Unicode holds no letter, digit, mark, symbol or white space: what is built for each character need not look there."""


@cache
def classes(punctuation: str, terminal: str) -> NDArray[np.uint8]:
    """Build the table for one set of punctuation and sentence-ending characters."""
    table = np.zeros(sys.maxunicode + 1, np.uint8)
    characters = list(map(chr, range(LETTERS_END)))
    table[:LETTERS_END] = np.fromiter(map(str.isalpha, characters), np.uint8, LETTERS_END) * ALPHABETIC
    for character in filter(str.isspace, characters):
        table[ord(character)] |= SPACE | LINE_BREAK * (len(f"a{character}b".splitlines()) == 2)
    table[list(map(ord, punctuation))] |= PUNCTUATION
    table[list(map(ord, terminal))] |= TERMINAL
    for first, last in IDEOGRAPHIC_RANGES:
        table[first : last + 1] |= IDEOGRAPHIC
    table.setflags(write=False)
    return table


ONE, TWO, THREE = np.uint64(1), np.uint64(2), np.uint64(3)
"""Steps of unsigned indices: numba asks of a signed index, at each access, whether it counts from the end, which costs up to half
of a tight loop; and unsigned plus a plain number would become a float."""


@njit(inline="always")
def decode(data: Any, at: Any) -> Any:
    """Decode the character that starts at byte `at` of valid UTF-8: its code point and its width in bytes."""
    first = np.uint64(at)
    lead = np.int64(data[first])
    if lead < 0x80:
        return lead, 1
    second = np.int64(data[first + ONE]) & 0x3F
    if lead < 0xE0:
        return ((lead & 0x1F) << 6) | second, 2
    third = np.int64(data[first + TWO]) & 0x3F
    if lead < 0xF0:
        return ((lead & 0x0F) << 12) | (second << 6) | third, 3
    fourth = np.int64(data[first + THREE]) & 0x3F
    return ((lead & 0x07) << 18) | (second << 12) | (third << 6) | fourth, 4


@njit(inline="always")
def decode_before(data: Any, end: Any, start: Any) -> Any:
    """Decode the character that ends before byte `end`: its code point and the byte where it starts, not before `start`."""
    at = end - 1
    while at > start and (data[at] & 0xC0) == 0x80:
        at -= 1
    code_point, _ = decode(data, at)
    return code_point, at
