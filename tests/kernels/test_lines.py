"""What the kernel of lines asks of a document first must never hide what it is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from liangji.kernels import lines


def phrase(row: int) -> bytes:
    return bytes(lines.PHRASE_BYTES[row, : lines.PHRASE_SHAPES[row, 0]])


@pytest.mark.parametrize("row", range(lines.PHRASE_SHAPES.shape[0]))
def test_each_phrase_is_found_in_either_case(row: int) -> None:
    flag = lines.PHRASE_SHAPES[row, 2]
    for written in (phrase(row), phrase(row).upper(), b"xx " + phrase(row).title() + b" yy"):
        data = np.frombuffer(written, np.uint8)
        assert lines._may_hold_phrases(data, 0, data.size)
        assert lines.find_phrases(data, 0, data.size) & flag


def test_newlines_are_listed_with_the_end() -> None:
    data = np.frombuffer(b"\na\n\nb", np.uint8)
    assert lines.list_newlines(data, 0, 5, 3).tolist() == [0, 2, 3, 5]
    assert lines.list_newlines(data, 1, 4, 2).tolist() == [2, 3, 4]
    assert lines.list_newlines(data, 1, 1, 0).tolist() == [1]


def test_other_breaks_are_seen_wherever_they_stand() -> None:
    for written in ("\r", "a\x0b", "\x0c", "\x1e", "a\x85", "中\u2028", "\u2029"):
        data = np.frombuffer(written.encode(), np.uint8)
        assert lines._has_other_breaks(data, 0, data.size), repr(written)
    data = np.frombuffer("a\n中文\u00a0\u201c\u2026\x1f\x1b".encode(), np.uint8)
    assert not lines._has_other_breaks(data, 0, data.size)
