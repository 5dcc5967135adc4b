"""Shingles: the overlapping runs of letters that two texts are compared by, and the exact similarity of two texts.

A shingle starts at each letter and runs over `ideographs` letters where that letter is Han or kana, over `alphabetics` letters
elsewhere. A letter is any letter, digit or mark; its case and its width (full or half) do not count, and white space,
punctuation and symbols are skipped. So spaces, line breaks, punctuation of either width and capitals change no shingle.

Layout: documents as in `buffers`; a letter is the uint32 that `letter_table` gives for its code point, 0 where the character is
skipped, with `IDEOGRAPH` or-ed in where it is one. A shingle is 64 bits of hash.

The trick: a document is walked in blocks of `BLOCK` letters, whatever its size, so memory does not grow with it. In a block
`prefixes[i]` is the polynomial hash of the letters before i, wrapping at 64 bits; the hash of any run is then
`prefixes[i + n] - prefixes[i] * _BASE**n`, two reads and a product, whatever n is and wherever the run starts. Its low bits are
poor: who reads shingles puts them through `mix` first.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from liangji.kernels.character_census import count_characters
from liangji.kernels.characters import IDEOGRAPHIC_RANGES, decode
from liangji.kernels.local_hashes import GOLDEN_RATIO

BLOCK = 8192  # letters walked at a time: 180 KB of buffers, within the second-level cache
PART_CHARACTERS = 1 << 19  # of both texts together, beyond which their shingles are compared part by part
IDEOGRAPH = np.uint32(1 << 31)

_BASE = GOLDEN_RATIO
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)

_LAST_LISTED = 0x1FFFF  # beyond it come Han extensions, all letters, and then planes without any

# Places in the state of the table of `_shingle_sets`.
_HELD, _SLOTS, _HELD_SHINGLES, _LAST_STAMP, _HELD_STAMP = range(5)


@cache
def letter_table() -> NDArray[np.uint32]:
    """Give for each code point the letter it counts as: case and width folded, 0 for what is no letter, digit or mark."""
    table = np.zeros(0x110000, np.uint32)
    for code_point in range(_LAST_LISTED + 1):
        if unicodedata.category(chr(code_point))[0] in "LNM":
            table[code_point] = ord(_lower(chr(code_point)))
    table[0x20000:0x323B0] = np.arange(0x20000, 0x323B0)
    fold_width(table)
    for first, last in IDEOGRAPHIC_RANGES:
        part = table[first : last + 1]
        part[part != 0] |= IDEOGRAPH
    table.setflags(write=False)
    return table


def fold_width(table: NDArray[np.uint32]) -> None:
    """Let the full-width forms of ASCII, U+FF01 to U+FF5E and U+3000, count as the ASCII characters that they widen."""
    table[0xFF01:0xFF5F] = table[0x21:0x7F]
    table[0x3000] = table[0x20]


def _lower(character: str) -> str:
    lowered = character.lower()
    return lowered if len(lowered) == 1 else character


@njit(inline="always")
def mix(value: Any) -> Any:
    """Spread 64 bits (Stafford's 13th variant of the MurmurHash3 finaliser; a bijection)."""
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    return value ^ (value >> np.uint64(31))


@njit(nogil=True, cache=True, boundscheck=False)
def walk_buffers() -> Any:
    """Make the buffers of one walk: letters, prefixes, shingles."""
    return np.empty(BLOCK + 1, np.uint32), np.empty(BLOCK + 1, np.uint64), np.empty(BLOCK, np.uint64)


@njit(nogil=True, cache=True, boundscheck=False)
def power(exponent: Any) -> Any:
    """Raise the base of the polynomial hash to a power, wrapping at 64 bits."""
    result = np.uint64(1)
    for _ in range(exponent):
        result *= _BASE
    return result


@njit(nogil=True, cache=True, boundscheck=False)
def next_shingles(
    data: Any,
    at: Any,
    end: Any,
    held: Any,
    is_first: Any,
    table: Any,
    ideographs: Any,
    alphabetics: Any,
    letters: Any,
    prefixes: Any,
    shingles: Any,
) -> Any:
    """Hash the shingles of the next block of one document, which is `data[:end]` from byte `at` on.

    `held` letters are kept in `letters` from the block before. A document with some letters but fewer than its first shingle
    needs has one shingle of what there is.
    Returns the byte to go on from, the letters held, and the number of shingles made.
    """
    count = held
    while at < end and count < BLOCK:
        lead = data[np.uint64(at)]
        if lead < 0x80:
            letter = table[lead]
            at += 1
        else:
            code_point, width = decode(data, at)
            letter = table[np.uint64(code_point)]
            at += width
        letters[np.uint64(count)] = letter
        count += np.int64(letter != 0)

    _hash_prefixes(letters, count, prefixes)
    ideograph_power, alphabetic_power = power(ideographs), power(alphabetics)
    whole = max(0, count - max(ideographs, alphabetics) + 1)  # starts whose shingle ends in this block, whatever its script
    starts, from_ideograph, from_alphabetic = prefixes[:whole], prefixes[ideographs:], prefixes[alphabetics:]
    for i in range(whole):
        ideographic = from_ideograph[i] - starts[i] * ideograph_power
        alphabetic = from_alphabetic[i] - starts[i] * alphabetic_power
        shingles[i] = ideographic if letters[i] >= IDEOGRAPH else alphabetic
    if at < end:
        letters[: count - whole] = letters[whole:count].copy()
        return at, count - whole, whole

    made = whole
    for i in range(whole, count):
        if letters[i] >= IDEOGRAPH:
            if i + ideographs <= count:
                shingles[made] = prefixes[i + ideographs] - prefixes[i] * ideograph_power
                made += 1
        elif i + alphabetics <= count:
            shingles[made] = prefixes[i + alphabetics] - prefixes[i] * alphabetic_power
            made += 1
    if is_first and made == 0 and count > 0:
        shingles[0] = prefixes[count]
        made = 1
    return at, 0, made


@njit(nogil=True, cache=True, boundscheck=False)
def _hash_prefixes(letters: Any, count: Any, prefixes: Any) -> None:
    """Hash all beginnings of the letters. Two letters a step: the chain of products, each waiting for the one before, is what this loop costs."""
    square = _BASE * _BASE
    prefix = np.uint64(0)
    prefixes[0] = 0
    for i in range(0, count - 1, 2):
        first = np.uint64(letters[i])
        prefixes[i + 1] = prefix * _BASE + first
        prefix = prefix * square + (first * _BASE + np.uint64(letters[i + 1]))
        prefixes[i + 2] = prefix
    if count % 2 == 1:
        prefixes[count] = prefix * _BASE + np.uint64(letters[count - 1])


@njit(nogil=True, cache=True, boundscheck=False)
def character_counts(data: Any, offsets: Any) -> Any:
    """Count the characters of each document, of which there are at least as many as shingles."""
    counts = np.zeros(len(offsets) - 1, np.int64)
    for document in range(len(counts)):
        counts[document] = count_characters(data, offsets[document], offsets[document + 1])
    return counts


@njit(nogil=True, cache=True, boundscheck=False)
def jaccard_similarities(data: Any, offsets: Any, earlier: Any, later: Any, table: Any, ideographs: Any, alphabetics: Any) -> Any:
    """Compute the exact Jaccard similarity of the shingle sets of document pairs; 0 where neither has a shingle.

    `earlier`, `later`: document numbers, int64[pairs]; `table`: that of `letter_table`. Returns float64[pairs]. Pairs that stand
    side by side and share `later` cost the least: its set is built once.
    """
    counts = character_counts(data, offsets)
    walk = walk_buffers()
    sets, state = _shingle_sets(counts, earlier, later)
    similarities = np.zeros(len(earlier))
    for pair in range(len(earlier)):
        similarities[pair] = _jaccard(
            data, offsets, counts, earlier[pair], later[pair], table, ideographs, alphabetics, walk, sets, state
        )
    return similarities


@njit(nogil=True, cache=True, boundscheck=False)
def first_similar(
    data: Any,
    offsets: Any,
    counts: Any,
    earlier: Any,
    later: Any,
    table: Any,
    ideographs: Any,
    alphabetics: Any,
    minimum: Any,
    similarities: Any,
    is_dropped: Any,
    is_final: Any,
) -> Any:
    """Go through the pairs, which stand by `later` and then in order of preference, and drop each later document whose Jaccard
    similarity to one that is not dropped reaches `minimum`; no pair behind that one is compared.

    `counts` are the `character_counts`. `earlier`, `later`: int64[pairs]; `similarities`: float64[pairs]; `is_dropped`: bool[documents],
    which is written to. `similarities` holds NaN where a pair was not compared yet, and is filled. Without
    `is_final` nothing is dropped: parts of the pairs may be looked into at once, and what they find is there when the last call
    goes through all of them in order. Returns int64[documents], the pair that decided for each document, -1 where none did.
    """
    decided = np.full(len(is_dropped), -1, np.int64)
    walk = walk_buffers()
    sets, state = _shingle_sets(counts, earlier, later)
    found_for = np.int64(-1)
    for pair in range(len(earlier)):
        document = later[pair]
        if document == found_for or is_dropped[document] or is_dropped[earlier[pair]]:
            continue
        if np.isnan(similarities[pair]):
            similarities[pair] = _jaccard(
                data, offsets, counts, earlier[pair], document, table, ideographs, alphabetics, walk, sets, state
            )
        if similarities[pair] >= minimum:
            found_for = document
            if is_final:
                is_dropped[document] = True
                decided[document] = pair
    return decided


@njit(nogil=True, cache=True, boundscheck=False)
def _shingle_sets(counts: Any, earlier: Any, later: Any) -> Any:
    """Make the open-addressing table that serves all pairs, and its state.

    The table, a row a slot: shingle, uint64; stamp of who put it there, uint32; stamp of the last comparison that found it there, uint32.
    A stamp is the number of a filling or a comparison. The state, int64: the document held (-1: none), the slots in use (a power of two, not
    beyond the table), the shingles held, the last stamp given, and the stamp of what is held.
    """
    largest = 0
    for pair in range(len(earlier)):
        size = counts[earlier[pair]] + counts[later[pair]]
        largest = max(largest, size)
    capacity = 64
    while capacity < 4 * min(largest, PART_CHARACTERS):
        capacity *= 2
    sets = np.empty(capacity, np.uint64), np.zeros(capacity, np.uint32), np.zeros(capacity, np.uint32)
    return sets, np.array([-1, 0, 0, 0, 0], np.int64)


@njit(nogil=True, cache=True, boundscheck=False)
def _jaccard(
    data: Any,
    offsets: Any,
    counts: Any,
    one: Any,
    other: Any,
    table: Any,
    ideographs: Any,
    alphabetics: Any,
    walk: Any,
    sets: Any,
    state: Any,
) -> Any:
    """Compare two documents; the set of `other` stays in the table for the next call, if that compares it as well.

    A slot is taken where its stamp is that of `other` or of this comparison, so nothing is ever cleared. Documents of more than
    `PART_CHARACTERS` together are compared in parts by the low bits of the hash, each in a table of the same size.
    """
    capacity = len(sets[0])
    size = counts[one] + counts[other]
    parts = 1
    while size > parts * PART_CHARACTERS:
        parts *= 2
    slots = 64
    while slots < 2 * size and slots < capacity:
        slots *= 2
    both = 0
    either = 0
    for part in range(parts):
        if parts > 1 or state[_HELD] != other or state[_SLOTS] < slots:
            while slots < 4 * counts[other] and slots < capacity:
                slots *= 2
            _hold(data, offsets, other, table, ideographs, alphabetics, walk, sets, state, slots, parts, part)
        shared, alone = _count(data, offsets, one, table, ideographs, alphabetics, walk, sets, state, parts, part)
        both += shared
        either += state[_HELD_SHINGLES] + alone
    if parts > 1:
        state[_HELD] = -1
    return both / either if either else 0.0


@njit(nogil=True, cache=True, boundscheck=False)
def _hold(
    data: Any,
    offsets: Any,
    document: Any,
    table: Any,
    ideographs: Any,
    alphabetics: Any,
    walk: Any,
    sets: Any,
    state: Any,
    slots: Any,
    parts: Any,
    part: Any,
) -> None:
    """Put the shingles of a document into the table."""
    keys, stamps, hits = sets
    letters, prefixes, shingles = walk
    if state[_LAST_STAMP] > 0x7FFFFFFF:  # long before a stamp of 32 bits would come round
        stamps[:] = 0
        hits[:] = 0
        state[_LAST_STAMP] = 0
    state[_LAST_STAMP] += 1
    stamp = np.uint32(state[_LAST_STAMP])
    mask, part_mask = np.uint64(slots - 1), np.uint64(parts - 1)
    at, end = offsets[document], offsets[document + 1]
    held = 0
    is_first = True
    count = 0
    while at < end:
        at, held, made = next_shingles(data, at, end, held, is_first, table, ideographs, alphabetics, letters, prefixes, shingles)
        is_first = is_first and made == 0
        for i in range(made):
            shingle = mix(shingles[i])
            if shingle & part_mask != np.uint64(part):
                continue
            slot = (shingle >> np.uint64(32)) & mask
            while stamps[slot] == stamp and keys[slot] != shingle:
                slot = (slot + np.uint64(1)) & mask
            if stamps[slot] != stamp:
                keys[slot] = shingle
                stamps[slot] = stamp
                count += 1
    state[_HELD], state[_SLOTS], state[_HELD_SHINGLES], state[_HELD_STAMP] = document, slots, count, stamp


@njit(nogil=True, cache=True, boundscheck=False)
def _count(
    data: Any,
    offsets: Any,
    document: Any,
    table: Any,
    ideographs: Any,
    alphabetics: Any,
    walk: Any,
    sets: Any,
    state: Any,
    parts: Any,
    part: Any,
) -> Any:
    """Count the shingles of a document that the held one has as well, and those that it has not."""
    keys, stamps, hits = sets
    letters, prefixes, shingles = walk
    state[_LAST_STAMP] += 1
    stamp, holder = np.uint32(state[_LAST_STAMP]), np.uint32(state[_HELD_STAMP])
    mask, part_mask = np.uint64(state[_SLOTS] - 1), np.uint64(parts - 1)
    at, end = offsets[document], offsets[document + 1]
    held = 0
    is_first = True
    shared = 0
    alone = 0
    while at < end:
        at, held, made = next_shingles(data, at, end, held, is_first, table, ideographs, alphabetics, letters, prefixes, shingles)
        is_first = is_first and made == 0
        for i in range(made):
            shingle = mix(shingles[i])
            if shingle & part_mask != np.uint64(part):
                continue
            slot = (shingle >> np.uint64(32)) & mask
            while (stamps[slot] == holder or stamps[slot] == stamp) and keys[slot] != shingle:
                slot = (slot + np.uint64(1)) & mask
            if stamps[slot] == holder:
                shared += hits[slot] != stamp
                hits[slot] = stamp
            elif stamps[slot] != stamp:
                keys[slot] = shingle
                stamps[slot] = stamp
                alone += 1
    return shared, alone
