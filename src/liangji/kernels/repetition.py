"""How much of a document its repeated n-grams of words take (Gopher repetition, Rae et al. 2021, table A1), n from 2 to 10.

For n = 2, 3, 4: the characters of the most frequent n-gram, times its count (the first of several equally frequent ones). For
n = 5 to 10: the characters of n-grams seen before, walking from the start and jumping over each one found.

Layout: a word is known by its hash, an n-gram by the position of its first word, and equal n-grams by their leader, the first
position of them. `open` lists the positions whose n-gram may repeat, ascending; the other arrays are indexed by position.

Tricks. An n-gram can repeat only where both (n-1)-grams inside it repeat, so that ever fewer positions stay open. And where the
(n-1)-gram at a position has a leader, the n-gram mostly has the same one, which a look at the last word of both tells; a hash
table is asked only where these differ. Among the 2-grams most stand alone: an array of small counters, which lets a few of these
through, keeps them from the table. The result is exact but for equal hashes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from liangji.kernels.local_hashes import WORD_FACTOR, mix, table_size

SHORTEST, LONGEST, LONGEST_TOP = 2, 10, 4
_ONE = np.uint64(1)  # positions are unsigned: numba asks of a signed one, at each access, whether it counts from the end


@njit(nogil=True, cache=True)
def measure_repetition(hashes: Any, ends: Any, words: Any, separators: Any, counts: Any) -> None:
    """Write the repeated characters of n-grams to counts[n - 2].

    `hashes` (random in all their bits), `ends`: of the first `words` words; `separators`: 1 where a space between words counts as a character (top
    n-grams only, as the reference implementation joins them), else 0.
    """
    if words < SHORTEST:
        return
    open_ = np.empty(words, np.uint32)
    apart = np.empty(words, np.uint32)  # open positions whose n-gram is not that of the leader of their (n-1)-gram
    leaders = np.empty(words, np.uint32)
    times = np.empty(words, np.uint32)  # how often the n-gram of a leader occurs
    repeats = np.zeros(words + 1, np.uint8)  # greatest n for which the n-gram at a position is known to repeat
    table = np.empty(table_size(words), np.uint64), np.empty(table_size(words), np.uint32)
    still_open: Any = 0
    for n in range(SHORTEST, min(LONGEST, words) + 1):
        if n == SHORTEST:
            still_open = _open_pairs(hashes, words, table[0].view(np.uint8), open_, apart, times)
            _lead(hashes, hashes, n, apart[:still_open], leaders, times, table)
        else:
            still_open, parted = _open_longer(hashes, words, n, open_[:still_open], apart, leaders, times, repeats)
            _lead(hashes, leaders, n, apart[:parted], leaders, times, table)
        still_open, most, top = _close_single(open_[:still_open], n, leaders, times, repeats)
        if n <= LONGEST_TOP:
            counts[n - 2] = most * (_span(ends, top, n) + separators * (n - 1))
        else:
            counts[n - 2] = _repeated_characters(open_[:still_open], n, leaders, times, ends)
        if still_open == 0:
            for longer in range(n + 1, min(LONGEST_TOP, words) + 1):  # each n-gram once: the first is the top one
                counts[longer - 2] = _span(ends, np.uint64(0), longer) + separators * (longer - 1)
            return


@njit(nogil=True, cache=True)
def _open_pairs(hashes: Any, words: Any, counters: Any, open_: Any, apart: Any, times: Any) -> Any:
    """Open the positions of all 2-grams but those whose counter no other one shares; all of them are apart. Count them."""
    size = table_size(2 * words)
    counters[:size] = 0
    mask = np.uint64(size - 1)
    for at in range(words - 1):
        place = _key(hashes[at], hashes[at + 1]) & mask
        counters[place] += counters[place] < 2
    opened: Any = 0
    for at in range(words - 1):
        place = _key(hashes[at], hashes[at + 1]) & mask
        open_[opened] = at
        apart[opened] = at
        times[at] = 0
        opened += np.int64(counters[place] == 2)  # no branch: it would fall at random
    return opened


@njit(nogil=True, cache=True)
def _open_longer(hashes: Any, words: Any, n: Any, open_: Any, apart: Any, leaders: Any, times: Any, repeats: Any) -> Any:
    """Keep open what can repeat, count what follows its leader, and list what parts from it; how many are open, and apart."""
    before, reach, last = np.uint8(n - 1), np.uint64(n - 1), np.uint64(words - 1)
    opened: Any = 0
    parted: Any = 0
    for i in range(open_.shape[0]):
        at = np.uint64(open_[i])
        leader = np.uint64(leaders[at])
        can_repeat = repeats[at + _ONE] == before  # never beyond the last n-gram: `repeats` ends in zero
        follows = hashes[min(at + reach, last)] == hashes[min(leader + reach, last)]
        times[at] = 0
        times[leader] += np.uint32(can_repeat & follows)
        open_[opened] = at
        apart[parted] = at
        opened += np.int64(can_repeat)
        parted += np.int64(can_repeat & (not follows))
    return opened, parted


@njit(nogil=True, cache=True)
def _lead(hashes: Any, beginnings: Any, n: Any, apart: Any, leaders: Any, times: Any, table: Any) -> None:
    """Find the leaders of n-grams by what stands for the first n - 1 words, and the last word; count the n-grams."""
    keys, firsts = table
    size = table_size(apart.shape[0])
    keys[:size] = 0
    mask = np.uint64(size - 1)
    reach = np.uint64(n - 1)
    for i in range(apart.shape[0]):
        at = np.uint64(apart[i])
        key = _key(np.uint64(beginnings[at]), hashes[at + reach])
        place = key & mask
        held = keys[place]
        while (held != 0) & (held != key):
            place = (place + _ONE) & mask
            held = keys[place]
        leader = np.uint32(at) if held == 0 else firsts[place]
        keys[place] = key
        firsts[place] = leader
        leaders[at] = leader
        times[np.uint64(leader)] += np.uint32(1)


@njit(inline="always")
def _key(beginning: Any, word: Any) -> Any:
    """Hash an n-gram, never to zero, which marks an empty place; the low bits are as good as any."""
    return (mix(beginning * WORD_FACTOR + word) >> _ONE) + _ONE


@njit(nogil=True, cache=True)
def _close_single(open_: Any, n: Any, leaders: Any, times: Any, repeats: Any) -> Any:
    """Keep open what repeats: how many, the count of the most frequent n-gram, and where it stands first."""
    now = np.uint8(n)
    most, top = np.uint32(1), np.uint64(0)
    opened: Any = 0
    for i in range(open_.shape[0]):
        at = np.uint64(open_[i])
        count = times[np.uint64(leaders[at])]
        if count > most:
            most, top = count, at
        repeats[at] = now if count > 1 else np.uint8(0)
        open_[opened] = at
        opened += np.int64(count > 1)
    return opened, np.int64(most), top


@njit(nogil=True, cache=True)
def _repeated_characters(open_: Any, n: Any, leaders: Any, times: Any, ends: Any) -> Any:
    """Count the characters of n-grams seen before; a count of zero marks those seen."""
    characters = np.int64(0)
    free = np.uint64(0)
    for i in range(open_.shape[0]):
        at = np.uint64(open_[i])
        if at < free:
            continue
        leader = np.uint64(leaders[at])
        if times[leader] == 0:
            characters += _span(ends, at, n)
            free = at + np.uint64(n)
        times[leader] = np.uint32(0)
    return characters


@njit(inline="always")
def _span(ends: Any, at: Any, n: Any) -> Any:
    """Count the characters of the n words from `at` on."""
    return np.int64(ends[at + np.uint64(n - 1)]) - (np.int64(ends[at - _ONE]) if at > 0 else np.int64(0))
