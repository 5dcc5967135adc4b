"""The words of one document: how many, how long, of what, and a hash and a length for each, from which n-grams are made.

Two word modes. `whitespace`: what `str.split` gives, as the published English rules count. `script`: every Han character, every
kana and every punctuation mark or symbol is a word of its own, and so is every other run between them and white space.

Trick: a 256-byte table sorts the bytes into plain, space, mark (a word of its own) and wide (must be decoded), so that ASCII
never reaches the decoder; a word's hash is a polynomial over its bytes, rolled in the same walk.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from liangji.kernels.characters import ALPHABETIC, IDEOGRAPHIC, PUNCTUATION, SPACE, decode
from liangji.kernels.local_hashes import WORD_FACTOR, mix

PLAIN_BYTE, SPACE_BYTE, MARK_BYTE, WIDE_BYTE = 0, 1, 2, 3
SPELLED, LETTERED = 1, 2  # a word with a character that is no punctuation; with an alphabetic one

# Places in the result of `split_words`.
WORDS, SPELLED_WORDS, SPELLED_CHARACTERS, LETTERED_WORDS, STOP_WORDS = range(5)


class WordTables(NamedTuple):
    """What `split_words` looks up, for one word mode and one list of stop words."""

    classes: NDArray[np.uint8]  # flags of each code point
    byte_kinds: NDArray[np.uint8]  # uint8[256]: plain, space, mark, wide
    byte_flags: NDArray[np.uint8]  # uint8[256]: spelled and lettered
    script: bool
    stop_hashes: NDArray[np.uint64]  # at most 64
    stop_tops: NDArray[np.uint8]  # uint8[256]: 1 where a stop hash has this top byte


def word_tables(classes: NDArray[np.uint8], script: bool, stop_words: tuple[str, ...]) -> WordTables:
    byte_kinds = np.full(256, WIDE_BYTE, np.uint8)
    byte_kinds[:128] = np.where(classes[:128] & SPACE, SPACE_BYTE, PLAIN_BYTE)
    if script:
        byte_kinds[:128] = np.where(classes[:128] & PUNCTUATION, MARK_BYTE, byte_kinds[:128])
    byte_flags = np.zeros(256, np.uint8)
    byte_flags[:128] = np.where(classes[:128] & PUNCTUATION, 0, SPELLED) | np.where(classes[:128] & ALPHABETIC, LETTERED, 0)
    if len(stop_words) > 64:
        raise ValueError("at most 64 stop words")
    no_hashes, no_tops = np.zeros(0, np.uint64), np.zeros(256, np.uint8)
    plain = WordTables(classes, byte_kinds, byte_flags, script, no_hashes, no_tops)
    stop_hashes = np.array([_hash_word(word, plain) for word in stop_words], np.uint64)
    stop_tops = np.zeros(256, np.uint8)
    stop_tops[(stop_hashes >> np.uint64(56)).astype(np.int64)] = 1
    return plain._replace(stop_hashes=stop_hashes, stop_tops=stop_tops)


def _hash_word(word: str, tables: WordTables) -> np.uint64:
    data = np.frombuffer(word.encode(), np.uint8)
    hashes, ends, counts = np.zeros(1, np.uint64), np.zeros(1, np.int32), np.zeros(5, np.int64)
    split_words(data, 0, data.size, tables, hashes, ends, counts)
    if counts[WORDS] != 1:
        raise ValueError(f"stop word {word!r} is {counts[WORDS]} words in this mode")
    return np.uint64(hashes[0])


@njit(nogil=True, cache=True)
def split_words(data: Any, start: Any, end: Any, tables: Any, hashes: Any, ends: Any, counts: Any) -> Any:
    """Walk over the words of data[start:end].

    Writes each word's hash, and the characters of all words up to its end, to `hashes` and `ends` as far as they reach. Gives
    the byte where the first word that found no place starts, or `end`.
    """
    classes, byte_kinds, byte_flags = tables.classes, tables.byte_kinds, tables.byte_flags
    script, stop_hashes, stop_tops = tables.script, tables.stop_hashes, tables.stop_tops
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
        kind = byte_kinds[data[at]]
        if kind == SPACE_BYTE:
            at += 1
            continue
        word = at
        length = 0
        hashed = np.uint64(0)
        flags = np.uint8(0)
        if kind == MARK_BYTE:
            hashed = np.uint64(data[at]) + np.uint64(1)
            flags = byte_flags[data[at]]
            length = 1
            at += 1
        elif kind == WIDE_BYTE:
            point, width = decode(data, at)
            class_ = classes[point]
            if class_ & SPACE:
                at += width
                continue
            if script and class_ & (IDEOGRAPHIC | PUNCTUATION):
                hashed = np.uint64(point) + np.uint64(1)
                flags = _flags(class_)
                length = 1
                at += width
        if length == 0:
            while at < end:
                byte = data[at]
                kind = byte_kinds[byte]
                if kind == PLAIN_BYTE:
                    hashed = hashed * WORD_FACTOR + (np.uint64(byte) + np.uint64(1))
                    flags |= byte_flags[byte]
                    at += 1
                elif kind == WIDE_BYTE:
                    point, width = decode(data, at)
                    class_ = classes[point]
                    if class_ & SPACE or (script and class_ & (IDEOGRAPHIC | PUNCTUATION)):
                        break
                    hashed = hashed * WORD_FACTOR + (np.uint64(point) + np.uint64(1))
                    flags |= _flags(class_)
                    at += width
                else:
                    break
                length += 1
        characters += length
        if words < room:
            hashes[words] = mix(hashed)
            ends[words] = characters
        elif words == room:
            overflow = word
        words += 1
        spelled += flags & SPELLED
        spelled_characters += length * (flags & SPELLED)
        lettered += flags >> 1
        hashed = mix(hashed)
        if stop_tops[hashed >> np.uint64(56)]:
            for i in range(stop_hashes.shape[0]):
                if stop_hashes[i] == hashed:
                    stops |= np.uint64(1) << np.uint64(i)
    counts[WORDS] = words
    counts[SPELLED_WORDS] = spelled
    counts[SPELLED_CHARACTERS] = spelled_characters
    counts[LETTERED_WORDS] = lettered
    found: Any = 0
    while stops:
        found += np.int64(stops & np.uint64(1))
        stops >>= np.uint64(1)
    counts[STOP_WORDS] = found
    return overflow


@njit(inline="always")
def _flags(class_: Any) -> Any:
    """Give the flags of a wide character."""
    return np.uint8((0 if class_ & PUNCTUATION else SPELLED) | (LETTERED if class_ & ALPHABETIC else 0))
