"""Eight bytes of text at a time, as one 64-bit number: the first byte is the lowest.

Trick: "SIMD within a register". A mark is the highest bit of each byte that meets a condition; conditions are sums that never carry
from one byte into the next, because the highest bit of each is cleared before. `mark_from` alone looks at seven bits of each
byte, and is right for ASCII only; the others tell ASCII from the rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from liangji.kernels.characters import ONE, THREE, TWO

_EACH = 0x0101010101010101
MARKS = np.uint64(_EACH * 0x80)
_LOW_BITS, _CASE, _SPACES = np.uint64(_EACH * 0x7F), np.uint64(_EACH * 0x20), np.uint64(_EACH * 0x20)


@njit(inline="always")
def load(data: Any, at: Any, end: Any) -> Any:
    """Read eight bytes from `at` on, which stands before `end`; spaces stand for those from `end` on."""
    if at + 8 <= end:
        return _load_all(data, at)
    if end >= 8:  # the last eight bytes, some of which stand before `at`
        missing = np.uint64(8 * (at + 8 - end))
        return (_load_all(data, end - 8) >> missing) | (_SPACES << (np.uint64(64) - missing))
    return _load_few(data, at, end)


@njit(inline="always")
def _load_all(data: Any, at: Any) -> Any:
    """Compose eight bytes; the compiler makes one read of it."""
    first = np.uint64(at)
    return (
        np.uint64(data[first])
        | (np.uint64(data[first + ONE]) << np.uint64(8))
        | (np.uint64(data[first + TWO]) << np.uint64(16))
        | (np.uint64(data[first + THREE]) << np.uint64(24))
        | (np.uint64(data[first + np.uint64(4)]) << np.uint64(32))
        | (np.uint64(data[first + np.uint64(5)]) << np.uint64(40))
        | (np.uint64(data[first + np.uint64(6)]) << np.uint64(48))
        | (np.uint64(data[first + np.uint64(7)]) << np.uint64(56))
    )


@njit(nogil=True, cache=True)
def _load_few(data: Any, at: Any, end: Any) -> Any:
    eight = _SPACES
    for place in range(end - 1, at - 1, -1):
        eight = (eight << np.uint64(8)) | np.uint64(data[place])
    return eight


@njit(inline="always")
def low_bits(eight: Any) -> Any:
    return eight & _LOW_BITS


@njit(inline="always")
def mark_from(low: Any, byte: Any) -> Any:
    """Mark the bytes of `low` that are `byte` or more."""
    return (low + np.uint64(0x80 - byte) * np.uint64(_EACH)) & MARKS


@njit(inline="always")
def mark_equal(eight: Any, byte: Any) -> Any:
    """Mark the bytes that are `byte`, one of ASCII."""
    return ~mark_from(low_bits(eight) ^ np.uint64(byte * _EACH), 1) & ~eight & MARKS


@njit(inline="always")
def mark_letters(eight: Any) -> Any:
    """Mark A to Z and a to z."""
    low = low_bits(eight) | _CASE
    return mark_from(low, 0x61) & ~mark_from(low, 0x7B) & ~eight


@njit(inline="always")
def mark_digits(eight: Any) -> Any:
    low = low_bits(eight)
    return mark_from(low, 0x30) & ~mark_from(low, 0x3A) & ~eight


@njit(inline="always")
def before_first(marks: Any) -> Any:
    """Give all bits of the bytes before the first one that is marked; of all eight, where none is."""
    lowest = marks & (~marks + ONE)
    return (lowest >> np.uint64(7)) - ONE


@njit(inline="always")
def count_bytes(bits: Any) -> Any:
    """Count the bytes of `before_first`."""
    return np.int64(((bits & np.uint64(_EACH)) * np.uint64(_EACH)) >> np.uint64(56))
