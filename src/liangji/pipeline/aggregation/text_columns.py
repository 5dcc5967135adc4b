"""The common case of a columnar file, taken whole: a column of text under a usual name, without nulls. Ids without JSON a row."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from liangji.pipeline.aggregation.canonical_json import canonical_bytes
from liangji.pipeline.aggregation.text_fields import TEXT_NAMES

_ID_BYTES = 16
_CACHED_BYTES = 256 << 10  # written and hashed at once: what stays in the cache costs a quarter less


def text_column(columns: pa.RecordBatch) -> str | None:
    """Name the column that is the text of every row; None where rows must be looked at one by one."""
    names = columns.schema.names
    name = next((name for name in TEXT_NAMES if name in names), None)
    if name is None or len(set(names)) < len(names):
        return None
    text = columns.column(name)
    is_string = pa.types.is_string(text.type) or pa.types.is_large_string(text.type)
    return name if is_string and not text.null_count and columns.num_rows else None


def text_ids(text: pa.Array, origin: str, first_record: int) -> tuple[pa.Array, NDArray[np.int64]]:
    """Give the ids of consecutive text records, and where the identity of each ends, counted over all of them."""
    from liangji.kernels.buffers import text_buffers  # noqa: PLC0415  # with the compiled kernel: a table of numbers needs neither
    from liangji.kernels.record_identities import write_identities  # noqa: PLC0415  # loads the compiler

    data, offsets, _ = text_buffers(text)
    prefix = canonical_bytes([origin])[:-1] + b","
    digests: list[bytes] = []
    ends = np.zeros(len(offsets), np.int64)
    first, sha256 = 0, hashlib.sha256
    while first < len(text):
        past = max(first + 1, int(np.searchsorted(offsets, offsets[first] + _CACHED_BYTES, "right")) - 1)
        written, places = write_identities(data, offsets[first : past + 1], prefix, first_record + first)
        view = written.data
        digests += [sha256(view[start:end]).digest()[:_ID_BYTES] for start, end in pairwise(places.tolist())]
        ends[first + 1 : past + 1] = ends[first] + places[1:]
        first = past
    starts = np.arange(len(text) + 1, dtype=np.int32) * np.int32(2 * _ID_BYTES)
    return pa.StringArray.from_buffers(len(text), pa.py_buffer(starts), pa.py_buffer(b"".join(digests).hex().encode())), ends
