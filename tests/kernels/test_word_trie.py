"""The trie holds every word with its weight, and nothing else."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from liangji.kernels.word_trie import FREE, ROOT, WordTrie, find_place, word_trie

WORDS = st.dictionaries(
    st.text(st.sampled_from("一不中国人民ab0\uffff"), min_size=1, max_size=5), st.integers(1, 10**9), max_size=80
)


def weight_of(trie: WordTrie, word: str) -> float | None:
    """Walk down a word; None where its path ends."""
    node = ROOT
    for character in word:
        place = int(find_place(trie.nodes, node, ord(character)))
        if trie.nodes[place]["parent"] == FREE:
            return None
        node = place
    return float(trie.nodes[node]["weight"])


@given(words=WORDS, others=st.lists(st.text(st.sampled_from("一不中国人民ab0\uffff"), min_size=1, max_size=6)), wide=st.booleans())
def test_a_word_has_its_weight_a_beginning_has_none_and_others_are_not_there(
    words: dict[str, int], others: list[str], wide: bool
) -> None:
    total = sum(words.values()) + 5
    array = pa.array(["first", *words], pa.large_string() if wide else pa.string()).slice(1)
    trie = word_trie(array, np.array(list(words.values()), np.int64), total)
    beginnings = {word[:length] for word in words for length in range(1, len(word))}
    for text in {*words, *beginnings, *others}:
        weight = weight_of(trie, text)
        if text in words:
            assert weight == math.log(words[text]) - math.log(total)
        elif text in beginnings:
            assert weight is not None
            assert math.isnan(weight)
        else:
            assert weight is None
    assert np.count_nonzero(trie.nodes["parent"] != FREE) == len(beginnings | set(words))
    assert trie.unknown == -math.log(total)


def test_the_table_is_a_power_of_two_with_room() -> None:
    trie = word_trie(pa.array([chr(point) for point in range(0x4E00, 0x5E00)]), np.ones(0x1000, np.int64), 0x1000)
    assert trie.nodes.shape[0].bit_count() == 1
    assert np.count_nonzero(trie.nodes["parent"] != FREE) == 0x1000 <= trie.nodes.shape[0] * 2 / 3
    assert trie.nodes.itemsize == 16
