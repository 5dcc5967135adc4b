"""What the text statistics know about characters: the published sets of marks, and a table for the census of a text.

Two tables, both uint8[0x110000], indexed by code point. `word_classes` gives the flags of `liangji.kernels.characters` (space,
alphabetic, punctuation, terminal, line break, ideographic) for one word mode. `census_kinds` gives each character exactly one
kind, so that a text is counted in one walk (`liangji.kernels.character_census`).
"""

from __future__ import annotations

import sys
import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

from liangji.kernels.characters import IDEOGRAPHIC_RANGES, LETTERS_END, classes

OTHER, HAN, RARE_HAN, DIGIT, MARK, DAMAGED, SUPPLEMENT, SPACING, DIVIDER, CLAUSE = range(10)
KINDS = 10

# Marks that stand between the entries of a menu; the middle dot is also what divides foreign names in Chinese.
_DIVIDERS = "|｜·•‧・›"

# Marks that end or divide a clause. Points and colons of ASCII are left out: they stand in numbers, times and addresses.
_CLAUSE_MARKS = "，。、；：！？…,;!?"

# Characters with the Unicode property Sentence_Terminal, as the reference implementation of the FineWeb filter (datatrove 0.10)
# lists them; hexadecimal code points and ranges.
_TERMINAL = """
21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 17D4-17D6 17D9-17DA 1803
1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2E2E 2E3C 2E53-2E54 3002
A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52 FE56-FE57 FF01 FF0E FF1F FF61
10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239
1123B-1123C 112A9 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C
11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44 16E98 1BC9F 1DA88
"""

# What the reference implementation of the Gopher filters holds to be no word when it stands alone: ASCII marks, the marks below,
# controls, and the terminal characters. (The full-width digit one is in its list; that is kept, so that decisions are equal.)
_PUBLISHED_MARKS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~«´»–—’“”„…∶━►、。〈〉《》「」【】！％（），．１：；？～"
_CONTROLS = "".join(map(chr, (*range(9), *range(11, 32), *range(127, 160))))


def _code_points(ranges: str) -> str:
    spans = [span.partition("-") for span in ranges.split()]
    return "".join(chr(point) for first, _, last in spans for point in range(int(first, 16), int(last or first, 16) + 1))


TERMINAL_MARKS = _code_points(_TERMINAL)
PUBLISHED_PUNCTUATION = _PUBLISHED_MARKS + _CONTROLS + TERMINAL_MARKS


@cache
def word_classes(script: bool) -> NDArray[np.uint8]:
    """Give the class table of a word mode: punctuation is the published set, or, for `script`, all Unicode marks and symbols."""
    return classes(_unicode_marks() if script else PUBLISHED_PUNCTUATION, TERMINAL_MARKS)


@cache
def census_kinds() -> NDArray[np.uint8]:
    """Build the table of kinds.

    Rare Han is outside the first levels of both GB 2312 (3,755 characters) and Big5 (5,401): UTF-8 read as GBK is full of it.
    Damaged are U+FFFD, controls that are no white space, private use and noncharacters. Supplement is U+0080 to U+00FF
    without no-break space and controls: Chinese read as Latin-1 consists of it. Dividers and
    clause marks are marks as well.
    """
    kinds = np.zeros(sys.maxunicode + 1, np.uint8)
    common = frozenset(_level("gb2312", range(0xB0, 0xD8)) + _level("big5", range(0xA4, 0xC7)))
    for first, last in IDEOGRAPHIC_RANGES:
        if first == 0x3040:
            continue  # kana
        for point in range(first, last + 1):
            kinds[point] = HAN if chr(point) in common else RARE_HAN
    for point in range(LETTERS_END):
        if kinds[point]:
            continue
        character = chr(point)
        category = unicodedata.category(character)
        if character.isspace():
            kinds[point] = SPACING
        elif character in _DIVIDERS:
            kinds[point] = DIVIDER
        elif character in _CLAUSE_MARKS:
            kinds[point] = CLAUSE
        elif 0xA0 < point <= 0xFF:
            kinds[point] = SUPPLEMENT
        elif category == "Nd":
            kinds[point] = DIGIT
        elif category in ("Co", "Cc"):
            kinds[point] = DAMAGED
        elif category[0] in "PS":
            kinds[point] = MARK
    kinds[0xFFFD] = DAMAGED
    kinds[0xF0000:] = DAMAGED  # planes of private use
    for plane in range(17):  # noncharacters; two of them stand among the extensions of Han
        last_two = kinds[plane << 16 | 0xFFFE : (plane + 1) << 16]
        last_two[last_two == OTHER] = DAMAGED
    kinds.setflags(write=False)
    return kinds


def _unicode_marks() -> str:
    return "".join(character for character in map(chr, range(LETTERS_END)) if unicodedata.category(character)[0] in "PS")


def _level(codec: str, leads: range) -> str:
    """Decode all two-byte characters of a codec with these lead bytes."""
    pairs = (bytes((lead, trail)) for lead in leads for trail in range(0x40, 0xFF))
    return "".join(pair.decode(codec, "ignore") for pair in pairs)
