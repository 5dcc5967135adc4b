"""Shares of a count: how sure they are."""

from __future__ import annotations

from math import sqrt

_95_PERCENT = 1.959964  # standard deviations


def wilson_interval(found: int, of: int) -> tuple[float, float]:
    """Give the 95 % interval of a share (Wilson 1927, JASA 22, 209-212), to six digits; from 0 to 1 where `of` is 0.

    >>> wilson_interval(39, 40)
    (0.871186, 0.995573)
    """
    if not of:
        return 0.0, 1.0
    share, squared = found / of, _95_PERCENT**2
    middle = share + squared / (2 * of)
    spread = _95_PERCENT * sqrt(share * (1 - share) / of + squared / (4 * of**2))
    low, high = (max(0.0, middle - spread), middle + spread)
    return round(low / (1 + squared / of), 6), round(high / (1 + squared / of), 6)
