"""The words of one document: how many, how long, of what, and a hash and a length for each, from which n-grams are made.

Two word modes. `whitespace`: what `str.split` gives, as the published English rules count. `script`: every Han character, every
kana and every punctuation mark or symbol is a word of its own, and so is every other run between them and white space.

Layout: a document is data[start:end]; word i is `hashes[i]`, uint64, and `ends[i]`, int32, the characters (not bytes; white space left
out) of all words up to its end. The counts are int64[5], places below.

Trick: plain bytes, of which most words consist (letters and digits of ASCII; between white space its marks too), are taken eight
at a time, to be counted and hashed. What stops them is looked up: a 256-byte table sorts the bytes into plain, space, mark (a word
of its own), wide (must be decoded) and other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from liangji.kernels.characters import ALPHABETIC, IDEOGRAPHIC, PUNCTUATION, SPACE, decode
from liangji.kernels.eight_bytes import MARKS, before_first, count_bytes, load, low_bits, mark_digits, mark_from, mark_letters
from liangji.kernels.local_hashes import WORD_FACTOR, mix

PLAIN_BYTE, SPACE_BYTE, MARK_BYTE, WIDE_BYTE, OTHER_BYTE = range(5)
_STOP_PLACES, _STOP_SHIFT = 1 << 12, np.uint64(64 - 12)
SPELLED, LETTERED = 1, 2  # flags of a word: one with a character that is no punctuation; with an alphabetic one

# Places in the result of `split_words`.
WORDS, SPELLED_WORDS, SPELLED_CHARACTERS, LETTERED_WORDS, STOP_WORDS = range(5)


class WordTables(NamedTuple):
    """What `split_words` looks up, for one word mode and one list of stop words."""

    classes: NDArray[np.uint8]  # flags of each code point
    byte_kinds: NDArray[np.uint8]  # uint8[256]: plain, space, mark, wide, other
    byte_flags: NDArray[np.uint8]  # uint8[256]: spelled and lettered
    script: bool
    stop_hashes: NDArray[np.uint64]  # at most 64, ascending
    stop_numbers: NDArray[np.uint8]  # uint8[4096]: the first stop hash, ascending, with these top 12 bits; else how many there are


def word_tables(classes: NDArray[np.uint8], script: bool, stop_words: tuple[str, ...]) -> WordTables:
    """Make the tables of one word mode. Raises ValueError for a stop word that is not one word in it, or for more than 64."""
    ascii_ = classes[:128]
    is_plain = np.array([chr(byte).isalnum() if script else byte > 0x20 for byte in range(128)])  # as `split_words` takes them
    byte_kinds = np.full(256, WIDE_BYTE, np.uint8)
    byte_kinds[:128] = np.where(is_plain, PLAIN_BYTE, OTHER_BYTE)
    byte_kinds[:128][(ascii_ & SPACE) != 0] = SPACE_BYTE
    if script:
        byte_kinds[:128][(ascii_ & PUNCTUATION) != 0] = MARK_BYTE
    byte_flags = np.zeros(256, np.uint8)
    byte_flags[:128] = np.where(ascii_ & PUNCTUATION, 0, SPELLED) | np.where(ascii_ & ALPHABETIC, LETTERED, 0)
    plain = WordTables(classes, byte_kinds, byte_flags, script, np.zeros(0, np.uint64), np.zeros(_STOP_PLACES, np.uint8))
    return with_stop_hashes(plain, [_hash_word(word, plain) for word in stop_words])


def with_stop_hashes(tables: WordTables, hashes: Sequence[np.uint64]) -> WordTables:
    """Put the hashes of the stop words into tables."""
    if len(hashes) > 64:
        raise ValueError("at most 64 stop words")
    stop_hashes = np.sort(np.array(hashes, np.uint64))
    tops = (stop_hashes >> _STOP_SHIFT).astype(np.int64)
    stop_numbers = np.full(_STOP_PLACES, stop_hashes.size, np.uint8)
    stop_numbers[tops[::-1]] = np.arange(stop_hashes.size)[::-1]
    return tables._replace(stop_hashes=stop_hashes, stop_numbers=stop_numbers)


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

    What is hashed at once hangs on the word alone, not on where it stands: eight plain bytes, or those before something else, or one
    other character, its bits inverted so that it is never what plain bytes give.
    """
    classes, byte_kinds, byte_flags, script = tables.classes, tables.byte_kinds, tables.byte_flags, tables.script
    stop_hashes, stop_numbers = tables.stop_hashes, tables.stop_numbers
    words: Any = 0
    spelled_words: Any = 0
    spelled_characters: Any = 0
    lettered_words: Any = 0
    stops = np.uint64(0)
    characters: Any = 0
    overflow = end
    room = hashes.shape[0]
    at = start
    while at < end:
        word = at
        length: Any = 0
        hashed = np.uint64(0)
        flags = np.uint8(0)
        while at < end:
            byte = data[np.uint64(at)]
            kind = byte_kinds[byte]
            if kind == PLAIN_BYTE:
                eight = load(data, at, end)
                letters = mark_letters(eight)
                spelled = letters | mark_digits(eight)
                run = before_first((spelled if script else mark_from(low_bits(eight), 0x21) & ~eight) ^ MARKS)
                hashed = roll(hashed, eight & run)
                flags |= np.uint8(SPELLED * ((spelled & run) != 0)) | np.uint8(LETTERED * ((letters & run) != 0))
                count = count_bytes(run)
                length += count
                at += count
            elif kind == SPACE_BYTE:
                if length == 0:
                    word += 1
                    at += 1
                    continue
                break
            elif kind == WIDE_BYTE:
                point, width = decode(data, at)
                class_ = classes[point]
                if class_ & SPACE:
                    if length == 0:
                        word += width
                        at += width
                        continue
                    break
                is_word = script and class_ & (IDEOGRAPHIC | PUNCTUATION) != 0
                if is_word and length > 0:
                    break
                hashed = roll(hashed, ~np.uint64(point))
                flags |= wide_flags(class_)
                length += 1
                at += width
                if is_word:
                    break
            else:
                if kind == MARK_BYTE and length > 0:
                    break
                hashed = roll(hashed, ~np.uint64(byte))
                flags |= byte_flags[byte]
                length += 1
                at += 1
                if kind == MARK_BYTE:
                    break
        if length == 0:
            break
        characters += length
        hashed = mix(hashed)
        if words < room:
            hashes[words] = hashed
            ends[words] = characters
        elif words == room:
            overflow = word
        words += 1
        spelled_words += flags & SPELLED
        spelled_characters += length * (flags & SPELLED)
        lettered_words += flags >> 1
        stops |= stop_bit(hashed, stop_hashes, stop_numbers)
    counts[WORDS] = words
    counts[SPELLED_WORDS] = spelled_words
    counts[SPELLED_CHARACTERS] = spelled_characters
    counts[LETTERED_WORDS] = lettered_words
    counts[STOP_WORDS] = count_bits(stops)
    return overflow


@njit(inline="always")
def stop_bit(hashed: Any, stop_hashes: Any, stop_numbers: Any) -> Any:
    """Give the bit of the stop word with this hash; 0 where there is none."""
    bit = np.uint64(0)
    for number in range(np.int64(stop_numbers[hashed >> _STOP_SHIFT]), stop_hashes.shape[0]):
        if stop_hashes[number] == hashed:
            bit = np.uint64(1) << np.uint64(number)
            break
    return bit


@njit(nogil=True, cache=True)
def count_bits(bits: Any) -> Any:
    count: Any = 0
    while bits:
        count += np.int64(bits & np.uint64(1))
        bits >>= np.uint64(1)
    return count


@njit(inline="always")
def roll(hashed: Any, part: Any) -> Any:
    """Take one more part of a word into its hash."""
    hashed = (hashed ^ part) * WORD_FACTOR
    return hashed ^ (hashed >> np.uint64(32))


@njit(inline="always")
def wide_flags(class_: Any) -> Any:
    """Give the flags of a wide character."""
    return np.uint8((0 if class_ & PUNCTUATION else SPELLED) | (LETTERED if class_ & ALPHABETIC else 0))
