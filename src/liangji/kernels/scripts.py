"""Which script each character belongs to; `script_counts` counts them.

Only letters count: digits, punctuation, signs and white space are in no script. Han characters are told apart further: those
that only simplified Chinese writes, those that only traditional Chinese writes, and all others. Which they are is taken from
OpenCC's own tables, so that what is counted as traditional is just what the conversion would change.

Layout: `script_table` is uint8[0x110000], indexed by code point: the number of a `Script`.
"""

from __future__ import annotations

import sys
from enum import IntEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray


class Script(IntEnum):
    """Value of a character in the table, and position of each script in a row of counts."""

    NONE = 0
    LATIN = 1
    HAN = 2  # written alike in simplified and traditional Chinese
    HAN_SIMPLIFIED = 3
    HAN_TRADITIONAL = 4
    KANA = 5
    HANGUL = 6
    CYRILLIC = 7
    GREEK = 8
    ARABIC = 9
    HEBREW = 10
    DEVANAGARI = 11
    BENGALI = 12
    GURMUKHI = 13
    GUJARATI = 14
    ORIYA = 15
    TAMIL = 16
    TELUGU = 17
    KANNADA = 18
    MALAYALAM = 19
    SINHALA = 20
    THAI = 21
    LAO = 22
    TIBETAN = 23
    MYANMAR = 24
    GEORGIAN = 25
    ARMENIAN = 26
    ETHIOPIC = 27
    KHMER = 28
    MONGOLIAN = 29
    YI = 30


# Blocks of the Unicode Character Database, Blocks.txt.
_BLOCKS: tuple[tuple[int, int, Script], ...] = (
    (0x0041, 0x024F, Script.LATIN),
    (0x1E00, 0x1EFF, Script.LATIN),
    (0x2C60, 0x2C7F, Script.LATIN),
    (0xA720, 0xA7FF, Script.LATIN),
    (0xFB00, 0xFB06, Script.LATIN),
    (0xFF21, 0xFF5A, Script.LATIN),
    (0x0370, 0x03FF, Script.GREEK),
    (0x1F00, 0x1FFF, Script.GREEK),
    (0x0400, 0x052F, Script.CYRILLIC),
    (0x1C80, 0x1C8F, Script.CYRILLIC),
    (0xA640, 0xA69F, Script.CYRILLIC),
    (0x0530, 0x058F, Script.ARMENIAN),
    (0x0590, 0x05FF, Script.HEBREW),
    (0x0600, 0x06FF, Script.ARABIC),
    (0x0750, 0x077F, Script.ARABIC),
    (0x08A0, 0x08FF, Script.ARABIC),
    (0xFB50, 0xFDFF, Script.ARABIC),
    (0xFE70, 0xFEFE, Script.ARABIC),
    (0x0900, 0x097F, Script.DEVANAGARI),
    (0x0980, 0x09FF, Script.BENGALI),
    (0x0A00, 0x0A7F, Script.GURMUKHI),
    (0x0A80, 0x0AFF, Script.GUJARATI),
    (0x0B00, 0x0B7F, Script.ORIYA),
    (0x0B80, 0x0BFF, Script.TAMIL),
    (0x0C00, 0x0C7F, Script.TELUGU),
    (0x0C80, 0x0CFF, Script.KANNADA),
    (0x0D00, 0x0D7F, Script.MALAYALAM),
    (0x0D80, 0x0DFF, Script.SINHALA),
    (0x0E00, 0x0E7F, Script.THAI),
    (0x0E80, 0x0EFF, Script.LAO),
    (0x0F00, 0x0FFF, Script.TIBETAN),
    (0x1000, 0x109F, Script.MYANMAR),
    (0x10A0, 0x10FF, Script.GEORGIAN),
    (0x1200, 0x137F, Script.ETHIOPIC),
    (0x1780, 0x17FF, Script.KHMER),
    (0x1800, 0x18AF, Script.MONGOLIAN),
    (0xA000, 0xA4CF, Script.YI),
    (0x1100, 0x11FF, Script.HANGUL),
    (0x3130, 0x318F, Script.HANGUL),
    (0xAC00, 0xD7AF, Script.HANGUL),
    (0x3041, 0x30FF, Script.KANA),
    (0x31F0, 0x31FF, Script.KANA),
    (0xFF66, 0xFF9D, Script.KANA),
    (0x3005, 0x3007, Script.HAN),
    (0x3400, 0x4DBF, Script.HAN),
    (0x4E00, 0x9FFF, Script.HAN),
    (0xF900, 0xFAFF, Script.HAN),
    (0x20000, 0x323AF, Script.HAN),
)
_PROLONGED_SOUND_MARK = 0x30FC  # a letter of kana by its category, yet written between Han characters as a dash


@cache
def script_table() -> NDArray[np.uint8]:
    """Give the script of every code point, as uint8[0x110000]; built once a process."""
    import opencc  # noqa: PLC0415 - loads dictionaries: only where scripts are asked for

    table = np.zeros(sys.maxunicode + 1, np.uint8)
    for first, last, script in _BLOCKS:
        if script is Script.HAN:
            table[first : last + 1] = script  # characters newer than this Python are letters too
            continue
        for code_point in range(first, last + 1):
            if chr(code_point).isalpha():
                table[code_point] = script
    table[_PROLONGED_SOUND_MARK] = Script.NONE
    han = [chr(code_point) for code_point in np.flatnonzero(table == Script.HAN)]
    lines = "\n".join(han)
    for variant, script in (("s2t", Script.HAN_SIMPLIFIED), ("t2s", Script.HAN_TRADITIONAL)):
        converted = opencc.OpenCC(variant).convert(lines).split("\n")
        for before, after in zip(han, converted, strict=True):
            if before != after:
                table[ord(before)] = script
    table.setflags(write=False)
    return table
