from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangji.kernels.buffers import text_buffers
from liangji.kernels.line_hashes import passage_hashes, without_passages

CHARACTERS = st.one_of(st.sampled_from("ab 　\u2003天\n\n\n\r\t"), st.characters(codec="utf-8"))
TEXTS = st.lists(st.text(CHARACTERS, max_size=30), min_size=1, max_size=6)


def passages(text: str, is_paragraph: bool) -> list[str]:
    """The passages of a text, white space taken out."""
    lines = ["".join(line.split()) for line in text.split("\n")]
    if not is_paragraph:
        return [line for line in lines if line]
    return ["".join(part.split()) for part in re.split(r"\n{2,}", "\n".join(lines)) if part.strip()]


def hashes_of(texts: list[str], is_paragraph: bool, minimum: int, is_large: bool = False) -> list[list[int]]:
    buffers = text_buffers(pa.array(["before", *texts], pa.large_string() if is_large else pa.string()).slice(1))
    hashes, offsets = passage_hashes(buffers.data, buffers.offsets, is_paragraph, minimum)
    return [hashes[offsets[i] : offsets[i + 1]].tolist() for i in range(len(texts))]


@given(TEXTS, st.booleans(), st.integers(1, 3), st.booleans())
def test_passages_have_equal_hashes_where_they_are_equal_but_for_white_space(
    texts: list[str], is_paragraph: bool, minimum: int, is_large: bool
) -> None:
    found = hashes_of(texts, is_paragraph, minimum, is_large)
    known: dict[int, str] = {}
    for text, hashes in zip(texts, found, strict=True):
        expected = {passage for passage in passages(text, is_paragraph) if len(passage) >= minimum}
        assert hashes == sorted(set(hashes))
        assert len(hashes) == len(expected)
        for passage in expected:
            ((value,),) = hashes_of([passage], False, 1)
            assert value in hashes
            assert known.setdefault(value, passage) == passage


def removed(
    text: str, unwanted: list[str], *, is_paragraph: bool = False, minimum: int = 1, within: bool = False
) -> tuple[str, int, bool]:
    buffers = text_buffers(pa.array(["before", None, text], pa.large_string()).slice(1))
    hashes = sorted(value for passage in unwanted for value in hashes_of([passage], False, 1)[0])
    data, offsets, lost, is_left = without_passages(
        buffers.data,
        buffers.offsets,
        is_paragraph,
        minimum,
        np.array(hashes, np.uint64),
        np.array([0, 0, len(hashes)]),
        within,
    )
    assert (offsets.tolist(), int(lost[0]), bool(is_left[0])) == ([0, 0, len(data)], 0, True)  # the null one
    return data.tobytes().decode(), int(lost[1]), bool(is_left[1])


def test_what_python_calls_white_space_is_white_space() -> None:
    spaces = [chr(point) for point in range(0x110000) if chr(point).isspace() and chr(point) != "\n"]
    others = [chr(point) for point in range(0x3001) if not chr(point).isspace()]
    ((plain,),) = hashes_of(["ab"], False, 1)
    assert hashes_of([f"a{space}b" for space in spaces], False, 1) == [[plain]] * len(spaces)
    assert [plain] not in hashes_of([f"a{other}b" for other in others], False, 1)


@given(st.text(CHARACTERS, max_size=40), st.booleans(), st.booleans(), st.integers(1, 2))
def test_what_is_left_are_the_other_passages_in_order(text: str, is_paragraph: bool, within: bool, minimum: int) -> None:
    unwanted = ["a", "天b", "ab天"]
    result, lost, is_left = removed(text, unwanted, is_paragraph=is_paragraph, minimum=minimum, within=within)
    expected: list[str] = []
    seen: set[str] = set()
    for passage in passages(text, is_paragraph):
        if len(passage) >= minimum and (passage in unwanted or (within and passage in seen)):
            continue
        seen.add(passage)
        expected.append(passage)
    assert passages(result, is_paragraph) == expected
    assert lost == len(text) - len(result)
    if expected == passages(text, is_paragraph):
        assert result == text
    else:
        assert is_left == bool(expected)


@given(st.text(st.sampled_from("ab天\n\n"), max_size=40))
def test_removal_makes_no_run_of_blank_lines_longer_than_any_that_was_there(text: str) -> None:
    result, _, _ = removed(text, ["a", "天"])
    longest = max(map(len, re.findall(r"\n+", text)), default=0)
    assert max(map(len, re.findall(r"\n+", result)), default=0) <= longest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("页眉\n\n甲\n\n乙\n\n页脚\n", "甲\n\n乙\n"),
        ("甲\n\n页眉\n\n乙", "甲\n\n乙"),
        ("甲\n页眉\n乙", "甲\n乙"),
        ("甲\n页眉\n\n\n页脚\n乙", "甲\n\n\n乙"),
        ("页眉\n页脚\n", ""),
        ("  甲\r\n页 眉\r\n乙\r\n", "  甲\r\n乙\r\n"),
        ("\n甲\n", "\n甲\n"),
    ],
)
def test_a_removed_line_leaves_no_hole(text: str, expected: str) -> None:
    assert removed(text, ["页眉", "页脚"])[0] == expected
