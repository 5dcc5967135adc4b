r"""Statistics over the lines and paragraphs of one document, as the published filters cut them.

Three ways to cut, because the filters differ:

| who | lines are |
|---|---|
| Gopher quality, C4 | `str.splitlines`: every Unicode line break, empty lines count |
| FineWeb | between "\n", without those of white space alone |
| Gopher repetition | between runs of "\n"; an empty one before a leading and after a trailing run counts |
| its paragraphs | the stripped text between runs of two or more "\n" |

Layout: one document is data[start:end], all positions in bytes; `newlines`, int64, lists where its "\n" stand, and `end`. Counts, int64
that start at zero, go to the places named below; what has CHARACTERS in its name counts code points, all else lines or paragraphs.

Tricks. A line is known by a hash of its bytes (`hash_range`), so that duplicates cost one look-up a line; paragraphs are hashed from
their bytes again, which runs at memory speed and saves composing hashes. What is rare is asked first of the whole document, in
loops that become vector instructions: has it a line break beside "\n", can it hold one of C4's phrases? Mostly not, and then no line
is searched for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from liangji.kernels.character_census import count_characters
from liangji.kernels.characters import LINE_BREAK, SPACE, TERMINAL, decode, decode_before
from liangji.kernels.eight_bytes import load, mark_equal
from liangji.kernels.local_hashes import hash_range, insert, table_size
from liangji.kernels.text_classes import DIGIT

NEWLINE, CARRIAGE_RETURN, POINT, OPENING, CLOSING, CURLY = b"\n\r.[]{"
QUESTION, EXCLAMATION, QUOTE, APOSTROPHE = b"?!\"'"
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

# Four bytes of each phrase, in lower case, the last one so far behind the first: together they are rare in English.
_FRAGMENTS = ((b"m ip", 3), (b"vasc", 3), (b"rmsu", 7), (b"vacy", 3), (b"okie", 3))
FRAGMENTS: NDArray[np.uint8] = np.array([(*fragment, reach) for fragment, reach in _FRAGMENTS], np.uint8)

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
def list_newlines(data: Any, start: Any, end: Any, count: Any) -> Any:
    """List where each of the `count` newlines stands, and `end`; without a branch, as lines are too uneven to be guessed."""
    newlines = np.empty(count + 2, np.int64)
    found = np.uint64(0)
    document = data[start:end]
    for i in range(document.shape[0]):
        newlines[found] = start + i
        found += np.uint64(document[i] == NEWLINE)
    newlines[found] = end
    return newlines[: count + 1]


@njit(nogil=True, cache=True)
def count_broken_lines(data: Any, start: Any, end: Any, newlines: Any, classes: Any, kinds: Any, scratch: Any, counts: Any) -> None:
    """Count over the lines of `str.splitlines`: Gopher's bullets and ellipses, and C4's line rules. `scratch`: bytes, as long."""
    only_newlines = not _has_other_breaks(data, start, end)
    may_hold_phrases = _may_hold_phrases(data, start, end)
    line = start
    number = 0
    while line < end:
        if only_newlines:
            stop = newlines[number]
            following = stop + 1
            number += 1
        else:
            stop, following = _next_break(data, line, end, classes)
        counts[LINES] += 1
        first, last = strip(data, line, stop, classes)
        if first < last:
            point, _ = decode(data, first)
            counts[BULLETS] += np.int64(point == BULLET or point == HYPHEN)
            counts[ELLIPSES] += np.int64(ends_with_ellipsis(data, first, last))
            _judge_line(data, first, last, classes, kinds, scratch, may_hold_phrases, counts)
        line = following


@njit(nogil=True, cache=True)
def _has_other_breaks(data: Any, start: Any, end: Any) -> Any:
    """Tell whether a line break beside the newline may stand in the range: a control, U+0085, U+2028 or U+2029."""
    document = data[start:end]
    found = False
    for i in range(document.shape[0]):
        byte = document[i]
        found |= ((byte >= 0x0B) & (byte <= 0x0D)) | ((byte >= 0x1C) & (byte <= 0x1E))
    for i in range(document.shape[0] - 1):
        found |= (document[i] == 0xC2) & (document[i + 1] == 0x85)
    for i in range(document.shape[0] - 2):
        found |= (document[i] == 0xE2) & (document[i + 1] == 0x80) & ((document[i + 2] & 0xFE) == 0xA8)
    return found


@njit(nogil=True, cache=True)
def _next_break(data: Any, line: Any, end: Any, classes: Any) -> Any:
    """Find the line break at or after byte `line`: where it stands, and where the next line starts; `end` where there is none."""
    stop = line
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
            return stop, following
        stop += 1
    return stop, end


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
    """Tell whether the range ends in '...' or in '…' (E2 80 A6)."""
    if end - start < 3:
        return False
    if data[end - 1] == POINT:
        return data[end - 2] == POINT and data[end - 3] == POINT
    return data[end - 1] == 0xA6 and data[end - 2] == 0x80 and data[end - 3] == 0xE2


@njit(nogil=True, cache=True)
def _judge_line(
    data: Any, start: Any, end: Any, classes: Any, kinds: Any, scratch: Any, may_hold_phrases: Any, counts: Any
) -> None:
    """Apply C4's line rules to one stripped line, in the order of the reference implementation."""
    # A citation at the end hides the mark before it; anything else that does not end in a mark is out at once.
    if data[end - 1] != CLOSING and not _ends_sentence(data, start, end):
        return
    if not _has_three_words(data, start, end, classes) or _has_long_word(data, start, end, classes):
        return
    if _holds(data, start, end, OPENING):
        end = remove_citations(data, start, end, kinds, scratch)
        data, start = scratch, 0
        may_hold_phrases = True  # one may come together where a citation went
    if not _ends_sentence(data, start, end):
        return
    phrases = find_phrases(data, start, end) if may_hold_phrases else 0
    if phrases & LOREM:
        counts[LOREM_LINES] += 1
    elif phrases & SCRIPT:
        counts[SCRIPT_LINES] += 1
    elif _holds(data, start, end, CURLY):
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
    return mark == QUESTION or mark == EXCLAMATION or mark == QUOTE or mark == APOSTROPHE


@njit(nogil=True, cache=True)
def _has_three_words(data: Any, start: Any, end: Any, classes: Any) -> Any:
    """Tell whether white space parts the range into three words or more."""
    words: Any = 0
    in_word = False
    at = start
    while at < end:
        point, width = decode(data, at)
        is_space = classes[point] & SPACE != 0
        words += np.int64(not is_space and not in_word)
        if words == 3:
            return True
        in_word = not is_space
        at += width
    return False


@njit(nogil=True, cache=True)
def _has_long_word(data: Any, start: Any, end: Any, classes: Any) -> Any:
    """Tell whether a word has more than 1,000 characters: none has where the spaces of ASCII stand closer than that."""
    at = start
    while end - at > LONG_WORD_CHARACTERS:
        space = at + LONG_WORD_CHARACTERS
        while space > at and data[space] != 0x20:
            space -= 1
        if space == at:
            return _has_long_run(data, at, end, classes)
        at = space
    return False


@njit(nogil=True, cache=True)
def _has_long_run(data: Any, at: Any, end: Any, classes: Any) -> Any:
    length = 0
    while at < end:
        point, width = decode(data, at)
        length = 0 if classes[point] & SPACE else length + 1
        if length > LONG_WORD_CHARACTERS:
            return True
        at += width
    return False


@njit(nogil=True, cache=True)
def _holds(data: Any, start: Any, end: Any, wanted: Any) -> Any:
    """Tell whether the range holds a byte; all are looked at, in vector instructions."""
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
    """Tell whether the bytes from `at` on, before `end`, are those `wanted`."""
    if at + wanted.shape[0] > end:
        return False
    for i in range(wanted.shape[0]):
        if data[at + i] != wanted[i]:
            return False
    return True


@njit(nogil=True, cache=True)
def _may_hold_phrases(data: Any, start: Any, end: Any) -> Any:
    """Tell whether the range holds the fragment of a phrase."""
    document = data[start:end]
    for row in range(FRAGMENTS.shape[0]):
        first, second, third, fourth, reach = FRAGMENTS[row]
        behind = document[np.int64(reach) :]
        found = False
        for i in range(behind.shape[0]):
            found |= (
                ((document[i] | 0x20) == first)
                & ((document[i + 1] | 0x20) == second)
                & ((document[i + 2] | 0x20) == third)
                & ((behind[i] | 0x20) == fourth)
            )
        if found:
            return True
    return False


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
    for first in range(start, end - 1, 8):
        eight = load(data, first, end)
        if mark_equal(eight, POINT) | mark_equal(eight, QUESTION) | mark_equal(eight, EXCLAMATION):
            for at in range(first, min(first + 8, end - 1)):
                sentences += np.int64(_ends_sentence_inside(data, start, at, end))
    return sentences


@njit(nogil=True, cache=True)
def _ends_sentence_inside(data: Any, start: Any, at: Any, end: Any) -> Any:
    """Tell whether the byte at `at`, not the last one, is the last mark of a sentence that another one follows in the line."""
    if not _is_end_mark(data[at]) or _is_end_mark(data[at + 1]):
        return False
    following = _after_closing_marks(data, at + 1, end)
    if following + 1 >= end or data[following] > 0x20:
        return False
    return not (data[at] == POINT and at > start and 0x41 <= data[at - 1] <= 0x5A and (at - 1 == start or data[at - 2] <= 0x20))


@njit(inline="always")
def _is_end_mark(byte: Any) -> Any:
    return byte == POINT or byte == QUESTION or byte == EXCLAMATION


@njit(nogil=True, cache=True)
def _after_closing_marks(data: Any, at: Any, end: Any) -> Any:
    """Step over " ' ) ] * ` and the closing quotes ’ and ”."""
    while at < end:
        byte = data[at]
        if byte == QUOTE or byte == APOSTROPHE or byte == 0x29 or byte == CLOSING or byte == 0x2A or byte == 0x60:
            at += 1
        elif byte == 0xE2 and at + 2 < end and data[at + 1] == 0x80 and (data[at + 2] == 0x99 or data[at + 2] == 0x9D):
            at += 3
        else:
            break
    return at


@njit(nogil=True, cache=True)
def count_plain_lines(data: Any, start: Any, end: Any, newlines: Any, classes: Any, factors: Any, counts: Any) -> None:
    r"""Count over the lines between "\n" (FineWeb) and what repeats among lines and paragraphs (Gopher repetition)."""
    starts = np.empty(newlines.shape[0], np.int64)
    ends = np.empty(newlines.shape[0], np.int64)
    seen = np.zeros(table_size(newlines.shape[0]), np.uint64)
    mask = seen.shape[0] - 1
    lines = 0
    line = start
    for stop in newlines:
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
def _is_filled(data: Any, start: Any, end: Any, classes: Any) -> Any:
    """Tell whether the range holds anything but white space."""
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
