"""A copy of a text in which the many ways to write a digit, a letter, a dash or a space are one, with a way back.

All replacements are one character for one; characters without width are taken out, so `origin` maps each position back.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_DASHES = "‐‑‒–—―−－﹣─"
_DOTS = "•・‧∙⋅●"
_ZERO_WIDTH = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_NUMERALS = str.maketrans("〇○零一二三四五六七八九幺两壹贰叁肆伍陆柒捌玖貳參陸", "00012345678912123456789236")
NUMERAL = "〇○零一二三四五六七八九幺两壹贰叁肆伍陆柒捌玖貳參陸"
NUMERAL_RUN = re.compile(rf"(?=[\d \-.·]*[{NUMERAL}])[{NUMERAL}\d](?:[ \-.·]{{0,2}}[{NUMERAL}\d]){{6,}}")


class NormalisedText(NamedTuple):
    text: str
    origin: Sequence[int]  # position in the original of each character, and one more for the end

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Map a non-empty span back to the original."""
        return self.origin[start], self.origin[end - 1] + 1


def normalise(text: str) -> NormalisedText:
    r"""Write digits, letters, dashes, dots and spaces one way and drop characters without width.

    >>> normalise("１３８－００").text
    '138-00'
    >>> normalise("1\u200b38").span(1, 3)
    (2, 4)
    """
    if text.isascii():
        return NormalisedText(text, range(len(text) + 1))
    replaced = text.translate(_table())
    if not _ZERO_WIDTH.search(replaced):
        return NormalisedText(replaced, range(len(text) + 1))
    kept = [place for place, character in enumerate(replaced) if not _ZERO_WIDTH.match(character)]
    return NormalisedText("".join(replaced[place] for place in kept), [*kept, len(text)])


def with_numerals_as_digits(text: str) -> str:
    """Turn runs of at least seven Chinese numerals, written digit by digit, into digits; lengths stay.

    >>> with_numerals_as_digits("电话一三八零零一三八零零零，一共三个")
    '电话13800138000，一共三个'
    """
    return NUMERAL_RUN.sub(lambda run: run[0].translate(_NUMERALS), text)


@cache
def code_point_table(dropped: int) -> NDArray[np.int32]:
    """Give what `normalise` makes of each code point; `dropped` stands for a character without width."""
    table = np.arange(0x1FC00, dtype=np.int32)
    for code_point, replacement in _table().items():
        table[code_point] = ord(replacement)
    for found in _ZERO_WIDTH.finditer("".join(map(chr, table.tolist()))):
        table[found.start()] = dropped
    return table


@cache
def _table() -> dict[int, str]:
    table: dict[int, str] = {}
    for code_point in range(0x80, 0x1FC00):
        character = chr(code_point)
        digit = unicodedata.digit(character, None)
        if digit is not None:
            table[code_point] = str(digit)
        elif 0xFF01 <= code_point <= 0xFF5E:
            table[code_point] = chr(code_point - 0xFEE0)
        elif unicodedata.category(character) == "Zs":
            table[code_point] = " "
        elif 0x1D400 <= code_point <= 0x1D6A3:  # mathematical letters
            table[code_point] = unicodedata.normalize("NFKC", character)
    table.update(dict.fromkeys(map(ord, _DASHES), "-"))
    table.update(dict.fromkeys(map(ord, _DOTS), "·"))
    table.update({ord("×"): "X", ord("✕"): "X", ord("Х"): "X"})  # the check character X, also Cyrillic
    return {code_point: replacement for code_point, replacement in table.items() if len(replacement) == 1}
