"""Lines and paragraphs: their hashes, and a text without those that repeat.

A passage is a line, or a paragraph: lines up to the next blank one. Blank lines belong to no passage. Two passages are the same
where they hold the same bytes but for white space; the hash has 64 bits. `minimum` counts characters that are no white space:
shorter passages get no hash and are never removed.

Layout: documents as in `buffers`; hashes, uint64, of all documents one after the other with int64[documents + 1] offsets, like the
bytes.

The trick: one walk cuts, hashes and copies. Between two kept passages stands the widest of the gaps (line ends and blank lines)
that stood between them, so a removed line leaves neither a hole nor two paragraphs glued together, and what is written is never
longer than what was read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from liangji.kernels.character_census import count_byte, count_characters
from liangji.kernels.characters import decode
from liangji.kernels.local_hashes import GOLDEN_RATIO, insert, table_size
from liangji.kernels.shingles import mix

_BASE = GOLDEN_RATIO
_NEWLINE, _SPACE, _TABULATOR, _RETURN = 0x0A, 0x20, 0x09, 0x0D


@njit(inline="always")
def _is_wide_space(code_point: Any) -> Any:
    """Tell white space beyond ASCII, as `str.isspace` has it."""
    return (
        code_point == 0x3000
        or code_point == 0xA0
        or code_point == 0x85
        or 0x2000 <= code_point <= 0x200A
        or code_point == 0x2028
        or code_point == 0x2029
        or code_point == 0x202F
        or code_point == 0x205F
        or code_point == 0x1680
    )


@njit(nogil=True, cache=True, boundscheck=False)
def next_passage(data: Any, at: Any, end: Any, is_paragraph: Any) -> Any:
    """Find the next passage of a document, which is `data[:end]` from the start of a line on.

    Returns its start (`end` where there is none left), its end before the line's end, the byte to go on from, the hash of
    what is no white space, and how many characters that is.
    """
    start, stop = end, end
    hashed = np.uint64(0)
    characters = 0
    while at < end:
        line = at
        in_line = 0
        while at < end and data[at] != _NEWLINE:
            lead = data[at]
            if lead < 0x80:
                if lead > _SPACE or lead < _TABULATOR or (lead > _RETURN and lead < 0x1C):
                    hashed = (hashed + np.uint64(lead)) * _BASE
                    in_line += 1
                at += 1
            else:
                code_point, width = decode(data, at)
                if not _is_wide_space(code_point):
                    hashed = (hashed + np.uint64(code_point)) * _BASE
                    in_line += 1
                at += width
        line_end = at
        at = min(at + 1, end)
        if in_line > 0:
            if characters == 0:
                start = line
            stop = line_end
            characters += in_line
            if not is_paragraph:
                break
        elif characters > 0:
            break
    return start, stop, at, mix(hashed + np.uint64(characters)), characters


@njit(nogil=True, cache=True, boundscheck=False)
def passage_hashes(data: Any, offsets: Any, is_paragraph: Any, minimum: Any) -> Any:
    """Hash the passages of each document, each once, ascending within the document: hashes and their offsets."""
    documents = len(offsets) - 1
    hashes = np.empty(1024, np.uint64)
    hash_offsets = np.zeros(documents + 1, np.int64)
    count = 0
    for document in range(documents):
        at, end = offsets[document], offsets[document + 1]
        first = count
        while at < end:
            _, _, at, hashed, characters = next_passage(data, at, end, is_paragraph)
            if characters >= minimum:
                if count == len(hashes):
                    grown = np.empty(2 * count, np.uint64)
                    grown[:count] = hashes
                    hashes = grown
                hashes[count] = hashed
                count += 1
        if count > first + 1:
            distinct = np.unique(hashes[first:count])
            hashes[first : first + len(distinct)] = distinct
            count = first + len(distinct)
        hash_offsets[document + 1] = count
    return hashes[:count].copy(), hash_offsets


@njit(nogil=True, cache=True, boundscheck=False)
def without_passages(
    data: Any, offsets: Any, is_paragraph: Any, minimum: Any, unwanted: Any, unwanted_offsets: Any, within_document: Any
) -> Any:
    """Copy each document without its unwanted passages (hashes ascending within the document) and, where `within_document`,
    without those that stood earlier in it.

    Returns the bytes, their offsets, the characters each document lost, and whether it has a passage left or never had one.
    """
    documents = len(offsets) - 1
    output = np.empty(offsets[documents] - offsets[0], np.uint8)
    output_offsets = np.zeros(documents + 1, np.int64)
    lost = np.zeros(documents, np.int64)
    is_left = np.ones(documents, np.bool_)
    written = 0
    for document in range(documents):
        begin, end = offsets[document], offsets[document + 1]
        banned = unwanted[unwanted_offsets[document] : unwanted_offsets[document + 1]]
        seen = np.zeros(table_size(_count_passages(data, begin, end, is_paragraph) if within_document else 0), np.uint64)
        kept, removed = 0, 0
        at = begin
        previous = begin  # end of the last passage, kept or not
        gap_start, gap_end, gap_newlines = begin, begin, -1  # the widest gap since the last kept passage
        while True:
            start, stop, after, hashed, characters = next_passage(data, at, end, is_paragraph)
            if characters == 0:
                break
            newlines = count_byte(data, previous, start, _NEWLINE)
            if newlines > gap_newlines:
                gap_start, gap_end, gap_newlines = previous, start, newlines
            is_unwanted = False
            if characters >= minimum:
                place = np.searchsorted(banned, hashed)
                is_unwanted = place < len(banned) and banned[place] == hashed
                if within_document and insert(seen, len(seen) - 1, hashed):
                    is_unwanted = True
            if is_unwanted:
                removed += 1
            else:
                if kept > 0 or removed == 0:
                    written = _copy(data, gap_start, gap_end, output, written)
                written = _copy(data, start, stop, output, written)
                kept += 1
                gap_newlines = -1
            previous = stop
            at = after
        if kept > 0 or removed == 0:
            written = _copy(data, previous, end, output, written)
        else:
            is_left[document] = False
        output_offsets[document + 1] = written
        if removed > 0:
            before = count_characters(data, begin, end)
            lost[document] = before - count_characters(output, output_offsets[document], written)
    return output[:written].copy(), output_offsets, lost, is_left


@njit(nogil=True, cache=True, boundscheck=False)
def _copy(data: Any, start: Any, stop: Any, output: Any, written: Any) -> Any:
    """Append data[start:stop] to the `written` bytes of `output`; how many there are then."""
    size = stop - start
    output[written : written + size] = data[start:stop]
    return written + size


@njit(nogil=True, cache=True, boundscheck=False)
def _count_passages(data: Any, at: Any, end: Any, is_paragraph: Any) -> Any:
    count = 0
    while at < end:
        _, _, at, _, characters = next_passage(data, at, end, is_paragraph)
        count += characters > 0
    return count
