from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangji.kernels.buffers import text_buffers


@given(
    texts=st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=6), max_size=6),
    wide=st.booleans(),
    cut=st.integers(0, 6),
    length=st.integers(0, 6),
)
def test_documents_are_read_from_any_slice(texts: list[str | None], wide: bool, cut: int, length: int) -> None:
    array = pa.array(texts, pa.large_string() if wide else pa.string()).slice(cut, length)
    data, offsets, valid = text_buffers(array)
    found = [bytes(data[start:end]).decode() for start, end in pairwise(offsets)]
    assert offsets.dtype == np.int64
    assert [text if is_valid else None for text, is_valid in zip(found, valid, strict=True)] == array.to_pylist()
    assert not any(text for text, is_valid in zip(found, valid, strict=True) if not is_valid)


def test_a_null_that_owns_bytes_is_refused() -> None:
    bitmap = pa.py_buffer(b"\x01")
    array = pa.StringArray.from_buffers(2, pa.py_buffer(np.array([0, 1, 3], np.int32)), pa.py_buffer(b"abc"), bitmap)
    with pytest.raises(ValueError, match="fill_null"):
        text_buffers(array)


def test_only_strings_are_read() -> None:
    with pytest.raises(TypeError, match="int64"):
        text_buffers(pa.array([1]))
