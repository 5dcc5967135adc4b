from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from liangji.kernels.neighbour_pairs import neighbour_pairs


def obviously(buckets: list[list[int]], priority: dict[int, int], decided_from: int, planted_from: int) -> set[tuple[int, int]]:
    pairs = set()
    for bucket in buckets:
        members = sorted(bucket, key=lambda document: (priority.get(document, 0), document))
        for place, later in enumerate(members):
            for earlier in {*members[:1], *members[max(0, place - 2) : place]} - {later}:
                if later >= decided_from and earlier < planted_from:
                    pairs.add((later, earlier))
    return pairs


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=8, unique=True), max_size=6),
    st.one_of(st.none(), st.lists(st.integers(0, 3), min_size=12, max_size=12)),
    st.integers(0, 4),
    st.integers(9, 12),
)
def test_each_member_meets_the_first_and_the_two_before_it(
    buckets: list[list[int]], priority: list[int] | None, decided_from: int, planted_from: int
) -> None:
    keys = np.repeat(np.arange(len(buckets), dtype=np.uint64), [len(bucket) for bucket in buckets])
    documents = np.array([document for bucket in buckets for document in sorted(bucket)], np.int64)
    order = np.array(priority or [], np.uint32)
    found = neighbour_pairs(keys, documents, order, np.uint64(decided_from), np.uint64(planted_from))
    pairs = [(int(pair) >> 32, int(pair) & 0xFFFFFFFF) for pair in found]
    ranks = dict(enumerate(priority or []))
    assert set(pairs) == obviously(buckets, ranks, decided_from, planted_from)
    assert len(pairs) == sum(len(obviously([bucket], ranks, decided_from, planted_from)) for bucket in buckets)
