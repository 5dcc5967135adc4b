"""How much of a document its repeated n-grams of words take (Gopher repetition, Rae et al. 2021, table A1), n from 2 to 10.

For n = 2, 3, 4: the characters of the most frequent n-gram, times its count (the first of several equally frequent ones). For
n = 5 to 10: the characters of n-grams seen before, walking from the start and jumping over each one found.

Trick: an n-gram can repeat only where both (n-1)-grams inside it repeat. So the 2-grams are hashed once, and each further n
looks only at the positions that survived: about two table look-ups a word for all nine n together, and the result is exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from liangji.kernels.local_hashes import MIX_FACTOR, WORD_FACTOR, insert, table_size

SHORTEST, LONGEST, LONGEST_TOP = 2, 10, 4


@njit(nogil=True, cache=True)
def measure_repetition(hashes: Any, ends: Any, words: Any, separators: Any, counts: Any) -> None:
    """Write the repeated characters of n-grams to counts[n - 2].

    `hashes`, `ends`: of the first `words` words; `separators`: 1 where a space between words counts as a character (top
    n-grams only, as the reference implementation joins them), else 0.
    """
    grams = np.empty(words, np.uint64)  # hash of the n-gram at each position that is still looked at
    positions = np.empty(words, np.int32)  # those positions, ascending
    places = np.empty(words, np.int32)  # where each stands in the table
    repeats = np.full(words + 1, 1, np.uint8)  # greatest n for which the n-gram at a position is known to repeat
    keys = np.empty(table_size(words), np.uint64)
    seen = np.empty(keys.shape[0], np.int32)
    repeats[words] = 0
    alive: Any = words
    for i in range(words):
        grams[i] = hashes[i]
        positions[i] = i
    for n in range(SHORTEST, LONGEST + 1):
        last = words - n
        if last < 0:
            return
        kept: Any = 0
        for i in range(alive):  # no branch: about every second position falls, at random
            at = positions[i]
            tail = min(at + n - 1, words - 1)
            grams[at] = (grams[at] ^ (grams[at] >> np.uint64(31))) * WORD_FACTOR + hashes[tail]
            positions[kept] = at
            kept += np.int64(at <= last) & np.int64(repeats[at + 1] == n - 1)
        alive = kept
        mask = table_size(alive) - 1
        keys[: mask + 1] = 0
        seen[: mask + 1] = 0
        for i in range(alive):
            key = grams[positions[i]]
            key ^= key >> np.uint64(32)
            key = (key * MIX_FACTOR) | np.uint64(1)
            place = np.int64(key >> np.uint64(38)) & mask
            while keys[place] != 0 and keys[place] != key:
                place = (place + 1) & mask
            keys[place] = key
            seen[place] += 1
            places[i] = place
        most, top = 1, 0
        kept = 0
        for i in range(alive):
            at = positions[i]
            times = seen[places[i]]
            if times > most:
                most, top = times, at
            repeats[at] = n if times > 1 else 0
            positions[kept] = at
            kept += np.int64(times > 1)
        alive = kept
        if n <= LONGEST_TOP:
            counts[n - 2] = most * (_span(ends, top, n) + separators * (n - 1))
        elif alive > 0:
            counts[n - 2] = _repeated_characters(grams, positions, alive, ends, n, keys)
        if alive == 0:
            for longer in range(n + 1, min(LONGEST_TOP, words) + 1):  # each n-gram once: the first is the top one
                counts[longer - 2] = _span(ends, 0, longer) + separators * (longer - 1)
            return


@njit(inline="always")
def _span(ends: Any, at: Any, n: Any) -> Any:
    """Count the characters of the n words from `at` on."""
    return np.int64(ends[at + n - 1]) - (np.int64(ends[at - 1]) if at > 0 else np.int64(0))


@njit(nogil=True, cache=True)
def _repeated_characters(grams: Any, positions: Any, alive: Any, ends: Any, n: Any, keys: Any) -> Any:
    mask = table_size(alive) - 1
    keys[: mask + 1] = 0
    characters = np.int64(0)
    free = 0
    for i in range(alive):
        at = positions[i]
        if at < free:
            continue
        if insert(keys, mask, grams[at]):
            characters += _span(ends, at, n)
            free = at + n
    return characters
