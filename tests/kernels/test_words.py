"""Words: what does not fit into the arrays is counted, and where it begins is told. All counts: `test_text_statistics`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangji.kernels.text_classes import word_classes
from liangji.kernels.words import WORDS, split_words, word_tables

TEXTS = st.text(st.one_of(st.sampled_from("ab1 中カ，.\n\u3000é"), st.characters(codec="utf-8")), max_size=40)


@given(TEXTS, st.integers(0, 12), st.booleans())
def test_words_beyond_the_room_are_counted_and_the_first_of_them_is_told(text: str, room: int, script: bool) -> None:
    tables = word_tables(word_classes(script), script, ())
    data = np.frombuffer(b"before" + text.encode(), np.uint8)

    def split(size: int) -> tuple[int, list[int], list[int], int]:
        hashes, ends, counts = np.zeros(size, np.uint64), np.zeros(size, np.int32), np.zeros(5, np.int64)
        overflow = split_words(data, 6, data.size, tables, hashes, ends, counts)
        words = int(counts[WORDS])
        return words, hashes[:words].tolist(), ends[:words].tolist(), int(overflow)

    words, hashes, ends, overflow = split(len(text) + 1)
    assert overflow == data.size
    few, few_hashes, few_ends, overflow = split(room)
    assert (few, few_hashes, few_ends) == (words, hashes[:room], ends[:room])
    if words <= room:
        assert overflow == data.size
    else:
        before = data[6:overflow].tobytes().decode()
        assert len("".join(before.split())) == (ends[room - 1] if room else 0)
        assert not data[overflow:].tobytes().decode()[0].isspace()


@pytest.mark.parametrize("script", [False, True])
def test_equal_words_have_equal_hashes_wherever_they_stand(script: bool) -> None:
    tables = word_tables(word_classes(script), script, ())
    words = ["a", "abcdefgh", "abcdefghi", "abcdefgh1", "é", "aé", "éa", "中", "，"]
    data = np.frombuffer(" ".join([*words, *reversed(words)]).encode(), np.uint8)
    hashes, ends = np.zeros(2 * len(words), np.uint64), np.zeros(2 * len(words), np.int32)
    split_words(data, 0, data.size, tables, hashes, ends, np.zeros(5, np.int64))
    assert hashes[: len(words)].tolist() == hashes[::-1][: len(words)].tolist()
    assert len(set(hashes.tolist())) == len(words)
