"""Signs of normalisation against regular expressions and sets of characters."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liangji.kernels import text_signs as signs
from liangji.kernels.buffers import text_buffers
from liangji.kernels.text_signs import character_signs, text_signs

RANGES = {
    signs.LINE_END: ((0x0B, 0x0D), (0x85, 0x85), (0x2028, 0x2029)),
    signs.INVISIBLE: ((0, 8), (0x7F, 0x84), (0x200B, 0x200F), (0x1FFFE, 0x1FFFF), (0xF0000, 0x10FFFF)),
    signs.CJK: ((0x3041, 0x30FF), (0x4E00, 0x9FFF), (0x20000, 0x323AF)),
    signs.CHINESE_PUNCTUATION: ((0xFF0C, 0xFF0C), (0xFF1A, 0xFF1B)),
    signs.COMPATIBILITY: ((0x2460, 0x24FF), (0x3040, 0x3050)),  # some characters have two signs
}
TABLE = character_signs(RANGES)

PIECES = st.one_of(
    st.sampled_from(
        [" ", "  ", "\t", "\n", "\n\n", "\r", "\x7f", "，", "；", "汉", "plain words ", "another ", "x", "𠀀", "\U0001ffff", "é"]
    ),
    st.characters(exclude_categories=["Cs"]),
)
TEXTS = st.lists(PIECES, max_size=30).map("".join)


def reference(text: str, most_newlines: int) -> int:
    found = 0
    for sign, ranges in RANGES.items():
        if any(first <= ord(character) <= last for character in text for first, last in ranges):
            found |= sign
    for line in text.split("\n"):
        has_cjk, has_punctuation = (
            any(first <= ord(character) <= last for character in line for first, last in RANGES[sign])
            for sign in (signs.CJK, signs.CHINESE_PUNCTUATION)
        )
        if has_punctuation and not has_cjk:
            found |= signs.LATIN_LINE
    patterns = {
        signs.TRAILING_SPACE: r"[ \t](\n|\Z)",
        signs.SPACE_RUN: r"[^ \t\n] {2,}",
        signs.NEWLINE_RUN: rf"\n{{{most_newlines + 1}}}",
        signs.EDGE_NEWLINE: r"\A\n|\n\Z",
    }
    for sign, pattern in patterns.items():
        if re.search(pattern, text):
            found |= sign
    return found


@settings(max_examples=500, deadline=None)
@given(texts=st.lists(st.none() | TEXTS, max_size=5), cut=st.integers(0, 5), most=st.integers(1, 3), is_large=st.booleans())
@example(texts=["seven 7  8", "eight 88  9", "nine 999  ", "1234567 ", "12345678 \n"], cut=0, most=1, is_large=True)
@example(texts=["next starts with newline ", "\nnext", " ", "  x", "x"], cut=1, most=1, is_large=False)
def test_signs_are_those_of_the_reference(texts: list[str | None], cut: int, most: int, is_large: bool) -> None:
    array = pa.array(texts, pa.large_string() if is_large else pa.string()).slice(cut)
    assert text_signs(text_buffers(array), TABLE, most).tolist() == [reference(text or "", most) for text in texts[cut:]]


@pytest.mark.parametrize("before", range(17))
def test_what_stands_anywhere_in_the_eight_bytes_is_seen(before: int) -> None:
    plain = "abcdefghijklmnopq"[:before]
    for trouble in ("  ", " \n", "\t\n", "\r", "\x7f", "\x85", "，", "\U000f0000", "\n\n"):
        for text in (plain + trouble, plain + trouble + "following words"):
            found = text_signs(text_buffers(pa.array([text])), TABLE, 1).tolist()
            assert found == [reference(text, 1)], repr(text)


def test_a_sign_of_printable_ascii_is_refused() -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        character_signs({signs.INVISIBLE: ((0x7E, 0x7F),)})
