"""All counts of a document that the Gopher, C4 and FineWeb filters need, and a few cheap useful ones, in a few tight passes.

Layout of the result: int64[documents, COUNTS], one row a document, columns by the constants below. All are numbers of things:
bytes, characters (code points), words, lines. Only counts are made here; shares are divisions of counts and made by whoever names the columns.

What makes it fast: bytes are read from the Arrow buffers and never become Python strings; several simple passes (characters,
lines, words, n-grams) beat one fused walk, because each keeps its tables in cache and its branches predictable; each pass has
its own module, where its trick is told.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from liangji.kernels import lines, repetition
from liangji.kernels import words as word_walk
from liangji.kernels.buffers import text_buffers
from liangji.kernels.character_census import ADDENDS, count_byte, count_characters, count_ellipses, count_kinds
from liangji.kernels.lines import count_broken_lines, count_plain_lines, list_newlines
from liangji.kernels.local_hashes import BYTE_FACTORS
from liangji.kernels.repetition import measure_repetition
from liangji.kernels.segmentation import mark_words, segment_tables, split_marked_words
from liangji.kernels.text_classes import census_kinds, word_classes
from liangji.kernels.word_trie import WordTrie
from liangji.kernels.words import split_words, word_tables

# Blocks of the result: each pass writes to its own.
BYTES, CHARACTERS, NEWLINES, HASHES, ELLIPSES, GRAM_CHARACTERS = range(6)
CENSUS = 6  # Han, rare Han, digit, mark, damaged, supplement, separator, clause mark
HAN, RARE_HAN, DIGITS, MARKS, DAMAGED, SUPPLEMENT, SEPARATORS, CLAUSE_MARKS = range(CENSUS, CENSUS + 8)
WORD_BLOCK = CENSUS + 8  # + the places of `liangji.kernels.words`
BROKEN_BLOCK = WORD_BLOCK + word_walk.STOP_WORDS + 1  # + the places of `count_broken_lines`
PLAIN_BLOCK = BROKEN_BLOCK + lines.POLICY_LINES + 1  # + the places of `count_plain_lines`
GRAM_BLOCK = PLAIN_BLOCK + lines.REPEATED_PARAGRAPH_CHARACTERS + 1  # + n - 2 for the n-grams
COUNTS = GRAM_BLOCK + repetition.LONGEST - repetition.SHORTEST + 1

MOST_GRAM_WORDS = 1 << 22
"""n-grams are looked for in the first so many words of a document, which bounds the memory that one document can take."""


def text_statistics(
    array: pa.Array, *, script: bool, stop_words: tuple[str, ...], trie: WordTrie | None = None
) -> NDArray[np.int64]:
    """Count, for each document of a string array; a null document counts as an empty one.

    With a trie, words are those of a dictionary (`liangji.kernels.segmentation`), in the place of `script`.
    """
    data, offsets, _ = text_buffers(array)
    tables = word_tables(word_classes(script), script, stop_words) if trie is None else segment_tables(trie, stop_words)
    counts = np.zeros((len(array), COUNTS), np.int64)
    _count_documents(data, offsets, tables, census_kinds(), ADDENDS, BYTE_FACTORS, trie is None, counts)
    if trie is not None:
        _count_dictionary_words(data, offsets, tables, trie.nodes, trie.unknown, counts)
    return counts


@njit(nogil=True, cache=True)
def _longest(offsets: Any) -> Any:
    """Give the bytes of the longest document."""
    longest: Any = np.int64(0)
    for row in range(offsets.shape[0] - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    return longest


@njit(nogil=True, cache=True)
def _count_dictionary_words(data: Any, offsets: Any, tables: Any, nodes: Any, unknown: Any, counts: Any) -> None:
    """Count the words of a dictionary and their n-grams: a kernel of its own, so that other word modes need not compile it."""
    longest = _longest(offsets)
    marks = np.empty(longest, np.uint8)
    hashes = np.empty(min(longest, MOST_GRAM_WORDS), np.uint64)
    ends = np.empty(hashes.shape[0], np.int32)
    for row in range(counts.shape[0]):
        start, end = offsets[row], offsets[row + 1]
        mark_words(data, start, end, nodes, unknown, tables.classes, marks)
        row_counts = counts[row]
        overflow = split_marked_words(data, start, end, marks, tables, hashes, ends, row_counts[WORD_BLOCK:BROKEN_BLOCK])
        words = min(row_counts[WORD_BLOCK], hashes.shape[0])
        row_counts[GRAM_CHARACTERS] = row_counts[CHARACTERS] if overflow == end else count_characters(data, start, overflow)
        measure_repetition(hashes, ends, words, 0, row_counts[GRAM_BLOCK:])


@njit(nogil=True, cache=True)
def _count_documents(
    data: Any, offsets: Any, tables: Any, kinds: Any, addends: Any, factors: Any, counts_words: Any, counts: Any
) -> None:
    """Count everything; words and their n-grams only where `counts_words`."""
    classes = tables.classes
    separators = 0 if tables.script else 1
    longest = _longest(offsets)
    scratch = np.empty(longest, np.uint8)
    hashes = np.empty(min(longest, MOST_GRAM_WORDS), np.uint64)
    ends = np.empty(hashes.shape[0], np.int32)
    for row in range(counts.shape[0]):
        start, end = offsets[row], offsets[row + 1]
        if start == end:
            continue
        row_counts = counts[row]
        newline_count = count_byte(data, start, end, lines.NEWLINE)
        newlines = list_newlines(data, start, end, newline_count)
        characters = count_characters(data, start, end)
        row_counts[BYTES] = end - start
        row_counts[CHARACTERS] = characters
        row_counts[NEWLINES] = newline_count
        row_counts[HASHES] = count_byte(data, start, end, 0x23)
        row_counts[ELLIPSES] = count_ellipses(data, start, end)
        count_kinds(data, start, end, kinds, addends, row_counts[CENSUS:WORD_BLOCK])
        count_broken_lines(data, start, end, newlines, classes, kinds, scratch, row_counts[BROKEN_BLOCK:PLAIN_BLOCK])
        count_plain_lines(data, start, end, newlines, classes, factors, row_counts[PLAIN_BLOCK:GRAM_BLOCK])
        if not counts_words:
            continue
        overflow = split_words(data, start, end, tables, hashes, ends, row_counts[WORD_BLOCK:BROKEN_BLOCK])
        words = min(row_counts[WORD_BLOCK], hashes.shape[0])
        row_counts[GRAM_CHARACTERS] = characters if overflow == end else count_characters(data, start, overflow)
        measure_repetition(hashes, ends, words, separators, row_counts[GRAM_BLOCK:])
