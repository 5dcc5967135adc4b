"""n-grams that repeat, against counting them plainly; words are letters, so that many n-grams repeat."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from liangji.kernels.repetition import LONGEST, LONGEST_TOP, SHORTEST, measure_repetition


def plainly(words: list[str], n: int, separators: int) -> int:
    grams = [tuple(words[at : at + n]) for at in range(len(words) - n + 1)]
    if n <= LONGEST_TOP:
        (top, times), *_ = Counter(grams).most_common(1) or [((), 0)]
        return times * (sum(map(len, top)) + separators * (n - 1))
    characters = free = 0
    seen = set()
    for at, gram in enumerate(grams):
        if at < free:
            continue
        if gram in seen:
            characters += sum(map(len, gram))
            free = at + n
        seen.add(gram)
    return characters


@settings(deadline=None, max_examples=300)
@example(words=list("abcdefghijk" * 3), separators=1)
@example(words=list("ab" * 30), separators=0)
@example(words=list("abxabyabzabxabyabz" * 2), separators=0)
@given(
    words=st.integers(1, 6).flatmap(lambda size: st.lists(st.sampled_from(["a", "bb", "c", "d", "e", "f"][:size]), max_size=90)),
    separators=st.integers(0, 1),
)
def test_repeated_characters_are_those_counted_plainly(words: list[str], separators: int) -> None:
    hashes = np.array([xxh3_64_intdigest(word.encode()) for word in words], np.uint64)
    ends = np.cumsum([len(word) for word in words], dtype=np.int32) if words else np.zeros(0, np.int32)
    counts = np.zeros(LONGEST - SHORTEST + 1, np.int64)
    measure_repetition(hashes, ends, len(words), separators, counts)
    assert counts.tolist() == [plainly(words, n, separators) for n in range(SHORTEST, LONGEST + 1)]
