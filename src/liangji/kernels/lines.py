r"""Statistics over the lines and paragraphs of one document, as the published filters cut them.

Three ways to cut, because the filters differ:

| who | lines are |
|---|---|
| Gopher quality, C4 | `str.splitlines`: every Unicode line break, empty lines count |
| FineWeb | between "\n", without those of white space alone |
| Gopher repetition | between runs of "\n"; an empty one before a leading and after a trailing run counts |
| its paragraphs | the stripped text between runs of two or more "\n" |

A line is known by a hash of its bytes (`hash_range`), so that duplicates cost one look-up a line; paragraphs are hashed from
their bytes again, which runs at memory speed and saves composing hashes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from liangji.kernels.character_census import count_characters
from liangji.kernels.characters import LINE_BREAK, SPACE, TERMINAL, decode, decode_before
from liangji.kernels.local_hashes import hash_range, insert, table_size
from liangji.kernels.text_classes import DIGIT

NEWLINE, CARRIAGE_RETURN, POINT, OPENING, CLOSING = 0x0A, 0x0D, 0x2E, 0x5B, 0x5D
BULLET, HYPHEN, ELLIPSIS = 0x2022, 0x2D, 0x2026
SHORT_LINE_CHARACTERS = 30  # FineWeb, section 3.6
LONG_WORD_CHARACTERS = 1000  # C4, in its code

# C4's phrases: (phrase, what a line that holds it becomes). Compared without regard to the case of A to Z.
LOREM, SCRIPT, POLICY = 1, 2, 4
_PHRASES = (
    (b"lorem ipsum", 7, LOREM),
    (b"javascript", 0, SCRIPT),
    (b"terms of use", 7, POLICY),
    (b"privacy policy", 3, POLICY),
    (b"cookie policy", 3, POLICY),
    (b"uses cookies", 8, POLICY),
    (b"use of cookies", 10, POLICY),
    (b"use cookies", 7, POLICY),
)
# The number is the place of a letter that is rare in English (p, j, f, v, k): only where it stands, the phrase is compared.
PHRASE_BYTES: NDArray[np.uint8] = np.zeros((len(_PHRASES), 16), np.uint8)
PHRASE_SHAPES: NDArray[np.int64] = np.array([(len(phrase), anchor, flag) for phrase, anchor, flag in _PHRASES], np.int64)
ANCHORS: NDArray[np.uint8] = np.zeros(256, np.uint8)
for _row, (_phrase, _anchor, _) in enumerate(_PHRASES):
    PHRASE_BYTES[_row, : len(_phrase)] = np.frombuffer(_phrase, np.uint8)
    ANCHORS[_phrase[_anchor]] = 1
    ANCHORS[_phrase[_anchor] - 32] = 1

# Which bytes may start a line break: 1 is one for sure, 2 must be decoded.
BREAK_LEADS: NDArray[np.uint8] = np.zeros(256, np.uint8)
BREAK_LEADS[[0x0A, 0x0B, 0x0C, 0x0D, 0x1C, 0x1D, 0x1E]] = 1
BREAK_LEADS[[0xC2, 0xE2]] = 2

_EDIT: NDArray[np.uint8] = np.frombuffer(b"[edit]", np.uint8)
_NEEDED: NDArray[np.uint8] = np.frombuffer(b"[citation needed]", np.uint8)

# Places in the result of `count_broken_lines`.
LINES, BULLETS, ELLIPSES, KEPT, SENTENCES, LOREM_LINES, CURLY_LINES, SCRIPT_LINES, POLICY_LINES = range(9)
# Places in the result of `count_plain_lines`.
(
    FILLED,
    ENDED,
    SHORT,
    FILLED_REPEATED_CHARACTERS,
    PIECES,
    REPEATED_PIECES,
    REPEATED_CHARACTERS,
    PARAGRAPHS,
    REPEATED_PARAGRAPHS,
    REPEATED_PARAGRAPH_CHARACTERS,
) = range(10)


@njit(nogil=True, cache=True)
def count_broken_lines(data: Any, start: Any, end: Any, classes: Any, kinds: Any, scratch: Any, counts: Any) -> None:
    """Count over the lines of `str.splitlines`: Gopher's bullets and ellipses, and C4's line rules. `scratch`: bytes, as long."""
    line = start
    while line < end:
        stop = line
        following = end
        while stop < end:
            lead = BREAK_LEADS[data[stop]]
            if lead:
                width = 1
                if lead == 2:
                    point, width = decode(data, stop)
                    if not classes[point] & LINE_BREAK:
                        stop += width
                        continue
                following = stop + width
                if data[stop] == CARRIAGE_RETURN and following < end and data[following] == NEWLINE:
                    following += 1
                break
            stop += 1
        counts[LINES] += 1
        first, last = strip(data, line, stop, classes)
        if first < last:
            point, _ = decode(data, first)
            counts[BULLETS] += np.int64(point == BULLET or point == HYPHEN)
            counts[ELLIPSES] += np.int64(ends_with_ellipsis(data, first, last))
            _judge_line(data, first, last, classes, kinds, scratch, counts)
        line = following


@njit(nogil=True, cache=True)
def strip(data: Any, start: Any, end: Any, classes: Any) -> Any:
    """Move both ends inwards over white space; an empty range where there is nothing else."""
    while start < end:
        point, width = decode(data, start)
        if not classes[point] & SPACE:
            break
        start += width
    while start < end:
        point, at = decode_before(data, end, start)
        if not classes[point] & SPACE:
            break
        end = at
    return start, end


@njit(nogil=True, cache=True)
def ends_with_ellipsis(data: Any, start: Any, end: Any) -> Any:
    if end - start < 3:
        return False
    if data[end - 1] == POINT:
        return data[end - 2] == POINT and data[end - 3] == POINT
    return data[end - 1] == 0xA6 and data[end - 2] == 0x80 and data[end - 3] == 0xE2


@njit(nogil=True, cache=True)
def _judge_line(data: Any, start: Any, end: Any, classes: Any, kinds: Any, scratch: Any, counts: Any) -> None:
    """Apply C4's line rules to one stripped line, in the order of the reference implementation."""
    # A citation at the end hides the mark before it; anything else that does not end in a mark is out at once.
    if data[end - 1] != CLOSING and not _ends_sentence(data, start, end):
        return
    words, too_long = _count_words(data, start, end, classes)
    if too_long or words < 3:
        return
    if _holds(data, start, end, OPENING):
        end = remove_citations(data, start, end, kinds, scratch)
        data, start = scratch, 0
    if not _ends_sentence(data, start, end):
        return
    phrases = find_phrases(data, start, end)
    if phrases & LOREM:
        counts[LOREM_LINES] += 1
    elif phrases & SCRIPT:
        counts[SCRIPT_LINES] += 1
    elif _holds(data, start, end, 0x7B):
        counts[CURLY_LINES] += 1
    elif phrases & POLICY:
        counts[POLICY_LINES] += 1
    else:
        counts[KEPT] += 1
        counts[SENTENCES] += count_sentences(data, start, end)


@njit(nogil=True, cache=True)
def _ends_sentence(data: Any, start: Any, end: Any) -> Any:
    """Tell whether the range ends in . ? ! " or ' and not in '...'."""
    if end <= start:
        return False
    mark = data[end - 1]
    if mark == POINT:
        return not (end - start >= 3 and data[end - 2] == POINT and data[end - 3] == POINT)
    return mark == 0x3F or mark == 0x21 or mark == 0x22 or mark == 0x27


@njit(nogil=True, cache=True)
def _count_words(data: Any, start: Any, end: Any, classes: Any) -> Any:
    """Count words between white space; tell whether one has more than 1,000 characters."""
    words: Any = 0
    length = 0
    too_long = False
    at = start
    while at < end:
        point, width = decode(data, at)
        if classes[point] & SPACE:
            length = 0
        else:
            words += np.int64(length == 0)
            length += 1
            too_long |= length > LONG_WORD_CHARACTERS
        at += width
    return words, too_long


@njit(nogil=True, cache=True)
def _holds(data: Any, start: Any, end: Any, wanted: Any) -> Any:
    found: Any = 0
    part = data[start:end]
    for i in range(part.shape[0]):
        found |= np.int64(part[i] == wanted)
    return found != 0


@njit(nogil=True, cache=True)
def remove_citations(data: Any, start: Any, end: Any, kinds: Any, target: Any) -> Any:
    """Copy the range to `target` without [digits], [edit] and [citation needed]; give the length of the copy."""
    written = 0
    at = start
    while at < end:
        if data[at] == OPENING:
            stop = at + 1
            while stop < end:
                point, width = decode(data, stop)
                if kinds[point] != DIGIT:
                    break
                stop += width
            if stop < end and data[stop] == CLOSING:
                at = stop + 1
                continue
            if _equal(data, at, end, _EDIT):
                at += _EDIT.shape[0]
                continue
            if _equal(data, at, end, _NEEDED):
                at += _NEEDED.shape[0]
                continue
        target[written] = data[at]
        written += 1
        at += 1
    return written


@njit(nogil=True, cache=True)
def _equal(data: Any, at: Any, end: Any, wanted: Any) -> Any:
    if at + wanted.shape[0] > end:
        return False
    for i in range(wanted.shape[0]):
        if data[at + i] != wanted[i]:
            return False
    return True


@njit(nogil=True, cache=True)
def find_phrases(data: Any, start: Any, end: Any) -> Any:
    """Or the flags of C4's phrases that the range holds."""
    flags = 0
    for at in range(start, end):
        if ANCHORS[data[at]]:
            for row in range(PHRASE_SHAPES.shape[0]):
                length, anchor = PHRASE_SHAPES[row, 0], PHRASE_SHAPES[row, 1]
                first = at - anchor
                if first < start or first + length > end or (data[at] | 0x20) != PHRASE_BYTES[row, anchor]:
                    continue
                same = True
                for i in range(length):
                    byte = data[first + i]
                    if 0x41 <= byte <= 0x5A:
                        byte |= 0x20
                    if byte != PHRASE_BYTES[row, i]:
                        same = False
                        break
                if same:
                    flags |= PHRASE_SHAPES[row, 2]
    return flags


@njit(nogil=True, cache=True)
def count_sentences(data: Any, start: Any, end: Any) -> Any:
    """Count the sentences of a line that ends in one: one, and one for each run of . ? ! before white space inside.

    Closing quotes, brackets and code marks may stand between; a point after a single capital ("J. Smith") ends nothing. It stands
    for the sentence splitter of the reference implementation (spaCy's sentencizer), which knows more abbreviations.
    """
    sentences: Any = 1
    for at in range(start, end - 1):
        if not _is_end_mark(data[at]) or _is_end_mark(data[at + 1]):
            continue
        following = _after_closing_marks(data, at + 1, end)
        if following + 1 >= end or data[following] > 0x20:
            continue
        initial = data[at] == POINT and at > start and 0x41 <= data[at - 1] <= 0x5A and (at - 1 == start or data[at - 2] <= 0x20)
        sentences += np.int64(not initial)
    return sentences


@njit(inline="always")
def _is_end_mark(byte: Any) -> Any:
    return byte == POINT or byte == 0x3F or byte == 0x21


@njit(nogil=True, cache=True)
def _after_closing_marks(data: Any, at: Any, end: Any) -> Any:
    """Step over " ' ) ] * ` and the closing quotes ’ and ”."""
    while at < end:
        byte = data[at]
        if byte == 0x22 or byte == 0x27 or byte == 0x29 or byte == CLOSING or byte == 0x2A or byte == 0x60:
            at += 1
        elif byte == 0xE2 and at + 2 < end and data[at + 1] == 0x80 and (data[at + 2] == 0x99 or data[at + 2] == 0x9D):
            at += 3
        else:
            break
    return at


@njit(nogil=True, cache=True)
def count_plain_lines(data: Any, start: Any, end: Any, newlines: Any, classes: Any, factors: Any, counts: Any) -> None:
    r"""Count over the lines between "\n" (FineWeb) and what repeats among lines and paragraphs (Gopher repetition)."""
    breaks = _newlines(data, start, end, newlines)
    starts = np.empty(newlines + 1, np.int64)
    ends = np.empty(newlines + 1, np.int64)
    seen = np.zeros(table_size(newlines + 1), np.uint64)
    mask = seen.shape[0] - 1
    lines = 0
    line = start
    for i in range(newlines + 1):
        stop = breaks[i]
        if stop > line:
            starts[lines] = line
            ends[lines] = stop
            lines += 1
            characters = count_characters(data, line, stop)
            filled = _is_filled(data, line, stop, classes)
            if insert(seen, mask, hash_range(data, line, stop, factors)):
                counts[REPEATED_PIECES] += 1
                counts[REPEATED_CHARACTERS] += characters
                if filled:  # equal lines are filled or blank alike: FineWeb's duplicates are a part of Gopher's
                    counts[FILLED_REPEATED_CHARACTERS] += characters
            if filled:
                point, _ = decode_before(data, stop, line)
                counts[FILLED] += 1
                counts[ENDED] += np.int64((classes[point] & TERMINAL) != 0)
                counts[SHORT] += np.int64(characters <= SHORT_LINE_CHARACTERS)
        line = stop + 1
    leading = np.int64(end > start and data[start] == NEWLINE)
    trailing = np.int64(end > start and data[end - 1] == NEWLINE)
    counts[PIECES] = lines + leading + trailing
    counts[REPEATED_PIECES] += leading & trailing  # two empty pieces
    _count_paragraphs(data, start, end, starts[:lines], ends[:lines], classes, factors, seen, counts)


@njit(nogil=True, cache=True)
def _newlines(data: Any, start: Any, end: Any, newlines: Any) -> Any:
    """List where each newline stands, and `end`; without a branch, as lines are too uneven to be guessed."""
    breaks = np.empty(newlines + 2, np.int64)
    found: Any = 0
    document = data[start:end]
    for i in range(document.shape[0]):
        breaks[found] = start + i
        found += np.int64(document[i] == NEWLINE)
    breaks[found] = end
    return breaks


@njit(nogil=True, cache=True)
def _is_filled(data: Any, start: Any, end: Any, classes: Any) -> Any:
    at = start
    while at < end:
        point, width = decode(data, at)
        if not classes[point] & SPACE:
            return True
        at += width
    return False


@njit(nogil=True, cache=True)
def _count_paragraphs(
    data: Any, start: Any, end: Any, starts: Any, ends: Any, classes: Any, factors: Any, seen: Any, counts: Any
) -> None:
    """Join neighbouring lines to paragraphs, inside the stripped text."""
    first, last = strip(data, start, end, classes)
    if first >= last:
        counts[PARAGRAPHS] = np.int64(end > start)  # stripped to nothing: one empty paragraph
        return
    seen[:] = 0
    mask = seen.shape[0] - 1
    lines = starts.shape[0]
    line = 0
    while line < lines:
        last_line = line
        while last_line + 1 < lines and starts[last_line + 1] == ends[last_line] + 1:
            last_line += 1
        paragraph, stop = max(starts[line], first), min(ends[last_line], last)
        line = last_line + 1
        if paragraph >= stop:
            continue
        counts[PARAGRAPHS] += 1
        if insert(seen, mask, hash_range(data, paragraph, stop, factors)):
            counts[REPEATED_PARAGRAPHS] += 1
            counts[REPEATED_PARAGRAPH_CHARACTERS] += count_characters(data, paragraph, stop)
