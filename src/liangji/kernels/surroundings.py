"""The stretches of texts around some of their windows, such that looking into a stretch finds what looking into its text would.

After a value has been replaced, only what stands around it can be seen otherwise than before. A stretch begins and ends at a calm
place: two characters without a class, or a word of small letters between spaces. There the scan of `kernels.candidates` has
forgotten all that stood before: no run of digits, no token, no word goes on, and no point or colon is near enough to count. So

- scanning from a calm place sees what scanning from the beginning of the text sees;
- behind the first calm place after a replaced value, nothing is seen otherwise than before it was replaced;
- before the last calm place in front of a replaced value (and of what is read ahead), nothing is either.

What is new can thus stand between those two only. The stretch goes on from both as far as a window reaches, to the next calm
place, and never cuts a window nor comes near one that it does not hold.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from liangji.kernels.buffers import TextBuffers
from liangji.kernels.candidates import Windows, character_classes

_READ_AHEAD = 64  # bytes: more than the scan reads ahead from the word that makes a place calm
_REACH = 512  # bytes: more than the scan opens a window before and behind what opens it (160 and 256 more at most)


class Stretches(NamedTuple):
    """One stretch a place, in order, without overlaps."""

    document: NDArray[np.int64]
    start: NDArray[np.int64]  # byte in `data`
    end: NDArray[np.int64]


def surroundings(texts: TextBuffers, windows: Windows, is_changed: NDArray[np.bool_], with_names: bool) -> Stretches:
    """Give the stretches that hold the changed windows; `texts` and `windows` are as before the change."""
    classes = character_classes(with_names)
    found = _surroundings(texts.data, texts.offsets, windows.document, windows.start, windows.end, is_changed, classes)
    return Stretches(*found)


@njit(nogil=True, cache=True)
def _surroundings(data: Any, offsets: Any, document: Any, start: Any, end: Any, is_changed: Any, classes: Any) -> Any:
    found = np.empty((3, len(start)), np.int64)
    count, window = 0, 0
    while window < len(start):
        if not is_changed[window]:
            window += 1
            continue
        row = document[window]
        low = _low(data, offsets[row], window, document, start, end, classes)
        high, window = _high(data, offsets[row + 1], window, document, start, end, classes)
        if count and found[0, count - 1] == row and low <= found[2, count - 1]:
            found[1, count - 1] = min(low, found[1, count - 1])
            found[2, count - 1] = max(high, found[2, count - 1])
        else:
            found[0, count], found[1, count], found[2, count] = row, low, high
            count += 1
    return found[0, :count].copy(), found[1, :count].copy(), found[2, :count].copy()


@njit(nogil=True, cache=True)
def _low(data: Any, first: Any, window: Any, document: Any, start: Any, end: Any, classes: Any) -> Any:
    while True:
        low = _calm_before(data, _calm_before(data, start[window] - _READ_AHEAD, first, classes) - _REACH, first, classes)
        if low == first or window == 0 or document[window - 1] != document[window] or end[window - 1] < low:
            return low
        window -= 1


@njit(nogil=True, cache=True)
def _high(data: Any, last: Any, window: Any, document: Any, start: Any, end: Any, classes: Any) -> Any:
    """Give the end of the stretch, and the first window behind it."""
    reached = end[window]
    while True:
        high = min(_calm_after(data, reached, last, classes) + _REACH, last)
        while high < last and (data[high] & 0xC0) == 0x80:
            high += 1
        high = _calm_after(data, high, last, classes)
        window += 1
        if window == len(start) or document[window] != document[window - 1] or start[window] > high:
            return high, window
        reached = max(reached, end[window])


@njit(nogil=True, cache=True)
def _calm_before(data: Any, at: Any, first: Any, classes: Any) -> Any:
    """Give the last place up to `at` where something calm begins, or the first byte of the text."""
    while at > first:
        if _calm_character(data, at, classes) and _calm_character(data, at + 3, classes):
            return at
        if data[at - 1] == 32 and _calm_word(data, at):
            return at
        at -= 1
    return first


@njit(nogil=True, cache=True)
def _calm_after(data: Any, at: Any, last: Any, classes: Any) -> Any:
    """Give the first place behind something calm that begins at `at` or later, or the end of the text."""
    while at + 32 < last:
        if _calm_character(data, at, classes) and _calm_character(data, at + 3, classes):
            return at + 6
        if data[at] == 32:
            letters = _calm_word(data, at + 1)
            if letters:
                return at + letters + 2
        at += 1
    return last


@njit(inline="always")
def _calm_character(data: Any, at: Any, classes: Any) -> Any:
    """Tell whether a character of three bytes without a class begins here."""
    byte = np.int64(data[at])
    if byte < 0xE0 or byte >= 0xF0:
        return False
    return classes[(byte & 0x0F) << 12 | (np.int64(data[at + 1]) & 0x3F) << 6 | (np.int64(data[at + 2]) & 0x3F)] == 0


@njit(inline="always")
def _calm_word(data: Any, at: Any) -> Any:
    """Count the letters of a word of 5 to 24 small letters with a space behind it; 0 where there is none."""
    letters = 0
    while letters <= 24 and 97 <= data[at + letters] <= 122:
        letters += 1
    return letters if 5 <= letters <= 24 and data[at + letters] == 32 else 0
