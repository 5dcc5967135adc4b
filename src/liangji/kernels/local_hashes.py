"""Hashes of byte ranges and words, and the open-addressing set that finds what repeats.

Nothing here is an identity that leaves the process: 64-bit hashes stand for lines and words inside one document only. Over the random
choice of the factors, two different ranges of a block collide with a probability of at most 2^-55, and so any two of a million with
2^-16 at most. The factors are fixed, so who knows them can make ranges that collide: counts may then be wrong, nothing else.

Layout: a range is data[start:end], its hash a uint64. A set is uint64[size], size a power of two, zero in an empty place.

The trick: each byte is multiplied by the factor of its position and the products are added, so that no byte waits for the one before
it and the compiler makes vector instructions of the loop; only once a block of `BLOCK_BYTES` the hash is mixed. In the set a hash
is its own key: it is looked for from the place that its bits name onwards (linear probing).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

GOLDEN_RATIO = np.uint64(0x9E3779B97F4A7C15)  # of 2^64, odd: spreads what it multiplies; Knuth, TAOCP vol. 3, section 6.4
WORD_FACTOR = GOLDEN_RATIO
MIX_FACTOR = np.uint64(0xD6E8FEB86659FD93)
BLOCK_BYTES = 4096

BYTE_FACTORS: NDArray[np.uint64] = np.random.default_rng(5).integers(0, 2**63, BLOCK_BYTES, np.uint64) | np.uint64(1)
"""Odd random factors, one for each byte position of a block."""


@njit(inline="always")
def mix(value: Any) -> Any:
    """Spread 64 bits with one product: cheaper than `shingles.mix`, whose two spread them evenly; enough for tables."""
    value ^= value >> np.uint64(32)
    value *= MIX_FACTOR
    value ^= value >> np.uint64(29)
    return value


@njit(nogil=True, cache=True)
def hash_range(data: Any, start: Any, end: Any, factors: Any) -> Any:
    """Hash data[start:end]: a sum of bytes times factors, block by block, which the compiler turns into vector instructions."""
    hashed = np.uint64(end - start)
    at = start
    while at < end:
        block = data[at : min(at + BLOCK_BYTES, end)]
        total = np.uint64(0)
        for i in range(block.shape[0]):
            total += np.uint64(block[i]) * factors[i]
        hashed = mix(hashed * WORD_FACTOR + total)
        at += block.shape[0]
    return hashed


@njit(inline="always")
def insert(keys: Any, mask: Any, key: Any) -> Any:
    """Put a hash in the set `keys` (zero is an empty place; `mask` is size - 1); say whether it was there."""
    if key == 0:
        key = np.uint64(1)
    place = np.int64(key >> np.uint64(20)) & mask
    while keys[place] != 0:
        if keys[place] == key:
            return True
        place = (place + 1) & mask
    keys[place] = key
    return False


@njit(nogil=True, cache=True)
def table_size(entries: Any) -> Any:
    """Give the power of two that keeps a set of so many entries at most half full."""
    size = 16
    while size < 2 * entries:
        size *= 2
    return size
