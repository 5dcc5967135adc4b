"""Identities written by the kernel are those of the JSON encoder, byte for byte."""

from __future__ import annotations

from itertools import pairwise

import orjson
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liangji.kernels.buffers import text_buffers
from liangji.kernels.record_identities import write_identities

TEXTS = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=100), min_size=1, max_size=4)


@settings(deadline=None)
@given(TEXTS, st.text(st.characters(exclude_categories=["Cs"]), max_size=5), st.integers(0, 1 << 40), st.booleans())
@example(["".join(map(chr, range(0x180))), "", "一二三" * 50], "a", 9, True)
def test_identities_are_those_of_the_json_encoder(texts: list[str | None], origin: str, first: int, is_large: bool) -> None:
    array = pa.array(["skipped", *texts], pa.large_string() if is_large else pa.string()).slice(1)
    data, offsets, _ = text_buffers(array)
    written, ends = write_identities(data, offsets, orjson.dumps([origin])[:-1] + b",", first)
    identities = [written[start:end].tobytes() for start, end in pairwise(ends)]
    assert identities == [orjson.dumps([origin, first + row, text or ""]) for row, text in enumerate(texts)]
