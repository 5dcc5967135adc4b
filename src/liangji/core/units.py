"""Sizes, durations and shares as people write them."""

from __future__ import annotations

import math
import re

from liangji.core.errors import UsageError

_FACTORS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}


def parse_size(text: str) -> int:
    """Read a size in bytes: `512MB`, `8GB`, `1GiB`, `1000`.

    >>> parse_size("8GB"), parse_size("1.5 GiB")
    (8000000000, 1610612736)

    Raises: UsageError for anything else.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?\s*", text, re.IGNORECASE)
    if match is None:
        raise UsageError(f"'{text}' is not a size", "", "write it as 512MB, 8GB or 1GiB")
    return int(float(match[1]) * _FACTORS[(match[2] or "").lower()])


def format_size(size_bytes: float) -> str:
    """Write a size for people, in decimal units.

    >>> format_size(1_234_000)
    '1.2 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.1f} TB"


def format_duration(seconds: float) -> str:
    """Write a duration for people.

    >>> format_duration(3725)
    '1:02:05'
    """
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def format_percent(share: float, *, upwards: bool = False) -> str:
    """Write a share in percent, cut to one digit: all but one of a million is not 100 %. `upwards` is for the upper end of an interval.

    >>> format_percent(0.99999), format_percent(1), format_percent(0.9751, upwards=True)
    ('99.9', '100', '97.6')
    """
    tenths = round(share * 1000, 6)  # 0.29 * 100 is 28.999999999999996
    return f"{(math.ceil(tenths) if upwards else math.floor(tenths)) / 10:g}"
