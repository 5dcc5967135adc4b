"""Cut Chinese text into the words of a dictionary: the likeliest path through all words that stand in it.

A text is parted into blocks of Han characters of the basic block, ASCII letters and digits, and `+ # & . _ % -`. In a block, every
word of the dictionary is a step as probable as the word is frequent, and the most probable way from end to end is taken, found
backwards by dynamic programming; where two are alike, the one with the longer first word. Letters and digits of ASCII that stand
alone in it are put together again. These are the words of `jieba.lcut(text, HMM=False)` (jieba 0.42), to the last bit of the sums.

Outside of the blocks, as in the word mode `script`: every other Han character, kana, mark and symbol is a word, and so is a run of
anything else, joined with the ASCII letters and digits beside it. Only here it differs from jieba, which takes letters of
other scripts one by one (`café` → `caf`, `é`).

Layout: a text is data[start:end]. The result is uint8, one for each byte of the text, set where a character begins: `STARTS` a word,
`CONTINUES` one, or is `BLANK`, white space. Of a block, by character: its code point, uint16; the score of the best way from there
to the end of the block, float64, the sum of natural logarithms; where the first word of that way is past, int32.

Trick: characters of a block are 1 or 3 bytes long, so that 16-bit code points are all that is kept of it; steps are looked up
in a hashed trie (`liangji.kernels.word_trie`), 16 bytes for each character of a word and no string made.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from liangji.kernels.characters import IDEOGRAPHIC, PUNCTUATION, SPACE, decode
from liangji.kernels.local_hashes import mix
from liangji.kernels.text_classes import word_classes
from liangji.kernels.word_trie import FREE, ROOT, WordTrie, find_place
from liangji.kernels.words import (
    LETTERED_WORDS,
    SPELLED,
    SPELLED_CHARACTERS,
    SPELLED_WORDS,
    STOP_WORDS,
    WORDS,
    WordTables,
    count_bits,
    roll,
    stop_bit,
    wide_flags,
    with_stop_hashes,
    word_tables,
)

CONTINUES, STARTS, BLANK = 0, 1, 2
_FIRST_HAN, _LAST_HAN = 0x4E00, 0x9FD5  # as jieba has it
_SHORT_BLOCK = 256


def segment_tables(trie: WordTrie, stop_words: tuple[str, ...]) -> WordTables:
    """Make what `split_marked_words` looks up."""
    plain = word_tables(word_classes(script=True), script=True, stop_words=())
    return with_stop_hashes(plain, [_hash_word(word, trie, plain) for word in stop_words])


def _hash_word(word: str, trie: WordTrie, tables: WordTables) -> np.uint64:
    data = np.frombuffer(word.encode(), np.uint8)
    marks, hashes, ends, counts = (
        np.empty(data.size, np.uint8),
        np.zeros(1, np.uint64),
        np.zeros(1, np.int32),
        np.zeros(5, np.int64),
    )
    mark_words(data, 0, data.size, trie.nodes, trie.unknown, tables.classes, marks)
    split_marked_words(data, 0, data.size, marks, tables, hashes, ends, counts)
    if counts[WORDS] != 1:
        raise ValueError(f"stop word {word!r} is {counts[WORDS]} words of the dictionary")
    return np.uint64(hashes[0])


@njit(inline="always")
def _is_letter_or_digit(point: Any) -> Any:
    """Tell ASCII letters and digits."""
    return (0x30 <= point <= 0x39) or (0x41 <= point <= 0x5A) or (0x61 <= point <= 0x7A)


@njit(inline="always")
def _is_of_block(point: Any) -> Any:
    """Tell Han of the basic block, ASCII letters and digits, and + # & . _ % -"""
    if point >= 0x80:
        return _FIRST_HAN <= point <= _LAST_HAN
    return (
        _is_letter_or_digit(point)
        or point == 0x2B
        or point == 0x23
        or point == 0x26
        or point == 0x2E
        or point == 0x5F
        or point == 0x25
        or point == 0x2D
    )


@njit(nogil=True, cache=True)
def mark_words(data: Any, start: Any, end: Any, nodes: Any, unknown: Any, classes: Any, marks: Any) -> None:
    """Write to `marks`, from its beginning, what each character of data[start:end] is; other bytes of it are left as they are.

    `classes`: flags of each code point, for the mode `script`. Takes 14 bytes for each character of the longest block beside.
    """
    points = np.empty(_SHORT_BLOCK, np.uint16)
    pasts = np.empty(_SHORT_BLOCK, np.int32)
    scores = np.empty(_SHORT_BLOCK + 1, np.float64)
    in_run = False  # the last character stands in a run of letters that the next one may join
    at = start
    while at < end:
        point, width = decode(data, at)
        if not _is_of_block(point):
            class_ = classes[point]
            if class_ & SPACE:
                marks[at - start] = BLANK
                in_run = False
            elif class_ & (IDEOGRAPHIC | PUNCTUATION):
                marks[at - start] = STARTS
                in_run = False
            else:
                marks[at - start] = CONTINUES if in_run else STARTS
                in_run = True
            at += width
            continue
        first = at
        length = 0
        while at < end:
            point, width = decode(data, at)
            if not _is_of_block(point):
                break
            if length == points.shape[0]:
                points = np.concatenate((points, np.empty(length, np.uint16)))
                pasts = np.empty(2 * length, np.int32)
                scores = np.empty(2 * length + 1, np.float64)
            points[length] = point
            length += 1
            at += width
        _find_path(points, length, nodes, unknown, scores, pasts)
        in_run = _mark_path(points, length, pasts, marks[first - start :], in_run)


@njit(nogil=True, cache=True)
def _find_path(points: Any, length: Any, nodes: Any, unknown: Any, scores: Any, pasts: Any) -> None:
    """Find, for each character of a block, where the first word of the best way from there to the end is past."""
    scores[length] = 0.0
    for first in range(length - 1, -1, -1):
        best = -np.inf
        past = 0
        node = ROOT
        for last in range(first, length):
            place = find_place(nodes, node, points[last])
            if nodes[place].parent == FREE:
                break
            score = nodes[place].weight + scores[last + 1]
            if score >= best:  # never where it is no number: no word ends here
                best = score
                past = last + 1
            if nodes[place].branches == 0:
                break
            node = place
        if past == 0:
            best = unknown + scores[first + 1]
            past = first + 1
        scores[first] = best
        pasts[first] = past


@njit(nogil=True, cache=True)
def _mark_path(points: Any, length: Any, pasts: Any, marks: Any, in_run: Any) -> Any:
    """Mark the words of the best way through a block; tell whether it ends in a letter or digit that the next run joins."""
    at = 0
    first = 0
    while first < length:
        past = pasts[first]
        joins = past == first + 1 and _is_letter_or_digit(points[first])
        marks[at] = CONTINUES if joins and in_run else STARTS
        in_run = joins
        at += 1 if points[first] < 0x80 else 3
        for character in range(first + 1, past):
            marks[at] = CONTINUES
            at += 1 if points[character] < 0x80 else 3
        first = past
    return in_run


@njit(nogil=True, cache=True)
def split_marked_words(data: Any, start: Any, end: Any, marks: Any, tables: Any, hashes: Any, ends: Any, counts: Any) -> Any:
    """Walk over the words of data[start:end] as `mark_words` has marked them; all else as `liangji.kernels.words.split_words`."""
    classes, stop_hashes, stop_numbers = tables.classes, tables.stop_hashes, tables.stop_numbers
    words = 0
    spelled: Any = 0
    spelled_characters: Any = 0
    lettered: Any = 0
    stops = np.uint64(0)
    characters = 0
    overflow = end
    room = hashes.shape[0]
    at = start
    while at < end:
        point, width = decode(data, at)
        if marks[at - start] == BLANK:
            at += width
            continue
        word = at
        length = 0
        hashed = np.uint64(0)
        flags = np.uint8(0)
        while True:
            hashed = roll(hashed, np.uint64(point))
            flags |= wide_flags(classes[point])
            length += 1
            at += width
            if at == end or marks[at - start] != CONTINUES:
                break
            point, width = decode(data, at)
        hashed = mix(hashed)
        characters += length
        if words < room:
            hashes[words] = hashed
            ends[words] = characters
        elif words == room:
            overflow = word
        words += 1
        spelled += flags & SPELLED
        spelled_characters += length * (flags & SPELLED)
        lettered += flags >> 1
        stops |= stop_bit(hashed, stop_hashes, stop_numbers)
    counts[WORDS] = words
    counts[SPELLED_WORDS] = spelled
    counts[SPELLED_CHARACTERS] = spelled_characters
    counts[LETTERED_WORDS] = lettered
    counts[STOP_WORDS] = count_bits(stops)
    return overflow
