"""What a document holds that normalisation may have to change: one pass over the bytes, one set of bits a document.

Two kinds of signs. Those of characters (line ends, invisible characters, full width …) are given by the caller as ranges of code
points for each bit. Those of context are found here: a line with Chinese punctuation and without any CJK character, white space
at the end of a line, runs of spaces and of newlines, newlines at either end of the text. No line is ended but by a newline.

Layout: `CharacterSigns` is a table of two stages. Code points are cut into pages of 64; equal pages are kept once. `signs` has
64 entries for each distinct page, `pages[point >> 6]` is where those of a code point begin. The 20,992 Han characters of the basic
block thus share 64 entries, and what a text needs of the table stays in the processor's first cache.

Trick: eight bytes at a time are passed over where all are printable ASCII and no two spaces stand together: no such byte has a
sign, and every other sign shows at a byte that is not passed over. So `character_signs` refuses signs of printable ASCII.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from liangji.kernels.buffers import TextBuffers
from liangji.kernels.characters import decode
from liangji.kernels.eight_bytes import MARKS, load, low_bits, mark_equal, mark_from

LINE_END, INVISIBLE, SET_SPACE, FREE_WIDTH, NOT_CANONICAL, COMPATIBILITY, CJK, CHINESE_PUNCTUATION = (1 << bit for bit in range(8))
LATIN_LINE, TRAILING_SPACE, SPACE_RUN, NEWLINE_RUN, EDGE_NEWLINE = (1 << bit for bit in range(8, 13))

_PAGE = 64
_CODE_POINTS = 0x110000
_TAB, _NEWLINE, _SPACE, _DELETE = 0x09, 0x0A, 0x20, 0x7F


class CharacterSigns(NamedTuple):
    pages: NDArray[np.uint32]  # 0x4400 places in `signs`
    signs: NDArray[np.uint16]


def character_signs(ranges: Mapping[int, Iterable[tuple[int, int]]]) -> CharacterSigns:
    """Build the table from the ranges of code points, both ends included, that have each sign.

    Raises: ValueError where a sign is given to printable ASCII.
    """
    table = np.zeros(_CODE_POINTS, np.uint16)
    for sign, spans in ranges.items():
        for first, last in spans:
            table[first : last + 1] |= sign
    if table[_SPACE:_DELETE].any():
        raise ValueError("a sign is given to printable ASCII, which is passed over")
    distinct: dict[bytes, int] = {}
    places = [distinct.setdefault(page.tobytes(), _PAGE * len(distinct)) for page in table.reshape(-1, _PAGE)]
    return CharacterSigns(np.array(places, np.uint32), np.frombuffer(b"".join(distinct), np.uint16))


def text_signs(buffers: TextBuffers, characters: CharacterSigns, most_newlines: int) -> NDArray[np.uint16]:
    """Or the signs of each document: uint16[documents], zero for null.

    `NEWLINE_RUN` stands for a run of more than `most_newlines`.
    """
    signs = np.zeros(len(buffers.offsets) - 1, np.uint16)
    _sign(buffers.data, buffers.offsets, characters.pages, characters.signs, most_newlines, signs)
    return signs


@njit(nogil=True, cache=True)
def _sign(data: Any, offsets: Any, pages: Any, character_signs: Any, most_newlines: Any, signs: Any) -> None:
    for document in range(signs.shape[0]):
        start, end = offsets[document], offsets[document + 1]
        if start < end:
            signs[document] = _signs_within(data, start, end, pages, character_signs, most_newlines) | _signs_of_ends(
                data, start, end
            )


@njit(nogil=True, cache=True)
def _signs_within(data: Any, start: Any, end: Any, pages: Any, character_signs: Any, most_newlines: Any) -> Any:
    found: Any = 0
    line: Any = 0
    at = start
    while at < end:
        if data[at] < 0x80:
            at = _after_plain(data, at, end)
            if at >= end:
                break
        point, width = decode(data, at)
        line |= _sign_of(point, pages, character_signs)
        if point == _NEWLINE:
            if at > start and _is_blank(data[at - 1]):
                found |= TRAILING_SPACE
            found |= line | _sign_of_line(line)
            line = 0
            width = _run(data, at, end, _NEWLINE)
            if width > most_newlines:
                found |= NEWLINE_RUN
        elif point == _SPACE:
            width = _run(data, at, end, _SPACE)
            if width > 1 and at > start and data[at - 1] != _NEWLINE and data[at - 1] != _TAB:
                found |= SPACE_RUN
        at += width
    return found | line | _sign_of_line(line)


@njit(nogil=True, cache=True)
def _signs_of_ends(data: Any, start: Any, end: Any) -> Any:
    signs = EDGE_NEWLINE if data[start] == _NEWLINE or data[end - 1] == _NEWLINE else 0
    return signs | (TRAILING_SPACE if _is_blank(data[end - 1]) else 0)


@njit(inline="always")
def _after_plain(data: Any, at: Any, end: Any) -> Any:
    """Pass over eight bytes at a time that have no sign; stop before a space, so that its whole run is seen."""
    space_before = np.uint64(0)  # a mark in the lowest byte, where the byte before `at` is a space that was passed over
    while at + 8 <= end:
        eight = load(data, at, end)
        low = low_bits(eight)
        spaces = mark_equal(eight, _SPACE)
        other = (eight | ~mark_from(low, _SPACE) | mark_from(low, _DELETE)) & MARKS
        if other | (spaces & ((spaces << np.uint64(8)) | space_before)):
            break
        space_before = spaces >> np.uint64(56)
        at += 8
    return at - np.int64(space_before != 0)


@njit(inline="always")
def _sign_of(point: Any, pages: Any, character_signs: Any) -> Any:
    place = np.uint64(pages[np.uint64(point >> 6)]) + np.uint64(point & (_PAGE - 1))
    return np.int64(character_signs[place])


@njit(inline="always")
def _sign_of_line(line: Any) -> Any:
    return LATIN_LINE if line & (CJK | CHINESE_PUNCTUATION) == CHINESE_PUNCTUATION else 0


@njit(inline="always")
def _is_blank(byte: Any) -> Any:
    return byte == _SPACE or byte == _TAB


@njit(inline="always")
def _run(data: Any, at: Any, end: Any, byte: Any) -> Any:
    """Count how often `byte` stands from `at` on."""
    stop = at + 1
    while stop < end and data[stop] == byte:
        stop += 1
    return stop - at
