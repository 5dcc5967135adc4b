"""Conditions on eight bytes at a time against the same conditions byte by byte."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit

from liangji.kernels import eight_bytes


@njit
def _load(data: Any, at: Any, end: Any) -> Any:
    return eight_bytes.load(data, at, end)


@njit
def _marks(eight: Any, byte: Any) -> Any:
    return (
        eight_bytes.mark_letters(eight),
        eight_bytes.mark_digits(eight),
        eight_bytes.mark_equal(eight, byte),
        eight_bytes.mark_from(eight_bytes.low_bits(eight), byte),
    )


@njit
def _before_first(marks: Any) -> Any:
    bits = eight_bytes.before_first(marks)
    return bits, eight_bytes.count_bytes(bits)


def marked(flags: list[bool]) -> int:
    return sum(0x80 << 8 * place for place, flag in enumerate(flags) if flag)


@given(st.binary(min_size=1, max_size=20), st.data())
def test_eight_bytes_are_read_and_spaces_put_behind_the_end(data: bytes, draws: st.DataObject) -> None:
    end = draws.draw(st.integers(1, len(data)))
    at = draws.draw(st.integers(0, end - 1))
    found = _load(np.frombuffer(data, np.uint8), at, end)
    assert int(found).to_bytes(8, "little") == data[at : min(at + 8, end)].ljust(8)


@example(bytes(range(0x2E, 0x36)), 0x30)
@example(b"@AZ[`az{", 0x61)
@example(bytes([0xE1, 0xB0, 0x80, 0xFF, 0x7F, 0x00, 0x20, 0x21]), 0x21)
@given(st.binary(min_size=8, max_size=8), st.integers(1, 0x7F))
def test_marks_are_those_of_each_byte(data: bytes, byte: int) -> None:
    letters, digits, equal, reached = map(int, _marks(np.uint64(int.from_bytes(data, "little")), byte))
    assert letters == marked([chr(each) in string.ascii_letters for each in data])
    assert digits == marked([chr(each) in string.digits for each in data])
    assert equal == marked([each == byte for each in data])
    assert reached == marked([each & 0x7F >= byte for each in data])


@given(st.lists(st.booleans(), min_size=8, max_size=8))
def test_bytes_before_the_first_mark_are_counted(flags: list[bool]) -> None:
    bits, count = _before_first(np.uint64(marked(flags)))
    expected = [*flags, True].index(True)
    assert (int(bits), count) == ((1 << 8 * expected) - 1, expected)
