"""Classes are those of Python's own rules, for every code point; decoding is that of Python."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from liangji.kernels import characters
from liangji.kernels.characters import ALPHABETIC, IDEOGRAPHIC, LETTERS_END, LINE_BREAK, PUNCTUATION, SPACE, TERMINAL
from liangji.kernels.text_classes import PUBLISHED_PUNCTUATION, TERMINAL_MARKS, census_kinds, word_classes

ALL = [code_point for code_point in range(sys.maxunicode + 1) if not 0xD800 <= code_point < 0xE000]


@njit
def _decode(data: Any, at: Any) -> Any:
    return characters.decode(data, at)


@njit
def _decode_before(data: Any, end: Any) -> Any:
    return characters.decode_before(data, end, 0)


def test_no_letter_mark_or_white_space_comes_after_the_last_one_looked_at() -> None:
    beyond = [chr(code_point) for code_point in ALL if code_point >= LETTERS_END]
    assert not [c for c in beyond if c.isalnum() or c.isspace() or unicodedata.category(c)[0] in "PSN"]


@pytest.mark.parametrize("script", [False, True])
def test_classes_are_those_of_python(script: bool) -> None:
    marks = {chr(c) for c in ALL if unicodedata.category(chr(c))[0] in "PS"} if script else set(PUBLISHED_PUNCTUATION)
    found = word_classes(script)
    rules: dict[int, Callable[[str], bool]] = {
        SPACE: str.isspace,
        ALPHABETIC: str.isalpha,
        PUNCTUATION: marks.__contains__,
        TERMINAL: TERMINAL_MARKS.__contains__,
        LINE_BREAK: lambda character: len(f"a{character}b".splitlines()) == 2,
    }
    for flag, holds in rules.items():
        assert np.flatnonzero(found & flag).tolist() == [c for c in ALL if holds(chr(c))]
    assert [bool(found[ord(c)] & IDEOGRAPHIC) for c in "中カあ\U00020000\U000323af㐀豈aé。한"] == [True] * 7 + [False] * 4


def test_what_is_damaged_is_damaged_in_every_plane() -> None:
    kinds = census_kinds()
    damaged = {code_point for code_point in ALL if kinds[code_point] == kinds[0xFFFD]}
    controls = {c for c in ALL if unicodedata.category(chr(c)) in ("Co", "Cc") and not chr(c).isspace()}
    noncharacters = {plane << 16 | low for plane in range(17) for low in (0xFFFE, 0xFFFF)} - {0x2FFFE, 0x2FFFF}
    assert damaged == controls | noncharacters | {0xFFFD}


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8))
def test_characters_are_decoded_forwards_and_backwards(text: str) -> None:
    data = np.frombuffer(text.encode(), np.uint8)
    at = 0
    for character in text:
        width = len(character.encode())
        assert _decode(data, at) == (ord(character), width)
        assert _decode_before(data, at + width) == (ord(character), at)
        at += width
